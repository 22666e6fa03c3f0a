"""What is not supported is refused: the status, the rule, where it is and how to mend it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from precert.security.identity import Client
from precert.subscriptions.urls import (
    CHANNEL_TYPE,
    FILTER_CRITERIA,
    HEARTBEAT_PERIOD,
    MAX_COUNT,
    PAYLOAD_CONTENT,
    TIMEOUT,
)
from subscriptions.world import NPI, World, subscription, world

Mend = Callable[[dict[str, Any]], None]
CHANNEL = "Subscription.channel"
ENDPOINT = f"{CHANNEL}.endpoint"
CONTENT = f"{CHANNEL}.payload.extension('{PAYLOAD_CONTENT}').value"
FILTER = f"Subscription.criteria.extension('{FILTER_CRITERIA}')"


def put(path: str, value: Any) -> Mend:
    def change(resource: dict[str, Any]) -> None:
        *way, last = path.split(".")
        at: Any = resource
        for step in way:
            at = at[int(step)] if step.isdigit() else at[step]
        at[int(last) if last.isdigit() else last] = value

    return change


def drop(path: str) -> Mend:
    def change(resource: dict[str, Any]) -> None:
        *way, last = path.split(".")
        at: Any = resource
        for step in way:
            at = at[step]
        del at[last]

    return change


def header(line: Any) -> Mend:
    return put("channel.header", [line])


def filtered(text: Any) -> Mend:
    return put("_criteria.extension", [{"url": FILTER_CRITERIA, "valueString": text}])


def channel_extension(*values: Any, url: str, key: str) -> Mend:
    return put("channel.extension", [{"url": url, key: value} for value in values])


REFUSED: dict[str, tuple[Mend, str, str]] = {
    "no status": (drop("status"), "status", "Subscription.status"),
    "unknown status": (put("status", "on"), "status", "Subscription.status"),
    "created active": (put("status", "active"), "status", "Subscription.status"),
    "created off": (put("status", "off"), "status", "Subscription.status"),
    "no reason": (drop("reason"), "reason", "Subscription.reason"),
    "blank reason": (put("reason", " "), "reason", "Subscription.reason"),
    "no topic": (drop("criteria"), "topic", "Subscription.criteria"),
    "another topic": (put("criteria", "http://example.org/topic"), "topic", "Subscription.criteria"),
    "R4 criteria": (put("criteria", "ClaimResponse?request=1"), "topic", "Subscription.criteria"),
    "no filter": (drop("_criteria"), "filter", FILTER),
    "empty filter": (filtered("org-identifier="), "filter", f"{FILTER}[0].value"),
    "half a list": (filtered("org-identifier=a,,b"), "filter", f"{FILTER}[0].value"),
    "filter without name": (filtered("1245319599"), "filter", f"{FILTER}[0].value"),
    "filter with modifier": (filtered("org-identifier:not=1"), "filter", f"{FILTER}[0].value"),
    "filter of no string": (filtered(7), "filter", f"{FILTER}[0].value"),
    "filter too long": (filtered("org-identifier=" + "1" * 300), "filter", f"{FILTER}[0].value"),
    "filter too many": (filtered("org-identifier=" + ",".join(map(str, range(101)))), "filter", FILTER),
    "end of no time": (put("end", "tomorrow"), "end", "Subscription.end"),
    "end without zone": (put("end", "2030-01-01T00:00:00"), "end", "Subscription.end"),
    "no channel": (drop("channel"), "channel", CHANNEL),
    "channel list": (put("channel", []), "channel", CHANNEL),
    "websocket": (put("channel.type", "websocket"), "channel-type", f"{CHANNEL}.type"),
    "email": (put("channel.type", "email"), "channel-type", f"{CHANNEL}.type"),
    "no type": (drop("channel.type"), "channel-type", f"{CHANNEL}.type"),
    "custom channel": (
        put("channel._type", {"extension": [{"url": CHANNEL_TYPE, "valueCoding": {"code": "zulip"}}]}),
        "channel-type",
        f"{CHANNEL}.type.extension('{CHANNEL_TYPE}')",
    ),
    "no endpoint": (drop("channel.endpoint"), "endpoint", ENDPOINT),
    "http": (put("channel.endpoint", "http://ehr.test/hook"), "endpoint", ENDPOINT),
    "ftp": (put("channel.endpoint", "ftp://ehr.test/hook"), "endpoint", ENDPOINT),
    "relative": (put("channel.endpoint", "/hook"), "endpoint", ENDPOINT),
    "credentials": (put("channel.endpoint", "https://me:pw@ehr.test/"), "endpoint", ENDPOINT),
    "fragment": (put("channel.endpoint", "https://ehr.test/#x"), "endpoint", ENDPOINT),
    "space": (put("channel.endpoint", "https://ehr.test/a b"), "endpoint", ENDPOINT),
    "line break": (put("channel.endpoint", "https://ehr.test/\r\nX: y"), "endpoint", ENDPOINT),
    "bad port": (put("channel.endpoint", "https://ehr.test:99999/"), "endpoint", ENDPOINT),
    "loopback": (put("channel.endpoint", "https://127.0.0.1/hook"), "endpoint", ENDPOINT),
    "loopback 6": (put("channel.endpoint", "https://[::1]/hook"), "endpoint", ENDPOINT),
    "metadata service": (put("channel.endpoint", "https://169.254.169.254/latest"), "endpoint", ENDPOINT),
    "private name": (put("channel.endpoint", "https://inside.test/hook"), "endpoint", ENDPOINT),
    "unknown name": (put("channel.endpoint", "https://nowhere.test/hook"), "endpoint", ENDPOINT),
    "xml": (put("channel.payload", "application/fhir+xml"), "payload", f"{CHANNEL}.payload"),
    "no payload": (drop("channel.payload"), "payload", f"{CHANNEL}.payload"),
    "payload with break": (put("channel.payload", "application/json;\r\na: b"), "payload", f"{CHANNEL}.payload"),
    "no content": (drop("channel._payload"), "payload-content", CONTENT),
    "empty content": (put("channel._payload.extension.0.valueCode", "empty"), "payload-content", CONTENT),
    "id-only": (put("channel._payload.extension.0.valueCode", "id-only"), "payload-content", CONTENT),
    "unknown content": (put("channel._payload.extension.0.valueCode", ["x"]), "payload-content", CONTENT),
    "host header": (header("Host: payer.test"), "header", f"{CHANNEL}.header[0]"),
    "length header": (header("content-length: 3"), "header", f"{CHANNEL}.header[0]"),
    "hop-by-hop header": (header("Transfer-Encoding: chunked"), "header", f"{CHANNEL}.header[0]"),
    "connection header": (header("Connection: close"), "header", f"{CHANNEL}.header[0]"),
    "other content type": (header("Content-Type: text/plain"), "header", f"{CHANNEL}.header[0]"),
    "no header": (header("Authorization"), "header", f"{CHANNEL}.header[0]"),
    "header without value": (header("Authorization: "), "header", f"{CHANNEL}.header[0]"),
    "header name": (header("A B: c"), "header", f"{CHANNEL}.header[0]"),
    "header injection": (header("A: b\r\nHost: c"), "header", f"{CHANNEL}.header[0]"),
    "header letters": (header("A: bücher"), "header", f"{CHANNEL}.header[0]"),
    "header number": (header(7), "header", f"{CHANNEL}.header[0]"),
    "header no list": (put("channel.header", "A: b"), "header", f"{CHANNEL}.header"),
    "headers many": (put("channel.header", [f"A{n}: b" for n in range(40)]), "header", f"{CHANNEL}.header"),
    "heartbeat fast": (
        channel_extension(5, url=HEARTBEAT_PERIOD, key="valueUnsignedInt"),
        "heartbeat",
        f"{CHANNEL}.extension('{HEARTBEAT_PERIOD}').value",
    ),
    "heartbeat negative": (
        channel_extension(-1, url=HEARTBEAT_PERIOD, key="valueUnsignedInt"),
        "extension-value",
        f"{CHANNEL}.extension('{HEARTBEAT_PERIOD}')",
    ),
    "heartbeat twice": (
        channel_extension(60, 70, url=HEARTBEAT_PERIOD, key="valueUnsignedInt"),
        "extension-value",
        f"{CHANNEL}.extension('{HEARTBEAT_PERIOD}')",
    ),
    "timeout type": (
        channel_extension("9", url=TIMEOUT, key="valueUnsignedInt"),
        "extension-value",
        f"{CHANNEL}.extension('{TIMEOUT}')",
    ),
    "timeout yes": (
        channel_extension(True, url=TIMEOUT, key="valueUnsignedInt"),
        "extension-value",
        f"{CHANNEL}.extension('{TIMEOUT}')",
    ),
    "timeout big": (
        channel_extension(2**31, url=TIMEOUT, key="valueUnsignedInt"),
        "extension-value",
        f"{CHANNEL}.extension('{TIMEOUT}')",
    ),
    "max count 0": (
        channel_extension(0, url=MAX_COUNT, key="valuePositiveInt"),
        "extension-value",
        f"{CHANNEL}.extension('{MAX_COUNT}')",
    ),
    "modifier extension": (
        put("modifierExtension", [{"url": "urn:x", "valueBoolean": True}]),
        "modifier-extension",
        "Subscription.modifierExtension",
    ),
    "cross-version extension": (
        put("extension", [{"url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription.topic"}]),
        "cross-version-extension",
        "Subscription.extension",
    ),
}


async def resolve(host: str, port: int) -> list[str]:
    import socket

    known = {"ehr.test": ["93.184.216.34"], "inside.test": ["93.184.216.34", "10.0.0.7"]}
    if host == "flaky.test":
        raise socket.gaierror(socket.EAI_AGAIN, "try again")
    if host not in known:
        raise socket.gaierror(socket.EAI_NONAME, "unknown")
    return known[host]


@pytest.fixture(scope="module")
def good() -> dict[str, Any]:
    return subscription("https://ehr.test/hook")


@pytest.mark.parametrize("case", REFUSED)
async def test_refused(tmp_path: Path, good: dict[str, Any], case: str) -> None:
    change, rule, path = REFUSED[case]
    resource = copy.deepcopy(good)
    change(resource)
    async with world(tmp_path / "d", allow_private=False, resolve=resolve) as server:
        answer = await server.http.post("/fhir/Subscription", json=resource)
        assert answer.status_code == 422, answer.text
        outcome = answer.json()
        assert outcome["resourceType"] == "OperationOutcome"
        issues = [(i["details"]["coding"][0]["code"], i["expression"][0]) for i in outcome["issue"]]
        assert (rule, path) in issues
        assert all(len(i["details"]["text"]) > 20 for i in outcome["issue"])
        assert (await server.http.get("/fhir/Subscription")).json()["total"] == 0
        assert (await server.store.health()).outbox == 0


async def test_everything_wrong_is_told_at_once(server: World) -> None:
    answer = await server.http.post("/fhir/Subscription", json={"resourceType": "Subscription"})
    rules = [i["details"]["coding"][0]["code"] for i in answer.json()["issue"]]
    assert rules == ["status", "topic", "reason", "filter", "channel"]


async def test_a_header_that_is_refused_is_not_repeated(server: World) -> None:
    answer = await server.http.post(
        "/fhir/Subscription", json=subscription("https://ehr.test/", header=["Authorization : Bearer geheim\n"])
    )
    assert answer.status_code == 201  # blanks around are trimmed
    answer = await server.http.post(
        "/fhir/Subscription", json=subscription("https://ehr.test/", header=["Authorization: Bearer gehe\nim"])
    )
    assert answer.status_code == 422
    assert "gehe" not in answer.text


@pytest.mark.parametrize(
    ("change", "version"),
    [
        (put("channel.payload", "application/json"), "2.2"),
        (put("channel.payload", "application/fhir+json; fhirVersion=4.0"), "2.2"),
        (put("channel.endpoint", "https://flaky.test/hook"), "2.2"),
        (put("channel.endpoint", "https://EHR.test.:8443/hook?a=b"), "2.2"),
        (put("channel._type", {"extension": [{"url": CHANNEL_TYPE, "valueCoding": {"code": "rest-hook"}}]}), "2.2"),
        (put("criteria", "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic|2.2.1"), "2.2"),
        (filtered("Encounter.patient=Patient/123"), "2.0"),
        (filtered("orgIdentifier=http://hl7.org/fhir/sid/us-npi|1245319599"), "2.0"),
        (filtered("identifier=1245319599"), "2.0"),
        (put("channel._payload.extension.0.valueCode", "full-resource"), "2.0"),
        (drop("channel.header"), "2.0"),
    ],
)
async def test_accepted(tmp_path: Path, change: Mend, version: str) -> None:
    resource = subscription("https://ehr.test/hook", version)
    change(resource)
    base = "/fhir" if version == "2.2" else "/fhir/v2.0"
    async with world(tmp_path / "d", allow_private=False, resolve=resolve) as server:
        answer = await server.http.post(f"{base}/Subscription", json=resource)
        assert answer.status_code == 201, answer.text


async def test_another_resource(server: World) -> None:
    answer = await server.http.post("/fhir/Subscription", json={"resourceType": "Patient"})
    assert answer.status_code == 400
    assert answer.json()["issue"][0]["details"]["coding"][0]["code"] == "resource-type"


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"", "application/fhir+json", 400),
        (b"{", "application/fhir+json", 400),
        (b"[]", "application/fhir+json", 400),
        (b"<Subscription/>", "application/fhir+xml", 415),
        (b'{"resourceType":"Subscription","reason":"' + b"x" * 300_000 + b'"}', "application/fhir+json", 413),
    ],
)
async def test_bodies_that_are_none(server: World, body: bytes, kind: str, status: int) -> None:
    answer = await server.http.post("/fhir/Subscription", content=body, headers={"content-type": kind})
    assert answer.status_code == status
    assert answer.json()["resourceType"] == "OperationOutcome"


async def test_nobody_subscribes_with_another_senders_identifier(tmp_path: Path) -> None:
    def own(client: Client) -> frozenset[str] | None:
        return {"ehr": frozenset({NPI, "ISA-7"}), "nobody": frozenset[str]()}.get(client.id)

    async with world(tmp_path / "d", organizations=own) as server:
        foreign = subscription("https://ehr.test/", filters=[f"org-identifier={NPI},ISA-8"])
        answer = await server.http.post("/fhir/Subscription", json=foreign, headers={"x-client": "ehr"})
        assert answer.status_code == 403
        assert answer.json()["issue"][0]["expression"] == [FILTER]
        id = await server.create(subscription("https://ehr.test/"))
        assert (await server.put(id, foreign)).status_code == 403
        answer = await server.http.post(
            "/fhir/Subscription", json=subscription("https://ehr.test/"), headers={"x-client": "nobody"}
        )
        assert answer.status_code == 403
        await server.create(foreign, client="unbound")


async def test_a_client_may_have_so_many_and_no_more(tmp_path: Path) -> None:
    from precert.subscriptions.policy import DeliveryPolicy

    async with world(tmp_path / "d", policy=DeliveryPolicy(per_client=2)) as server:
        ids = [await server.create(subscription("https://ehr.test/")) for _ in range(2)]
        answer = await server.http.post("/fhir/Subscription", json=subscription("https://ehr.test/"))
        assert answer.status_code == 422
        assert answer.json()["issue"][0]["code"] == "too-costly"
        await server.create(subscription("https://ehr.test/"), client="another")
        await server.http.delete(f"/fhir/Subscription/{ids[0]}")
        await server.create(subscription("https://ehr.test/"))
