"""The use case "authorize an order whose criteria are met": an unsolicited determination, without a PAS request.

The order travels as a PAS request that precert writes for the provider, and is decided by the same steps as one that was
submitted; so it can be read, inquired about, updated and explained like any other. Nothing is stored unless the rules
approve every line of it. Source: um.md 4.5 (approve, evidence in prefetch), CRD 2.2.1 option ``unsolicited-determ``.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from datetime import date

import structlog

from precert.authorization.deciding.authorized import on_record
from precert.authorization.deciding.request import Ask
from precert.authorization.record.case import Case, Recorder, fold
from precert.authorization.record.numbers import reservation
from precert.authorization.usecases.ask import ConsultService, Held, Identified
from precert.authorization.usecases.dependencies import AuthorizationService, Renderer
from precert.authorization.usecases.submission import Submission
from precert.authorization.usecases.submit import decide, record_put, system_event
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element
from precert.store.port import AlreadyTaken, Audit, Commit, Conflict, Put

log = structlog.get_logger(__name__)
_TURN = "UnsolicitedTurn"
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

    async def authorize(self, asked: OrderRequest, order: Ask, day: date, who: Identified) -> Held | None:
        """The authorization of ``order`` on ``day``: a new one, or the one that a faster call got meanwhile.

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
            turn = await self._turn(who)  # before looking: what is stored after this is noticed
            seen = await on_record(self.service, submission)
            found = next((held for held in await self.consult.held(who.who, [order]) if held.covers(order, day)), None)
            if found is not None:
                return found
            case, numbers, rejection = decide(self.service, submission)
            if rejection is not None or not _approved(case):
                return None
            try:
                tied = seen.signed(case, numbers)
                return await self._store(case, numbers, turn, submission, asked.origin, tied)
            except (AlreadyTaken, Conflict):  # another order or request of this member was faster: look at what it got
                continue
        return None

    async def _turn(self, who: Identified) -> tuple[str, int]:
        """Whose turn it is among one member's orders: a document that each authorization moves on by one version. Of two
        calls that see the same version, only one can store; whatever else happens to the member's cases is no matter."""
        member = who.who.member if who.who else None
        assert member is not None
        key = hashlib.sha256(member.id.encode()).hexdigest()  # a member number may hold what no document id may
        found = await self.consult.store.get(self.consult.tenant, _TURN, key)
        return key, found.version if found is not None else 0

    async def _store(
        self,
        case: Case,
        numbers: list[str],
        turn: tuple[str, int],
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
        assert line.authorization is not None
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
                    Put(_TURN, turn[0], case.id.encode(), expect=turn[1]),
                ],
                audit=[audit],
                reserve=[*map(reservation, numbers)],
            )
        )
        return Held(line, line.authorization, case.number)


def _approved(case: Case) -> bool:
    return bool(case.lines) and all(line.authorization is not None for line in case.ordered)
