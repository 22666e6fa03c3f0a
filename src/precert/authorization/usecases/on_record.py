"""What is on record for the lines of a request or the orders of a call: what they may ask for again, and what counts.

Loaded once before deciding. The rule that is applied to it is :mod:`precert.authorization.deciding.authorized`; a line of a
request is answered with an authorization on record only with evidence that the same service is meant: its number in the
request, our word on the order (``satisfied-pa-id``, or the assertion that gave it), or the very order that was authorized
as it was signed. A further request of the provider's, also one that says the same in another envelope, is a request of its own
(PAS spec-17: identifiers are no evidence).

What hooks authorized for an order is kept in a small document of its own (``Authorized``). Requests only read it: if each
moved it on, many that name one order would get in each other's way. Who grants something moves on a document of the member
(:mod:`.turn`), so that nothing is granted twice at once. What orders used up of an authorization is kept in another
(``AuthorizationUse``), which moves on with each use.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal

from precert.authorization.deciding.authorized import Held, Use, Used, covers
from precert.authorization.deciding.counted import CountedLines, asked, order_key, together, used
from precert.authorization.deciding.counted import on_record as counted_on_record
from precert.authorization.deciding.judge import Repeated
from precert.authorization.deciding.service import identify, kept
from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case, LineRequest
from precert.authorization.record.chain import decode, fold
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.free_orders import FreeOrders, free_orders
from precert.authorization.usecases.submission import ReferencedOrder, Submission
from precert.authorization.usecases.turn import Turn, turn_of
from precert.eligibility.crosswalk import Crosswalk
from precert.fhir import json
from precert.fhir.coding import Code
from precert.fhir.types import elements
from precert.policy.catalogue import Catalogue
from precert.policy.types import Counted
from precert.store.port import Param, Put, Store

_TIED = "Authorized"
_USED = "AuthorizationUse"
_MOST_CASES, _MOST_NUMBERS, _MOST_ASSERTIONS = 20, 200, 20  # that are looked at for one request
_MOST_RECORDS = 200  # of one member; who has more is counted by a person

_BY_NUMBER = "and named in the request"
_BY_ORDER_NUMBER = "and the order carries its number"
_BY_ORDER = "for this very order"
_AS_BEFORE = "as this request was answered before"


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """A member's lines on record that count, the authorizations in force among them, and what orders used up of these.

    ``versions`` are those of the documents of uses, by the line's place: who adds a use expects them.
    """

    counted: CountedLines = field(default_factory=CountedLines)
    held: tuple[Held, ...] = ()
    used: Used = field(default_factory=Used)
    versions: Mapping[str, int] = field(default_factory=dict)
    turn: Turn | None = None
    free: FreeOrders | None = None  # where a limit counts one of the services

    def beside(self, order: str | None) -> CountedLines:
        """What counts beside the line or order with this key: the lines, and other orders that hooks told free."""
        return self.free.beside(order, self.counted) if self.free is not None else self.counted

    def granting(self, case: Case, numbers: Iterable[str]) -> list[Put]:
        """What to store with ``case`` if one of ``numbers``, which were issued on it, is an authorization (:mod:`.turn`)."""
        return self.turn.granting(case, numbers) if self.turn is not None else []

    def moved_on(self, today: date) -> list[Put]:
        """What to store for the uses and the free orders that are new; of two calls that take the same units only one can
        store its own."""
        uses = [
            Put(
                _USED,
                number,
                _uses_body([*self.used.on_record.get(number, ()), *uses]),
                expect=self.versions.get(number, 0),
            )
            for number, uses in self.used.new.items()
        ]
        return [*uses, *self.free.moved_on(today)] if self.free is not None else uses


async def member_record(
    store: Store, tenant: str, catalogue: Catalogue, member: str, services: Iterable[Code], own: str | None = None
) -> MemberRecord:
    """The record of the member with this number, as far as it counts for any of ``services``.

    ``own`` is the id of the case that is being changed and does not count beside itself. Raises the store's errors.
    """
    turn = await turn_of(store, tenant, member)  # before looking: what is granted after this is noticed
    wanted = frozenset(services)
    if not wanted:
        return MemberRecord(turn=turn)
    free = await free_orders(store, tenant, member) if catalogue.limited(wanted) else None
    # whatever their state is now: what was given up or is decided again may have been used before
    params = [Param("member", [member])]
    counted_with = catalogue.counted_with(wanted)
    if counted_with is not None:
        params.append(Param("code", sorted(str(code) for code in counted_with)))
    page = await store.search(tenant, "Case", params, limit=_MOST_RECORDS)
    cases = [fold(decode(document.body)) for document in page.documents]
    lines = [(case, line) for case in cases if case.id != own and case.opened.member == member for line in case.ordered]
    counted = counted_on_record(lines, complete=page.next is None)
    held = [
        found
        for case, line in lines
        if line.state in lifecycle().in_force and wanted & frozenset(kept(line.requested).codes)
        if (found := Held.of(case, line)) is not None
    ]
    uses, versions = await _uses(store, tenant, [each.place for each in held])
    return MemberRecord(counted, tuple(held), Used(uses), versions, turn, free)


async def _uses(store: Store, tenant: str, numbers: Iterable[str]) -> tuple[dict[str, tuple[Use, ...]], dict[str, int]]:
    uses: dict[str, tuple[Use, ...]] = {}
    versions: dict[str, int] = {}
    for number in numbers:
        document = await store.get(tenant, _USED, number)
        versions[number] = document.version if document is not None else 0
        if document is not None:
            kept = json.loads(document.body)
            uses[number] = tuple(Use(str(each["order"]), _decimal(each.get("quantity"))) for each in elements(kept))
    return uses, versions


def _uses_body(uses: Sequence[Use]) -> bytes:
    return json.dumps([{"order": use.order, "quantity": use.quantity} for use in uses])


def _decimal(value: object) -> Decimal | None:
    return Decimal(str(value)) if value is not None else None


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
    """An authorization on record that may be meant, and how we know."""

    case: str
    held: Held
    why: str


@dataclass(slots=True)
class OnRecord:
    """What is on record for the lines of one request, as it was read before deciding. Empty: nothing was looked for."""

    submission: Submission
    who: Standing
    today: date
    ties: Sequence[_Tie] = ()
    found: Mapping[int, Sequence[_Earlier]] = field(default_factory=dict)
    record: MemberRecord = field(default_factory=MemberRecord)
    own: Case | None = None
    crosswalk: Crosswalk = field(default_factory=Crosswalk)
    taken: set[str] = field(default_factory=set)
    _beside: tuple[CountedLines, Sequence[tuple[int, Counted]]] | None = None  # worked out once for all lines

    def repeated(self, line: LineRequest) -> Repeated | None:
        """The authorization that ``line`` certainly asks for again. One authorization is repeated by one line only."""
        ask, order = self.submission.ask(line), self.submission.orders.get(line.sequence, ReferencedOrder())
        if ask.doubts or ask.unsaid or self._unclear(line):
            return None
        # who orders may submit, or have their practice do it
        asking = replace(ask, requester_npis=(*ask.requester_npis, *order.npis))
        key = order_key(self.submission.submitter, self._member, order.reference)
        for earlier in self.found.get(line.sequence, ()):
            held = earlier.held
            if held.authorization.number in self.taken or held.requester is None:
                continue
            if line.request != "initial" and earlier.why is not _AS_BEFORE:
                continue  # to renew, extend or revise it is to ask for something else
            # by its number or as before, the order is the one that it was given for, whatever the client calls it now
            left = self.record.used.left(held, key if earlier.why is _BY_ORDER else held.order or key)
            if covers(held, asking, self.who, self.today, left):
                self.taken.add(held.authorization.number)
                return Repeated(held.line, held.authorization, held.case, earlier.why)
        return None

    def counted(self, line: LineRequest) -> CountedLines:
        """What counts beside ``line`` under limits and maxima: the other lines of the request, what is on record, and what the
        line itself was given before and may have used."""
        order = self.submission.orders.get(line.sequence, ReferencedOrder()).reference
        on_record = self.record.beside(order_key(self.submission.submitter, self._member, order))
        if self._beside is None:
            counted = {each.sequence: asked(self.submission.ask(each), self.today) for each in self.submission.lines}
            # lines of the case that this version of the request does not repeat are granted as they were
            kept = (
                [(self.own, known) for known in self.own.ordered if known.sequence not in counted] if self.own else []
            )
            told: list[tuple[int, Counted]] = []
            for sequence, each in counted.items():
                whole = together([*self.used(sequence), *([each] if each is not None else [])])
                told += [(sequence, replace(one, same_line=False)) for one in whole]
            self._beside = counted_on_record(kept), told
        own, lines = self._beside
        others = [each for sequence, each in lines if sequence != line.sequence]
        return on_record.and_(own).beside([*others, *self.used(line.sequence)])

    def standing(self, line: LineRequest) -> CountedLines:
        """The same for a line that stands as it was given: it does not count beside itself."""
        counted = self.counted(line)
        return replace(counted, lines=tuple(each for each in counted.lines if not each.same_line))

    def used(self, sequence: int) -> list[Counted]:
        """What this line of the case was given before and may have used by now."""
        known = self.own.lines.get(sequence) if self.own is not None else None
        return used(self.own, known, self.today) if self.own is not None and known is not None else []

    def _unclear(self, line: LineRequest) -> bool:
        """Whether the codings of a line do not lead to one service by the plan's crosswalk."""
        asked_for = identify(line.item, self.crosswalk, line.service_start or self.today)
        return bool(asked_for.trouble) and not asked_for.unnamed

    @property
    def _member(self) -> str | None:
        return self.who.member.id if self.who.member is not None else None

    def signed(self, case: Case, numbers: Sequence[str]) -> list[Put]:
        """What to store with ``case``, which was made for orders as they were signed; ``numbers`` were issued on it."""
        new = {line.sequence for line in case.ordered if line.authorization and line.authorization.number in numbers}
        return [tie.moved_on(case.id) for tie in self.ties if new & tie.sequences]


