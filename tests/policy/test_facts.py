"""Facts: where they come from, what is passed over and why, and what happens when sources disagree."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from policy.support import claim, concept, condition, fact_policy, line, observation
from precert.authorization.deciding.evidence import clinical_evidence
from precert.fhir.bundle import BundleIndex
from precert.policy.evaluate import evaluate
from precert.policy.types import EvidenceItem, FactValue, LineContext

SPO2 = {"from": "Observation", "code": ["loinc|59408-5"], "unit": "%", "take": "lowest"}
ASKED = {"ask": {"text": "?", "type": "decimal", "who": "clinical"}}
DX = {"from": "Condition", "code": ["icd10|G47.33", "icd10|I27*"], "take": "exists"}
YES = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}


def fact(model: dict[str, Any], context: LineContext, value_sets: Any = None) -> FactValue:
    (found,) = evaluate(fact_policy(model, value_sets), context).facts
    return found


def spo2(value: Any, **more: Any) -> EvidenceItem:
    return observation("loinc|59408-5", value, **more)


def test_a_structured_value_with_its_evidence() -> None:
    found = fact(SPO2, line(evidence=[spo2(86), observation("loinc|9999-9", 1, name="o2")]))
    assert (found.values, found.evidence, found.provenance) == ((86,), ("Observation/o1",), "structured")


def test_nothing_is_missing_and_not_false() -> None:
    assert fact(SPO2, line()).provenance == "missing"


@pytest.mark.parametrize(
    ("take", "values", "evidence"),
    [
        ("latest", (90,), ("Observation/b",)),
        ("earliest", (86,), ("Observation/a",)),
        ("lowest", (86,), ("Observation/a",)),
        ("highest", (95,), ("Observation/c",)),
        ("count", (3,), ("Observation/a", "Observation/b", "Observation/c")),
        ("sum", (271,), ("Observation/a", "Observation/b", "Observation/c")),
        ("exists", (True,), ("Observation/a", "Observation/b", "Observation/c")),
        ("any", (86, 90, 95), ("Observation/a", "Observation/b", "Observation/c")),
    ],
)
def test_take(take: str, values: tuple[Any, ...], evidence: tuple[str, ...]) -> None:
    items = [
        spo2(86, name="a", day="2026-10-01"),
        spo2(90, name="b", day="2026-10-30"),
        spo2(95, name="c", day="2026-10-15"),
    ]
    found = fact({**SPO2, "take": take}, line(evidence=items))
    assert (found.values, found.evidence) == (values, evidence)


SAID_ABSENT = [{"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}]
ABSENT: list[dict[str, Any]] = [
    {"valueQuantity": {"value": 86, "code": "%", "extension": SAID_ABSENT}},
    {"valueQuantity": {"value": 86, "code": "%", "_value": {"extension": SAID_ABSENT}}},
    {"valueQuantity": {"value": 86, "code": "%"}, "_valueQuantity": {"extension": SAID_ABSENT}},
]


@pytest.mark.parametrize(
    ("item", "note"),
    [
        (spo2(86, day="2026-10-02"), "older than 30d"),
        (spo2(86, day="2026-11-03"), "after the request was received"),
        (spo2(86, day=None), "has no date"),
        (spo2(0.86, unit="1"), "is in 1, the fact is in %"),
        (spo2(86, status="entered-in-error"), "status is entered-in-error"),
        (spo2(86, status="cancelled"), "status is cancelled"),
        (spo2(None, dataAbsentReason=concept("x|unknown")), "the result is absent"),
        *((spo2(None, **absent), "said to be absent (data-absent-reason)") for absent in ABSENT),
        (spo2(86, interpretation=[concept("x|IE")]), "insufficient evidence"),
        (spo2(None), "has no value"),
        (spo2(None, valueString="low"), "has no quantity in %"),
        (
            spo2(None, valueQuantity={"value": 88, "code": "%", "comparator": "<"}),
            "is only < 88, not a value",
        ),
    ],
)
def test_what_cannot_be_used_is_unknown_with_a_note(item: EvidenceItem, note: str) -> None:
    found = fact({**SPO2, "within": "30d"}, line(evidence=[item]))
    assert found.provenance == "missing"
    assert found.values == ()
    assert note in found.notes[0]
    assert found.notes[0].startswith("Observation/o1: ")


def test_the_window_includes_its_first_day_and_the_day_of_receipt() -> None:
    # the last one is the 2nd in UTC and the 3rd where it was written, on the other side of the date line
    for day in ("2026-10-03", "2026-11-02", "2026-11-02T15:59:59-08:00", "2026-11-03T00:30:00+10:00"):
        assert fact({**SPO2, "within": "30d"}, line(evidence=[spo2(86, day=day)])).values == (86,)


def test_a_declared_conversion_is_used_exactly() -> None:
    model = {
        "from": "Observation",
        "code": ["loinc|29463-7"],
        "unit": "kg",
        "convert": {"[lb_av]": 0.45359237},
        "take": "latest",
    }
    found = fact(model, line(evidence=[observation("loinc|29463-7", 380, "[lb_av]")]))
    assert found.values == (Decimal("172.36510060"),)


@pytest.mark.parametrize(
    ("more", "note"),
    [
        ({"verificationStatus": {"coding": [{"code": "refuted"}]}}, "verificationStatus is refuted"),
        ({"verificationStatus": {"coding": [{"code": "entered-in-error"}]}}, "verificationStatus is entered-in-error"),
        ({"clinicalStatus": {"coding": [{"code": "resolved"}]}}, "clinicalStatus is resolved"),
        ({"clinicalStatus": {"coding": [{"code": "inactive"}]}}, "clinicalStatus is inactive"),
    ],
)
def test_conditions_the_patient_does_not_have(more: dict[str, Any], note: str) -> None:
    found = fact(DX, line(evidence=[condition("icd10|G47.33", **more)]))
    assert found.provenance == "missing"
    assert note in found.notes[0]


@pytest.mark.parametrize("status", ["unconfirmed", "provisional", "differential"])
def test_a_suspected_condition_settles_nothing(status: str) -> None:
    """Neither that the patient has it nor, where a policy says what absence means, that they have not."""
    suspected = condition("icd10|G47.33", verificationStatus={"coding": [{"code": status}]})
    found = fact({**DX, "absent": False}, line(evidence=[suspected]))
    assert (found.values, found.provenance) == ((), "missing")
    assert found.notes == (f"{suspected.reference}: verificationStatus is {status}",)
    known = condition("icd10|G47.33", verificationStatus={"coding": [{"code": "confirmed"}]})
    assert fact(DX, line(evidence=[suspected, known])).values == (True,)


def test_a_policy_may_ask_for_past_conditions() -> None:
    item = condition("icd10|G47.33", clinicalStatus={"coding": [{"code": "resolved"}]})
    model = {**DX, "where": "clinicalStatus.coding.code = 'resolved'"}
    assert fact(model, line(evidence=[item])).values == (True,)


@pytest.mark.parametrize("code", ["icd10|G47.33", "icd10|G4733", "icd10|g47.33", "icd10|I27.20", "icd10|I2720"])
def test_icd_codes_match_with_and_without_the_dot(code: str) -> None:
    assert fact(DX, line(evidence=[condition(code)])).values == (True,)


@pytest.mark.parametrize("code", ["icd10|G47.3", "icd10|G47.331", "loinc|G47.33", "|G47.33", "icd10|I2"])
def test_other_codes_do_not(code: str) -> None:
    assert fact(DX, line(evidence=[condition(code)])).provenance == "missing"


def test_diagnoses_named_for_the_line_are_conditions() -> None:
    found = fact(DX, line(diagnoses=[concept("icd10|Z99"), concept("icd10|G47.33")]))
    assert (found.values, found.evidence) == ((True,), ("diagnosis[2]",))


def test_value_sets_by_member_and_by_name() -> None:
    model = {"from": "Observation", "code": ["vs|ahi"], "take": "latest"}
    sets = {"ahi": ("loinc|69990-0",)}
    assert fact(model, line(evidence=[observation("loinc|69990-0", 22, "1")]), sets).values == (22,)
    assert fact(model, line(evidence=[observation("urn:precert:value-set|ahi", 22, "1")])).values == (22,)
    assert fact(model, line(evidence=[observation("loinc|69990-0", 22, "1")])).provenance == "missing"


def test_medication_by_reference() -> None:
    request = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "medicationReference": {"reference": "Medication/m"},
    }
    contained = {**request, "medicationReference": {"reference": "#m"}}
    insulin = {"resourceType": "Medication", "id": "m", "code": concept("http://rx|1")}
    model = {"from": "MedicationRequest", "code": ["http://rx|1"], "take": "exists"}
    apart = [EvidenceItem(request, "MedicationRequest/r"), EvidenceItem(insulin, "Medication/m")]
    assert fact(model, line(evidence=apart)).values == (True,)
    inside = [EvidenceItem({**contained, "contained": [insulin]}, "MedicationRequest/r")]
    assert fact(model, line(evidence=inside)).values == (True,)
    assert fact(model, line(evidence=apart[:1])).provenance == "missing"


URN = "urn:uuid:0b6a1c1e-6f2d-4b53-9a55-6f8f4b1d7a01"
SERVER = "https://ehr.example/fhir/"
NAMED: list[
    tuple[str, str, str | None, str, bool]
] = [  # the reference, the Medication's fullUrl, id, where it stands, found
    (URN, URN, "m", "", True),
    (URN, URN, URN.removeprefix("urn:uuid:"), "", True),
    (URN, URN, None, "", True),
    (URN.upper().replace("URN:UUID", "urn:uuid"), URN, None, "", True),
    (URN, URN.upper().replace("URN:UUID", "urn:uuid"), "m", URN, True),
    ("Medication/m", URN, "m", URN, True),
    (f"{SERVER}Medication/m", f"{SERVER}Medication/m", None, "", True),
    (f"{SERVER}Medication/m/_history/2", f"{SERVER}Medication/m", "m", "", True),
    ("Medication/m", f"{SERVER}Medication/m", None, f"{SERVER}MedicationRequest/r", True),
    ("Medication/m", f"{SERVER}Medication/m", "other", f"{SERVER}MedicationRequest/r", True),
    (URN, URN.replace("01", "02"), "m", "", False),
    (URN, "", "m", "", False),
    ("Medication/x", URN, "m", "", False),
    ("#m", URN, "m", "", False),
]


@pytest.mark.parametrize("source", ["MedicationRequest", "MedicationDispense", "MedicationStatement"])
@pytest.mark.parametrize(("written", "url", "id", "at", "found"), NAMED)
def test_a_medication_is_found_by_any_name_that_a_bundle_gives_it(
    source: str, written: str, url: str, id: str | None, at: str, found: bool
) -> None:
    status = {"MedicationRequest": "active"}.get(source, "completed")
    given = {"resourceType": source, "status": status, "intent": "order", "medicationReference": {"reference": written}}
    insulin = {"resourceType": "Medication", "code": concept("http://rx|1")} | ({"id": id} if id else {})
    other = {"resourceType": "Medication", "code": concept("http://rx|2"), "id": "another"}
    model = {"from": source, "code": ["http://rx|1"], "take": "exists"}
    entries = [
        {"fullUrl": at, "resource": given},
        {"fullUrl": "urn:uuid:another", "resource": other},
        {"fullUrl": url, "resource": insulin},
    ]
    evidence = clinical_evidence(BundleIndex({"resourceType": "Bundle", "entry": entries}).entries)
    assert fact(model, line(evidence=evidence)).values == ((True,) if found else ())


def test_a_medication_that_several_could_be_is_none() -> None:
    given = {
        "resourceType": "MedicationStatement",
        "status": "active",
        "medicationReference": {"reference": "Medication/m"},
    }
    kept = [
        EvidenceItem(
            {"resourceType": "Medication", "id": "m", "code": concept(f"http://rx|{n}")},
            "Medication/m",
            url=f"http://{n}/Medication/m",
        )
        for n in (1, 2)
    ]
    model = {"from": "MedicationStatement", "code": ["http://rx|1"], "take": "exists"}
    assert fact(model, line(evidence=[EvidenceItem(given, "MedicationStatement/s"), *kept])).values == ()
    here = EvidenceItem(given, "MedicationStatement/s", url="http://1/MedicationStatement/s")
    assert fact(model, line(evidence=[here, *kept])).values == (True,)


def test_order_of_trust() -> None:
    both = {**SPO2, **ASKED, "absent": 99}
    assert fact(both, line(evidence=[spo2(86)], answers={"x": 86})).provenance == "structured"
    assert fact(both, line(answers={"x": 86})).provenance == "attested"
    assert fact(both, line()).provenance == "closed-world"
    payer = EvidenceItem(spo2(86).resource, "Observation/p", "payer")
    assert fact(both, line(evidence=[payer], answers={"x": 86})).provenance == "payer"


def test_sources_that_disagree_are_a_conflict_with_both_values_shown() -> None:
    found = fact({**SPO2, **ASKED}, line(evidence=[spo2(86)], answers={"x": 93}))
    assert found.provenance == "conflict"
    assert found.values == (86, 93)
    assert found.evidence == ("Observation/o1", "QuestionnaireResponse/q#x")
    assert "structured says 86, attested says 93" in found.notes[-1]
    assert (
        fact({**DX, **YES}, line(evidence=[condition("icd10|G47.33")], answers={"x": False})).provenance == "conflict"
    )


@pytest.mark.parametrize("told", [86, 86.0, Decimal("86.00")])
def test_the_same_number_in_another_dress_is_no_conflict(told: Any) -> None:
    found = fact({**SPO2, **ASKED}, line(evidence=[spo2(86)], answers={"x": told}))
    assert found.provenance == "structured"
    assert found.evidence == ("Observation/o1", "QuestionnaireResponse/q#x")


@pytest.mark.parametrize(
    ("kind", "told"),
    [("boolean", "yes"), ("boolean", 1), ("decimal", "many"), ("decimal", True), ("integer", 1.5), ("date", "soon"), ("text", " "), ("decimal", "NaN")],
)  # fmt: skip
def test_an_answer_of_the_wrong_type_says_nothing(kind: str, told: Any) -> None:
    found = fact({"ask": {"text": "?", "type": kind, "who": "clinical"}}, line(answers={"x": told}))
    assert found.provenance == "missing"
    assert found.notes


def test_closed_world_only_when_nothing_was_found() -> None:
    count = {"from": "PayerClaim", "code": ["hcpcs|E0601"], "within": "180d", "take": "count", "absent": 0}
    assert fact(count, line()).values == (0,)
    assert fact(count, line(evidence=[claim("hcpcs|E0601", day="2020-01-01")])).values == (0,)
    assert fact(count, line(evidence=[claim("hcpcs|E0601")])).values == (1,)
    undated = fact(count, line(evidence=[claim("hcpcs|E0601", day=None)]))
    assert (undated.provenance, undated.values) == ("missing", ())
    total = {**count, "take": "sum"}
    assert fact(total, line(evidence=[claim("hcpcs|E0601", 8), claim("hcpcs|E0601", 3, name="p2")])).values == (11,)
    assert fact(total, line(evidence=[claim("hcpcs|E0601", None)])).provenance == "missing"


def test_request_sources() -> None:
    code = {"from": "Item", "value": "productOrService.coding.code.first()"}
    found = fact(code, line())
    assert (found.values, found.provenance) == (("E0601",), "request")
    assert fact({"from": "Patient", "value": "age"}, line(patient={"age": 70})).values == (70,)
    funding = {"from": "Coverage", "value": "funding = 'fully-insured'", "absent": False}
    assert fact(funding, line(coverage={"funding": "fully-insured"})).provenance == "payer"
    assert fact(funding, line()).provenance == "closed-world"
    assert fact({"from": "Requester", "value": "goldcard"}, line(requester={"goldcard": True})).values == (True,)


def test_where_that_fails_or_cannot_be_answered() -> None:
    model = {**SPO2, "where": "interpretation.coding.code = 'L'"}
    assert fact(model, line(evidence=[spo2(86, interpretation=[concept("x|L")])])).values == (86,)
    assert fact(model, line(evidence=[spo2(86, interpretation=[concept("x|H")])])).notes == ()
    silent = fact({**model, "absent": 0}, line(evidence=[spo2(86)]))
    assert silent.provenance == "missing"
    assert "where cannot be answered" in silent.notes[0]


def test_values_by_path_keep_the_unit_guard() -> None:
    model = {**SPO2, "value": "valueQuantity.value"}
    assert fact(model, line(evidence=[spo2(86)])).values == (86,)
    assert fact(model, line(evidence=[spo2(86, unit="1")])).provenance == "missing"


@pytest.mark.parametrize(
    "resource",
    [
        {"resourceType": "Observation", "code": "text"},
        {"resourceType": "Observation", "code": concept("loinc|59408-5"), "valueQuantity": "86 %"},
        {
            "resourceType": "Observation",
            "code": [concept("loinc|59408-5")],
            "valueQuantity": {"value": "86", "code": "%"},
        },
        {"resourceType": 5},
        {},
        {
            "resourceType": "Observation",
            "code": concept("loinc|59408-5"),
            "effectiveDateTime": 5,
            "effectivePeriod": "x",
        },
    ],
)
def test_malformed_resources_never_raise(resource: dict[str, Any]) -> None:
    found = fact({**SPO2, "within": "30d"}, line(evidence=[EvidenceItem(resource, "Observation/x")]))
    assert found.values == ()


def test_nobody_can_answer_what_is_not_asked() -> None:
    granted = {"from": "Requester", "value": "goldcard", "absent": False}
    found = fact(granted, line(answers={"x": True}))
    assert (found.values, found.provenance) == ((False,), "closed-world")
    assert "is not asked" in found.notes[0]


def test_the_payers_own_data_cannot_come_from_a_sender() -> None:
    used = {"from": "PayerClaim", "code": ["hcpcs|E0601"], "take": "exists", "absent": False}
    sent = EvidenceItem(claim("hcpcs|E0601").resource, "PayerClaim/p1", "structured")
    assert fact(used, line(evidence=[sent])).values == (False,)
    assert fact(used, line(evidence=[claim("hcpcs|E0601")])).values == (True,)


def _coded(*codes: str) -> dict[str, Any]:
    return {"coding": [coding for code in codes for coding in concept(code)["coding"]]}


@pytest.mark.parametrize(
    ("more", "counts"),
    [
        ({}, True),
        ({"code": _coded("loinc|59408-5", "loinc|2708-6")}, True),
        ({"code": _coded("loinc|59408-5", "loinc|89276-0")}, False),
        ({"component": [{"code": concept("loinc|3151-8"), "valueQuantity": {"value": 2, "code": "L/min"}}]}, False),
        ({"component": [{"code": concept("loinc|8867-4")}, {"code": concept("loinc|3151-8")}]}, False),
        ({"component": [{"code": concept("loinc|8867-4")}]}, True),
        ({"component": "none"}, True),
    ],
    ids=["plain", "two codings", "in exercise", "on oxygen", "second component", "pulse", "malformed"],
)
def test_unless_passes_over_what_was_measured_otherwise(more: dict[str, Any], counts: bool) -> None:
    model = {**SPO2, "unless": ["loinc|89276-0", "loinc|3151-8"], **ASKED}
    item = spo2(86)
    found = fact(model, line(evidence=[item._replace(resource={**item.resource, **more})]))
    assert found.provenance == ("structured" if counts else "missing")
    assert counts or "taken under other conditions" in found.notes[0]


def test_unless_leaves_the_other_readings() -> None:
    model = {**SPO2, "unless": ["loinc|3151-8"]}
    oxygen = {"component": [{"code": concept("loinc|3151-8")}]}
    found = fact(model, line(evidence=[spo2(80, name="a", **oxygen), spo2(91, name="b")]))
    assert (found.values, found.evidence) == ((91,), ("Observation/b",))


def test_unless_is_about_results() -> None:
    with pytest.raises(ValueError, match="goes with from: Observation"):
        fact_policy({**DX, "unless": ["sct|70995007"]})
    with pytest.raises(ValueError, match="whole codes of LOINC or SNOMED CT"):
        fact_policy({**SPO2, "unless": ["loinc|3151*"]})
