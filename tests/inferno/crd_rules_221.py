"""What the CRD 2.2.1 suite demands of requests and answers beyond the 2.0.1 suite: the rules of the logical models.

Sources: the suite's tests (``lib/davinci_crd_test_kit/server/v2.2.1``, in development), the logical models of CRD 2.2.1 as
docs/crd.md gives them.
"""

from __future__ import annotations

import re
from typing import Any

from inferno.crd_answers import COVERAGE_INFORMATION, additional_orders, coverage_updates, form_completions, is_url
from inferno.crd_requests import ORDERS, Json, Profiles
from precert.fhir.validation import Validator

SD = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/"
ORDER_TYPES = (*ORDERS, "CommunicationRequest")
USERS = ("Practitioner", "PractitionerRole", "Patient", "RelatedPerson")
TARGETS = {
    "appointment-book": ("Appointment",),
    "encounter-start": ("Encounter",),
    "encounter-discharge": ("Encounter",),
}
MUST_SUPPORT = {
    "coverage",
    "covered",
    "pa-needed",
    "doc-needed",
    "doc-purpose",
    "info-needed",
    "billingCode",
    "reason",
    "detail",
    "dependency",
    "questionnaire",
    "date",
    "coverage-assertion-id",
    "satisfied-pa-id",
    "contact",
    "expiry-date",
}
_BUNDLES = {
    "order-sign": ("draftOrders", "profile-bundle-request"),
    "order-select": ("draftOrders", "profile-bundle-request"),
    "appointment-book": ("appointments", "profile-bundle-appointment"),
}
_CONTEXT = {
    "appointment-book": {"userId", "patientId", "appointments"},
    "encounter-start": {"userId", "patientId", "encounterId"},
    "encounter-discharge": {"userId", "patientId", "encounterId"},
    "order-select": {"userId", "patientId", "selections", "draftOrders"},
    "order-dispatch": {"patientId", "dispatchedOrders", "performer"},
    "order-sign": {"userId", "patientId", "draftOrders"},
}
_OPTIONAL = {"encounterId", "fulfillmentTasks"}


# Requests


def request(body: Json, profiles: Profiles) -> None:
    """The request model: server and token are there, ids and local references in the context, valid resources."""
    assert set(body) <= {
        "hook",
        "hookInstance",
        "fhirServer",
        "fhirAuthorization",
        "context",
        "prefetch",
        "extension",
    }
    assert is_url(body["fhirServer"])
    for name, kind in {"access_token": str, "token_type": str, "expires_in": int, "scope": str, "subject": str}.items():
        assert isinstance(body["fhirAuthorization"][name], kind), name
        assert body["fhirAuthorization"][name]
    assert body["fhirAuthorization"]["token_type"] == "Bearer"
    context, hook = body["context"], body["hook"]
    assert _CONTEXT[hook] <= set(context) <= _CONTEXT[hook] | _OPTIONAL
    if hook == "order-dispatch":
        _local(context["performer"], ("Practitioner", "PractitionerRole"))
        assert isinstance(context["dispatchedOrders"], list)
        for order in context["dispatchedOrders"]:
            _local(order, ORDER_TYPES)
            assert find(body, order), f"{order} is not in the prefetch"
    else:
        _local(context["userId"], USERS)
    for order in context.get("selections", []):
        _local(order, ORDER_TYPES)
        assert find(body, order), f"{order} is no draft"
    if hook in _BUNDLES:
        key, profile = _BUNDLES[hook]
        _valid_bundle(context[key], SD + profile, profiles.validator)
        for entry in context[key]["entry"]:
            assert entry["resource"]["id"]
            profiles.check(entry["resource"])


def _local(reference: str, kinds: tuple[str, ...]) -> None:
    kind, _, id_ = reference.partition("/")
    assert kind in kinds, reference
    assert re.fullmatch(r"[A-Za-z0-9\-.]{1,64}", id_), reference


def _valid_bundle(bundle: Json, profile: str, validator: Validator) -> None:
    found = validator.validate(bundle, profiles=[profile], context="crd-2.2.1")
    assert "unknown-profile" not in {finding.rule for finding in found}
    wrong = [(f.rule, f.expression) for f in found if f.severity in ("error", "fatal")]
    assert wrong == []