async def on_record(
    service: AuthorizationService, submission: Submission, *, own: Case | None = None, who: Standing | None = None
) -> OnRecord:
    """Look for what is on record for the lines of ``submission``. ``own`` is the case that it updates, ``who`` whom it is for
    and by, where that was worked out.

    Nothing is found of members we do not know: their authorizations cannot be told apart. Raises the store's errors.
    """
    now = service.runtime.now()
    who = who or service.who(submission, now)
    seen = OnRecord(submission, who, now.date(), own=own, crosswalk=service.directory().crosswalk)
    if seen.who.member is None or submission.cancel_all:
        return seen
    mine = own.id if own is not None else None
    member = seen.who.member.id
    wanted = {code for line in submission.lines for code in kept(line).codes}
    seen.record = await member_record(service.store, service.tenant, service.catalogue(), member, wanted, mine)
    lines = {line.sequence: line for line in submission.lines if line.request in ("initial", "revision")}
    if not lines:
        return seen
    seen.ties = await _orders(service, submission, member, lines)
    found: dict[int, list[_Earlier]] = {sequence: [] for sequence in lines}
    for sequence, earlier in await _numbered(service, submission, lines, own):
        found[sequence].append(earlier)
    for tie in seen.ties:
        for case in await _cases(service, reversed(tie.cases)):
            for sequence in tie.sequences:
                given = (Held.of(case, line) for line in case.ordered)
                found[sequence] += [_Earlier(case.id, held, _BY_ORDER) for held in given if held is not None]
    seen.found = {n: [each for each in several if each.case != mine] for n, several in found.items()}
    return seen


