"""Where extensions may stand: by element, by the type that is sent, by rules on the element, by version of FHIR."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from precert.fhir.validation import Validator
from precert.fhir.validation.compile import for_r4
from precert.fhir.validation.contexts import use_of
from precert.fhir.validation.model import ProfileTable
from precert.fhir.validation.tables import CONTEXTS

Json = dict[str, Any]
EXT = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
BILLING = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options"
TYPES = [
    "group",
    "display",
    "boolean",
    "decimal",
    "integer",
    "date",
    "dateTime",
    "time",
    "string",
    "text",
    "url",
    "choice",
    "open-choice",
    "attachment",
    "reference",
    "quantity",
]


def rules(validator: Validator, resource: Json, context: str = "dtr-2.2.0") -> set[tuple[str, str]]:
    """Place and rule of every error that is about where an extension stands or which type was sent."""
    found = validator.validate(resource, context=context)
    wanted = {"extension-context", "choice-type", "unknown-code-system"}
    return {(str(f.expression), str(f.rule)) for f in found if f.severity == "error" and f.rule in wanted}


def form(item: Json) -> Json:
    return {
        "resourceType": "Questionnaire",
        "status": "active",
        "item": [{"linkId": "a", "text": "A", **item}],
    }


# -- rules on the element (contextInvariant) --------------------------------------------------------------------------


@pytest.mark.parametrize("context", sorted(CONTEXTS))
def test_every_rule_of_the_shipped_extensions_can_be_judged(validator: Validator, context: str) -> None:
    schemas = validator.schemas(context)
    uses = [
        root.use
        for package in schemas.scope.packages()
        for url, kind in package.urls.items()
        if kind == "Extension" and (root := schemas.root(url)) is not None and root.use is not None
    ]
    assert uses
    assert [rule.expression for use in uses for rule in use.rules if rule.test is None] == []
    assert context == "r4" or sum(len(use.rules) for use in uses) > 15


FOR_TYPES: dict[str, tuple[str, Any, set[str]]] = {
    SDC + "lookupQuestionnaire": ("valueCanonical", "urn:x", {"reference"}),
    SDC + "openLabel": ("valueString", "Other", {"open-choice"}),
    SDC + "maxQuantity": ("valueQuantity", {"value": 1, "unit": "kg"}, {"quantity"}),
    SDC + "minQuantity": ("valueQuantity", {"value": 1, "unit": "kg"}, {"quantity"}),
    SDC + "subQuestionnaire": ("valueCanonical", "urn:x", {"display"}),
    EXT + "questionnaire-unitOption": ("valueCoding", {"code": "kg"}, {"quantity"}),
    EXT + "questionnaire-unitValueSet": ("valueCanonical", "urn:x", {"quantity"}),
    EXT + "questionnaire-unit": ("valueCoding", {"code": "kg"}, {"integer", "decimal"}),
    EXT + "questionnaire-sliderStepValue": ("valueInteger", 2, {"integer"}),
    EXT + "questionnaire-referenceResource": ("valueCode", "Patient", {"reference"}),
    EXT + "questionnaire-referenceProfile": ("valueCanonical", "urn:x", {"reference"}),
    EXT + "questionnaire-referenceFilter": ("valueString", "a=b", {"reference"}),
}


@pytest.mark.parametrize("context", ["dtr-2.2.0", "dtr-2.0.1"])
@pytest.mark.parametrize(("url", "kind"), list(itertools.product(FOR_TYPES, TYPES)))
def test_an_extension_stands_on_items_of_its_types_alone(
    validator: Validator, context: str, url: str, kind: str
) -> None:
    key, value, types = FOR_TYPES[url]
    found = rules(validator, form({"type": kind, "extension": [{"url": url, key: value}]}), context)
    wanted = set() if kind in types else {("Questionnaire.item[0].extension[0]", "extension-context")}
    assert found == wanted


@pytest.mark.parametrize(
    ("item", "allowed"),
    [
        ({"repeats": True, "required": True}, True),
        ({"repeats": True}, False),
        ({"required": True}, False),
        ({}, False),
    ],
)
def test_a_rule_on_several_members(validator: Validator, item: Json, allowed: bool) -> None:
    extended = {"type": "string", **item, "extension": [{"url": EXT + "questionnaire-minOccurs", "valueInteger": 2}]}
    assert (rules(validator, form(extended)) == set()) is allowed


@pytest.mark.parametrize(("least", "allowed"), [(0, True), (2, False)])
def test_a_rule_about_the_extension_itself(validator: Validator, least: int, allowed: bool) -> None:
    """R4's rule for minOccurs: the item is required, or the number is 0."""
    extended = {"type": "string", "extension": [{"url": EXT + "questionnaire-minOccurs", "valueInteger": least}]}
    assert (rules(validator, form(extended), "dtr-2.0.1") == set()) is allowed


