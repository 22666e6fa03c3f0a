"""``Claim.item`` to lines: code, quantity, dates, place, diagnoses, provider."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date
from decimal import Decimal

import msgspec

from precert.authorization.deciding.order_amount import line_amount
from precert.authorization.deciding.order_elements import PERFORMERS, Named, parties, service_days
from precert.authorization.deciding.orders import provider_of
from precert.authorization.deciding.parties import provider_npis
from precert.authorization.deciding.service import line_code
from precert.authorization.record.case import LineRequest, Party
from precert.eligibility.crosswalk import Crosswalk
from precert.eligibility.directory import npis
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.coding import codes
from precert.fhir.dates import parse_date, parse_last_day
from precert.fhir.extension import extension_value
from precert.fhir.types import Element, as_list, elements
from precert.pas import urls
from precert.pas.findings import Findings
from precert.pas.pointers import check_pointers
from precert.pas.service_requests import requested_services

_LARGEST = 2_147_483_647  # of a FHIR positiveInt
CANCEL = "3"
"""X12 1322: cancel."""
REQUEST_BY_CERTIFICATION = {
    "I": "initial",
    "R": "renewal",
    "S": "revision",
    "4": "extension",
    "3": "cancel",
    "1": "appeal",
    "2": "appeal",
    "N": "reconsideration",
}
"""X12 1322 (certification type) to the kind of request that policies name."""


def read_items(
    index: BundleIndex,
    claim: Entry,
    diagnoses: Mapping[int, Element],
    found: Findings,
    most: int,
    *,
    required: bool = True,
    crosswalk: Crosswalk | None = None,
    performers: dict[Party, tuple[str, ...]] | None = None,
) -> list[LineRequest]:
    """Every item as a line, kept under its billing code (by ``crosswalk``, too). Faults and warnings go to ``found``, all NPIs
    of each line's provider to ``performers``."""
    path = f"{claim.path}.item"
    items = claim.resource.get("item")
    if not isinstance(items, list) or not items:
        if not required:  # a whole request is cancelled by its certification type; it needs no items to say so
            return []
        found.fault("required", "no-items", path, "The Claim has no items. Each service asked for is one item.")
        return []
    if len(items) > most:
        found.fault(
            "too-long", "too-many-items", path, f"The Claim has {len(items)} items; this server takes up to {most}."
        )
        return []
    lines: list[LineRequest] = []
    sequences: dict[int, int] = {}
    for position, item in enumerate(items):
        where = f"{path}[{position}]"
        if not isinstance(item, dict):
            found.fault("structure", "item-shape", where, "An item must be a JSON object.")
            continue
        if required:
            check_pointers(item, claim, where, found)
        sequence = _sequence(item, where, sequences, position, found)
        if _names_a_service(item, where, found) and sequence is not None:
            line = _line(index, claim, item, where, sequence, crosswalk or Crosswalk(), diagnoses, found)
            performer = _performer(index, claim, item)
            if performer is not None:
                line = msgspec.structs.replace(line, provider=provider_of(performer, index))
                if performers is not None and line.provider is not None:
                    performers[line.provider] = performer.npis
            lines.append(line)
    return lines


def _sequence(item: Element, where: str, seen: dict[int, int], position: int, found: Findings) -> int | None:
    sequence = item.get("sequence")
    if not isinstance(sequence, int) or isinstance(sequence, bool) or not 1 <= sequence <= _LARGEST:
        found.fault(
            "required",
            "item-sequence",
            f"{where}.sequence",
            "Each item needs a sequence, a whole number from 1 to 2147483647: it traces the answer.",
        )
        return None
    if sequence in seen:
        found.fault(
            "duplicate",
            "item-sequence-repeated",
            f"{where}.sequence",
            f"Sequence {sequence} is used by item[{seen[sequence]}] already. Number the items differently.",
        )
        return None
    seen[sequence] = position
    return sequence


def _names_a_service(item: Element, where: str, found: Findings) -> bool:
    """Whether there is a code, with its system, to look at; which service it is, is identified later."""
    path = f"{where}.productOrService"
    concept = item.get("productOrService")
    usable = list(codes(concept))
    if not usable:
        found.fault(
            "required",
            "item-code",
            path,
            "The item names no service. Give productOrService a coding with system and code.",
        )
        return False
    for position, code in enumerate(usable):
        if code.system:
            return True
        found.fault(
            "code-invalid",
            "code-without-system",
            f"{path}.coding[{position}].system",
            f"Code {code.code!r} has no system, so it could mean anything. Add the system, for example the HCPCS, CPT or X12 URL.",
        )
    return False


def _line(
    index: BundleIndex,
    claim: Entry,
    item: Element,
    where: str,
    sequence: int,
    crosswalk: Crosswalk,
    diagnoses: Mapping[int, Element],
    found: Findings,
) -> LineRequest:
    certification = next(codes(extension_value(item, urls.CERTIFICATION_TYPE)), None)
    start, end = _dates(index, claim, item, where, found)
    quantity, unit = _quantity(item, where, found)
    return LineRequest(
        sequence=sequence,
        code=line_code(item, crosswalk, start),
        request=_kind(item, certification.code if certification else None, where, found),
        certification=certification.code if certification else None,
        service_start=start,
        service_end=end,
        quantity=quantity,
        unit=unit,
        item=item,
        diagnoses=tuple(_named(item, diagnoses)),
    )


