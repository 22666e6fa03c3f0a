"""Reading the folder of hand-made forms: every file, what belongs together, and what is wrong with it.

A file holds one Questionnaire, Library or ValueSet as FHIR JSON. ``Library.content`` may name a file beside it
(``"url": "name.cql"``), which is taken in. A form with a fault is not served and named among the problems; the others are.
Source: DTR 2.2.0 oper-12..17, spec-95..99; docs/dtr.md.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from precert.dtr import shape20, shape22, urls
from precert.dtr.handmade.codes import enumerated
from precert.dtr.handmade.collection import Handmade, HandmadeForms, references
from precert.dtr.handmade.wire import contained, package_form, placed
from precert.dtr.questionnaire import Site
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element, Resource, elements, text

Check = Callable[[Resource, str], Sequence[str]]
"""Holds a resource against its profiles in a set of tables; gives the errors."""

_SITE = Site("http://forms.invalid")  # any address: only what is sent under a real one counts
_SHAPES: tuple[Shape, ...] = (shape22, shape20)


def load_handmade_forms(folder: Path | None, check: Check = lambda resource, context: ()) -> HandmadeForms:
    """All forms of ``folder``; none without a folder. Raises NotADirectoryError."""
    if folder is None:
        return HandmadeForms()
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is not a directory of forms")
    resources: dict[tuple[str, str, str], Resource] = {}
    problems: list[str] = []
    for path in sorted(folder.glob("*.json")):
        try:
            resource = _read(path)
        except (ValueError, OSError, FhirError) as fault:
            problems.append(f"{path.name}: {fault}")
            continue
        key = str(resource["resourceType"]), str(resource["url"]), str(resource["version"])
        if key in resources:
            problems.append(f"{path.name}: {key[1]}|{key[2]} stands in another file too.")
            continue
        resources[key] = resource
    forms: list[Handmade] = []
    for (kind, _, _), resource in resources.items():
        if kind == "Questionnaire":
            form, faults = _form(resource, resources, check)
            problems += [f"{form.id}|{form.version}: {fault}" for fault in faults]
            forms += [] if faults else [form]
    return HandmadeForms(tuple(sorted(forms, key=lambda form: (form.id, _natural(form.version)))), tuple(problems))


def _natural(version: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdigit() else (-1, part) for part in version.split(".")]


def _read(path: Path) -> Resource:
    """One file. Raises ValueError, OSError or FhirError."""
    resource = json.load_resource(path.read_bytes())
    if resource["resourceType"] not in ("Questionnaire", "Library", "ValueSet"):
        raise ValueError(f"A {resource['resourceType']} is none of Questionnaire, Library and ValueSet.")
    for member in ("id", "url", "version"):
        if text(resource.get(member)) is None:
            raise ValueError(f"It has no {member}; forms are found by url and version and kept apart by id.")
    for content in elements(resource.get("content")):
        beside = text(content.get("url"))
        if beside is not None and "/" not in beside and "data" not in content:
            content["data"] = base64.b64encode((path.parent / beside).read_bytes()).decode()
            del content["url"]
    return resource


def _form(
    questionnaire: Resource, resources: dict[tuple[str, str, str], Resource], check: Check
) -> tuple[Handmade, list[str]]:
    """The form with everything that it names, directly or through a Library."""
    found: dict[str, dict[str, Resource]] = {"Library": {}, "ValueSet": {}}
    faults: list[str] = []
    open_ = [questionnaire]
    while open_:
        for kind, canonicals in references(open_.pop()).items():
            for canonical in sorted(canonicals - set(found[kind])):
                url, version = urls.split(canonical)
                part = resources.get((kind, url, version or ""))
                if version is None:
                    faults.append(f"{canonical} is named without a version.")
                elif part is None:
                    faults.append(f"{canonical} is named and no file of this folder holds it.")
                else:
                    found[kind][canonical] = part
                    open_.append(part)
    form = Handmade(questionnaire, tuple(found["Library"].values()), tuple(found["ValueSet"].values()))
    if not faults:
        faults = [*_unfit(form), *_invalid(form, check)]
    return form, list(dict.fromkeys(faults))


def _unfit(form: Handmade) -> Iterator[str]:
    """What no profile says."""
    names: set[str] = set()
    if not elements(form.questionnaire.get("item")):
        yield "It asks nothing."
    for link_id in _link_ids(form.questionnaire):
        if link_id in names:
            yield f"linkId {link_id} is there twice."
        names.add(link_id)
    for library in form.libraries:
        kinds = {content.get("contentType") for content in elements(library.get("content")) if content.get("data")}
        if missing := {"text/cql", "application/elm+json"} - kinds:
            yield f"Library {library['id']} has no content of type {', '.join(sorted(missing))}."
    for value_set in form.value_sets:
        if enumerated(value_set) is None:
            yield f"ValueSet {value_set['id']} lists no codes; without a terminology service it cannot be expanded."


def _link_ids(element: Element) -> Iterator[str]:
    for item in elements(element.get("item")):
        yield str(item.get("linkId"))
        yield from _link_ids(item)


def _invalid(form: Handmade, check: Check) -> Iterator[str]:
    """What the profiles of both versions have against it, as it would be sent."""
    for shape in _SHAPES:
        sent = [package_form(form, _SITE, shape), *(placed(part, _SITE, shape) for part in form.libraries)]
        if form.adaptive:
            sent.append(contained(form, set(_link_ids(form.questionnaire)), "form", _SITE, shape))
        for resource in sent:
            for said in check(resource, shape.CONTEXT):
                yield f"{shape.CONTEXT}: {said}"
