"""A choice element whose profile says something of all its types (an extension, say): the value is held against its own type."""

from __future__ import annotations

from typing import Any

import pytest

from precert.fhir.validation import Validator

STANDARD = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/dtr-std-questionnaire"


@pytest.mark.parametrize(
    ("option", "wrong"),
    [
        ({"valueCoding": {"system": "urn:x", "code": "a", "display": "A"}}, set()),
        ({"valueReference": {"type": "Organization", "display": "Supplier"}}, set()),
        ({"valueCoding": {"code": "a", "colour": "red"}}, {"unknown-element"}),
        ({"valueReference": {"code": "a"}}, {"unknown-element"}),
        ({"valueString": "Morning", "_valueString": {"extension": [{"url": "urn:x", "valueCode": "b"}]}}, set()),
    ],
)
def test_an_answer_option_of_dtr_2_0_1(option: dict[str, Any], wrong: set[str]) -> None:
    form = {
        "resourceType": "Questionnaire",
        "url": "urn:precert:test",
        "version": "1",
        "name": "Test",
        "title": "Test",
        "status": "active",
        "subjectType": ["Patient"],
        "item": [{"linkId": "a", "text": "A", "type": "choice", "answerOption": [option]}],
    }
    found = Validator.load().validate(form, profiles=[STANDARD], context="dtr-2.0.1")
    errors = {f.rule for f in found if f.severity in ("error", "fatal") and ".answerOption" in (f.expression or "")}
    assert errors - {"invariant:ref-1"} == wrong
