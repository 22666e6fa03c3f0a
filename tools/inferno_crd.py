"""The input set of the official Inferno CRD server suite (``crd_server``, CRD 2.0.1): one request body per hook.

Each body switches on what is off by default (``insurance``, ``appropriate-use``), and its orders meet shipped policies
that have something to say: with the SMART app of ``examples/inferno/crd-server.toml`` all response types appear.
"""

from __future__ import annotations

from collections.abc import Callable

from tools import inferno_hook_parts as parts
from tools.inferno_parts import ROOT
from tools.requests import Json, questionnaire_response, uid

CONFIGURATION = {"insurance": True, "appropriate-use": True}
DOCTOR, PERFORMER, PAYER = parts.requester(), parts.performer(), parts.payer()
HOOKS = ("appointment-book", "encounter-start", "encounter-discharge", "order-select", "order-dispatch", "order-sign")
MEMBERS = dict(zip(HOOKS, ("COM-0001", "MA-0004", "MA-0005", "MA-0002", "MA-0003", "MA-0002"), strict=True))


def _request(hook: str, context: Json, prefetch: Json, instance: str = "") -> Json:
    """A call without ``fhirServer``: the suite has none to offer, so everything needed is in the prefetch."""
    member = MEMBERS[hook]
    person = parts.patient(member)
    user = {} if hook == "order-dispatch" else {"userId": parts.reference(DOCTOR)["reference"]}
    return {
        "hook": hook,
        "hookInstance": uid(f"inferno/crd/{instance or hook}"),
        "context": {**user, "patientId": person["id"], **context},
        "prefetch": {
            "patient": person,
            "coverage": parts.bundle("searchset", parts.coverage(member, person, PAYER)),
            "payors": parts.bundle("searchset", PAYER),
            "practitioners": parts.bundle("searchset", DOCTOR),
            **prefetch,
        },
        "extension": {"davinci-crd.configuration": CONFIGURATION},
    }


def appointment_book() -> Json:
    """An MRI of the back after two weeks of treatment: what comes first is told, the rest is asked."""
    person = parts.patient(MEMBERS["appointment-book"])
    booked = parts.appointment("mri-back", "cpt|72148", person, DOCTOR)
    so_far = {"conservative_weeks": 2.0}
    answers = questionnaire_response("mri-so-far", f"{ROOT}/fhir/Questionnaire/mri-lumbar", so_far, parts.AUTHORED)
    answers["subject"] = parts.reference(person)
    context = {"appointments": parts.bundle("collection", booked)}
    return _request("appointment-book", context, {"answers": parts.bundle("searchset", answers)})


def _encounter(hook: str, kind: str, status: str) -> Json:
    """Physical therapy at home, planned in a visit or at the end of a stay."""
    person = parts.patient(MEMBERS[hook])
    stay = parts.encounter(hook, kind, person, DOCTOR, status)
    visits = parts.service_request(
        f"{hook}-visits", "hcpcs|G0151", person, DOCTOR, "I50.22", encounter=parts.reference(stay)
    )
    prefetch = {"encounter": stay, "plannedServices": parts.bundle("searchset", visits)}
    return _request(hook, {"encounterId": stay["id"]}, prefetch)


def encounter_start() -> Json:
    """A visit at home begins, with more of them planned."""
    return _encounter("encounter-start", "HH", "in-progress")


def encounter_discharge() -> Json:
    """A hospital stay ends, with visits at home planned."""
    return _encounter("encounter-discharge", "IMP", "in-progress")


def order_dispatch() -> Json:
    """Visits at home go out to somebody outside the network. The hook's older spelling: one ``order``."""
    person, performer = parts.patient(MEMBERS["order-dispatch"]), parts.reference(PERFORMER)
    visits = parts.service_request("dispatched-visits", "hcpcs|G0151", person, DOCTOR, "I50.22", performer=[performer])
    context = {"order": parts.reference(visits)["reference"], "performer": performer["reference"]}
    prefetch = {"serviceRequests": parts.bundle("searchset", visits), "performer": PERFORMER}
    return _request("order-dispatch", context, prefetch)


def _drafts(hook: str) -> list[Json]:
    """A bilevel device before the simpler one, a bed that comes without a mattress, physical therapy at home."""
    person = parts.patient(MEMBERS[hook])
    return [
        parts.device_request(f"{hook}-device", "hcpcs|E0470", person, DOCTOR, "G47.33"),
        parts.device_request(f"{hook}-bed", "hcpcs|E0261", person, DOCTOR, "I50.22"),
        parts.service_request(f"{hook}-visits", "hcpcs|G0151", person, DOCTOR, "I50.22"),
    ]


def order_select() -> Json:
    """The three orders are being chosen."""
    drafts = _drafts("order-select")
    selected = [parts.reference(draft)["reference"] for draft in drafts]
    return _request("order-select", {"selections": selected, "draftOrders": parts.bundle("collection", *drafts)}, {})


def order_sign(instance: str = "") -> Json:
    """The three orders are being signed."""
    drafts = _drafts("order-sign")
    return _request("order-sign", {"draftOrders": parts.bundle("collection", *drafts)}, {}, instance)


BODIES: dict[str, Callable[[], Json]] = {
    "appointment-book": appointment_book,
    "encounter-start": encounter_start,
    "encounter-discharge": encounter_discharge,
    "order-select": order_select,
    "order-dispatch": order_dispatch,
    "order-sign": order_sign,
}


def inputs() -> dict[str, object]:
    """Input name to value."""
    found: dict[str, object] = {
        "base_url": ROOT,
        "authentication_required": "yes",
        "encryption_method": "ES384",
        "jwks_kid": "",
        "any_hook_service_ids": "crd-order-sign",
        "any_hook_request_body": order_sign("any"),
    }
    for hook, body in BODIES.items():
        name = hook.replace("-", "_")
        found[f"{name}_service_ids"] = f"crd-{hook}"
        found[f"{name}_request_bodies"] = body()
    return found
