"""Reading a Subscription that a client sends: everything that is wrong at once, each with its FHIRPath and the mend."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from precert.fhir.dates import parse_instant
from precert.fhir.extension import value
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource, elements, text
from precert.fhir.versions import VersionName
from precert.subscriptions.channel import filter_extensions, read_channel, refused
from precert.subscriptions.filters import MOST_VALUES, Filters, parse_filter
from precert.subscriptions.record import Channel, Status
from precert.subscriptions.urls import FILTER_CRITERIA, PAS_TOPIC

_STATUSES: tuple[Status, ...] = ("requested", "active", "error", "off")
# http://hl7.org/fhir/5.0/StructureDefinition/extension-Subscription.topic and its like: another way to say what the
# backport IG says; a server that ignored them would deliver something else than asked.
_CROSS_VERSION = re.compile(r"http://hl7\.org/fhir/\d+\.\d+/StructureDefinition/extension-Subscription\b.*")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the client asks for."""

    channel: Channel
    filters: Filters
    end: datetime | None
    status: Status


def read_subscription(
    resource: Resource, version: VersionName, *, allow_private: bool, shortest_heartbeat: int
) -> Wanted:
    """Raises FhirError: 400 for another resource type, 422 for what this server cannot do."""
    if resource["resourceType"] != "Subscription":
        found = str(resource["resourceType"])[:64]
        why = f"The body is a {found}; this URL takes a Subscription."
        raise FhirError(400, Issue("error", "invalid", why, "Subscription", "resource-type"))
    issues: list[Issue] = []
    status = _status(resource, issues)
    _topic(resource, issues)
    if text(resource.get("reason")) is None:
        why = "The reason is missing. Say in a few words what the subscription is for."
        issues.append(refused("reason", "Subscription.reason", why, code="required"))
    filters = _filters(resource, issues)
    _foreign_extensions(resource, issues)
    end = _end(resource, issues)
    channel = read_channel(
        resource.get("channel"),
        version,
        allow_private=allow_private,
        shortest_heartbeat=shortest_heartbeat,
        issues=issues,
    )
    if issues or channel is None or status is None:
        raise FhirError(422, issues)
    return Wanted(channel, filters, end, status)


def _status(resource: Resource, issues: list[Issue]) -> Status | None:
    for status in _STATUSES:
        if resource.get("status") == status:
            return status
    why = "The status must be requested (or off, to stop a subscription). The server sets active and error."
    issues.append(refused("status", "Subscription.status", why, code="value"))
    return None


def _topic(resource: Resource, issues: list[Issue]) -> None:
    criteria = text(resource.get("criteria")) or ""
    if criteria.partition("|")[0] != PAS_TOPIC:
        why = f"The only topic is {PAS_TOPIC}. Set criteria to it; filters go into its extension {FILTER_CRITERIA}."
        issues.append(refused("topic", "Subscription.criteria", why))


def _filters(resource: Resource, issues: list[Issue]) -> Filters:
    found = filter_extensions(resource.get("_criteria"), FILTER_CRITERIA)
    path = f"Subscription.criteria.extension('{FILTER_CRITERIA}')"
    filters: list[tuple[str, ...]] = []
    for index, extension in enumerate(found):
        written = text(value(extension))
        try:
            if written is None:
                raise ValueError("it has no valueString")
            filters.extend(parse_filter(written))
        except ValueError as error:
            why = f"This filter cannot be used: {error}."
            issues.append(refused("filter", f"{path}[{index}].value", why, code="value"))
    if not found:
        why = "Say whose responses to report: one filter org-identifier=<your sender id (ISA06)>[,<id>…]."
        issues.append(refused("filter", path, why, code="required"))
    if sum(map(len, filters)) > MOST_VALUES:
        why = f"More than {MOST_VALUES} identifiers. Split the subscription."
        issues.append(refused("filter", path, why, code="too-costly"))
    return tuple(filters)


def _foreign_extensions(resource: Resource, issues: list[Issue]) -> None:
    channel = resource.get("channel")
    places = [("Subscription", resource), ("Subscription.channel", channel if isinstance(channel, dict) else {})]
    for path, element in places:
        if elements(element.get("modifierExtension")):
            why = "No modifierExtension is known here, and one must not be ignored. Leave it out."
            issues.append(refused("modifier-extension", f"{path}.modifierExtension", why, code="extension"))
        for extension in elements(element.get("extension")):
            url = extension.get("url")
            if isinstance(url, str) and _CROSS_VERSION.fullmatch(url):
                why = f"R5 cross-version extensions are not supported ({url[:120]}). Use those of the backport IG."
                issues.append(refused("cross-version-extension", f"{path}.extension", why, code="extension"))


def _end(resource: Resource, issues: list[Issue]) -> datetime | None:
    if "end" not in resource:
        return None
    end = parse_instant(resource["end"])
    if end is None:
        why = "The end is not an instant. Write it like 2027-01-31T00:00:00Z, or leave it out."
        issues.append(refused("end", "Subscription.end", why, code="value"))
    return end
