"""The compiled form of a profile package: facts only, with short names because there are tens of thousands of them.

A table is what ``compile`` writes and ``tables`` reads. It holds no definitions, comments or other prose of the source.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET

UNBOUNDED = -1
"""``ElementRow.max`` for ``*``."""

FORMAT = 1
"""Raised whenever older tables can no longer be read."""


class TypeRow(msgspec.Struct, omit_defaults=True, frozen=True, rename={"code": "c", "profiles": "p", "targets": "r"}):
    """One type an element may have: the profiles its value must meet, and what a reference may point to."""

    code: str
    profiles: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()


class Slicing(msgspec.Struct, omit_defaults=True, frozen=True, rename={"by": "d", "closed": "x", "ordered": "o"}):
    """How a repeating element is cut: pairs of (discriminator type, path)."""

    by: tuple[tuple[str, str], ...] = ()
    closed: bool = False
    ordered: bool = False


class ElementRow(
    msgspec.Struct,
    omit_defaults=True,
    rename={
        "id": "i",
        "min": "n",
        "max": "x",
        "base_path": "b",
        "base_min": "m",
        "array": "a",
        "types": "t",
        "fixed": "f",
        "pattern": "p",
        "value_set": "v",
        "strength": "s",
        "slicing": "l",
        "content_reference": "r",
        "must_support": "u",
        "modifier": "o",
        "constraints": "k",
        "max_length": "g",
        "least": "y",
        "most": "z",
    },
):
    """One element of a snapshot. ``types`` and ``constraints`` are indexes into lists of the package."""

    id: str
    min: int = 0
    max: int = 1
    base_path: str | None = None
    base_min: int = 0
    array: bool = False
    types: int = -1
    fixed: Any = UNSET
    pattern: Any = UNSET
    value_set: str | None = None
    strength: str | None = None
    slicing: Slicing | None = None
    content_reference: str | None = None
    must_support: bool = False
    modifier: bool = False
    constraints: tuple[int, ...] = ()
    max_length: int | None = None
    least: Any = UNSET
    most: Any = UNSET


class ProfileTable(msgspec.Struct, omit_defaults=True):
    """A StructureDefinition: its type, where an extension may stand, and the rows of its snapshot."""

    url: str
    type: str
    kind: str
    version: str = ""
    base: str = ""
    abstract: bool = False
    constraint: bool = False
    contexts: tuple[tuple[str, str], ...] = ()
    """Where an extension may stand in R4: (``element``, ``extension`` or ``fhirpath``; expression)."""
    other_versions_only: bool = False
    """Every context that the definition names, or the definition itself, is for other versions of FHIR than R4."""
    context_invariants: tuple[str, ...] = ()
    elements: tuple[ElementRow, ...] = ()


class ValueSetTable(msgspec.Struct, omit_defaults=True, frozen=True, rename={"system_only": "system-only"}):
    """What a value set takes.

    ``codes`` lists codes by system. ``system_only`` names systems of which any code passes: their code lists are
    licensed (X12, CPT, SNOMED CT, LOINC, HCPCS, ICD …) or not published. ``inferred`` says that the value set itself
    was not available and the system was read off its address; ``unknown``, that nothing can be said. ``own`` marks the
    value sets that the package itself defines: they win over the copies that other packages carry.
    """

    codes: dict[str, tuple[str, ...]] = {}
    system_only: tuple[str, ...] = ()
    inferred: bool = False
    unknown: bool = False
    own: bool = False


class Constraint(msgspec.Struct, frozen=True, array_like=True):
    """An invariant: its key, ``error`` or ``warning``, and the FHIRPath expression."""

    key: str
    severity: str
    expression: str


class PackageTable(msgspec.Struct):
    """One package in one version. Profiles stay undecoded (``msgspec.Raw``) until somebody asks for them."""

    format: int
    package: str
    version: str
    index: dict[str, str]
    """Profile URL to the type it constrains."""
    types: tuple[tuple[TypeRow, ...], ...]
    constraints: tuple[Constraint, ...]
    value_sets: dict[str, msgspec.Raw]
    profiles: dict[str, msgspec.Raw]
    resource_types: tuple[str, ...] = ()
    """All resource types of the FHIR version (only in the core package), also those without a table."""
    code_systems: tuple[str, ...] = ()
    """Code systems in FHIR's own namespace (``http://hl7.org/fhir/…``) that the package defines or speaks of."""


encoder = msgspec.json.Encoder(order="deterministic")
package_decoder = msgspec.json.Decoder(PackageTable)
profile_decoder = msgspec.json.Decoder(ProfileTable)
value_set_decoder = msgspec.json.Decoder(ValueSetTable)
