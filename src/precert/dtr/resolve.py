"""From what was asked to forms: by canonical, by order through the rules, by context through the record.

Source: DTR 2.2.0 spec-108, spec-128..130, oper-7..9, prof-1. What is not found by canonical is a warning; a context or a
coverage that is not found is an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from precert.authorization.consult import ConsultService, Inquiry, OrderAsked
from precert.authorization.record import LineRequest
from precert.dtr import urls
from precert.dtr.asked import Asked, Order
from precert.dtr.forms import Forms, Served
from precert.dtr.origin import Origin
from precert.fhir.coding import Code
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource


@dataclass(frozen=True, slots=True)
class Wanted:
    """One form to send, with the orders it is for and what is known already (linkId to plain value)."""

    served: Served
    orders: tuple[Order, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Resolved:
    """What a call comes to. ``missing`` are canonicals that no form of the library answers to."""

    wanted: list[Wanted] = field(default_factory=list)
    notes: list[Issue] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    origin: Origin | None = None

    def add(self, served: Served, order: Order | None = None, known: Mapping[str, Any] | None = None) -> None:
        """Each form of one version once; several orders share it (oper-7)."""
        for index, wanted in enumerate(self.wanted):
            if (wanted.served.id, wanted.served.form.version) == (served.id, served.form.version):
                orders = (*wanted.orders, order) if order and order not in wanted.orders else wanted.orders
                self.wanted[index] = replace(wanted, orders=orders, known={**wanted.known, **(known or {})})
                return
        self.wanted.append(Wanted(served, (order,) if order else (), known or {}))

    def note(self, severity: str, code: str, text: str, rule: str, path: str | None = None) -> None:
        self.notes.append(Issue("warning" if severity == "warning" else "information", code, text, path, rule))


def resolve(asked: Asked, origin: Origin | None, consult: ConsultService, forms: Forms, root: str) -> Resolved:
    """The forms to send. Raises FhirError(422) when no coverage is of this plan."""
    resolved = Resolved(origin=origin)
    day = consult.today()
    _coverages(asked, consult, resolved)
    if origin is not None:
        _by_context(asked, origin, forms, resolved, root, day)
    for order in asked.orders:
        if origin is None or not _about(order, origin):
            _by_order(order, asked, consult, forms, resolved, day, origin)
    if asked.questionnaires:
        _by_canonical(asked, forms, resolved, root, day)
    return resolved


def _coverages(asked: Asked, consult: ConsultService, resolved: Resolved) -> None:
    """spec-130: a coverage that is not ours, or not active, is an error; one good coverage of several is enough."""
    troubles: list[Issue] = []
    for coverage in asked.coverages:
        identified = consult.identify(Inquiry({}, coverage))
        who = identified.who
        if identified.trouble is not None or who is None:
            said = identified.text or "The coverage was not found."
            troubles.append(
                Issue("error", "not-found", said, "Parameters.parameter", identified.trouble or "technical")
            )
        elif who.member is not None and who.member.coverage_on(consult.today()) is None:
            said = "The coverage is not active today. Send the member's present coverage."
            troubles.append(Issue("error", "business-rule", said, "Parameters.parameter", "no-active-coverage"))
    if troubles and len(troubles) == len(asked.coverages):
        raise FhirError(422, troubles)
    resolved.notes.extend(replace(trouble, severity="warning") for trouble in troubles)
    if not asked.coverages and resolved.origin is None:
        resolved.note(
            "warning", "required", "No coverage was sent; the response is a draft without one.", "no-coverage"
        )


def _about(order: Order, origin: Origin) -> bool:
    """Whether the order is one that the context is about: the same service, whatever else changed (spec-128)."""
    return bool(set(order.codes) & {code for line in origin.lines for code in line.codes})


def _by_context(asked: Asked, origin: Origin, forms: Forms, resolved: Resolved, root: str, day: date) -> None:
    related = [order for order in asked.orders if _about(order, origin)]
    if asked.orders and not related:
        said = "The orders are not those that the context is about; the forms are chosen by the orders alone."
        resolved.note("warning", "conflict", said, "context-order")
        return
    if not any(line.policies for line in origin.lines):
        said = f"{origin.name} asks for no documentation any more; nothing has to be filled in."
        resolved.note("information", "informational", said, "nothing-needed")
        return
    for line in origin.lines:
        for policy, version in line.policies:
            form = forms.form(policy, version, day)
            if form is None:
                resolved.missing.append(urls.canonical(root, "Questionnaire", policy, version))
                continue
            served = Served(form, "standard")
            known = {name: line.known[name] for name in form.items if name in line.known}
            mine = [order for order in related if set(order.codes) & set(line.codes)]
            resolved.add(served, None, known)
            for order in mine:
                resolved.add(served, order)


def _by_order(
    order: Order,
    asked: Asked,
    consult: ConsultService,
    forms: Forms,
    resolved: Resolved,
    day: date,
    origin: Origin | None,
) -> None:
    if not order.concepts:
        kind = order.resource["resourceType"]
        said = f"The {kind} does not say by code what is ordered, so no form could be chosen for it."
        resolved.note("warning", "not-supported", said, "order-unclear", order.path)
        return
    found = False
    for coverage in asked.coverages or ({},):
        for policy, version in _policies(order, coverage, consult):
            form = forms.form(policy, version, day)
            if form is not None:
                found = True
                resolved.add(Served(form, "standard"), order)
    if not found:
        promised = " The documentation that was announced is not needed any more." if origin is not None else ""
        said = f"No documentation is needed for {_named(order.codes)}.{promised}"
        resolved.note("information", "informational", said, "nothing-needed", order.path)


def _policies(order: Order, coverage: Resource, consult: ConsultService) -> Iterable[tuple[str, str]]:
    """The policies that still have questions about the order."""
    inquiry = Inquiry({}, coverage)
    identified = consult.identify(inquiry)
    code = order.codes[0]
    line = LineRequest(sequence=1, code=str(code), item={"productOrService": order.concepts[0]})
    consulted = consult.ask(OrderAsked(line), inquiry, identified)
    decision = consulted.decision
    return [] if decision is None else [(e.policy, e.version) for e in decision.applied if e.questions]


def _named(codes: Sequence[Code]) -> str:
    return codes[0].code[:40]


def _by_canonical(asked: Asked, forms: Forms, resolved: Resolved, root: str, day: date) -> None:
    """Canonicals limit what context and orders found; what these did not find is sent as it is, without their links."""
    found = resolved.wanted
    resolved.wanted = []
    for position, written in enumerate(asked.questionnaires):
        served = forms.by_canonical(written, root, day)
        if served is None:
            resolved.missing.append(written)
            continue
        linked = [w for w in found if w.served.form.id == served.form.id]
        known: dict[str, Any] = {}
        for wanted in linked:
            known |= wanted.known
        resolved.add(served, None, known)
        for order in (o for w in linked for o in w.orders) if linked else asked.orders if position == 0 else ():
            resolved.add(served, order)
        _age(served, forms, resolved, root, day)


def _age(served: Served, forms: Forms, resolved: Resolved, root: str, day: date) -> None:
    end = served.form.policy.model.effective.end
    if end is None or end >= day:
        return
    newer = forms.form(served.form.id, None, day)
    instead = ""
    if newer is not None and newer.version != served.form.version:
        instead = f" The present version is {urls.canonical(root, 'Questionnaire', served.id, newer.version)}."
    said = f"{served.id}|{served.form.version} was in effect until {end.isoformat()}.{instead}"
    resolved.note("warning", "business-rule", said, "form-expired")