def _kind(item: Element, certification: str | None, where: str, found: Findings) -> str:
    """What kind of request the item is. ``infoCancelled`` decides by its value: ``false`` is no cancellation (the
    published presets carry it on live items), whatever the certification type says. A type that is not known is reviewed
    as a first request."""
    if certification is not None and certification not in REQUEST_BY_CERTIFICATION:
        found.warn(
            "code-invalid",
            "certification-type",
            f"{where}.extension.where(url='{urls.CERTIFICATION_TYPE}')",
            f"The certification type {certification[:40]!r} is none of {', '.join(REQUEST_BY_CERTIFICATION)} (X12 1322); "
            "the item is reviewed as a first request.",
        )
    cancelled = extension_value(item, urls.INFO_CANCELLED, modifier=True)
    if cancelled is True:
        return "cancel"
    kind = REQUEST_BY_CERTIFICATION.get(certification or "I", "initial")
    return "initial" if kind == "cancel" and cancelled is False else kind


def _named(item: Element, diagnoses: Mapping[int, Element]) -> list[Element]:
    """The diagnoses the item points to; all of them when it points to none."""
    wanted = as_list(item.get("diagnosisSequence"))
    if not wanted:
        return list(diagnoses.values())
    return [concept for sequence, concept in diagnoses.items() if sequence in wanted]


def _dates(
    index: BundleIndex, claim: Entry, item: Element, where: str, found: Findings
) -> tuple[date | None, date | None]:
    """The item's own dates, else those of the requested service, else the patient event's, else the Claim's billablePeriod."""
    own = _read_dates(item, "serviced", where, found)
    if own is not None:
        return own
    for requested in requested_services(index, claim, item):
        start, end, unread = service_days(requested.resource)
        if unread is not None:
            text_ = f"The order's {unread} says no day. Write dates as YYYY-MM-DD."
            found.fault("value", "item-date", requested.path, text_)
        if start is not None:
            return start, end
    sources = (
        (_patient_event(claim), "timing", f"{claim.path}.supportingInfo"),
        (claim.resource, "billable", claim.path),
    )
    for source, element, path in sources:
        dates = _read_dates(source, element, path, found)
        if dates is not None:
            return dates
    return None, None


def _read_dates(source: Element, element: str, path: str, found: Findings) -> tuple[date | None, date | None] | None:
    """``<element>Date``, ``<element>DateTime`` or ``<element>Period`` of ``source``; ``None`` if it has none of them."""
    for key in (f"{element}Date", f"{element}DateTime"):
        if key in source:
            day = _day(source[key], f"{path}.{key}", found)
            return day, day
    period = source.get(f"{element}Period")
    if not isinstance(period, dict):
        return None
    where = f"{path}.{element}Period"
    start = _day(period["start"], f"{where}.start", found) if "start" in period else None
    end = _day(period["end"], f"{where}.end", found, parse_last_day) if "end" in period else None
    if start and end and end < start:
        found.fault(
            "invariant",
            "dates-reversed",
            where,
            f"The period ends ({end}) before it starts ({start}). Swap or correct the dates.",
        )
    return start, end


def _day(value: object, path: str, found: Findings, read: Callable[[object], date | None] = parse_date) -> date | None:
    day = read(value)
    if day is None:
        found.fault("value", "item-date", path, f"{str(value)[:40]!r} is no FHIR date. Write it as YYYY-MM-DD.")
    return day


def _patient_event(claim: Entry) -> Element:
    for info in elements(claim.resource.get("supportingInfo")):
        if any(code.code == "patientEvent" for code in codes(info.get("category"))):
            return info
    return {}


def _quantity(item: Element, where: str, found: Findings) -> tuple[Decimal | None, str | None]:
    quantity = item.get("quantity")
    if not isinstance(quantity, dict):
        return None, None
    value = quantity.get("value")
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        found.warn("value", "quantity-value", f"{where}.quantity.value", "The quantity has no number; it is not used.")
        return None, None
    if value < 0:
        found.fault("value", "quantity-negative", f"{where}.quantity.value", f"The quantity {value} is negative.")
        return None, None
    amount, unit = line_amount(item)
    if unit is None:
        found.warn(
            "required",
            "quantity-unit",
            f"{where}.quantity",
            "The quantity has no unit or code (PAS rule prof-2). It is read in the unit that the coverage policy counts in.",
        )
    return amount, unit


def _performer(index: BundleIndex, claim: Entry, item: Element) -> Named | None:
    """Who shall render the service: the first of the item's care team, or the performer of the requested service. One who is
    named and not here is not passed over for somebody else."""
    wanted = as_list(item.get("careTeamSequence"))
    for member in elements(claim.resource.get("careTeam")):
        provider = member.get("provider")
        if member.get("sequence") in wanted and isinstance(provider, dict):
            target = index.resolve(provider, claim)
            own = provider_npis(index, target) if target is not None else npis(provider)
            return Named(target, tuple(own), provider)
    requested = requested_services(index, claim, item)
    return next((each for order in requested for each in parties(order, index, PERFORMERS)), None)
