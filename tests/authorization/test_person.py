"""Who is it about: one certain member, somebody for a person to look at, or trouble; and what evidence is about them."""

from __future__ import annotations

import copy
import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precert.authorization.deciding.decide import PERSON_UNCERTAIN, doubted
from precert.authorization.deciding.evidence import about_somebody_else
from precert.authorization.deciding.parties import contradicts, provider_doubts
from precert.authorization.deciding.person import Patient, Person, Trouble, holder, identify
from precert.authorization.deciding.request import Subject
from precert.authorization.deciding.standing import standing
from precert.authorization.record.case import LineRequest
from precert.authorization.record.codes import code_table
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.fhir.bundle import BundleIndex
from precert.pas.references import another_payer
from precert.policy.types import Decision, Outcome
from support.app import EXAMPLES
from support.strategies import JSON_VALUES

Json = dict[str, Any]
SYSTEM = "urn:precert:demo:member"
V2 = "http://terminology.hl7.org/CodeSystem/v2-0203"
DAY = dt.date(2026, 11, 20)
UNKNOWN = {"url": "http://hl7.org/fhir/StructureDefinition/data-absent-reason", "valueCode": "unknown"}
PRESENTED = load_directory(EXAMPLES / "eligibility")
STRICT = load_directory(EXAMPLES / "eligibility", "directory")
MEMBERS = {member.id: member for member in PRESENTED.members}


def number(value: str, *, type_: str | None = "MB", system: str | None = SYSTEM, **more: Any) -> Json:
    typed = {"type": {"coding": [{"system": V2, "code": type_}]}} if type_ else {}
    return {**typed, **({"system": system} if system else {}), "value": value, **more}


def patient(member: str = "MA-0001", **changes: Any) -> Json:
    """As the member would be sent; ``None`` removes an element."""
    made = {**copy.deepcopy(MEMBERS[member].patient), "identifier": [number(member)], **changes}
    return {key: value for key, value in made.items() if value is not None}


STRANGER = {"name": [{"family": "Falk", "given": ["Ines"]}], "birthDate": "1950-04-02"}


def coverage(member: str | None = "MA-0001", **changes: Any) -> Json:
    made: Json = {"resourceType": "Coverage", "status": "active"}
    made |= {"subscriberId": member} if member else {}
    return {key: value for key, value in {**made, **changes}.items() if value is not None}


def subject(
    sent: Json | None = None,
    cover: Json | None = None,
    subscriber: Json | None = None,
    *,
    insurer: bool | None = True,
    payor: bool | None = True,
    beneficiary: bool | None = True,
) -> Subject:
    return Subject(
        patient() if sent is None else sent,
        coverage() if cover is None else cover,
        subscriber,
        insurer_is_us=insurer,
        payor_is_us=payor,
        is_beneficiary=beneficiary,
    )


def said(asked: Subject, directory: Directory = PRESENTED) -> str:
    """``MA-0001`` for one certain member, ``MA-0001?`` for one that a person has to look at, else the reject key."""
    found = identify(asked, directory)
    if isinstance(found, Trouble):
        assert found.key in code_table().reject
        return found.key
    name = found.member.id if found.member is not None else "presented"
    return f"{name}?" if found.doubts else name