def test_a_rule_about_the_resource_around(validator: Validator) -> None:
    when: Json = {"url": EXT + "list-changeBase", "valueReference": {"reference": "List/1"}}
    listed: Json = {"resourceType": "List", "status": "current", "mode": "changes", "extension": [when]}
    if validator.schemas("dtr-2.2.0").type_root("List") is None:
        pytest.skip("List has no table")
    assert rules(validator, listed) == set()
    assert rules(validator, listed | {"mode": "working"}) == {("List.extension[0]", "extension-context")}


# -- types ------------------------------------------------------------------------------------------------------------

CODING: Json = {"system": "urn:x", "code": "a"}


@pytest.mark.parametrize(
    ("url", "key", "value", "answers", "allowed"),
    [
        # ordinalValue is for Coding; a choice element has the names of the type that is sent
        ("ordinalValue", "valueDecimal", 1, {"valueCoding": CODING}, True),
        ("ordinalValue", "valueDecimal", 1, {"valueString": "a"}, False),
        ("ordinalValue", "valueDecimal", 1, {"valueDate": "2026-01-01"}, False),
        ("rendering-xhtml", "valueString", "<b>a</b>", {"valueString": "a"}, True),
        ("rendering-xhtml", "valueString", "<b>a</b>", {"valueCoding": CODING}, False),
        ("rendering-xhtml", "valueString", "<b>a</b>", {"valueReference": {"display": "a"}}, False),
    ],
)
def test_a_choice_has_the_names_of_the_type_it_is_sent_as(
    validator: Validator, url: str, key: str, value: Any, answers: Json, allowed: bool
) -> None:
    extension = [{"url": EXT + url, key: value}]
    ((name, answer),) = answers.items()
    option = {name: answer | {"extension": extension}} if isinstance(answer, dict) else {name: answer}
    if not isinstance(answer, dict):
        option["_" + name] = {"extension": extension}
    found = rules(validator, form({"type": "choice", "answerOption": [option]}), "dtr-2.2.0")
    place = "Questionnaire.item[0].answerOption[0].value.extension[0]"
    assert found == (set() if allowed else {(place, "extension-context")})


def test_a_type_has_the_names_of_what_it_is_derived_from(validator: Validator) -> None:
    """markdown is a string, and says so in its definition."""
    xhtml = {"extension": [{"url": EXT + "rendering-xhtml", "valueString": "<b>a</b>"}]}
    made = {"resourceType": "Questionnaire", "status": "active", "description": "a", "_description": xhtml}
    assert rules(validator, made) == set()
    assert rules(validator, {"resourceType": "Questionnaire", "status": "active", "_status": xhtml}) == set()
    assert rules(validator, made | {"date": "2026-01-01", "_date": xhtml}) == {
        ("Questionnaire.date.extension[0]", "extension-context")
    }


