"""An address that is nearly right is answered with the one that was meant."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.web.errors import _meant

SERVED = {
    "/fhir/Claim/$submit": frozenset({"POST"}),
    "/fhir/Claim/$inquire": frozenset({"POST"}),
    "/fhir/metadata": frozenset({"GET"}),
}


async def test_the_address_that_was_meant_is_named(client: httpx.AsyncClient) -> None:
    for method, path, status, hint in [
        ("GET", "/fhir/Claim/$submit", 405, "Send it with POST."),
        ("GET", "/fhir/v2.0/Claim/$inquire", 405, "Send it with POST."),
        ("POST", "/fhir/Claim", 404, "Did you mean /fhir/Claim/$inquire or /fhir/Claim/$submit?"),
        ("POST", "/fhir/Claim/$sumbit", 405, "Did you mean /fhir/Claim/$submit?"),
        ("POST", "/fhir/metadata", 405, "Send it with GET."),
        ("GET", "/workbenhc", 404, "Did you mean"),
        ("GET", "/nothing/like/it", 404, "GET / lists what is."),
    ]:
        answer = await client.request(method, path, headers={"Accept": "application/json"})
        (issue,) = answer.json()["issue"]
        assert (answer.status_code, hint in issue["details"]["text"]) == (status, True), (path, issue)


@pytest.mark.parametrize("path", ["", "/", "/fhir/Claim/$submit" * 50, "\x00", "/fhir/Claim/$submit%20"])
def test_whatever_is_asked_for_gets_a_sentence(path: str) -> None:
    for method in ("GET", "POST", "PROPFIND"):
        assert isinstance(_meant(SERVED, method, path), str | None)


@given(st.text(max_size=300), st.sampled_from(["GET", "POST"]))
def test_what_is_named_is_served(path: str, method: str) -> None:
    said = _meant(SERVED, method, path)
    assert said is None or said.startswith("Send it with") or any(each in said for each in SERVED)
