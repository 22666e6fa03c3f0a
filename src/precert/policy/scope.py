"""Does a policy speak about this line? Yes, no, or it cannot be known because something is not said."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from precert.fhir.coding import Code, CodePattern, codes
from precert.fhir.types import Element, text
from precert.policy.codecheck import normal_codes
from precert.policy.codeset import normal
from precert.policy.compiled import CompiledPolicy
from precert.policy.evidence import number
from precert.policy.item import place_of_service
from precert.policy.types import LineContext

PROVIDER_CAN_SAY = frozenset({"place", "age", "diagnosis", "network"})
"""Scope keys whose absence the provider can mend; ``lob``, ``state`` and ``plan`` the payer has to know itself."""


@dataclass(frozen=True, slots=True)
class Scope:
    """``fails`` is the first key that rules the policy out; ``unknown`` are keys that could not be looked at."""

    fails: str | None = None
    unknown: tuple[str, ...] = ()


def service_codes(item: Element) -> tuple[Code, ...]:
    """What is asked for: the codings of ``productOrService`` and of ``category`` (the service type)."""
    found = [*codes(item.get("productOrService")), *codes(item.get("category"))]
    return tuple(dict.fromkeys(map(normal, found)))


def request_type(item: Element) -> str:
    """``initial`` unless the item says otherwise."""
    return text(item.get("request")) or "initial"


def age_of(context: LineContext) -> Decimal | int | None:
    return number(context.patient.get("age"))


def scope(policy: CompiledPolicy, context: LineContext, services: tuple[Code, ...]) -> Scope:
    """Everything of ``applies``. ``services`` is :func:`service_codes` of the item, worked out once per line."""
    applies = policy.model.applies
    if not applies.any_service and not policy.services.matches(services):
        return Scope("services")
    unknown: list[str] = []
    coverage = context.coverage
    for key, allowed in (("lob", applies.lob), ("state", applies.state), ("plan", applies.plan)):
        if allowed:
            value = text(coverage.get(key))
            if value is None:
                unknown.append(key)
            elif value not in allowed:
                return Scope(key)
    if applies.network:
        value = text(context.requester.get("network"))
        if value is None:
            unknown.append("network")
        elif value not in applies.network:
            return Scope("network")
    if applies.age is not None:
        age = age_of(context)
        low, high = applies.age.min, applies.age.max
        if age is None:
            unknown.append("age")
        elif (low is not None and age < low) or (high is not None and age >= high + 1):
            return Scope("age")
    if applies.place:
        place = place_of_service(context.item)
        if place is None:
            unknown.append("place")
        elif not any(CodePattern.parse(written).matches(place) for written in applies.place):
            return Scope("place")
    if applies.diagnosis:
        named = [code for concept in context.diagnoses for code in normal_codes(concept)]
        if not named:
            unknown.append("diagnosis")
        elif not policy.diagnoses.matches(named):
            return Scope("diagnosis")
    if applies.request and request_type(context.item) not in applies.request:
        return Scope("request", tuple(unknown))  # last: what fails by this alone names the service all the same
    return Scope(None, tuple(unknown))
