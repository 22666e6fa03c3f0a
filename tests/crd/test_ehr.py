"""Reading from the client's FHIR server: what is fetched, and that a dead, slow, lying or huge server costs its own call only."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from crd.building import coverage, hook, infos, order, patient, payer, practitioner, prefetch, saturation, searchset
from crd.ehr import Ehr, send, serving, well_behaved
from precert.crd.dialect import translated
from precert.fhir import json
from precert.security.addresses import is_public
from precert.security.outbound_http import http_client

PATIENT = "Patient/pat-MA-0001"
COVERAGE = "Coverage?patient=pat-MA-0001&status=active"


@pytest.fixture
async def http():
    async with http_client(allow_private=True) as client:
        yield client


def record(**more: Any) -> dict[str, Any]:
    """What a whole EHR holds about MA-0001."""
    return {
        PATIENT: patient("MA-0001"),
        COVERAGE: searchset(coverage("MA-0001")),
        "Organization/payer": payer(),
        "Practitioner/doc": practitioner(),
        **more,
    }


def call(ehr: Ehr, *orders: dict[str, Any], token: str | None = "t0ken", **changes: Any) -> dict[str, Any]:
    changes.setdefault("prefetch", ...)
    body = hook(*(orders or (order("E1390"),)), version="2.2", fhirServer=ehr.url, **changes)
    if token:
        body["fhirAuthorization"] = {"access_token": token, "token_type": "Bearer", "expires_in": 300}
    return body


async def test_everything_missing_is_fetched_with_the_token(make, http):
    world = make(http=http)
    async with serving(**record()) as ehr:
        (info,) = infos(await world.ask(call(ehr)))
    assert info["pa-needed"] == "auth-needed"
    assert set(record()) <= set(ehr.asked)
    assert len(ehr.asked) == len(set(ehr.asked)), "nothing is asked for twice"
    assert set(ehr.tokens) == {"Bearer t0ken"}
    (logged,) = await world.stored("CrdCall")
    assert logged["tokenUse"] == "used"
    assert b"t0ken" not in json.dumps(logged)


async def test_a_server_that_needs_no_token(make, http):
    async with serving(**record()) as ehr:
        assert infos(await make(http=http).ask(call(ehr, token=None)))[0]["pa-needed"] == "auth-needed"
    assert set(ehr.tokens) == {None}


async def test_complete_prefetch_fetches_nothing_that_it_holds(make, http):
    async with serving(**record()) as ehr:
        await make(http=http).ask(call(ehr, order("E0100"), prefetch=prefetch()))
    assert ehr.asked == []


@pytest.mark.parametrize("key", ["patient", "coverage"])
async def test_null_means_asked_and_nothing_there(make, http, key):
    async with serving(**record()) as ehr:
        await make(http=http).hook(call(ehr, prefetch=prefetch(**{key: None})))
    assert not [path for path in ehr.asked if path.startswith(key.title())]


async def test_missing_facts_are_looked_for_before_people_are_asked(make, http):
    """found-5, resp-39: DTR is the fallback. A saturation of 85 % in the record settles the question of the test at rest."""

    async def handler(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if path.startswith("Observation?"):
            await send(writer, 200, json.dumps(searchset(saturation(85))))
        else:
            await well_behaved(ehr, path, headers, writer)

    world = make(http=http)
    async with serving(handler, **record()) as ehr:
        await world.ask(call(ehr))
    (assertion,) = await world.stored("Assertion")
    (line,) = assertion["lines"]
    assert "spo2_rest" not in line["missing"]
    known = next(fact for fact in line["facts"] if fact["name"] == "spo2_rest")
    assert (known["value"], known["evidence"]) == (85, ["Observation/spo2"])
    assert "59408-5" in next(path for path in ehr.asked if path.startswith("Observation?"))


async def test_pages_are_followed_on_the_same_server_only(make, http):
    async def handler(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if path == COVERAGE:
            first = searchset() | {"link": [{"relation": "next", "url": f"{ehr.url}/page2"}]}
            await send(writer, 200, json.dumps(first))
        elif path == "page2":
            second = searchset(coverage("MA-0001"))
            second["link"] = [{"relation": "next", "url": "http://127.0.0.1:9/elsewhere"}]
            await send(writer, 200, json.dumps(second))
        else:
            await well_behaved(ehr, path, headers, writer)

    async with serving(handler, **record()) as ehr:
        assert infos(await make(http=http).ask(call(ehr)))
    assert "page2" in ehr.asked


LOCAL = {
    "resourceType": "CapabilityStatement",
    "rest": [
        {
            "mode": "server",
            "resource": [
                {
                    "type": "Coverage",
                    "searchParam": [
                        {"name": "combo", "definition": "http://hl7.org/fhir/SearchParameter/Coverage-combo-patient"},
                        {"name": "member", "definition": "http://hl7.org/fhir/SearchParameter/Coverage-patient"},
                    ],
                }
            ],
        }
    ],
}


async def test_a_search_that_is_refused_is_asked_again_in_the_clients_own_names(make, http):
    """2.0.1 @60: its CapabilityStatement says what it calls the standard parameters. It has none for the status."""
    held = record(**{"metadata": LOCAL, "Coverage?member=pat-MA-0001": searchset(coverage("MA-0001"))})
    del held[COVERAGE]

    async def handler(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if path == COVERAGE:
            await send(writer, 400, b'{"resourceType":"OperationOutcome","issue":[]}')
        else:
            await well_behaved(ehr, path, headers, writer)

    async with serving(handler, **held) as ehr:
        (info,) = infos(await make(http=http).ask(call(ehr)))
    assert info["pa-needed"] == "auth-needed"
    assert ehr.asked.count("metadata") == 1
    assert set(ehr.tokens) == {"Bearer t0ken"}


@pytest.mark.parametrize(
    "statement",
    [None, {"resourceType": "Patient"}, {"resourceType": "CapabilityStatement", "rest": [{"resource": "x"}]}],
    ids=["none", "another resource", "malformed"],
)
async def test_without_names_of_its_own_a_refused_search_stays_refused(make, http, statement):
    async def handler(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
        if path.startswith("Coverage"):
            await send(writer, 400, b"{}")
        else:
            await well_behaved(ehr, path, headers, writer)

    held = {"metadata": statement} if statement else {}
    async with serving(handler, **held) as ehr:
        assert (await make(http=http).hook(call(ehr))).status_code == 412
    assert [path for path in ehr.asked if path.startswith("Coverage")] == [COVERAGE]


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("Coverage?patient=1&status=active", "Coverage?member=1"),
        ("Coverage?patient=1&_count=100", "Coverage?member=1&_count=100"),
        ("Observation?patient=1&code=a%7Cb", "Observation?subject=1&code=a%7Cb"),
        ("Condition?patient=1&code=x", "Condition?patient=1"),
        ("Device?patient=1", "Device?patient=1"),
    ],
)
def test_names_of_search_parameters(query, asked):
    """A filter that the server does not have is left out; the patient never is, as that would ask for everybody."""
    base = "http://hl7.org/fhir"
    others = [
        {
            "type": "Observation",
            "searchParam": [
                {"name": "subject", "definition": f"{base}/SearchParameter/clinical-patient"},
                {"name": "code", "definition": f"{base}/us/core/SearchParameter/us-core-observation-code"},
            ],
        },
        {"type": "Condition", "searchParam": [{"name": "category"}]},
    ]
    statement = {**LOCAL, "rest": [{"resource": LOCAL["rest"][0]["resource"] + others}]}
    assert translated(query, statement) == asked


async def test_dispatched_orders_and_performers_are_fetched(make, http):
    supplier = payer(id="supplier", identifier=[{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1245319599"}])
    held = record(**{"ServiceRequest/o1": order("E1390", status="active"), "Organization/supplier": supplier})
    context = {
        "patientId": "pat-MA-0001",
        "dispatchedOrders": ["ServiceRequest/o1"],
        "performer": "Organization/supplier",
    }
    async with serving(**held) as ehr:
        answer = await make(http=http).ask(call(ehr, name="order-dispatch", context=context))
    assert answer["systemActions"][0]["resource"]["id"] == "o1"
    assert "Organization/supplier" in ehr.asked


async def test_the_token_goes_nowhere_but_to_the_server_named(make, http):
    async with serving(**record()) as other, serving(**record()) as ehr:
        body = call(ehr, order("E1390", requester={"reference": f"{other.url}/Practitioner/doc"}))
        await make(http=http).ask(body)
    assert other.asked == []


# Faults. Each is a server that answers the Coverage search in a bad way, and everything else well or not at all.


async def hang(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    await ehr.closed.wait()


async def cut(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    await send(writer, 200, json.dumps(searchset(coverage("MA-0001")))[:200])


async def broken_off(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n{")


async def endless(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(b'HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n\r\n{"a":"')
    while not ehr.closed.is_set():
        writer.write(b"x" * 65536)
        await writer.drain()


async def dripping(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\n\r\n")
    while not ehr.closed.is_set():
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.05)  # the fault itself: one byte at a time, for ever


_MANY = json.dumps(
    {"resourceType": "Bundle", "entry": [{"resource": coverage("MA-0001", f"c{n}")} for n in range(10_000)]}
)


async def huge_bundle(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    await send(writer, 200, _MANY)


async def no_http(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    writer.write(b"220 smtp ready\r\n")


async def html(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    await send(writer, 200, b"<html>Sign in</html>")


async def lying(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    """Another patient's coverage under this patient's search."""
    stranger = coverage("MA-0002", beneficiary={"reference": "Patient/pat-MA-0002"})
    await send(writer, 200, json.dumps(searchset(stranger)))


async def outcome(ehr: Ehr, path: str, headers: dict[str, str], writer: asyncio.StreamWriter) -> None:
    await send(writer, 200, b'{"resourceType":"OperationOutcome","issue":[]}')


def status(code: int, *headers: str) -> Any:
    async def handler(ehr: Ehr, path: str, given: dict[str, str], writer: asyncio.StreamWriter) -> None:
        await send(writer, code, b"{}", *headers)

    return handler


FAULTS = {
    "hangs": hang,
    "cut JSON": cut,
    "body broken off": broken_off,
    "endless body": endless,
    "drips": dripping,
    "10,000 entries": huge_bundle,
    "not HTTP": no_http,
    "a login page": html,
    "OperationOutcome": outcome,
    "401": status(401),
    "403": status(403),
    "404": status(404),
    "500": status(500),
    "503": status(503),
    "redirect": status(302, "Location: http://127.0.0.1:1/fhir/Coverage"),
}


@pytest.mark.parametrize("fault", FAULTS)
async def test_without_a_coverage_the_fault_is_said(make, http, fault):
    """412, or 200 and ``indeterminate`` if the order names its Coverage (resp-43); in time, never a 500."""
    world = make(http=http)
    async with serving(FAULTS[fault]) as ehr:
        started = time.perf_counter()
        response = await world.hook(call(ehr))
        named = call(ehr, order("E1390", insurance=[{"reference": "Coverage/cov-MA-0001"}]))
        (info,) = infos(await world.ask(named))
        took = time.perf_counter() - started
    assert response.status_code == 412
    assert "Coverage" in response.json()["issue"][0]["details"]["text"]
    assert (info["covered"], info["pa-needed"]) == ("indeterminate", "indeterminate")
    assert info["reason"][0]["coding"][0]["code"] == "technical"
    assert took < 2 * 9.0


@pytest.mark.parametrize("fault", ["hangs", "cut JSON", "not HTTP", "401", "500", "redirect"])
async def test_no_log_line_holds_the_token_or_the_patient(make, http, capsys, fault):
    async with serving(FAULTS[fault]) as ehr:
        await make(http=http).hook(call(ehr, token="s3cr3t"))
    said = "".join(capsys.readouterr())
    assert "/cds-services/{id}" in said, "the line about the request is there"
    for secret in ("s3cr3t", "pat-MA-0001", ehr.url):
        assert secret not in said


@pytest.mark.parametrize("fault", FAULTS)
async def test_with_complete_prefetch_the_fault_costs_little_and_changes_nothing(make, http, fault):
    world = make(http=http)
    async with serving(FAULTS[fault]) as ehr:
        started = time.perf_counter()
        (info,) = infos(await world.ask(call(ehr, prefetch=prefetch())))
        took = time.perf_counter() - started
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed")
    assert took < 5.0


async def test_a_coverage_of_somebody_else_is_not_used(make, http):
    world = make(http=http)
    async with serving(lying) as ehr:
        response = await world.hook(call(ehr))
    assert response.status_code == 400
    assert response.json()["issue"][0]["details"]["coding"][0]["code"] == "no-coverage"


async def test_a_rejected_token_is_on_record(make, http):
    world = make(http=http)
    async with serving(status(401)) as ehr:
        await world.ask(call(ehr, prefetch=prefetch()))
    (logged,) = await world.stored("CrdCall")
    assert logged["tokenUse"] == "rejected"
    assert any("401" in note for note in logged["notes"])


async def test_nobody_listens(make, http):
    body = hook(order("E1390"), version="2.2", prefetch=..., fhirServer="http://127.0.0.1:1/fhir")
    assert (await make(http=http).hook(body)).status_code == 412


@pytest.mark.parametrize(
    ("server", "token"),
    [("https://xn--.example/fhir", "t"), ("http://127.0.0.1:1/fhir", "tök"), ("http://127.0.0.1:1/fhir", "a\r\nX: y")],
    ids=["a name that is none", "a token beyond ASCII", "a token with a line break"],
)
async def test_an_address_or_token_that_http_cannot_carry(make, http, server, token):
    """It costs what would have been fetched, nothing else."""
    body = hook(order("E1390"), version="2.2", prefetch=prefetch(payors=...), fhirServer=server)
    body["fhirAuthorization"] = {"access_token": token}
    (info,) = infos(await make(http=http).ask(body))
    assert info["pa-needed"] == "auth-needed"
    assert infos(await make(http=http_client()).ask(body))


async def test_a_next_page_of_the_prefetch_on_a_server_that_only_looks_alike(make, http):
    """``http://host:80`` is the beginning of ``http://host:8080``: the token must not go there."""
    async with serving(**record()) as ehr, serving(**record()) as other:
        base = other.url.removesuffix("/fhir")
        body = call(ehr, prefetch=prefetch())
        body["fhirServer"] = base[:-1]
        body["prefetch"]["payors"] |= {"link": [{"relation": "next", "url": f"{base}/fhir/page2"}]}
        await make(http=http).ask(body)
    assert other.asked == []


