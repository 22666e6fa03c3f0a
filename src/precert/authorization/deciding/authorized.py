"""Whether a line asks for what is authorized already, so that no service is authorized, numbered and counted twice.

Only what is certain counts: the same member, plan, requester, service and modifiers, nothing beyond the dates and units
that were granted, an authorization in force, **and** evidence that the same service is meant: its number in the request,
our word on the order (``satisfied-pa-id``, or the assertion that gave it), or the very order that was authorized as it was
signed. Anything else (other dates, more units, another requester, a further request of the provider's, also one that says
the same in another envelope) is a request of its own. Source: CRD ``satisfied``, PAS extension-authorizationNumber (X12
REF*BB), spec-17 (identifiers are no evidence), spec-52/53 for who may learn of it, um.md 2.1.

What hooks authorized for an order is kept in a small document of its own (``Authorized``). Requests only read it: if each
moved it on, many that name one order would get in each other's way. So an order that is signed and submitted in the very same
moment, before the hook has answered, may be authorized twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from precert.authorization.deciding.judge import Repeated
from precert.authorization.deciding.standing import Standing, service_day
from precert.authorization.record.case import Authorization, Case, Line, LineRequest, Party, decode, fold
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.submission import Ordered, Submission
from precert.fhir import json
from precert.fhir.coding import codes
from precert.fhir.types import Element, elements
from precert.store.port import Param, Put

_TIED = "Authorized"
_IN_FORCE = frozenset({"active", "approved"})
_MOST_CASES, _MOST_NUMBERS, _MOST_ASSERTIONS = 20, 200, 20  # that are looked at for one request

_BY_NUMBER = "and named in the request"
_BY_ORDER_NUMBER = "and the order carries its number"
_BY_ORDER = "for this very order"
_AS_BEFORE = "as this request was answered before"


@dataclass(frozen=True, slots=True)
class _Tie:
    """An order that ties some lines (``sequences``) to earlier ones. ``cases`` were authorized for it, as of ``version``."""

    key: str
    version: int
    cases: tuple[str, ...]
    sequences: frozenset[int]

    def moved_on(self, case: str) -> Put:
        """The next version, with one case more; it is stored if nobody else was faster."""
        return Put(_TIED, self.key, json.dumps([*self.cases, case][-_MOST_CASES:]), expect=self.version)


@dataclass(frozen=True, slots=True)
class _Earlier:
    """A line on record that may be meant, and how we know."""

    case: Case
    line: Line
    why: str


@dataclass(slots=True)
class OnRecord:
    """What is on record for the lines of one request, as it was read before deciding. Empty: nothing was looked for."""

    submission: Submission
    who: Standing
    today: date
    ties: Sequence[_Tie] = ()
    found: Mapping[int, Sequence[_Earlier]] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)

    def repeated(self, line: LineRequest) -> Repeated | None:
        """The authorization that ``line`` certainly asks for again. One authorization is repeated by one line only."""
        for earlier in self.found.get(line.sequence, ()):
            granted = earlier.line.authorization
            if granted is None or granted.number in self.taken:
                continue
            if line.request != "initial" and earlier.why is not _AS_BEFORE:
                continue  # to renew, extend or revise it is to ask for something else
            if self._same_parties(earlier, line) and repeats(line, earlier.line, self.today):
                self.taken.add(granted.number)
                return Repeated(earlier.line, granted, earlier.case.number, earlier.why)
        return None

    def _same_parties(self, earlier: _Earlier, line: LineRequest) -> bool:
        """The same member, plan and requester: who orders may submit, or have their practice do it."""
        opened = earlier.case.opened
        if self.who.member is None or opened.member != self.who.member.id:
            return False
        order = self.submission.orders.get(line.sequence, Ordered())
        asking = {*self.submission.requester_npis, *order.npis}
        same_plan = opened.plan == (self.who.plan.id if self.who.plan else None)
        return same_plan and opened.requester.npi in asking

    def signed(self, case: Case, numbers: Sequence[str]) -> list[Put]:
        """What to store with ``case``, which was made for orders as they were signed; ``numbers`` were issued on it."""
        new = {line.sequence for line in case.ordered if line.authorization and line.authorization.number in numbers}
        return [tie.moved_on(case.id) for tie in self.ties if new & tie.sequences]


async def on_record(service: AuthorizationService, submission: Submission, *, own: Case | None = None) -> OnRecord:
    """Look for what the lines of ``submission`` may ask for again. ``own`` is the case that it updates.

    Nothing is looked for when nobody on record is meant: the authorizations of members we do not know cannot be compared.
    Raises the store's errors.
    """
    now = service.runtime.now()
    seen = OnRecord(submission, service.who(submission, now), now.date())
    lines = {line.sequence: line for line in submission.lines if line.request in ("initial", "revision")}
    if seen.who.member is None or submission.cancel_all or not lines:
        return seen
    seen.ties = await _orders(service, submission, seen.who.member.id, lines)
    found: dict[int, list[_Earlier]] = {sequence: [] for sequence in lines}
    for sequence, earlier in await _numbered(service, submission, lines, own):
        found[sequence].append(earlier)
    for tie in seen.ties:
        for case in await _cases(service, reversed(tie.cases)):
            for sequence in tie.sequences:
                found[sequence] += [_Earlier(case, line, _BY_ORDER) for line in case.ordered]
    mine = own.id if own is not None else None
    seen.found = {n: [each for each in several if each.case.id != mine] for n, several in found.items()}
    return seen


async def _orders(
    service: AuthorizationService, submission: Submission, member: str, lines: Iterable[int]
) -> list[_Tie]:
    """The orders behind the lines, each read once. They are the client's: what another calls so is another."""
    named: dict[str, set[int]] = {}
    for sequence in lines:
        order = submission.orders.get(sequence)
        if order is not None and order.reference is not None:
            named.setdefault(f"order|{submission.submitter}|{member}|{order.reference}", set()).add(sequence)
    ties = []
    for name, sequences in named.items():
        key = hashlib.sha256(name.encode()).hexdigest()  # what a client wrote may hold what no document id may
        document = await service.store.get(service.tenant, _TIED, key)
        cases = tuple(map(str, json.loads(document.body))) if document is not None else ()
        ties.append(_Tie(key, document.version if document is not None else 0, cases, frozenset(sequences)))
    return ties