@pytest.mark.parametrize(
    ("element", "allowed"),
    [
        ({"codeCodeableConcept": {"coding": [CODING]}}, True),
        ({"codeReference": {"display": "a wheelchair"}}, False),
    ],
)
def test_a_context_by_fhirpath_that_names_a_type(validator: Validator, element: Json, allowed: bool) -> None:
    """CRD 2.2.1 billing options: ``DeviceRequest.code.ofType(CodeableConcept)``."""
    ((key, value),) = element.items()
    order = {
        "resourceType": "DeviceRequest",
        "intent": "order",
        "subject": {"display": "x"},
        key: value | {"extension": [{"url": BILLING, "extension": [{"url": "code", "valueCoding": CODING}]}]},
    }
    found = rules(validator, order, "crd-2.2.1")
    assert (("DeviceRequest.code.extension[0]", "extension-context") not in found) is allowed


@pytest.mark.parametrize(("kind", "allowed"), [("Questionnaire", True), ("Library", True), ("Patient", False)])
def test_resources_with_an_address_of_their_own(validator: Validator, kind: str, allowed: bool) -> None:
    resource: Json = {
        "resourceType": kind,
        "extension": [{"url": EXT + "web-source", "valueUrl": "https://clinic.test/form"}],
    }
    found = rules(validator, resource)
    assert ((f"{kind}.extension[0]", "extension-context") not in found) is allowed


# -- versions ---------------------------------------------------------------------------------------------------------


def version_use(first: str | None, last: str | None) -> Json:
    parts = [("startFhirVersion", first), ("endFhirVersion", last)]
    return {
        "extension": [
            {
                "url": EXT + "version-specific-use",
                "extension": [{"url": name, "valueCode": version} for name, version in parts if version],
            }
        ]
    }


@pytest.mark.parametrize(
    ("first", "last", "counts"),
    [
        (None, None, True),
        ("4.0", None, True),
        ("4.0.1", None, True),
        ("4.0.0", "4.0.1", True),
        ("3.0", "4.3", True),
        ("4.3", None, False),
        ("5.0", None, False),
        ("5.0.0-ballot", None, False),
        (None, "3.0", False),
        (None, "3.0.2", False),
        (None, "4.0", True),
        (None, "5.0", True),
    ],
)
def test_which_versions_a_context_is_for(first: str | None, last: str | None, counts: bool) -> None:
    assert for_r4(version_use(first, last)) is counts
    assert for_r4({"extension": [{"url": "urn:other", "valueCode": "5.0"}]})


@pytest.mark.parametrize(
    "url",
    ["citation-societyAffiliation", "device-conformsTo-source", "requirements-parent", "statistic-model-include-if"],
)
@pytest.mark.parametrize("resource", [{"resourceType": "Patient"}, {"resourceType": "Device"}])
def test_an_extension_of_other_versions_stands_nowhere(validator: Validator, url: str, resource: Json) -> None:
    extended = resource | {"extension": [{"url": EXT + url, "valueString": "x"}]}
    place = f"{resource['resourceType']}.extension[0]"
    assert (place, "extension-context") in rules(validator, extended)


@pytest.mark.parametrize(
    ("contexts", "other", "names", "allowed"),
    [
        ((), False, {"Patient"}, True),
        ((), True, {"Patient"}, False),
        ((("element", "Patient"),), False, {"Patient"}, True),
        ((("element", "Patient"),), False, {"Coverage"}, False),
        ((("element", "Observation.value[x]"),), False, {"Observation.value"}, True),
        ((("extension", "urn:outer#part"),), False, {"urn:outer"}, True),
        ((("fhirpath", "ofType(Coding)"),), False, {"Coding"}, True),
        ((("fhirpath", "ofType(Coding)"),), False, {"string"}, False),
        ((("fhirpath", "A.b.ofType(C)"),), False, {"A.b.ofType(C)"}, True),
        ((("fhirpath", "A.b.extension('urn:x')"),), False, {"A.b.extension('urn:y')"}, False),
        (
            (("fhirpath", "descendants().where(x)"),),
            False,
            {"Patient"},
            True,
        ),  # cannot be told here: not held against it
    ],
)
def test_what_contexts_allow(
    contexts: tuple[tuple[str, str], ...], other: bool, names: set[str], allowed: bool
) -> None:
    table = ProfileTable("urn:e", "Extension", "complex-type", contexts=contexts, other_versions_only=other)
    assert use_of(table, "urn:e").allows(frozenset(names)) is allowed


