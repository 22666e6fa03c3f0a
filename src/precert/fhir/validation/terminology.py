"""Value sets at compile time: to code lists where that is possible and lawful, to systems where it is not."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Any

from precert.fhir.validation.model import ValueSetTable
from precert.fhir.validation.package import Package

LICENSED = (
    "http://snomed.info/sct",
    "http://loinc.org",
    "http://www.ama-assn.org/go/cpt",
    "http://hl7.org/fhir/sid/icd-",
    "http://terminology.hl7.org/CodeSystem/icd",
    "http://www.cms.gov/Medicare/Coding",
    "https://www.cms.gov/Medicare/Coding",
    "https://codesystem.x12.org",
    "https://www.nubc.org",
    "http://nucc.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
)
"""Code lists of these owners are not copied into the tables, not even in part: membership is checked by system."""

MAX_CODES = 5_000
_FHIR_SYSTEM = re.compile(r"http://hl7\.org/fhir/(?:CodeSystem/)?[^/]+")
_X12_VALUE_SET = re.compile(r"https://valueset\.x12\.org/\S*/(\d+)$")


def in_fhir_namespace(system: str) -> bool:
    """Whether only a version of FHIR itself can define the code system ``system``, not a guide or another owner."""
    return _FHIR_SYSTEM.fullmatch(system) is not None


class _NotEnumerable(Exception):
    """The include cannot be turned into a list of codes."""


class Terminology:
    """The value sets and code systems of several packages; on equal URLs the package named first wins."""

    def __init__(self, packages: Iterable[Package]) -> None:
        self._value_sets: dict[str, dict[str, Any]] = {}
        self._code_systems: dict[str, dict[str, Any]] = {}
        for package in packages:
            for url, value_set in package.value_sets.items():
                self._value_sets.setdefault(url, value_set)
            for url, system in package.code_systems.items():
                self._code_systems.setdefault(url, system)

    def codes_of(self, system: str) -> tuple[str, ...]:
        """All codes of a completely published code system, else nothing."""
        concepts = self._code_systems.get(system, {}).get("concept", [])
        return tuple(sorted(code for code, _ in _flatten(concepts, ())))

    def table(self, url: str) -> ValueSetTable:
        """What the value set ``url`` takes; see :class:`ValueSetTable`."""
        codes: dict[str, set[str]] = {}
        systems: set[str] = set()
        known = self._collect(url, codes, systems, frozenset())
        if not known:
            x12 = _X12_VALUE_SET.match(url)
            if x12:
                return ValueSetTable(system_only=(f"https://codesystem.x12.org/005010/{x12[1]}",), inferred=True)
            return ValueSetTable(unknown=True)
        for system in systems:
            codes.pop(system, None)
        if sum(map(len, codes.values())) > MAX_CODES:
            systems.update(codes)
            codes.clear()
        return ValueSetTable(
            codes={system: tuple(sorted(members)) for system, members in sorted(codes.items())},
            system_only=tuple(sorted(systems)),
        )

    def _collect(self, url: str, codes: dict[str, set[str]], systems: set[str], seen: frozenset[str]) -> bool:
        url = url.partition("|")[0]
        value_set = self._value_sets.get(url)
        if value_set is None or url in seen:
            return False
        known = True
        compose = value_set.get("compose", {})
        for include in compose.get("include", []):
            for other in include.get("valueSet", []):
                known = self._collect(other, codes, systems, seen | {url}) and known
            system = include.get("system")
            if not system:
                continue
            if system.startswith(LICENSED):
                systems.add(system)
                continue
            try:
                codes.setdefault(system, set()).update(self._included(include))
            except _NotEnumerable:
                systems.add(system)
        for exclude in compose.get("exclude", []):
            members = codes.get(exclude.get("system", ""))
            if members:
                try:
                    members.difference_update(self._included(exclude))
                except _NotEnumerable:
                    systems.add(exclude["system"])
        return known and bool(codes or systems)

    def _included(self, include: dict[str, Any]) -> set[str]:
        listed = include.get("concept")
        if listed:
            return {concept["code"] for concept in listed}
        system = self._code_systems.get(include["system"].partition("|")[0])
        if system is None or system.get("content") != "complete" or not system.get("concept"):
            raise _NotEnumerable
        concepts = list(_flatten(system["concept"], ()))
        members = {code for code, _ in concepts}
        for rule in include.get("filter", []):
            members &= _filtered(rule, concepts, system)
        return members


def _flatten(concepts: Iterable[dict[str, Any]], above: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for concept in concepts:
        code = concept["code"]
        parents = tuple(
            p["valueCode"] for p in concept.get("property", []) if p.get("code") == "subsumedBy" and "valueCode" in p
        )
        yield code, above + parents
        yield from _flatten(concept.get("concept", []), (*above, code))


def _filtered(rule: dict[str, Any], concepts: list[tuple[str, tuple[str, ...]]], system: dict[str, Any]) -> set[str]:
    operator, value = rule.get("op"), rule.get("value", "")
    if rule.get("property") == "concept" and operator in ("is-a", "descendent-of"):
        under = {value}
        grown = True
        while grown:  # parents may be named after their children
            added = {code for code, parents in concepts if code not in under and under.intersection(parents)}
            grown = bool(added)
            under |= added
        return under if operator == "is-a" else under - {value}
    if operator == "=":
        return set(_with_property(system["concept"], str(rule.get("property")), value))
    raise _NotEnumerable


def _with_property(concepts: Iterable[dict[str, Any]], name: str, value: str) -> Iterator[str]:
    for concept in concepts:
        for held in concept.get("property", []):
            given = next((v for k, v in held.items() if k.startswith("value")), None)
            if held.get("code") == name and (str(given).lower() if isinstance(given, bool) else str(given)) == value:
                yield concept["code"]
        yield from _with_property(concept.get("concept", []), name, value)
