"""Who may decide what: role, outcome, amount, licence, rationale and the recorded result of what is cited, as a table."""

from __future__ import annotations

import itertools
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from authorization.test_names import NO_LICENCES
from precert.authorization.deciding.determination_rules import (
    Closed,
    Forbidden,
    Incomplete,
    PersonDecides,
    PersonRefers,
    Reviewed,
    check,
    check_referral,
)
from precert.authorization.deciding.grounds import Asked, Ground
from precert.authorization.deciding.terms import Measure
from precert.authorization.record.case import Determination, Line, LineRequest
from precert.authorization.record.lifecycle import lifecycle
from precert.policy.types import Grant, Outcome

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
START = date(2027, 1, 4)
GRANT = Grant(period_months=12, max_quantity=Decimal(12), unit="months")
WHY = "The study of this member shows three events an hour, which is no apnea."
REQUESTER, RENDERER = "1992817498", "1245319599"


def asked(due: int, answered: int | None = None) -> Asked:
    at = NOW - timedelta(days=10)
    came = at + timedelta(days=answered) if answered is not None else None
    return Asked("How many events an hour?", at, NOW + timedelta(days=due), came)


GROUNDS = {
    ground.id: ground
    for ground in (
        Ground("TRUE", "met", "for", evidence=("Observation/o1",)),
        Ground("FALSE", "not met", "against"),
        Ground("NEVER-ASKED", "unknown", "unknown"),
        Ground("OPEN", "unknown", "unknown", asked=asked(due=1)),
        Ground("OVERDUE", "unknown", "unknown", asked=asked(due=-1)),
        Ground("DUE-NOW", "unknown", "unknown", asked=asked(due=0)),
        Ground("ANSWERED", "unknown", "unknown", asked=asked(due=1, answered=2)),
        Ground("NO-END", "unknown", "unknown", asked=Asked("?", NOW - timedelta(days=90), None, None)),
    )
}


def reviewed(
    state: str = "nurse_review", outcome: Outcome | None = Outcome.REFER_NURSE, quantity: int = 12, **more: Any
) -> Reviewed:
    request = LineRequest(sequence=1, code="x|E1390", service_start=START, quantity=Decimal(quantity), unit="months")
    line = Line(sequence=1, requested=request, state=state)
    engine = Determination(id="d", at=NOW, outcome=outcome.value, policy="p", version="1", **more) if outcome else None
    return Reviewed(
        line=line,
        measure=Measure(request, GRANT, True, START),
        now=NOW,
        engine=engine,
        grounds=GROUNDS,
        parties=frozenset({REQUESTER, RENDERER, "Nadia Fuentes, MD", "Raymond Cho"}),
    )


def judged(found: Reviewed, **body: Any) -> str:
    """What becomes of the body: ``granted`` | ``nothing granted`` | the rule that refuses it."""
    decides = PersonDecides.model_validate({"by": "somebody", **body})
    try:
        return "nothing granted" if check(decides, found) is None else "granted"
    except Forbidden as error:
        return f"403 {error.rule}"
    except Incomplete as error:
        return f"422 {error.rule} {error.field}"
    except Closed:
        return "409"


ADVERSE = {"license": "MD-12345", "rationale": WHY}
LESS = [
    {"units": 1},
    {"period": "1 weeks"},
    {"units": 12, "period": "2027-02-01/2028-01-03"},
    {"units": 1, "period": "1 month"},
]
MORE = [{"units": 13}, {"period": "2 years"}, {"units": 18, "period": "18 months"}]
AS_ASKED: list[dict[str, Any] | None] = [
    None,
    {"units": 12},
    {"period": "12 months"},
    {"units": 12, "period": "1 year"},
]
IMPOSSIBLE = [{"units": 0}, {"units": 9999}, {"period": "2020-01-01/2020-01-02"}, {"period": "10 years"}]


@pytest.mark.parametrize("authorized", LESS)
def test_less_than_asked_is_adverse_whatever_it_is_called(authorized: dict[str, Any]) -> None:
    nurse, physician = {"role": "nurse"}, {"role": "physician"}
    for outcome in ("approve", "modify"):
        given = {"outcome": outcome, "authorized": authorized, **ADVERSE}
        assert judged(reviewed(), **given, **nurse) == "403 adverse-needs-physician"
    assert (
        judged(reviewed(), outcome="approve", authorized=authorized, **ADVERSE, **physician) == "422 use-modify outcome"
    )
    modify = {"outcome": "modify", "authorized": authorized, **physician}
    assert judged(reviewed(), **modify, **ADVERSE) == "granted"
    assert judged(reviewed(), **modify, license="MD-12345") == "422 incomplete rationale"
    assert judged(reviewed(), **modify, license="MD-12345", rationale="Too much.") == "422 rationale rationale"
    assert judged(reviewed(), **modify, rationale=WHY) == "422 incomplete license"
    assert judged(reviewed(), **modify, rationale=WHY, license="x") == "422 license license"


