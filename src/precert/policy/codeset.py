"""Sets of code patterns with fast matching, and value sets by name."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TypeVar

import yaml

from precert.fhir.billing import billed
from precert.fhir.coding import CPT, HCPCS, ICD10CM, Code, CodePattern
from precert.fhir.systems import CDT, VALUE_SET

T = TypeVar("T")

_PROCEDURES = frozenset({HCPCS, CPT, CDT})
ValueSets = Mapping[str, tuple[str, ...]]
"""Expansions: the value set's name (or VSAC OID) to patterns such as ``rxnorm|274783``."""


def normal(code: Code) -> Code:
    """Upper case; billing codes under their one spelling (procedures without modifiers and in the system of their level, NDC
    as 11 digits); ICD-10-CM without the dot, because senders write ``G4733`` as often as ``G47.33``.

    The beginning of a procedure code (a pattern's prefix) is put into the system of its level as well.
    """
    found = billed(code)
    if found is not None:
        return found.code
    written = code.code.upper()
    if code.system == ICD10CM:
        written = written.replace(".", "")
    elif code.system in _PROCEDURES:
        return Code(HCPCS if written[:1].isalpha() else CPT, written)
    return code if written == code.code else Code(code.system, written)


@cache
def _equivalents() -> tuple[tuple[str, Code], ...]:
    """(pattern, the normalized code that it counts as), from ``equivalent_codes.yaml``."""
    listed = yaml.safe_load(files("precert.policy").joinpath("equivalent_codes.yaml").read_text("utf-8"))
    pairs: list[tuple[str, Code]] = []
    for entry in listed["counts_as"]:
        target = CodePattern.parse(entry["code"])
        pairs.extend((written, normal(Code(target.system, target.code))) for written in entry["also"])
    return tuple(pairs)


def with_equivalents(patterns: Sequence[str], value_sets: ValueSets | None = None) -> tuple[str, ...]:
    """``patterns`` and the codes of other vocabularies that say what one of them means (SNOMED CT for ICD-10-CM,
    siblings in LOINC). The table is ``equivalent_codes.yaml``, with its sources."""
    asked = CodeSet(patterns, value_sets)
    return (*patterns, *(written for written, code in _equivalents() if asked.matches((code,))))


class CodeSet:
    """Codes and prefixes. In: patterns as a policy writes them; ``vs|name`` also takes in the expansion of that name.

    A coding in the value-set system itself (``urn:precert:value-set``) matches its name, so that a sender or a test may
    say "a member of this set" without choosing one.
    """

    __slots__ = ("_exact", "_prefixes")

    def __init__(self, patterns: Iterable[str], value_sets: ValueSets | None = None) -> None:
        self._exact: set[Code] = set()
        prefixes: dict[str, list[str]] = {}
        for written in patterns:
            pattern = CodePattern.parse(written)
            expansion = (value_sets or {}).get(pattern.code, ()) if pattern.system == VALUE_SET else ()
            for member in (pattern, *map(CodePattern.parse, expansion)):
                code = normal(Code(member.system, member.code))
                if member.prefix:
                    prefixes.setdefault(code.system, []).append(code.code)
                else:
                    self._exact.add(code)
        self._prefixes = {system: tuple(starts) for system, starts in prefixes.items()}

    @property
    def listed(self) -> frozenset[Code] | None:
        """Every code of the set; ``None`` when prefixes take in more than can be listed."""
        return None if self._prefixes else frozenset(self._exact)

    def among(self, known: Mapping[Code, T]) -> list[T]:
        """What stands under those of ``known``'s codes (already :func:`normal`) that are in the set, in no order."""
        found = [known[code] for code in self._exact & known.keys()]
        if self._prefixes:
            for code, value in known.items():
                starts = self._prefixes.get(code.system)
                if starts and code.code.startswith(starts) and code not in self._exact:
                    found.append(value)
        return found

    def matches(self, codes: Iterable[Code]) -> bool:
        """Whether any of ``codes`` (already :func:`normal`) is in the set."""
        for code in codes:
            if code in self._exact:
                return True
            starts = self._prefixes.get(code.system)
            if starts and code.code.startswith(starts):
                return True
        return False