NAMED = {"name": [{"family": "Smith", "given": ["Bob"]}]}
TABLE: list[tuple[str, Subject, str]] = [
    # the patient
    ("number and birth date", subject(), "MA-0001"),
    ("lower case and blanks", subject(patient(identifier=[number(" ma-0001 ")])), "MA-0001"),
    ("no name, no gender", subject(patient(name=None, gender=None)), "MA-0001"),
    ("number and name", subject(patient(birthDate=None)), "MA-0001?"),
    ("number and year", subject(patient(birthDate="1951")), "MA-0001?"),
    ("number alone", subject(patient(birthDate=None, name=None, gender=None)), "birth_date_missing"),
    ("number and family name", subject(patient(birthDate=None, name=[{"family": "Reyes"}])), "birth_date_missing"),
    ("number and another name", subject(patient(birthDate=None, **NAMED)), "member_name"),
    ("number, name and another gender", subject(patient(birthDate=None, gender="male")), "member_gender"),
    ("another birth date", subject(patient(birthDate="1951-03-15")), "birth_date"),
    ("another year", subject(patient(birthDate="1952")), "birth_date"),
    ("all but the family name", subject(patient(name=[{"family": "Marin", "given": ["Alma"]}])), "MA-0001"),
    ("another name altogether", subject(patient(**NAMED)), "MA-0001?"),
    ("another gender", subject(patient(gender="male")), "MA-0001?"),
    ("gender unknown", subject(patient(gender="unknown")), "MA-0001"),
    ("not active any more", subject(patient(active=False)), "MA-0001?"),
    ("replaced", subject(patient(link=[{"type": "replaced-by", "other": {}}])), "MA-0001?"),
    ("implicit rules", subject(patient(implicitRules="urn:x")), "MA-0001?"),
    ("a modifier", subject(patient(modifierExtension=[{"url": "urn:x"}])), "MA-0001?"),
    ("a birth date that is absent", subject(patient(_birthDate={"extension": [UNKNOWN]})), "MA-0001?"),
    ("implicit rules of the Coverage", subject(patient(), coverage(implicitRules="urn:x")), "MA-0001?"),
    ("see also", subject(patient(link=[{"type": "seealso", "other": {}}])), "MA-0001"),
    # the numbers
    ("number in our system, untyped", subject(patient(identifier=[number("MA-0001", type_=None)])), "MA-0001"),
    ("typed, of no system", subject(patient(identifier=[number("MA-0001", system=None)])), "MA-0001"),
    ("typed, of another system", subject(patient(identifier=[number("MA-0001", system="urn:ehr")])), "MA-0001"),
    (
        "a bare number, confirmed by the name",
        subject(patient(identifier=[number("MA-0001", type_=None, system=None)]), coverage(None)),
        "MA-0001",
    ),
    (
        "a bare number, not confirmed by the name",
        subject(patient(identifier=[number("MA-0001", type_=None, system=None)], name=None), coverage(None)),
        "MA-0001?",
    ),
    (
        "a medical record number",
        subject(patient(identifier=[number("MA-0001", type_="MR")]), coverage(None)),
        "presented?",
    ),
    (
        "a number of another system",
        subject(patient(identifier=[number("MA-0001", type_=None, system="urn:ehr")]), coverage(None)),
        "presented?",
    ),
    (
        "a member under an unknown number",
        subject(patient(identifier=[number("ZZ-1")]), coverage("ZZ-1")),
        "presented?",
    ),
    (
        "a medical record number of another",
        subject(patient(identifier=[number("MA-0001"), number("MA-0002", type_="MR")])),
        "MA-0001",
    ),
    (
        "two numbers on the patient",
        subject(patient(identifier=[number("MA-0001"), number("MA-0002")])),
        "member_ambiguous",
    ),
    ("an old number", subject(patient(identifier=[number("MA-0001"), number("MA-0002", use="old")])), "MA-0001"),
    ("a number that nobody has", subject(patient(identifier=[number("MA-0001"), number("MA-7777")])), "MA-0001?"),
    ("no number", subject(patient(identifier=None), coverage(None)), "presented?"),
    ("a number nobody has", subject(patient(identifier=[number("ZZ-1")], **STRANGER), coverage("ZZ-1")), "presented"),
    # the coverage
    ("on the coverage alone", subject(patient(identifier=None)), "MA-0001"),
    ("another member's on the coverage", subject(cover=coverage("MA-0002")), "member_ambiguous"),
    ("another member's identifier", subject(cover=coverage(None, identifier=[number("MA-0002")])), "member_ambiguous"),
    (
        "another member's bare identifier",
        subject(cover=coverage(identifier=[number("MA-0002", type_=None, system=None)])),
        "member_ambiguous",
    ),
    ("the coverage of another member alone", subject(patient(identifier=None), coverage("MA-0002")), "birth_date"),
    ("a coverage number nobody has", subject(cover=coverage("MA-7777")), "MA-0001?"),
    ("of another patient", subject(beneficiary=False), "other_beneficiary"),
    ("of whom is not said", subject(beneficiary=None), "MA-0001"),
    ("of whom is not said, without a number", subject(cover=coverage(None), beneficiary=None), "MA-0001?"),
    ("cancelled", subject(cover=coverage(status="cancelled")), "MA-0001?"),
    ("entered in error", subject(cover=coverage(status="entered-in-error")), "MA-0001?"),
    ("the subscriber is another member", subject(subscriber=patient("MA-0002")), "member_ambiguous"),
    # the payer
    ("another insurer", subject(insurer=False), "other_payer"),
    ("another insurer, our coverage", subject(insurer=False, payor=True), "other_payer"),
    ("our insurer, another payor", subject(payor=False), "MA-0001?"),
    ("another payor", subject(insurer=None, payor=False), "other_payer"),
    ("nobody can tell", subject(insurer=None, payor=None), "MA-0001"),
    (
        "stranger, nobody can tell",
        subject(patient(identifier=[number("ZZ-1")], **STRANGER), coverage("ZZ-1"), insurer=None, payor=None),
        "presented?",
    ),
    (
        "stranger, other insurer",
        subject(patient(identifier=[number("ZZ-1")], **STRANGER), coverage("ZZ-1"), insurer=False),
        "other_payer",
    ),
    (
        "stranger, other payor",
        subject(patient(identifier=[number("ZZ-1")], **STRANGER), coverage("ZZ-1"), payor=False),
        "other_payer",
    ),
    (
        "stranger, whose coverage?",
        subject(patient(identifier=[number("ZZ-1")], **STRANGER), coverage("ZZ-1"), beneficiary=None),
        "presented?",
    ),
    # the family
    ("child, own number", subject(patient("COM-0001-02"), coverage("COM-0001-02")), "COM-0001-02"),
    ("child, own number, subscriber's coverage", subject(patient("COM-0001-02"), coverage("COM-0001")), "COM-0001-02"),
    (
        "child, subscriber's number",
        subject(patient("COM-0001-02", identifier=None), coverage("COM-0001")),
        "COM-0001-02",
    ),
    ("subscriber, same number", subject(patient("COM-0001"), coverage("COM-0001")), "COM-0001"),
    (
        "subscriber with suffix",
        subject(patient("COM-0001", identifier=[number("COM-0001-01")]), coverage("COM-0001")),
        "COM-0001",
    ),
    (
        "child, suffix glued on",
        subject(patient("COM-0001-02", identifier=[number("COM-000102")]), coverage(None)),
        "COM-0001-02",
    ),
    (
        "child, and the parent as subscriber",
        subject(patient("COM-0001-02", identifier=None), coverage("COM-0001"), patient("COM-0001")),
        "COM-0001-02",
    ),
    (
        "child, suffix of the parent",
        subject(patient("COM-0001-02", identifier=None), coverage("COM-0001", dependent="01")),
        "COM-0001-02?",
    ),
    (
        "child, suffix without zero",
        subject(patient("COM-0001-02", identifier=None), coverage("COM-0001", dependent="2")),
        "COM-0001-02",
    ),
    (
        "child's number, parent's birth date",
        subject(patient("COM-0001", identifier=[number("COM-0001-02")]), coverage("COM-0001")),
        "birth_date",
    ),
    ("nobody of the family", subject(patient("COM-0002", identifier=None), coverage("COM-0001")), "birth_date"),
    (
        "child who is said to be the subscriber",
        subject(
            patient("COM-0001-02", identifier=None),
            coverage("COM-0001", relationship={"coding": [{"code": "self"}]}),
        ),
        "COM-0001-02?",
    ),
    (
        "child by relationship",
        subject(
            patient("COM-0001-02", identifier=None),
            coverage("COM-0001", relationship={"coding": [{"code": "child"}]}),
        ),
        "COM-0001-02",
    ),
]