async def _numbered(
    service: AuthorizationService, submission: Submission, lines: Mapping[int, LineRequest], own: Case | None
) -> list[tuple[int, _Earlier]]:
    """What is named by number: in the answer to an earlier version, in the request, on the order, or by an assertion that
    the order carries."""
    asserted = await _asserted(service, submission)
    resting = [line for line in (own.ordered if own is not None else ()) if line.rests_on is not None]
    meant = [(line.authorization.number, line.sequence, _AS_BEFORE) for line in resting if line.authorization]
    meant = [each for each in meant if each[1] in lines]
    for sequence, line in lines.items():
        order = submission.orders.get(sequence, Ordered())
        asked = _services(line)
        given = {number for id in order.assertions for code, number in asserted.get(id, ()) if code in asked}
        meant += [(number, sequence, _BY_NUMBER) for number in order.named]
        meant += [(number, sequence, _BY_ORDER_NUMBER) for number in order.carried]
        meant += [(number, sequence, _BY_ORDER_NUMBER) for number in given if len(given) == 1]
    numbers = list(dict.fromkeys(number for number, _, _ in meant))[:_MOST_NUMBERS]
    if not numbers:
        return []
    page = await service.store.search(service.tenant, "Case", [Param("number", numbers)], limit=_MOST_NUMBERS)
    held: dict[str, tuple[Case, Line]] = {}
    for case in [fold(decode(document.body)) for document in page.documents]:
        for known in case.ordered:
            if known.authorization is not None and known.rests_on is None:
                held[known.authorization.number] = case, known
    return [(sequence, _Earlier(*held[number], why)) for number, sequence, why in meant if number in held]


async def _asserted(service: AuthorizationService, submission: Submission) -> dict[str, list[tuple[str, str]]]:
    """The authorizations that the assertions on the orders gave: id to (service, number)."""
    ids = dict.fromkeys(id for order in submission.orders.values() for id in order.assertions)
    given: dict[str, list[tuple[str, str]]] = {}
    for id in list(ids)[:_MOST_ASSERTIONS]:
        document = await service.store.get(service.tenant, "Assertion", id)
        told = json.loads(document.body) if document is not None else {}
        given[id] = [
            (str(line.get("code")), str(held.get("number")))
            for line in elements(told.get("lines"))
            for held in elements(line.get("authorization"))
        ]
    return given


async def _cases(service: AuthorizationService, ids: Iterable[str]) -> list[Case]:
    documents = [await service.store.get(service.tenant, "Case", id) for id in ids]
    return [fold(decode(document.body)) for document in documents if document is not None]


def repeats(wanted: LineRequest, earlier: Line, today: date) -> bool:
    """Whether ``wanted`` asks for nothing but what ``earlier`` was granted, and that is still in force."""
    granted = earlier.authorization
    return (
        granted is not None
        and in_force(earlier, today)
        and _same_service(earlier.requested, wanted)
        and _days_within(earlier.requested, granted, wanted, today)
        and _units_within(granted, wanted)
    )


def in_force(line: Line, today: date) -> bool:
    """Whether the line's authorization is open and has not expired."""
    granted = line.authorization
    return granted is not None and line.state in _IN_FORCE and (granted.end is None or granted.end >= today)


def _same_service(earlier: LineRequest, wanted: LineRequest) -> bool:
    """The same code, modifiers, renderer and, where both say one, place."""
    if earlier.code not in _services(wanted):
        return False
    places = _coded(earlier.item, "locationCodeableConcept"), _coded(wanted.item, "locationCodeableConcept")
    return (
        _coded(earlier.item, "modifier") == _coded(wanted.item, "modifier")
        and (earlier.provider is None or _same_party(earlier.provider, wanted.provider))
        and (not all(places) or places[0] == places[1])
    )


def _services(line: LineRequest) -> frozenset[str]:
    return _coded(line.item, "productOrService")


def _coded(item: Element, element: str) -> frozenset[str]:
    return frozenset(str(code) for code in codes(item.get(element)))


def _same_party(one: Party, other: Party | None) -> bool:
    if other is None:
        return False
    return one.npi == other.npi if one.npi or other.npi else one.name == other.name


def _days_within(earlier: LineRequest, granted: Authorization, wanted: LineRequest, today: date) -> bool:
    days = (wanted.service_start, wanted.service_end)
    if wanted.service_start is not None and days == (earlier.service_start, earlier.service_end):
        return True
    first = service_day(wanted, today)
    last = wanted.service_end or first
    return granted.start <= first and (granted.end is None or last <= granted.end)


def _units_within(granted: Authorization, wanted: LineRequest) -> bool:
    """Units of another kind cannot be compared. A grant without a quantity limits none."""
    if wanted.quantity is None or granted.quantity is None:
        return True
    return wanted.unit in (None, granted.unit) and wanted.quantity <= granted.quantity
