"""Generated orders are asked and decided alike over CRD, PAS and DTR, and no edge says a yes that another does not.

Left out of the comparison is what a claim cannot carry; each with its reason in :func:`support.three_edges.asked`.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from crd.building import coverage, hook, order, patient, payer, practitioner, prefetch, searchset
from precert.fhir.coding import CPT, HCPCS, ICD10CM, NDC, NPI, PLACE_OF_SERVICE, RXNORM, SNOMED, UCUM, X12_SERVICE_TYPE
from precert.policy.types import Outcome
from support.three_edges import faults, read

Json = dict[str, Any]
LISTED = [(HCPCS, c) for c in ("E1390", "E0601", "K0823", "E0265", "A4239", "J1745")] + [(CPT, "72148"), (CPT, "97110")]
FREE = [(CPT, "99213"), (HCPCS, "E0100")]
MAPPED = [(NDC, "57894-030-01"), (RXNORM, "1927285")]
ODD = [
    (SNOMED, "706172005"),
    (RXNORM, "191831"),
    ("urn:ehr", "E0601"),
    ("", "E0601"),
    (HCPCS, "E06O1"),
    (X12_SERVICE_TYPE, "12"),
    (X12_SERVICE_TYPE, "1"),
    (HCPCS, "E1399"),
]
SPELLED = [
    (HCPCS, "e1390"),
    (HCPCS, " E0601 "),
    (HCPCS, "E0601:NU"),
    (HCPCS, "E1390-RR"),
    (CPT, "97110:GP"),
    (CPT, "E0601"),
    ("https://terminology.hl7.org/CodeSystem/HCPCS/", "E0265"),
]
PLAIN = st.sampled_from([*LISTED, *FREE])
CODINGS = st.one_of(
    PLAIN.map(lambda code: [code]),
    st.sampled_from([*MAPPED, *SPELLED, *ODD]).map(lambda code: [code]),
    st.lists(st.sampled_from([*LISTED, *FREE, *MAPPED, *ODD, *SPELLED]), max_size=3),
)


def mostly(usual: Any, *others: Any) -> st.SearchStrategy[Any]:
    """``usual`` about as often as all ``others`` together, so that several odd things seldom meet."""
    return st.sampled_from([usual] * max(3, len(others)) + list(others))


QUANTITIES = mostly(
    None,
    {"value": 1},
    {"value": 3, "unit": "months", "system": UCUM, "code": "mo"},
    {"value": 12, "code": "mo", "system": UCUM},
    {"value": 2, "unit": "MO"},
    {"value": 40, "unit": "visits"},
    {"value": 4, "unit": "bananas"},
    {"value": 0, "unit": "months"},
    {"value": -1, "unit": "months"},
    {"value": 5, "unit": "months", "comparator": "<"},
    {"value": 10_000_000},
    {"unit": "months"},
    {},
)
TIMES = mostly(
    {},
    {"occurrenceDateTime": "2026-12-01"},
    {"occurrenceDateTime": "2026-12-01T23:30:00-05:00"},
    {"occurrenceDateTime": "2026-12"},
    {"occurrenceDateTime": "2026-13-01"},
    {"occurrenceDateTime": "2035-01-01"},
    {"occurrenceDateTime": "2015-01-01"},
    {"occurrencePeriod": {"start": "2026-12-01", "end": "2027-02-28"}},
    {"occurrencePeriod": {"start": "2026-12-01", "end": "2027-02"}},
    {"occurrencePeriod": {"start": "2026-12-01", "end": "2026-11-01"}},
    {"occurrencePeriod": {"start": "2025-11-01", "end": "2027-02-01"}},
    {"occurrencePeriod": {"end": "2027-02-28"}},
    {"occurrenceTiming": {"repeat": {"boundsPeriod": {"start": "2026-12-01", "end": "2027-01-31"}}}},
    {"occurrenceTiming": {"repeat": {"frequency": 2, "period": 1, "periodUnit": "wk"}}},
    {"occurrenceTiming": {"event": ["2026-12-01", "2026-12-08"]}},
    {"occurrenceTiming": {"event": ["2035-12-01"]}},
    {"occurrenceTiming": {"event": ["soon"]}},
    {"occurrenceDateTime": "2026-12-01", "occurrencePeriod": {"start": "2026-12-01", "end": "2031-12-01"}},
)
REASONS = mostly(
    {},
    {"reasonCode": [{"coding": [{"system": ICD10CM, "code": "G47.33"}]}]},
    {"reasonCode": [{"coding": [{"system": ICD10CM, "code": "C50.911"}]}, {"text": "unclear"}]},
    {"reasonReference": [{"reference": "Condition/sure"}]},
    {"reasonReference": [{"reference": "Condition/refuted"}]},
    {"reasonReference": [{"reference": "Condition/anothers"}]},
)
REQUESTERS = mostly(
    {"reference": "Practitioner/doc"},
    {"reference": "PractitionerRole/role"},
    {"reference": "Organization/dme"},
    {"reference": "Practitioner/out"},
    {"reference": "Practitioner/unnumbered"},
    {"identifier": {"system": NPI, "value": "1992817498"}},
    {"identifier": {"system": NPI, "value": "1003000126"}},
    {"reference": "Practitioner/nowhere"},
    None,
)
PERFORMERS = mostly(
    None,
    [{"reference": "Organization/dme"}],
    [{"reference": "Practitioner/out"}],
    [{"reference": "PractitionerRole/role"}],
    [{"reference": "Practitioner/nowhere"}],
    [{"reference": "Practitioner/nowhere"}, {"reference": "Organization/dme"}],
    [{"reference": "Practitioner/out"}, {"reference": "Organization/dme"}],
    [{"identifier": {"system": NPI, "value": "1003000126"}}],
    [{"display": "Somebody"}],
    [{"reference": "CareTeam/team"}],
)
STATES = mostly(
    {},
    {"status": "active"},
    {"intent": "order"},
    {"intent": "plan"},
    {"intent": None},
    {"status": None},
    {"intent": "proposal"},
    {"status": "revoked"},
    {"status": "on-hold"},
    {"doNotPerform": True},
    {"modifierExtension": [{"url": "urn:x", "valueBoolean": True}]},
)
PLACES = mostly(
    {},
    {"locationCode": [{"coding": [{"system": PLACE_OF_SERVICE, "code": "12"}]}]},
    {"locationCode": [{"coding": [{"system": "urn:rooms", "code": "7"}]}]},
    {"locationReference": [{"reference": "Location/home"}]},
)
MEMBERS = mostly("MA-0001", "COM-0001", "TX-0001", "MCD-0001", "MA-0009", "ZZ-9999")
PATIENTS = mostly(
    {},
    {"birthDate": "1950-01-01"},
    {"birthDate": None},
    {"name": [{"family": "Somebody", "given": ["Else"]}], "gender": "unknown"},
    {"deceasedDateTime": "2026-01-01"},
    {"active": False},
)
COVERAGES = mostly(
    {},
    {"status": "cancelled"},
    {"status": None},
    {"beneficiary": {"reference": "Patient/other"}},
    {"period": {"start": "2027-01-01"}},
    {"payor": [{"reference": "Organization/dme"}]},
    {"payor": [{"display": "Some plan"}]},
    {"payor": [{"reference": "Organization/payer"}, {"reference": "Organization/dme"}]},
)
SUBJECTS = st.sampled_from(["right"] * 10 + ["other", "none"])


def _condition(id_: str, member: str, **more: Any) -> Json:
    return {
        "resourceType": "Condition",
        "id": id_,
        "code": {"coding": [{"system": ICD10CM, "code": "G47.33"}]},
        "clinicalStatus": {"coding": [{"code": "active"}]},
        "verificationStatus": {"coding": [{"code": "confirmed"}]},
        "subject": {"reference": f"Patient/pat-{member}"},
        **more,
    }


def _world(member: str) -> list[Json]:
    """What the orders may refer to."""
    refuted = {"verificationStatus": {"coding": [{"code": "refuted"}]}}
    role = {
        "resourceType": "PractitionerRole",
        "id": "role",
        "practitioner": {"reference": "Practitioner/out"},
        "organization": {"reference": "Organization/dme"},
    }
    dme = {"resourceType": "Organization", "id": "dme", "identifier": [{"system": NPI, "value": "1245319599"}]}
    home = {
        "resourceType": "Location",
        "id": "home",
        "type": [{"coding": [{"system": PLACE_OF_SERVICE, "code": "12"}]}],
    }
    return [
        practitioner(),
        practitioner("1003000126", "out"),
        practitioner("", "unnumbered") | {"identifier": []},
        role,
        dme,
        home,
        {
            "resourceType": "CareTeam",
            "id": "team",
            "status": "active",
            "subject": {"reference": f"Patient/pat-{member}"},
        },
        _condition("sure", member),
        _condition("refuted", member, **refuted),
        _condition("anothers", member, subject={"reference": "Patient/other"}),
    ]


def _of(kind: str, concept: Json, quantity: Json | None, times: Json) -> Json:
    """The elements of one type of order that say what, how much and when."""
    if kind == "MedicationRequest":
        dispense = (
            {"dispenseRequest": {"quantity": quantity, "numberOfRepeatsAllowed": 1}} if quantity is not None else {}
        )
        return {"medicationCodeableConcept": concept, **dispense}
    if kind == "DeviceRequest":
        return {"codeCodeableConcept": concept, **times}
    return {"code": concept, **times, **({"quantityQuantity": quantity} if quantity is not None else {})}


APPROVED = st.just([(CPT, "72148")])
"""With the reason below the criteria are met; over TX-0001 the requester is exempt."""
BREAST_CANCER = mostly({"reasonCode": [{"coding": [{"system": ICD10CM, "code": "C50.911"}]}]}, {})


@st.composite
def calls(
    draw: st.DrawFn,
    codings: st.SearchStrategy[list[tuple[str, str]]] = CODINGS,
    members: st.SearchStrategy[str] = MEMBERS,
    reasons: st.SearchStrategy[Json] = REASONS,
) -> Json:
    """An order-sign call with one order."""
    kind = draw(mostly("ServiceRequest", "DeviceRequest", "MedicationRequest"))
    member, subject, named = draw(members), draw(SUBJECTS), draw(PATIENTS)
    known = "MA-0001" if member == "ZZ-9999" else member
    concept = {"coding": [{"system": s, "code": c} if s else {"code": c} for s, c in draw(codings)]}
    made: Json = {
        "resourceType": kind,
        "id": "o1",
        "status": "draft",
        "intent": "original-order",
        **_of(kind, concept, draw(QUANTITIES), draw(TIMES)),
        **draw(reasons),
        **draw(STATES),
    }
    made = {key: value for key, value in made.items() if value is not None}
    if kind == "ServiceRequest":
        made |= draw(PLACES)
    if (requester := draw(REQUESTERS)) is not None:
        made["requester"] = requester
    if (performers := draw(PERFORMERS)) is not None:
        if kind == "ServiceRequest":
            made["performer"] = performers
        elif kind == "DeviceRequest":
            made["performer"] = performers[0]
        else:
            made.setdefault("dispenseRequest", {})["performer"] = performers[0]
    if subject != "none":
        made["subject"] = {"reference": f"Patient/pat-{known}" if subject == "right" else "Patient/other"}
    person = patient(known) | named
    covered = coverage(known, **draw(COVERAGES))
    if member == "ZZ-9999":  # nobody whom the directory knows
        for resource in (person, covered):
            for identifier in resource.get("identifier", []):
                identifier["value"] = member
        person["name"] = [{"family": "Unknown", "given": ["Una"]}]
        covered["subscriberId"] = member
    sent = prefetch(known, practitioners=searchset(*_world(known)), coverage=searchset(covered))
    sent["patient"] = {key: value for key, value in person.items() if value is not None}
    sent["payors"] = searchset(payer())
    return hook(made, member=known, version="2.2", prefetch=sent)


@settings(max_examples=120)
@given(calls())
def test_an_order_is_asked_and_decided_alike_over_every_edge(call: Json) -> None:
    for one in read(call):
        assert list(faults(one)) == []


@settings(max_examples=60)
@given(calls(APPROVED, mostly("COM-0001", "TX-0001"), BREAST_CANCER))
def test_what_is_nearly_approved_is_decided_alike_too(call: Json) -> None:
    for one in read(call):
        assert list(faults(one)) == []


@settings(max_examples=40)
@given(calls())
def test_dtr_without_the_people_never_says_more_than_crd(call: Json) -> None:
    """The Patient does not come along, so that only the Coverage says who it is; what CRD saw in the Patient is not held
    against DTR."""
    for one in read(call, referenced=False):
        if one.crd.refused not in ("no-member-found", "coverage-not-found"):
            assert [fault for fault in faults(one) if "nothing is needed" in fault] == []


def test_ordinary_orders_are_approved_exempt_and_free_over_every_edge() -> None:
    """What the generated orders depart from: a comparison in which nobody ever says a yes would prove nothing."""
    cancer = {"reasonCode": [{"coding": [{"system": ICD10CM, "code": "C50.911"}]}]}
    for code, member, more, outcome in (
        ((CPT, "72148"), "COM-0001", cancer, Outcome.APPROVE),
        ((CPT, "72148"), "TX-0001", {}, Outcome.NO_AUTH),
        ((CPT, "99213"), "MA-0001", {}, Outcome.NOT_APPLICABLE),
    ):
        sent = order(code[1], member, system=code[0], occurrenceDateTime="2026-12-01", **more)
        (one,) = read(hook(sent, member=member, version="2.2"))
        assert list(faults(one)) == []
        assert one.crd.yes
        assert one.pas.yes
        assert one.dtr.decided is not None
        decided = one.dtr.decided.decision
        assert decided is not None
        assert decided.outcome is outcome
