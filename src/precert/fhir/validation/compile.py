"""IG packages to tables: ``precert profile compile``."""

from __future__ import annotations

import gzip
import io
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from precert.fhir.validation.model import (
    FORMAT,
    UNBOUNDED,
    Constraint,
    ElementRow,
    PackageTable,
    ProfileTable,
    Slicing,
    TypeRow,
    encoder,
)
from precert.fhir.validation.package import Package, PackageError, read_package
from precert.fhir.validation.terminology import Terminology, in_fhir_namespace

SUFFIX = ".json.gz"
Progress = Callable[[str], None]

_EVERYWHERE = frozenset({"ele-1"})
"""Holds for every element of every type: the walker checks it without being told."""
_CORE = "hl7.fhir.r4.core"
_RESOURCE_TYPES = "http://hl7.org/fhir/resource-types"
_MEMBER_OF = re.compile(r"memberOf\('([^']+)'\)")
_VERSION_USE = "http://hl7.org/fhir/StructureDefinition/version-specific-use"
_R4 = (4, 0)
_QUOTED_SYSTEM = re.compile(r"system\s*=\s*'([^']+)'")


class _Interned:
    """Lists that thousands of rows share, each kept once."""

    def __init__(self) -> None:
        self.types: dict[tuple[TypeRow, ...], int] = {}
        self.constraints: dict[Constraint, int] = {}

    def type_list(self, rows: tuple[TypeRow, ...]) -> int:
        return self.types.setdefault(rows, len(self.types))

    def constraint(self, row: Constraint) -> int:
        return self.constraints.setdefault(row, len(self.constraints))


def _type_row(declared: dict[str, Any], path: str, root: str) -> TypeRow:
    code = declared["code"]
    for extension in declared.get("extension", []):
        # FHIRPath system types stand for the primitive named in this extension (Resource.id is an id, not a string).
        if extension.get("url", "").endswith("structuredefinition-fhir-type"):
            code = extension.get("valueUrl", extension.get("valueUri", code))
    if path == f"{root}.id" and code in ("string", "http://hl7.org/fhirpath/System.String"):
        code = "id"
    return TypeRow(code, tuple(declared.get("profile", ())), tuple(declared.get("targetProfile", ())))


def _prefixed(element: dict[str, Any], prefix: str) -> Any:
    return next((value for key, value in element.items() if key.startswith(prefix)), msgspec.UNSET)


def _row(element: dict[str, Any], profile: dict[str, Any], shared: _Interned) -> ElementRow:
    path = element["path"]
    base = element.get("base", {})
    binding = element.get("binding", {})
    cut = element.get("slicing")
    reference = element.get("contentReference")
    is_resource_id = profile["kind"] == "resource"
    types = tuple(
        _type_row(declared, path, profile["type"] if is_resource_id else "") for declared in element.get("type", [])
    )
    return ElementRow(
        id=element["id"],
        min=element.get("min", 0),
        max=UNBOUNDED if element["max"] == "*" else int(element["max"]),
        base_path=base.get("path") if base.get("path") != path else None,
        base_min=base.get("min", 0),
        array=base.get("max", element["max"]) not in ("0", "1"),
        types=shared.type_list(types) if types else -1,
        fixed=_prefixed(element, "fixed"),
        pattern=_prefixed(element, "pattern"),
        value_set=binding.get("valueSet"),
        strength=binding.get("strength"),
        slicing=Slicing(
            by=tuple((by["type"], by["path"]) for by in cut.get("discriminator", [])),
            closed=cut.get("rules") == "closed",
            ordered=bool(cut.get("ordered")),
        )
        if cut
        else None,
        content_reference=reference.partition("#")[2] if reference else None,
        must_support=bool(element.get("mustSupport")),
        modifier=bool(element.get("isModifier")),
        constraints=tuple(
            shared.constraint(Constraint(c["key"], c["severity"], c["expression"].strip()))
            for c in element.get("constraint", [])
            if c["key"] not in _EVERYWHERE and c.get("expression")
        ),
        max_length=element.get("maxLength"),
        least=_prefixed(element, "minValue"),
        most=_prefixed(element, "maxValue"),
    )


def for_r4(element: dict[str, Any]) -> bool:
    """Whether ``element`` (a definition, or one of its contexts) says nothing against its use in FHIR R4.

    The extension version-specific-use names the first and the last version of FHIR, as ``4.0`` or ``4.0.1``.
    """
    for extension in element.get("extension", ()):
        if extension.get("url") == _VERSION_USE:
            bounds = {part["url"]: _release(part.get("valueCode", "")) for part in extension.get("extension", ())}
            first, last = bounds.get("startFhirVersion"), bounds.get("endFhirVersion")
            if (first is not None and first > _R4) or (last is not None and last < _R4):
                return False
    return True


def _release(version: str) -> tuple[int, ...] | None:
    numbers = re.findall(r"\d+", version)
    return tuple(int(number) for number in numbers[:2]) if numbers else None