async def _orders(
    service: AuthorizationService, submission: Submission, member: str, lines: Iterable[int]
) -> list[_Tie]:
    """The orders behind the lines, each read once. They are the client's: what another calls so is another."""
    named: dict[str, set[int]] = {}
    for sequence in lines:
        order = submission.orders.get(sequence)
        if order is not None and order.reference is not None:
            # an order of a hook is tied under its own name, and under that by which a request will call it
            for name in dict.fromkeys((order.reference, order.reference.rpartition("|")[2])):
                key = order_key(submission.submitter, member, name)
                if key is not None:
                    named.setdefault(key, set()).add(sequence)
    ties = []
    for key, sequences in named.items():
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
        order = submission.orders.get(sequence, ReferencedOrder())
        asked = {str(code) for code in kept(line).codes} | {line.code}
        given = {number for id in order.assertions for code, number in asserted.get(id, ()) if code in asked}
        meant += [(number, sequence, _BY_NUMBER) for number in order.named]
        meant += [(number, sequence, _BY_ORDER_NUMBER) for number in order.carried]
        meant += [(number, sequence, _BY_ORDER_NUMBER) for number in given if len(given) == 1]
    numbers = list(dict.fromkeys(number for number, _, _ in meant))[:_MOST_NUMBERS]
    if not numbers:
        return []
    page = await service.store.search(service.tenant, "Case", [Param("number", numbers)], limit=_MOST_NUMBERS)
    held: dict[str, tuple[str, Held]] = {}
    for case in [fold(decode(document.body)) for document in page.documents]:
        for known in case.ordered:
            if (found := Held.of(case, known)) is not None:
                held[found.authorization.number] = case.id, found
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
