"""The Library of a form: its definitions as CQL text and as ELM, of one name and version.

Every form has a library of its own, even where two say the same: the 2.0.1 suite refuses one that is in two packages.
Source: DTR 2.2.0 spec-87, spec-92..99, oper-12, oper-13; SDC sdc-library.
"""

from __future__ import annotations

import base64

from precert.dtr import urls
from precert.dtr.forms import Served
from precert.dtr.population import Population
from precert.dtr.questionnaire import Site
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.fhir.types import Element, Resource


def library_name(served: Served) -> str:
    """The CQL name; the adaptive form's differs, so that both fit into one answer."""
    return served.form.library_name + ("Adaptive" if served.manner == "adaptive" else "")


def libraries(served: Served, shape: Shape, site: Site) -> list[Resource]:
    """The form's Library, if the chart can answer any of it."""
    form = served.form
    if not form.population.definitions:
        return []
    name = library_name(served)
    cql = cql_text(name, form.version, form.population)
    elm = elm_library(name, form.version, form.population)
    extensions = shape.version_algorithm()
    return [
        {
            "resourceType": "Library",
            "id": urls.fhir_id(served.id),
            "meta": {"lastUpdated": f"{form.changed.isoformat()}T00:00:00Z"},
            **({"extension": extensions} if extensions else {}),
            "url": urls.canonical(site.root, "Library", served.id),
            "version": form.version,
            "name": name,
            "title": f"{form.title}: what the chart can answer",
            "status": "active",
            "type": {"coding": [{"system": urls.LIBRARY_TYPES, "code": "logic-library"}]},
            "date": form.changed.isoformat(),
            "dataRequirement": list(form.population.requirements),
            "content": [
                {"contentType": "text/cql", "data": base64.b64encode(cql.encode()).decode()},
                {"contentType": "application/elm+json", "data": base64.b64encode(json.dumps(elm)).decode()},
            ],
        }
    ]


def cql_text(name: str, version: str, population: Population) -> str:
    """The library in CQL 1.5."""
    systems = {system: _system_name(system) for _, system, _ in population.codes}
    lines = [f"library {name} version '{version}'", "", "using FHIR version '4.0.1'", ""]
    lines += [f"codesystem \"{short}\": '{system}'" for system, short in systems.items()]
    lines += [f'code "{title}": \'{code}\' from "{systems[system]}"' for title, system, code in population.codes]
    lines += ["", "context Patient", ""]
    for title, definition in population.definitions.items():
        lines += [f'define "{title}":', f"  {definition.cql}", ""]
    return "\n".join(lines)


def elm_library(name: str, version: str, population: Population) -> Element:
    """The same as ELM, without annotations."""
    systems = {system: _system_name(system) for _, system, _ in population.codes}
    patient = {"type": "SingletonFrom", "operand": {"dataType": "{http://hl7.org/fhir}Patient", "type": "Retrieve"}}
    library: Element = {
        "identifier": {"id": name, "version": version},
        "schemaIdentifier": {"id": "urn:hl7-org:elm", "version": "r1"},
        "usings": {
            "def": [
                {"localIdentifier": "System", "uri": "urn:hl7-org:elm-types:r1"},
                {"localIdentifier": "FHIR", "uri": "http://hl7.org/fhir", "version": "4.0.1"},
            ]
        },
    }
    if systems:
        library["codeSystems"] = {"def": [{"name": n, "id": s, "accessLevel": "Public"} for s, n in systems.items()]}
        library["codes"] = {
            "def": [
                {"name": title, "id": code, "accessLevel": "Public", "codeSystem": {"name": systems[system]}}
                for title, system, code in population.codes
            ]
        }
    library["contexts"] = {"def": [{"name": "Patient"}]}
    library["statements"] = {
        "def": [
            {"name": "Patient", "context": "Patient", "expression": patient},
            *(
                {"name": title, "context": "Patient", "accessLevel": "Public", "expression": definition.elm}
                for title, definition in population.definitions.items()
            ),
        ]
    }
    return {"library": library}


def _system_name(system: str) -> str:
    return system.rsplit("/", 1)[-1]