def _contexts(definition: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple((c["type"], c["expression"]) for c in definition.get("context", ()) if for_r4(c))


def _own_systems(package: Package, profiles: Iterable[ProfileTable], constraints: Iterable[Constraint]) -> set[str]:
    """The code systems in FHIR's own namespace that ``package`` defines, draws codes from, or names in its rules."""
    named = set(package.code_systems)
    for value_set in package.value_sets.values():
        named.update(
            include["system"] for include in value_set.get("compose", {}).get("include", ()) if "system" in include
        )
    for constraint in constraints:
        named.update(_QUOTED_SYSTEM.findall(constraint.expression))
    for profile in profiles:
        for row in profile.elements:
            named.update(_systems_in(row.fixed))
            named.update(_systems_in(row.pattern))
    return {system for system in named if in_fhir_namespace(system)}


def _systems_in(value: Any) -> Iterator[str]:
    """Every ``system`` in a fixed value or pattern."""
    if isinstance(value, dict):
        if isinstance(value.get("system"), str):
            yield value["system"]
        for member in value.values():
            yield from _systems_in(member)
    elif isinstance(value, list):
        for member in value:
            yield from _systems_in(member)


def _profile(definition: dict[str, Any], package: Package, shared: _Interned) -> ProfileTable:
    elements = definition.get("snapshot", {}).get("element")
    if not elements:
        raise PackageError(
            f"{package.name}: {definition['url']} has no snapshot. Build the package with snapshots "
            "(IG publisher, or SUSHI --snapshot) and compile again."
        )
    version = definition.get("version", "")
    contexts = _contexts(definition)
    return ProfileTable(
        url=definition["url"],
        type=definition["type"],
        kind=definition["kind"],
        version=version if version != package.version else "",
        base=definition.get("baseDefinition", ""),
        abstract=bool(definition.get("abstract")),
        constraint=definition.get("derivation") == "constraint",
        contexts=contexts,
        other_versions_only=not for_r4(definition) or (bool(definition.get("context")) and not contexts),
        context_invariants=tuple(definition.get("contextInvariant", ())),
        elements=tuple(_row(element, definition, shared) for element in elements),
    )


def _wanted_value_sets(profiles: Iterable[ProfileTable], constraints: Iterable[Constraint]) -> set[str]:
    bound = {
        row.value_set.partition("|")[0]
        for profile in profiles
        for row in profile.elements
        if row.value_set and row.strength == "required"
    }
    for constraint in constraints:
        bound.update(_MEMBER_OF.findall(constraint.expression))
    return bound


def _bound_in(package: Package) -> set[str]:
    """The value sets that the definitions of ``package`` bind as required."""
    return {
        binding["valueSet"].partition("|")[0]
        for definition in package.profiles
        for element in definition.get("snapshot", {}).get("element", ())
        if (binding := element.get("binding")) and binding.get("strength") == "required" and "valueSet" in binding
    }


def compile_package(package: Package, dependencies: Sequence[Package] = ()) -> PackageTable:
    """Turn ``package`` into its table. ``dependencies`` lend value sets and code systems, in order of preference.

    The table carries the value sets that its own profiles bind, and those it defines for the others to bind.

    Logical models are left out: they describe no FHIR resource. Raises PackageError for a profile without snapshot.
    """
    shared = _Interned()
    terminology = Terminology([package, *dependencies])
    profiles = [
        _profile(definition, package, shared)
        for definition in package.profiles
        if definition.get("kind") != "logical" and isinstance(definition.get("type"), str)
    ]
    wanted = _wanted_value_sets(profiles, shared.constraints)
    for other in dependencies:
        wanted.update(_bound_in(other) & package.value_sets.keys())
    value_sets = {
        url: msgspec.structs.replace(terminology.table(url), own=url in package.value_sets) for url in sorted(wanted)
    }
    return PackageTable(
        format=FORMAT,
        package=package.name,
        version=package.version,
        index={profile.url: profile.type for profile in profiles},
        types=tuple(shared.types),
        constraints=tuple(shared.constraints),
        value_sets={url: msgspec.Raw(encoder.encode(table)) for url, table in value_sets.items()},
        profiles={profile.url: msgspec.Raw(encoder.encode(profile)) for profile in profiles},
        resource_types=terminology.codes_of(_RESOURCE_TYPES) if package.name == _CORE else (),
        code_systems=tuple(sorted(_own_systems(package, profiles, shared.constraints))),
    )


def write(table: PackageTable, folder: Path) -> Path:
    """Write ``table`` into ``folder``; the same table always gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"{table.package}-{table.version}{SUFFIX}"
    buffer = io.BytesIO()
    with gzip.GzipFile(fileobj=buffer, mode="wb", compresslevel=9, mtime=0, filename="") as stream:
        stream.write(encoder.encode(table))
    partial = target.with_suffix(".part")
    partial.write_bytes(buffer.getvalue())
    partial.replace(target)
    return target


def compile_packages(paths: Sequence[Path], out: Path, progress: Progress | None = None) -> list[Path]:
    """Compile every package in ``paths`` into ``out``; all of them lend each other value sets and code systems.

    ``progress`` gets one line per step. Raises PackageError naming the file that cannot be read.
    """
    say = progress or (lambda _: None)
    packages: list[Package] = []
    for path in paths:
        say(f"reading {path.name}")
        packages.append(read_package(path))
    # Of several versions the newest lends first; the package itself always comes before its lenders.
    lenders = sorted(packages, key=lambda p: (p.name, [int(n) for n in re.findall(r"\d+", p.version)]), reverse=True)
    written: list[Path] = []
    for package in packages:
        say(f"compiling {package.name} {package.version}")
        written.append(write(compile_package(package, [p for p in lenders if p is not package]), out))
    return written