# -- closed choices ---------------------------------------------------------------------------------------------------

OPTIONS: dict[str, Any] = {
    "valueInteger": 1,
    "valueDate": "2026-01-01",
    "valueTime": "10:00:00",
    "valueString": "Morning",
    "valueCoding": CODING,
    "valueReference": {"type": "Organization", "display": "Supplier"},
}


@pytest.mark.parametrize("profile", ["dtr-std-questionnaire", "dtr-base-questionnaire", "dtr-questionnaire-adapt"])
@pytest.mark.parametrize("key", OPTIONS)
@pytest.mark.parametrize("companion", [False, True])
def test_a_choice_that_closed_slices_cut_by_type(validator: Validator, profile: str, key: str, companion: bool) -> None:
    """DTR 2.2.0 closes answerOption.value[x] to Coding and Reference; 2.0.1 leaves it open."""
    option = {"_" + key: {"extension": [{"url": "urn:x", "valueCode": "b"}]}} if companion else {key: OPTIONS[key]}
    made = form({"type": "choice", "answerOption": [option]})
    url = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/" + profile
    found = validator.validate(made, profiles=[url], context="dtr-2.2.0")
    refused = [f for f in found if f.rule == "choice-type"]
    if key in ("valueCoding", "valueReference"):
        assert refused == []  # but a complex value has nothing beside it
        assert {f.expression for f in found if f.rule == "unknown-element"} == (
            {f"Questionnaire.item[0].answerOption[0]._{key}"} if companion else set()
        )
    else:
        assert [f.expression for f in refused] == ["Questionnaire.item[0].answerOption[0].value"]
        assert "valueCoding, valueReference" in refused[0].text
        assert not [f for f in found if f.rule == "unknown-element"]


# -- code systems -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("system", "context", "known"),
    [
        ("http://hl7.org/fhir/version-algorithm", "dtr-2.0.1", False),
        ("http://hl7.org/fhir/version-algorithm", "crd-2.0.1", False),
        ("http://hl7.org/fhir/version-algorithm", "dtr-2.2.0", True),  # sdc-3 asks for it
        ("http://hl7.org/fhir/CodeSystem/no-such", "pas-2.2.1", False),
        ("http://hl7.org/fhir/administrative-gender", "pas-2.0.1", True),
        ("http://hl7.org/fhir/CodeSystem/task-code", "crd-2.0.1", True),
        ("http://hl7.org/fhir/questionnaire-derivationType", "dtr-2.0.1", True),  # the extensions pack has it
        ("http://hl7.org/fhir/sid/icd-10-cm", "pas-2.2.1", True),
        ("http://hl7.org/fhir/us/somebody/CodeSystem/else", "pas-2.2.1", True),  # a guide that nobody here knows
        ("urn:local", "pas-2.2.1", True),
    ],
)
def test_code_systems_of_other_versions_of_fhir(validator: Validator, system: str, context: str, known: bool) -> None:
    made = {
        "resourceType": "Patient",
        "maritalStatus": {"coding": [{"system": system, "code": "a"}]},
        "meta": {"tag": [{"system": system, "code": "b"}]},
    }
    places = {"Patient.maritalStatus.coding[0].system", "Patient.meta.tag[0].system"}
    found = {place for place, rule in rules(validator, made, context) if rule == "unknown-code-system"}
    assert found == (set() if known else places)
