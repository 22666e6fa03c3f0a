"""The draft QuestionnaireResponse of a package: linked to coverage and orders, with what the payer knows filled in.

Source: DTR 2.2.0 oper-18, oper-19, spec-25, spec-139..141; profiles dtr-questionnaireresponse (2.2.0, 2.0.1). References
are the client's own: to what it sent, or by identifier; nothing here points into our server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from precert.authorization.deciding.response_versions import CONTEXT
from precert.dtr import urls
from precert.dtr.asked import Order
from precert.dtr.form import Group, Item
from precert.dtr.forms import Served
from precert.dtr.origin import Origin
from precert.dtr.questionnaire import Renderer, value
from precert.fhir.coding import codes
from precert.fhir.dates import instant
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.answer_reading import VALUE_OF
from precert.policy.search import fitted


@dataclass(frozen=True, slots=True)
class Links:
    """Whom and what the answers are about, as the client can resolve it."""

    subject: Element
    coverage: Element
    orders: tuple[Element, ...]


def links(sent: Resource | None, orders: Sequence[Order], origin: Origin | None) -> Links:
    """References from what was sent; without a Coverage by the member number that the case knows."""
    coverage = sent or {}
    subject = next((s for s in _subjects(coverage, orders)), None)
    member: Element = {"value": origin.member} if origin is not None and origin.member else {}
    if subject is None:
        subject = {"type": "Patient", **({"identifier": member} if member else {"display": "The patient"})}
    elif "identifier" not in subject and (own := member or _own_number(coverage)):
        subject = {**subject, "identifier": own}  # a request may call its patient otherwise than the chart does
    id = text(coverage.get("id"))
    if id is not None:
        covered: Element = {"reference": f"Coverage/{id}"}
    else:
        number = text(coverage.get("subscriberId"))
        known = {"value": number} if number else member
        covered = {"type": "Coverage", **({"identifier": known} if known else {"display": "The coverage"})}
    return Links(subject, covered, tuple(order.reference for order in orders))


def _own_number(coverage: Resource) -> Element:
    """The member number on a Coverage that is the beneficiary's own: not that of a subscriber for the whole family."""
    related = {code.code for code in codes(coverage.get("relationship"))}
    if coverage.get("dependent") is not None or (related and not related & {"self", "18"}):
        return {}
    typed = [
        i for i in elements(coverage.get("identifier")) if {c.code for c in codes(i.get("type"))} & {"MB", "MC", "SN"}
    ]
    for identifier in typed:
        if value_ := text(identifier.get("value")):
            return {key: identifier[key] for key in ("system",) if key in identifier} | {"value": value_}
    number = text(coverage.get("subscriberId"))
    return {"value": number} if number else {}


def _subjects(coverage: Resource, orders: Sequence[Order]) -> list[Element]:
    candidates = [
        coverage.get("beneficiary"),
        *(o.resource.get("subject") or o.resource.get("patient") for o in orders),
    ]
    return [
        {key: c[key] for key in ("reference", "identifier", "type", "display") if key in c}
        for c in elements(candidates)
        if not str(c.get("reference", "")).startswith("#") and ("reference" in c or "identifier" in c)
    ]


@dataclass(frozen=True, slots=True)
class Draft:
    """What goes into one draft. ``first`` are the questions that an adaptive form asks at once."""

    served: Served
    renderer: Renderer
    links: Links
    known: Mapping[str, Any]
    first: Sequence[str]
    origin: Origin | None = None
    service: str | None = None

    def resource(self, id: str, at: datetime) -> Resource:
        """The QuestionnaireResponse, in progress."""
        form, shape = self.served.form, self.renderer.shape
        adaptive = self.served.manner == "adaptive"
        made: Resource = {
            "resourceType": "QuestionnaireResponse",
            "id": id,
            "meta": {"profile": [urls.RESPONSE_ADAPTIVE if adaptive and not shape.SHELL_ASKS else urls.RESPONSE]},
        }
        if adaptive:
            made["contained"] = [self.renderer.contained(self.first, id, self._identifiers())]
        use = "withclaim" if form.policy.model.auth.required is False else "withpa"
        made["extension"] = [
            *shape.response_extensions(self.links.coverage, list(self.links.orders)),
            {"url": urls.INTENDED_USE, "valueCodeableConcept": shape.intended_use(use)},
        ]
        if self.origin is not None:  # comes back with the answers, so that context, answers and case are one thread
            made["identifier"] = {"system": CONTEXT, "value": self.origin.id}
        canonical = f"{self.renderer.site.questionnaire(form.id)}|{form.version}"
        made |= {
            "questionnaire": "#form" if adaptive else canonical,
            "status": "in-progress",
            "subject": self.links.subject,
            "authored": instant(at),
        }
        items = [] if adaptive and not shape.SHELL_ASKS else self._items(adaptive)
        return made | ({"item": items} if items else {})

    def _identifiers(self) -> list[Element]:
        """What the adaptive form has to remember between calls: nothing else is kept of them (sec-10)."""
        if self.origin is not None:
            return [{"system": CONTEXT, "value": self.origin.id}]
        return [{"system": urls.SERVICE_IDENTIFIER, "value": self.service}] if self.service else []

    def _items(self, adaptive: bool) -> list[Element]:
        found = []
        for group in self.served.form.groups:
            if adaptive and not any(item.link_id in self.first for item in group.items):
                continue
            answered = [] if adaptive else self._answered(group)
            if answered or self.renderer.shape.SHELL_ASKS:  # 2.0.1 wants an item, if only an empty group
                element: Element = {"linkId": group.link_id, "text": group.title}
                found.append(element | ({"item": answered} if answered else {}))
        return found

    def _answered(self, group: Group) -> list[Element]:
        return [
            {"linkId": item.link_id, "text": item.text, "answer": [self._answer(item, plain)]}
            for item in group.items
            if (plain := self._fitting(item)) is not None
        ]

    def _fitting(self, item: Item) -> Any:
        ask = self.served.form.policy.fact_models[item.link_id].ask
        plain = self.known.get(item.link_id)
        plain = fitted(plain, ask.type if ask is not None else None)
        return None if item.kind == "choice" and plain not in item.options else plain

    def _answer(self, item: Item, plain: Any) -> Element:
        source = {"url": "source", "valueCode": self.renderer.shape.AUTO}
        origin = {"extension": [source], "url": urls.ORIGIN}
        return {"extension": [origin], VALUE_OF[item.kind]: value(self.served.form, item, plain)}
