"""How much an order asks for: the one amount that a line can have, or that there is one which no machine reads.

Source: FHIR R4 ServiceRequest.quantity[x] and occurrence[x], MedicationRequest.dispenseRequest, NutritionOrder, Timing.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final

from precert.authorization.deciding.timing import fits, repeats
from precert.fhir.coding import UCUM
from precert.fhir.types import Element, Resource, as_list, elements, text
from precert.policy.amounts import MOST, unit_said
from precert.policy.evidence import number

_UCUM_WORDS = {"mo": "months", "wk": "weeks", "d": "days", "h": "hours", "{visit}": "visits", "{visits}": "visits"}
_UNREAD: Final[Element] = {}
_NUTRITION = {
    "oralDiet": ("schedule",),
    "supplement": ("schedule", "quantity"),
    "enteralFormula": ("maxVolumeToDeliver", "administration"),
}


def line_amount(item: Element) -> tuple[Decimal | None, str | None]:
    """The number and unit of ``Claim.item.quantity`` (or of an order in that shape), as they stand there; ``(None, None)``
    without a number, and for one below zero. Whether it is an amount, :func:`certain` says."""
    quantity = item.get("quantity")
    amount = number(quantity.get("value")) if isinstance(quantity, dict) else None
    if not isinstance(quantity, dict) or amount is None or amount < 0:
        return None, None
    return Decimal(amount), text(quantity.get("unit")) or text(quantity.get("code"))


def certain(quantity: object) -> bool:
    """Whether a Quantity says one amount: a number above zero, exactly, no slip of the keyboard, and a unit that does not
    contradict its code. Words alone that are not understood are a unit too: whether it is the same, their reader says."""
    if not isinstance(quantity, dict) or quantity.get("comparator") is not None or "modifierExtension" in quantity:
        return False
    amount = number(quantity.get("value"))
    if amount is None or not 0 < amount <= MOST:
        return False
    return "code" not in quantity or unit_said(quantity) is not None


def amount_doubt(item: Element) -> str | None:
    """Why the amount on an item is none, in a sentence; ``None`` without one, and for an order whose times only do not say
    how much (``{}``): what that means, a policy says."""
    said = item.get("quantity")
    return "Its quantity is no amount that can be asked for." if said and not certain(said) else None


def asked_for(resource: Resource) -> Element | None:
    """What the order says of its amount, as ``Claim.item.quantity`` says it. A prescription asks for its refills as well.

    An amount that is there and cannot be read, or that the order's timing exceeds, stays on the line as a quantity that
    nobody can read (``{}``, or as it was sent), so that nobody takes it for none. Without any it is ``None``.
    """
    timings = [*_timings(resource)]
    stated = _quantity(resource)
    if stated is None:
        if resource.get("resourceType") == "Appointment":
            return {"value": Decimal(1)}  # an appointment is one visit, one examination
        return _UNREAD if _elsewhere(resource) or any(map(repeats, timings)) else None
    amount, unit = line_amount({"quantity": stated})
    if amount is None or not certain(stated) or resource.get("resourceType") == "MedicationRequest":
        return stated  # what is dispensed is the amount; doses are counted otherwise
    return stated if all(fits(timing, amount, unit) for timing in timings) else _UNREAD


def _quantity(resource: Resource) -> Element | None:
    """The one quantity in the form that is read; ``None`` when there is none in any form of quantity[x] or dispense."""
    dispense = next(iter(elements(resource.get("dispenseRequest"))), {})
    sent = [(key, value) for key, value in resource.items() if key.lstrip("_").startswith("quantity")]
    sent += [("dispenseRequest", dispense["quantity"])] if dispense.get("quantity") is not None else []
    if not sent:
        return None
    (where, quantity), *more = sent
    own = "quantity" if resource.get("resourceType") == "SupplyRequest" else "quantityQuantity"
    if more or where not in (own, "dispenseRequest") or not isinstance(quantity, dict):
        return _UNREAD
    amount, unit = line_amount({"quantity": quantity})
    if amount is None or not certain(quantity):
        return quantity
    refills = number(dispense.get("numberOfRepeatsAllowed", 0))
    if refills is None or refills < 0 or elements(dispense.get("initialFill")):
        return _UNREAD
    total = amount * (1 + Decimal(refills))
    unit = _UCUM_WORDS.get(unit or "", unit) if text(quantity.get("system")) == UCUM else unit
    return {"value": total, **({"unit": unit} if unit else {})}


def _elsewhere(resource: Resource) -> bool:
    """Whether an amount stands where no line has one: refills or a supply without a quantity, a diet's amounts."""
    for dispense in elements(resource.get("dispenseRequest")):
        if any(dispense.get(key) for key in ("numberOfRepeatsAllowed", "expectedSupplyDuration", "initialFill")):
            return True
    return any(
        each.get(key) is not None
        for kind, keys in _NUTRITION.items()
        for each in elements(resource.get(kind))
        for key in keys
    )


def _timings(resource: Resource) -> Iterator[object]:
    yield from as_list(resource.get("occurrenceTiming"))
    for dosage in elements(resource.get("dosageInstruction")):
        yield from as_list(dosage.get("timing"))
