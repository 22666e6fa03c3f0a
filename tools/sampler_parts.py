"""Items, expressions and value sets of the sampler forms."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from tools.requests import Json

EXT = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-"
DTR = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/"
STANDARD = DTR + "dtr-std-questionnaire"
ADAPTIVE = DTR + "dtr-questionnaire-adapt"
UCUM = "http://unitsofmeasure.org"
CANONICAL = "{canonical}"
SERVER = "{server}"
VERSION = "2026.1"
TODAY = "2026-07-01"


def ext(url: str, kind: str, value: Any) -> Json:
    """An extension with a value."""
    return {"url": url, f"value{kind}": value}


def concept(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def option(code: str, words: str, of: str) -> Json:
    """An answer on offer, of a list of codes of our own."""
    return {"valueCoding": {"system": f"urn:precert:sampler:{of}", "code": code, "display": words}}


def expression(library: str, definition: str, name: str | None = None) -> Json:
    """A definition of the library as an Expression, with its ELM beside it (spec-96)."""
    elm = json.dumps({"name": definition, "type": "ExpressionRef"}, separators=(",", ":"))
    other = {"language": "application/elm+json", "expression": elm}
    made: Json = {"extension": [ext(DTR + "alternativeExpression", "Expression", other)]}
    return (
        made | ({"name": name} if name else {}) | {"language": "text/cql", "expression": f'"{library}"."{definition}"'}
    )


def question(link_id: str, prefix: str | None, text: str, kind: str, *extensions: Json, **more: Any) -> Json:
    """One item."""
    made: Json = {"extension": list(extensions)} if extensions else {}
    made["linkId"] = link_id
    if prefix:
        made["prefix"] = prefix
    made |= {"text": text, "type": kind}
    if kind != "group":
        made |= {"required": False, "repeats": False}
    return made | more


def value_set(id: str, title: str, system: str, codes: Mapping[str, str | None]) -> Json:
    """A list of codes, each with its words if it has some."""
    listed = [{"code": code} | ({"display": words} if words else {}) for code, words in codes.items()]
    return {
        "resourceType": "ValueSet",
        "id": id,
        "url": f"{CANONICAL}/ValueSet/{id}",
        "version": VERSION,
        "name": "".join(part.capitalize() for part in id.split("-")),
        "title": title,
        "status": "active",
        "date": TODAY,
        "compose": {"include": [{"system": system, "concept": listed}]},
    }
