"""What the core says when a PAS response changed after its synchronous answer. One message, in the commit of the change."""

from __future__ import annotations

from datetime import datetime

import msgspec

from precert.store.port import Outgoing

QUEUE = "pas-events"
"""The outbox queue that the dispatcher reads."""


class PasEvent(msgspec.Struct, frozen=True, kw_only=True):
    """One change of one PAS response.

    ``event`` is unique for ever (a restart finds by it what was done). ``filters`` are all identifiers by which the
    sender may have subscribed: ISA06, GS02, the requester's NPI and other identifiers, bare or ``system|value``.
    ``bundles`` and ``claim_responses`` name, per IG version, the stored PAS Response Bundle that shows the response after
    the change, and the ClaimResponse in it.
    """

    event: str
    case: str
    number: str
    submitter: str
    filters: tuple[str, ...]
    at: datetime
    bundles: dict[str, str]
    claim_responses: dict[str, str]


def outgoing(event: PasEvent, now: datetime) -> Outgoing:
    """The outbox message to put into the same commit as the change."""
    return Outgoing(QUEUE, msgspec.json.encode(event), now)


def read_event(body: bytes) -> PasEvent:
    """The inverse. Raises msgspec.DecodeError (or its kind ValidationError) for anything else."""
    return msgspec.json.decode(body, type=PasEvent)
