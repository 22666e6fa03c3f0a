"""What a person may decide, as rules that the server enforces; a hidden button is not a control.

Every rule reads what is decided (the amounts, the criteria, the role), never what it is called.
Sources: 42 CFR 422.566(d) and 438.210(b)(3) (only a clinician with fitting expertise denies or cuts), NCQA UM 4,
42 CFR 422.590(h)(2) and URAC (nobody decides about a request of their own); docs/workbench.md ("Your decision").
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from precert.authorization.deciding.grounds import ELIGIBILITY, Ground
from precert.authorization.deciding.names import is_license, may_be_same, names_somebody, plain_name
from precert.authorization.deciding.terms import Impossible, Measure, Terms
from precert.authorization.record.case import Determination, Line
from precert.authorization.record.lifecycle import lifecycle
from precert.policy.types import Outcome

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
Npi = Annotated[str, StringConstraints(pattern=r"^[0-9]{10}$")]
OPEN_STATES = lifecycle().open
NURSE, PHYSICIAN = "nurse", "physician"
RATIONALE_LENGTH, RATIONALE_WORDS = 40, 5
"""What a sentence to the member about an adverse decision has at least: characters, and different words."""
REASON_LENGTH, REASON_WORDS = 10, 2
"""The same for a sentence to colleagues: why something is approved all the same, or referred."""

_WORD = re.compile(r"[^\W\d_]{2,}")


class Authorized(BaseModel):
    """What a person grants when it is not simply what was asked. ``units`` count as the request does."""

    model_config = ConfigDict(extra="forbid")

    units: Decimal | None = None
    period: Text | None = None  # "12 weeks", "2026-12-01/2027-02-28"


class PersonDecides(BaseModel):
    """The body of a determination by a person (outside contract, "People")."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["approve", "modify", "deny", "pend"]
    by: Text
    role: Text
    npi: Npi | None = None
    license: Text | None = None
    specialty: Text | None = None
    reasons: list[Text] = Field(default_factory=list, max_length=50)
    rationale: Text | None = None
    authorized: Authorized | None = None
    note: Text | None = None


class PersonRefers(BaseModel):
    """The body of a referral: a nurse hands a line to a physician and says why."""

    model_config = ConfigDict(extra="forbid")

    by: Text
    role: Text
    npi: Npi | None = None
    reason: Text
    question: Text | None = None


class PersonReviewsEvidence(BaseModel):
    """The body of a review of changed evidence: who looked at it, and what they make of it."""

    model_config = ConfigDict(extra="forbid")

    by: Text
    role: Text
    npi: Npi | None = None
    reason: Text


class Forbidden(Exception):
    """This person may not do this. ``rule`` is a stable short id, the message the rule in words."""

    def __init__(self, rule: str, message: str, field: str = "role") -> None:
        super().__init__(message)
        self.rule, self.field = rule, field


class Incomplete(Exception):
    """The determination lacks, or contradicts, what its outcome needs; ``field`` says where, ``rule`` is a short id."""

    def __init__(self, field: str, message: str, rule: str = "incomplete") -> None:
        super().__init__(message)
        self.field, self.rule = field, rule


class Closed(Exception):
    """The line is not open for a determination."""


@dataclass(frozen=True, slots=True)
class Reviewed:
    """The line as a person finds it: what was asked, what the rules said of it, and who has a stake in it.

    ``engine`` is the rules' last determination, whatever people did since. ``parties`` are the NPIs and names of who
    asks, orders or renders, and the names of the member, as they are written. ``decide_by`` is when an urgent request has to be decided.
    """

    line: Line
    measure: Measure
    now: datetime
    engine: Determination | None = None
    grounds: Mapping[str, Ground] = field(default_factory=dict)
    parties: frozenset[str] = frozenset()
    decide_by: datetime | None = None


