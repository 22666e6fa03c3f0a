"""The input set of the Inferno CRD server suite for CRD 2.2.1 (``crd_server_v221``, in development).

The bodies of the 2.0.1 suite in the envelope of 2.2.1, and what that suite asks for beside them: answers that together show
the parts of coverage-information, and one body for each case in which nobody can be decided about. The suite puts its own
FHIR server and token into every body and serves ``mock_ehr_bundle`` there; what our orders need is in the prefetch as well.
"""

from __future__ import annotations

import copy

from tools import inferno_crd as older
from tools import inferno_hook_parts as parts
from tools.inferno_parts import EHR, ROOT, THO, coded
from tools.requests import MEMBER, Json, questionnaire_response, uid

VERSION = "2.2"
SCOPES = (
    "user/Condition.rs user/Coverage.rs user/Encounter.rs user/Observation.rs user/Patient.rs user/ServiceRequest.rs"
)
SPECIAL = ("technical_issues", "no_member_found", "coverage_not_found", "no_active_coverage", "unresolved_coverage")


def _envelope(body: Json, instance: str) -> Json:
    """What every 2.2.1 client sends. ``expires_in`` is left as it is by the suite, server and token are replaced."""
    access = {"access_token": "set-by-inferno", "token_type": "Bearer", "expires_in": 300}
    return {
        **body,
        "hookInstance": uid(f"inferno/crd-2.2.1/{instance}"),
        "fhirServer": EHR,
        "fhirAuthorization": {**access, "scope": SCOPES, "subject": "precert-crd"},
        "extension": {**body.get("extension", {}), "davinci-crd.requestedVersion": VERSION},
    }


def primary(hook: str) -> Json:
    """The body of the 2.0.1 suite for this hook, with what 2.2.1 has changed."""
    body = older.BODIES[hook]()
    if hook == "order-dispatch":
        context = body["context"]
        context["dispatchedOrders"] = [context.pop("order")]
    _without_categories(body)
    if hook == "appointment-book":
        (entry,) = body["context"]["appointments"]["entry"]
        entry["resource"]["participant"][1]["type"] = [coded(THO + "v3-ParticipationType", "PPRF")]
    return _envelope(body, hook)


def _without_categories(value: object) -> None:
    """Take the category out of every ServiceRequest in ``value``: CRD 2.2.1 slices it without a value to tell the slice."""
    if isinstance(value, dict):
        if value.get("resourceType") == "ServiceRequest":
            value.pop("category", None)
        for member in value.values():
            _without_categories(member)
    elif isinstance(value, list):
        for member in value:
            _without_categories(member)


def _signing(
    instance: str, member: str, *drafts: Json, coverage: Json | None = None, person: Json | None = None
) -> Json:
    """An order-sign call about ``drafts``, without any configuration: defaults have to do."""
    person = person or parts.patient(member)
    coverage = coverage or parts.coverage(member, person, older.PAYER)
    _without_categories(list(drafts))
    body = {
        "hook": "order-sign",
        "context": {
            "userId": parts.reference(older.DOCTOR)["reference"],
            "patientId": person["id"],
            "draftOrders": parts.bundle("collection", *drafts),
        },
        "prefetch": {
            "patient": person,
            "coverage": parts.bundle("searchset", coverage),
            "payors": parts.bundle("searchset", older.PAYER),
            "practitioners": parts.bundle("searchset", older.DOCTOR),
        },
    }
    return _envelope(body, instance)


def authorized() -> Json:
    """An MRI after seven weeks of treatment that did not help: the criteria are met, so it is authorized as it is signed."""
    member = "COM-0001"
    person = parts.patient(member)
    image = parts.service_request("signed-mri", "cpt|72148", person, older.DOCTOR, "M54.16")
    image["quantityQuantity"] = {"value": 1}
    body = _signing("authorized", member, image)
    known = {
        "red_flag_dx": False,
        "progressive_deficit": False,
        "conservative_weeks": 7.0,
        "improved": False,
        "candidate": True,
    }
    form = f"{ROOT}/fhir/Questionnaire/mri-lumbar"
    answers = questionnaire_response("mri-known", form, known, parts.AUTHORED)
    answers["subject"] = parts.reference(person)
    body["prefetch"]["answers"] = parts.bundle("searchset", answers)
    return body


