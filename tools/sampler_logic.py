"""What the sampler forms read of a chart: CQL and its ELM from the same templates that policies' forms are made with."""

from __future__ import annotations

from decimal import Decimal

from precert.dtr import expr
from precert.dtr.expr import Expr
from precert.dtr.library import cql_text, elm_library
from precert.dtr.population import Population
from precert.fhir import json

LOINC = "http://loinc.org"
WEIGHT, HEIGHT = "loinc 29463-7", "loinc 8302-2"
_FINAL = ("final", "amended", "corrected")
_POUNDS = Decimal("2.2046226")


def _latest(code: str, unit: str) -> Expr:
    """The newest final result in ``unit``, as a decimal; null when two of the same time differ."""
    result = expr.cast(expr.path("R", "value"), "Quantity")
    where = expr.all_of(
        expr.member(expr.path("R", "status.value"), _FINAL),
        expr.not_(expr.is_null(expr.of(result, "value"))),
        expr.equal(expr.of(result, "code.value"), expr.text(unit)),
    )
    at = expr.of(expr.cast(expr.path("R", "effective"), "dateTime"), "value")
    results = expr.query(
        expr.retrieve_coded("Observation", "code", [code]),
        "R",
        where,
        expr.tuple_(start=at, end=at, value=expr.of(result, "value.value"), inside=expr.TRUE),
    )
    return expr.at_the_end(results)


def _or_null(value: Expr, made: Expr) -> Expr:
    return expr.if_(expr.is_null(value), expr.NULL, made)


def _body() -> dict[str, Expr]:
    weight = expr.reference("weight value")
    return {
        "weight value": _latest(WEIGHT, "kg"),
        "weight": _or_null(weight, expr.quantity(weight, "kg")),
    }


def _standard() -> dict[str, Expr]:
    height, weight = expr.reference("height value"), expr.reference("weight value")
    pounds = expr.multiply(weight, expr.decimal(_POUNDS))
    return {
        **_body(),
        "height value": _latest(HEIGHT, "cm"),
        "height": _or_null(height, expr.quantity(height, "cm")),
        "weight in pounds": _or_null(weight, expr.quantity(pounds, "[lb_av]")),
        "devices": expr.retrieve("Device"),
        "conditions": expr.retrieve("Condition"),
        "observations": expr.retrieve("Observation"),
        "has a condition": expr.exists(expr.retrieve("Condition")),
        "as of": expr.today(),
    }


def _adaptive() -> dict[str, Expr]:
    return {**_body(), "observations": expr.retrieve("Observation"), "as of": expr.today()}


DEFINITIONS = {"ConformanceSampler": _standard(), "ConformanceSamplerAdaptive": _adaptive()}


def files(name: str, version: str) -> dict[str, bytes]:
    """The library in CQL and in ELM, by file ending."""
    definitions = DEFINITIONS[name]
    codes = [(WEIGHT, LOINC, "29463-7")] + ([(HEIGHT, LOINC, "8302-2")] if "height" in definitions else [])
    population = Population(definitions, tuple(codes), ())
    return {
        "cql": cql_text(name, version, population).encode(),
        "elm.json": json.dumps(elm_library(name, version, population), pretty=True) + b"\n",
    }
