"""The cards that the policies' data give rise to. Coverage information itself is never a card (resp-25).

Each card knows the orders it is about; the same card for several orders is one card (found-13). Which topics exist and
may be switched off stands in :mod:`precert.crd.options`.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from precert.authorization.deciding.orders import BILLING_OPTIONS, Order
from precert.authorization.deciding.standing import describe
from precert.authorization.usecases.ask import Consulted
from precert.crd.answer import Action, Card, Link, Suggestion
from precert.crd.canonicals import policy_page
from precert.crd.markdown import one_line, safe
from precert.crd.options import Configuration
from precert.fhir.coding import Code, codes, system_url
from precert.fhir.coverage_information import COVERAGE_INFORMATION
from precert.fhir.types import Element, Resource
from precert.policy.catalogue import Catalogue
from precert.policy.types import Alternative, Evaluation, Outcome

_RANK = (
    "therapy-alternatives-req",
    "off-guideline",
    "limits",
    "network",
    "therapy-alternatives-opt",
    "clinical-reminder",
    "guideline",
)
"""Most important first (resp-8)."""

TOPICS = _RANK
"""What cards of policies and apps may be about; each is an option that a client can switch off."""
_REPLACING = ("therapy-alternatives-req", "therapy-alternatives-opt", "off-guideline")
_NEEDS_AUTHORIZATION = (Outcome.PEND_INFO, Outcome.REFER, Outcome.REFER_NURSE, Outcome.APPROVE)
_PARAGRAPH = "\n\n"
_OF_CODE = (COVERAGE_INFORMATION, BILLING_OPTIONS)
"""Extensions that speak of the service under its code, and so do not outlive a change of it."""
_COPIED = {
    "subject": ("subject", "patient"),
    "encounter": ("encounter",),
    "authoredOn": ("authoredOn", "dateTime", "dateWritten"),
    "requester": ("requester", "orderer", "prescriber"),
}
"""What a companion takes over from its order, whose kind may have another name for it."""
_CODE_ELEMENT = {
    "ServiceRequest": "code",
    "DeviceRequest": "codeCodeableConcept",
    "MedicationRequest": "medicationCodeableConcept",
}


@dataclass(frozen=True, slots=True)
class SmartApp:
    """An app of the plan's own that clinicians may launch for certain services (never for DTR: docs/crd.md).

    Raises ValueError for what could not be shown.
    """

    label: str
    url: str
    policies: tuple[str, ...]  # shown with the orders that these policies decide
    topic: str = "guideline"

    def __post_init__(self) -> None:
        if not self.label.strip() or not self.policies:
            raise ValueError("an app needs a label and the policies that it goes with")
        if not self.url.startswith(("https://", "http://")):
            raise ValueError("the url of an app is its launch URL, https")
        if self.topic not in TOPICS:
            raise ValueError(f"the topic of an app is one of {', '.join(TOPICS)}")


@dataclass(frozen=True, slots=True)
class CardSetting:
    """What cards need besides the orders. ``replaceable``: drafts can still be changed in this hook. ``companion`` is what
    a new draft beside an order says (patient, day, requester) where the order has nothing to copy."""

    root: str
    replaceable: bool
    out_of_network: tuple[tuple[str, Order], ...] = ()  # names of performers outside the network, with their orders
    companion: Element = field(default_factory=dict)
    apps: tuple[SmartApp, ...] = ()
    ordered: frozenset[Code] = frozenset()  # what is ordered for the patient already, in the call or on record


def cards(
    answered: Iterable[tuple[Order, Consulted]], catalogue: Catalogue, setting: CardSetting, wanted: Configuration
) -> list[Card]:
    """All cards of one call, most important first, at most as many as the client wants."""
    found: list[Card] = []
    asked = list(answered)
    ordered = {code for order, _ in asked for code in codes(order.concept)}
    for order, consulted in asked:
        if consulted.decision is not None and consulted.held is None:
            found += _for_order(order, consulted, catalogue, setting, ordered)
    found += [_network(name, order) for name, order in setting.out_of_network]
    merged: dict[tuple[str, str, str], Card] = {}
    for card in found:
        if not wanted.wants(card.topic):
            continue
        # Suggestions change one order each, so such cards stay apart.
        key = (card.topic, card.summary, card.resources[0] if card.suggestions and card.resources else "")
        known = merged.get(key)
        merged[key] = _joined(known, card) if known else card
    ranked = sorted(merged.values(), key=lambda card: _RANK.index(card.topic) if card.topic in _RANK else len(_RANK))
    return ranked[: wanted.max_cards]


def _joined(known: Card, more: Card) -> Card:
    """The card with what the same card for another order says besides: that order's name, and its numbers if it has any."""
    resources = tuple(dict.fromkeys((*known.resources, *more.resources)))
    said = dict.fromkeys((*known.detail.split(_PARAGRAPH), *more.detail.split(_PARAGRAPH)))
    return replace(known, resources=resources, detail=_PARAGRAPH.join(said))


