"""The must-support sampler: two hand-made forms that show every element which the DTR suites look for.

Run ``python -m tools.sampler`` to write ``examples/forms``. It is a plausible form for equipment at home, so that it also
shows how a plan's own Questionnaires are served; nothing of it decides anything. Source: DTR 2.2.0 and 2.0.1 element
tables, dtr.md 2.5.
"""

from __future__ import annotations

import json
from pathlib import Path

from tools.requests import Json
from tools.sampler_logic import files
from tools.sampler_parts import (
    ADAPTIVE,
    CANONICAL,
    DTR,
    EXT,
    SDC,
    SERVER,
    STANDARD,
    TODAY,
    UCUM,
    VERSION,
    concept,
    expression,
    ext,
    option,
    question,
    value_set,
)

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "forms"
STATES = [
    "AL",
    "AK",
    "AZ",
    "AR",
    "CA",
    "CO",
    "CT",
    "DE",
    "DC",
    "FL",
    "GA",
    "HI",
    "ID",
    "IL",
    "IN",
    "IA",
    "KS",
    "KY",
    "LA",
    "ME",
    "MD",
    "MA",
    "MI",
    "MN",
    "MS",
    "MO",
    "MT",
    "NE",
    "NV",
    "NH",
    "NJ",
    "NM",
    "NY",
    "NC",
    "ND",
    "OH",
    "OK",
    "OR",
    "PA",
    "RI",
    "SC",
    "SD",
    "TN",
    "TX",
    "UT",
    "VT",
    "VA",
    "WA",
    "WV",
    "WI",
    "WY",
    "AS",
    "GU",
    "MP",
    "PR",
    "VI",
]
REASONS = {"new": "First order", "replacement": "Replacement", "repair": "Repair", "upgrade": "Other model"}
PLACES = {"bedroom": "Bedroom", "living": "Living room", "outside": "Outside the home", "unknown": "Not decided"}
TIMES = {"morning": "Morning", "afternoon": "Afternoon"}
ROLES = {"physician": "Physician", "practitioner": "Nurse practitioner or physician assistant", "nobody": "Nobody"}


def root(library: str, *, adaptive: bool) -> list[Json]:
    """The extensions of a whole form."""
    mode = [ext(SDC + "questionnaireAdaptive", "Url", SERVER)] if adaptive else []
    patient = {
        "extension": [
            ext("name", "Coding", {"system": "http://hl7.org/fhir/uv/sdc/CodeSystem/launchContext", "code": "patient"}),
            ext("type", "Code", "Patient"),
        ],
        "url": SDC + "launchContext",
    }
    times = [ext("clinicalTime", "Code", "under-3min"), ext("totalTime", "Code", "under-5min")]
    signature = {"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.5"}
    algorithm = {"system": "http://hl7.org/fhir/version-algorithm", "code": "natural"}
    return [
        *mode,
        ext(EXT + "preferredTerminologyServer", "Url", SERVER),
        ext(EXT + "artifact-versionAlgorithm", "Coding", algorithm),
        ext(SDC + "performerType", "Code", "Practitioner"),
        {"extension": times, "url": DTR + "estimated-completion-time"},
        ext(DTR + "questionnaireAudience", "Code", "clinical"),
        ext(DTR + "questionnaireAudience", "Code", "admin"),
        ext(DTR + "request-specific", "Boolean", True),
        ext(EXT + "questionnaire-signatureRequired", "CodeableConcept", {"coding": [signature]}),
        ext(EXT + "variable", "Expression", expression(library, "as of", "asOf")),
        ext(EXT + "cqf-library", "Canonical", f"{CANONICAL}/Library/{slug(library)}|{VERSION}"),
        patient,
        ext(SDC + "itemPopulationContext", "Expression", expression(library, "observations", "observations")),
        ext(SDC + "entryMode", "Code", "sequential"),
    ]


def slug(library: str) -> str:
    return {"ConformanceSampler": "conformance-sampler"}.get(library, "conformance-sampler-adaptive")


def head(library: str, title: str, *, adaptive: bool) -> Json:
    return {
        "resourceType": "Questionnaire",
        "id": slug(library),
        "meta": {"profile": [ADAPTIVE if adaptive else STANDARD]},
        "extension": root(library, adaptive=adaptive),
        "url": f"{CANONICAL}/Questionnaire/{slug(library)}",
        "version": VERSION,
        "name": library,
        "title": title,
        "status": "active",
        "subjectType": ["Patient"],
        "date": TODAY,
        "effectivePeriod": {"start": TODAY},
    }


