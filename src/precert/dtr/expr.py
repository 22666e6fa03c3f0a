"""Pieces of Clinical Quality Language, each as CQL text and as ELM at once, so that the two can never say different things.

Only what the population templates need; helper-free (no FHIRHelpers), on FHIR 4.0.1. Source: CQL 1.5 and its ELM.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from precert.fhir.types import Element

_SYSTEM = "{urn:hl7-org:elm-types:r1}"
_FHIR = "{http://hl7.org/fhir}"


@dataclass(frozen=True, slots=True)
class Expr:
    """One expression in both languages."""

    cql: str
    elm: Element


def text(value: str) -> Expr:
    written = value.replace("\\", "\\\\").replace("'", "\\'")
    return Expr(f"'{written}'", {"valueType": f"{_SYSTEM}String", "value": value, "type": "Literal"})


def integer(value: int) -> Expr:
    return Expr(str(value), {"valueType": f"{_SYSTEM}Integer", "value": str(value), "type": "Literal"})


def decimal(value: Decimal) -> Expr:
    written = f"{value:f}" if "." in f"{value:f}" else f"{value:f}.0"
    return Expr(written, {"valueType": f"{_SYSTEM}Decimal", "value": written, "type": "Literal"})


TRUE = Expr("true", {"valueType": f"{_SYSTEM}Boolean", "value": "true", "type": "Literal"})
FALSE = Expr("false", {"valueType": f"{_SYSTEM}Boolean", "value": "false", "type": "Literal"})
NULL = Expr("null", {"type": "Null"})


def path(alias: str, steps: str) -> Expr:
    """``alias.a.b``."""
    elm: Element = {}
    for step in steps.split("."):
        elm = {"path": step, "type": "Property", **({"source": elm} if elm else {"scope": alias})}
    return Expr(f"{alias}.{steps}", elm)


def of(source: Expr, steps: str) -> Expr:
    """``source.a.b``."""
    elm = source.elm
    for step in steps.split("."):
        elm = {"path": step, "type": "Property", "source": elm}
    return Expr(f"{source.cql}.{steps}", elm)


def cast(source: Expr, kind: str) -> Expr:
    """``(source as FHIR.Kind)``; null when it is another type."""
    specifier = {"name": f"{_FHIR}{kind}", "type": "NamedTypeSpecifier"}
    elm = {"strict": False, "type": "As", "operand": source.elm, "asTypeSpecifier": specifier}
    return Expr(f"({source.cql} as FHIR.{kind})", elm)


def _binary(operator: str, cql: str, left: Expr, right: Expr) -> Expr:
    return Expr(f"{left.cql} {cql} {right.cql}", {"type": operator, "operand": [left.elm, right.elm]})


def equal(left: Expr, right: Expr) -> Expr:
    return _binary("Equal", "=", left, right)


def at_least(left: Expr, right: Expr) -> Expr:
    return _binary("GreaterOrEqual", ">=", left, right)


def later(left: Expr, right: Expr) -> Expr:
    return _binary("Greater", ">", left, right)


def at_most(left: Expr, right: Expr) -> Expr:
    return _binary("LessOrEqual", "<=", left, right)


def _joined(operator: str, cql: str, parts: Sequence[Expr]) -> Expr:
    elm = parts[0].elm
    for part in parts[1:]:
        elm = {"type": operator, "operand": [elm, part.elm]}
    return Expr(f"({f' {cql} '.join(part.cql for part in parts)})", elm) if len(parts) > 1 else parts[0]


def all_of(*parts: Expr) -> Expr:
    return _joined("And", "and", parts)


def any_of(*parts: Expr) -> Expr:
    return _joined("Or", "or", parts)


def not_(part: Expr) -> Expr:
    return Expr(f"not ({part.cql})", {"type": "Not", "operand": part.elm})


def is_null(part: Expr) -> Expr:
    return Expr(f"({part.cql} is null)", {"type": "IsNull", "operand": part.elm})


def exists(part: Expr) -> Expr:
    return Expr(f"exists ({part.cql})", {"type": "Exists", "operand": part.elm})


def member(part: Expr, among: Sequence[str]) -> Expr:
    """``part in {'a', 'b'}``."""
    listed = [text(one) for one in among]
    elm = {"type": "In", "operand": [part.elm, {"type": "List", "element": [one.elm for one in listed]}]}
    return Expr(f"{part.cql} in {{ {', '.join(one.cql for one in listed)} }}", elm)


def coalesce(parts: Sequence[Expr]) -> Expr:
    if len(parts) == 1:
        return parts[0]
    elm = {"type": "Coalesce", "operand": [part.elm for part in parts]}
    return Expr(f"Coalesce({', '.join(part.cql for part in parts)})", elm)


def upper(part: Expr) -> Expr:
    return Expr(f"Upper({part.cql})", {"type": "Upper", "operand": part.elm})


def without_dots(part: Expr) -> Expr:
    return _without(part, "[.]")


def without_remarks(part: Expr) -> Expr:
    """A UCUM unit without what stands in braces."""
    return _without(part, "[{][^{}]*[}]")


def _without(part: Expr, written: str) -> Expr:
    pattern, nothing = text(written), text("")
    elm = {"type": "ReplaceMatches", "operand": [part.elm, pattern.elm, nothing.elm]}
    return Expr(f"ReplaceMatches({part.cql}, {pattern.cql}, {nothing.cql})", elm)


def starts_with(part: Expr, start: Expr) -> Expr:
    return Expr(f"StartsWith({part.cql}, {start.cql})", {"type": "StartsWith", "operand": [part.elm, start.elm]})


def day(part: Expr) -> Expr:
    """The calendar day of a date and time."""
    return Expr(f"date from {part.cql}", {"type": "DateFrom", "operand": part.elm})


def today(back: int = 0, unit: str = "days") -> Expr:
    """Today, or so long before it."""
    now: Element = {"type": "Today"}
    if not back:
        return Expr("Today()", now)
    span = {"value": back, "unit": unit, "type": "Quantity"}
    return Expr(f"Today() - {back} {unit}", {"type": "Subtract", "operand": [now, span]})


def multiply(left: Expr, right: Expr) -> Expr:
    return _binary("Multiply", "*", left, right)


def reference(name: str) -> Expr:
    """Another definition of the same library."""
    return Expr(f'"{name}"', {"name": name, "type": "ExpressionRef"})


def if_(condition: Expr, then: Expr, otherwise: Expr) -> Expr:
    elm = {"type": "If", "condition": condition.elm, "then": then.elm, "else": otherwise.elm}
    return Expr(f"if {condition.cql} then {then.cql} else {otherwise.cql}", elm)


def aggregate(operator: str, part: Expr) -> Expr:
    """``Min`` or ``Max`` of a list."""
    return Expr(f"{operator}({part.cql})", {"type": operator, "source": part.elm})


def quantity(value: Expr, unit: str) -> Expr:
    unit_ = text(unit)
    members = [{"name": "value", "value": value.elm}, {"name": "unit", "value": unit_.elm}]
    elm = {"classType": f"{_SYSTEM}Quantity", "type": "Instance", "element": members}
    return Expr(f"System.Quantity {{ value: {value.cql}, unit: {unit_.cql} }}", elm)


def retrieve(kind: str) -> Expr:
    """``[Kind]``: all of that type."""
    return Expr(f"[{kind}]", {"dataType": f"{_FHIR}{kind}", "type": "Retrieve"})


def retrieve_coded(kind: str, where: str, codes: Sequence[str]) -> Expr:
    """Those with one of the declared codes, each code a retrieve of its own: lists of codes are compiled differently."""
    parts = []
    for name in codes:
        coded = {"type": "ToList", "operand": {"name": name, "type": "CodeRef"}}
        elm = {"codeProperty": where, "codeComparator": "~", "codes": coded, **retrieve(kind).elm}
        parts.append(Expr(f'[{kind}: {where} ~ "{name}"]', elm))
    return _joined("Union", "union", parts)


def query(source: Expr, alias: str, where: Expr, result: Expr | None = None) -> Expr:
    """``source alias where ... return all ...``."""
    elm: Element = {
        "type": "Query",
        "source": [{"alias": alias, "expression": source.elm}],
        "relationship": [],
        "where": where.elm,
    }
    cql = f"({source.cql}) {alias} where {where.cql}"
    if result is not None:
        elm["return"] = {"distinct": False, "expression": result.elm}
        cql += f" return all {result.cql}"
    return Expr(cql, elm)


def listed(*parts: Expr) -> Expr:
    """``{ a, b }``."""
    elm: Element = {"type": "List", "element": [part.elm for part in parts]}
    return Expr(f"{{ {', '.join(part.cql for part in parts)} }}", elm)


def alias(name: str) -> Expr:
    """What a query goes through, itself."""
    return Expr(name, {"name": name, "type": "AliasRef"})


def first(part: Expr) -> Expr:
    """The first of a list; null when it is empty."""
    return Expr(f"First({part.cql})", {"type": "First", "source": part.elm})


def only_if(value: Expr, name: str, condition: Expr, result: Expr | None = None) -> Expr:
    """``value`` (or ``result``) if ``condition`` holds of it, as alias ``name``, else null; it is worked out once."""
    return first(query(listed(value), name, condition, result or alias(name)))


def tuple_(**parts: Expr) -> Expr:
    members = [{"name": name, "value": part.elm} for name, part in parts.items()]
    written = ", ".join(f"{name}: {part.cql}" for name, part in parts.items())
    return Expr(f"Tuple {{ {written} }}", {"type": "Tuple", "element": members})


def at_the_end(results: Expr, *, earliest: bool = False) -> Expr:
    """The value of the last (or first) of ``results``, tuples of ``start``, ``end``, ``value`` and ``inside`` (whether it
    counts for certain): those that none inside is certainly later (or earlier) than. Null when they differ, when one of them
    has no value, and when none inside has one."""
    mine, other = ("start", "end") if earliest else ("end", "start")
    at, by = path("M", mine), path("N", other)
    beaten = exists(query(alias("L"), "N", all_of(path("N", "inside"), later(at, by) if earliest else later(by, at))))
    ends = query(alias("L"), "M", not_(beaten))
    values = query(alias("E"), "V", TRUE, path("V", "value"))
    counted = {"type": "Count", "source": {"type": "Distinct", "operand": values.elm}}
    one = _binary("Equal", "=", Expr(f"Count(distinct ({values.cql}))", counted), integer(1))
    unread = exists(query(alias("E"), "V", is_null(path("V", "value"))))
    known = exists(query(alias("L"), "P", all_of(path("P", "inside"), not_(is_null(path("P", "value"))))))
    found = first(query(listed(ends), "E", all_of(one, not_(unread), known), first(values)))
    return first(query(listed(results), "L", TRUE, found))
