"""What holds between resources: places, references, declared profiles, nested bundles, known errors."""

from __future__ import annotations

from typing import Any

import pytest

from precert.fhir.validation import Finding, Validator
from precert.fhir.validation.bundle import reference_parts
from precert.fhir.validation.known import known_errors
from validation import builders as b


def found(findings: list[Finding], severity: str = "error") -> set[tuple[str | None, str | None]]:
    return {(f.expression, f.rule) for f in findings if f.severity == severity}


def test_an_entry_that_declares_nothing_is_held_against_its_slice(validator: Validator) -> None:
    document = b.request_bundle()
    claim = document["entry"][0]["resource"]
    del claim["meta"]
    assert validator.validate(document) == []
    del claim["item"]
    findings = validator.validate(document)
    assert found(findings) == {("Bundle.entry[0].resource.item", "required")}
    assert {f.profile for f in findings} == {b.PAS + "profile-claim|2.2.1"}


def test_an_update_is_an_update(validator: Validator) -> None:
    document = b.request_bundle()
    claim = document["entry"][0]["resource"]
    claim["meta"] = b.meta(b.PAS + "profile-claim-update")
    claim["related"] = [
        {
            "claim": {"identifier": {"system": "https://clinic.test/claims", "value": "C-0"}},
            "relationship": b.concept("http://terminology.hl7.org/CodeSystem/ex-relatedclaimrelationship", "prior"),
        }
    ]
    findings = validator.validate(document)
    assert ("Bundle.entry[0].resource.related", "prohibited") not in found(findings)
    assert {f.profile for f in findings} <= {b.PAS + "profile-claim-update|2.2.1"}


def test_a_target_that_declares_nothing_is_held_against_the_reference(validator: Validator) -> None:
    document = b.request_bundle()
    coverage = document["entry"][2]["resource"]
    del coverage["meta"], coverage["identifier"]
    findings = validator.validate(document)
    identifier = "Bundle.entry[2].resource.identifier"
    assert found(findings) == {(identifier, "required"), (identifier, "slice-too-few")}


def test_a_target_that_declares_another_profile_is_judged_at_the_reference(validator: Validator) -> None:
    document = b.request_bundle()
    coverage = document["entry"][2]["resource"]
    coverage["meta"] = b.meta("http://hl7.org/fhir/us/core/StructureDefinition/us-core-coverage")
    del coverage["identifier"][0]["type"]
    findings = validator.validate(document)
    assert ("Bundle.entry[0].resource.insurance[0].coverage.reference", "reference-profile") in found(findings)
    (about,) = [f for f in findings if f.rule == "reference-profile"]
    assert "Bundle.entry[2].resource.identifier" in (about.diagnostics or "")


@pytest.mark.parametrize(
    ("reference", "verdict"),
    [
        ("Patient/pat-1", None),
        (b.BASE + "Patient/pat-1", None),
        (b.BASE + "Patient/pat-1/_history/3", None),
        ("Patient/other", "warning"),
        ("https://elsewhere.test/Patient/pat-1", "warning"),
        ("urn:uuid:7b3c8a3e-6c1e-4a7e-9d43-0e9b4bd2b1a1", "error"),
    ],
)
def test_references_lead_somewhere(validator: Validator, reference: str, verdict: str | None) -> None:
    document = b.request_bundle()
    document["entry"][0]["resource"]["patient"] = {"reference": reference}
    findings = [f for f in validator.validate(document) if f.rule == "reference-unresolved"]
    assert [f.severity for f in findings] == ([verdict] if verdict else [])
    assert all(f.element == "Claim.patient.reference" for f in findings)


def test_urn_full_urls_are_found(validator: Validator) -> None:
    document = b.request_bundle()
    urn = "urn:uuid:7b3c8a3e-6c1e-4a7e-9d43-0e9b4bd2b1a1"
    document["entry"][1]["fullUrl"] = urn
    document["entry"][0]["resource"]["patient"] = {"reference": urn}
    assert found(validator.validate(document)) == set()


def test_references_by_identifier_or_display_need_no_target(validator: Validator) -> None:
    document = b.request_bundle()
    document["entry"][0]["resource"]["patient"] = {"display": "the patient", "type": "Patient"}
    assert found(validator.validate(document)) == set()


