"""The use case "authorize an order whose criteria are met": an unsolicited determination, without a PAS request.

The order travels as a PAS request that precert writes for the provider, and is decided by the same steps as one that was
submitted; so it can be read, inquired about, updated and explained like any other. Nothing is stored unless the rules
approve every line of it. Source: um.md 4.5 (approve, evidence in prefetch), CRD 2.2.1 option ``unsolicited-determ``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date

import structlog

from precert.authorization.deciding.authorized import Held, covers
from precert.authorization.deciding.request import Ask
from precert.authorization.record.case import Case, Recorder, fold
from precert.authorization.record.numbers import reservation
from precert.authorization.usecases.ask import ConsultService, Identified
from precert.authorization.usecases.dependencies import AuthorizationService, Renderer
from precert.authorization.usecases.on_record import MemberRecord, on_record
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.submit import decide, record_put, system_event
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element
from precert.store.port import AlreadyTaken, Audit, Commit, Conflict, Put

log = structlog.get_logger(__name__)
_ATTEMPTS = 25  # of n orders for one member that are signed at once, one gets through in each round


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """One order as a request: ``raw`` is a PAS Request Bundle, ``root`` the server's URL as the caller reached it, and
    ``origin`` what the record keeps about where it came from (hook, call, order)."""

    raw: bytes
    submitter: str
    root: str
    origin: Element


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

        ``None`` when the rules do not approve what the request says, or it cannot be read. Raises the store's errors.
        """
        if not self.allowed(replace(who, who=who.who.on(day) if who.who else None)):
            return None
        try:
            submission = self.service.read(asked.raw, asked.submitter)
        except FhirError as error:
            log.warning("order cannot be written as a request", rules=[issue.rule for issue in error.issues])
            return None
        submission = replace(submission, root=asked.root)
        for _ in range(_ATTEMPTS):
            seen = await on_record(self.service, submission)
            found = self._found(order, who, day, seen.record, key)
            if found is not None:
                return found
            case, numbers, rejection = decide(self.service, submission, seen)
            if rejection is not None or not _approved(case):
                return None
            try:
                tied = [*seen.signed(case, numbers), *seen.record.granting(case, numbers)]
                return await self._store(case, numbers, submission, asked.origin, tied)
            except (AlreadyTaken, Conflict):  # another order or request of this member was faster: look at what it got
                continue
        return None

    def _found(self, order: Ask, who: Identified, day: date, record: MemberRecord, key: str | None) -> Held | None:
        assert who.who is not None
        standing, today = who.who.on(day), self.consult.today()
        left = record.used.left
        return next((held for held in record.held if covers(held, order, standing, today, left(held, key))), None)

    async def _store(
        self,
        case: Case,
        numbers: list[str],
        submission: Submission,
        origin: Element,
        tied: list[Put],
    ) -> Held:
        at = case.opened.received
        recorder = Recorder(case.events)
        recorder.append(system_event("note", at, detail=origin))
        case = fold(recorder.events)
        rendered = self.render(case, submission, None)
        line = case.ordered[0]
        held = Held.of(case, line)
        assert line.authorization is not None
        assert held is not None
        audit = Audit(
            "unsolicited-determination", submission.submitter, case.number, at, {"number": line.authorization.number}
        )
        await self.service.store.commit(
            Commit(
                tenant=self.service.tenant,
                puts=[
                    record_put(case, rendered, at, 0),
                    *rendered.puts,
                    *tied,
                ],
                audit=[audit],
                reserve=[*map(reservation, numbers)],
            )
        )
        return held


def _approved(case: Case) -> bool:
    own = (line.authorization is not None and line.rests_on is None for line in case.ordered)
    return bool(case.lines) and all(own)