@pytest.mark.parametrize("authorized", MORE)
def test_more_than_asked_needs_a_physician_and_a_reason(authorized: dict[str, Any]) -> None:
    given = {"outcome": "approve", "authorized": authorized}
    assert judged(reviewed(), **given, rationale=WHY, role="nurse") == "403 exception-needs-physician"
    assert judged(reviewed(), **given, role="physician") == "422 rationale rationale"
    assert judged(reviewed(), **given, rationale="." * 80, role="physician") == "422 rationale rationale"
    assert judged(reviewed(), **given, rationale="Travels for months.", role="physician") == "granted"
    modify = {"outcome": "modify", "authorized": authorized, **ADVERSE, "role": "physician"}
    assert judged(reviewed(), **modify).startswith("422 not-less")


@pytest.mark.parametrize("authorized", IMPOSSIBLE)
@pytest.mark.parametrize("role", ["nurse", "physician"])
def test_what_cannot_be_is_refused_to_everybody(role: str, authorized: dict[str, Any]) -> None:
    assert judged(reviewed(), outcome="approve", authorized=authorized, role=role).startswith("422 impossible-")


@pytest.mark.parametrize("authorized", AS_ASKED)
@pytest.mark.parametrize("role", ["nurse", "physician"])
def test_what_was_asked_is_approved(role: str, authorized: dict[str, Any] | None) -> None:
    given = {"outcome": "approve", **({"authorized": authorized} if authorized else {})}
    assert judged(reviewed(), **given, role=role) == "granted"
    assert judged(reviewed("pended_info"), **given, role=role) == "granted"


@pytest.mark.parametrize(
    ("found", "nurse", "physician"),
    [
        (reviewed(outcome=Outcome.REFER), "403 exception-needs-physician", "422 rationale rationale"),
        (
            reviewed(outcome=Outcome.DENY_ADMIN, reasons=("EXCLUDED",)),
            "403 exception-needs-physician",
            "422 rationale rationale",
        ),
        (
            reviewed(outcome=Outcome.PEND_INFO, reasons=("FALSE",)),
            "403 exception-needs-physician",
            "422 rationale rationale",
        ),
        (
            reviewed(outcome=Outcome.REFER_NURSE, reasons=("FALSE",)),
            "403 exception-needs-physician",
            "422 rationale rationale",
        ),
        (reviewed(quantity=13), "403 exception-needs-physician", "422 rationale rationale"),
        (
            reviewed(outcome=Outcome.DENY_ADMIN, reasons=("ELIGIBILITY",)),
            "422 rationale rationale",
            "422 rationale rationale",
        ),
        (reviewed(outcome=Outcome.PEND_INFO), "422 rationale rationale", "422 rationale rationale"),
        (reviewed(outcome=None), "422 rationale rationale", "422 rationale rationale"),
        (reviewed(), "granted", "granted"),
    ],
)
def test_a_yes_that_the_rules_did_not_reach_says_why(found: Reviewed, nurse: str, physician: str) -> None:
    assert judged(found, outcome="approve", role="nurse") == nurse
    assert judged(found, outcome="approve", role="physician") == physician
    said = "Confirmed by telephone."
    assert judged(found, outcome="approve", role="nurse", rationale=said) == (nurse if "403" in nurse else "granted")
    assert judged(found, outcome="approve", role="physician", rationale=said) == "granted"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("FALSE", "nothing granted"),
        ("OVERDUE", "nothing granted"),
        ("DUE-NOW", "nothing granted"),
        ("ANSWERED", "nothing granted"),
        ("TRUE", "422 criterion-met reasons"),
        ("NEVER-ASKED", "422 criterion-not-asked reasons"),
        ("OPEN", "422 question-open reasons"),
        ("NO-END", "422 question-open reasons"),
        ("INVENTED", "422 incomplete reasons"),
    ],
)
def test_a_denial_cites_what_is_recorded_against_the_request(reason: str, expected: str) -> None:
    denial = {"outcome": "deny", "role": "physician", **ADVERSE}
    assert judged(reviewed(), **denial, reasons=[reason]) == expected
    beside = judged(reviewed(), **denial, reasons=["FALSE", reason])
    assert beside == expected  # a good reason beside it does not carry a bad one
    cut = {"outcome": "modify", "role": "physician", "authorized": {"units": 6}, **ADVERSE, "reasons": [reason]}
    assert judged(reviewed(), **cut) == expected.replace("nothing granted", "granted")
    assert judged(reviewed(), **(denial | {"role": "nurse"}), reasons=[reason]) == "403 adverse-needs-physician"


