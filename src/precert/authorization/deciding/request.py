"""What is asked, whoever sent it: one order of a CDS Hooks call, one line of a Claim, one order of a DTR package call.

Every edge makes an :class:`Ask` and a :class:`Subject` of what it received and hands both to
:mod:`precert.authorization.deciding.decide`; so one order gets one decision over CRD, DTR and PAS.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date

from precert.authorization.record.case import LineRequest
from precert.fhir.moments import Moment
from precert.fhir.types import JsonValue, Resource
from precert.policy.types import Answer, EvidenceItem

NOBODY_ASKS = "The requester carries no identifier: nobody is known to ask."
"""A doubt: an identifier is optional in PAS profile-requestor, and an authorization is given to somebody."""

_AHEAD = "Its order is said to be written after the request was received."
_UNDATED = "Its order is written at no time that can be read."


@dataclass(frozen=True, slots=True)
class Ask:
    """One service asked for: the line it is or would become, who requests it and who shall perform it.

    The NPIs stand best first. ``performer_known`` says that somebody is named as performer, whether or not we know them;
    ``more_performers`` are the NPIs of each one named beside the first.
    ``communication``: it asks for a message (a CommunicationRequest), which is no service that anybody bills.
    ``doubts`` say, in sentences, what is wrong with the order behind the line: a person decides then. ``unsaid`` say what an
    order has to say and does not: nothing is approved on it, and a service that needs no authorization needs none all the same.
    ``authored`` is when the orders behind the line were written, as they say it.
    """

    line: LineRequest
    requester_npis: tuple[str, ...] = ()
    performer_npis: tuple[str, ...] = ()
    performer_known: bool = False
    communication: bool = False
    doubts: tuple[str, ...] = ()
    unsaid: tuple[str, ...] = ()
    authored: tuple[JsonValue, ...] = ()
    more_performers: tuple[tuple[str, ...], ...] = ()

    def ahead(self, received: date) -> tuple[str, ...]:
        """Doubts about when the orders were written, in sentences: later than ``received``, or at no time that can be read."""
        times = (Moment.parse(each) for each in self.authored)
        found = (_UNDATED if at is None else _AHEAD if at.not_before > received else None for at in times)
        return tuple(dict.fromkeys(doubt for doubt in found if doubt is not None))

    @property
    def one_performer(self) -> bool:
        """Whether all who are named as performers are the first of them."""
        first = self.performer_npis[:1]
        return all(first and first[0] in npis for npis in self.more_performers)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom it is asked for, as sent, and what came along about them.

    ``evidence`` are the clinical resources, ``answers`` those of questionnaires, both of this patient only.
    ``insurer_is_us`` and ``payor_is_us`` say whether Claim.insurer and Coverage.payor mean this payer, ``is_beneficiary``
    whether the patient is Coverage.beneficiary; ``None``: not sent, or it cannot be told.
    ``another_payer``: the insurer certainly means somebody else, too, or the payors mean, or may mean, somebody else.
    """

    patient: Resource
    coverage: Resource
    subscriber: Resource | None = None
    evidence: Sequence[EvidenceItem] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    insurer_is_us: bool | None = None
    payor_is_us: bool | None = None
    is_beneficiary: bool | None = None
    another_payer: bool = False
