"""``/api``: the worklist, a case, and determinations by people. The pages are made of the same data."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from precert.authorization.deciding.determination_rules import (
    Closed,
    Forbidden,
    Incomplete,
    PersonDecides,
    PersonRefers,
    PersonReviewsEvidence,
)
from precert.authorization.record.case import Case
from precert.authorization.record.chain import decode, fold
from precert.authorization.record.explain import explain_case
from precert.authorization.record.numbers import is_valid
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.determine import Stale, determine, refer
from precert.authorization.usecases.evidence_review import review_evidence
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, JsonValue, elements, text
from precert.security.identity import OPEN_CLIENT, Client
from precert.store.port import Document, Param
from precert.web.http import check_content_type, read_body, wants_pretty
from precert.workbench.query import AGE_LABELS, SORT_LABELS, STATE_LABELS, STATES, TRACK_LABELS, Query
from precert.workbench.worklist import Row, worklist

T = TypeVar("T", PersonDecides, PersonRefers, PersonReviewsEvidence)
_PAGE = re.compile(r"[1-9][0-9]{0,8}")
_ETAG = re.compile(r'(?:W/)?"([0-9]{1,18})"')


@dataclass(frozen=True, slots=True)
class ApiContext:
    """What the endpoints need."""

    service: AuthorizationService
    identify: Callable[[Request], Client]
    limits: Limits


def json_response(
    request: Request, value: JsonValue, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    """``value`` as application/json, decimals as they are."""
    body = json.dumps(value, pretty=wants_pretty(request))
    return Response(body, status, headers, media_type="application/json")


def api_router(context: ApiContext) -> APIRouter:
    """``GET /api/cases``, ``GET /api/cases/{case}``, ``POST /api/cases/{case}/lines/{sequence}/determination``."""
    router = APIRouter(prefix="/api", tags=["workbench"])
    service = context.service

    @router.get("/cases", summary="The worklist: records by state, newest first")
    async def cases(request: Request, state: str = "open", limit: int = 50, page: str | None = None) -> Response:
        context.identify(request)
        states = sorted(STATES["open"]) if state == "open" else [] if state == "all" else state.split(",")
        params = [Param("state", states)] if states else []
        found = await service.store.search(service.tenant, "Case", params, limit=max(1, min(limit, 200)), page=page)
        listed = [summary(fold(decode(document.body)), document.version) for document in found.documents]
        return json_response(request, {"cases": listed, "next": found.next})

    @router.get("/worklist", summary="All open work, expedited first, then by the day to decide by")
    async def work(request: Request) -> Response:
        context.identify(request)
        given = dict(request.query_params)
        check_query(given)
        found = await worklist(service, Query.read(given), service.runtime.now())
        head = {"queue": found.query.state, "total": found.total, "page": found.query.page, "pages": found.pages}
        return json_response(request, head | {"more": found.more, "rows": [row_json(row) for row in found.rows]})

    @router.get("/cases/{case}", summary="One record with its whole explanation")
    async def case(request: Request, case: str) -> Response:
        context.identify(request)
        document = await find(service, case)
        record = fold(decode(document.body))
        body = summary(record, document.version) | explain_case(record, case)
        return json_response(request, body, headers={"ETag": f'W/"{document.version}"'})

    async def act(
        request: Request,
        case: str,
        sequence: int,
        kind: type[T],
        do: Callable[[AuthorizationService, Document, int, T, str], Awaitable[tuple[Case, int]]],
    ) -> Response:
        """One act of a person on one line: who it is, what it is, done once on the version that was read."""
        client = context.identify(request)
        check_content_type(request)
        said = parse(await read_body(request, context.limits), kind, client)
        check_person(client, said)
        document = await find(service, case)
        if (wanted := expected_version(request)) is not None and wanted != document.version:
            raise stale(document.version)
        try:
            record, version = await do(service, document, sequence, said, client.id)
        except KeyError as error:
            raise FhirError(
                404, Issue("error", "not-found", f"The case has no line {sequence}.", rule="no-line")
            ) from error
        except Forbidden as error:
            raise FhirError(403, Issue("error", "forbidden", str(error), error.field, rule=error.rule)) from error
        except Closed as error:
            raise FhirError(409, Issue("error", "conflict", str(error), rule="line-closed")) from error
        except Incomplete as error:
            code = "required" if error.rule == "incomplete" else "business-rule"
            raise FhirError(422, Issue("error", code, str(error), error.field, rule=error.rule)) from error
        except Stale as error:
            raise stale(error.current) from error
        body = summary(record, version) | {"line": explain_case(record, case)["lines"][_position(record, sequence)]}
        return json_response(request, body, headers={"ETag": f'W/"{version}"'})

    @router.post("/cases/{case}/lines/{sequence}/determination", summary="A person decides one line")
    async def decide(request: Request, case: str, sequence: int) -> Response:
        return await act(request, case, sequence, PersonDecides, determine)

    @router.post("/cases/{case}/lines/{sequence}/referral", summary="A nurse refers one line to a physician")
    async def referral(request: Request, case: str, sequence: int) -> Response:
        return await act(request, case, sequence, PersonRefers, refer)

    @router.post("/cases/{case}/lines/{sequence}/evidence-review", summary="A person has looked at changed evidence")
    async def evidence_review(request: Request, case: str, sequence: int) -> Response:
        return await act(request, case, sequence, PersonReviewsEvidence, review_evidence)

    return router


def _position(case: Case, sequence: int) -> int:
    return sorted(case.lines).index(sequence)


def parse(body: bytes, kind: type[T], client: Client) -> T:
    """What the person says. Where somebody logs in, ``by`` and a single role come from the login.

    Raises FhirError(400) that names every field at fault.
    """
    said = json.loads(body, Limits())
    if client != OPEN_CLIENT and isinstance(said, dict):
        login = {"by": client.id, **({"role": next(iter(client.roles))} if len(client.roles) == 1 else {})}
        said = login | said
    try:
        return kind.model_validate(said)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False, include_input=False)
        raise FhirError(
            400,
            [
                Issue("error", "invalid", _in_words(field, fault["type"], fault["msg"]), field, rule="determination")
                for fault in faults
                for field in (".".join(map(str, fault["loc"])),)
            ],
        ) from error


def _in_words(field: str, kind: str, message: str) -> str:
    if kind == "string_too_short":
        return f"{field} is empty: write something, or leave it out if it is not required."
    return f"{field}: {message}." if field else f"{message}."


def check_person(client: Client, said: PersonDecides | PersonRefers | PersonReviewsEvidence) -> None:
    """403 when the login is not this person, or may not act in this role. In open mode everybody says who they are."""
    if client == OPEN_CLIENT:
        return
    if said.by != client.id:
        message = (
            f'The login is {client.id!r}; nobody acts in another\'s name. Leave "by" out: it comes from the login.'
        )
        raise FhirError(403, Issue("error", "forbidden", message, "by", rule="by-not-login"))
    if said.role not in client.roles:
        message = f"This client signs in nobody as {said.role}. Its registration names the roles it may use."
        raise FhirError(403, Issue("error", "forbidden", message, "role", rule="role-not-registered"))


_CHOICES: dict[str, Iterable[str]] = {
    "queue": STATE_LABELS,
    "track": TRACK_LABELS,
    "age": AGE_LABELS,
    "sort": SORT_LABELS,
}


def check_query(given: Mapping[str, str]) -> None:
    """400 for a filter that is not known, or a value that it does not have: nobody must take one list for another."""
    if not _PAGE.fullmatch(given.get("page", "1")):
        text = f"page={given['page'][:40]!r}: page is a number from 1."
        raise FhirError(400, Issue("error", "invalid", text, "page", rule="worklist-filter"))
    for name, value in given.items():
        choices = _CHOICES.get(name)
        known = name in ("find", "page", "_pretty", "_format") if choices is None else value in set(choices)
        if not known:
            said = (
                f"one of {', '.join(choices)}" if choices else f"no filter of the worklist; use {', '.join(_CHOICES)}"
            )
            text = f"{name}={value[:40]!r}: {name} is {said}."
            raise FhirError(400, Issue("error", "invalid", text, name, rule="worklist-filter"))


def row_json(row: Row) -> Element:
    """A row of the worklist."""
    return {
        "id": row.id,
        "case": row.number,
        "member": {"number": row.member_number, "name": row.member},
        "plan": row.plan,
        "requester": row.requester,
        "track": row.track,
        "received": instant(row.received),
        "open": row.open,
        "due": instant(row.due.at),
        "lines": [{"sequence": line.sequence, "service": line.service, "state": line.state} for line in row.lines],
    }


def expected_version(request: Request) -> int | None:
    """The version in ``If-Match``, if the caller wants to be sure that nobody was faster; ``*`` is any. Raises FhirError(400)
    for one that cannot be read: whoever sends it must not be taken for somebody who does not care."""
    said = request.headers.get("if-match")
    if said is None or said.strip() == "*":
        return None
    match = _ETAG.fullmatch(said.strip())
    if match is None:
        text = f'If-Match: {said[:40]!r} is no version. Send the ETag of the case as it was read, as W/"3".'
        raise FhirError(400, Issue("error", "invalid", text, "If-Match", rule="if-match"))
    return int(match.group(1))


def stale(current: int) -> FhirError:
    """412: the record moved on."""
    message = "Somebody changed this case meanwhile. Read it again, then decide."
    return FhirError(412, Issue("error", "conflict", message, rule="stale"), {"ETag": f'W/"{current}"'})


async def find(service: AuthorizationService, case: str) -> Document:
    """The record by its id or any of its numbers. Raises FhirError(404)."""
    if is_valid(case):  # people write our numbers in any case and with hyphens
        case = case.strip().upper().replace("-", "")
    document = await service.store.get(service.tenant, "Case", case)
    if document is None:
        page = await service.store.search(service.tenant, "Case", [Param("number", [case])], limit=1)
        document = page.documents[0] if page.documents else None
    if document is None:
        raise FhirError(404, Issue("error", "not-found", f"There is no case {case[:64]!r} here.", rule="unknown-id"))
    return document


def summary(case: Case, version: int) -> Element:
    """A record as a row of the worklist."""
    opened = case.opened
    return {
        "id": case.id,
        "case": case.number,
        "version": version,
        "received": instant(opened.received),
        "track": opened.track,
        "plan": opened.plan,
        "member": {"number": opened.member or next(iter(opened.member_numbers), None), "name": _name(opened.patient)},
        "requester": {"npi": opened.requester.npi, "name": opened.requester.name, "network": opened.requester.network},
        "states": {str(line.sequence): line.state for line in case.ordered},
        "services": {str(line.sequence): line.requested.code for line in case.ordered},
    }


def _name(patient: Element) -> str | None:
    for name in elements(patient.get("name")):
        given = name.get("given")
        parts = [*(given if isinstance(given, list) else []), name.get("family")]
        return " ".join(part for part in parts if isinstance(part, str)) or text(name.get("text"))
    return None
