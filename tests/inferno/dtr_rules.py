"""What the payer suites hold against packages and forms, one function per rule; each gives what it found wrong.

Source: docs/conformance-dtr.md; nothing is taken from the suites' code.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from typing import Any

from inferno.dtr_running import EXT, SDC, Json, canonical, items, resources
from precert.fhir import json

DTR = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/"
ALTERNATIVE = {
    "2.2.0": DTR + "alternativeExpression",
    "2.0.1": "http://hl7.org/fhir/us/ph-library/StructureDefinition/us-ph-alternative-expression-extension",
}
ROOT_LOGIC = (SDC + "launchContext", EXT + "variable", SDC + "itemPopulationContext", EXT + "cqf-library")
POPULATION = tuple(SDC + name for name in ("initialExpression", "candidateExpression", "contextExpression"))
CQL = ("text/cql", "text/cql-expression", "text/cql-identifier")
_QUALIFIED = re.compile(r'"([^"]+)"\."([^"]+)"')


def libraries(bundles: Iterable[Json]) -> Iterator[str]:
    """There are some; each holds CQL and ELM that say the same name; no name is there twice."""
    found = [library for bundle in bundles for library in resources(bundle, "Library")]
    if not found:
        yield "no library"
    names = [library["name"] for library in found]
    yield from (f"{name} is there twice" for name in set(names) if names.count(name) > 1)
    for library in found:
        try:
            cql, elm = contents(library)
        except (KeyError, ValueError) as fault:
            yield f"{library['name']}: {fault!r}"
            continue
        if not cql.startswith(f"library {library['name']} version '{library['version']}'"):
            yield f"{library['name']}: the CQL is called otherwise"
        if elm["identifier"] != {"id": library["name"], "version": library["version"]}:
            yield f"{library['name']}: the ELM is called otherwise"


def contents(library: Json) -> tuple[str, Json]:
    """The CQL and the ELM. Raises KeyError or ValueError when one is not there or not readable."""
    parts = {part["contentType"]: base64.b64decode(part["data"], validate=True) for part in library["content"]}
    return parts["text/cql"].decode(), json.loads(parts["application/elm+json"])["library"]


def root_logic(form: Json) -> Iterator[str]:
    """At least one source of population; variables and population contexts are CQL (2.0.1 suite: exactly)."""
    extensions = form.get("extension", [])
    if not any(extension["url"] in ROOT_LOGIC for extension in extensions):
        yield f"{form['id']}: nothing to populate from"
    for extension in extensions:
        if "valueExpression" in extension and extension["valueExpression"]["language"] != "text/cql":
            yield f"{form['id']}: {extension['url']} is not text/cql"


def library_references(form: Json, known: Iterable[str]) -> Iterator[str]:
    """``cqf-library`` names one of ``known``."""
    named = [e["valueCanonical"] for e in form.get("extension", []) if e["url"] == EXT + "cqf-library"]
    yield from (f"{form['id']}: {one} is not there" for one in named if one not in set(known))


def expressions(element: Any) -> Iterator[Json]:
    """Every Expression below ``element``, other forms of one left out."""
    if isinstance(element, list):
        for one in element:
            yield from expressions(one)
    elif isinstance(element, dict):
        if "language" in element and "expression" in element:
            yield element
            return
        for member in element.values():
            yield from expressions(member)


def populated(forms: Iterable[Json]) -> bool:
    """Whether some item is filled from the chart."""
    found = [e["url"] for form in forms for item in items(form) for e in item.get("extension", [])]
    return any(url in POPULATION for url in found)


def languages(form: Json, allowed: Iterable[str]) -> Iterator[str]:
    """Expressions of items are in one of the languages."""
    for expression in expressions(form.get("item", [])):
        if expression["language"] not in set(allowed):
            yield f"{form['id']}: {expression['expression']} is {expression['language']}"


def elm(form: Json, edition: str) -> Iterator[str]:
    """Every Expression, of the root too, has its ELM beside it (spec-96)."""
    for expression in expressions([form.get("extension", []), form.get("item", [])]):
        others = [e["valueExpression"] for e in expression.get("extension", []) if e["url"] == ALTERNATIVE[edition]]
        if [other["language"] for other in others] != ["application/elm+json"]:
            yield f"{form['id']}: {expression['expression']} has no ELM"
        for other in others:
            json.loads(other["expression"].encode())


def definitions(form: Json, packaged: Iterable[Json]) -> Iterator[str]:
    """Every expression names a definition that a library of the package has, in CQL and in ELM."""
    known: set[tuple[str, str]] = set()
    for library in packaged:
        cql, made = contents(library)
        for statement in made["statements"]["def"]:
            if statement["name"] == "Patient" or f'define "{statement["name"]}":' in cql:
                known.add((library["name"], statement["name"]))
    for expression in expressions([form.get("extension", []), form.get("item", [])]):
        for name in _QUALIFIED.findall(expression["expression"]):
            if name not in known:
                yield f"{form['id']}: {expression['expression']} is defined nowhere"


def versions(bundle: Json) -> Iterator[str]:
    """The form has a version, and every canonical in it names one that is in the bundle (oper-14, oper-16)."""
    form = bundle["entry"][0]["resource"]
    packaged = {canonical(e["resource"]) for e in bundle["entry"] if "url" in e["resource"]}
    if not form.get("version"):
        yield f"{form['id']}: no version"
    named = [item["answerValueSet"] for item in items(form) if "answerValueSet" in item]
    named += [e["valueCanonical"] for e in form.get("extension", []) if e["url"] == EXT + "cqf-library"]
    yield from (f"{form['id']}: {one} is not in the package" for one in named if one not in packaged)


def references(response: Json) -> Iterator[str]:
    """Fragments resolve and stand in answers only; nothing else is absolute, for no client address is given."""
    inside = {f"#{one['id']}" for one in response.get("contained", [])}
    for path, reference in _references(response, ""):
        if reference.startswith("#"):
            if reference not in inside or ".answer." not in path:
                yield f"{path}: {reference}"
        elif ":" in reference:
            yield f"{path}: {reference} is absolute"


def _references(value: Any, path: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, list):
        for one in value:
            yield from _references(one, path)
    elif isinstance(value, dict):
        if isinstance(value.get("reference"), str):
            yield path, value["reference"]
        for key, member in value.items():
            if key != "contained":
                yield from _references(member, f"{path}.{key}")


def extension_urls(value: Any) -> Iterator[str]:
    """The urls of all extensions, parts of complex ones left out."""
    if isinstance(value, list):
        for one in value:
            yield from extension_urls(one)
    elif isinstance(value, dict):
        for key, member in value.items():
            if key == "extension":
                yield from (one["url"] for one in member if ":" in one["url"])
            yield from extension_urls(member)
