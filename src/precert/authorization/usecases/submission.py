"""What an edge hands to the core: one request, taken apart but not judged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from precert.authorization.deciding.person import Patient, named_as
from precert.authorization.deciding.request import NOBODY_ASKS, Ask, Subject
from precert.authorization.record.case import LineRequest, Party
from precert.fhir.outcome import Issue
from precert.fhir.types import Element, JsonValue, Resource
from precert.fhir.versions import CURRENT
from precert.policy.item import place_doubt
from precert.policy.types import Answer, EvidenceItem


@dataclass(frozen=True, slots=True)
class Prior:
    """The earlier request that an update or a cancellation refers to: by the URL in ``Claim.related``, by the identifiers
    of the prior Claim that came along, or by numbers of ours that the update repeats.

    ``related`` says that there is a ``Claim.related``; a cancellation without one is found by its own identifiers.
    ``cancels`` says that it takes something back.
    """

    claims: tuple[str, ...]
    identifiers: tuple[str, ...] = ()
    numbers: tuple[str, ...] = ()
    related: bool = True
    cancels: bool = False

    @property
    def named(self) -> bool:
        """Whether ``Claim.related`` names a Claim in a way that can be looked for."""
        return self.related and bool(self.claims or self.identifiers)


@dataclass(frozen=True, slots=True)
class ReferencedOrder:
    """The orders behind a line, as far as they tell whether the service is authorized already; nearly always there is one.

    ``reference`` is the ``Type/id`` of the first; ``npis`` are those of who ordered. ``named`` are the authorization numbers that the
    request itself gives, ``carried`` those that CRD wrote on the order, ``assertions`` the coverage-assertion-ids there.
    ``doubts`` say, in sentences, why the line cannot rest on one of them, ``unsaid`` what one does not say of itself,
    ``authored`` when they were written.
    """

    reference: str | None = None
    npis: tuple[str, ...] = ()
    named: tuple[str, ...] = ()
    carried: tuple[str, ...] = ()
    assertions: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    authored: tuple[JsonValue, ...] = ()


@dataclass(frozen=True, slots=True)
class Submission:
    """One ``$submit`` request as :mod:`precert.pas.intake` read it.

    ``identifiers`` are ``system|value`` tokens of the bundle and the claim; ``identity`` is the bundle's own token, under
    which a repetition is recognised, and ``digest`` the SHA-256 of its content. ``raw`` are the bytes that arrived,
    ``bundle`` what they parse to.
    ``requester_npis``, ``requester_ids`` (``system|value``) and ``care_team_npis`` identify providers; ``us`` says whether
    the insurer means this payer (``None``: cannot be told). ``prior`` is set when the request updates an earlier one; ``cancel_all`` when it cancels
    the whole. ``root`` is the server's URL as the sender reached it, ``version`` the IG version of the base.
    ``orders`` are by the sequence of the line. ``payor_is_us`` and ``is_beneficiary`` are as in :class:`Subject`,
    ``patient_url`` is the fullUrl of the Patient, and ``not_counted`` are the paths of what is not about the patient.
    ``asked`` (by the sequence of the line) and ``about`` are set when the request was written here for an order of a hook call:
    what the call asked and knew is decided on, not what its request says again.
    """

    raw: bytes
    bundle: Resource
    digest: str
    identity: str | None
    identifiers: tuple[str, ...]
    submitter: str
    claim: str
    claim_resource: Resource
    patient: Resource
    coverage: Resource
    subscriber: Resource | None
    insurer: Element
    us: bool | None
    requester: Party
    requester_npis: tuple[str, ...]
    requester_ids: tuple[str, ...]
    care_team_npis: tuple[str, ...]
    track: str
    lines: tuple[LineRequest, ...]
    evidence: Sequence[EvidenceItem] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    transmission: Element | None = None
    prior: Prior | None = None
    cancel_all: bool = False
    root: str = ""
    version: str = CURRENT.name
    warnings: tuple[Issue, ...] = ()
    assertions: tuple[str, ...] = ()  # coverage-assertion-ids of ours that came along
    orders: Mapping[int, ReferencedOrder] = field(default_factory=dict)
    payor_is_us: bool | None = None
    is_beneficiary: bool | None = None
    another_payer: bool = False  # as in Subject
    patient_url: str = ""
    not_counted: tuple[str, ...] = ()
    asked: Mapping[int, Ask] = field(default_factory=dict)
    about: Subject | None = None

    @property
    def whose(self) -> Patient:
        """The patient, as references in the request and in what is attached to it name them."""
        return Patient(self.patient, self.patient_url)

    insurer_ids: tuple[str, ...] = ()  # system|value of the insurer
    claim_identifiers: tuple[str, ...] = ()  # system|value of the Claim alone
    line_numbers: Mapping[int | None, tuple[str, ...]] = field(default_factory=dict)  # of ours; None: on the Claim
    requester_doubts: tuple[str, ...] = ()  # why it is not certain who asks
    performers: Mapping[Party, tuple[str, ...]] = field(default_factory=dict)  # all NPIs of the lines' providers

    def numbers_of(self, line: LineRequest) -> tuple[str, ...]:
        """The numbers of ours that one line gives, or the Claim as a whole."""
        return self.line_numbers.get(line.sequence, self.line_numbers.get(None, ()))

    @property
    def subject(self) -> Subject:
        """Whom the request is for, with the evidence and answers that came along."""
        if self.about is not None:
            return self.about
        patient = named_as(self.patient, self.claim_resource.get("patient")) or self.patient
        return Subject(
            patient,
            self.coverage,
            self.subscriber,
            self.evidence,
            self.answers,
            insurer_is_us=self.us,
            payor_is_us=self.payor_is_us,
            is_beneficiary=self.is_beneficiary,
            another_payer=self.another_payer,
        )

    def ask(self, line: LineRequest) -> Ask:
        """One line as every edge asks; ``line`` may be of an earlier version of the request."""
        if (asked := self.asked.get(line.sequence)) is not None:
            return asked
        performer = line.provider
        npis: tuple[str, ...] = (performer.npi,) if performer is not None and performer.npi else ()
        if performer is not None:
            npis = self.performers.get(performer, npis)
        order = self.orders.get(line.sequence, ReferencedOrder())
        doubts = (*order.doubts, *self.requester_doubts)
        if not (self.requester_npis or self.requester_ids):
            doubts = (*doubts, NOBODY_ASKS)
        if (where := place_doubt(line.item)) is not None:
            doubts = (*doubts, where)
        return Ask(
            line,
            self.requester_npis,
            npis,
            performer_known=performer is not None,
            doubts=tuple(dict.fromkeys(doubts)),
            unsaid=order.unsaid,
            authored=order.authored,
        )
