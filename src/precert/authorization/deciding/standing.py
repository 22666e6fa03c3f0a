"""From a request line and what the payer knows to the :class:`LineContext` that the rules read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

from precert.authorization.deciding.person import CURRENT_COVERAGE, deaths
from precert.authorization.record.case import LineRequest
from precert.eligibility.directory import Directory
from precert.eligibility.member_number import lapsed_numbers
from precert.eligibility.model import HistoryEntry, Member, Plan, Provider
from precert.fhir.coding import CodePattern, codes
from precert.fhir.dates import parse_date, parse_last_day
from precert.fhir.types import Element, Resource, elements, text
from precert.policy.types import EvidenceItem

# Source of Payment Typology (coverage type codes that EHRs send): longest prefix wins.
_LOB_BY_PAYMENT_TYPE = {"11": "medicare-advantage", "21": "medicaid-mco", "22": "medicaid-ffs", "5": "commercial"}


@dataclass(frozen=True, slots=True)
class Presented:
    """A Coverage that the directory does not know, by its own word. A partial end is the last day it names."""

    start: date | None = None
    end: date | None = None
    status: str | None = None

    @classmethod
    def read(cls, coverage: Resource) -> Presented:
        period = next(iter(elements(coverage.get("period"))), {})
        status = coverage.get("status")
        said = str(status)[:40] if status is not None else None
        return cls(parse_date(period.get("start")), parse_last_day(period.get("end")), said)

    def inactive(self, day: date) -> str | None:
        """Why it does not cover ``day``; ``None`` if it does."""
        if self.end is not None and self.end < day:
            return f"The Coverage that was sent ended on {self.end.isoformat()}."
        if self.status is not None and self.status not in CURRENT_COVERAGE:
            return f"The Coverage that was sent is {self.status!r}, not 'active'."
        if self.start is not None and day < self.start:
            return f"The Coverage that was sent begins on {self.start.isoformat()}, after {day.isoformat()}."
        return None


@dataclass(frozen=True, slots=True)
class Standing:
    """Who the request is for and by, as the payer sees it. ``member`` is ``None`` for presented coverage.

    ``doubts`` say why it is not certain who the member is; ``deaths`` when the patient died, by each record that says so.
    ``numbered`` are the resources that were sent with member numbers.
    """

    member: Member | None
    plan: Plan | None
    provider: Provider | None
    coverage: Element
    presented: Presented = field(default_factory=Presented)
    doubts: tuple[str, ...] = ()
    deaths: tuple[date | None, ...] = ()
    numbered: tuple[Resource, ...] = ()

    def uncertain(self, line: LineRequest, received: date, granted: date | None = None) -> tuple[str, ...]:
        """Why a person has to look before ``line`` is answered with a yes; empty when nothing speaks against it.

        ``granted`` is the last day that would be granted, where that is known and not what was asked.
        """
        first = service_day(line, received)
        last = max(first, line.service_end or first, granted or first)
        found = list(self.doubts)
        if any(died is None or died < last for died in self.deaths):
            found.append("The patient is recorded as deceased.")
        if any(self._mine(number.value) for number in lapsed_numbers(first, *self.numbered)):
            found.append(
                "A member number that was sent is said not to be in force on the day of service (use, period)."
            )
        ends = self.ends(first)
        if ends is not None and first <= ends < last:
            found.append(f"The coverage ends on {ends.isoformat()}, before the last day of service.")
        return tuple(found)

    def _mine(self, number: str) -> bool:
        """Whether a number is the member's, as it may be written on a card; of somebody presented every one is."""
        if self.member is None:
            return True
        card = self.member.subscriber or self.member.id
        return number.upper().startswith((self.member.id.upper(), card.upper()))

    def on(self, day: date) -> Standing:
        """The same on the day of service: a member whose plan changes is decided under the plan of that day."""
        record = self.member.coverage_on(day) if self.member is not None else None
        if record is None or record.plan == self.plan:
            return self
        return replace(self, plan=record.plan, coverage=_view(record.plan))

    def inactive(self, day: date) -> str | None:
        """Why the patient is not covered on ``day``, in a sentence; ``None`` for one who is."""
        if self.member is None:
            return self.presented.inactive(day)
        if self.member.coverage_on(day) is not None:
            return None
        last = self.member.last_coverage
        ended = f" It ended on {last.end.isoformat()}." if last and last.end and last.end < day else ""
        return f"The member's coverage is not active on {day.isoformat()}.{ended}"

    def begins(self, today: date) -> date | None:
        """The first day after ``today`` on which a coverage begins."""
        if self.member is not None:
            return self.member.next_start(today)
        start = self.presented.start
        return start if start is not None and start > today else None

    def ends(self, day: date) -> date | None:
        """The last day of the coverage that is active on ``day``, if it has one."""
        record = self.member.coverage_on(day) if self.member is not None else self.presented
        return record.end if record is not None else None


