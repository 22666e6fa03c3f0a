"""Notification Bundles and subscription status, as the backport IG 1.1.0 shapes them for R4."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.types import Element, Resource
from precert.subscriptions.record import Content, Kind, Numbered, Record, Status
from precert.subscriptions.urls import ERROR_CODES, NOTIFICATION_PROFILE, PAS_TOPIC, STATUS_PROFILE

Type = Kind | Literal["query-status", "query-event"]


def handshake(record: Record, *, id: str, parameters: str, at: datetime, kind: Kind = "handshake") -> bytes:
    """A handshake or (``kind``) heartbeat: the status alone. Neither has an event number (rule 7 of the contract)."""
    # A handshake goes out while the subscription is "requested": status says so (backport IG, "Handshake").
    status = "requested" if kind == "handshake" else record.status
    state = status_parameters(record, id=parameters, kind=kind, status=status, count=record.progress.last)
    return json.dumps(_history(id, at, [_status_entry(record, state)]))


def event_notification(record: Record, numbered: Numbered, bundles: Mapping[str, bytes]) -> bytes:
    """One event. The same body at every attempt, so that a receiver sees a retry for what it is.

    The status is always ``active``: whoever reads this has got it, and by that the subscription is (again) active.
    """
    content = record.channel.content
    state = status_parameters(
        record,
        id=numbered.parameters,
        kind="event-notification",
        status="active",
        count=numbered.number,
        events=[numbered],
        content=content,
    )
    entries = [_status_entry(record, state), *_event_entries(record, [numbered], content, bundles)]
    return json.dumps(_history(numbered.bundle, numbered.at, entries))


def past_events(
    record: Record,
    events: Sequence[Numbered],
    content: Content,
    bundles: Mapping[str, bytes],
    *,
    id: str,
    parameters: str,
    at: datetime,
) -> bytes:
    """The answer to ``$events``."""
    state = status_parameters(
        record,
        id=parameters,
        kind="query-event",
        status=record.status,
        count=record.progress.last,
        events=events,
        content=content,
    )
    entries = [_status_entry(record, state), *_event_entries(record, events, content, bundles)]
    return json.dumps(_history(id, at, entries))


def status_bundle(states: Sequence[Resource], *, id: str, at: datetime) -> Resource:
    """The answer to ``$status``: a searchset with one Parameters per subscription."""
    return {
        "resourceType": "Bundle",
        "id": id,
        "type": "searchset",
        "timestamp": instant(at),
        "total": len(states),
        "entry": [
            {"fullUrl": f"urn:uuid:{state['id']}", "resource": state, "search": {"mode": "match"}} for state in states
        ],
    }


def status_parameters(
    record: Record,
    *,
    id: str,
    kind: Type,
    status: Status,
    count: int,
    events: Sequence[Numbered] = (),
    content: Content = "empty",
) -> Resource:
    """The Parameters that stand for R5's SubscriptionStatus. ``count`` is how many events there were by then."""
    parameter: list[Element] = [
        {"name": "subscription", "valueReference": {"reference": f"{record.base}/Subscription/{record.id}"}},
        {"name": "topic", "valueCanonical": PAS_TOPIC},
        {"name": "status", "valueCode": status},
        {"name": "type", "valueCode": kind},
        {"name": "events-since-subscription-start", "valueString": str(count)},
        *(_event(record, numbered, content) for numbered in events),
    ]
    if record.progress.error and kind == "query-status":
        coding = {"system": ERROR_CODES, "code": record.progress.error}
        parameter.append({"name": "error", "valueCodeableConcept": {"coding": [coding]}})
    return {"resourceType": "Parameters", "id": id, "meta": {"profile": [STATUS_PROFILE]}, "parameter": parameter}


def focus(record: Record, numbered: Numbered, content: Content) -> str | None:
    """What an event is about, relative to the base.

    In full, the PAS Response Bundle itself (PAS 2.2.1 spec-61). By id, the ClaimResponse, which the 2.0.1 client knows and
    then asks for with ``$inquire``. A version that the core made no bundle for falls back to the ClaimResponse too.
    """
    if content == "empty":
        return None
    bundle = numbered.event.bundles.get(record.version)
    return (
        f"Bundle/{bundle}"
        if content == "full-resource" and bundle
        else f"ClaimResponse/{numbered.event.claim_responses[record.version]}"
    )


def _event(record: Record, numbered: Numbered, content: Content) -> Element:
    part: list[Element] = [
        {"name": "event-number", "valueString": str(numbered.number)},
        {"name": "timestamp", "valueInstant": instant(numbered.event.at)},
    ]
    about = focus(record, numbered, content)
    if about is not None:
        part.append({"name": "focus", "valueReference": {"reference": f"{record.base}/{about}"}})
    return {"name": "notification-event", "part": part}


def _event_entries(
    record: Record, events: Sequence[Numbered], content: Content, bundles: Mapping[str, bytes]
) -> list[Element]:
    entries: dict[str, Element] = {}  # by focus: fullUrls are unique in a Bundle (bdl-7)
    for numbered in events:
        about = focus(record, numbered, content)
        if about is None:
            continue
        entry: dict[str, Any] = {"fullUrl": f"{record.base}/{about}"}
        body = bundles.get(about.removeprefix("Bundle/")) if content == "full-resource" else None
        if body is not None:
            entry["resource"] = msgspec.Raw(body)  # byte for byte as stored
        entries[about] = {**entry, "request": {"method": "GET", "url": about}, "response": {"status": "200"}}
    return list(entries.values())


def _status_entry(record: Record, state: Resource) -> Element:
    return {
        "fullUrl": f"urn:uuid:{state['id']}",
        "resource": state,
        "request": {"method": "GET", "url": f"{record.base}/Subscription/{record.id}/$status"},
        "response": {"status": "200"},
    }


def _history(id: str, at: datetime, entries: list[Element]) -> Resource:
    return {
        "resourceType": "Bundle",
        "id": id,
        "meta": {"profile": [NOTIFICATION_PROFILE]},
        "type": "history",
        "timestamp": instant(at),
        "entry": entries,
    }
