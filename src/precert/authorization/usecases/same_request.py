"""The same request sent again: recognised by what the client calls it and by what it asks, not by how it is rendered.

An EHR that repeats a request renders it anew: other timestamps, another Bundle.identifier, other ids and fullUrls. It is the
same request when the client, the member and the requester are the same, the Claim.identifier is the same (of a Claim that
has none: every item's trace number), and every line asks the same service, modifiers, amount, days, renderer and kind of
request for the same diagnoses as one version of the case did. A true second request has a Claim.identifier of its own; trace
numbers of simple systems are the same in every request, so they do not outweigh it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from precert.authorization.deciding.service import RANGE_END, coded
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case, LineRequest
from precert.authorization.usecases import on_file
from precert.authorization.usecases.belonging import foreign
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.priors import received, records, traces
from precert.authorization.usecases.submission import Submission
from precert.eligibility.directory import member_numbers
from precert.fhir import json
from precert.fhir.coding import codes
from precert.fhir.extension import extension_value
from precert.fhir.types import Element, elements
from precert.store.port import Param

DENIED = frozenset({"denied", "denied_admin"})
GONE = frozenset({"cancelled", "dismissed"})
_ASKED = (
    *("productOrService", "modifier", "revenue", "category", "programCode", "bodySite", "subSite"),
    "locationCodeableConcept",
)
"""The coded elements of a Claim's item that say what is asked, and where."""


@dataclass(frozen=True, slots=True)
class OnRecordCase:
    """A record and the stored version it was read at."""

    case: Case
    version: int


@dataclass(frozen=True, slots=True)
class SentBefore:
    """What the client asked before for one member under the same names. ``same`` is the request that is sent again;
    ``before`` the newest that has the same Bundle.identifier and other content. ``places`` are names to be reserved with what
    is made of it: of two requests that arrive at once and found the same, one cannot reserve them and looks again."""

    same: OnRecordCase | None = None
    before: OnRecordCase | None = None
    places: tuple[str, ...] = ()

    @property
    def denied(self) -> bool:
        """Whether the same request was decided against: then it cannot be updated, and what is new is a new request."""
        lines = self.same.case.ordered if self.same is not None else []
        return bool(lines) and all(line.state in DENIED for line in lines)

    async def news(self, service: AuthorizationService, submission: Submission) -> bool:
        """Whether anything comes along that is not on file already: evidence, answers, or another word about somebody."""
        assert self.same is not None
        have: set[str] = set()
        for id in on_file.filed(self.same.case):
            kept = await service.store.get(service.tenant, "Bundle", id)
            have |= on_file.content_keys(json.loads(kept.body)) if kept is not None else set()
        return not on_file.content_keys(submission.bundle) <= have


async def sent_before(service: AuthorizationService, submission: Submission, who: Standing) -> SentBefore:
    """What the client asked before under the names of ``submission``, for the same member by the same requester.

    Raises the store's errors.
    """
    own = submission.claim_identifiers or traces(submission)
    names = list(dict.fromkeys([*submission.identifiers, *own]))
    numbers = member_numbers(submission.patient, submission.coverage, submission.subscriber)
    known = Param("member", [*([who.member.id] if who.member is not None else []), *numbers])
    same: OnRecordCase | None = None
    before: OnRecordCase | None = None
    seen: list[str] = []
    async for document, case in records(service, submission, "identifier", names, [known] if known.values else []):
        seen.append(f"{document.id}@{document.version}")
        if foreign(case, submission, who) is not None:
            continue
        found = OnRecordCase(case, document.version)
        if submission.identity in case.tokens()["identifier"]:
            before = before or found
        if asks_the_same(case, submission) and (same is None or received(case) > received(same.case)):
            same = found
    member = who.member.id if who.member is not None else "|".join(sorted(numbers))
    # one name is enough for two renderings of one request to meet: each stands for all that they share
    shared = dict.fromkeys([*submission.identifiers, *own[:1]])
    places = tuple(f"request:{submission.submitter}|{member}|{name}|after:{state_of(seen)}" for name in shared)
    return SentBefore(same, before, places)


def state_of(seen: Sequence[str]) -> str:
    """One word for the state of several records (``id@version`` each): it is another one after any change. It does not
    rest on which is the newest, because the machine's clock may be set back."""
    return hashlib.sha256("|".join(sorted(seen)).encode()).hexdigest()[:32] if seen else ""


def asks_the_same(case: Case, submission: Submission) -> bool:
    """Whether ``submission`` is one of the versions of the request behind ``case``, rendered anew."""
    identifiers = set(case.tokens()["identifier"])
    by_identifier = bool(identifiers & set(submission.claim_identifiers))
    traced = traces(submission)
    anonymous = bool(traced) and not submission.claim_identifiers
    by_trace = anonymous and set(traced) <= identifiers and any(line.state not in GONE for line in case.ordered)
    if not (by_identifier or by_trace) or not submission.lines:
        return False
    asked = {line.sequence: line for line in submission.lines}
    return any(
        version.keys() == asked.keys() and all(same_line(version[n], asked[n]) for n in asked)
        for version in _versions(case)
    )


def _versions(case: Case) -> Iterator[Mapping[int, LineRequest]]:
    """What was asked, as each version of the request left it."""
    lines: dict[int, LineRequest] = {}
    for event in case.events:
        if event.updated is not None:
            yield dict(lines)
        if event.requested is not None and event.line is not None:
            lines[event.line] = event.requested
    yield lines


def same_line(one: LineRequest, other: LineRequest) -> bool:
    """Whether two lines ask the same, however each is written."""
    return _meaning(one) == _meaning(other)


def _meaning(line: LineRequest) -> tuple[object, ...]:
    """What a line asks, however it is written."""
    provider = line.provider
    return (
        line.request,
        line.service_start,
        line.service_end,
        line.quantity,
        line.unit,
        (provider.npi or provider.name) if provider is not None else None,
        *(coded(line.item, element) for element in _ASKED),
        frozenset(codes(extension_value(line.item, RANGE_END))),
        tuple(_part(detail) for detail in elements(line.item.get("detail"))),
        frozenset(str(code) for concept in line.diagnoses for code in codes(concept)),
    )


def _part(detail: Element) -> tuple[object, ...]:
    """What a detail of an item asks, and its details."""
    return coded(detail, "productOrService"), *(_part(each) for each in elements(detail.get("subDetail")))
