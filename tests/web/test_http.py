"""FHIR over HTTP: content types, formats, ids, sizes, and one OperationOutcome for every fault."""

from __future__ import annotations

import gzip
import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI, Request
from tools.make_examples import by_name

from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError
from precert.web.http import busy, media_type, read_body
from support import shared
from support.answers import bundle, faults, only_fault, outcome
from support.app import running

pytestmark = shared.in_one_loop
precert, app, client = shared.precert, shared.app, shared.client  # one server for most tests here

SUBMIT = "/fhir/Claim/$submit"
FHIR = "application/fhir+json"


def request(name: str = "approve") -> bytes:
    return by_name(name).text().encode()


async def send(client: httpx.AsyncClient, content: bytes, url: str = SUBMIT, **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.post(url, content=content, headers={"Content-Type": FHIR, **named})


@pytest.mark.parametrize(
    "declared",
    [FHIR, f"{FHIR}; charset=utf-8", "application/json", "Application/JSON;charset=UTF-8", "application/json+fhir", ""],
)
async def test_json_types_are_read(client: httpx.AsyncClient, declared: str) -> None:
    response = await send(client, request(), Content_Type=declared)
    assert response.status_code == 200
    assert response.headers["content-type"] == FHIR


@pytest.mark.parametrize("path", ["/fhir/Claim/$submit", "/cds-services/crd-order-sign"])
async def test_a_compressed_body_is_415(client: httpx.AsyncClient, path: str) -> None:
    packed = gzip.compress(b'{"resourceType":"Bundle"}')
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await client.post(path, content=packed, headers=headers)
    assert "uncompressed" in only_fault(response, 415).text
    assert response.headers["accept-encoding"] == "identity"
    plain = await client.post(path, content=b"{", headers={**headers, "Content-Encoding": "identity"})
    assert plain.status_code == 400


@pytest.mark.parametrize(
    "declared", ["application/fhir+xml", "application/xml", "text/xml", "text/plain", "multipart/form-data", "nonsense"]
)
async def test_other_types_are_415(client: httpx.AsyncClient, declared: str) -> None:
    response = await send(client, b"<Bundle/>", Content_Type=declared)
    fault = only_fault(response, 415)
    assert (fault.severity, fault.code, fault.rule) == ("error", "not-supported", "content-type")
    assert declared in fault.text
    assert FHIR in fault.text
    assert ("XML is not supported" in fault.text) is ("xml" in declared)
    assert response.headers["accept"] == FHIR


@pytest.mark.parametrize(
    "accepted", [FHIR, "application/json", "*/*", "application/*", "application/fhir+xml, application/fhir+json;q=0.1"]
)
async def test_json_can_be_accepted(client: httpx.AsyncClient, accepted: str) -> None:
    assert (await send(client, request(), Accept=accepted)).status_code == 200


@pytest.mark.parametrize("accepted", ["application/fhir+xml", "text/xml, application/xml", "image/png", "text/turtle"])
async def test_other_formats_are_406(client: httpx.AsyncClient, accepted: str) -> None:
    fault = only_fault(await send(client, request(), Accept=accepted), 406)
    assert (fault.severity, fault.code, fault.rule) == ("error", "not-supported", "accept")
    assert f"Accept: {FHIR}" in fault.text


@pytest.mark.parametrize(
    ("format", "status"),
    [
        ("json", 200),
        ("application/fhir+json", 200),
        ("application/fhir%2Bjson", 200),
        ("application/json", 200),
        ("xml", 406),
        ("application/fhir+xml", 406),
        ("ttl", 406),
        ("", 406),
    ],
)
async def test_format_outranks_accept(client: httpx.AsyncClient, format: str, status: int) -> None:
    accepted = "application/fhir+xml" if status == 200 else FHIR
    assert (await send(client, request(), f"{SUBMIT}?_format={format}", Accept=accepted)).status_code == status


async def test_pretty_is_the_same_answer_to_read(client: httpx.AsyncClient) -> None:
    plain = await send(client, request())
    pretty = await send(client, request(), f"{SUBMIT}?_pretty=true")
    assert b"\n  " in pretty.content
    assert b"\n" not in plain.content
    assert json.loads(pretty.content) == json.loads(plain.content)
    refused = await send(client, b"[]", f"{SUBMIT}?_pretty=true")
    assert b"\n  " in refused.content


async def test_the_callers_request_id_comes_back(client: httpx.AsyncClient) -> None:
    assert (await send(client, request(), X_Request_Id="ehr-4711.a:b")).headers["x-request-id"] == "ehr-4711.a:b"
    refused = await send(client, b"", X_Request_Id="ehr-4712")
    assert (refused.status_code, refused.headers["x-request-id"]) == (400, "ehr-4712")


@pytest.mark.parametrize(
    "sent", [None, "", "two words", "x" * 129, "semi;colon", "<script>", "ümlaut".encode("latin-1")]
)
async def test_an_unusable_request_id_is_replaced(client: httpx.AsyncClient, sent: str | bytes | None) -> None:
    headers = [] if sent is None else [("X-Request-Id", sent)]
    response = await client.get("/healthz", headers=headers)  # type: ignore[arg-type]
    assert re.fullmatch(r"[0-9a-f-]{36}", response.headers["x-request-id"])


async def test_each_answer_has_one_request_id(client: httpx.AsyncClient) -> None:
    for path in ("/healthz", "/metrics", "/no/such/place", "/fhir/Claim/1"):
        assert len((await client.get(path)).headers.get_list("x-request-id")) == 1


async def test_404_says_where_to_look(client: httpx.AsyncClient) -> None:
    fault = only_fault(await client.get("/no/such/place"), 404)
    assert (fault.severity, fault.code, fault.rule) == ("error", "not-found", "http")
    assert "/no/such/place" in fault.text


@pytest.mark.parametrize(("method", "path"), [("DELETE", SUBMIT), ("PUT", SUBMIT), ("POST", "/healthz")])
async def test_405_names_the_method_and_the_allowed_ones(client: httpx.AsyncClient, method: str, path: str) -> None:
    response = await client.request(method, path)
    fault = only_fault(response, 405)
    assert (fault.severity, fault.code, fault.rule) == ("error", "not-supported", "http")
    assert method in fault.text
    assert response.headers["allow"]


async def test_a_body_too_large_by_its_own_word_is_not_read(tmp_path: Path) -> None:
    async with running(tmp_path, max_body_bytes=1000) as (_, client):
        response = await send(client, b"{" + b" " * 1000)
        fault = only_fault(response, 413)
        assert (fault.severity, fault.code, fault.rule) == ("fatal", "too-long", "body-size")
        assert "1000 bytes" in fault.text
        assert response.headers["connection"] == "close"


async def test_a_stream_is_cut_at_the_limit(tmp_path: Path) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while sent < 1_000_000:
            sent += 500
            yield b" " * 500

    async with running(tmp_path, max_body_bytes=1000) as (_, client):
        response = await client.post(SUBMIT, content=endless(), headers={"Content-Type": FHIR})
        assert only_fault(response, 413).rule == "body-size"
    assert sent < 5000


async def test_a_body_at_the_limit_is_read(tmp_path: Path) -> None:
    body = request()
    async with running(tmp_path, max_body_bytes=len(body)) as (_, client):
        assert (await send(client, body)).status_code == 200
        assert only_fault(await send(client, body + b" "), 413).rule == "body-size"


async def test_a_connection_that_closes_early_is_a_400() -> None:
    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    scope = {"type": "http", "method": "POST", "path": "/", "query_string": b"", "headers": []}
    with pytest.raises(FhirError) as caught:
        await read_body(Request(scope, receive), Limits())
    assert (caught.value.status, caught.value.issues[0].code) == (400, "incomplete")


async def test_500_tells_the_id_and_nothing_else(tmp_path: Path) -> None:
    async with running(tmp_path, raise_app_exceptions=False) as (app, client):

        @app.get("/broken")
        async def broken() -> None:
            raise RuntimeError("Alma Reyes, born 1951-03-14")

        response = await client.get("/broken", headers={"X-Request-Id": "r-1"})
    assert response.status_code == 500
    (fault,) = faults(response)
    assert (fault.severity, fault.code, fault.rule) == ("fatal", "exception", "internal")
    assert "r-1" in fault.text
    assert "Reyes" not in response.text
    assert "RuntimeError" not in response.text


async def test_every_refusal_is_one_operation_outcome(client: httpx.AsyncClient) -> None:
    refusals = [
        await client.get("/nowhere"),
        await client.put(SUBMIT),
        await send(client, b""),
        await send(client, b"<a/>", Content_Type="text/xml"),
        await send(client, b"{}", Accept="text/xml"),
        await client.get("/fhir/ClaimResponse/none"),
        await client.get("/fhir/Spaceship/1"),
        await client.get("/explain/none"),
    ]
    assert [r.status_code for r in refusals] == [404, 405, 400, 415, 406, 404, 404, 404]
    for response in refusals:
        outcome(response)


async def test_the_open_mode_serves_this_machine_only(app: FastAPI) -> None:
    far = httpx.ASGITransport(app=app, client=("192.0.2.7", 1234))
    async with httpx.AsyncClient(transport=far, base_url="http://precert.test") as client:
        fault = only_fault(await send(client, request()), 403)
        assert (fault.code, fault.rule) == ("forbidden", "open-mode-loopback")
        assert only_fault(await client.get("/fhir/ClaimResponse/none"), 403).rule == "open-mode-loopback"


@pytest.mark.parametrize("address", ["127.0.0.1", "::1", "::ffff:127.0.0.1", "127.8.8.8"])
async def test_this_machine_in_all_its_names(app: FastAPI, address: str) -> None:
    near = httpx.ASGITransport(app=app, client=(address, 1234))
    async with httpx.AsyncClient(transport=near, base_url="http://precert.test") as client:
        assert (await send(client, request())).status_code == 200


async def test_busy_says_when_to_come_back() -> None:
    error = busy(3, "Too much.")
    assert (error.status, error.headers) == (503, {"Retry-After": "3"})
    assert error.issues[0].code == "transient"
    assert "send the same request again in 3 s" in error.issues[0].text


async def test_media_type() -> None:
    assert media_type("Application/FHIR+JSON ; charset=utf-8; q=1") == FHIR


async def test_answers_to_both_bases_are_separate(client: httpx.AsyncClient) -> None:
    new, old = (
        await send(client, request("pend-information")),
        await send(client, request("pend-information"), "/fhir/v2.0/Claim/$submit"),
    )
    assert bundle(new)["entry"][0]["resource"]["outcome"] == "complete"
    assert bundle(old)["entry"][0]["resource"]["outcome"] == "queued"