def check(decides: PersonDecides, reviewed: Reviewed) -> Terms | None:
    """What the person grants (``None`` when nothing is).

    Raises Closed, Forbidden or Incomplete unless this person may decide this line in this way.
    """
    if reviewed.line.state not in OPEN_STATES:
        raise Closed(f"The line is {reviewed.line.state.replace('_', ' ')}; only an open line can be decided.")
    if decides.role not in (NURSE, PHYSICIAN):
        raise Forbidden(
            "role-may-not-decide",
            f"The role {decides.role!r} decides nothing. A nurse approves, asks or refers; a physician decides everything.",
        )
    _no_conflict(decides, reviewed)
    if decides.role == NURSE and reviewed.line.state == "md_review":
        raise Forbidden("physician-review", "The line is with a physician; a nurse can no longer decide it.")
    if decides.role == NURSE and decides.outcome in ("deny", "modify"):
        raise Forbidden("adverse-needs-physician", _ADVERSE)
    if decides.license is not None and not is_license(decides.license):
        raise Incomplete(
            "license",
            f"{decides.license[:40]!r} is no licence number: at least 4 letters and digits, with a digit, as MD-12345.",
            "license",
        )
    if decides.authorized is not None and decides.outcome not in ("approve", "modify"):
        raise Incomplete("authorized", f"The outcome {decides.outcome} grants nothing: leave authorized out.")
    _known_reasons(decides, reviewed)
    match decides.outcome:
        case "deny":
            if not decides.reasons:
                raise Incomplete("reasons", "A denial names the criterion that is not met.")
            _adverse(decides, reviewed)
            return None
        case "modify":
            return _modify(decides, reviewed)
        case "approve":
            return _approve(decides, reviewed)
        case _:
            if not decides.reasons and not decides.note:
                raise Incomplete("note", "Say what is needed: criterion ids in reasons, or a question in note.")
            return None


def check_referral(refers: PersonRefers, reviewed: Reviewed) -> None:
    """Raise Closed, Forbidden or Incomplete unless this person may refer this line to a physician."""
    if reviewed.line.state == "md_review":
        raise Closed("The line is with a physician already.")
    if reviewed.line.state not in OPEN_STATES:
        raise Closed(f"The line is {reviewed.line.state.replace('_', ' ')}; only an open line can be referred.")
    if refers.role != NURSE:
        raise Forbidden("role-may-not-refer", "A nurse refers to a physician; a physician decides or asks.")
    _no_conflict(refers, reviewed)
    if not _speaks(refers.reason, REASON_LENGTH, REASON_WORDS):
        raise Incomplete("reason", "Say in a few words why a physician has to decide.", "rationale")


def check_evidence_review(reviews: PersonReviewsEvidence, reviewed: Reviewed, changed: bool) -> None:
    """Raise Closed, Forbidden or Incomplete unless this person may say that they have looked at what ``changed`` on file."""
    if not changed:
        raise Closed("Nothing changed on file that this line has to be looked at for.")
    if reviews.role not in (NURSE, PHYSICIAN):
        raise Forbidden("role-may-not-review", "A nurse or a physician reviews what changed.")
    _no_conflict(reviews, reviewed)
    if not _speaks(reviews.reason, REASON_LENGTH, REASON_WORDS):
        raise Incomplete("reason", "Say in a few words what you make of the change.", "rationale")


_ADVERSE = (
    "Only a physician may deny a request or grant less than was asked (42 CFR 422.566(d), 438.210(b)(3)). "
    "Ask for what is missing, or refer it to a physician (POST .../referral)."
)


def _no_conflict(person: PersonDecides | PersonRefers | PersonReviewsEvidence, reviewed: Reviewed) -> None:
    """Raise Forbidden for somebody who may be a party to the request, Incomplete when nobody is named at all."""
    licensed = person.license if isinstance(person, PersonDecides) else None
    parties = frozenset(map(plain_name, reviewed.parties))
    for name, said in (("npi", person.npi), ("by", person.by), ("license", licensed)):
        if said is None:
            continue
        if plain_name(said) in parties or (name == "by" and any(may_be_same(said, one) for one in reviewed.parties)):
            text = "Who asks for, orders, renders or receives the service takes no part in deciding about it."
            raise Forbidden("conflict-of-interest", text, name)
    if not names_somebody(person.by):
        text = f"{person.by[:40]!r} names nobody: write the name of who decides, with at least two letters."
        raise Incomplete("by", text, "name")


def _known_reasons(decides: PersonDecides, reviewed: Reviewed) -> None:
    unknown = [reason for reason in decides.reasons if reason not in reviewed.grounds]
    if unknown:
        known = f"Known: {', '.join(sorted(reviewed.grounds))}." if reviewed.grounds else "None is on record here."
        raise Incomplete("reasons", f"{', '.join(unknown)[:200]}: no criterion of the policy. {known}")


