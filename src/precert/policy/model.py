"""The policy format ``precert.policy/1`` as typed models: what may stand in a file, and nothing else.

Source: docs/policies.md ("the format"). These models only describe; :mod:`precert.policy.load` reads files into them
and :mod:`precert.policy.compiled` makes them fast. Unknown keys are refused everywhere.
"""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from precert.fhir.coding import LOINC, SNOMED, CodePattern
from precert.policy.periods import Period, Window

Role = Literal["benefit", "exemption", "clinical", "limit", "site-of-care", "network"]
Status = Literal["draft", "in-review", "approved", "active", "retired"]
RequestType = Literal["initial", "renewal", "extension", "revision"]
BasisType = Literal["NCD", "LCD", "regulation", "manual", "statute", "internal"]
AnswerType = Literal["boolean", "decimal", "integer", "date", "text", "choice"]
Who = Literal["clinical", "admin", "patient"]
Take = Literal["latest", "earliest", "lowest", "highest", "count", "sum", "exists", "any"]
Scalar = bool | int | Decimal | str

REQUEST_SOURCES = ("Item", "Patient", "Coverage", "Requester")
"""Sources that are one object each and are read by a ``value`` path, not searched."""

PAYER_SOURCES = ("PayerClaim", "PayerAuth", "PayerUnits")
"""What the plan itself holds: the only searched data where "not found" may mean "not so"."""


def _pattern(written: str) -> str:
    CodePattern.parse(written)
    return written


def _window(written: str) -> str:
    Window.parse(written)
    return written


def _period(written: str) -> str:
    Period.parse(written)
    return written


Pattern = Annotated[str, AfterValidator(_pattern)]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=64)]
NonBlank = Annotated[str, Field(min_length=1, pattern=r"\S")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)


class Approval(_Strict):
    """Who signed the policy, when, and when it must be looked at again."""

    by: NonBlank
    date: datetime.date
    next_review: datetime.date


class Effective(_Strict):
    """First and last day, both included. Benefits go by day of service, everything else by day of receipt."""

    start: datetime.date
    end: datetime.date | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.end is not None and self.end < self.start:
            raise ValueError("end is before start")
        return self


class Basis(_Strict):
    """One source that the policy rests on."""

    type: BasisType
    id: NonBlank
    effective: datetime.date | None = None
    url: str | None = None
    public_url: str | None = None
    evidence: str | None = None
    rationale: str | None = None
    justification: str | None = None
    gap: str | None = None
    note: str | None = None
    jurisdiction: tuple[str, ...] = ()


class AgeRange(_Strict):
    """Years at the day of service, both ends included."""

    min: int | None = Field(default=None, ge=0)
    max: int | None = Field(default=None, ge=0)


