"""Which resources count as evidence: every code that FHIR R4 has for a status, for each type, is tried one by one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from policy.support import concept, fact_policy, line
from precert.fhir.hidden import DATA_ABSENT
from precert.policy.evaluate import evaluate
from precert.policy.evidence import rejection_of
from precert.policy.evidence_rules import DIAGNOSIS_TYPES, EVIDENCE_TYPES, Allowed
from precert.policy.types import EvidenceItem, FactValue

VERIFICATION = "http://terminology.hl7.org/CodeSystem/condition-ver-status"
CLINICAL = "http://terminology.hl7.org/CodeSystem/condition-clinical"
CODE = "http://codes.test|1"

# https://hl7.org/fhir/R4/terminologies-valuesets.html: the codes of each required value set
OBSERVATION = "registered preliminary final amended corrected cancelled entered-in-error unknown"
REPORT = "registered partial preliminary final amended corrected appended cancelled entered-in-error unknown"
EVENT = "preparation in-progress not-done on-hold stopped completed entered-in-error unknown"
REQUEST = "draft active on-hold revoked completed entered-in-error unknown"
MEDICATION_REQUEST = "active on-hold cancelled completed entered-in-error stopped draft unknown"
INTENT = "proposal plan directive order original-order reflex-order filler-order instance-order option"
ORDERS = "order original-order reflex-order filler-order instance-order"
STATUSES: dict[str, list[tuple[str, str, str]]] = {  # type: (element, all codes, those that count)
    "Observation": [("status", OBSERVATION, "final amended corrected")],
    "DiagnosticReport": [("status", REPORT, "final amended corrected appended")],
    "Procedure": [("status", EVENT, "completed")],
    "MedicationRequest": [("status", MEDICATION_REQUEST, "active completed"), ("intent", INTENT, ORDERS)],
    "MedicationDispense": [
        (
            "status",
            "preparation in-progress cancelled on-hold completed entered-in-error stopped declined unknown",
            "completed",
        )
    ],
    "MedicationAdministration": [
        ("status", "in-progress not-done on-hold completed entered-in-error stopped unknown", "completed")
    ],
    "MedicationStatement": [
        ("status", "active completed entered-in-error intended stopped on-hold unknown not-taken", "active completed")
    ],
    "DocumentReference": [
        ("status", "current superseded entered-in-error", "current"),
        ("docStatus", "preliminary final amended entered-in-error", "final amended"),
    ],
    "Encounter": [
        (
            "status",
            "planned arrived triaged in-progress onleave finished cancelled entered-in-error unknown",
            "in-progress onleave finished",
        )
    ],
    "ServiceRequest": [("status", REQUEST, "active completed"), ("intent", INTENT, ORDERS)],
    "DeviceRequest": [("status", REQUEST, "active completed"), ("intent", INTENT, ORDERS)],
    "Immunization": [("status", "completed entered-in-error not-done", "completed")],
    "CarePlan": [
        ("status", REQUEST, "active completed"),
        ("intent", "proposal plan order option", "plan order"),
    ],
    "Goal": [
        (
            "lifecycleStatus",
            "proposed planned accepted active on-hold completed cancelled entered-in-error rejected",
            "accepted active completed",
        )
    ],
    "ClinicalImpression": [("status", "in-progress completed entered-in-error", "completed")],
    "FamilyMemberHistory": [("status", "partial completed entered-in-error health-unknown", "partial completed")],
}
CONCEPTS = {
    "verificationStatus": "unconfirmed provisional differential confirmed refuted entered-in-error",
    "clinicalStatus": "active recurrence relapse inactive remission resolved",
}
HAVE = {"verificationStatus": {"confirmed"}, "clinicalStatus": {"active", "recurrence", "relapse"}}
GOOD = {
    "Observation": {"valueBoolean": True},
    "DocumentReference": {"content": [{"attachment": {"url": "https://ehr.test/Binary/1"}}]},
}


def resource(kind: str, **more: Any) -> dict[str, Any]:
    """One of this type with nothing against it, with ``more``; ``None`` removes an element."""
    made: dict[str, Any] = {"resourceType": kind, "id": "x"}
    path = EVIDENCE_TYPES[kind].codes[0]
    head, _, below = path.partition(".")
    coded = concept(CODE)
    made[head] = {below: coded} if below else [coded] if head in ("type", "category") and kind != "x" else coded
    for element, _, good in STATUSES.get(kind, []):
        made[element] = good.split()[0]
    made |= GOOD.get(kind, {})
    return {key: value for key, value in (made | more).items() if value is not None}


def there(kind: str, found: dict[str, Any], **model: Any) -> FactValue:
    policy = fact_policy({"from": kind, "code": [CODE], "take": "exists", **model})
    (fact,) = evaluate(policy, line(evidence=[EvidenceItem(found, f"{kind}/x")])).facts
    return fact


def every() -> Iterator[tuple[str, str, str, bool]]:
    for kind, elements in STATUSES.items():
        for element, codes, good in elements:
            for code in (*codes.split(), "Final", "FINAL", " final", "nonsense", ""):
                yield kind, element, code, code in good.split()


@pytest.mark.parametrize(("kind", "element", "code", "counts"), list(every()))
def test_a_status_counts_only_if_it_is_listed(kind: str, element: str, code: str, counts: bool) -> None:
    found = there(kind, resource(kind, **{element: code}))
    assert (found.values == (True,)) is counts
    assert counts or found.notes


@pytest.mark.parametrize("kind", STATUSES)
def test_with_nothing_against_it_each_type_counts(kind: str) -> None:
    assert there(kind, resource(kind)).values == (True,)


@pytest.mark.parametrize(
    ("kind", "element"),
    [(kind, element) for kind, elements in STATUSES.items() for element, *_ in elements if element != "docStatus"],
)
@pytest.mark.parametrize("value", [None, ["final"], {"code": "final"}, 1, True])
def test_a_mandatory_status_that_is_missing_or_no_code_is_none(kind: str, element: str, value: Any) -> None:
    found = there(kind, resource(kind, **{element: value}))
    assert found.values == ()
    assert element in found.notes[0]


def test_the_table_of_this_test_knows_every_type() -> None:
    assert {*STATUSES, "Condition", "AllergyIntolerance", "PayerClaim", "PayerAuth", "PayerUnits"} == set(
        EVIDENCE_TYPES
    )


@pytest.mark.parametrize("kind", ["Basic", "Media", "Task", "Communication", "RiskAssessment", "Medication", "List"])
def test_a_type_that_is_not_listed_is_none(kind: str) -> None:
    found = {"resourceType": kind, "id": "x", "status": "completed", "code": concept(CODE)}
    policy = fact_policy({"from": kind, "code": [CODE], "take": "exists", "absent": False})
    (fact,) = evaluate(policy, line(evidence=[EvidenceItem(found, "x")])).facts
    assert fact.values == ()  # something is there, and says neither yes nor no


def condition(**more: Any) -> dict[str, Any]:
    return {"resourceType": "Condition", "id": "x", "code": concept(CODE), **more}


@pytest.mark.parametrize(
    ("element", "code"), [(element, code) for element, codes in CONCEPTS.items() for code in codes.split()]
)
@pytest.mark.parametrize("system", [True, False])
def test_a_condition_counts_only_if_the_patient_is_known_to_have_it(element: str, code: str, system: bool) -> None:
    coding = {"code": code} | (
        {"system": VERIFICATION if element == "verificationStatus" else CLINICAL} if system else {}
    )
    found = there("Condition", condition(**{element: {"coding": [coding]}}))
    assert (found.values == (True,)) is (code in HAVE[element])


@pytest.mark.parametrize(
    "more",
    [
        {"verificationStatus": {"text": "confirmed"}},
        {"verificationStatus": {}},
        {"verificationStatus": "confirmed"},
        {"verificationStatus": {"coding": [{"system": "http://other.test", "code": "7"}]}},
        {"verificationStatus": {"coding": [{"system": VERIFICATION, "code": c} for c in ("confirmed", "provisional")]}},
        {"clinicalStatus": {"coding": [{"system": CLINICAL, "code": "Active"}]}},
        {"clinicalStatus": {"coding": [{"system": CLINICAL, "code": "active"}]}, "abatementDateTime": "2020-01-01"},
        {"abatementString": "years ago"},
        {
            "_abatementDateTime": {"extension": [{"url": DATA_ABSENT, "valueCode": "unknown"}]}
        },  # over, and nobody knows since when
        {"modifierExtension": [{"url": "http://other.test/negated", "valueBoolean": True}]},
        {"implicitRules": "http://other.test/rules"},
    ],
)
def test_what_a_condition_cannot_say(more: dict[str, Any]) -> None:
    assert there("Condition", condition(**more)).values == ()


def test_a_translation_beside_the_status_is_not_read() -> None:
    both = [{"system": VERIFICATION, "code": "confirmed"}, {"system": "http://other.test", "code": "7"}]
    assert there("Condition", condition(verificationStatus={"coding": both})).values == (True,)


def test_a_plain_condition_counts() -> None:
    assert there("Condition", condition()).values == (True,)


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, False),  # invariant ait-1: clinicalStatus is mandatory
        ({"clinicalStatus": "active"}, True),
        ({"clinicalStatus": "inactive"}, False),
        ({"clinicalStatus": "active", "verificationStatus": "confirmed"}, True),
        ({"clinicalStatus": "active", "verificationStatus": "unconfirmed"}, False),
        ({"clinicalStatus": "active", "verificationStatus": "refuted"}, False),
    ],
)
def test_an_allergy(more: dict[str, str], counts: bool) -> None:
    states = {key: {"coding": [{"code": value}]} for key, value in more.items()}
    found = {"resourceType": "AllergyIntolerance", "id": "x", "code": concept(CODE), **states}
    assert (there("AllergyIntolerance", found).values == (True,)) is counts


PLAN_OF_CARE = {"data": "UGxhbiBvZiBjYXJl", "size": 12, "hash": "vXA4KSo71vDTPqedR676785+06Y="}
"""An attachment that is what it says."""
DAMAGED: list[dict[str, Any]] = [
    {"size": 99999},
    {"size": 0},
    {"size": "12"},
    {"size": True},
    {"hash": "AAAA"},
    {"hash": ""},
    {"hash": 7},
    {"data": "UGxhbiBvZiBjYXJ"},
    {"data": "UGxhbiBvZiBjYXJl" * 100},
]


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        ("MedicationRequest", {"doNotPerform": True}),
        ("ServiceRequest", {"doNotPerform": True}),
        ("Observation", {"focus": [{"reference": "Device/1"}]}),
        ("Observation", {"dataAbsentReason": concept("x|unknown")}),
        ("Observation", {"valueBoolean": None, "dataAbsentReason": concept("x|unknown")}),
        ("Observation", {"valueBoolean": False}),
        ("DocumentReference", {"content": None}),
        ("DocumentReference", {"content": []}),
        ("DocumentReference", {"content": [{}]}),
        ("DocumentReference", {"content": [{"attachment": {}}]}),
        ("DocumentReference", {"content": [{"attachment": {"contentType": "text/plain", "title": "Plan"}}]}),
        ("DocumentReference", {"content": [{"attachment": {"data": ""}}]}),
        ("DocumentReference", {"content": [{"attachment": {"data": "ICAgCg=="}}]}),  # blanks
        ("DocumentReference", {"content": [{"attachment": {"url": "https://ehr.test/1", "size": 0}}]}),
        ("DocumentReference", {"modifierExtension": [{"url": "x"}]}),
        *(
            (kind, {element: attachments})
            for said in DAMAGED
            for kind, element, attachments in (
                ("DocumentReference", "content", [{"attachment": PLAN_OF_CARE | said}]),
                ("DocumentReference", "content", [{"attachment": PLAN_OF_CARE}, {"attachment": PLAN_OF_CARE | said}]),
                ("DiagnosticReport", "presentedForm", [PLAN_OF_CARE | said]),
            )
        ),
    ],
)
def test_what_else_keeps_a_resource_from_counting(kind: str, more: dict[str, Any]) -> None:
    found = there(kind, resource(kind, **more))
    assert found.values == ()
    assert found.notes


@pytest.mark.parametrize("more", [{}, {"size": None}, {"hash": None}, {"size": None, "hash": None}])
def test_a_document_that_is_what_it_says_counts(more: dict[str, Any]) -> None:
    attachment = {key: value for key, value in (PLAN_OF_CARE | more).items() if value is not None}
    assert there("DocumentReference", resource("DocumentReference", content=[{"attachment": attachment}])).values


@pytest.mark.parametrize("data", ["aGk=", "JVBERi0xLjcK" * 100])
def test_a_document_with_a_content_counts(data: str) -> None:
    assert there("DocumentReference", resource("DocumentReference", content=[{"attachment": {"data": data}}])).values


@pytest.mark.parametrize(
    ("kind", "element", "code"),
    [
        ("MedicationRequest", "status", "stopped"),
        ("MedicationRequest", "status", "on-hold"),
        ("ServiceRequest", "intent", "plan"),
    ],
)
def test_a_policy_that_looks_at_the_status_itself_decides(kind: str, element: str, code: str) -> None:
    found = resource(kind, **{element: code})
    assert there(kind, found).values == ()
    assert there(kind, found, where=f"{element} = '{code}'").values == (True,)
    assert there(kind, resource(kind, **{element: "entered-in-error"}), where=f"{element}.exists()").values == ()


@pytest.mark.parametrize(
    ("kind", "more", "absent"),
    [
        ("Observation", {"status": "preliminary"}, False),
        ("Observation", {"status": "entered-in-error"}, True),
        ("Observation", {"status": None}, False),
        ("Procedure", {"status": "not-done"}, True),
        ("Procedure", {"status": "unknown"}, False),
        ("ServiceRequest", {"intent": "proposal"}, True),
    ],
)
def test_what_may_still_come_keeps_a_fact_unknown_where_nothing_found_means_no(
    kind: str, more: dict[str, Any], absent: bool
) -> None:
    assert there(kind, resource(kind, **more), absent=False).values == ((False,) if absent else ())


def test_the_types_of_a_claims_diagnosis() -> None:
    assert {"principal", "admitting", "ABK", "ABF"} <= DIAGNOSIS_TYPES
    assert not {"differential", "self", "patientreasonforvisit", "APR", "PR"} & DIAGNOSIS_TYPES


def dated(path: str, day: str) -> dict[str, Any]:
    head, _, below = path.partition(".")
    return {head: {"start": "2026-10-01", below: day} if below == "end" else {below: day} if below else day}


PAST = [(kind, path) for kind, rule in EVIDENCE_TYPES.items() for path in (*rule.times[:1], *rule.past)]


@pytest.mark.parametrize(("kind", "path"), [each for each in PAST if not each[0].startswith("Payer")])
def test_no_time_at_which_something_was_done_or_recorded_lies_ahead(kind: str, path: str) -> None:
    """Received on 2 November: a result that ends, or a diagnosis that was recorded, afterwards is none."""
    coding = {"verificationStatus": "confirmed", "clinicalStatus": "active"}
    systems = {
        "Condition": (VERIFICATION, CLINICAL),
        "AllergyIntolerance": tuple(
            f"http://terminology.hl7.org/CodeSystem/allergyintolerance-{name}" for name in ("verification", "clinical")
        ),
    }.get(kind, ())
    more = {
        element: {"coding": [{"system": system, "code": code}]}
        for (element, code), system in zip(coding.items(), systems, strict=False)
    }
    for day, counts in (("2026-11-02", True), ("2026-11-03", False), ("2031", False)):
        found = there(kind, resource(kind, **more, **dated(path, day)), absent=False)
        assert (found.values == (True,)) is counts, (day, found)
        assert counts or (found.values == () and found.notes)


def test_a_course_that_goes_on_may_end_later() -> None:
    taken = {"effectivePeriod": {"start": "2026-10-01", "end": "2027-03-01"}, "dateAsserted": "2026-10-15"}
    assert there("MedicationStatement", resource("MedicationStatement", **taken)).values == (True,)


@pytest.mark.parametrize("absent", [{}, {"absent": False}])
@pytest.mark.parametrize("take", ["exists", "latest", "count"])
def test_what_came_in_versions_without_an_order_is_a_conflict(take: str, absent: dict[str, Any]) -> None:
    found = resource("Observation", effectiveDateTime="2026-10-01")
    item = EvidenceItem(found, "Observation/x", contested=True)
    policy = fact_policy({"from": "Observation", "code": [CODE], "take": take, **absent})
    (fact,) = evaluate(policy, line(evidence=[item])).facts
    assert fact.provenance == "conflict"
    assert evaluate(policy, line(evidence=[item])).outcome.value == "refer-nurse"


@pytest.mark.parametrize(
    ("kind", "allowed"),
    [(kind, allowed) for kind, rule in EVIDENCE_TYPES.items() for allowed in rule.allowed if allowed.systems],
    ids=lambda each: each if isinstance(each, str) else each.element,
)
def test_a_coded_status_counts_by_a_code_of_its_own_system_or_of_none(kind: str, allowed: Allowed) -> None:
    (system,) = allowed.systems
    good = min(allowed.codes)
    local = {"system": "http://local.test/status", "code": good}
    for codings, counts in (
        ([{"code": good}], True),
        ([{"system": system, "code": good}], True),
        ([{"system": system, "code": good}, {"system": "http://local.test/status", "code": "7"}], True),
        ([local], False),
        ([{"system": "", "code": good}], False),
        ([{"system": system.lower().replace("codesystem", "valueset"), "code": good}], False),
        ([local, {"system": system}], False),
        ([local, {"system": system, "code": "refuted"}], False),
    ):
        others = {one.element: {"coding": [{"code": min(one.codes)}]} for one in EVIDENCE_TYPES[kind].allowed}
        resource = {"resourceType": kind, "code": concept(CODE), **others, allowed.element: {"coding": codings}}
        assert (rejection_of(resource, kind) is None) is counts, codings