@pytest.mark.parametrize(
    "server",
    [
        "http://127.0.0.1:8000/fhir",
        "https://127.0.0.1/fhir",
        "https://localhost/fhir",
        "https://10.0.0.1/fhir",
        "https://169.254.169.254/latest",
        "https://[::1]/fhir",
        "https://[::ffff:127.0.0.1]/fhir",
        "https://2130706433/fhir",
        "ftp://ehr.example/fhir",
        "file:///etc/passwd",
        "https://",
        "not a url",
        "https://user:pw@127.0.0.1/",
    ],
)
async def test_private_addresses_are_not_called(make, server):
    async with http_client() as guarded:
        world = make(http=guarded)
        body = hook(order("E1390"), version="2.2", prefetch=..., fhirServer=server)
        assert (await world.hook(body)).status_code == 412


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("8.8.8.8", True),
        ("2606:4700::1111", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("169.254.1.1", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fc00::1", False),
        ("::ffff:10.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_what_counts_as_public(address, public):
    assert is_public(address) is public


async def test_slow_fetches_run_side_by_side(make, http):
    """Five, in two rounds (the payor is known only with the Coverage); benchmarks/crd_bench.py measures the time."""
    held = record(**{"Condition/c1": {"resourceType": "Condition", "id": "c1", "subject": {"reference": PATIENT}}})
    async with serving(**held) as ehr:
        ehr.delay = 0.05
        await make(http=http).ask(call(ehr, order("E0100", reasonReference=[{"reference": "Condition/c1"}])))
    assert len(ehr.asked) == 5
    assert ehr.open_most == 4
