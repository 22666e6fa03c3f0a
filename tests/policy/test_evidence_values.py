"""Results: units, comparators, possible values, components, times to the instant, and results that contradict each other."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy.support import DAY, claim, concept, condition, fact_policy, line, observation
from precert.fhir.moments import Moment
from precert.policy.evaluate import evaluate
from precert.policy.types import EvidenceItem, FactValue, LineContext
from precert.policy.units import factor, spellings

SPO2 = {"from": "Observation", "code": ["loinc|59408-5"], "unit": "%", "min": 30, "max": 100, "take": "latest"}
WEIGHT = {"from": "Observation", "code": ["loinc|29463-7"], "unit": "kg", "min": 2, "max": 650, "take": "latest"}
SCORE = {"from": "Observation", "code": ["http://codes.test|score"], "take": "latest", "min": 0, "max": 30}
OSA = {"from": "Condition", "code": ["icd10|G47.33"], "take": "exists"}
YES = {"ask": {"text": "?", "type": "boolean", "who": "clinical"}}
NUMBER = {"ask": {"text": "?", "type": "decimal", "who": "clinical"}}


def fact(model: dict[str, Any], context: LineContext) -> FactValue:
    (found,) = evaluate(fact_policy(model), context).facts
    return found


def spo2(value: Any, day: str | None = "2026-11-01", name: str = "o1", **more: Any) -> EvidenceItem:
    return observation("loinc|59408-5", value, day=day, name=name, **more)


def weighed(quantity: Any, **more: Any) -> EvidenceItem:
    return observation("loinc|29463-7", None, valueQuantity=quantity, **more)


def score(quantity: Any) -> EvidenceItem:
    return observation("http://codes.test|score", None, valueQuantity=quantity)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        ({"value": 80, "code": "kg"}, 80),
        ({"value": 80, "unit": "kg"}, 80),
        ({"value": 80, "unit": "kilograms", "system": "http://unitsofmeasure.org", "code": "kg"}, 80),
        ({"value": 200, "code": "[lb_av]"}, Decimal("90.71847400")),
        ({"value": 200, "unit": "lbs"}, Decimal("90.71847400")),
        ({"value": 200, "unit": "lb", "code": "[lb_av]"}, Decimal("90.71847400")),
        ({"value": 80000, "code": "g"}, Decimal("80.000")),
        ({"value": 80}, None),
        ({"value": 80, "code": "%"}, None),
        ({"value": 80, "code": "KG "}, 80),
        ({"value": 80, "code": "kg", "system": "http://other.test/units"}, None),
        ({"value": 80, "unit": "lb", "code": "kg"}, None),
        ({"value": 80, "unit": "st", "code": ""}, None),
        ({"value": 80, "code": "kg", "comparator": "<"}, None),
        ({"value": 80, "code": "kg", "comparator": ">="}, None),
        ({"value": "80", "code": "kg"}, None),
        ({"value": True, "code": "kg"}, None),
        ({"code": "kg"}, None),
        ({}, None),
        ("80 kg", None),
        ({"value": 1.9, "code": "kg"}, None),
        ({"value": 650.5, "code": "kg"}, None),
        ({"value": -80, "code": "kg"}, None),
        ({"value": Decimal("NaN"), "code": "kg"}, None),
        ({"value": Decimal("Infinity"), "code": "kg"}, None),
        ({"value": 10**40, "code": "kg"}, None),
    ],
)
def test_a_weight(quantity: Any, value: Any) -> None:
    found = fact(WEIGHT, line(evidence=[weighed(quantity)]))
    assert found.values == (() if value is None else (value,))
    assert value is not None or found.notes


@pytest.mark.parametrize(
    ("quantity", "counts"),
    [
        ({"value": 22}, True),
        ({"value": 22, "code": "1"}, True),
        ({"value": 22, "unit": "{score}"}, True),
        ({"value": 22, "code": "kg"}, False),
        ({"value": 22, "code": "%"}, False),
        ({"value": 22, "unit": "bananas"}, False),
        ({"value": 31}, False),
    ],
)
def test_a_plain_number_has_no_unit(quantity: Any, counts: bool) -> None:
    assert bool(fact(SCORE, line(evidence=[score(quantity)])).values) is counts


@pytest.mark.parametrize(
    "more",
    [
        {"valueString": "86"},
        {"valueString": "86 %"},
        {"valueInteger": "86"},
        {"valueRange": {"low": {"value": 80, "code": "%"}, "high": {"value": 86, "code": "%"}}},
        {"valueRatio": {"numerator": {"value": 86}, "denominator": {"value": 100}}},
        {"valueSampledData": {"data": "86"}},
        {"valueTime": "08:06"},
        {"valueQuantity": {"value": 86, "code": "%"}, "valueString": "95"},
        {"valueQuantity": {"value": 860, "code": "%"}},
        {"valueQuantity": {"value": 86, "code": "%"}, "dataAbsentReason": concept("x|error")},
    ],
)
@pytest.mark.parametrize("take", ["latest", "earliest", "lowest", "highest", "any", "sum"])
def test_a_result_that_cannot_be_read_is_none(more: dict[str, Any], take: str) -> None:
    found = fact({**SPO2, "take": take, "absent": 95}, line(evidence=[spo2(None, **more)]))
    assert found.values == ()
    assert found.notes


@given(st.sampled_from(["kg", "cm", "%", "mm[Hg]", "/h", "d", "min", "L"]))
def test_every_spelling_has_its_factor(unit: str) -> None:
    for size, written in spellings(unit).items():
        assert {factor(one, unit) for one in written} == {size}


@pytest.mark.parametrize(
    ("unit", "wanted"),
    [("kg", "cm"), ("mg/dL", "mmol/L"), ("1", "%"), ("{score}", "kg"), ("", "kg"), ("st", "kg"), ("mo", "d")],
)
def test_units_of_other_things_are_never_converted(unit: str, wanted: str) -> None:
    assert factor(unit, wanted) is None


def test_what_stands_in_braces_is_no_unit() -> None:
    assert {factor("{events}/h", "/h"), factor("{event}/h", "{apneas}/h"), factor("1/h", "{events}/h")} == {1}


def test_a_component_is_a_result_of_its_own() -> None:
    panel = {
        "resourceType": "Observation",
        "id": "p",
        "status": "final",
        "code": concept("loinc|85353-1"),
        "effectiveDateTime": "2026-11-01",
        "component": [
            {"code": concept("loinc|9279-1"), "valueQuantity": {"value": 18, "code": "/min"}},
            {"code": concept("loinc|59408-5"), "valueQuantity": {"value": 86, "code": "%"}},
        ],
    }
    assert fact(SPO2, line(evidence=[EvidenceItem(panel, "Observation/p")])).values == (86,)
    assert fact({**SPO2, "within": "30d"}, line(evidence=[EvidenceItem(panel, "Observation/p")])).values == (86,)
    for spoiled in ({"status": "preliminary"}, {"effectiveDateTime": "2027-01-01"}):
        assert fact(SPO2, line(evidence=[EvidenceItem(panel | spoiled, "Observation/p")])).values == ()
    absent = [{"code": concept("loinc|59408-5"), "dataAbsentReason": concept("x|unknown")}]
    assert fact(SPO2, line(evidence=[EvidenceItem(panel | {"component": absent}, "Observation/p")])).values == ()


@pytest.mark.parametrize("code", ["loinc|59408-5", "loinc|2708-6", "http://loinc.org|2708-6"])
def test_siblings_in_loinc_count(code: str) -> None:
    assert fact(SPO2, line(evidence=[observation(code, 86)])).values == (86,)


@pytest.mark.parametrize(("code", "counts"), [("78275009", True), ("44054006", False), ("73430006", False)])
def test_a_diagnosis_in_snomed_counts_as_what_it_maps_to(code: str, counts: bool) -> None:
    item = condition(f"http://snomed.info/sct|{code}")
    assert bool(fact(OSA, line(evidence=[item])).values) is counts
    prefix = {**OSA, "code": ["icd10|E11*"]}
    assert bool(fact(prefix, line(evidence=[item])).values) is (code == "44054006")


def test_a_products_ingredients_count() -> None:
    medication = {
        "resourceType": "Medication",
        "id": "m",
        "code": concept("http://rx.test|product"),
        "ingredient": [{"itemCodeableConcept": concept("http://rx.test|insulin")}],
    }
    order = {
        "resourceType": "MedicationRequest",
        "status": "active",
        "intent": "order",
        "contained": [{k: v for k, v in medication.items() if k != "code"}],
        "medicationReference": {"reference": "#m"},
    }
    model = {"from": "MedicationRequest", "code": ["http://rx.test|insulin"], "take": "exists"}
    assert fact(model, line(evidence=[EvidenceItem(order, "r")])).values == (True,)
    gone = order | {"contained": [medication | {"status": "entered-in-error"}]}
    assert fact(model, line(evidence=[EvidenceItem(gone, "r")])).values == ()


# ---- time


@pytest.mark.parametrize(
    ("times", "latest"),
    [
        (("2026-11-01T08:00:00Z", "2026-11-01T09:00:00Z"), 2),
        (("2026-11-01T08:00:00-05:00", "2026-11-01T12:59:00Z"), 1),
        (("2026-11-01T23:30:00-05:00", "2026-11-02T01:00:00Z"), 1),  # 04:30 in UTC is later than 01:00
        (("2026-10-31", "2026-11-01T08:00:00Z"), 2),
        (("2026-11-01T08:00", "2026-11-01T09:00"), 2),
        (("2026-10", "2026-11-01"), 2),
        (("2026-11-01T08:00:00.100Z", "2026-11-01T08:00:00.200Z"), 2),
        (("2026-11-01", "2026-11-01T09:00:00Z"), None),
        (("2026-11-01", "2026-11-01"), None),
        (("2026-11-01T09:00:00Z", "2026-11-01T10:00:00+01:00"), None),
        (("2026-11", "2026-11-01"), None),
        ((None, "2026-11-01"), None),
    ],
)
def test_latest_is_to_the_instant_and_what_cannot_be_ordered_is_a_conflict(
    times: tuple[str | None, str | None], latest: int | None
) -> None:
    pieces = [spo2(80 + n, day=time, name=f"o{n}") for n, time in enumerate(times, 1)]
    for order in permutations(pieces):
        found = fact(SPO2, line(evidence=order))
        if latest is None:
            assert (found.provenance, set(found.values)) == ("conflict", {81, 82})
        else:
            assert found.values == (80 + latest,)
            other = fact({**SPO2, "take": "earliest"}, line(evidence=order))
            assert other.values == (80 + 3 - latest,)


MAYBE_NEWER: list[dict[str, Any]] = [
    {"effectiveDateTime": "2026-10"},
    {"effectiveDateTime": "2026"},
    {},
    {"effectivePeriod": {"start": "2026-10-05", "end": "2026-10-30"}},
    {"effectivePeriod": {"start": "2026-10-05"}},  # nobody knows whether it is over
    {"effectivePeriod": {"end": "2026-10-30"}},
    {"effectiveTiming": {"event": ["2026-10-30"]}},
    {"effectiveTiming": {"event": ["2026-10-30"]}, "issued": "2026-10-12T00:00:00Z"},
    {"effectiveDateTime": "2026-12-01"},  # the date is wrong: nobody knows which is right
    {"effectiveDateTime": "2026-10-20", "issued": "2027-01-01T00:00:00Z"},
]
SURELY_OLDER: list[dict[str, Any]] = [
    {"effectiveDateTime": "2026-09"},
    {"effectiveDateTime": "2025"},
    {"effectivePeriod": {"start": "2026-10-05", "end": "2026-10-19"}},
    {"effectivePeriod": {"end": "2026-10-19"}},
    {"effectiveDateTime": "2026-10-19T23:59:59Z", "issued": "2026-10-25T00:00:00Z"},
]


@pytest.mark.parametrize("within", [None, "30d", "12mo"])
@pytest.mark.parametrize(("rival", "conflict"), [(r, True) for r in MAYBE_NEWER] + [(r, False) for r in SURELY_OLDER])
def test_a_result_that_may_be_the_newer_one_is_a_conflict_when_it_differs(
    rival: dict[str, Any], conflict: bool, within: str | None
) -> None:
    model = {**SPO2, **({"within": within} if within else {})}
    dated = spo2(86, day="2026-10-20T10:00:00Z", name="a")
    for order in permutations([dated, spo2(95, day=None, name="b", **rival)]):
        found = fact(model, line(evidence=order))
        if conflict:
            assert (found.provenance, set(found.values)) == ("conflict", {86, 95})
        else:
            assert found.values == (86,)
    agreed = fact(model, line(evidence=[dated, spo2(86, day=None, name="b", **rival)]))
    assert agreed.values == (86,)
    unread = spo2(None, day=None, name="b", valueString="low", **rival)
    assert fact(model, line(evidence=[dated, unread])).values == (() if conflict else (86,))


@pytest.mark.parametrize(
    ("rival", "conflict"),
    [
        ({}, True),
        ({"effectiveDateTime": "2026-10"}, True),
        ({"effectivePeriod": {"start": "2026-10-19", "end": "2026-10-25"}}, True),
        ({"effectivePeriod": {"start": "2026-10-21", "end": "2026-10-25"}}, False),
        ({"effectiveDateTime": "2026-11"}, False),
    ],
)
def test_the_earliest_has_rivals_alike(rival: dict[str, Any], conflict: bool) -> None:
    pieces = [spo2(86, day="2026-10-20T10:00:00Z", name="a"), spo2(95, day=None, name="b", **rival)]
    found = fact({**SPO2, "take": "earliest", "within": "6mo"}, line(evidence=pieces))
    assert found.values == ((86, 95) if conflict else (86,))
    assert (found.provenance == "conflict") is conflict


def test_two_results_of_the_same_instant_that_agree_are_no_conflict() -> None:
    pieces = [spo2(86, name="a"), spo2(Decimal("86.0"), name="b")]
    assert fact(SPO2, line(evidence=pieces)).values == (86,)


@pytest.mark.parametrize("take", ["lowest", "highest"])
def test_results_of_one_instant_that_differ_are_a_conflict_for_extremes_too(take: str) -> None:
    at = "2026-11-01T08:00:00Z"
    pieces = [spo2(86, day=at, name="a"), spo2(95, day=at, name="b")]
    assert fact({**SPO2, "take": take}, line(evidence=pieces)).provenance == "conflict"
    apart = [spo2(86, name="a"), spo2(95, name="b")]
    assert fact({**SPO2, "take": take}, line(evidence=apart)).provenance == "structured"


@pytest.mark.parametrize(
    "newest", [{"valueQuantity": {"value": 86, "code": "%", "comparator": "<"}}, {"valueString": "low"}]
)
def test_a_latest_result_that_cannot_be_read_does_not_give_way_to_an_older_one(newest: dict[str, Any]) -> None:
    old = spo2(86, day="2026-10-01", name="old")
    assert fact(SPO2, line(evidence=[old, spo2(None, name="new", **newest)])).values == ()
    assert fact(
        SPO2, line(evidence=[spo2(86, name="new"), spo2(None, day="2026-10-01", name="o", **newest)])
    ).values == (86,)
    assert fact(SPO2, line(evidence=[old, spo2(95, name="new", status="preliminary")])).values == (86,)


@pytest.mark.parametrize("within", [None, "30d"])
@pytest.mark.parametrize(
    ("day", "counts"),
    [
        ("2026-11-02", True),
        ("2026-11-02T23:59:59Z", True),
        ("2026-11-03T05:00:00+10:00", True),  # the 2nd in UTC
        ("2026-11-02T23:00:00-05:00", False),  # the 3rd in UTC
        ("2026-11-03", False),
        ("2026-12", False),
        ("2027", False),
        ("2035-01-01", False),
    ],
)
def test_what_is_dated_after_the_receipt_never_counts(within: str | None, day: str, counts: bool) -> None:
    model = {**SPO2, **({"within": within} if within else {})}
    assert bool(fact(model, line(evidence=[spo2(86, day=day)])).values) is counts
    dx = {**OSA, **({"within": within} if within else {})}
    assert bool(fact(dx, line(evidence=[condition("icd10|G47.33", recordedDate=day)])).values) is counts


@pytest.mark.parametrize(
    ("day", "counts"),
    [
        ("2026-10-03", True),
        ("2026-10-02", False),
        ("2026-10", False),
        ("2026-11", False),
        ("2026-09", False),
        ("2026", False),
    ],
)
def test_a_month_counts_only_if_it_lies_wholly_in_the_window(day: str, counts: bool) -> None:
    assert bool(fact({**SPO2, "within": "30d"}, line(evidence=[spo2(86, day=day)])).values) is counts
    assert fact({**SPO2, "within": "90d"}, line(evidence=[spo2(86, day="2026-09")])).values == (86,)


@pytest.mark.parametrize(
    ("service", "end", "evidence", "counts"),
    [
        ("2026-11-23", None, "2026-11-01", True),  # scheduled in three weeks, tested yesterday
        ("2027-10-01", None, "2026-11-01", True),
        ("2027-11-04", None, "2026-11-01", False),  # more than a year ahead
        ("2035-01-01", None, "2026-11-01", False),
        ("2026-10-20", None, "2026-10-20", True),
        ("2026-10-20", None, "2026-10-21", False),  # of the day after the service
        ("2026-10-20", None, "2026-09-21", True),  # the window ends with the service
        ("2026-10-20", None, "2026-09-19", False),
        ("2026-10-20", "2026-11-10", "2026-11-01", True),  # still under way
        ("2020-01-01", None, "2019-12-20", False),
        ("1900-01-01", None, "2026-11-01", False),
    ],
)
def test_evidence_is_of_before_the_service_and_the_service_within_reach(
    service: str, end: str | None, evidence: str, counts: bool
) -> None:
    last = date.fromisoformat(end) if end else None
    context = line(evidence=[spo2(86, day=evidence)], service_date=date.fromisoformat(service), service_end=last)
    assert bool(fact({**SPO2, "within": "30d"}, context).values) is counts


def test_what_the_plan_has_authorized_for_later_still_counts_as_authorized() -> None:
    held = {"resourceType": "PayerAuth", "id": "a", "code": concept("hcpcs|E0601"), "start": "2026-12-01", "units": 3}
    model = {"from": "PayerAuth", "code": ["hcpcs|E0601"], "take": "sum", "absent": 0, "min": 0, "max": 100}
    assert fact(model, line(evidence=[EvidenceItem(held, "PayerAuth/a", "payer")])).values == (3,)


def test_what_is_used_up_counts_for_a_service_that_is_over() -> None:
    model = {
        "from": "PayerClaim",
        "code": ["hcpcs|E0601"],
        "within": "365d",
        "take": "sum",
        "absent": 0,
        "min": 0,
        "max": 100,
    }
    for service in (date(2026, 9, 1), date(2025, 1, 1)):
        context = line(evidence=[claim("hcpcs|E0601", 20, day="2026-10-30")], service_date=service)
        assert fact(model, context).values == (20,)


@pytest.mark.parametrize(("day", "value"), [("2026-11-03", ()), ("2026-10-02", (95,))])
def test_a_wrong_date_is_no_proof_that_there_is_nothing(day: str, value: tuple[int, ...]) -> None:
    assert fact({**SPO2, "within": "30d", "absent": 95}, line(evidence=[spo2(86, day=day)])).values == value


def test_the_range_holds_for_what_the_payer_holds_too() -> None:
    model = {"from": "PayerClaim", "code": ["hcpcs|E0601"], "take": "sum", "absent": 0, "min": 0, "max": 100}
    assert fact(model, line(evidence=[claim("hcpcs|E0601", 101)])).values == ()
    assert fact(model, line(evidence=[claim("hcpcs|E0601", -1)])).values == ()
    assert fact({"from": "Item", "value": "quantity.value", "min": 1}, line(quantity=0)).values == ()


days = st.dates(date(2025, 1, 1), date(2027, 12, 31)).map(date.isoformat)
instants = st.tuples(days, st.integers(0, 23), st.sampled_from(["Z", "+10:00", "-08:00"])).map(
    lambda t: f"{t[0]}T{t[1]:02d}:00:00{t[2]}"
)


@given(st.lists(st.one_of(days, instants), min_size=2, max_size=2))
def test_of_two_times_at_most_one_is_later(both: list[str]) -> None:
    one, other = (Moment.parse(text) for text in both)
    assert one is not None
    assert other is not None
    assert not (one.after(other) and other.after(one))
    assert not one.after(one)


@pytest.mark.parametrize(
    "written",
    [
        "20261101",
        "2026-13-01",
        "2026-02-30",
        "2026-11-01T25:00:00Z",
        "2026-11-01T08:00:00+99:00",
        "",
        5,
        None,
        "２０２６",
    ],
)
def test_what_is_no_time(written: Any) -> None:
    assert Moment.parse(written) is None


# ---- contradictions


def refuted(code: str = "icd10|G47.33") -> EvidenceItem:
    return condition(code, "no", verificationStatus={"coding": [{"code": "refuted"}]})


@pytest.mark.parametrize(
    "context",
    [
        {"evidence": [refuted(), condition("icd10|G47.33")]},
        {"evidence": [refuted()], "diagnoses": [concept("icd10|G47.33")]},
        {"evidence": [refuted("icd10|G4733")], "answers": {"x": True}},
    ],
)
def test_refuted_beside_asserted_is_a_conflict(context: dict[str, Any]) -> None:
    found = fact({**OSA, **YES}, line(**context))
    assert (found.provenance, set(found.values)) == ("conflict", {True, False})


def test_refuted_alone_is_unknown_and_agrees_with_a_no() -> None:
    assert fact({**OSA, **YES}, line(evidence=[refuted()])).provenance == "missing"
    assert fact({**OSA, **YES}, line(evidence=[refuted()], answers={"x": False})).values == (False,)
    assert fact(OSA, line(evidence=[refuted("icd10|I10"), condition("icd10|G47.33")])).values == (True,)
    mistaken = condition("icd10|G47.33", "no", verificationStatus={"coding": [{"code": "entered-in-error"}]})
    assert fact(OSA, line(evidence=[mistaken, condition("icd10|G47.33")])).values == (True,)


def test_a_diagnosis_of_the_request_that_the_chart_calls_over_is_a_conflict() -> None:
    over = condition("icd10|G47.33", "old", clinicalStatus={"coding": [{"code": "resolved"}]})
    assert fact(OSA, line(evidence=[over], diagnoses=[concept("icd10|G47.33")])).provenance == "conflict"
    assert fact(OSA, line(evidence=[over, condition("icd10|G47.33")])).values == (True,)  # it came again


# ---- properties

pieces = st.lists(
    st.tuples(
        st.one_of(st.integers(20, 110), st.none()),
        st.one_of(days, instants, st.none()),
        st.sampled_from(["final", "amended", "preliminary", "entered-in-error"]),
        st.sampled_from(["%", "1", "kg"]),
    ),
    max_size=5,
).map(
    lambda listed: [
        observation("loinc|59408-5", value, unit, day=day, name=f"o{n}", status=status)
        for n, (value, day, status, unit) in enumerate(listed)
    ]
)


@given(
    pieces,
    st.randoms(use_true_random=False),
    st.sampled_from(["latest", "earliest", "lowest", "highest", "sum", "count"]),
)
def test_the_order_of_evidence_says_nothing(found: list[EvidenceItem], random: Any, take: str) -> None:
    model = {**SPO2, "take": take, "within": "6mo"}
    before = fact(model, line(evidence=found))
    mixed = list(found)
    random.shuffle(mixed)
    after = fact(model, line(evidence=mixed))
    assert (after.provenance, set(after.values)) == (before.provenance, set(before.values))


BAD: list[dict[str, Any]] = [
    {"status": "preliminary"},
    {"status": None},
    {"effectiveDateTime": (DAY + timedelta(days=1)).isoformat()},
    {"valueQuantity": {"value": 860, "code": "%"}},
    {"valueQuantity": {"value": 40, "code": "%", "comparator": "<"}},
    {"valueQuantity": {"value": 40, "code": "kg"}},
    {"dataAbsentReason": concept("x|error")},
    {"focus": [{"reference": "Patient/2"}]},
    {"modifierExtension": [{"url": "x"}]},
]


@given(pieces, st.sampled_from(BAD), st.sampled_from(["latest", "earliest", "lowest", "highest", "any", "sum"]))
def test_invalid_evidence_never_adds_a_value(found: list[EvidenceItem], spoil: dict[str, Any], take: str) -> None:
    model = {**SPO2, "take": take}
    good = spo2(40, name="bad")
    bad = EvidenceItem({k: v for k, v in (good.resource | spoil).items() if v is not None}, "Observation/bad")
    before = fact(model, line(evidence=found))
    after = fact(model, line(evidence=[*found, bad]))
    if after.provenance == "conflict" and "effectiveDateTime" in spoil and take == "latest":
        return  # nobody knows which date is right, so it may be the newest
    assert after.values in (before.values, ())
    assert not after.values or "Observation/bad" not in after.evidence