def resources(body: Json) -> list[Json]:
    """All resources that a call carries, in its context and its prefetch."""
    values = [*body["context"].values(), *body.get("prefetch", {}).values()]
    bundles = [v for v in values if isinstance(v, dict) and v.get("resourceType") == "Bundle"]
    single = [v for v in values if isinstance(v, dict) and v.get("resourceType") not in (None, "Bundle")]
    return [*(e["resource"] for b in bundles for e in b["entry"]), *single]


def find(body: Json, reference: str) -> Json | None:
    """The resource of a call with this local reference."""
    return next((r for r in resources(body) if f"{r['resourceType']}/{r['id']}" == reference), None)


# Answers


def coverage_action(action: Json, body: Json) -> None:
    """An update whose resource is the client's own, changed in its coverage-information only; no ``resourceId``."""
    assert action["type"] == "update"
    assert "resourceId" not in action
    made = action["resource"]
    sent = find(body, f"{made['resourceType']}/{made['id']}")
    assert sent is not None, "the suite could not tell what was changed"
    assert _without(made) == _without(sent)


def _without(resource: Json) -> Json:
    extensions = [e for e in resource.get("extension", []) if e["url"] != COVERAGE_INFORMATION]
    rest = {key: value for key, value in resource.items() if key != "extension"}
    return rest | ({"extension": extensions} if extensions else {})


def covers_every_order(exchange_actions: list[Json], body: Json, hook: str) -> bool:
    """Whether all that the hook is about came back with coverage information."""
    kinds = TARGETS.get(hook, ORDER_TYPES)
    updated = [a["resource"] for a in exchange_actions if a["type"] == "update"]
    updated = [r for r in updated if r["resourceType"] in kinds]
    return bool(updated) and all(any(e["url"] == COVERAGE_INFORMATION for e in r.get("extension", [])) for r in updated)


def no_coverage_card(card: Json) -> bool:
    """No suggestion that only writes coverage information (resp-25)."""
    actions = [action for suggestion in card.get("suggestions", []) for action in suggestion["actions"]]
    written = [a["resource"].get("extension", []) for a in actions if a["type"] == "update"]
    return not any(e["url"] == COVERAGE_INFORMATION for extensions in written for e in extensions)


def card(card: Json, profiles: Profiles) -> str:
    """The response type of a card, which must keep to that type's logical model."""
    for name in ("uuid", "summary", "indicator"):
        assert card[name]
    assert card["source"]["label"]
    assert card["source"]["topic"]["code"]
    links, suggestions = card.get("links", []), card.get("suggestions", [])
    assert all(suggestion["uuid"] for suggestion in suggestions)
    if links:
        assert not suggestions
        assert {link["type"] for link in links} in ({"absolute"}, {"smart"})
        absolute = links[0]["type"] == "absolute"
        assert not (absolute and any("appContext" in link for link in links))
        return "external reference" if absolute else "SMART"
    if not suggestions:
        assert card["detail"]
        return "instructions"
    for action in (action for suggestion in suggestions for action in suggestion["actions"]):
        assert action["description"]
        assert ("resource" in action) != ("resourceId" in action)
    if additional_orders([card], profiles):
        return "additional orders"
    assert all(_alternate(suggestion["actions"], profiles) for suggestion in suggestions)
    return "alternate request"


def _alternate(actions: list[Json], profiles: Profiles) -> bool:
    """crd-respar-1: one update, or one delete with one create."""
    for action in actions:
        if "resource" in action:
            profiles.check(action["resource"])
    return sorted(action["type"] for action in actions) in (["update"], ["create", "delete"])


def other_action(action: Json, profiles: Profiles) -> str:
    """The response type of a system action without coverage information."""
    assert action["description"]
    assert "resourceId" not in action
    if form_completions([], [action], profiles):
        task = action["resource"]
        assert (task["status"], task["intent"]) == ("ready", "order")
        assert {"for", "authoredOn", "requester"} <= set(task)
        assert "focus" not in task
        return "form"
    assert coverage_updates([], [action], profiles)
    assert action["type"] == "update"
    return "coverage update"


def reasons(info: Any) -> list[Json]:
    """The coded reasons of one coverage-information extension, in order."""
    return [part["valueCodeableConcept"] for part in info["extension"] if part["url"] == "reason"]


def value(info: Any, name: str) -> Any:
    """The first value of one part."""
    part = next((p for p in info["extension"] if p["url"] == name), {})
    return next((v for key, v in part.items() if key.startswith("value")), None)
