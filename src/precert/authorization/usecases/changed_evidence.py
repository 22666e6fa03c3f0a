"""What an update or an attachment does to lines that were answered with a yes: it stays, and a person is told what changed.

Nothing is cut by a machine (42 CFR 422.566(d)); but an approval whose evidence was withdrawn, or that is contradicted by now, must not
stay unquestioned. Such a line gets the event ``evidence_changed`` and stands in the worklist until a person has reviewed it
(``evidence_reviewed``) or decides it anew.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import structlog

from precert.authorization.deciding.counted import CountedLines
from precert.authorization.deciding.decide import decide
from precert.authorization.deciding.standing import Standing
from precert.authorization.deciding.support import weakened
from precert.authorization.record.case import EVIDENCE_CHANGED, Case, Event, Line
from precert.authorization.record.lifecycle import lifecycle
from precert.authorization.usecases.dependencies import AuthorizationService, bound_versions
from precert.authorization.usecases.on_record import OnRecord
from precert.authorization.usecases.recording import system_event
from precert.authorization.usecases.submission import Submission
from precert.policy.types import Decision

log = structlog.get_logger(__name__)

_ANSWERED = lifecycle().in_force | {"exempt"}
_FAILED = "the coverage rules could not be evaluated with what is on file now"


def standing_lines(before: Case, after: Case) -> list[Line]:
    """The lines of ``after`` that were answered with a yes in ``before`` and still are, by the same decision."""
    return [
        line
        for line in after.ordered
        if line.state in _ANSWERED
        and (known := before.lines.get(line.sequence)) is not None
        and known.state in _ANSWERED
        and known.determination == line.determination
    ]


def changed_evidence(
    service: AuthorizationService,
    lines: Sequence[Line],
    case: Case,
    files: tuple[Submission, Submission],
    who: Standing,
    seen: OnRecord,
    now: datetime,
) -> list[Event]:
    """An event for each of ``lines`` that what is on file does not bear as it did. ``files`` are the request with what was on
    file before, and with what is there now."""
    bound = bound_versions(case)
    found = []
    for line in lines:
        made = line.determination
        days = dict.fromkeys([made.at.date()] if made is not None else [])
        days[now.date()] = None  # as of the decision its time windows count, as of today what came since
        said: dict[str, None] = {}
        for day in days:
            before, after = (
                _decision(service, line, each, who, bound, seen.standing(line.requested), day, now) for each in files
            )
            if before is not None and after is not None:
                said.update(dict.fromkeys(weakened(before, after)))
            elif before is not None:
                said[_FAILED] = None
        if said:
            detail = {"changed": list(said)}
            found.append(system_event(EVIDENCE_CHANGED, now, line=line.sequence, detail=detail))
    return found


def _decision(
    service: AuthorizationService,
    line: Line,
    file: Submission,
    who: Standing,
    bound: dict[str, str],
    counted: CountedLines,
    day: date,
    now: datetime,
) -> Decision | None:
    """What the rules say about the line with ``file``; ``None`` when they fail, or nothing is decided (no active coverage)."""
    try:
        # as this version of the request has it: with the diagnoses that are named now
        asked = next((each for each in file.lines if each.sequence == line.sequence), line.requested)
        ask = file.ask(asked)
        at = now if day == now.date() else None
        return decide(ask, file.subject, who, service.rules(), day, bound=bound, counted=counted, at=at).decision
    except Exception:  # whatever a rule does, the update must be taken in, and a person sees it
        log.exception("rules failed", line=line.sequence, code=line.requested.code)
        return None
