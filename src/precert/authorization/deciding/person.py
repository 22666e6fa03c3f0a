"""Who is it about: patient, coverage, subscriber and evidence, from whichever edge, lead to one member or to trouble.

:func:`identify` says who the member is. :class:`Patient` says what is about the patient of a request; what names somebody
else, or nobody, is not (an EHR's own references inside a bundle of ``urn:uuid`` are normal, so that a reference need not
resolve; but it must match). Source: PAS 2.2.1 profile-beneficiary and profile-coverage, X12 278 loops 2010C/2010D and AAA
segments, US Core 3.1 (``subject`` of clinical resources), FHIR R4 bundle.html#references; docs/eligibility.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from urllib.parse import urlsplit

from precert.authorization.deciding.request import Subject
from precert.eligibility import demographics
from precert.eligibility.demographics import Likeness
from precert.eligibility.directory import Directory, Found, NoMember
from precert.eligibility.member_number import numbers_of
from precert.eligibility.model import Member
from precert.fhir.bundle import BundleIndex, Entry, absolute, reference_of, type_and_id
from precert.fhir.coding import system_url
from precert.fhir.dates import parse_date
from precert.fhir.hidden import first_hidden
from precert.fhir.types import Resource, elements, text

CURRENT_COVERAGE = ("active",)

_REJECTIONS = {
    NoMember.MISSING_ID: "missing_member_id",
    NoMember.NOT_FOUND: "member_not_found",
    NoMember.SEVERAL: "member_ambiguous",
    NoMember.BIRTH_DATE: "birth_date",
    NoMember.BIRTH_DATE_MISSING: "birth_date_missing",
    NoMember.NAME: "member_name",
    NoMember.GENDER: "member_gender",
}
_UNKNOWN = frozenset({NoMember.MISSING_ID, NoMember.NOT_FOUND})
NO_SUBJECT = frozenset(
    {"Binary", "Group", "HealthcareService", "Medication", "Provenance", "Schedule", "Slot", "Substance"}
)
"""Types that have no subject in R4: they are about no person, and what refers to them is."""
_ANOTHER_PAYER = "The insurer or the Coverage's payor names, or may name, another payer beside this one."
_NO_STATUS = "The Coverage that was sent does not say whether it is active."
_ABOUT = {"Coverage": "beneficiary", "Task": "for"}


@dataclass(frozen=True, slots=True)
class Person:
    """``member`` is ``None`` for somebody whom the directory does not know and whose coverage is taken as presented.

    ``doubts`` are sentences: what a person has to look into before anything is approved. None: one certain member.
    """

    member: Member | None
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trouble:
    """Nobody can be decided about. ``key`` is a key of the reject table (AAA), ``element`` the FHIRPath in the request."""

    key: str
    element: str = "Claim.patient"


def identify(subject: Subject, directory: Directory) -> Person | Trouble:
    """The one member that ``subject`` is about; in ``presented`` mode also somebody whom the directory does not know."""
    if subject.insurer_is_us is False:
        return Trouble("other_payer", "Claim.insurer")
    if subject.payor_is_us is False and subject.insurer_is_us is None:
        return Trouble("other_payer", "Claim.insurance.coverage.payor")
    if subject.is_beneficiary is False:
        return Trouble("other_beneficiary", "Claim.insurance.coverage.beneficiary")
    found = directory.find(subject.patient, subject.coverage, subject.subscriber)
    odd = (*_oddities(subject.patient), *_not_understood(subject.coverage), *_not_understood(subject.subscriber or {}))
    if isinstance(found, Found):
        doubts = (
            *found.doubts,
            *odd,
            *_oddities(found.member.patient),
            *_coverage_doubts(subject, found.member, directory),
        )
        return Person(found.member, tuple(dict.fromkeys(doubts)))
    if found.reason in _UNKNOWN and subject.payor_is_us is False:
        return Trouble("other_payer", "Claim.insurance.coverage.payor")
    if found.reason not in _UNKNOWN or directory.mode != "presented":
        return Trouble(_REJECTIONS[found.reason])
    return Person(None, (*odd, *_presented_doubts(subject, found.reason, directory)))


def holder(subject: Subject, directory: Directory) -> Person | Trouble:
    """The member behind a Coverage that came without a Patient (DTR): never certain, and never enough for a yes."""
    if subject.payor_is_us is False:
        return Trouble("other_payer", "Coverage.payor")
    if subject.is_beneficiary is False:
        return Trouble("other_beneficiary", "Coverage.beneficiary")
    found = directory.holder(subject.coverage)
    if isinstance(found, Found):
        return Person(found.member, found.doubts)
    if found.reason not in _UNKNOWN or directory.mode != "presented":
        return Trouble(_REJECTIONS[found.reason])
    return Person(None, ("No Patient was sent, so it is not certain who the member is.",))


def named_as(resource: Resource | None, *references: object) -> Resource | None:
    """``resource`` with the logical identifiers of the references to it: whoever they name is meant as well."""
    logical = [i for reference in elements(list(references)) for i in elements(reference.get("identifier"))]
    if not logical:
        return resource
    return {**(resource or {}), "identifier": [*elements((resource or {}).get("identifier")), *logical]}


def _oddities(patient: Resource) -> Iterable[str]:
    """What a Patient says of itself that a person has to look into."""
    if patient.get("active") is False:
        yield "The Patient record is not active any more (Patient.active is false)."
    if any(link.get("type") == "replaced-by" for link in elements(patient.get("link"))):
        yield "The Patient record was replaced by another (Patient.link)."
    yield from _not_understood(patient)


def _not_understood(resource: Resource) -> Iterable[str]:
    if (found := first_hidden(resource)) is not None:
        kind = text(resource.get("resourceType")) or "subscriber"
        yield f"The {kind[:40]} has {found.phrase}."


def _coverage_doubts(subject: Subject, member: Member, directory: Directory) -> Iterable[str]:
    coverage = subject.coverage
    if subject.another_payer:
        yield _ANOTHER_PAYER
    if subject.payor_is_us is False:
        yield "Claim.insurer is this payer, and the Coverage's payor is another."
    if not coverage:
        return
    if coverage.get("status") is None:
        yield _NO_STATUS
    elif coverage.get("status") not in CURRENT_COVERAGE:
        yield f"The Coverage that was sent is {str(coverage.get('status'))[:40]!r}, not 'active'."
    named = any(member in directory.means(number.value) for number in numbers_of(coverage))
    beneficiary = reference_of(coverage.get("beneficiary")) or ""
    if subject.is_beneficiary is None and (not named or "://" in beneficiary):
        yield "Neither its beneficiary nor a member number says that the Coverage is the patient's."


def _presented_doubts(subject: Subject, reason: NoMember, directory: Directory) -> Iterable[str]:
    """What has to be looked into about somebody whom the directory does not know."""
    if subject.another_payer:
        yield _ANOTHER_PAYER
    sent = [number for resource in (subject.patient, subject.coverage) for number in numbers_of(resource)]
    if directory.known_as(subject.patient) or any(directory.means(number.value) for number in sent):
        yield "A member with this number, or with this name and birth date, is known here under another one."
    if reason is NoMember.MISSING_ID:
        yield "No member number was sent."
    if not (subject.patient.get("name") or subject.patient.get("birthDate")):
        yield "The member is not known here, and a number alone does not say who the patient is."
    if subject.insurer_is_us is None and subject.payor_is_us is None:
        yield "The member is not known here, and neither insurer nor payor can be told by an identifier."
    if subject.coverage and subject.is_beneficiary is None:
        yield "It cannot be told whether the patient is the Coverage's beneficiary."
    if subject.coverage and text(subject.coverage.get("status")) is None:
        yield _NO_STATUS


def deaths(*patients: Resource) -> tuple[date | None, ...]:
    """When the patient died, as each record says it; ``None`` for one that gives no readable day, or says only that the day,
    or whether the patient died, is not known (an extension without a value)."""
    found: list[date | None] = []
    for patient in patients:
        when = patient.get("deceasedDateTime")
        alive = patient.get("deceasedBoolean") is False or not patient.keys() & {"deceasedBoolean", "_deceasedBoolean"}
        if when is not None or not alive or patient.get("_deceasedDateTime") is not None:
            found.append(parse_date(when))
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Patient:
    """The patient of a request, as its references may name them. ``full_url`` is that of the entry, if it has one.

    A relative reference means the sender's own id, whatever server the entries' URLs name (a gateway may have changed them).
    ``one_server``: everything comes from one FHIR server (CDS Hooks prefetch), so that another id is another patient.
    """

    resource: Resource
    full_url: str = ""
    one_server: bool = False
    _ids: frozenset[str] = field(init=False)
    _identifiers: frozenset[tuple[str, str]] = field(init=False)
    _numbers: frozenset[str] = field(init=False)
    _server: str | None = field(init=False)
    _plainly: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        told = type_and_id(self.full_url)
        ids = {text(self.resource.get("id")), told[1] if told else None, _uuid(self.full_url)}
        object.__setattr__(self, "_ids", frozenset(id for id in ids if id))
        object.__setattr__(self, "_identifiers", frozenset(_identifiers(self.resource)))
        numbers = frozenset(number.value.upper() for number in numbers_of(self.resource))
        object.__setattr__(self, "_numbers", numbers)
        object.__setattr__(self, "_server", _server(self.full_url))
        relative = [f"Patient/{id}" for id in ids if id and self.one_server]
        object.__setattr__(self, "_plainly", frozenset(url for url in (self.full_url, *relative) if url))

    def has(self, entry: Entry, *indexes: BundleIndex) -> bool | None:
        """Whether a resource is about this patient: ``False`` if it names somebody else, ``None`` if it names nobody, or
        somebody of whom it cannot be told. ``indexes`` are the bundles that it stands in, the innermost first."""
        resource = entry.resource
        verdicts = [self.named(reference, entry, *indexes) for reference in _subjects(entry.type, resource)]
        if entry.type == "Appointment":  # who takes part besides the patient is not what it is about
            return True if True in verdicts else False if False in verdicts else None
        return False if False in verdicts else None if not verdicts or None in verdicts else True

    def named(self, reference: object, origin: Entry | None = None, *indexes: BundleIndex) -> bool | None:
        """Whether a Reference means this patient, likewise."""
        if not isinstance(reference, dict):
            return None
        target = reference_of(reference)
        if target in self._plainly and "identifier" not in reference:  # nearly always
            return True
        logical = self._carries(_identifiers({"identifier": reference.get("identifier")}))
        if target is None or logical is False:
            return logical
        literal = self._literal(target, origin, indexes)
        return logical if literal is None else literal

    def _literal(self, target: str, origin: Entry | None, indexes: Sequence[BundleIndex]) -> bool | None:
        server = _server(target)
        elsewhere = server is not None and self._server is not None and server != self._server
        unplaced = server is not None and self._server is None and not self.one_server
        if not elsewhere:
            for index in indexes:
                found = index.resolve(target, origin)
                # of an address on a server, where the patient's is not known, the whole has to be that of an entry
                if found is not None and (not unplaced or found.full_url == target):
                    return self._is(found, index)
        told = type_and_id(target)
        if told is not None and told[0] != "Patient":
            return False
        id = told[1] if told is not None else _uuid(target)
        if elsewhere:
            return False
        if unplaced:
            return None  # an id is one of its server, and nobody knows of which the patient is
        if id in self._ids:  # unless several Patients of the bundle have it, so that nobody can tell which one is meant
            several = told is not None and any(len(index.called(*told)) > 1 for index in indexes)
            return None if several else True
        if told is None or self.one_server:
            return None if told is None else False
        # on one server, another id is another patient
        server = _server(absolute(target, origin)) if origin is not None else server
        return False if server is not None and server == self._server else None

    def _is(self, entry: Entry, index: BundleIndex) -> bool:
        """Whether an entry is this patient: the very one, or a copy of it that is contained or stands in a bundle inside.

        A resource stands once in a bundle (PAS spec-14), so that another Patient beside this one is another patient.
        """
        if entry.resource is self.resource:
            return True
        beside = entry.container is None and any(each.resource is self.resource for each in index.entries)
        if entry.type != "Patient" or beside:
            return False
        same = self._carries(_identifiers(entry.resource))
        born = demographics.birth_dates(self.resource, entry.resource)
        if same is False or born is Likeness.DIFFERENT or demographics.contradict(self.resource, entry.resource):
            return False
        alike = born is Likeness.SAME and demographics.names(self.resource, entry.resource) is Likeness.SAME
        return bool(same or alike or entry.id in self._ids)

    def _carries(self, identifiers: Iterable[tuple[str, str]]) -> bool | None:
        """Whether one of the patient's identifiers is among these; ``False`` if one of the same system is another.

        A number without a system is held against the patient's member numbers.
        """
        sent = set(identifiers)
        if sent & self._identifiers or any(not system and value.upper() in self._numbers for system, value in sent):
            return True
        return False if {s for s, _ in sent if s} & {s for s, _ in self._identifiers} else None


def names_nobody(entry: Entry) -> bool:
    """Whether a resource does not say at all whom it is about."""
    return not any(_subjects(entry.type, entry.resource))


def _subjects(type_: str, resource: Resource) -> Iterable[object]:
    """The references by which a resource says whom it is about."""
    if type_ == "Appointment":
        actors = [participant.get("actor") for participant in elements(resource.get("participant"))]
        told = [(actor, type_and_id(reference_of(actor) or "")) for actor in actors]
        return [actor for actor, target in told if target is None or target[0] == "Patient"]
    own = _ABOUT.get(type_)
    found = [resource.get(key) for key in ((own,) if own else ("subject", "patient"))]
    if "focus" in resource:  # Observation.focus: of a donor, a fetus, a device; then it is not about the subject
        found.append(resource["focus"])
    return [each for reference in found for each in elements(reference)]


def _identifiers(resource: Resource) -> Iterable[tuple[str, str]]:
    for identifier in elements(resource.get("identifier")):
        if value := text(identifier.get("value")):
            yield system_url(text(identifier.get("system")) or ""), value.strip()


def _uuid(url: str) -> str | None:
    """The UUID of a ``urn:uuid:``, which is the same as the id of a resource that was given it."""
    prefix = "urn:uuid:"
    return url[len(prefix) :].lower() if url[: len(prefix)].lower() == prefix else None


def _server(url: str) -> str | None:
    """Host and path of the FHIR server in an absolute URL, without scheme and port; ``None`` for anything else."""
    if "://" not in url:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    told = type_and_id(url)
    tail = f"{told[0]}/{told[1]}" if told else ""
    path = parts.path.partition("/_history/")[0]
    return f"{(parts.hostname or '').lower()}{path.removesuffix(tail).rstrip('/')}"
