"""One unit of work: look at what is stored, take one step, store all that comes of it in one commit.

Whoever is faster wins: when a record moved on between reading and storing, or a name that the step wants was taken, nothing
was written, and the step is taken again from what is stored then. :func:`again` is the only loop that does so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import structlog

from precert.authorization.record.case import Case
from precert.authorization.record.chain import decode, fold
from precert.authorization.record.numbers import reservation
from precert.authorization.usecases.dependencies import AuthorizationService, Rejection, Rendered
from precert.authorization.usecases.recording import record_put
from precert.store.port import (
    AlreadyTaken,
    Audit,
    Busy,
    Commit,
    Conflict,
    Document,
    Idempotency,
    Outgoing,
    Put,
    Replayed,
    Stored,
)

log = structlog.get_logger(__name__)

T = TypeVar("T")

_ATTEMPTS = 25  # of n that arrive at once for one record, one gets through in each round


@dataclass(frozen=True, slots=True)
class Unit:
    """A record as a step leaves it, and all that is stored and sent with it.

    ``version`` is the stored version that the step began with, 0 for a new record. ``numbers`` were drawn for it and
    ``places`` are other names that nobody else may have; ``key`` makes a repetition harmless.
    """

    case: Case
    version: int
    rendered: Rendered
    audit: Sequence[Audit]
    numbers: Sequence[str] = ()
    places: Sequence[str] = ()
    puts: Sequence[Put] = ()
    outgoing: Sequence[Outgoing] = ()
    key: Idempotency | None = None
    rejection: Rejection | None = None


@dataclass(frozen=True, slots=True)
class Reply:
    """``body`` is what to send; ``replayed`` says it was stored by an earlier, identical request."""

    body: bytes
    replayed: bool = False
    case: Case | None = None
    rejection: Rejection | None = None


class Overtaken(Busy):
    """Others were faster each time. Nothing was written; it can be asked again."""


async def again(step: Callable[[], Awaitable[T]]) -> T:
    """What ``step`` returns, which reads what is stored and stores what it makes in one commit: taken again and again until
    nobody was faster.

    Raises whatever else ``step`` raises, and Overtaken when others are always faster.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return await step()
        except (AlreadyTaken, Conflict) as clash:
            log.info("somebody was faster, trying again", attempt=attempt, why=type(clash).__name__)
    raise Overtaken


async def run(service: AuthorizationService, step: Callable[[], Awaitable[Unit | T]]) -> Reply | T:
    """Take ``step`` and store what it makes, until nobody was faster; what it returns instead of a Unit is passed on.

    Raises whatever ``step`` raises, Overtaken when others are always faster, and the store's other errors.
    """

    async def once() -> Reply | T:
        made = await step()
        return await store(service, made) if isinstance(made, Unit) else made

    return await again(once)


async def store(service: AuthorizationService, unit: Unit) -> Reply:
    """Store ``unit`` in one commit, once. Raises AlreadyTaken and Conflict when somebody was faster, and the store's other
    errors; then nothing was written."""
    outcome = await service.store.commit(_commit(service, unit))
    if not isinstance(outcome, Stored):
        return Reply(outcome.result, replayed=isinstance(outcome, Replayed))
    if unit.outgoing or unit.rendered.outgoing:
        service.settled()
    return Reply(unit.rendered.body, case=unit.case, rejection=unit.rejection)


async def change(service: AuthorizationService, case_id: str, step: Callable[[Case, int], Awaitable[Unit]]) -> Reply:
    """``step`` on the record ``case_id`` (it is given the record and its stored version). Raises KeyError if there is none."""

    async def load() -> Unit:
        document = await service.store.get(service.tenant, "Case", case_id)
        if document is None:
            raise KeyError(case_id)
        return await step(*loaded(document))

    return await run(service, load)


def loaded(document: Document) -> tuple[Case, int]:
    """A stored record: the case, and the version it was read at."""
    return fold(decode(document.body)), document.version


def _commit(service: AuthorizationService, unit: Unit) -> Commit:
    at = service.runtime.now()
    return Commit(
        tenant=service.tenant,
        puts=[record_put(unit.case, unit.rendered, at, unit.version), *unit.rendered.puts, *unit.puts],
        outgoing=[*unit.rendered.outgoing, *unit.outgoing],
        audit=unit.audit,
        reserve=[*map(reservation, unit.numbers), *unit.places],
        idempotency=unit.key,
        result=unit.rendered.body,
    )
