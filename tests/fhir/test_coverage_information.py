"""coverage-information of both versions side by side: the same values, the whole extension of each."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

import precert
from precert.fhir import coverage_information as ci
from precert.fhir.coverage_information import COVERAGE_INFORMATION, Contact, CoverageInfo, Detail, Reason, rendered
from precert.fhir.validation import Validator

VALIDATOR = Validator.load()
TABLES = {"2.2": "crd-2.2.1", "2.0": "crd-2.0.1"}
TEMP = "http://hl7.org/fhir/us/davinci-crd/CodeSystem/temp"
THO = "http://terminology.hl7.org/CodeSystem/crd-coverage-detail"
DAY = dt.date(2026, 3, 4)
E0601 = {"system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "code": "E0601"}

Json = dict[str, Any]


def info(covered: ci.Covered, pa_needed: ci.PaNeeded | None, **more: Any) -> CoverageInfo:
    return CoverageInfo("Coverage/c1", covered, "CA-1", DAY, pa_needed, **more)


def part(url: str, kind: str, value: Any) -> Json:
    return {"url": url, f"value{kind}": value}


def code(url: str, value: str) -> Json:
    return part(url, "Code", value)


def reason(text: str, coded: str | None = None) -> Json:
    coding = {"coding": [{"system": TEMP, "code": coded}]} if coded else {}
    return part("reason", "CodeableConcept", {**coding, "text": text})


def detail(*parts: Json) -> Json:
    return {"url": "detail", "extension": list(parts)}


def concept(name: str, *systems: str) -> Json:
    return part("code", "CodeableConcept", {"coding": [{"system": system, "code": name} for system in systems]})


COVERAGE = part("coverage", "Reference", {"reference": "Coverage/c1"})
END = [part("date", "Date", "2026-03-04"), part("coverage-assertion-id", "String", "CA-1")]

CASES: dict[str, tuple[CoverageInfo, list[Json], list[Json]]] = {
    # name: what is asserted, the parts in 2.2 and in 2.0 between the coverage and the date, or to the end
    "what CRD says of an order with documents to come": (
        info(
            "covered",
            "auth-needed",
            doc_needed=("clinical", "admin"),
            billing_codes=(E0601,),
            reasons=(Reason("To be documented: the study"),),
            questionnaires=("http://payer.test/fhir/Questionnaire/cpap|2",),
        ),
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "auth-needed"),
            code("doc-needed", "clinical"),
            code("doc-needed", "admin"),
            part("billingCode", "Coding", E0601),
            reason("To be documented: the study"),
            part("questionnaire", "Canonical", "http://payer.test/fhir/Questionnaire/cpap|2"),
            *END,
        ],
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "auth-needed"),
            code("doc-needed", "both"),
            part("billingCode", "Coding", E0601),
            reason("To be documented: the study"),
            part("questionnaire", "Canonical", "http://payer.test/fhir/Questionnaire/cpap|2"),
            *END,
        ],
    ),
    "what DTR says of a form with the patient's answers open": (
        info(
            "covered",
            "auth-needed",
            doc_needed=("patient",),
            reasons=(Reason("Questions were left open."),),
            questionnaires=("http://payer.test/fhir/Questionnaire/cpap|2",),
        ),
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "auth-needed"),
            code("doc-needed", "patient"),
            reason("Questions were left open."),
            part("questionnaire", "Canonical", "http://payer.test/fhir/Questionnaire/cpap|2"),
            *END,
        ],
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "auth-needed"),
            code("doc-needed", "clinical"),
            reason("Questions were left open."),
            part("questionnaire", "Canonical", "http://payer.test/fhir/Questionnaire/cpap|2"),
            *END,
        ],
    ),
    "an authorization, its limits and its end": (
        info(
            "covered",
            "satisfied",
            reasons=(Reason("Authorized."),),
            details=(
                Detail("cat-limitation", "allowed-quantity", "Quantity", {"value": 3}),
                Detail("cat-other", "policy-link", "Url", "http://payer.test/policies/cpap", "CPAP (2)"),
            ),
            satisfied_pa="PA-1",
            expiry=dt.date(2026, 9, 1),
        ),
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "satisfied"),
            reason("Authorized."),
            detail(
                code("category", "cat-limitation"),
                concept("allowed-quantity", THO, TEMP),
                part("value", "Quantity", {"value": 3}),
            ),
            detail(
                code("category", "cat-other"),
                concept("policy-link", THO, TEMP),
                part("value", "Url", "http://payer.test/policies/cpap"),
                part("qualification", "String", "CPAP (2)"),
            ),
            *END,
            part("satisfied-pa-id", "String", "PA-1"),
            part("expiry-date", "Date", "2026-09-01"),
        ],
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "satisfied"),
            reason("Authorized."),
            reason("Holds until 2026-09-01."),
            detail(concept("allowed-quantity", TEMP), part("value", "Quantity", {"value": 3})),
            detail(
                part("code", "CodeableConcept", {"text": "policy-link"}),
                part("value", "String", "http://payer.test/policies/cpap"),
                part("qualification", "String", "CPAP (2)"),
            ),
            *END,
            part("satisfied-pa-id", "String", "PA-1"),
        ],
    ),
    "our own trouble, and whom to ask": (
        info(
            "indeterminate",
            "indeterminate",
            reasons=(Reason("Try again.", "technical"),),
            contacts=(Contact("Payer", "555-0100"),),
        ),
        [
            COVERAGE,
            code("covered", "indeterminate"),
            code("pa-needed", "indeterminate"),
            reason("Try again.", "technical"),
            *END,
            part("contact", "ContactDetail", {"name": "Payer", "telecom": [{"system": "phone", "value": "555-0100"}]}),
        ],
        [
            COVERAGE,
            code("covered", "conditional"),
            code("pa-needed", "conditional"),
            code("info-needed", "OTH"),
            reason("Try again."),
            *END,
            part("contact", "ContactPoint", {"system": "phone", "value": "555-0100"}),
        ],
    ),
    "a code too coarse": (
        info(
            "conditional",
            "conditional",
            info_needed=("detail-code", "OTH"),
            reasons=(Reason("With the code that is billed you learn it.", "detail-code"),),
        ),
        [
            COVERAGE,
            code("covered", "conditional"),
            code("pa-needed", "conditional"),
            code("info-needed", "detail-code"),
            code("info-needed", "OTH"),
            reason("With the code that is billed you learn it."),
            *END,
        ],
        [
            COVERAGE,
            code("covered", "conditional"),
            code("pa-needed", "conditional"),
            code("info-needed", "OTH"),
            reason("With the code that is billed you learn it.", "detail-code"),
            *END,
        ],
    ),
    "authorization outside the network only": (
        info("covered", "auth-needed", reasons=(Reason("The performer is outside.", "auth-out-network"),)),
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "auth-needed"),
            reason("The performer is outside.", "auth-out-network"),
            *END,
        ],
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "auth-needed"),
            reason("The performer is outside."),
            detail(concept("auth-out-network-only", TEMP), part("value", "Boolean", True)),
            *END,
        ],
    ),
    "documents with the claim": (
        info(
            "covered",
            "no-auth",
            doc_needed=("admin",),
            doc_purpose=("withclaim",),
            reasons=(Reason("Exempt.", "gold-card"),),
            dependencies=("ServiceRequest/other",),
        ),
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "no-auth"),
            code("doc-needed", "admin"),
            code("doc-purpose", "withclaim"),
            reason("Exempt.", "gold-card"),
            part("dependency", "Reference", {"reference": "ServiceRequest/other"}),
            *END,
        ],
        [
            COVERAGE,
            code("covered", "covered"),
            code("pa-needed", "no-auth"),
            code("doc-needed", "admin"),
            code("doc-purpose", "withclaim"),
            reason("Exempt.", "gold-card"),
            part("dependency", "Reference", {"reference": "ServiceRequest/other"}),
            *END,
        ],
    ),
    "not covered": (
        info("not-covered", None, reasons=(Reason("Not a benefit."),)),
        [COVERAGE, code("covered", "not-covered"), reason("Not a benefit."), *END],
        [COVERAGE, code("covered", "not-covered"), code("pa-needed", "no-auth"), reason("Not a benefit."), *END],
    ),
    "nobody that we know": (
        info("not-covered", None, reasons=(Reason("Not found.", "no-member-found"),)),
        [COVERAGE, code("covered", "not-covered"), reason("Not found.", "no-member-found"), *END],
        [COVERAGE, code("covered", "not-covered"), code("pa-needed", "conditional"), reason("Not found."), *END],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_whole_extension_in_both_versions(name: str) -> None:
    asserted, in_22, in_20 = CASES[name]
    assert rendered(asserted, "2.2") == {"url": COVERAGE_INFORMATION, "extension": in_22}
    assert rendered(asserted, "2.0") == {"url": COVERAGE_INFORMATION, "extension": in_20}


@pytest.mark.parametrize("version", ["2.2", "2.0"])
@pytest.mark.parametrize("name", CASES)
def test_the_profiles_of_its_version_accept_it(name: str, version: Any) -> None:
    order: Json = {
        "resourceType": "ServiceRequest",
        "id": "o1",
        "extension": [rendered(CASES[name][0], version)],
        "status": "draft",
        "intent": "order",
        "code": {"coding": [E0601]},
        "subject": {"reference": "Patient/p1"},
    }
    found = VALIDATOR.validate(order, context=TABLES[version])
    assert [(f.rule, f.expression, f.text) for f in found if f.severity in ("error", "fatal")] == []


@given(
    covered=st.sampled_from(get_args(ci.Covered)),
    pa_needed=st.sampled_from([None, *get_args(ci.PaNeeded)]),
    codes=st.lists(st.sampled_from([None, *get_args(ci.ReasonCode)]), max_size=3),
    expiry=st.none() | st.dates(),
)
def test_no_version_says_more_than_is_asserted(
    covered: ci.Covered, pa_needed: ci.PaNeeded | None, codes: list[ci.ReasonCode | None], expiry: dt.date | None
) -> None:
    """Freedom from authorization and an authorization are never made up; an end is never lost."""
    asserted = info(covered, pa_needed, reasons=tuple(Reason("why", code) for code in codes), expiry=expiry)
    for version in ("2.2", "2.0"):
        parts = rendered(asserted, version)["extension"]
        said = {part["url"]: part.get("valueCode") for part in parts}
        if said.get("pa-needed") in ("no-auth", "satisfied"):
            assert pa_needed == said["pa-needed"] or (pa_needed is None and covered == "not-covered")
        if said["covered"] in ("covered", "not-covered"):
            assert said["covered"] == covered
        if expiry is not None:
            assert expiry.isoformat() in str(parts)


def test_only_one_module_writes_the_extension() -> None:
    """Its URL stands in one module; and who asks for it there to write it writes it in another place."""
    sources = {path: path.read_text() for path in Path(precert.__file__).parent.rglob("*.py")}
    assert [p.name for p, text in sources.items() if f'"{COVERAGE_INFORMATION}"' in text] == ["coverage_information.py"]
    writes = [p.name for p, text in sources.items() if '"url": COVERAGE_INFORMATION' in text]
    assert writes == ["coverage_information.py"]
