"""An update of an authorized line: what is another service or amount, and when it merely asks for less."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from precert.authorization.deciding.authorized import same_service
from precert.authorization.record.case import Authorization, Line, LineRequest, Party
from precert.authorization.usecases.same_request import same_line
from precert.authorization.usecases.update import asks_less, differs, update_refused
from support.records import AT

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
START = date(2027, 1, 4)
RANGE_END = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-productOrServiceCodeEnd"


def concept(code: str) -> dict[str, Any]:
    return {"coding": [{"system": HCPCS, "code": code}]}


def asked(quantity: int | None = 3, unit: str | None = "months", **changes: Any) -> LineRequest:
    """A line as a Claim asks for it. Of ``changes``, ``element`` stands in its item, the others are fields of the line."""
    item = {"productOrService": concept("E0601"), **changes.pop("element", {})}
    if quantity is not None:
        item["quantity"] = {"value": Decimal(quantity), **({"unit": unit} if unit else {})}
    line = LineRequest(
        sequence=1,
        code=f"{HCPCS}|E0601",
        service_start=START,
        quantity=Decimal(quantity) if quantity is not None else None,
        unit=unit,
        item=item,
    )
    return msgspec.structs.replace(line, **changes)


def authorized(line: LineRequest, quantity: int | None = 3, unit: str | None = "months") -> Line:
    granted = Authorization(
        number="PA1",
        issued=AT.date(),
        start=START,
        end=START + timedelta(days=90),
        quantity=Decimal(quantity) if quantity is not None else None,
        unit=unit,
    )
    return Line(sequence=1, requested=line, state="active", authorization=granted)


@pytest.mark.parametrize(
    ("known", "wanted", "less"),
    [
        (authorized(asked()), asked(2), True),
        (authorized(asked()), asked(3), True),
        (authorized(asked()), asked(4), False),
        # granted in part: up to what was granted, whatever was asked
        (authorized(asked(6)), asked(4), False),
        (authorized(asked(6)), asked(2), True),
        # two of another unit may be more: years, or units of who knows what
        (authorized(asked()), asked(2, "years"), False),
        (authorized(asked()), asked(2, "bananas"), False),
        (authorized(asked()), asked(2, None), False),
        (authorized(asked(3, None), 3, None), asked(2, "months"), False),
        # no amount is no smaller one, nor is one of an authorization that limits none
        (authorized(asked()), asked(None), False),
        (authorized(asked(None), None), asked(2), False),
    ],
)
def test_less_is_less_in_the_same_unit(known: Line, wanted: LineRequest, less: bool) -> None:
    assert asks_less(known, wanted) is less


OTHERS = [
    {"element": {"productOrService": concept("E0470")}},
    {"element": {"modifier": [concept("RR")]}},
    {"element": {"revenue": concept("0290")}},
    {"element": {"category": concept("18")}},
    {"element": {"programCode": [concept("K0823")]}},
    {"element": {"detail": [{"sequence": 1, "productOrService": concept("K0823")}]}},
    {"element": {"extension": [{"url": RANGE_END, "valueCodeableConcept": concept("E0602")}]}},
    {"element": {"bodySite": concept("left")}},
    {"element": {"subSite": [concept("knee")]}},
    {"element": {"locationCodeableConcept": concept("12")}},
    {"service_start": START + timedelta(days=1)},
    {"service_end": START + timedelta(days=365)},
    {"provider": Party(npi="1992817498")},
]


@pytest.mark.parametrize("change", OTHERS)
def test_less_of_something_else_is_not_less(change: dict[str, Any]) -> None:
    assert differs(asked(), asked(**change))
    assert not asks_less(authorized(asked()), asked(2, **change))


@pytest.mark.parametrize("change", OTHERS)
def test_something_else_is_not_the_same_request_again(change: dict[str, Any]) -> None:
    assert same_line(asked(), asked())
    assert not same_line(asked(), asked(**change))


@pytest.mark.parametrize(
    "more",
    [
        {"programCode": [concept("K0823")]},
        {"detail": [{"sequence": 1, "productOrService": concept("K0823")}]},
        {"detail": [{"sequence": 1, "productOrService": concept("bananas")}]},
        {
            "detail": [
                {
                    "sequence": 1,
                    "productOrService": concept("E0601"),
                    "subDetail": [{"sequence": 1, "productOrService": concept("K0823")}],
                }
            ]
        },
        {"extension": [{"url": RANGE_END, "valueCodeableConcept": concept("E0602")}]},
    ],
)
def test_an_authorization_covers_nothing_that_hides_in_an_item(more: dict[str, Any]) -> None:
    assert same_service(asked(), asked())
    assert not same_service(asked(), asked(element=more))
    assert not same_service(asked(element=more), asked())


@pytest.mark.parametrize("where", ["locationCodeableConcept", "bodySite", "subSite"])
@pytest.mark.parametrize(("one", "other", "same"), [("a", "a", True), ("a", "b", False), ("a", None, True)])
def test_places_agree_where_both_say_one(where: str, one: str, other: str | None, same: bool) -> None:
    there = [{where: concept(code)} if code else {} for code in (one, other)]
    assert same_service(asked(element=there[0]), asked(element=there[1])) is same
    assert same_service(asked(element=there[1]), asked(element=there[0])) is same


@pytest.mark.parametrize(
    "element",
    [
        {"sequence": 1},
        {"informationSequence": [1]},
        {"diagnosisSequence": [1]},
        {"unitPrice": {"value": 5}},
        {"extension": [{"url": "urn:x", "valueString": "trace"}]},
        {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
    ],
)
def test_what_says_nothing_of_the_service_changes_nothing(element: dict[str, Any]) -> None:
    assert not differs(asked(), asked(element=element))


@pytest.mark.parametrize("denied", ["denied", "denied_admin"])
@pytest.mark.parametrize(
    ("first", "second", "cancel_all", "where"),
    [
        ({}, {}, False, None),  # every item comes again, as the profile wants it
        ({"quantity": 2}, {}, False, None),  # a change to the other line
        ({}, {"quantity": 2}, False, "Claim.item[1]"),
        ({}, {"service_start": START + timedelta(days=1)}, False, "Claim.item[1]"),
        ({}, {"element": {"modifier": [concept("RR")]}}, False, "Claim.item[1]"),
        ({}, {"request": "cancel"}, False, "Claim.item[1]"),
        ({"request": "cancel"}, {}, False, None),
        ({}, None, False, None),  # it is left out
        ({}, {}, True, None),
    ],
)
def test_an_update_does_not_touch_a_denied_line(
    first: dict[str, Any], second: dict[str, Any] | None, cancel_all: bool, where: str | None, denied: str
) -> None:
    """Line 1 is authorized, line 2 denied."""
    refusal = update_refused(*_update(["active", denied], first, second, cancel_all))
    assert (refusal.path if refusal is not None else None) == where
    assert refusal is None or refusal.key == "update_after_denial"


@pytest.mark.parametrize(("cancel_all", "where"), [(False, "Claim.related"), (True, None)])
def test_a_case_of_which_all_is_denied_takes_no_update(cancel_all: bool, where: str | None) -> None:
    refusal = update_refused(*_update(["denied", "denied_admin"], {}, {}, cancel_all))
    assert (refusal.path if refusal is not None else None) == where


def _update(
    states: list[str], first: dict[str, Any], second: dict[str, Any] | None, cancel_all: bool
) -> tuple[Any, Any]:
    """A case whose lines are in these states, and an update that asks for ``first`` and ``second``."""
    lines = {n: Line(sequence=n, requested=asked(), state=state) for n, state in enumerate(states, 1)}
    sent = [each for each in (first, second) if each is not None]
    wanted = tuple(msgspec.structs.replace(asked(**each), sequence=n) for n, each in enumerate(sent, 1))
    case = SimpleNamespace(lines=lines, ordered=list(lines.values()))
    return cast(Any, case), cast(Any, SimpleNamespace(lines=wanted, cancel_all=cancel_all))