def _for_order(
    order: Order, consulted: Consulted, catalogue: Catalogue, setting: CardSetting, ordered: set[Code]
) -> list[Card]:
    decision = consulted.decision
    assert decision is not None
    found: list[Card] = []
    for evaluation in decision.applied:
        for alternative in evaluation.alternatives:
            if not _is_ordered(alternative, ordered, setting):
                found.append(_alternative(order, alternative, evaluation, setting))
        if evaluation.role == "limit" and evaluation.outcome in _NEEDS_AUTHORIZATION:
            found.append(_limit(order, evaluation))
        if evaluation.outcome in _NEEDS_AUTHORIZATION:
            found.append(_reference(order, evaluation, catalogue, setting))
            found += [_launch(order, app) for app in setting.apps if evaluation.policy in app.policies]
    return found


def _is_ordered(offer: Alternative, asked: set[Code], setting: CardSetting) -> bool:
    """Nothing is recommended that is among the orders of the call, and no companion that is on order anywhere (hook-30,
    hook-34). What must be tried first is worth saying even when it was ordered before."""
    if offer.code is None:
        return False
    code = Code(system_url(offer.system or ""), offer.code)
    return code in asked or (offer.topic not in _REPLACING and code in setting.ordered)


def _name(order: Order) -> str:
    return describe(order.concept)


def _about(order: Order, text: str) -> str:
    """The detail names the order (dev-24), so that it can be told from the others."""
    return f"{safe(text)}{_PARAGRAPH}Order: {safe(_name(order))} ({safe(order.reference)})"


def _resources(order: Order) -> tuple[str, ...]:
    return (order.reference,) if order.entry.id else ()


def _alternative(order: Order, offer: Alternative, evaluation: Evaluation, setting: CardSetting) -> Card:
    shown = offer.text or (f"{offer.code} may be ordered instead" if offer.code else evaluation.title)
    page = Link(f"Coverage policy: {evaluation.title}", policy_page(setting.root, evaluation.policy))
    card = Card(
        topic=offer.topic,
        summary=one_line(_headline(offer, shown)),
        detail=_about(order, f"{shown}. Policy: {evaluation.title} ({evaluation.version})."),
        resources=_resources(order),
        policies=(evaluation.policy,),
        override_reasons=offer.topic == "therapy-alternatives-req",
    )
    if offer.code is None:
        return card
    coding = {"system": system_url(offer.system or ""), "code": offer.code}
    concept = {"coding": [coding], "text": offer.text or offer.code}
    if offer.topic not in _REPLACING:
        suggestion: Suggestion | None = _companion(order, concept, setting.companion)
    else:
        suggestion = _replacement(order, concept) if setting.replaceable else None
    if suggestion is None:  # nothing to click on: an external reference tells it
        return replace(card, links=(page,))
    return replace(card, suggestions=(suggestion,))