def unclear() -> Json:
    """An order whose code is too coarse to be billed, and one that belongs to another patient's chart."""
    member = "MA-0001"
    person = parts.patient(member)
    coarse = parts.service_request("coarse", "sct|91251008", person, older.DOCTOR, "I50.22")
    stray = parts.service_request("stray", "hcpcs|G0151", parts.patient("MA-0003"), older.DOCTOR, "I50.22")
    return _signing("unclear", member, coarse, stray)


def documented() -> Json:
    """A nebulizer, which needs no authorization but documents with the claim, and side rails for a bed that is ordered."""
    member = "MA-0001"
    person = parts.patient(member)
    nebulizer = parts.device_request("nebulizer", "hcpcs|E0570", person, older.DOCTOR, "J44.9")
    rails = parts.device_request("rails", "hcpcs|E0310", person, older.DOCTOR, "I50.22")
    bed = parts.device_request("bed-ordered", "hcpcs|E0260", person, older.DOCTOR, "I50.22") | {"status": "active"}
    body = _signing("documented", member, nebulizer, rails)
    body["prefetch"]["deviceRequests"] = parts.bundle("searchset", bed)
    return body


def _visits(id_: str, person: Json) -> Json:
    return parts.service_request(id_, "hcpcs|G0151", person, older.DOCTOR, "I50.22")


def technical_issues() -> Json:
    """Nothing prefetched, and the suite's FHIR server refuses everything. The order names the Coverage it is under."""
    person = parts.patient("MA-0001")
    visits = _visits("technical-visits", person)
    visits["insurance"] = [{"reference": "Coverage/coverage-ma-0001"}]
    body = _signing("technical", "MA-0001", visits)
    del body["prefetch"]
    return body


def no_member_found() -> Json:
    """A number of this plan, with a birth date that is not that member's."""
    person = parts.patient("MA-0001") | {"birthDate": "1990-01-01"}
    return _signing("no-member", "MA-0001", _visits("nobody-visits", person), person=person)


def coverage_not_found() -> Json:
    """A chart that was merged from two: two member numbers and no birth date, so it cannot be told whose coverage applies."""
    person = parts.patient("MA-0001")
    del person["birthDate"]
    other = {"type": coded(THO + "v2-0203", "MB"), "system": MEMBER, "value": "MA-0002"}
    person["identifier"] = [*person["identifier"], other]
    return _signing("not-found", "MA-0001", _visits("two-visits", person), person=person)


def no_active_coverage() -> Json:
    """A member whose coverage ended."""
    return _signing("inactive", "MA-0009", _visits("late-visits", parts.patient("MA-0009")))


def bodies(hook: str) -> list[Json]:
    """The bodies of one hook group, in order. The suite repeats the first with changes of its own."""
    more = [authorized(), unclear(), documented()] if hook == "order-sign" else []
    return [primary(hook), *more]


def special() -> dict[str, Json]:
    """The bodies of the group about particular answers, by the name of the input without its ending."""
    unresolved = no_active_coverage() | {"hookInstance": uid("inferno/crd-2.2.1/unresolved")}
    made = (technical_issues(), no_member_found(), coverage_not_found(), no_active_coverage(), unresolved)
    return dict(zip(SPECIAL, made, strict=True))


def mock_ehr() -> Json:
    """Every resource that the hook groups prefetch, for the suite's own FHIR server. Each once."""
    found: dict[str, Json] = {}
    for hook in older.HOOKS:
        for body in bodies(hook):
            for value in body["prefetch"].values():
                listed = [e["resource"] for e in value["entry"]] if value["resourceType"] == "Bundle" else [value]
                for resource in listed:
                    found.setdefault(parts.reference(resource)["reference"], copy.deepcopy(resource))
    return parts.bundle("collection", *found.values())


def inputs() -> dict[str, object]:
    """Input name to value."""
    found: dict[str, object] = {
        "base_url": ROOT,
        "authentication_required": "yes",
        "encryption_method": "ES384",
        "jwks_kid": "",
        "crd_discovery_service_ignore_list": "",
        "manual_continuation": "no",
        "mock_ehr_bundle": mock_ehr(),
        "any_hook_service_ids": "crd-order-sign",
        "any_hook_request_body": primary("order-sign") | {"hookInstance": uid("inferno/crd-2.2.1/any")},
    }
    for hook in older.HOOKS:
        name = hook.replace("-", "_")
        listed = bodies(hook)
        found[f"{name}_service_ids"] = f"crd-{hook}"
        found[f"{name}_request_bodies"] = listed if len(listed) > 1 else listed[0]
    for name, body in special().items():
        found[f"{name}_service_ids"] = f"crd-{body['hook']}"
        found[f"{name}_request_body"] = body
    return found
