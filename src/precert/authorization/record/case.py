"""The authorization record: what its events say, and the case that they fold into.

Everything here is a plain value. The store keeps the events; :func:`precert.authorization.record.chain.fold` makes the
:class:`Case` that the rest of precert reads. A later determination supersedes an earlier one; nothing is ever changed or
removed.
"""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import msgspec

from precert.fhir.extension import extensions
from precert.fhir.types import Element
from precert.fhir.versions import STU_2_2

GENESIS = "0" * 64
"""What the first event has in the place of its predecessor's hash."""


REPEATS = "authorized_already"
"""The event of a line that asks for what is authorized; ``detail`` names the case, its line and the number."""


EVIDENCE_CHANGED, EVIDENCE_REVIEWED = "evidence_changed", "evidence_reviewed"
"""What is on file does not bear the line's yes as it did (``detail.changed`` says why); a person has looked at that."""


ASKED_BY_PEOPLE = frozenset({"ask_more", "ask_more_md"})
"""The events by which a reviewer asks for more; their ``questions`` are what was asked."""


class Party(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody named in a request. ``reference`` is the fullUrl under which the request's bundle holds them."""

    npi: str | None = None
    name: str | None = None
    reference: str | None = None
    network: str | None = None


class LineRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked for on one line, as read from ``Claim.item``; ``item`` is that element as it arrived."""

    sequence: int
    code: str  # system|code of the service asked for, first coding
    request: str = "initial"  # initial | renewal | extension | revision | cancel | appeal | reconsideration
    certification: str | None = None  # X12 1322 as sent
    service_start: date | None = None
    service_end: date | None = None
    quantity: Decimal | None = None
    unit: str | None = None
    item: Element = {}
    diagnoses: tuple[Element, ...] = ()
    provider: Party | None = None  # who shall render the service


class CaseOpened(msgspec.Struct, frozen=True, kw_only=True):
    """The first event's content: who asks what for whom. ``member`` is ``None`` when nobody matched."""

    case: str  # the record's id
    number: str
    submitter: str
    received: datetime
    track: str  # standard | expedited
    identifiers: tuple[str, ...]  # system|value of the bundle and the claim
    claim: str  # fullUrl of the Claim in the request
    submission: str  # id of the stored request bundle
    patient: Element
    insurer: Element
    requester: Party
    coverage: Element = {}
    member: str | None = None
    plan: str | None = None
    lob: str | None = None
    member_numbers: tuple[str, ...] = ()  # as presented, for inquiries about members the directory does not know
    transmission: Element | None = None  # TransmissionIdentifiers, to echo
    root: str = ""  # the server's root URL as the submitter reached it
    version: str = STU_2_2.name  # IG version of the base that the request came in on
    assertions: tuple[str, ...] = ()  # the coverage assertions that the order or its answers carried


class CaseUpdated(msgspec.Struct, frozen=True, kw_only=True):
    """A Claim update: the newest version of the request. Earlier ones stay stored."""

    claim: str
    submission: str
    identifiers: tuple[str, ...]


class Determination(msgspec.Struct, frozen=True, kw_only=True):
    """One decision about one line: by the engine (``by`` = ``precert``) or by a person, with all its grounds."""

    id: str
    at: datetime
    outcome: str
    by: str = "precert"
    role: str = "system"
    human: bool = False
    policy: str | None = None
    version: str | None = None
    title: str | None = None
    reason: str = ""
    reasons: tuple[str, ...] = ()  # criterion ids
    notes: tuple[str, ...] = ()  # sentences for the provider and the member
    npi: str | None = None
    license: str | None = None
    specialty: str | None = None
    trace: Element = {}


class Authorization(msgspec.Struct, frozen=True, kw_only=True):
    """What was granted. Exists only after a favourable determination."""

    number: str
    issued: date
    start: date
    end: date | None = None
    quantity: Decimal | None = None
    unit: str | None = None


class OpenQuestions(msgspec.Struct, frozen=True, kw_only=True):
    """The one open list of questions of a pended line."""

    id: str
    asked: datetime
    due: datetime | None
    policy: str
    version: str
    questions: tuple[Element, ...]


NOTE = "note"
"""``linkId`` of a reviewer's question in their own words."""


REVIEWER_FORM = "reviewer-question-"
"""How the form with such a question is called, before the id of its list of questions (DTR)."""
REVIEWER_LINK = "reviewer-question"
"""``linkId`` of the question in that form; a hyphen stands in no fact's name."""


def is_note(question: Element) -> bool:
    """Whether a question of :class:`OpenQuestions` is a reviewer's own words, not one of the policy's."""
    return question.get("linkId") == NOTE


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened. ``line`` is ``None`` for events of the whole case."""

    seq: int
    at: datetime
    ev: str
    actor: str  # a lifecycle actor
    by: str  # who exactly
    line: int | None = None
    opened: CaseOpened | None = None
    updated: CaseUpdated | None = None
    requested: LineRequest | None = None
    determination: Determination | None = None
    authorization: Authorization | None = None
    questions: OpenQuestions | None = None
    reference: str | None = None  # administration reference number given to a pended line
    detail: Element = {}
    prev: str = GENESIS
    hash: str = ""


class Line(msgspec.Struct, kw_only=True):
    """One line as the events left it."""

    sequence: int
    requested: LineRequest
    state: str
    determination: Determination | None = None
    authorization: Authorization | None = None
    questions: OpenQuestions | None = None
    reference: str | None = None
    rests_on: str | None = None  # the number of the case whose authorization it repeats
    order: str | None = None  # the order behind it, ``Type/id`` as the client calls it
    updated: datetime = datetime.min.replace(tzinfo=UTC)


class Case(msgspec.Struct, kw_only=True):
    """The record, folded. ``claim`` and ``submission`` are those of the newest version of the request."""

    opened: CaseOpened
    lines: dict[int, Line]
    events: list[Event]
    claim: str
    submission: str
    attachments: list[str]  # ids of stored bundles that arrived as attachments

    @property
    def id(self) -> str:
        return self.opened.case

    @property
    def number(self) -> str:
        return self.opened.number

    @property
    def ordered(self) -> list[Line]:
        """The lines by sequence."""
        return [self.lines[sequence] for sequence in sorted(self.lines)]

    @property
    def claim_response(self) -> str | None:
        """The id of the case's ClaimResponse, under which each answer is one version; ``None`` before the first."""
        told = (event.detail.get("claimResponse") for event in self.events if event.ev == "answered")
        return next((str(id) for id in told if id), None)

    @property
    def unknown_prior(self) -> bool:
        """Whether the request spoke of an earlier one that was not found."""
        return any(event.ev == "note" and event.detail.get("prior") == "unknown" for event in self.events)

    @property
    def repetition(self) -> bool:
        """Whether all that is asked for is authorized on other records: nothing is granted on this one."""
        return bool(self.lines) and all(line.rests_on is not None for line in self.ordered)

    @property
    def to_review(self) -> dict[int, Event]:
        """The lines whose yes a person has to look at, since what is on file changed: by sequence, the newest such event. Who
        decides the line anew, or cancels it, has settled that."""
        found: dict[int, Event] = {}
        for event in self.events:
            if event.line is None:
                continue
            if event.ev == EVIDENCE_CHANGED:
                found[event.line] = event
            elif event.ev in (EVIDENCE_REVIEWED, "cancel") or event.determination is not None:
                found.pop(event.line, None)
        return found

    @property
    def queues(self) -> frozenset[str]:
        """The states of its lines, and ``evidence_changed`` when a person has to look at a yes: where the worklist finds it."""
        return frozenset({line.state for line in self.ordered} | ({EVIDENCE_CHANGED} if self.to_review else set()))

    @property
    def claim_identifiers(self) -> tuple[str, ...]:
        """``system|value`` of every identifier that the client's requests carried."""
        updates = (event.updated.identifiers for event in self.events if event.updated is not None)
        return tuple(dict.fromkeys([*self.opened.identifiers, *(token for each in updates for token in each)]))

    def tokens(self) -> dict[str, list[str]]:
        """The search tokens of the record: every number and reference that leads to it.

        An authorization number leads to the record that it was given on. Who repeats it is found by ``rests``.
        """
        numbers = {self.number, self.opened.submission}
        claims = {self.opened.claim}
        identifiers = set(self.opened.identifiers)
        rests: set[str] = set()
        codes = {line.requested.code for line in self.ordered}
        for event in self.events:
            granted = event.authorization.number if event.authorization is not None else None
            if event.ev == REPEATS:
                rests.update([granted] if granted else [])
                granted = None
            numbers.update(n for n in (event.reference, granted) if n)
            numbers.update(str(n) for n in event.detail.get("numbers", ()))
            if event.updated is not None:
                claims.add(event.updated.claim)
                identifiers.update(event.updated.identifiers)
            if event.requested is not None:
                identifiers.update(traced(event.requested))
                codes.add(event.requested.code)  # also of an earlier version: what was given for it may have been used
        return {
            "number": sorted(numbers),
            "identifier": sorted(identifiers),
            "named": sorted({self.number, *(token.rpartition("|")[2] for token in self.claim_identifiers)}),
            "claim": sorted(claim for claim in claims if claim),
            "member": sorted({n for n in (self.opened.member, *self.opened.member_numbers) if n}),
            "state": sorted(self.queues),
            "code": sorted(codes),
            "submitter": [self.opened.submitter],
            "track": [self.opened.track],
            **({"assertion": sorted(self.opened.assertions)} if self.opened.assertions else {}),
            **({"rests": sorted(rests)} if rests else {}),
        }


_TRACE = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-itemTraceNumber"


def traced(line: LineRequest) -> tuple[str, ...]:
    """The search tokens of a line's trace numbers (PAS extension-itemTraceNumber, X12 TRN): ``trace|system|value``."""
    numbers = (each.get("valueIdentifier") for each in extensions(line.item, _TRACE))
    named = (number for number in numbers if isinstance(number, dict) and number.get("value"))
    return tuple(f"trace|{number.get('system') or ''}|{number['value']}" for number in named)