def _headline(offer: Alternative, shown: str) -> str:
    match offer.topic:
        case "therapy-alternatives-req":
            return f"To be used first: {shown}" if offer.text else f"To be used first: {offer.code}"
        case "therapy-alternatives-opt":
            return f"Would also do: {offer.text or offer.code}"
        case _:
            return shown


def _replacement(order: Order, concept: Element) -> Suggestion | None:
    """One update of the order itself (resp-53). Not possible without an id or an element that holds the code."""
    element = _CODE_ELEMENT.get(order.entry.type)
    if element is None or not order.entry.id:
        return None
    changed: Resource = copy.copy(order.entry.resource)
    for other in ("codeReference", "medicationReference"):
        changed.pop(other, None)
    said = changed.pop("extension", None)
    if isinstance(said, list) and (kept := [e for e in said if not (isinstance(e, dict) and e.get("url") in _OF_CODE)]):
        changed["extension"] = kept
    changed[element] = concept
    label = one_line(f"Change to {concept['text']}", 80)
    return Suggestion(label, (Action("update", f"Changes {order.reference} to {concept['text']}", changed),))


def _companion(order: Order, concept: Element, otherwise: Element) -> Suggestion:
    """A new draft beside the order, for the same patient and requester."""
    source = order.entry.resource
    created: Resource = {
        "resourceType": "ServiceRequest",
        "status": "draft",
        "intent": "original-order",
        "code": concept,
    }
    for key, names in _COPIED.items():
        found = next((source[name] for name in names if name in source), otherwise.get(key))
        if found is not None:
            created[key] = found
    label = one_line(f"Add {concept['text']}", 80)
    return Suggestion(label, (Action("create", f"Adds a draft order: {concept['text']}", created),))


def _limit(order: Order, evaluation: Evaluation) -> Card:
    rules = [c.text for c in evaluation.criteria if not c.group and c.text]
    known = [f"{f.name} {f.values[0]}" for f in evaluation.facts if f.values and f.provenance in ("payer", "request")]
    counted = f" On record: {', '.join(known)}." if known else ""
    text = f"{evaluation.title}.{counted} The rule: {'; '.join(rules)}."
    return Card(
        topic="limits",
        summary=one_line(f"Plan limit: {evaluation.title}"),
        detail=_about(order, text),
        indicator="warning",
        resources=_resources(order),
        policies=(evaluation.policy,),
    )


def _reference(order: Order, evaluation: Evaluation, catalogue: Catalogue, setting: CardSetting) -> Card:
    """External reference: the policy's page and the public sources it rests on. No portal (resp-17)."""
    links = [Link(f"Coverage policy: {one_line(evaluation.title, 80)}", policy_page(setting.root, evaluation.policy))]
    policy = catalogue.get(evaluation.policy, evaluation.version)
    for basis in policy.model.basis if policy else ():
        url = basis.public_url or basis.url
        if url and url.startswith("https://"):
            links.append(Link(f"{basis.type} {basis.id}", url))
    rests = f" It rests on {', '.join(evaluation.basis)}." if evaluation.basis else ""
    return Card(
        topic="guideline",
        summary=one_line(f"Authorization criteria: {evaluation.title}"),
        detail=_about(order, f"The plan's coverage policy {evaluation.title} ({evaluation.version}).{rests}"),
        links=tuple(links),
        resources=_resources(order),
        policies=(evaluation.policy,),
    )


def _launch(order: Order, app: SmartApp) -> Card:
    link = Link(app.label, app.url, "smart", f'{{"order":"{order.reference}"}}')
    return Card(app.topic, one_line(app.label), _about(order, app.label), links=(link,), resources=_resources(order))


def _network(name: str, order: Order) -> Card:
    text = f"{name} is outside the member's network. The member may pay more, and the plan may need authorization."
    summary = one_line(f"Out of network: {name}")
    return Card("network", summary, _about(order, text), "warning", resources=_resources(order))