def _adverse(decides: PersonDecides, reviewed: Reviewed) -> None:
    """What any adverse decision needs, whatever it is called."""
    if not _speaks(decides.rationale, RATIONALE_LENGTH, RATIONALE_WORDS):
        raise Incomplete(
            "rationale",
            f"An adverse decision needs a sentence that tells this member why: at least {RATIONALE_LENGTH} characters "
            f"and {RATIONALE_WORDS} different words.",
            "incomplete" if not decides.rationale else "rationale",
        )
    if not decides.license:
        raise Incomplete("license", "An adverse decision names the physician's licence.")
    for reason in decides.reasons:
        _citable(reviewed.grounds[reason], reviewed.now)


def _speaks(text: str | None, length: int, words: int) -> bool:
    said = " ".join((text or "").split())
    return len(said) >= length and len({word.casefold() for word in _WORD.findall(said)}) >= words


def _citable(ground: Ground, now: datetime) -> None:
    """A reason against a request is what the record holds against it, or what was asked for and did not come."""
    if ground.speaks == "against":
        return
    if ground.speaks == "for":
        by = f" by {', '.join(ground.evidence)}" if ground.evidence else ""
        text = f"{ground.id} does not speak against the request: the record says so{by}. It cannot be a reason."
        raise Incomplete("reasons", text, "criterion-met")
    if ground.asked is None:
        text = (
            f"{ground.id} is not known and nobody was asked. Ask for it first (outcome pend, reasons [{ground.id!r}])."
        )
        raise Incomplete("reasons", text, "criterion-not-asked")
    if ground.asked.is_open(now):
        due = ground.asked.due
        until = f"until {due.isoformat(timespec='minutes')}" if due else "without an end"
        text = f"{ground.id} was asked for and can be answered {until}; what is missing is no reason before."
        raise Incomplete("reasons", text, "question-open")


def _terms(decides: PersonDecides, reviewed: Reviewed) -> tuple[Measure, Terms]:
    given = decides.authorized or Authorized()
    try:
        return reviewed.measure.terms(given.units, given.period, reviewed.now.date())
    except Impossible as error:
        raise Incomplete(error.field, str(error), error.rule) from error


def _modify(decides: PersonDecides, reviewed: Reviewed) -> Terms:
    if decides.authorized is None or (decides.authorized.units is None and decides.authorized.period is None):
        raise Incomplete("authorized", "A change says what is granted: units, period or both.")
    measure, terms = _terms(decides, reviewed)
    if not measure.less(terms):
        asked = f"{measure.needed_quantity} {measure.unit or 'units'} to {measure.needed_end}"
        field = "authorized.units" if decides.authorized.units is not None else "authorized.period"
        raise Incomplete(field, f"This grants no less than was asked ({asked}): approve instead.", "not-less")
    _adverse(decides, reviewed)
    return terms


def _approve(decides: PersonDecides, reviewed: Reviewed) -> Terms:
    measure, terms = _terms(decides, reviewed)
    nurse = decides.role == NURSE
    if less := measure.less(terms):
        if nurse:
            raise Forbidden(
                "adverse-needs-physician", f"This grants less than was asked: {'; '.join(less)}. {_ADVERSE}"
            )
        text = (
            f"This grants less than was asked: {'; '.join(less)}. Whoever grants less says so: use the outcome modify."
        )
        raise Incomplete("outcome", text, "use-modify")
    exception = _unmet(reviewed) or "; ".join(measure.more(terms))
    if exception and nurse:
        raise Forbidden(
            "exception-needs-physician",
            f"{exception.rstrip('.')}. Approving all the same is a physician's decision: refer it (POST .../referral).",
        )
    outcome = reviewed.engine.outcome if reviewed.engine else None
    reason = exception or (_UNPROVED.get(outcome or "") or ("Nothing was decided by the rules" if not outcome else ""))
    if reason and not _speaks(decides.rationale, REASON_LENGTH, REASON_WORDS):
        raise Incomplete("rationale", f"{reason.rstrip('.')}: say why it is approved all the same.", "rationale")
    return terms


_UNPROVED = {
    Outcome.PEND_INFO.value: "The criteria are not shown to be met",
    Outcome.DENY_ADMIN.value: "The coverage does not seem to be in force",
}
"""What the rules left open, for a nurse to settle with a sentence why."""


def _unmet(reviewed: Reviewed) -> str:
    """Why a yes would be an exception to the policy; empty when it would be none."""
    engine = reviewed.engine
    if engine is None:
        return ""
    if engine.outcome == Outcome.REFER:
        return "The coverage criteria are not met, or more was asked than the policy grants"
    against = [reason for reason in engine.reasons if reason != ELIGIBILITY]
    return f"The rules hold {', '.join(against)} against the request" if against else ""
