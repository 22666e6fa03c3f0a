"""What the CRD suite demands of the tester's own request bodies (tests 2.02, 2.03, 3.x.02 to 3.x.04).

Source: the suite's descriptions, CDS Hooks 2.0, the profiles of CRD.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from precert.fhir.validation import Validator

Json = dict[str, Any]
PROFILE = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/profile-"
NAMES = {
    "2.0.1": {"Task": "taskquestionnaire"},
    "2.2.1": {"Appointment": "appointment-no-order"},
}
"""Profiles that are not called like their resource type."""
WITHOUT = {"2.0.1": {"PractitionerRole", "QuestionnaireResponse"}, "2.2.1": {"QuestionnaireResponse", "Task"}}
"""Types without a profile of this guide in the tables."""
ORDERS = ("DeviceRequest", "MedicationRequest", "NutritionOrder", "ServiceRequest", "VisionPrescription")
CLINICIANS = ("Practitioner", "PractitionerRole")
_HEX_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_USER = {"userId": str, "patientId": str}
CONTEXT: dict[str, dict[str, type]] = {
    "appointment-book": {**_USER, "appointments": dict},
    "encounter-start": {**_USER, "encounterId": str},
    "encounter-discharge": {**_USER, "encounterId": str},
    "order-select": {**_USER, "selections": list, "draftOrders": dict},
    "order-dispatch": {"patientId": str, "order": str, "performer": str},
    "order-sign": {**_USER, "draftOrders": dict},
}
AUTHORIZATION = {"access_token": str, "token_type": str, "expires_in": int, "scope": str, "subject": str}


class Profiles:
    """One edition's profiles: what is wrong with a resource, and that it was really held against a profile."""

    def __init__(self, validator: Validator, edition: str) -> None:
        self.validator = validator
        self.edition = edition

    def check(self, resource: Json) -> None:
        """Raises AssertionError with everything that is wrong."""
        kind = resource["resourceType"]
        profiles = [] if kind in WITHOUT[self.edition] else [PROFILE + NAMES[self.edition].get(kind, kind.lower())]
        found = self.validator.validate(resource, profiles=profiles, context=f"crd-{self.edition}")
        wrong = [f for f in found if f.severity in ("error", "fatal") and not self._excused(f.rule, f.expression)]
        assert wrong == [], [(f.rule, f.expression, f.text) for f in wrong]
        if profiles:
            assert "unknown-profile" not in {f.rule for f in found}, profiles

    def _excused(self, rule: str, expression: str | None) -> bool:
        """The guide forgot Appointment among the places of its extension; the suite filters the message out as well."""
        return (self.edition, rule, expression) == ("2.0.1", "extension-context", "Appointment.extension[0]")


def required_fields(body: Json, hook: str) -> None:
    """2.02 and 3.x.02."""
    assert body["hook"] == hook
    assert _HEX_UUID.fullmatch(body["hookInstance"]), "hookInstance must be a hexadecimal UUID"
    assert isinstance(body["context"], dict)
    assert body["context"]
    assert "fhirAuthorization" not in body or body.get("fhirServer")


def context(body: Json, hook: str, profiles: Profiles) -> None:
    """2.03 and 3.x.03."""
    given = body["context"]
    for name, kind in CONTEXT[hook].items():
        assert isinstance(given[name], kind), name
        assert given[name], name
    for name in ("patientId", "encounterId"):
        assert "/" not in given.get(name, ""), f"{name} is a plain id"
    if "userId" in CONTEXT[hook]:
        _reference(given["userId"], CLINICIANS)
    _BY_HOOK[hook](given, profiles)


def _reference(written: str, kinds: tuple[str, ...] = ()) -> None:
    kind, _, id_ = written.partition("/")
    assert kind, written
    assert id_, written
    assert not kinds or kind in kinds, written


def _bundle(bundle: Json, kinds: tuple[str, ...], status: str | None, profiles: Profiles) -> list[Json]:
    assert bundle["resourceType"] == "Bundle"
    resources: list[Json] = [entry["resource"] for entry in bundle["entry"]]
    assert all(resource.get("id") for resource in resources)
    wanted = [resource for resource in resources if resource["resourceType"] in kinds]
    assert wanted
    assert status is None or {resource["status"] for resource in wanted} == {status}
    for resource in wanted:
        profiles.check(resource)
    return resources


def _appointments(given: Json, profiles: Profiles) -> None:
    _bundle(given["appointments"], ("Appointment",), "proposed", profiles)


def _drafts(given: Json, profiles: Profiles) -> None:
    _bundle(given["draftOrders"], ORDERS, None, profiles)


def _selections(given: Json, profiles: Profiles) -> None:
    _drafts(given, profiles)
    entries = [entry["resource"] for entry in given["draftOrders"]["entry"]]
    drafts = {f"{resource['resourceType']}/{resource['id']}" for resource in entries}
    assert set(given["selections"]) <= drafts


def _dispatch(given: Json, profiles: Profiles) -> None:
    _reference(given["order"], ORDERS)
    _reference(given["performer"])


def _nothing_more(given: Json, profiles: Profiles) -> None:
    pass


_BY_HOOK: dict[str, Callable[[Json, Profiles], None]] = {
    "appointment-book": _appointments,
    "encounter-start": _nothing_more,
    "encounter-discharge": _nothing_more,
    "order-select": _selections,
    "order-dispatch": _dispatch,
    "order-sign": _drafts,
}


def optional_fields(body: Json) -> None:
    """3.x.04."""
    assert isinstance(body.get("prefetch", {}), dict)
    assert isinstance(body.get("fhirServer", ""), str)
    authorization = body.get("fhirAuthorization")
    if authorization is not None:
        for name, kind in AUTHORIZATION.items():
            assert isinstance(authorization[name], kind), name
        assert authorization["token_type"] == "Bearer"


def prefetched(body: Json, profiles: Profiles) -> None:
    """Beyond the suite: everything in the prefetch is valid, as the resources of a real EHR should be."""
    for value in body["prefetch"].values():
        for resource in [e["resource"] for e in value["entry"]] if value["resourceType"] == "Bundle" else [value]:
            profiles.check(resource)
