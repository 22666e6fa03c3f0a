"""Counts must-support: which elements, slices and extensions that a profile marks were seen with a value.

As the official kit does it: all resources of one type are pooled, whatever profile they claim, and each unit has to be
seen once. Fuller than the kit: every must-support row of the snapshot counts, slices of any kind included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from msgspec import UNSET

from precert.fhir.validation.model import ElementRow, ProfileTable
from precert.fhir.validation.tables import Library, LoadedPackage, data_dir

SD = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"
Json = dict[str, Any]


class Profile:
    """The must-support rows of one profile."""

    def __init__(self, name: str, edition: str) -> None:
        scope = Library(data_dir("profiles")).scope(f"pas-{edition}")
        found = scope.profile(SD + name)
        assert found is not None, name
        self.package: LoadedPackage = found[0]
        self.table: ProfileTable = found[1]
        self._rows = {row.id: row for row in self.table.elements}

    @property
    def type(self) -> str:
        return self.table.type

    def units(self) -> list[str]:
        """The ids of what is marked (a prohibited element can be marked too; nobody can show it)."""
        return [row.id for row in self.table.elements if row.must_support and row.max != 0]

    def missing(self, resources: Iterable[Json]) -> list[str]:
        """The marked ids that none of ``resources`` (of any type) has a value for."""
        pooled = [r for r in resources if r.get("resourceType") == self.type]
        return [id for id in self.units() if not any(self._present(r, id) for r in pooled)]

    def _present(self, resource: Json, id: str) -> bool:
        nodes: list[Any] = [resource]
        at = self.type
        for step in id.split(".")[1:]:
            at = f"{at}.{step}"
            nodes = [value for node in nodes for value in self._step(node, step, at)]
        return any(value not in (None, "", [], {}) for value in nodes)

    def _step(self, node: Any, step: str, id: str) -> Iterator[Any]:
        if not isinstance(node, dict):
            return
        name, _, slice_name = step.partition(":")
        for value in _values(node, name):
            if not slice_name or self._in_slice(node, value, id):
                yield value

    def _in_slice(self, parent: Json, value: Any, id: str) -> bool:
        row = self._rows[id]
        kinds = self.package.types(row.types)
        if id.rpartition(".")[2].partition(":")[0].endswith("[x]"):
            return any(_typed(parent, id, kind.code) for kind in kinds)
        if any(kind.code == "Extension" for kind in kinds):
            profiles = {url.partition("|")[0] for kind in kinds for url in kind.profiles}
            return isinstance(value, dict) and value.get("url") in profiles
        if row.pattern is not UNSET or row.fixed is not UNSET:
            return _meets(row, value)
        inner = [r for other, r in self._rows.items() if other.startswith(id + ".") and _says(r)]
        if inner:
            return all(self._meets_below(value, id, r) for r in inner)
        if row.value_set:  # sliced by its binding: X12 and US Core lists are told by their system
            wanted = "x12.org" if "x12.org" in row.value_set else row.value_set.rpartition("/")[2].partition("|")[0]
            systems = [value.get("system", ""), *(c.get("system", "") for c in value.get("coding", ()))]
            return any(wanted in system for system in systems)
        return self._right_resource(value, id)

    def _meets_below(self, value: Any, id: str, row: ElementRow) -> bool:
        """Whether the discriminating part below a slice is as the slice wants it."""
        nodes = [value]
        at = id
        for step in row.id.removeprefix(id + ".").split("."):
            at = f"{at}.{step}"
            nodes = [inner for node in nodes for inner in self._step(node, step, at)]
        return any(_meets(row, node) for node in nodes)

    def _right_resource(self, value: Any, id: str) -> bool:
        """An entry slice is told by the type of its resource (its name)."""
        wanted = id.rpartition(":")[2]
        return isinstance(value, dict) and value.get("resource", {}).get("resourceType") == wanted


def _values(node: Json, name: str) -> Iterator[Any]:
    if name.endswith("[x]"):
        stem = name.removesuffix("[x]")
        found = [v for k, v in node.items() if k.startswith(stem) and k[len(stem) : len(stem) + 1].isupper()]
    else:
        found = [node[key] for key in (name, f"_{name}") if key in node]
    for value in found:
        yield from value if isinstance(value, list) else [value]


def _typed(parent: Json, id: str, code: str) -> bool:
    stem = id.rpartition(".")[2].partition("[x]")[0]
    return f"{stem}{code[0].upper()}{code[1:]}" in parent


def _says(row: ElementRow) -> bool:
    return row.pattern is not UNSET or row.fixed is not UNSET


def _meets(row: ElementRow, value: Any) -> bool:
    wanted = row.pattern if row.pattern is not UNSET else row.fixed
    return _includes(value, wanted)


def _includes(value: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(value, dict) and all(k in value and _includes(value[k], v) for k, v in wanted.items())
    if isinstance(wanted, list):
        return isinstance(value, list) and all(any(_includes(v, w) for v in value) for w in wanted)
    return bool(value == wanted)


def resources(bundles: Iterable[Json]) -> list[Json]:
    """The bundles and what stands in their entries (nested bundles stay closed, as in the kit)."""
    found: list[Json] = []
    for bundle in bundles:
        found.append(bundle)
        found += [entry["resource"] for entry in bundle.get("entry", ()) if "resource" in entry]
    return found