class Applies(_Strict):
    """Which lines the policy speaks about. An empty list means: no restriction."""

    services: tuple[str, ...] = Field(min_length=1)
    lob: tuple[str, ...] = ()
    state: tuple[str, ...] = ()
    plan: tuple[str, ...] = ()
    request: tuple[RequestType, ...] = ()
    age: AgeRange | None = None
    place: tuple[Pattern, ...] = ()
    diagnosis: tuple[Pattern, ...] = ()
    network: tuple[Literal["in", "out"], ...] = ()

    @field_validator("services", mode="before")
    @classmethod
    def _any_service(cls, value: Any) -> Any:
        return ("any",) if value == "any" else value

    @field_validator("services")
    @classmethod
    def _patterns(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if value != ("any",):
            for written in value:
                _pattern(written)
        return value

    @property
    def any_service(self) -> bool:
        return self.services == ("any",)


class Auth(_Strict):
    """What asking for this service entails. ``reason`` is the reason code of an exemption (``gold-card`` ...); ``retro`` is how
    long after the service it may still be asked for (``14d``); without it a person decides about services of the past."""

    required: bool | Literal["conditional"] = True
    doc: tuple[Who, ...] = ()
    benefit: str | None = None
    clock: str | None = None
    concurrent_review: bool = False
    reason: str | None = None
    retro: Annotated[str, AfterValidator(_window)] | None = None


class Ask(_Strict):
    """The question that fills the fact when nothing on file does. It becomes one questionnaire item."""

    text: NonBlank
    type: AnswerType
    who: Who
    options: tuple[str, ...] = ()
    help: str | None = None
    unit: str | None = None
    within: Annotated[str, AfterValidator(_window)] | None = None

    @model_validator(mode="after")
    def _options_fit(self) -> Self:
        if (self.type == "choice") != bool(self.options):
            raise ValueError("options are needed for type choice, and only there")
        return self


class Fact(_Strict):
    """One thing the criteria may look at, and every place where it may come from."""

    sources: tuple[NonBlank, ...] = Field(default=(), alias="from")
    code: tuple[Pattern, ...] = ()
    unless: tuple[Pattern, ...] = ()
    within: Annotated[str, AfterValidator(_window)] | None = None
    unit: str | None = None
    convert: dict[str, Decimal] = Field(default_factory=dict)
    min: Decimal | None = None
    max: Decimal | None = None
    where: NonBlank | None = None
    value: NonBlank | None = None
    take: Take = "any"
    absent: Scalar | None = None
    implied_by: NonBlank | None = None
    ask: Ask | None = None

    @field_validator("sources", mode="before")
    @classmethod
    def _one_or_many(cls, value: Any) -> Any:
        return (value,) if isinstance(value, str) else value

    @field_validator("absent", mode="before")
    @classmethod
    def _unknown_is_none(cls, value: Any) -> Any:
        return None if value == "unknown" else value

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.sources and self.ask is None and self.absent is None:
            raise ValueError("a fact needs from, ask or absent; nothing could ever fill this one")
        request = [s for s in self.sources if s in REQUEST_SOURCES]
        if request and self.value is None:
            raise ValueError(f"value is needed with from: {request[0]}")
        if self.implied_by is not None and (self.take != "exists" or self.ask is not None):
            raise ValueError("implied_by says that something is there; it goes with take: exists and without ask")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError(f"min {self.min} is above max {self.max}; nothing could ever be in between")
        if self.convert and self.unit is None:
            raise ValueError("convert needs unit, the unit to convert to")
        if not self.sources and (self.code or self.within or self.where or self.value or self.unit):
            raise ValueError("code, within, unit, where and value say how to search; they need from")
        if self.unless and set(self.sources) != {"Observation"}:
            raise ValueError("unless passes over results by their further codes; it goes with from: Observation")
        if any(
            pattern.prefix or pattern.system not in (LOINC, SNOMED) for pattern in map(CodePattern.parse, self.unless)
        ):
            raise ValueError("unless names whole codes of LOINC or SNOMED CT")
        return self


class Node(_Strict):
    """One node of a criteria tree: a leaf (``test``) or a group (``all``, ``any``, ``none``, ``at_least`` with ``of``)."""

    id: NonBlank | None = None
    text: str | None = None
    cite: str | None = None
    why_not: str | None = None
    admin: bool = False
    closed_world: bool = False
    test: NonBlank | None = None
    all_: tuple[Node, ...] | None = Field(default=None, alias="all", min_length=1)
    any_: tuple[Node, ...] | None = Field(default=None, alias="any", min_length=1)
    none_: tuple[Node, ...] | None = Field(default=None, alias="none", min_length=1)
    at_least: int | None = Field(default=None, ge=1)
    of: tuple[Node, ...] | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        kinds = [
            name
            for name, value in (
                ("test", self.test),
                ("all", self.all_),
                ("any", self.any_),
                ("none", self.none_),
                ("at_least", self.at_least),
            )
            if value is not None
        ]
        if len(kinds) != 1:
            found = " and ".join(kinds) or "none of them"
            raise ValueError(f"a criterion has exactly one of test, all, any, none, at_least; found {found}")
        if (self.at_least is None) != (self.of is None):
            raise ValueError("at_least and of belong together")
        if self.of is not None and self.at_least is not None and self.at_least > len(self.of):
            raise ValueError(f"at_least: {self.at_least} of only {len(self.of)} criteria can never be met")
        if self.test is not None and not self.id:
            raise ValueError("a leaf needs an id; it is printed in letters, cards and responses")
        return self

    @property
    def children(self) -> tuple[Node, ...]:
        return self.all_ or self.any_ or self.none_ or self.of or ()


class GrantTerms(_Strict):
    """What an approval gives. ``counted`` says what the maximum counts together: all services of the policy, each code by
    itself, or the services of each list (a service on none is counted with all)."""

    period: Annotated[str, AfterValidator(_period)] | None = None
    max_quantity: Decimal | None = Field(default=None, gt=0)
    unit: str | None = None
    counted: Literal["policy", "code"] | tuple[Annotated[tuple[Pattern, ...], Field(min_length=1)], ...] = "policy"
    next_review: str | None = None
    fast_path: str | None = None
    on_stop: str | None = None
    note: str | None = None


class AutoApprove(_Strict):
    """When the engine may say yes alone. ``sample`` is the percentage that a nurse sees anyway."""

    enabled: bool = True
    attestation: Literal["ok", "review"] = "ok"
    sample: Decimal = Field(default=Decimal(0), ge=0, le=100)


class Suggestion(_Strict):
    system: NonBlank
    code: NonBlank


class AlternativeRule(_Strict):
    """Something else to offer when ``when`` is true (or always, without ``when``)."""

    when: NonBlank | None = None
    suggest: Suggestion | None = None
    card: NonBlank
    text: str | None = None


class Example(_Strict):
    """One embedded test: ``given`` (compact fixtures, see :mod:`precert.policy.fixtures`) and what must come out."""

    name: NonBlank
    given: dict[str, Any]
    expect: Expectation


class Expectation(_Strict):
    decision: NonBlank
    missing: tuple[str, ...] | None = None
    unmet: tuple[str, ...] | None = None
    alternatives: tuple[str, ...] | None = None


class Policy(_Strict):
    """One policy file."""

    policy: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]
    version: NonBlank
    title: NonBlank
    role: Role
    status: Status
    approved: Approval | None = None
    effective: Effective
    basis: tuple[Basis, ...] = Field(min_length=1)
    applies: Applies
    auth: Auth = Auth()
    facts: dict[Name, Fact] = Field(default_factory=dict)
    exclude: Node | None = None
    exempt: Node | None = None
    criteria: Node | None = None
    grant: GrantTerms | None = None
    auto_approve: AutoApprove = AutoApprove()
    alternatives: tuple[AlternativeRule, ...] = ()
    tests: tuple[Example, ...] = ()

    @field_validator("version", mode="before")
    @classmethod
    def _quoted(cls, value: Any) -> Any:
        if isinstance(value, (int, Decimal)):
            raise ValueError(f'write the version in quotes ("{value}"); as a number 2026.10 would be 2026.1')
        return value

    @model_validator(mode="after")
    def _whole(self) -> Self:
        if self.status == "active" and self.approved is None:
            raise ValueError("an active policy needs approved: by, date and next_review")
        if self.role == "exemption" and self.exempt is None:
            raise ValueError("role exemption needs exempt")
        if self.role == "exemption" and (self.criteria or self.exclude):
            raise ValueError("role exemption has only exempt; criteria and exclude belong in another policy")
        if self.role == "benefit" and self.exclude is None:
            raise ValueError("role benefit needs exclude")
        return self


Example.model_rebuild()