def standard() -> Json:
    """The whole form: every element of the base and the standard profile."""
    name = "ConformanceSampler"
    return head(name, "Conformance sampler: equipment at home", adaptive=False) | {
        "item": [*_clinical(name), _history(name), *_office()]  # not in groups: the suite looks at the first level only
    }


def _clinical(name: str) -> list[Json]:
    initial, calculated = SDC + "initialExpression", SDC + "calculatedExpression"
    kilogram = {"system": UCUM, "code": "kg", "display": "kg"}
    pound = {"system": UCUM, "code": "[lb_av]", "display": "lb"}
    since = question("need_since", "4.", "Since when is the equipment needed?", "date")
    since["enableWhen"] = [
        {"question": "weight", "operator": "exists", "answerBoolean": True},
        {"question": "reason", "operator": "!=", "answerCoding": {"code": "repair"}},
    ]
    since["enableBehavior"] = "all"
    return [
        question(
            "reason",
            "1.",
            "Why is the equipment ordered?",
            "choice",
            required=True,
            answerValueSet=f"{CANONICAL}/ValueSet/sampler-reasons|{VERSION}",
        ),
        question(
            "weight",
            "2.",
            "Body weight",
            "quantity",
            ext(EXT + "questionnaire-unitOption", "Coding", kilogram),
            ext(initial, "Expression", expression(name, "weight")),
            required=True,
        ),
        question(
            "height",
            "3.",
            "Body height",
            "quantity",
            ext(EXT + "questionnaire-unitValueSet", "Canonical", f"{CANONICAL}/ValueSet/sampler-lengths|{VERSION}"),
            ext(initial, "Expression", expression(name, "height")),
        ),
        since,
        question(
            "weight_lb",
            "5.",
            "Body weight in pounds",
            "quantity",
            ext(EXT + "questionnaire-unitOption", "Coding", pound),
            ext(calculated, "Expression", expression(name, "weight in pounds")),
        ),
        question(
            "device",
            "6.",
            "Which device of the chart does it replace?",
            "reference",
            ext(EXT + "questionnaire-referenceResource", "Code", "Device"),
            ext(
                EXT + "questionnaire-referenceProfile",
                "Canonical",
                "http://hl7.org/fhir/us/core/StructureDefinition/us-core-implantable-device",
            ),
            ext(SDC + "candidateExpression", "Expression", expression(name, "devices")),
            ext(
                SDC + "lookupQuestionnaire",
                "Canonical",
                f"{CANONICAL}/Questionnaire/conformance-sampler-adaptive|{VERSION}",
            ),
        ),
        question(
            "course",
            "7.",
            "How did the condition develop?",
            "text",
            ext(SDC + "enableWhenExpression", "Expression", expression(name, "has a condition")),
            maxLength=2000,
        ),
    ]


def _history(name: str) -> Json:
    """A repeating group over the conditions of the chart."""
    parts = [
        ext("label", "String", "Conditions of the chart"),
        ext("expression", "Expression", expression(name, "conditions")),
    ]
    item = [question("history_note", "8.", "What about it matters here?", "string")]
    context = {"extension": parts, "url": SDC + "contextExpression"}
    return question("group-history", None, "Earlier conditions", "group", context, repeats=True, item=item)


def _office() -> list[Json]:
    link = {
        "extension": [
            ext("label", "String", "Medicare Coverage Database"),
            ext("link", "Uri", "https://www.cms.gov/medicare-coverage-database/search.aspx"),
        ],
        "url": EXT + "questionnaire-supportHyperlink",
    }
    places = [option(place, words, "place") for place, words in PLACES.items()]
    places[-1] = {"extension": [ext(EXT + "questionnaire-optionExclusive", "Boolean", True)]} | places[-1]
    supplier = {
        "type": "Organization",
        "identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1245319599"},
        "display": "Chesapeake Home Medical Supply",
    }
    bold = ext(EXT + "rendering-xhtml", "String", "<b>Morning</b>")
    times = [option(time, words, "time") for time, words in TIMES.items()]
    times[0]["valueCoding"]["_display"] = {"extension": [bold]}
    place = question("places", "9.", "Where is it used?", "choice", link, repeats=True, answerOption=places)
    marked = ext(EXT + "rendering-xhtml", "String", "Where is it <i>used</i>?")
    place["_text"] = {"extension": [marked]}
    control = concept("http://hl7.org/fhir/questionnaire-item-control", "autocomplete")
    return [
        place,
        question("delivery", "10.", "When can it be delivered?", "choice", answerOption=times),
        question(
            "supplier",
            "11.",
            "Who supplies it?",
            "choice",
            answerOption=[{"valueReference": supplier}],
        ),
        question(
            "state",
            "12.",
            "In which state is it used?",
            "choice",
            ext(EXT + "questionnaire-itemControl", "CodeableConcept", control),
            answerValueSet=f"{CANONICAL}/ValueSet/sampler-states|{VERSION}",
        ),
        question("report", "13.", "The report", "attachment", ext(EXT + "mimeType", "Code", "application/pdf")),
        question(
            "line",
            None,
            "Line of business",
            "string",
            ext(EXT + "questionnaire-hidden", "Boolean", True),
            initial=[{"valueString": "home equipment"}],
        ),
        question(
            "unit",
            "14.",
            "Answered by",
            "string",
            readOnly=True,
            initial=[{"valueString": "Utilization management"}],
        ),
    ]


