"""DTR's part of the CapabilityStatement. Source: CapabilityStatement dtr-payer-service 2.2.0 (and 2.0.1)."""

from __future__ import annotations

from precert.fhir.types import Element

_DTR = "http://hl7.org/fhir/us/davinci-dtr/OperationDefinition/"
_EXPECTATION = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-expectation"
INSTANTIATES = "http://hl7.org/fhir/us/davinci-dtr/CapabilityStatement/dtr-payer-service"
SCOPES = ("system/Questionnaire.rs", "system/ValueSet.rs", "system/Library.rs")
"""What a client needs: operations of DTR read, so that read scopes are enough for them."""


def rest_resources() -> list[Element]:
    """``CapabilityStatement.rest.resource`` for Questionnaire, Library and ValueSet."""
    questionnaire = [
        _operation("questionnaire-package", _DTR + "questionnaire-package"),
        _operation("next-question", "http://hl7.org/fhir/uv/sdc/OperationDefinition/Questionnaire-next-question"),
        _operation("log-questionnaire-errors", _DTR + "log-questionnaire-errors"),
    ]
    expand = [_operation("expand", "http://hl7.org/fhir/OperationDefinition/ValueSet-expand")]
    return [
        _resource("Questionnaire", questionnaire),
        _resource("Library", []),
        _resource("ValueSet", expand),
    ]


def _operation(name: str, definition: str) -> Element:
    return {
        "extension": [{"url": _EXPECTATION, "valueCode": "SHALL"}],
        "name": name,
        "definition": definition,
    }


def _resource(type: str, operations: list[Element]) -> Element:
    params = [
        {"name": "url", "type": "uri", "documentation": "the canonical, with or without |version"},
        {"name": "version", "type": "token"},
    ]
    made: Element = {
        "type": type,
        "interaction": [{"code": "read"}, {"code": "search-type"}],
        "searchParam": params,
    }
    return made | ({"operation": operations} if operations else {})
