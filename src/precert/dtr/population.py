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
from precert.fhir.coding import ICD10CM, SHORT_NAMES, UCUM, Code, CodePattern
from precert.fhir.hidden import DATA_ABSENT
from precert.fhir.types import Element
from precert.policy import units
from precert.policy.codeset import ValueSets, normal, with_equivalents
from precert.policy.compiled import CompiledPolicy
from precert.policy.evidence_rules import EVIDENCE_TYPES, Allowed
from precert.policy.model import Fact
from precert.policy.periods import Window
from precert.policy.ranges import bounds

_NAMED = SHORT_NAMES["vs"]
_UNITS = {"d": "days", "w": "weeks", "m": "months", "y": "years"}


@dataclass(frozen=True, slots=True)
class _Source:
    """How one type of resource says what it is and when it was."""

    codes: tuple[str, ...]
    days: tuple[tuple[str, str], ...]  # (element, its type; a Period's part after a colon)
    retrieved_by: str = "code"
    listed: bool = False  # the first coded element repeats
    absent: tuple[str, ...] = ("modifierExtension",)  # elements that must not be there


_SOURCES: dict[str, _Source] = {
    "Observation": _Source(
        ("code",),
        (("effective", "dateTime"), ("effective", "Period:start"), ("effective", "instant"), ("issued", "")),
        absent=("modifierExtension", "focus"),
    ),
    "Condition": _Source(("code",), (("onset", "dateTime"), ("onset", "Period:start"), ("recordedDate", ""))),
    "Procedure": _Source(
        ("code",), (("performed", "dateTime"), ("performed", "Period:end"), ("performed", "Period:start"))
    ),
    "Encounter": _Source(("type",), (("period.end", ""), ("period.start", "")), "type", listed=True),
    "DiagnosticReport": _Source(("code",), (("effective", "dateTime"), ("effective", "Period:start"), ("issued", ""))),
    "DocumentReference": _Source(("type",), (("date", ""), ("context.period.start", "")), "type"),
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
        requirements.extend(_requirement(kind, patterns) for kind in fact.sources)
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
    for written in with_equivalents(fact.code, value_sets):
        pattern = CodePattern.parse(written)
        if pattern.system == _NAMED:
            members = value_sets.get(pattern.code)
            found.extend(map(CodePattern.parse, members or ()))
        else:
            found.append(pattern)
    return tuple(dict.fromkeys(found)) or None


@dataclass(frozen=True, slots=True)
class _Template:
    """Builds the definition of one fact. ``declared`` collects codes over the whole library."""

    fact: Fact
    patterns: tuple[CodePattern, ...]
    declared: dict[tuple[str, str], str]

    def boolean(self) -> Expr:
        """True when there is one and nobody refuted it; null otherwise: an empty chart says nothing."""
        found = [expr.exists(expr.query(self._retrieve(kind), "R", self._where(kind))) for kind in self.fact.sources]
        conditions = [expr.any_of(*found)]
        if "Condition" in self.fact.sources:
            refuted = expr.all_of(_coded_as("verificationStatus", ["refuted"]), *self._about(_SOURCES["Condition"]))
            conditions.append(expr.not_(expr.exists(expr.query(self._retrieve("Condition"), "R", refuted))))
        return expr.if_(expr.all_of(*conditions), expr.TRUE, expr.NULL)

    def number(self, unit: str | None) -> Expr:
        """The lowest, highest, latest or earliest result; as a quantity when the question has a unit."""
        value, source = self._value(), self._retrieve("Observation")
        if self.fact.take in ("lowest", "highest"):
            operator = "Min" if self.fact.take == "lowest" else "Max"
            found = expr.aggregate(operator, expr.query(source, "R", self._where("Observation"), value))
        else:  # what may be the newest has a say, though nobody knows that it is within the look-back
            inside = expr.coalesce([expr.all_of(*self._when("Observation")), expr.FALSE])
            start, end = self._span()
            each = expr.tuple_(start=start, end=end, value=value, inside=inside)
            rivals = expr.all_of(*self._bears("Observation"), *self._not_too_old("Observation"))
            results = expr.query(source, "R", rivals, each)
            found = expr.at_the_end(results, earliest=self.fact.take == "earliest")
        if unit is None:
            return found
        known = expr.not_(expr.is_null(expr.alias("Q")))
        return expr.only_if(found, "Q", known, expr.quantity(expr.alias("Q"), unit))

    def _result(self, steps: str) -> Expr:
        return expr.of(expr.cast(expr.path("R", "value"), "Quantity"), steps)

    def _value(self) -> Expr:
        """The result in the unit of the fact, if it is exact, possible, and in a unit that can be told in that one."""
        low, high = bounds(self.fact)
        ways = _conversions(self.fact)
        every = [written for spellings in ways.values() for written in spellings]
        code, unit = (expr.without_remarks(self._result(element)) for element in ("code.value", "unit.value"))
        found = expr.NULL
        for factor, written in reversed(ways.items()):
            others = [one for one in every if one not in written]
            said = [expr.member(expr.coalesce([code, unit]), written)]
            if others:
                said.append(expr.any_of(expr.is_null(unit), expr.not_(expr.member(unit, others))))
            plain = self._result("value.value")
            found = expr.if_(expr.all_of(*said), plain if factor == 1 else expr.multiply(plain, _factor(factor)), found)
            found = Expr(f"({found.cql})", found.elm)
        if self.fact.unit is None:  # a plain number has no unit
            nothing = expr.all_of(expr.is_null(code), expr.is_null(unit))
            found = expr.if_(nothing, self._result("value.value"), found)
            found = Expr(f"({found.cql})", found.elm)
        system = self._result("system.value")
        conditions = [
            expr.is_null(self._result("comparator")),
            expr.any_of(expr.is_null(system), expr.equal(system, expr.text(UCUM)), expr.is_null(code)),
        ]
        exact = expr.if_(expr.all_of(*conditions), found, expr.NULL)
        limits = [expr.at_least(expr.alias("X"), expr.decimal(low))] if low is not None else []
        limits += [expr.at_most(expr.alias("X"), expr.decimal(high))] if high is not None else []
        return expr.only_if(exact, "X", expr.all_of(*limits)) if limits else Expr(f"({exact.cql})", exact.elm)

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
        return expr.all_of(*self._bears(kind), *self._when(kind))

    def _bears(self, kind: str) -> list[Expr]:
        """That it counts as evidence and is what the fact asks for, whenever it was."""
        source = _SOURCES[kind]
        conditions = [_counts(allowed) for allowed in EVIDENCE_TYPES[kind].allowed]
        conditions += [expr.not_(expr.exists(expr.path("R", element))) for element in source.absent]
        conditions.append(expr.is_null(expr.path("R", "implicitRules")))
        if kind == "Observation":
            conditions.append(expr.is_null(expr.path("R", "dataAbsentReason")))
            conditions += _value_is_there(self.fact)
            insufficient = expr.exists(
                expr.query(expr.path("T", "coding"), "X", expr.equal(expr.path("X", "code.value"), expr.text("IE")))
            )
            conditions.append(expr.not_(expr.exists(expr.query(expr.path("R", "interpretation"), "T", insufficient))))
            if _asks_whether(self.fact):
                conditions.append(
                    expr.coalesce([expr.of(expr.cast(expr.path("R", "value"), "boolean"), "value"), expr.TRUE])
                )
        elif kind == "Condition":
            conditions.append(expr.is_null(expr.path("R", "abatement")))
        elif kind == "DocumentReference":
            there = [expr.not_(expr.is_null(expr.path("C", f"attachment.{element}"))) for element in ("data", "url")]
            conditions.append(expr.exists(expr.query(expr.path("R", "content"), "C", expr.any_of(*there))))
        elif kind == "ServiceRequest":
            forbidden = expr.path("R", "doNotPerform.value")
            conditions.append(expr.any_of(expr.is_null(forbidden), expr.not_(forbidden)))
        conditions += self._about(source)
        return conditions + self._unless()

    def _when(self, kind: str) -> list[Expr]:
        """That it is from before today and within the look-back."""
        conditions = []
        at = expr.day(self._time(kind))
        if self.fact.within is not None:
            window = Window.parse(self.fact.within)
            conditions.append(expr.at_least(at, expr.today(window.count, _UNITS[window.unit])))
            conditions.append(expr.at_most(at, expr.today()))
        else:  # what has no date, or only a month that is not over, may be from before
            conditions.append(expr.coalesce([expr.at_most(at, expr.today()), expr.TRUE]))
        for path in EVIDENCE_TYPES[kind].past:  # nothing that ended, or was recorded, after today
            conditions.append(expr.coalesce([expr.at_most(expr.day(_said_at(path)), expr.today()), expr.TRUE]))
        return conditions

    def _not_too_old(self, kind: str) -> list[Expr]:
        """That it is not certainly from before the look-back."""
        if self.fact.within is None:
            return []
        window = Window.parse(self.fact.within)
        since = expr.at_least(expr.day(self._time(kind)), expr.today(window.count, _UNITS[window.unit]))
        return [expr.coalesce([since, expr.TRUE])]

    def _span(self) -> tuple[Expr, Expr]:
        """The first and the last time at which an Observation can have been (:attr:`precert.policy.evidence.Evidence.span`)."""
        issued = expr.if_(expr.is_null(expr.path("R", "effective")), expr.path("R", "issued.value"), expr.NULL)
        released = Expr(f"({issued.cql})", issued.elm)
        ends = []
        for end in ("start", "end"):
            times = [("dateTime", "value"), ("Period", f"{end}.value"), ("instant", "value")]
            said = [expr.of(expr.cast(expr.path("R", "effective"), kind), steps) for kind, steps in times]
            ends.append(expr.coalesce([*said, released]))
        return ends[0], ends[1]

    def _about(self, source: _Source) -> list[Expr]:
        """That it bears one of the codes, unless they were retrieved by them."""
        return [] if self._filtered() else [self._coded(source)]

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

    def _time(self, kind: str) -> Expr:
        days: list[Expr] = []
        for element, type_ in _SOURCES[kind].days:
            whole, _, part = type_.partition(":")
            found = expr.cast(expr.path("R", element), whole) if whole else expr.path("R", element)
            days.append(expr.of(found, f"{part}.value" if part else "value"))
        return Expr(f"({expr.coalesce(days).cql})", expr.coalesce(days).elm)


def _value_is_there(fact: Fact) -> list[Expr]:
    """That the value does not say of itself that it is absent (data-absent-reason)."""
    if _asks_whether(fact):
        return []
    quantity = expr.cast(expr.path("R", "value"), "Quantity")
    absent = expr.equal(expr.path("X", "url.value"), expr.text(DATA_ABSENT))
    return [expr.not_(expr.exists(expr.query(expr.of(quantity, "extension"), "X", absent)))]


def _said_at(path: str) -> Expr:
    """The time under a path of :mod:`precert.policy.evidence_rules`: an element, or a part of a choice that is a Period."""
    element, period, part = path.partition("Period.")
    if not period:
        return expr.path("R", f"{path}.value")
    return expr.of(expr.cast(expr.path("R", element), "Period"), f"{part}.value")


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


def _counts(allowed: Allowed) -> Expr:
    """That the element has a code with which the resource counts (:mod:`precert.policy.evidence_rules`)."""
    codes = sorted(allowed.codes)
    if not allowed.systems:
        said = expr.path("R", f"{allowed.element}.value")
        counts = expr.member(said, codes)
        return counts if allowed.required else expr.any_of(expr.is_null(said), counts)
    code, system = expr.path("S", "code.value"), expr.path("S", "system.value")
    own = expr.any_of(expr.is_null(system), expr.member(system, sorted(allowed.systems)))
    coding = expr.path("R", f"{allowed.element}.coding")
    right, wrong = (
        expr.exists(expr.query(coding, "S", expr.all_of(own, said)))
        for said in (expr.member(code, codes), expr.not_(expr.member(code, codes)))
    )
    counts = expr.all_of(right, expr.not_(wrong))
    return counts if allowed.required else expr.any_of(expr.is_null(expr.path("R", allowed.element)), counts)


def _coded_as(element: str, codes: Sequence[str]) -> Expr:
    coding = expr.path("R", f"{element}.coding")
    return expr.exists(expr.query(coding, "S", expr.member(expr.path("S", "code.value"), codes)))


def _conversions(fact: Fact) -> dict[Decimal, tuple[str, ...]]:
    """By factor the ways of writing the units in which a result may be."""
    ways = units.spellings(fact.unit or "1")
    for other, factor in fact.convert.items():
        ways = {known: tuple(one for one in written if one != other) for known, written in ways.items()}
        ways[factor] = (*ways.get(factor, ()), other)
    return {factor: written for factor, written in ways.items() if written}


def _requirement(kind: str, patterns: Sequence[CodePattern]) -> Element:
    """What is read of the chart, for people and for consent: type, codes, look-back (sec-3)."""
    made: Element = {"type": kind}
    exact = [{"system": p.system, "code": p.code} for p in patterns if not p.prefix]
    if exact and len(exact) == len(patterns):
        made["codeFilter"] = [{"path": _SOURCES[kind].codes[0], "code": exact}]
    return made