def standing(
    directory: Directory,
    member: Member | None,
    plan: Plan | None,
    coverage: Resource,
    npis: Iterable[str],
    *,
    patient: Resource | None = None,
    doubts: tuple[str, ...] = (),
) -> Standing:
    """Combine directory and request. Without a member the Coverage that was presented is trusted.

    ``patient`` is the Patient as sent, ``doubts`` why it is not certain who that is (:func:`.person.identify`).
    """
    if plan is None and member is None:
        plan = _presented_plan(directory, coverage)
    view: Element = {}
    if plan is not None:
        view = _view(plan)
    elif lob := _presented_lob(coverage):
        view = {"lob": lob}
    died = deaths(*((patient,) if patient else ()), *((member.patient,) if member else ()))
    return Standing(
        member,
        plan,
        directory.provider(npis),
        view,
        Presented.read(coverage),
        doubts,
        died,
        tuple(filter(None, (patient, coverage))),
    )


def _view(plan: Plan) -> Element:
    """A plan as the rules see it (``Coverage`` in policies)."""
    known = {"plan": plan.id, "lob": plan.lob, "state": plan.state, "funding": plan.funding}
    return {key: value for key, value in known.items() if value}


def _presented_plan(directory: Directory, coverage: Resource) -> Plan | None:
    for class_ in elements(coverage.get("class")):
        if any(code.code == "plan" for code in codes(class_.get("type"))):
            return directory.plans.get(str(class_.get("value")))
    return None


def _presented_lob(coverage: Resource) -> str | None:
    for code in codes(coverage.get("type")):
        for prefix in sorted(_LOB_BY_PAYMENT_TYPE, key=len, reverse=True):
            if "sopt" in code.system.lower() and code.code.startswith(prefix):
                return _LOB_BY_PAYMENT_TYPE[prefix]
    return None


def requester_view(provider: Provider | None, npis: Sequence[str], item: Element) -> Element:
    """The requester as the rules see it; ``goldcard`` only when the provider is known here."""
    view: Element = {"npi": npis[0]} if npis else {}
    if provider is not None:
        services = [CodePattern.parse(s) for s in provider.goldcard if s != "*"]
        asked = list(codes(item.get("productOrService")))
        exempt = "*" in provider.goldcard or any(s.matches(c) for s in services for c in asked)
        view |= {"npi": provider.npi, "network": provider.network, "goldcard": exempt}
    return view


def patient_view(patient: Resource, on: date) -> Resource:
    """The Patient plus ``age`` in completed years on the day of service, when the birth date is known."""
    born = parse_date(patient.get("birthDate"))
    if born is None:
        return patient
    return {**patient, "age": on.year - born.year - ((on.month, on.day) < (born.month, born.day))}


def payer_evidence(member: Member | None, today: date, numbers: frozenset[str] = frozenset()) -> list[EvidenceItem]:
    """The claims and authorizations that the payer holds for the member, but for those of ``numbers``, which are precert's
    own and counted from its record."""
    return [_history_item(entry, today) for entry in (member.history if member else ()) if entry.id not in numbers]


def _history_item(entry: HistoryEntry, today: date) -> EvidenceItem:
    pattern = CodePattern.parse(entry.code)
    type_, dated = ("PayerClaim", "date") if entry.kind == "claim" else ("PayerAuth", "start")
    resource: Resource = {
        "resourceType": type_,
        "id": entry.id,
        "code": {"coding": [{"system": pattern.system, "code": pattern.code}]},
        dated: entry.day(today).isoformat(),
        "units": entry.units,
    }
    return EvidenceItem(resource, f"{type_}/{entry.id}", "payer")


def diagnosis_evidence(diagnoses: Iterable[tuple[Element, str, Element]]) -> list[EvidenceItem]:
    """Diagnoses named in the request itself, as Conditions: (concept, where it stands, further elements of a Condition)."""
    return [
        EvidenceItem({"resourceType": "Condition", "code": concept, **more}, where, "request")
        for concept, where, more in diagnoses
    ]


def service_day(line: LineRequest, received: date) -> date:
    """The first day of service; the day of receipt when the request names none."""
    return line.service_start or received


def describe(concept: object) -> str:
    """A CodeableConcept for a person: its text or display, else its code."""
    for element in elements(concept):
        for coding in elements(element.get("coding")):
            if shown := text(coding.get("display")):
                return shown
        if shown := text(element.get("text")):
            return shown
    first = next(codes(concept), None)
    return first.code if first else "the service"
