"""Counts the must-support elements of the DTR profiles, as :mod:`inferno.must_support` does for PAS.

Like the kit it looks at items of the first level only: what stands in groups is not seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from inferno.must_support import Profile
from precert.fhir.validation.tables import Library, data_dir

DTR = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/"
Json = dict[str, Any]


class DtrProfile(Profile):
    """The must-support rows of one DTR profile. Below a prohibited element nothing can be shown."""

    def __init__(self, name: str, edition: str) -> None:
        found = Library(data_dir("profiles")).scope(f"dtr-{edition}").profile(DTR + name)
        assert found is not None, name
        self.package, self.table = found
        self._rows = {row.id: row for row in self.table.elements}

    def units(self) -> list[str]:
        never = tuple(f"{row.id}." for row in self.table.elements if row.max == 0)
        return [id for id in super().units() if not id.startswith(never)]

    def _step(self, node: Any, step: str, id: str) -> Iterator[Any]:
        yield from super()._step(node, step, id)
        if isinstance(node, dict) and step == "value[x]":  # extensions of a primitive stand beside it
            yield from (value for key, value in node.items() if key.startswith("_value"))

    def _in_slice(self, parent: Json, value: Any, id: str) -> bool:
        name = id.rpartition(":")[2]
        if id.startswith("Bundle.entry:") and id.count(".") == 1:  # called like the type, but for its first letter
            return bool(value.get("resource", {}).get("resourceType", "").lower() == name.lower())
        if id.rpartition(".")[2] == f"extension:{name}" and not self._profiles(id):  # a part of a complex extension
            return bool(value.get("url") == name)
        return super()._in_slice(parent, value, id)

    def _profiles(self, id: str) -> list[str]:
        return [url for kind in self.package.types(self._rows[id].types) for url in kind.profiles]
