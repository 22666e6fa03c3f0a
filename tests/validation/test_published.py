"""No false alarm on the published examples; those that are invalid are listed with what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from precert.fhir.json import loads
from precert.fhir.validation import Validator
from precert.fhir.validation.policy_of_use import LENIENT, assess

EXAMPLES = Path(__file__).resolve().parents[3] / "shared" / "examples"
CONTEXT = {
    "pas/2.2.1": "pas-2.2.1",
    "pas/2.0.1": "pas-2.0.1",
    "crd": "crd-2.2.1",
    "dtr": "dtr-2.2.0",
    "dtr/2.0.1": "dtr-2.0.1",
    "cdex": "cdex-2.1.0",
}
OLD_CODES = "binding"
"""DTR 2.2.0 binds intendedUse to CRD's DocReason; CRD 2.2.1 moved those codes to another code system."""
NO_ORIGIN = "slice-too-few"
"""An answer without information-origin, which the profile makes mandatory."""
OTHER_TASK = "invariant:cdex-5"
"""Asks with questionnaire-context where CDex 2.1.0 wants questionnaires-needed: the examples are of a later build."""

INVALID: dict[str, set[str]] = {
    # of a later build than 2.1.0: AdminRefNumber is no parameter there, and the slicing is closed
    "cdex/cdex-parameters-example5.json": {"slice-closed"},
    **{f"cdex/cdex-task-example{n}.json": {OTHER_TASK} for n in (22, 23, 24, 25, 28, 29)},
    "cdex/cdex-task-inline-example22.json": {OTHER_TASK},
    # written for CRD 2.1: contact was a ContactPoint
    "crd/ig-2.1-era-resources__MedicationRequest-annotated-example.json": {"choice-type"},
    # Coverage.type is no array
    "crd/ri-br-payer__Coverage-cms-example-1.json": {"unexpected-array"},
    # no fullUrls; Coverage without status and beneficiary; a Coding where a CodeableConcept belongs
    "crd/ri-java__deviceRequestPrefetchResponse_r4.json": {"full-url-missing", "unknown-element", "base-required"},
    "dtr/Bundle-DTRQuestionnairePackageOperationResultComplex.json": {OLD_CODES, NO_ORIGIN},
    "dtr/Bundle-DTRQuestionnairePackageOperationResultSimple.json": {OLD_CODES, NO_ORIGIN},
    "dtr/Bundle-home-o2-questionnairepackage-bundle-2.json": {OLD_CODES, NO_ORIGIN},
    "dtr/Bundle-home-o2-questionnairepackage-bundle.json": {OLD_CODES, NO_ORIGIN},
    "dtr/Bundle-home-o2-questionnaireresponse-bundle.json": {OLD_CODES, NO_ORIGIN},
    "dtr/Parameters-NextQuestionInputParamsExample.json": {OLD_CODES},
    "dtr/Parameters-NextQuestionOutputParamsExample.json": {OLD_CODES},
    "dtr/Parameters-QuestionnairePackageOutputParamsExample.json": {OLD_CODES, NO_ORIGIN},
    "dtr/QuestionnaireResponse-home-o2-adaptive-questionnaireresponse.json": {OLD_CODES},
    "dtr/QuestionnaireResponse-home-o2-questionnaireresponse.json": {OLD_CODES, NO_ORIGIN},
}


def examples() -> list[str]:
    if not EXAMPLES.is_dir():
        return []
    named = []
    for file in sorted(EXAMPLES.rglob("*.json")):
        document = json.loads(file.read_bytes())
        if isinstance(document, dict) and "resourceType" in document:
            named.append(str(file.relative_to(EXAMPLES)))
    return named


pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not EXAMPLES.is_dir(), reason="the published examples are not here"),
]


@pytest.mark.parametrize("name", examples())
def test_published_example(validator: Validator, name: str) -> None:
    document = loads((EXAMPLES / name).read_bytes())
    findings = validator.validate(document, context=CONTEXT[str(Path(name).parent)])
    errors = {finding.rule for finding in findings if finding.severity == "error"}
    assert errors == INVALID.get(name, set()), [(f.expression, f.rule) for f in findings]


@pytest.mark.parametrize("name", [name for name in examples() if "Bundle" in name and "pas/" in name])
def test_lenient_refuses_no_published_bundle(validator: Validator, name: str) -> None:
    findings = validator.validate(loads((EXAMPLES / name).read_bytes()), context=CONTEXT[str(Path(name).parent)])
    kept = [f for f in assess(findings, LENIENT).refuse if f.expression and "entry[0]" in f.expression]
    assert kept == []


def test_most_examples_are_valid() -> None:
    assert len(examples()) > 150
    assert len(INVALID) < 25
