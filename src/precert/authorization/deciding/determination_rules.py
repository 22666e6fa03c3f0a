"""What a person may decide, as rules that the server enforces; a hidden button is not a control.

Sources: 42 CFR 422.566(d) and 438.210(b)(3) (only a clinician with fitting expertise denies or cuts), NCQA UM 4.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from precert.authorization.record.case import Case, Line
from precert.policy.types import Outcome

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=4000)]
OPEN_STATES = frozenset({"pended_info", "nurse_review", "md_review"})
NURSE, PHYSICIAN = "nurse", "physician"


class Authorized(BaseModel):
    """What a person grants when it is not simply what was asked."""

    model_config = ConfigDict(extra="forbid")

    units: Decimal | None = Field(default=None, gt=0)
    period: Text | None = None  # "12 weeks", "2026-12-01/2027-02-28"


class PersonDecides(BaseModel):
    """The body of a determination by a person (outside contract, "People")."""

    model_config = ConfigDict(extra="forbid")

    outcome: Literal["approve", "modify", "deny", "pend"]
    by: Text
    role: Text
    npi: Annotated[str, StringConstraints(pattern=r"^\d{10}$")] | None = None
    license: Text | None = None
    specialty: Text | None = None
    reasons: list[Text] = Field(default_factory=list, max_length=50)
    rationale: Text | None = None
    authorized: Authorized | None = None
    note: Text | None = None


class Forbidden(Exception):
    """The role may not do this. ``rule`` is a stable short id, the message the rule in words."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


class Incomplete(Exception):
    """The determination lacks what its outcome needs; ``field`` says where."""

    def __init__(self, field: str, message: str) -> None:
        super().__init__(message)
        self.field = field


class Closed(Exception):
    """The line is not open for a determination."""


def check(decides: PersonDecides, line: Line) -> None:
    """Raise Closed, Forbidden or Incomplete unless this person may decide this line in this way."""
    if line.state not in OPEN_STATES:
        raise Closed(f"The line is {line.state.replace('_', ' ')}; only an open line can be decided.")
    if decides.role not in (NURSE, PHYSICIAN):
        raise Forbidden(
            "role-may-not-decide",
            f"The role {decides.role!r} decides nothing. A nurse approves or asks; a physician decides everything.",
        )
    if decides.role == NURSE:
        _check_nurse(decides, line)
    _check_content(decides, line)


def _check_nurse(decides: PersonDecides, line: Line) -> None:
    if decides.outcome in ("deny", "modify"):
        raise Forbidden(
            "adverse-needs-physician",
            "Only a physician may deny a request or grant less than was asked "
            "(42 CFR 422.566(d), 438.210(b)(3)). Pend it, or refer it to a physician.",
        )
    if line.state == "md_review":
        raise Forbidden("physician-review", "The line is with a physician; a nurse can no longer decide it.")
    last = line.determination
    unmet = last is not None and last.outcome == Outcome.REFER
    if decides.outcome == "approve" and unmet:
        raise Forbidden(
            "exception-needs-physician",
            "The coverage criteria are not met, or more was asked than the policy grants; approving all the same is "
            "a physician's decision.",
        )


def _check_content(decides: PersonDecides, line: Line) -> None:
    known = {criterion["id"] for criterion in _criteria(line)}
    if known:
        unknown = [reason for reason in decides.reasons if reason not in known]
        if unknown:
            raise Incomplete(
                "reasons", f"{', '.join(unknown)}: no criterion of the policy. Known: {', '.join(sorted(known))}."
            )
    match decides.outcome:
        case "deny":
            if not decides.reasons:
                raise Incomplete("reasons", "A denial names the criterion that is not met.")
            if not decides.rationale:
                raise Incomplete(
                    "rationale", "A denial needs a sentence for the member that says why, for this member."
                )
            if not decides.license:
                raise Incomplete("license", "A denial names the physician's licence.")
        case "modify":
            if decides.authorized is None or (decides.authorized.units is None and decides.authorized.period is None):
                raise Incomplete("authorized", "A change says what is granted: units, period or both.")
            if not decides.rationale or not decides.license:
                raise Incomplete(
                    "rationale", "Granting less needs the physician's licence and a sentence that says why."
                )
            asked = line.requested.quantity
            if decides.authorized.units is not None and asked is not None and decides.authorized.units > asked:
                raise Incomplete("authorized.units", f"More than was asked ({asked}); approve instead.")
        case "approve":
            unmet = line.determination is not None and line.determination.outcome == Outcome.REFER
            if unmet and not decides.rationale:
                raise Incomplete("rationale", "The criteria are not met: say why it is approved all the same.")
        case "pend":
            if not decides.reasons and not decides.note:
                raise Incomplete("note", "Say what is needed: criterion ids in reasons, or a question in note.")


def _criteria(line: Line) -> list[dict[str, str]]:
    trace = line.determination.trace if line.determination else {}
    return list(trace.get("criteria", ()))


def line_of(case: Case, sequence: int) -> Line:
    """The line, or KeyError."""
    return case.lines[sequence]