def adaptive() -> Json:
    """The same kind of form page by page; the second page comes only for oxygen."""
    name = "ConformanceSamplerAdaptive"
    kilogram = {"system": UCUM, "code": "kg", "display": "kg"}
    litres = {"system": UCUM, "code": "L/min", "display": "L/min"}
    first = [
        question(
            "weight",
            "1.",
            "Body weight",
            "quantity",
            ext(EXT + "questionnaire-unitOption", "Coding", kilogram),
            ext(SDC + "initialExpression", "Expression", expression(name, "weight")),
            required=True,
        ),
        question("oxygen", "2.", "Is oxygen ordered?", "boolean", required=True),
    ]
    night = question("night_flow", "4.", "Flow at night", "boolean")
    night["enableWhen"] = [{"question": "flow", "operator": ">", "answerQuantity": _quantity(2, "L/min")}]
    second = [
        question(
            "flow",
            "3.",
            "Flow at rest",
            "quantity",
            ext(EXT + "questionnaire-unitOption", "Coding", litres),
            required=True,
        ),
        night,
    ]
    oxygen = question("page-oxygen", None, "Oxygen", "group", item=second)
    oxygen["enableWhen"] = [{"question": "oxygen", "operator": "=", "answerBoolean": True}]
    roles = [option(code, words, "role") for code, words in ROLES.items()]
    last = [
        question("seen_by", "5.", "Who has seen the patient?", "choice", required=True, answerOption=roles),
        question("attested", "6.", "That was in the last 30 days.", "boolean", required=True),
    ]
    return head(name, "Conformance sampler: equipment at home, page by page", adaptive=True) | {
        "item": [
            question("page-patient", None, "The patient", "group", item=first),
            oxygen,
            question("page-end", None, "To finish", "group", item=last),
        ]
    }


def _quantity(value: int, unit: str) -> Json:
    return {"value": value, "unit": unit, "system": UCUM, "code": unit}


def library(name: str) -> Json:
    return {
        "resourceType": "Library",
        "id": slug(name),
        "extension": [
            ext(
                EXT + "artifact-versionAlgorithm",
                "Coding",
                {"system": "http://hl7.org/fhir/version-algorithm", "code": "natural"},
            )
        ],
        "url": f"{CANONICAL}/Library/{slug(name)}",
        "version": VERSION,
        "name": name,
        "title": "What a chart can answer of the conformance sampler",
        "status": "active",
        "type": concept("http://terminology.hl7.org/CodeSystem/library-type", "logic-library"),
        "date": TODAY,
        "content": [
            {"contentType": "text/cql", "url": f"{slug(name)}.cql"},
            {"contentType": "application/elm+json", "url": f"{slug(name)}.elm"},
        ],
    }


def written() -> dict[str, bytes]:
    """File name to content."""
    resources = [standard(), adaptive(), library("ConformanceSampler"), library("ConformanceSamplerAdaptive")]
    resources += [
        value_set("sampler-reasons", "Reasons for an order", "urn:precert:sampler:reason", REASONS),
        value_set("sampler-lengths", "Units of length", UCUM, {"cm": "cm", "[in_i]": "in"}),
        value_set("sampler-states", "States and territories", "https://www.usps.com/", dict.fromkeys(STATES)),
    ]
    made = {
        f"{resource['resourceType']}-{resource['id']}.json": (
            json.dumps(resource, indent=2, ensure_ascii=False) + "\n"
        ).encode()
        for resource in resources
    }
    for name in ("ConformanceSampler", "ConformanceSamplerAdaptive"):
        code = files(name, VERSION)
        made[f"{slug(name)}.cql"] = code["cql"]
        made[f"{slug(name)}.elm"] = code["elm.json"]
    return made


def main() -> None:
    """Write the folder."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in written().items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