def test_a_bundle_inside_parameters_is_a_bundle(validator: Validator) -> None:
    document = b.request_bundle()
    document["entry"][0]["resource"]["patient"] = {"reference": "urn:uuid:00000000-0000-4000-8000-000000000000"}
    del document["entry"][2]["fullUrl"]
    wrapped = {"resourceType": "Parameters", "parameter": [{"name": "resource", "resource": document}]}
    inside = "Parameters.parameter[0].resource.entry"
    assert found(validator.validate(wrapped)) >= {
        (f"{inside}[0].resource.patient.reference", "reference-unresolved"),
        (f"{inside}[2].fullUrl", "required"),
    }


def test_contained_resources_are_checked_and_found(validator: Validator) -> None:
    claim = b.claim()
    claim["contained"] = [{"resourceType": "Organization", "id": "o", "nane": "x", "active": "yes"}]
    claim["insurer"] = {"reference": "#o"}
    findings = found(validator.validate(claim))
    assert ("Claim.contained[0].nane", "unknown-element") in findings
    assert ("Claim.contained[0].active", "wrong-json-type") in findings
    assert not {f for f in findings if f[1] == "invariant:ref-1"}


def test_types_that_are_not_compiled_pass_with_a_note(validator: Validator) -> None:
    findings = validator.validate({"resourceType": "Composition", "anything": 1})
    assert [(f.rule, f.severity) for f in findings] == [("unchecked-resource-type", "information")]
    datatype = validator.validate({"resourceType": "HumanName", "family": "x"})
    assert found(datatype) == {("HumanName", "unknown-resource-type")}


def test_findings_name_element_and_profile(validator: Validator) -> None:
    document = b.request_bundle()
    document["entry"][0]["resource"]["item"][0]["quantity"]["comparator"] = "<"
    (finding,) = [f for f in validator.validate(document) if f.rule == "prohibited"]
    assert finding.expression == "Bundle.entry[0].resource.item[0].quantity.comparator"
    assert finding.element == "Claim.item.quantity.comparator"
    assert finding.rule_class == "cardinality"
    assert finding.profile == b.PAS + "profile-quantity|2.2.1"


# -- known errors -----------------------------------------------------------------------------------------------------


def only(findings: list[Finding]) -> tuple[str | None, str, str]:
    (finding,) = findings
    return finding.rule, finding.severity, finding.text


def test_crd_q4_is_only_noted(validator: Validator) -> None:
    order = b.service_request()
    reason = {"valueCodeableConcept": {"text": "because"}}
    order["extension"] = [b.coverage_information(doc_purpose={"valueCode": "withpa"}, reason=reason)]
    rule, severity, text = only(validator.validate(order, context="crd-2.2.1"))
    assert (rule, severity) == ("invariant:crd-ci-q4", "information")
    assert "published rule is wrong" in text


def test_crd_201_q2_is_only_noted(validator: Validator) -> None:
    order = b.service_request()
    del order["meta"]
    order["extension"] = [b.coverage_information(covered={"valueCode": "not-covered"}, pa_needed=None)]
    rule, severity, _ = only(validator.validate(order, context="crd-2.0.1"))
    assert (rule, severity) == ("invariant:crd-ci-q2", "information")


@pytest.mark.parametrize("known", [k for k in known_errors() if k.extension], ids=lambda k: f"{k.extension}-{k.paths}")
def test_forgotten_contexts_are_only_noted(validator: Validator, known: Any) -> None:
    schemas = validator.schemas("pas-2.2.1")
    root = schemas.root(known.extension)
    assert root is not None
    for path in known.paths:
        kind, _, rest = path.partition(".")
        resource: dict[str, Any] = {"resourceType": kind}
        holder: dict[str, Any] = resource
        for name in rest.split(".") if rest else ():
            holder[name] = [{}]
            holder = holder[name][0]
        key = "modifierExtension" if root.modifier else "extension"
        holder[key] = [{"url": known.extension}]
        findings = validator.validate(resource)
        about = [f for f in findings if f.rule in ("extension-context", "modifier-misplaced")]
        assert [f.severity for f in about] in (["information"], [])


def test_every_known_error_gives_its_reason() -> None:
    for known in known_errors():
        assert len(known.reason) > 40
        assert known.severity in ("information", "ignore")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Patient/1", ("", "Patient", "1")),
        ("https://a.test/fhir/Patient/1", ("https://a.test/fhir", "Patient", "1")),
        ("https://a.test/Patient/1/_history/2", ("https://a.test", "Patient", "1")),
        ("urn:uuid:x", None),
        ("#x", None),
        ("patient/1", None),
        ("Patient/", None),
        ("x" * 5_000, None),
    ],
)
def test_reference_parts(text: str, parts: tuple[str, str, str] | None) -> None:
    assert reference_parts(text) == parts
