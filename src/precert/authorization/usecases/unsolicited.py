"""The use case "authorize an order whose criteria are met": an unsolicited determination, without a PAS request.

The order goes on record as a PAS request that precert writes for the provider, and takes the same steps as one that was
submitted; so it can be read, inquired about, updated and explained like any other. What is decided on is what the call asked
and knew (:class:`Ask`, :class:`Subject`). Nothing is stored unless the rules approve it. Source: CRD 2.2.1 option ``unsolicited-determ``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date

import structlog

from precert.authorization.deciding.authorized import Held, covers
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.deciding.service import coded
from precert.authorization.record.case import Case, LineRequest
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.usecases.ask import ConsultService, Identified
from precert.authorization.usecases.dependencies import AuthorizationService, Renderer
from precert.authorization.usecases.on_record import MemberRecord, on_record
from precert.authorization.usecases.opening import decide
from precert.authorization.usecases.recording import system_event
from precert.authorization.usecases.submission import ReferencedOrder, Submission
from precert.authorization.usecases.unit_of_work import Overtaken, Reply, Unit, run
from precert.fhir.coding import codes
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element, Resource
from precert.store.port import Audit, Put

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as a request: ``bundle`` is a PAS Request Bundle, ``about`` whom the order is for and what the call knew of
    them, ``root`` the server's URL as the caller reached it, ``origin`` what the record keeps about where it came from
    (hook, call, order), and ``name`` the order's (:func:`precert.authorization.deciding.counted.order_name`)."""

    bundle: Resource
    about: Subject
    submitter: str
    root: str
    origin: Element
    name: str


@dataclass(slots=True)
class Unsolicited:
    """Authorizes orders. ``render`` makes the ClaimResponse that the provider can read (the PAS edge's, handed in)."""

    service: AuthorizationService
    consult: ConsultService
    render: Renderer

    def allowed(self, who: Identified) -> bool:
        """Whether orders of this member may be authorized: the plan's word; never for members of whom we are not certain."""
        standing = who.who
        if standing is None or standing.member is None or standing.doubts:
            return False
        return standing.plan is not None and standing.plan.unsolicited

    async def authorize(
        self, asked: OrderRequest, order: Ask, day: date, who: Identified, key: str | None
    ) -> Held | None:
        """The authorization of ``order`` on ``day``: a new one, or the one that a faster call got meanwhile. ``key`` is the
        order's own.

        ``None`` when the rules do not approve it, when the request cannot be read or does not say what the order says, and
        when others were always faster. Raises the store's errors.
        """
        if not self.allowed(replace(who, who=who.who.on(day) if who.who else None)):
            return None
        try:
            submission = self.service.read_resource(asked.bundle, asked.submitter)
        except FhirError as error:
            log.warning("order cannot be written as a request", rules=[issue.rule for issue in error.issues])
            return None
        if not says(submission, order):
            log.warning("the request does not say what the order says", code=order.line.code)
            return None
        number = order.line.sequence
        named = replace(submission.orders.get(number, ReferencedOrder()), reference=asked.name)
        submission = replace(
            submission, root=asked.root, asked={number: order}, about=asked.about, orders={number: named}
        )

        async def step() -> Unit | Held | None:
            seen = await on_record(self.service, submission)
            found = self._found(order, who, day, seen.record, key)
            if found is not None:  # another order or request of this member was faster: this is what it got
                return found
            case, numbers, rejection = decide(self.service, submission, seen)
            if rejection is not None or not _approved(case):
                return None
            tied = [*seen.signed(case, numbers), *seen.record.granting(case, numbers)]
            return self._unit(case, numbers, submission, asked.origin, tied)

        try:
            outcome = await run(self.service, step)
        except Overtaken:
            return None
        if not isinstance(outcome, Reply):
            return outcome
        assert outcome.case is not None  # stored just now
        return Held.of(outcome.case, outcome.case.ordered[0])

    def _found(self, order: Ask, who: Identified, day: date, record: MemberRecord, key: str | None) -> Held | None:
        assert who.who is not None
        standing, today = who.who.on(day), self.consult.today()
        left = record.used.left
        return next((held for held in record.held if covers(held, order, standing, today, left(held, key))), None)

    def _unit(
        self,
        case: Case,
        numbers: Sequence[str],
        submission: Submission,
        origin: Element,
        tied: Sequence[Put],
    ) -> Unit:
        at = case.opened.received
        recorder = Recorder(case.events)
        recorder.append(system_event("note", at, detail=origin))
        case = fold(recorder.events)
        granted = case.ordered[0].authorization
        assert granted is not None
        audit = Audit("unsolicited-determination", submission.submitter, case.number, at, {"number": granted.number})
        return Unit(case, 0, self.render(case, submission, None), [audit], numbers, puts=tied)


def says(submission: Submission, order: Ask) -> bool:
    """Whether the request that goes on record asks for the one service, amount, days and diagnoses that are decided on."""
    return [_meaning(line) for line in submission.lines] == [_meaning(order.line)]


def _meaning(line: LineRequest) -> tuple[object, ...]:
    asked = (line.sequence, line.request, line.quantity, line.unit, line.service_start, line.service_end)
    diagnoses = frozenset(str(code) for concept in line.diagnoses for code in codes(concept))
    return *asked, coded(line.item, "productOrService"), coded(line.item, "modifier"), diagnoses


def _approved(case: Case) -> bool:
    own = (line.authorization is not None and line.rests_on is None for line in case.ordered)
    return bool(case.lines) and all(own)