@pytest.mark.parametrize(("asked", "answer"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_who_it_is(asked: Subject, answer: str) -> None:
    assert said(asked) == answer


@pytest.mark.parametrize(("asked", "answer"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_where_only_the_directory_counts_nobody_is_presented(asked: Subject, answer: str) -> None:
    strict = said(asked, STRICT)
    assert not strict.startswith("presented")
    if not answer.startswith("presented"):
        assert strict == answer


def twins() -> Directory:
    """Two children of one birth date under one number."""
    known = MEMBERS["COM-0001-02"]
    other = {**known.patient, "name": [{"family": "Natarajan", "given": ["Dev"]}]}
    twin = replace(known, id="COM-0001-03", dependent="03", patient=other)
    return Directory(PRESENTED.payer, [*PRESENTED.members, twin], (), PRESENTED.plans)


@pytest.mark.parametrize(
    ("given_", "suffix", "answer"),
    [
        ("Arun", None, "COM-0001-02"),
        ("Dev", None, "COM-0001-03"),
        ("Dev", "03", "COM-0001-03"),
        (None, "03", "COM-0001-03"),
        (None, None, "member_ambiguous"),
        ("Maya", None, "member_ambiguous"),
    ],
)
def test_twins_are_told_apart_by_name_or_suffix_or_not_at_all(
    given_: str | None, suffix: str | None, answer: str
) -> None:
    name = [{"family": "Natarajan", "given": [given_]}] if given_ else None
    sent = patient("COM-0001-02", identifier=None, name=name)
    assert said(subject(sent, coverage("COM-0001", dependent=suffix)), twins()) == answer


IDS = sorted(MEMBERS)
PLACES: list[Callable[[Json, Json, str], Any]] = [
    lambda p, c, n: p.setdefault("identifier", []).append(number(n)),
    lambda p, c, n: p.setdefault("identifier", []).append(number(n, type_=None)),
    lambda p, c, n: p.setdefault("identifier", []).append(number(n, type_="SN", system=None)),
    lambda p, c, n: c.update(subscriberId=n),
    lambda p, c, n: c.setdefault("identifier", []).append(number(n)),
    lambda p, c, n: p.update(birthDate=MEMBERS[n].patient["birthDate"]),
    lambda p, c, n: p.update(name=MEMBERS[n].patient["name"]),
    lambda p, c, n: p.update(gender=MEMBERS[n].patient["gender"]),
]


@given(st.lists(st.tuples(st.sampled_from(range(len(PLACES))), st.sampled_from(IDS)), max_size=8))
def test_what_two_members_say_together_is_never_one_certain_member(parts: list[tuple[int, str]]) -> None:
    sent, cover = {"resourceType": "Patient"}, coverage(None)
    for place, member in parts:
        PLACES[place](sent, cover, member)
    found = identify(subject(sent, cover), STRICT)
    if isinstance(found, Trouble) or found.doubts:
        return
    assert found.member is not None
    numbers = {i["value"] for i in sent.get("identifier", ())} | {i["value"] for i in cover.get("identifier", ())}
    numbers |= {cover["subscriberId"]} if "subscriberId" in cover else set()
    assert numbers
    assert numbers <= {found.member.id, found.member.subscriber}
    assert sent["birthDate"] == found.member.patient["birthDate"]
    assert sent.get("gender", found.member.patient["gender"]) == found.member.patient["gender"]


@given(JSON_VALUES, JSON_VALUES, st.sampled_from(["identifier", "name", "link", "active", "birthDate", "status"]))
def test_whatever_is_sent_gets_an_answer(one: Any, other: Any, key: str) -> None:
    for asked in (subject({key: one}, {key: other}), subject(patient(**{key: one}), coverage(**{key: other}))):
        assert isinstance(identify(asked, PRESENTED), Person | Trouble)
        assert isinstance(holder(asked, PRESENTED), Person | Trouble)


def test_a_coverage_without_a_patient_is_never_certain() -> None:
    for member in IDS:
        found = holder(subject({}, coverage(member)), PRESENTED)
        assert isinstance(found, Person)
        assert found.doubts
    assert holder(subject({}, coverage("MA-0001", identifier=[number("MA-0002")])), PRESENTED) == Trouble(
        "member_ambiguous"
    )
    assert holder(subject({}, coverage("MA-0001"), payor=False), PRESENTED) == Trouble("other_payer", "Coverage.payor")


# What a person has to look at before a yes


@pytest.mark.parametrize("outcome", list(Outcome))
def test_nothing_final_is_said_while_there_are_doubts(outcome: Outcome) -> None:
    decision = Decision(outcome, "As the rules say.")
    assert doubted(decision, ()) is decision
    unsure = doubted(decision, ("It is not certain.",))
    assert unsure.outcome in (Outcome.PEND_INFO, Outcome.REFER, Outcome.REFER_NURSE)
    if unsure is not decision:
        assert unsure.reason_code == PERSON_UNCERTAIN
        assert "It is not certain." in unsure.reason


def line(start: str | None = "2026-11-20", end: str | None = None) -> LineRequest:
    days = [dt.date.fromisoformat(day) if day else None for day in (start, end)]
    return LineRequest(sequence=1, code="x|y", service_start=days[0], service_end=days[1])


@pytest.mark.parametrize(
    ("changes", "asked", "uncertain"),
    [
        ({}, line(), False),
        ({"deceasedBoolean": False}, line(), False),
        ({"deceasedBoolean": True}, line(), True),
        ({"deceasedBoolean": "true"}, line(), True),
        ({"deceasedDateTime": "2026-11-19"}, line(), True),
        ({"deceasedDateTime": "2026-11-19T10:00:00Z"}, line(), True),
        ({"deceasedDateTime": "2026-11-20"}, line(), False),  # on that day it may have been rendered
        ({"deceasedDateTime": "2026-11-25"}, line(end="2026-12-20"), True),
        ({"deceasedDateTime": "2026-12-01"}, line("2026-11-01"), False),
        ({"deceasedDateTime": "2026"}, line(), True),
        ({"deceasedDateTime": "yesterday"}, line(), True),
        ({"_deceasedDateTime": {"extension": [UNKNOWN]}}, line(), True),
        ({"_deceasedDateTime": {"extension": [UNKNOWN]}, "deceasedBoolean": False}, line(), True),
        ({"_deceasedBoolean": {"extension": [UNKNOWN]}}, line(), True),
    ],
)
@pytest.mark.parametrize("by", ["directory", "request"])
def test_who_is_dead_gets_no_yes(changes: Json, asked: LineRequest, uncertain: bool, by: str) -> None:
    sent = patient(**(changes if by == "request" else {}))
    known = replace(
        MEMBERS["MA-0001"], patient={**MEMBERS["MA-0001"].patient, **(changes if by == "directory" else {})}
    )
    who = standing(PRESENTED, known, known.coverages[0].plan, coverage(), (), patient=sent)
    assert bool(who.uncertain(asked, DAY)) is uncertain
    stranger = standing(PRESENTED, None, None, coverage("ZZ-1"), (), patient=known.patient | changes)
    assert bool(stranger.uncertain(asked, DAY)) is uncertain


@pytest.mark.parametrize(
    ("period", "asked", "uncertain"),
    [
        ({"end": "2026-12-31"}, line(end="2026-12-31"), False),
        ({"end": "2026-12-31"}, line(end="2027-01-01"), True),
        ({"end": "2026-11-20"}, line(end="2026-11-21"), True),  # it ends on the first of the days
        ({"end": "2026-11-20"}, line(), False),
        ({"end": "2026-12"}, line(end="2027-01-01"), True),
        ({}, line(end="2030-01-01"), False),
    ],
)
def test_a_service_that_outlasts_the_coverage_is_for_a_person(
    period: Json, asked: LineRequest, uncertain: bool
) -> None:
    who = standing(PRESENTED, None, None, coverage("ZZ-1", period=period), ())
    assert bool(who.uncertain(asked, DAY)) is uncertain


@pytest.mark.parametrize("status", ["cancelled", "draft", "entered-in-error", "Active", "other", 7, ["active"]])
def test_a_presented_coverage_covers_only_while_it_is_active(status: Any) -> None:
    assert standing(PRESENTED, None, None, coverage("ZZ-1", status=status), ()).inactive(DAY) is not None
    assert standing(PRESENTED, None, None, coverage("ZZ-1"), ()).inactive(DAY) is None


# What evidence is about


PATIENT: Json = {"resourceType": "Patient", "id": "p1", "identifier": [number("MA-0001")], "birthDate": "1951-03-14"}
UUID = "7b58c198-14e7-5946-816e-65a6fdb4d0e5"
OTHER = {**PATIENT, "id": "p2", "identifier": [number("MA-0002")], "birthDate": "1948-11-02"}


def bundle_of(
    url: str, subject_: Any, *, type_: str = "Observation", element: str = "subject", **more: Any
) -> BundleIndex:
    evidence: Json = {"resourceType": type_, "id": "e1", **more}
    if subject_ is not None:
        evidence[element] = subject_
    entries = [
        {"fullUrl": url, "resource": PATIENT},
        {"fullUrl": "urn:uuid:00000000-0000-4000-8000-00000000aaaa", "resource": OTHER},
        {"fullUrl": f"{url.rpartition('Patient/')[0] or 'urn:uuid:e'}{type_}/e1", "resource": evidence},
    ]
    return BundleIndex({"resourceType": "Bundle", "entry": entries})


def verdict(url: str, subject_: Any, **more: Any) -> bool | None:
    index = bundle_of(url, subject_, **more)
    return Patient(PATIENT, url).has(index.entries[2], index)


TWIN = "urn:uuid:00000000-0000-4000-8000-00000000cccc"


@pytest.mark.parametrize(
    "twin",
    [
        {"id": "p2"},  # every word the same, and another entry
        {"id": "p2", "identifier": []},
        {"id": "p2", "name": [{"family": "Reyes", "given": ["Alma"]}], "identifier": []},
    ],
)
def test_another_patient_of_the_bundle_is_another_however_alike(twin: Json) -> None:
    """A resource stands once in a bundle (PAS spec-14): twins, or the record of somebody with the same name."""
    whose = {**PATIENT, "name": [{"family": "Reyes", "given": ["Alma"]}]}
    about: Json = {"resourceType": "Observation", "id": "e1", "subject": {"reference": TWIN}}
    entries = [
        {"fullUrl": URN, "resource": whose},
        {"fullUrl": TWIN, "resource": {**whose, **twin}},
        {"fullUrl": "urn:uuid:00000000-0000-4000-8000-00000000dddd", "resource": about},
    ]
    index = BundleIndex({"resourceType": "Bundle", "entry": entries})
    assert Patient(whose, URN).has(index.entries[2], index) is False


EHR = "https://ehr.example/fhir/Patient/p1"
URN = f"urn:uuid:{UUID}"


@pytest.mark.parametrize(
    ("url", "reference", "own"),
    [
        (URN, URN, True),
        (URN, URN.upper().replace("URN:UUID", "urn:uuid"), True),
        (URN, "Patient/p1", True),  # the EHR's own id, in a bundle of urn:uuid
        (URN, EHR, None),  # whose server the patient is of, nobody knows
        (URN, f"Patient/{UUID}", True),
        (URN, "Patient/somebody-else", None),
        (URN, "Patient/p2", False),
        (URN, "urn:uuid:00000000-0000-4000-8000-00000000aaaa", False),
        (URN, "urn:uuid:00000000-0000-4000-8000-00000000bbbb", None),
        (URN, "Group/p1", False),
        (URN, "Device/p1", False),
        (EHR, EHR, True),
        (EHR, f"{EHR}/_history/3", True),
        (EHR, "Patient/p1", True),
        (EHR, "http://ehr.example:8443/fhir/Patient/p1", True),
        (EHR, "https://other.example/fhir/Patient/p1", False),
        (EHR, "https://ehr.example/tenant-b/fhir/Patient/p1", False),
        (EHR, "https://ehr.example/fhir/Patient/p3", False),  # another id on the same server
        (EHR, "Patient/p3", False),
        (EHR, "https://[broken/Patient/p1", False),
        (EHR, "#p1", None),
    ],
)
def test_whom_a_reference_means(url: str, reference: str, own: bool | None) -> None:
    assert verdict(url, {"reference": reference}) is own


@pytest.mark.parametrize(
    ("named", "own"),
    [
        (None, None),
        ({}, None),
        ({"display": "Alma Reyes"}, None),
        ("Patient/p1", None),
        ({"identifier": number("MA-0001")}, True),
        ({"identifier": number("MA-0002")}, False),
        ({"identifier": {"value": "MA-0001"}}, True),
        ({"identifier": {"value": "MA-0002"}}, None),
        ({"identifier": {"system": "urn:ehr", "value": "9"}}, None),
        ({"reference": URN, "identifier": number("MA-0002")}, False),
        ({"reference": "Patient/elsewhere", "identifier": number("MA-0001")}, True),
    ],
)
def test_whom_a_logical_reference_means(named: Any, own: bool | None) -> None:
    assert verdict(URN, named) is own


@pytest.mark.parametrize(
    ("contained", "own"),
    [
        ({"identifier": [number("MA-0001")]}, True),
        ({"identifier": [number("MA-0002")]}, False),
        ({"name": [{"family": "Smith"}]}, False),
        ({"identifier": [number("MA-0001")], "birthDate": "1960-01-01"}, False),
    ],
)
def test_a_contained_patient_is_compared(contained: Json, own: bool) -> None:
    inside = [{"resourceType": "Patient", "id": "in", **contained}]
    assert verdict(URN, {"reference": "#in"}, contained=inside) is own


@pytest.mark.parametrize(
    ("focus", "own"), [(URN, True), ("Patient/p2", False), ("Device/d", False), ("Patient/x", None)]
)
def test_an_observation_with_another_focus_is_not_about_its_subject(focus: str, own: bool | None) -> None:
    assert verdict(URN, {"reference": URN}, focus=[{"reference": focus}]) is own


def test_an_id_that_two_patients_have_means_neither() -> None:
    entries = [
        {"fullUrl": URN, "resource": PATIENT},
        {"fullUrl": "urn:uuid:00000000-0000-4000-8000-00000000dddd", "resource": OTHER | {"id": "p1"}},
        {"resource": {"resourceType": "Observation", "subject": {"reference": "Patient/p1"}}},
    ]
    index = BundleIndex({"entry": entries})
    assert Patient(PATIENT, URN).has(index.entries[2], index) is None


@pytest.mark.parametrize(
    ("type_", "element"),
    [
        ("Observation", "subject"),
        ("Condition", "subject"),
        ("DocumentReference", "subject"),
        ("QuestionnaireResponse", "subject"),
        ("MedicationRequest", "subject"),
        ("Encounter", "subject"),
        ("Procedure", "subject"),
        ("Immunization", "patient"),
        ("AllergyIntolerance", "patient"),
        ("NutritionOrder", "patient"),
        ("Device", "patient"),
        ("DeviceUseStatement", "subject"),
        ("DiagnosticReport", "subject"),
        ("Task", "for"),
    ],
)
def test_every_type_says_it_where_it_says_it(type_: str, element: str) -> None:
    own = {"type_": type_, "element": element}
    assert verdict(URN, {"reference": URN}, **own) is True
    assert verdict(URN, {"reference": "Patient/p2"}, **own) is False
    assert verdict(URN, None, **own) is None


@pytest.mark.parametrize(
    ("reference", "counts"), [(URN, True), ("Patient/p2", False), ("Patient/x", False), (None, False)]
)
def test_what_stands_in_a_bundle_inside_is_held_against_the_same_patient(reference: str | None, counts: bool) -> None:
    inner: Json = {"resourceType": "QuestionnaireResponse", "id": "q1"}
    inner |= {"subject": {"reference": reference}} if reference else {}
    nested = {"resourceType": "Bundle", "entry": [{"fullUrl": "urn:uuid:q1", "resource": inner}]}
    entries = [{"fullUrl": URN, "resource": PATIENT}, {"resource": OTHER}, {"resource": nested}]
    index = BundleIndex({"resourceType": "Bundle", "entry": entries})
    left_out = [entry.path for entry, _ in about_somebody_else(index, Patient(PATIENT, URN))]
    assert left_out == ([] if counts else ["Bundle.entry[2].resource.entry[0].resource"])


@pytest.mark.parametrize("type_", ["Medication", "Provenance", "Binary", "Organization", "Questionnaire"])
def test_what_is_about_no_person_is_not_left_out(type_: str) -> None:
    entries = [{"fullUrl": URN, "resource": PATIENT}, {"resource": {"resourceType": type_, "id": "m"}}]
    assert about_somebody_else(BundleIndex({"entry": entries}), Patient(PATIENT, URN)) == []


@given(JSON_VALUES, st.sampled_from(["subject", "patient", "participant", "for", "beneficiary"]), st.booleans())
def test_a_subject_of_any_shape_gets_a_verdict(value: Any, element: str, one_server: bool) -> None:
    for type_ in ("Observation", "Appointment", "Task", "Coverage"):
        index = BundleIndex({"entry": [{"resource": {"resourceType": type_, element: value}}]})
        assert Patient(PATIENT, EHR, one_server).has(index.entries[0], index) in (True, False, None)


OURS = {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}}
THEIRS = {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1111111112"}}
BOTH_NUMBERS = {"identifier": [OURS["identifier"], THEIRS["identifier"]]}
TAX = {"identifier": [OURS["identifier"], {"system": "urn:oid:2.16.840.1.113883.4.4", "value": "12-3456789"}]}


@pytest.mark.parametrize(
    ("insurer", "payors", "another"),
    [
        (OURS, [OURS], False),
        (TAX, [TAX], False),
        (OURS, [{}], False),
        (OURS, [{"display": "Somebody"}], False),
        (OURS, [OURS, THEIRS], True),
        (OURS, [THEIRS, OURS], True),
        (OURS, [BOTH_NUMBERS], True),
        (BOTH_NUMBERS, [OURS], True),
        (OURS, [OURS, OURS], False),
    ],
)
def test_a_payer_beside_this_one_makes_a_doubt(insurer: Json, payors: list[Json], another: bool) -> None:
    """In a Claim, and for a member of the directory as for one that is presented."""
    claim = {
        "resource": {
            "resourceType": "Claim",
            "insurer": {"reference": "#i"},
            "contained": [{"resourceType": "Organization", "id": "i", **insurer}],
        }
    }
    organizations = [{"resourceType": "Organization", "id": f"p{n}", **payor} for n, payor in enumerate(payors)]
    cover = {
        "resourceType": "Coverage",
        "contained": organizations,
        "payor": [{"reference": f"#p{n}"} for n in range(len(payors))],
    }
    index = BundleIndex({"resourceType": "Bundle", "entry": [claim, {"resource": cover}]})
    entries = {entry.type: entry for entry in index.entries if entry.container is None}
    assert another_payer(index, entries["Claim"], entries["Coverage"], PRESENTED) is another
    assert said(replace(subject(), another_payer=another)) == ("MA-0001?" if another else "MA-0001")


def test_a_death_or_an_end_before_the_last_day_that_would_be_granted() -> None:
    who = standing(PRESENTED, MEMBERS["MA-0001"], None, {}, [], patient={"deceasedDateTime": "2026-12-01"})
    asked = line()
    assert who.uncertain(asked, DAY) == ()
    assert who.uncertain(asked, DAY, dt.date(2026, 12, 1)) == ()
    assert who.uncertain(asked, DAY, dt.date(2026, 12, 2)) != ()


def _odd(sent: Json, cover: Json) -> bool:
    """Whether a person has to look before a first day of service on :data:`DAY` is answered with a yes."""
    found = identify(Subject(sent, cover, is_beneficiary=True), PRESENTED)
    assert isinstance(found, Person)
    who = standing(PRESENTED, found.member, None, cover, (), patient=sent, doubts=found.doubts)
    return bool(who.uncertain(LineRequest(sequence=1, code="x", service_start=DAY), DAY))


RELATED = "http://terminology.hl7.org/CodeSystem/subscriber-relationship"


def related(code: str) -> Json:
    return {"relationship": {"coding": [{"system": RELATED, "code": code}]}}


@pytest.mark.parametrize(
    ("sent", "cover", "odd"),
    [
        (patient(), coverage(), False),
        (patient(), coverage(dependent="07"), True),
        (patient(), coverage(dependent="01"), False),
        (patient(), coverage(**related("child")), True),
        (patient(), coverage(**related("self")), False),
        (patient("COM-0001-02"), coverage("COM-0001", dependent="02", **related("child")), False),
        (patient("COM-0001-02"), coverage("COM-0001", **related("self")), True),
        (patient("COM-0001-02"), coverage("COM-0001", dependent="07"), True),
        (patient("COM-0001-02", name=MEMBERS["COM-0001"].patient["name"]), coverage("COM-0001"), True),
        (patient(identifier=[number("MA-0001", period={"end": "2020-12-31"})]), coverage(), True),
        (patient(identifier=[number("MA-0001", period={"end": "2030-12-31"})]), coverage(), False),
        (patient(), coverage(identifier=[number("MA-0001", period={"end": "2020-12-31"})]), True),
        (patient(identifier=[number("MA-0001", use="old")]), coverage(), True),
        (patient(identifier=[number("MA-0001", use="old"), number("MA-0001")]), coverage(), True),
        (patient(identifier=[number("MA-0001", use="usual"), number("OLD-77", use="old")]), coverage(), False),
        (patient(), coverage(beneficiary={"reference": "urn:uuid:1"}), False),
    ],
)
def test_what_speaks_against_a_member_who_was_found(sent: Json, cover: Json, odd: bool) -> None:
    assert _odd(sent, cover) is odd


@pytest.mark.parametrize(
    ("full_url", "one_server", "expected"),
    [
        ("urn:uuid:5f3c0b52-9d4e-4c1b-8a52-0d6f0f5f0f11", False, None),
        ("", False, None),
        ("https://other.example/fhir/Patient/p1", False, True),
        ("https://ehr.example/fhir/Patient/p1", False, False),
        ("", True, True),
    ],
)
def test_an_id_of_another_server_is_not_the_patients(full_url: str, one_server: bool, expected: bool | None) -> None:
    whose = Patient({"resourceType": "Patient", "id": "p1"}, full_url, one_server)
    assert whose.named({"reference": "https://other.example/fhir/Patient/p1"}) is expected
    assert whose.named({"reference": "Patient/p1"}) is True


def test_a_beneficiary_of_a_server_that_is_not_known_makes_a_doubt_though_the_number_agrees() -> None:
    cover = coverage(beneficiary={"reference": "https://other.example/fhir/Patient/p1"})
    found = identify(Subject(patient(), cover), PRESENTED)
    assert isinstance(found, Person)
    assert found.doubts


NPI_SYSTEM = "http://hl7.org/fhir/sid/us-npi"


def npi(value: str = "1992817498", **more: Any) -> Json:
    return {"system": NPI_SYSTEM, "value": value, **more}


@pytest.mark.parametrize(
    ("identifiers", "doubted_"),
    [
        ([npi()], False),
        ([npi(), {"system": "urn:tax", "value": "7", "use": "old"}], False),
        ([npi(), npi()], False),
        ([npi(period={"end": "2030"})], False),
        ([npi(use="old")], True),
        ([npi(period={"end": "2020-01-01"})], True),
        ([npi(), npi("1003000126")], True),
        ([npi(), npi("1003000126", use="old")], True),
    ],
)
@pytest.mark.parametrize("by", ["itself", "role", "reference"])
def test_a_requester_whose_npi_is_in_doubt(identifiers: list[Json], doubted_: bool, by: str) -> None:
    who = {"resourceType": "Organization", "id": "o", "identifier": identifiers}
    role = {"resourceType": "PractitionerRole", "id": "r", "organization": {"reference": "urn:uuid:o"}}
    index = BundleIndex(
        {"entry": [{"fullUrl": "urn:uuid:o", "resource": who}, {"fullUrl": "urn:uuid:r", "resource": role}]}
    )
    named = {"itself": index.entries[0], "role": index.entries[1], "reference": None}[by]
    reference = {"identifier": identifiers} if by == "reference" else {"reference": "urn:uuid:o"}
    assert bool(provider_doubts(index, named, reference, DAY)) is doubted_
    if named is not None:
        assert not contradicts(index, named, {"identifier": identifiers[0]})
        another = {**reference, "identifier": npi("1111111112")}
        assert contradicts(index, named, another)
        assert provider_doubts(index, named, another, DAY)


@pytest.mark.parametrize(
    ("said", "another"),
    [
        ({"use": "official"}, False),
        ({"use": "old"}, True),
        ({"period": {"end": "2020"}}, True),
        ({"period": {"end": "2030"}}, False),
    ],
)
def test_a_number_of_the_insurer_that_is_not_in_force_makes_a_doubt(said: Json, another: bool) -> None:
    system, value = PRESENTED.payer.identifiers[0]
    insurer = {"identifier": [{"system": system, "value": value, **said}]}
    assert PRESENTED.is_another(insurer, day=DAY) is another
    assert PRESENTED.shared([(insurer, None)], DAY) is another