@pytest.mark.parametrize("outcome", ["deny", "pend"])
def test_what_grants_nothing_names_no_amount(outcome: str) -> None:
    given = {"outcome": outcome, "role": "physician", "note": "Which?", "reasons": ["FALSE"], **ADVERSE}
    assert judged(reviewed(), **given, authorized={"units": 1}) == "422 incomplete authorized"


def test_a_denial_without_a_criterion() -> None:
    assert judged(reviewed(), outcome="deny", role="physician", **ADVERSE) == "422 incomplete reasons"


@pytest.mark.parametrize(
    "rationale",
    [
        None,
        ".",
        "No.",
        "." * 60,
        "no no no no no no no no no no no no no no no",
        "x" * 50,
        "1234567890 " * 6,
        "Not medically necessary.",
    ],
)
def test_an_adverse_rationale_speaks_about_this_member(rationale: str | None) -> None:
    given = {"license": "MD-12345", "role": "physician", **({"rationale": rationale} if rationale else {})}
    assert judged(reviewed(), outcome="deny", reasons=["FALSE"], **given).endswith(" rationale")
    assert judged(reviewed(), outcome="modify", authorized={"units": 6}, **given).endswith(" rationale")


@pytest.mark.parametrize("written", NO_LICENCES)
def test_a_licence_is_one_whatever_is_decided(written: str) -> None:
    for outcome in ("approve", "pend"):
        given = {"outcome": outcome, "role": "physician", "note": "Which study?", "license": written}
        assert judged(reviewed(), **given) == "422 license license"


@pytest.mark.parametrize(
    "who",
    [{"npi": REQUESTER}, {"npi": RENDERER}, {"by": REQUESTER}, {"by": "NADIA  fuentes, MD"}, {"license": REQUESTER}]
    + [
        {"by": name}
        for name in ("Dr. N. Fuentes", "Fuentes", "n.fuentes", "Fuentes, N.", "Raymond Cho", "R. Cho", "Nurse Cho")
    ],
)
def test_nobody_decides_about_a_request_of_their_own(who: dict[str, str]) -> None:
    for role, outcome in itertools.product(("nurse", "physician"), ("approve", "pend", "modify", "deny")):
        given = {"outcome": outcome, "role": role, "note": "Which?", **ADVERSE, **who}
        assert judged(reviewed(), **given) == "403 conflict-of-interest"


@pytest.mark.parametrize("by", [".", "-", "x", "N. R.", "MD", "Dr.", "12", "7a"])
def test_who_decides_is_named(by: str) -> None:
    for outcome in ("approve", "pend", "modify", "deny"):
        given = {"outcome": outcome, "role": "physician", "note": "Which?", **ADVERSE, "by": by}
        assert judged(reviewed(), **given) == "422 name by"


@pytest.mark.parametrize("who", [{"npi": REQUESTER}, {"by": "nadia fuentes, md"}])
def test_nobody_refers_a_request_of_their_own(who: dict[str, str]) -> None:
    said = {"by": "Ruiz", "role": "nurse", "reason": "The study is hard to read."} | who
    with pytest.raises(Forbidden, match="takes no part"):
        check_referral(PersonRefers.model_validate(said), reviewed())


@pytest.mark.parametrize("state", sorted(lifecycle().states))
@pytest.mark.parametrize("role", ["nurse", "physician", "clerk", "Nurse"])
def test_who_decides_where(role: str, state: str) -> None:
    got = judged(reviewed(state), outcome="pend", note="Which study?", role=role)
    if state not in lifecycle().open:
        assert got == "409"
    elif role not in ("nurse", "physician"):
        assert got == "403 role-may-not-decide"
    elif role == "nurse" and state == "md_review":
        assert got == "403 physician-review"
    else:
        assert got == "nothing granted"


@pytest.mark.parametrize("state", sorted(lifecycle().states))
def test_a_nurse_refers_what_is_open_and_not_with_a_physician(state: str) -> None:
    refers = PersonRefers(by="Ruiz", role="nurse", reason="The study is hard to read.")
    if state in ("nurse_review", "pended_info"):
        check_referral(refers, reviewed(state))
    else:
        with pytest.raises(Closed):
            check_referral(refers, reviewed(state))


def test_a_referral_says_why_and_is_a_nurses() -> None:
    for reason in (".", "No", "--------------"):
        with pytest.raises(Incomplete, match="why"):
            check_referral(PersonRefers(by="Ruiz", role="nurse", reason=reason), reviewed())
    for role in ("physician", "clerk"):
        with pytest.raises(Forbidden):
            check_referral(PersonRefers(by="Ruiz", role=role, reason="The study is hard to read."), reviewed())
