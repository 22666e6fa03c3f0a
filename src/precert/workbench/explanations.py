"""``GET /explain/{id}``: the trace behind a case number, an authorization number, a ClaimResponse id or a CRD assertion."""

from __future__ import annotations

from precert.authorization.record.chain import decode, fold
from precert.authorization.record.explain import explain_case
from precert.authorization.record.numbers import is_valid
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.fhir import json
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element
from precert.security.identity import Client
from precert.store.port import Param, is_id


async def explanation(service: AuthorizationService, id: str, client: Client) -> Element:
    """The explanation under ``id``. Raises FhirError(404) when nothing was ever issued under it to this client."""
    wanted = id.strip()
    if is_valid(wanted):  # people write our numbers in any case and with hyphens
        wanted = wanted.upper().replace("-", "")
    assertion = await service.store.get(service.tenant, "Assertion", wanted) if is_id(wanted) else None
    if assertion is not None:
        stored = json.loads(assertion.body)
        return await _with_case(service, stored, wanted, client) if isinstance(stored, dict) else {}
    case = await service.find_case(wanted)
    if case is None:
        found = await service.case(wanted)
        case = found[0] if found else None
    if case is None or case.opened.submitter != client.id:  # who repeated an authorization is told of their request
        params = [Param("rests", [wanted]), Param("submitter", [client.id])]
        page = await service.store.search(service.tenant, "Case", params, limit=1)
        case = fold(decode(page.documents[0].body)) if page.documents else None
    if case is None or case.opened.submitter != client.id:
        text = (
            f"Nothing was issued here under {wanted[:80]!r}. Ask with a case number, an authorization number, "
            "a ClaimResponse id or a coverage-assertion-id."
        )
        raise FhirError(404, Issue("error", "not-found", text, rule="unknown-id"))
    return explain_case(case, wanted, case.claim_response or await _claim_response(service, case.id))


async def _with_case(service: AuthorizationService, stored: Element, assertion: str, client: Client) -> Element:
    """The assertion with the newest case that came of it, if that is the caller's."""
    params = [Param("assertion", [assertion]), Param("submitter", [client.id])]
    page = await service.store.search(service.tenant, "Case", params, limit=1)
    return stored | ({"case": fold(decode(page.documents[0].body)).number} if page.documents else {})


async def _claim_response(service: AuthorizationService, case: str) -> str | None:
    """The newest ClaimResponse of a case of an earlier format, in which each answer had an id of its own."""
    page = await service.store.search(service.tenant, "ClaimResponse", [Param("case", [case])], limit=1)
    return page.documents[0].id if page.documents else None
