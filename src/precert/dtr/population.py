"""What a chart can answer: one CQL definition per question, made from the fact's own declaration by fixed templates.

The templates say what :mod:`precert.policy.facts` does: the same resources, codes, look-back, units and choice of value.
What they cannot say (a FHIRPath ``where`` or ``value``) is left to people. Nothing found is null, never false.
Source: DTR 2.2.0 spec-18, spec-54, spec-55, spec-88..99, sec-3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from precert.dtr import expr
from precert.dtr.expr import Expr
from precert.fhir.coding import ICD10CM, SHORT_NAMES, Code, CodePattern
from precert.fhir.types import Element
from precert.policy.codeset import ValueSets, normal
from precert.policy.compiled import CompiledPolicy
from precert.policy.evidence import TENTATIVE
from precert.policy.model import Fact
from precert.policy.periods import Window

_NAMED = SHORT_NAMES["vs"]
_NEVER = ("entered-in-error", "cancelled", "not-done", "planned", "draft")
_UNITS = {"d": "days", "w": "weeks", "m": "months", "y": "years"}


@dataclass(frozen=True, slots=True)
class _Source:
    """How one type of resource says what it is and when it was."""

    codes: tuple[str, ...]
    days: tuple[tuple[str, str], ...]  # (element, its type; a Period's part after a colon)
    retrieved_by: str = "code"
    listed: bool = False  # the first coded element repeats
    statuses: tuple[str, ...] = ("status",)


_SOURCES: dict[str, _Source] = {
    "Observation": _Source(
        ("code",), (("effective", "dateTime"), ("effective", "Period:start"), ("effective", "instant"), ("issued", ""))
    ),
    "Condition": _Source(
        ("code",), (("onset", "dateTime"), ("onset", "Period:start"), ("recordedDate", "")), statuses=()
    ),
    "Procedure": _Source(
        ("code",), (("performed", "dateTime"), ("performed", "Period:end"), ("performed", "Period:start"))
    ),
    "Encounter": _Source(("type",), (("period.end", ""), ("period.start", "")), "type", listed=True),
    "DiagnosticReport": _Source(("code",), (("effective", "dateTime"), ("effective", "Period:start"), ("issued", ""))),
    "DocumentReference": _Source(
        ("type",), (("date", ""), ("context.period.start", "")), "type", statuses=("status", "docStatus")
    ),
    "ServiceRequest": _Source(("code",), (("authoredOn", ""), ("occurrence", "dateTime"))),
}
_EXACT = frozenset({"http://loinc.org", "http://snomed.info/sct"})
"""Systems whose codes are written in one way only, so that a retrieve may filter by them."""


@dataclass(frozen=True, slots=True)
class Population:
    """The definitions of one form: by linkId, and the codes they declare (name, system, code)."""

    definitions: Mapping[str, Expr]
    codes: tuple[tuple[str, str, str], ...]
    requirements: tuple[Element, ...]

    @property
    def expressions(self) -> dict[str, Element]:
        """What ``initialExpression`` evaluates, as ELM."""
        return {name: expr.reference(name).elm for name in self.definitions}


def population(policy: CompiledPolicy, questions: Mapping[str, str | None], value_sets: ValueSets) -> Population:
    """In: the questions with their units (``None``: not a quantity), and the named code sets."""
    definitions: dict[str, Expr] = {}
    declared: dict[tuple[str, str], str] = {}
    requirements: list[Element] = []
    for name, unit in questions.items():
        fact = policy.fact_models[name]
        patterns = _patterns(fact, value_sets)
        if patterns is None or not _sayable(fact):
            continue
        template = _Template(fact, patterns, declared)
        definition = template.boolean() if _asks_whether(fact) else template.number(unit)
        definitions[name] = definition
        requirements.extend(_requirement(fact, kind, patterns) for kind in fact.sources)
    codes = tuple((name, system, code) for (system, code), name in declared.items())
    return Population(definitions, codes, tuple(requirements))


def _asks_whether(fact: Fact) -> bool:
    return fact.ask is not None and fact.ask.type == "boolean"


def _sayable(fact: Fact) -> bool:
    if not fact.sources or any(kind not in _SOURCES for kind in fact.sources) or fact.where or fact.value:
        return False
    if _asks_whether(fact):
        return fact.take == "exists" and fact.unit is None
    numeric = fact.ask is not None and fact.ask.type == "decimal"
    return numeric and fact.sources == ("Observation",) and fact.take in ("lowest", "highest", "latest", "earliest")


def _patterns(fact: Fact, value_sets: ValueSets) -> tuple[CodePattern, ...] | None:
    """The codes to look for, named sets spelled out; ``None`` when a set is not known or there are no codes."""
    found: list[CodePattern] = []
    for written in fact.code:
        pattern = CodePattern.parse(written)
        if pattern.system == _NAMED:
            members = value_sets.get(pattern.code)
            found.extend(map(CodePattern.parse, members or ()))
        else:
            found.append(pattern)
    return tuple(found) or None


@dataclass(frozen=True, slots=True)
class _Template:
    """Builds the definition of one fact. ``declared`` collects codes over the whole library."""

    fact: Fact
    patterns: tuple[CodePattern, ...]
    declared: dict[tuple[str, str], str]

    def boolean(self) -> Expr:
        """True when there is one; null otherwise: an empty chart says nothing."""
        found = [expr.exists(expr.query(self._retrieve(kind), "R", self._where(kind))) for kind in self.fact.sources]
        return expr.if_(expr.any_of(*found), expr.TRUE, expr.NULL)

    def number(self, unit: str | None) -> Expr:
        """The lowest, highest, latest or earliest result; as a quantity when the question has a unit."""
        value = self._value()
        where = expr.all_of(self._where("Observation"), *self._readable())
        source = self._retrieve("Observation")
        if self.fact.take in ("lowest", "highest"):
            operator = "Min" if self.fact.take == "lowest" else "Max"
            found = expr.aggregate(operator, expr.query(source, "R", where, value))
        else:
            at = expr.day(self._day("Observation"))
            found = expr.latest(source, "R", where, at, value, earliest=self.fact.take == "earliest")
        if unit is None:
            return found
        return expr.if_(expr.is_null(found), expr.NULL, expr.quantity(found, unit))

    def _result(self) -> Expr:
        return expr.cast(expr.path("R", "value"), "Quantity")

    def _value(self) -> Expr:
        plain = expr.of(self._result(), "value.value")
        unit = self.fact.unit
        for other, factor in self.fact.convert.items():
            if unit is not None:
                said = expr.equal(self._unit(), expr.text(other))
                plain = expr.if_(said, expr.multiply(expr.of(self._result(), "value.value"), _factor(factor)), plain)
        return Expr(f"({plain.cql})", plain.elm)

    def _unit(self) -> Expr:
        return expr.coalesce([expr.of(self._result(), "code.value"), expr.of(self._result(), "unit.value")])

    def _readable(self) -> list[Expr]:
        """A value that is there, exact, and in the unit or one that can be converted."""
        conditions = [
            expr.not_(expr.is_null(expr.of(self._result(), "value"))),
            expr.is_null(expr.of(self._result(), "comparator")),
        ]
        if self.fact.unit is not None:
            conditions.append(expr.member(self._unit(), [self.fact.unit, *self.fact.convert]))
        return conditions

    def _retrieve(self, kind: str) -> Expr:
        if not self._filtered():
            return expr.retrieve(kind)
        names = []
        for pattern in self.patterns:
            key = pattern.system, pattern.code
            names.append(self.declared.setdefault(key, f"{pattern.system.rsplit('/', 1)[-1]} {pattern.code}"))
        return expr.retrieve_coded(kind, _SOURCES[kind].retrieved_by, names)

    def _filtered(self) -> bool:
        return all(not pattern.prefix and pattern.system in _EXACT for pattern in self.patterns)

    def _where(self, kind: str) -> Expr:
        source = _SOURCES[kind]
        conditions = [_not_in(expr.path("R", f"{status}.value"), _NEVER) for status in source.statuses]
        if kind == "Condition":
            conditions += [
                _none_coded("verificationStatus", ("refuted", "entered-in-error", *TENTATIVE)),
                _none_coded("clinicalStatus", ("inactive", "resolved", "remission")),
            ]
        if not self._filtered():
            conditions.append(self._coded(source))
        conditions += self._unless()
        if self.fact.within is not None:
            window = Window.parse(self.fact.within)
            at = expr.day(self._day(kind))
            conditions.append(expr.at_least(at, expr.today(window.count, _UNITS[window.unit])))
            conditions.append(expr.at_most(at, expr.today()))
        return expr.all_of(*conditions)

    def _coded(self, source: _Source) -> Expr:
        if source.listed:
            inner = expr.exists(expr.query(expr.path("T", "coding"), "X", self._codes()))
            return expr.exists(expr.query(expr.path("R", source.codes[0]), "T", inner))
        return expr.exists(expr.query(expr.path("R", f"{source.codes[0]}.coding"), "X", self._codes()))

    def _unless(self) -> list[Expr]:
        """Neither a further coding nor one of a component is what the fact passes over."""
        if not self.fact.unless:
            return []
        codes = _literally(tuple(map(CodePattern.parse, self.fact.unless)))
        own = expr.exists(expr.query(expr.path("R", "code.coding"), "X", codes))
        inner = expr.exists(expr.query(expr.path("T", "code.coding"), "X", codes))
        component = expr.exists(expr.query(expr.path("R", "component"), "T", inner))
        return [expr.not_(own), expr.not_(component)]

    def _codes(self) -> Expr:
        """Any of the patterns, codes compared as the rules do: in capitals, ICD-10-CM without the dot."""
        parts = []
        for system in dict.fromkeys(pattern.system for pattern in self.patterns):
            code = expr.upper(expr.path("X", "code.value"))
            code = expr.without_dots(code) if system == ICD10CM else code
            tests = []
            for pattern in self.patterns:
                if pattern.system == system:
                    written = expr.text(normal_code(pattern))
                    tests.append(expr.starts_with(code, written) if pattern.prefix else expr.equal(code, written))
            parts.append(
                expr.all_of(expr.equal(expr.path("X", "system.value"), expr.text(system)), expr.any_of(*tests))
            )
        return expr.any_of(*parts)

    def _day(self, kind: str) -> Expr:
        days: list[Expr] = []
        for element, type_ in _SOURCES[kind].days:
            whole, _, part = type_.partition(":")
            found = expr.cast(expr.path("R", element), whole) if whole else expr.path("R", element)
            days.append(expr.of(found, f"{part}.value" if part else "value"))
        return Expr(f"({expr.coalesce(days).cql})", expr.coalesce(days).elm)


def _literally(patterns: Sequence[CodePattern]) -> Expr:
    """One of the codes of a system that writes each in one way only (LOINC, SNOMED CT)."""
    by_system: dict[str, list[str]] = {}
    for pattern in patterns:
        by_system.setdefault(pattern.system, []).append(pattern.code)
    parts = [
        expr.all_of(
            expr.equal(expr.path("X", "system.value"), expr.text(system)),
            expr.member(expr.path("X", "code.value"), codes),
        )
        for system, codes in by_system.items()
    ]
    return expr.any_of(*parts)


def normal_code(pattern: CodePattern) -> str:
    """A pattern's code as the rules compare it."""
    return normal(Code(pattern.system, pattern.code)).code


def _factor(factor: Decimal) -> Expr:
    return expr.decimal(factor)


def _not_in(part: Expr, among: Sequence[str]) -> Expr:
    """Also true when there is no status at all, as for the rules."""
    return expr.any_of(expr.is_null(part), expr.not_(expr.member(part, among)))


def _none_coded(element: str, among: Sequence[str]) -> Expr:
    code = expr.path("S", "code.value")
    return expr.not_(expr.exists(expr.query(expr.path("R", f"{element}.coding"), "S", expr.member(code, among))))


def _requirement(fact: Fact, kind: str, patterns: Sequence[CodePattern]) -> Element:
    """What is read of the chart, for people and for consent: type, codes, look-back (sec-3)."""
    made: Element = {"type": kind}
    exact = [{"system": p.system, "code": p.code} for p in patterns if not p.prefix]
    if exact and len(exact) == len(patterns):
        made["codeFilter"] = [{"path": _SOURCES[kind].codes[0], "code": exact}]
    return made
