"""From what was asked to forms: by canonical, by order through the rules, by context through the record.

Source: DTR 2.2.0 spec-108, spec-128..130, oper-7..9, prof-1. What is not found by canonical is a warning; a context or a
coverage that is not found is an error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from precert.authorization.deciding.decide import SERVICE_UNKNOWN
from precert.authorization.deciding.orders import is_nobodys
from precert.authorization.deciding.request import Subject
from precert.authorization.usecases.ask import ConsultService
from precert.dtr import urls
from precert.dtr.asked import Asked, Order
from precert.dtr.consulting import Consulting
from precert.dtr.coverages import Insured, holding
from precert.dtr.forms import Forms, Served
from precert.dtr.origin import Origin
from precert.fhir.coding import Code
from precert.fhir.outcome import Issue
from precert.fhir.types import Resource


@dataclass(frozen=True, slots=True)
class Wanted:
    """One form to send: the orders it is for, the coverage under which it is needed (``None``: whichever holds), and
    what is known already (linkId to plain value)."""

    served: Served
    orders: tuple[Order, ...] = ()
    known: Mapping[str, Any] = field(default_factory=dict)
    coverage: Resource | None = None


@dataclass(slots=True)
class Resolved:
    """What a call comes to. ``missing`` are canonicals that no form of the library answers to; ``by_context``: the context
    was followed, as the orders do not contradict it."""

    wanted: list[Wanted] = field(default_factory=list)
    notes: list[Issue] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    origin: Origin | None = None
    insured: list[Insured] = field(default_factory=list)
    by_context: bool = False

    def add(
        self,
        served: Served,
        order: Order | None = None,
        known: Mapping[str, Any] | None = None,
        coverage: Resource | None = None,
    ) -> None:
        """Each form of one version once; several orders share it (oper-7). The first coverage that asks for it stays."""
        for index, wanted in enumerate(self.wanted):
            if (wanted.served.id, wanted.served.form.version) == (served.id, served.form.version):
                orders = (*wanted.orders, order) if order and order not in wanted.orders else wanted.orders
                self.wanted[index] = replace(
                    wanted,
                    orders=orders,
                    known={**wanted.known, **(known or {})},
                    coverage=wanted.coverage if wanted.coverage is not None else coverage,
                )
                return
        self.wanted.append(Wanted(served, (order,) if order else (), known or {}, coverage))

    def coverage_of(self, wanted: Wanted | None = None) -> Resource | None:
        """The coverage that a draft is for: the form's own, else the first that holds."""
        if wanted is not None and wanted.coverage is not None:
            return wanted.coverage
        return self.insured[0].coverage if self.insured else None

    def note(self, severity: str, code: str, text: str, rule: str, path: str | None = None) -> None:
        self.notes.append(Issue("warning" if severity == "warning" else "information", code, text, path, rule))


async def resolve(
    asked: Asked,
    origin: Origin | None,
    consult: ConsultService,
    forms: Forms,
    root: str,
    client: str,
    *,
    worded: bool = False,
) -> Resolved:
    """The forms to send to ``client``. ``worded``: a reviewer's own question is open, so that something has to be filled in.

    Raises FhirError(422) when no coverage is of this plan, and the store's errors.
    """
    insured, notes = holding(asked, origin, consult)
    resolved = Resolved(origin=origin, insured=insured, notes=notes)
    day = consult.today()
    if not asked.coverages and origin is None:
        said = "No coverage was sent; the response is a draft without one."
        resolved.note("warning", "required", said, "no-coverage")
    if origin is not None:
        _by_context(asked, origin, forms, resolved, root, day, worded=worded)
    apart = [order for order in asked.orders if origin is None or not _about(order, origin)]
    if apart:
        consulting = Consulting(consult, asked.orders, resolved.insured or [_nobody(consult)], client, asked.index)
        await consulting.look_up()
        for order in apart:
            _by_order(order, consulting, forms, resolved, day)
    for path in asked.unread:
        said = "The order cannot be read. Check it against the FHIR specification."
        resolved.note("warning", "not-supported", said, "order-unreadable", path)
    if asked.questionnaires:
        _by_canonical(asked, forms, resolved, root, day)
    return resolved


def _about(order: Order, origin: Origin) -> bool:
    """Whether the order is one that the context is about: the same service, whatever else changed (spec-128)."""
    return bool(set(order.codes) & {code for line in origin.lines for code in line.codes})


def _by_context(
    asked: Asked, origin: Origin, forms: Forms, resolved: Resolved, root: str, day: date, *, worded: bool
) -> None:
    related = [order for order in asked.orders if _about(order, origin)]
    if asked.orders and not related:
        said = "The orders are not those that the context is about; the forms are chosen by the orders alone."
        resolved.note("warning", "conflict", said, "context-order")
        return
    resolved.by_context = True
    if not any(line.policies for line in origin.lines):
        if worded:
            return
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


def _nobody(consult: ConsultService) -> Insured:
    """Whoever it may be, when no Coverage was sent."""
    subject = Subject({}, {})
    return Insured({}, consult.holder(subject), subject)


def _by_order(order: Order, consulting: Consulting, forms: Forms, resolved: Resolved, day: date) -> None:
    if not order.codes:
        kind = order.resource["resourceType"]
        said = f"The {kind} does not say by code what is ordered, so no form could be chosen for it."
        resolved.note("warning", "not-supported", said, "order-unclear", order.path)
        return
    found = failed = False
    for insured in consulting.under(order):
        if (anothers := consulting.of_another(order, insured)) is not None:
            failed = True
            resolved.note("warning", "business-rule", anothers, "order-other-patient", order.path)
        consulted = consulting.ask(order, insured)
        if consulted.trouble is not None:
            failed = True
            resolved.note("warning", "processing", consulted.text, consulted.trouble, order.path)
        elif consulted.decision is not None and consulted.decision.reason_code is not None:
            failed = True  # no policy was asked, or none fits: that is not the same as "nothing is needed"
            said = consulted.decision.reason
            if consulted.decision.reason_code == SERVICE_UNKNOWN:
                resolved.note("warning", "not-supported", said, "service-unknown", order.path)
            else:
                resolved.note("warning", "not-supported", said, "review-needed", order.path)
        for evaluation in consulted.decision.applied if consulted.decision is not None else ():
            form = forms.form(evaluation.policy, evaluation.version, day) if evaluation.questions else None
            if form is not None:
                found = True
                resolved.add(Served(form, "standard"), order, coverage=insured.coverage or None)
    if not found and not failed and is_nobodys(order.read.entry):
        said = "The order does not say whom it is for, so it cannot be said that nothing is needed. Name the patient in its subject."
        resolved.note("warning", "required", said, "order-subject", order.path)
    elif not found and not failed:
        promised = "" if resolved.origin is None else " The documentation that was announced is not needed any more."
        said = f"No documentation is needed for {_named(order.codes)}.{promised}"
        resolved.note("information", "informational", said, "nothing-needed", order.path)


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
        resolved.add(served, None, known, linked[0].coverage if linked else None)
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
