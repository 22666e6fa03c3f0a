"""The situations an order can be in, one by one, in both versions (docs/crd.md)."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from crd.building import (
    CPT,
    HCPCS,
    NPI,
    ROOT,
    bundle,
    configured,
    coverage,
    hook,
    infos,
    mri,
    order,
    patient,
    payer,
    prefetch,
    searchset,
)
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.store.port import Corrupt

VERSIONS = ["2.2", "2.0"]


def fault(response) -> dict[str, Any]:
    outcome = response.json()
    assert outcome["resourceType"] == "OperationOutcome"
    (issue,) = outcome["issue"]
    assert issue["severity"] in ("error", "fatal")
    assert issue["details"]["text"]
    return issue


# Row 1: the body is not JSON.
@pytest.mark.parametrize("body", [b"", b"{", b"<xml/>", b'{"hook": NaN}', b'{"a":1,"a":2}', b"\xff\xfe", b"[" * 100])
async def test_row_1_not_json(world, body):
    response = await world.client.post(
        "/cds-services/crd-order-sign", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 400
    fault(response)


async def test_row_1_not_declared_as_json(world):
    response = await world.client.post(
        "/cds-services/crd-order-sign", content=b"<a/>", headers={"Content-Type": "application/xml"}
    )
    assert response.status_code == 415


# Row 2: breaks CDS Hooks or base FHIR.
BROKEN = {
    "no hook": ({"hook": ...}, "hook"),
    "another hook": ({"hook": "order-select"}, "hook"),
    "hook of a wrong type": ({"hook": 7}, "hook"),
    "no instance": ({"hookInstance": ...}, "hookInstance"),
    "no context": ({"context": ...}, "context"),
    "context is a list": ({"context": []}, "context"),
    "no patient": ({"context": {"draftOrders": bundle(order("E1390"))}}, "context.patientId"),
    "patientId of another type": ({"context": {"patientId": "Group/1", "draftOrders": bundle()}}, "context.patientId"),
    "no drafts": ({"context": {"patientId": "pat-MA-0001"}}, "context.draftOrders"),
    "drafts are no Bundle": (
        {"context": {"patientId": "pat-MA-0001", "draftOrders": order("E1390")}},
        "context.draftOrders",
    ),
    "entry is no list": (
        {"context": {"patientId": "pat-MA-0001", "draftOrders": {"resourceType": "Bundle", "entry": {}}}},
        "context.draftOrders.entry",
    ),
    "entry without resource": (
        {"context": {"patientId": "pat-MA-0001", "draftOrders": {"resourceType": "Bundle", "entry": [{}]}}},
        "context.draftOrders.entry[0].resource",
    ),
    "prefetch is a list": ({"prefetch": []}, "prefetch"),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("case", BROKEN, ids=str)
async def test_row_2_breaks_cds_hooks_or_fhir(world, case, version):
    changes, expression = BROKEN[case]
    body = hook(order("E1390"), version=version) | changes
    body = {key: value for key, value in body.items() if value is not ...}
    response = await world.hook(body, "crd-order-sign")
    assert response.status_code == (400 if version == "2.2" else 422)
    assert fault(response)["expression"] == [expression]


@pytest.mark.parametrize("body", [[], "text", 5, True])
async def test_row_2_json_but_no_object(world, body):
    response = await world.client.post("/cds-services/crd-order-sign", json=body)
    assert response.status_code == 422
    fault(response)


# Row 3: breaks CRD only.
async def test_row_3_a_version_nobody_speaks(world):
    response = await world.hook(hook(order("E1390"), version="1.0"))
    assert response.status_code == 422
    assert "2.0, 2.2" in fault(response)["details"]["text"]


# Row 4: unknown service.
@pytest.mark.parametrize("path", ["crd-order-review", "order-sign", "crd-order-sign/x/feedback", "%20"])
async def test_row_4_unknown_service(world, path):
    response = await world.client.post(f"/cds-services/{path}", json=hook(order("E1390")))
    assert response.status_code == 404
    fault(response)


# Row 5: needed data missing, and no way to get them.
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "sent",
    [
        {"coverage": ...},
        {"coverage": {"resourceType": "OperationOutcome", "issue": []}},
        {"coverage": "Coverage/1"},
    ],
    ids=["absent", "failed", "malformed"],
)
async def test_row_5_coverage_cannot_be_had(world, version, sent):
    response = await world.hook(hook(order("E1390"), version=version, prefetch=prefetch(**sent)))
    assert response.status_code == 412
    assert fault(response)["expression"] == ["prefetch.coverage"]


async def test_row_5_no_prefetch_at_all(world):
    assert (await world.hook(hook(order("E1390"), prefetch=...))).status_code == 412


async def test_row_5_dispatched_orders_and_encounters(world):
    body = hook(name="order-dispatch", context={"patientId": "pat-MA-0001", "dispatchedOrders": ["ServiceRequest/o1"]})
    assert (await world.hook(body)).status_code == 412
    body = hook(name="encounter-start", context={"patientId": "pat-MA-0001", "encounterId": "e1"})
    assert (await world.hook(body)).status_code == 412


# Row 6: no coverage, several, or somebody else's.
FOREIGN = payer(identifier=[{"system": NPI, "value": "1999999984"}])


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("sent", "rule"),
    [
        ({"payors": searchset(FOREIGN)}, "other-payer"),
        (
            {"coverage": searchset(coverage("MA-0001", payor=[{"identifier": {"system": NPI, "value": "1"}}]))},
            "other-payer",
        ),
        ({"coverage": searchset(coverage("MA-0001"), coverage("MA-0001", "second"))}, "several-coverages"),
    ],
    ids=["organization of another payer", "identifier of another payer", "two coverages with us"],
)
async def test_row_6_the_wrong_coverage(world, version, sent, rule):
    response = await world.hook(hook(order("E1390"), version=version, prefetch=prefetch(**sent)))
    assert response.status_code == (400 if version == "2.2" else 422)
    assert fault(response)["details"]["coding"][0]["code"] == rule


@pytest.mark.parametrize("nothing", [None, searchset()], ids=["null", "empty"])
async def test_row_6_no_coverage(world, nothing):
    for version, status in (("2.2", 400), ("2.0", 422)):
        body = hook(order("E1390"), version=version, prefetch=prefetch(coverage=nothing))
        assert (await world.hook(body)).status_code == status


async def test_row_6_for_clients_older_than_crd_cards_instead_of_an_error(make):
    """The public sandbox has no Coverage: cards show what policies offer, and no assertion is made."""
    body = hook(order("E0470", "MA-0002"), member="MA-0002", prefetch=prefetch("MA-0002", coverage=searchset()))
    answer = await make(demo_plan="ma-classic").ask(body)
    assert "systemActions" not in answer
    assert answer["cards"][0]["summary"].startswith("No coverage was sent")
    assert any(card.get("suggestions") for card in answer["cards"])


async def test_row_6_the_note_about_it_can_be_switched_off(world):
    """Its topic is insurance, and false for a topic means no card of it (dev-5)."""
    body = hook(order("E0100"), prefetch=prefetch(coverage=searchset()))
    assert [card["source"]["topic"]["code"] for card in (await world.ask(body))["cards"]] == ["insurance"]
    assert (await world.ask(configured(body, insurance=False)))["cards"] == []


async def test_row_6_two_coverages_and_one_is_ours(world):
    other = coverage("MA-0001", "other", payor=[{"reference": "Organization/other"}])
    sent = {
        "coverage": searchset(other, coverage("MA-0001")),
        "payors": searchset(payer(), payer(id="other", identifier=[{"system": NPI, "value": "1999999984"}])),
    }
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=prefetch(**sent))))
    assert info["coverage"] == {"reference": "Coverage/cov-MA-0001"}


async def test_a_cancelled_coverage_beside_an_active_one_is_passed_over(world):
    sent = searchset(coverage("MA-0001", "old", status="cancelled"), coverage("MA-0001"))
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=prefetch(coverage=sent))))
    assert info["coverage"] == {"reference": "Coverage/cov-MA-0001"}


async def test_an_order_that_names_its_coverages_gets_one_answer_for_each(world):
    both = searchset(coverage("MA-0001"), coverage("MA-0001", "second"))
    named = order("E1390", insurance=[{"reference": "Coverage/second"}, {"reference": "Coverage/cov-MA-0001"}])
    found = infos(await world.ask(hook(named, version="2.2", prefetch=prefetch(coverage=both))))
    assert {info["coverage"]["reference"] for info in found} == {"Coverage/second", "Coverage/cov-MA-0001"}
    assert len({info["coverage-assertion-id"] for info in found}) == 2


@pytest.mark.parametrize("version", VERSIONS)
async def test_a_payor_without_identifier_is_taken_with_a_note(world, version):
    sent = prefetch(payors=searchset(payer(identifier=None)))
    (info,) = infos(await world.ask(hook(order("E0100"), version=version, prefetch=sent)))
    assert "could not be identified" in info["reason"][0]["text"]


async def test_a_payor_without_identifier_is_refused_by_a_directory(make):
    world = make(directory=load_directory(ROOT / "examples" / "eligibility", "directory"))
    sent = prefetch(payors=searchset(payer(identifier=None)))
    response = await world.hook(hook(order("E0100"), version="2.2", prefetch=sent))
    assert response.status_code == 400
    assert fault(response)["details"]["coding"][0]["code"] == "payer-unidentified"


@pytest.mark.parametrize("mode", ["presented", "directory"])
async def test_a_payor_that_leads_nowhere_is_not_foreign(make, mode):
    """The Inferno preset's payor is a reference that nobody can resolve."""
    world = make(directory=load_directory(ROOT / "examples" / "eligibility", mode))
    answer = await world.ask(hook(order("E0100"), version="2.2", prefetch=prefetch(payors=...)))
    assert infos(answer)[0]["covered"] == "covered"


# Row 7: the member cannot be resolved.
def stranger(born: str = "1950-01-01") -> dict[str, Any]:
    resource = patient("MA-0001")
    resource["identifier"][0]["value"] = "ZZ-9999"
    return resource | {"birthDate": born}


@pytest.mark.parametrize("version", VERSIONS)
async def test_row_7_unknown_member(make, version):
    world = make(directory=load_directory(ROOT / "examples" / "eligibility", "directory"))
    unknown = coverage("MA-0001", subscriberId="ZZ-9999", identifier=None)
    sent = prefetch(patient=stranger(), coverage=searchset(unknown))
    (info,) = infos(await world.ask(hook(order("E1390"), version=version, prefetch=sent)))
    assert info["covered"] == "not-covered"
    (reason,) = info["reason"]
    assert ("coding" in reason) == (version == "2.2"), "2.0.1 does not know the code"
    if version == "2.2":
        assert reason["coding"][0]["code"] == "no-member-found"


async def test_row_7_another_birth_date_is_never_trusted(world):
    sent = prefetch(patient=patient("MA-0001") | {"birthDate": "2001-01-01"})
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=sent)))
    assert info["covered"] == "not-covered"
    assert info["reason"][0]["coding"][0]["code"] == "no-member-found"


async def test_a_member_the_directory_does_not_know_is_trusted_when_presented(world):
    unknown = coverage("MA-0001", subscriberId="ZZ-9999", identifier=None)
    sent = prefetch(patient=stranger(), coverage=searchset(unknown))
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=sent)))
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed")


async def test_a_presented_coverage_that_has_ended_by_its_own_word(world):
    ended = coverage(
        "MA-0001", subscriberId="ZZ-9999", identifier=None, period={"start": "2020-01-01", "end": "2025-06-30"}
    )
    sent = prefetch(patient=stranger(), coverage=searchset(ended))
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=sent)))
    assert info["covered"] == "not-covered"
    assert info["reason"][0]["coding"][0]["code"] == "no-active-coverage"


def presented(order_: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A call about somebody whom only the Coverage that was sent is known by."""
    unknown = coverage("MA-0001", subscriberId="ZZ-9999", identifier=None, **changes)
    return hook(order_, version="2.2", prefetch=prefetch(patient=stranger(), coverage=searchset(unknown)))


@pytest.mark.parametrize(
    ("period", "day", "covered"),
    [
        ({"start": "2027-01-01"}, "2026-12-31", "not-covered"),
        ({"start": "2027-01-01"}, "2027-01-01", "covered"),
        ({"start": "2027"}, "2027-02-01", "covered"),
        ({"end": "2026"}, "2026-12-31", "covered"),
        ({"end": "2026-11"}, "2026-11-30", "covered"),
        ({"end": "2026-11"}, "2026-12-01", "not-covered"),
    ],
    ids=str,
)
async def test_a_presented_coverage_counts_from_its_first_to_its_last_day(world, period, day, covered):
    """An end that names a month or a year includes all of it (FHIR Period)."""
    (info,) = infos(await world.ask(presented(order("E1390", occurrenceDateTime=day), period=period)))
    assert info["covered"] == covered
    if covered == "not-covered":
        assert info["reason"][0]["coding"][0]["code"] == "no-active-coverage"


async def test_a_presented_coverage_that_has_not_begun_leaves_the_day_to_be_said(world):
    (info,) = infos(await world.ask(presented(order("E1390"), period={"start": "2027-01-01"})))
    assert (info["covered"], info["info-needed"]) == ("conditional", ["timeframe"])
    assert "2027-01-01" in info["reason"][0]["text"]


async def test_an_assertion_holds_no_longer_than_the_coverage_that_was_presented(world):
    (info,) = infos(await world.ask(presented(order("E1390"), period={"start": "2026-01-01", "end": "2026-12"})))
    assert info["expiry-date"] == "2026-12-31"


async def test_a_presented_coverage_that_is_cancelled_by_its_own_word(world):
    cancelled = coverage("MA-0001", subscriberId="ZZ-9999", identifier=None, status="cancelled")
    sent = prefetch(patient=stranger(), coverage=searchset(cancelled))
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=sent)))
    assert info["covered"] == "not-covered"
    assert info["reason"][0]["coding"][0]["code"] == "no-active-coverage"


async def test_without_a_line_of_business_a_policy_is_not_said_not_to_apply(world):
    """Unknown is not "does not apply": the plan that Coverage.class does not name may be one that needs authorization."""
    unknown = coverage("MA-0001", subscriberId="ZZ-9999", identifier=None, **{"class": None})
    sent = prefetch(patient=stranger(), coverage=searchset(unknown))
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=sent)))
    assert (info["covered"], info["pa-needed"]) == ("conditional", "conditional"), "nor is it known to apply"
    assert info["info-needed"] == ["OTH"]
    assert "the member's plan (Coverage.class)" in info["reason"][0]["text"]


# Row 8: known, but not covered.
@pytest.mark.parametrize("version", VERSIONS)
async def test_row_8_coverage_has_ended(world, version):
    (info,) = infos(await world.ask(hook(order("E1390", "MA-0009"), member="MA-0009", version=version)))
    assert info["covered"] == "not-covered"
    assert info.get("pa-needed") == (None if version == "2.2" else "no-auth")
    assert "2025-12-31" in info["reason"][0]["text"]


# Row 9: our own trouble.
@pytest.mark.parametrize("version", VERSIONS)
async def test_row_9_rules_that_fail_stay_in_their_order(make, policies, version):
    class Failing:
        def __getattr__(self, name: str) -> Any:
            return getattr(policies.current, name)

        def __iter__(self) -> Any:
            return iter(policies.current)

        def decide(self, context: Any) -> Any:
            if context.item["productOrService"]["coding"][0]["code"] == "E1390":
                raise RuntimeError("a rule that nobody thought of")
            return policies.current.decide(context)

    world = make(catalogue=Failing)
    answer = await world.ask(hook(order("E1390"), order("E0100", id_="o2"), version=version))
    failed, fine = infos(answer)
    assert fine["pa-needed"] == "no-auth"
    if version == "2.2":
        assert (failed["covered"], failed["pa-needed"]) == ("indeterminate", "indeterminate")
        assert failed["reason"][0]["coding"][0]["code"] == "technical"
        assert failed["contact"][0]["telecom"]
    else:
        assert (failed["covered"], failed["pa-needed"]) == ("conditional", "conditional")
        assert failed["info-needed"] == ["OTH"]


async def test_row_9_authorizations_that_cannot_be_read(world):
    """Damage to the record is no reason to say that authorization is needed, nor to leave the other orders unanswered."""

    async def damaged(*args: Any, **options: Any) -> Any:
        raise Corrupt("a body does not match its digest")

    world.store.search = damaged
    failed, fine = infos(await world.ask(hook(order("E1390"), order("E0100", id_="o2"), version="2.2")))
    assert (failed["covered"], failed["pa-needed"]) == ("indeterminate", "indeterminate")
    assert fine["pa-needed"] == "no-auth"


# Row 10: too vague.
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    "vague",
    [
        {"code": None},
        {"code": {"text": "oxygen at home"}},
        {"code": "E1390"},
        {"code": {"coding": [{"system": "http://snomed.info/sct", "code": "397619005"}]}},
        {"code": {"coding": [{"code": "E1390"}]}},
    ],
    ids=["no code", "text only", "malformed", "clinical code only", "code without system"],
)
async def test_row_10_the_code_is_too_coarse(world, version, vague):
    (info,) = infos(await world.ask(hook(order("E1390") | vague, version=version)))
    assert (info["covered"], info["pa-needed"]) == ("conditional", "conditional")
    assert info["info-needed"] == (["detail-code"] if version == "2.2" else ["OTH"])
    if version == "2.0":
        assert info["reason"][-1]["coding"][0]["code"] == "detail-code"


@pytest.mark.parametrize("odd", ["E13901", "E1390:RENT1", "oxygen", "E139", "97110/GP"])
async def test_row_10_what_is_no_code_of_its_system_is_not_said_to_be_free(world, odd):
    """No policy names it because nothing does: that is no reason to say that it needs no authorization."""
    (info,) = infos(await world.ask(hook(order(odd), version="2.2")))
    assert (info["covered"], info["pa-needed"], info["info-needed"]) == ("conditional", "conditional", ["detail-code"])
    assert "billingCode" not in info


@pytest.mark.parametrize("system", [HCPCS, CPT])
@pytest.mark.parametrize("written", ["72148", "72148:26", "72148-26", "7214826"])
async def test_a_code_is_known_with_its_modifiers_and_in_either_system(world, system, written):
    """CRD writes modifiers by post-coordination; HCPCS level I is CPT."""
    (info,) = infos(await world.ask(hook(order(written, "COM-0001", system=system), member="COM-0001", version="2.2")))
    assert (info["pa-needed"], info["doc-needed"]) == ("auth-needed", ["clinical"])
    assert info["billingCode"] == [{"system": system, "code": written}], "as the client wrote it"


async def test_a_rule_that_reads_the_code_reads_it_without_modifiers(world):
    """The policy asks more of E0470; ``E0470:RR`` is none other."""
    said = [infos(await world.ask(hook(order(code), version="2.2")))[0] for code in ("E0470", "E0470:RR")]
    questions = [[r["text"] for r in info["reason"]] for info in said]
    assert questions[0] == questions[1]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("written", ["72148:GL", "72148:26:50", "99213:PA"])
async def test_row_10_a_modifier_that_may_change_what_is_covered(world, version, written):
    """Neither free nor to be authorized by a machine: a person says what it means, and the reason names it."""
    (info,) = infos(
        await world.ask(
            hook(mri() | {"code": {"coding": [{"system": CPT, "code": written}]}}, member="COM-0001", version=version)
        )
    )
    assert (info["covered"], info["pa-needed"]) == ("conditional", "conditional")
    assert any(written[-2:] in reason["text"] for reason in info["reason"])


# Row 11: more facts from people.
@pytest.mark.parametrize("version", VERSIONS)
async def test_row_11_documentation(world, version):
    (info,) = infos(await world.ask(hook(order("E1390"), version=version)))
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed")
    assert info["doc-needed"] == ["clinical"]
    assert info["questionnaire"] == ["http://precert.test/fhir/Questionnaire/oxygen-home|2026.2"]


@pytest.mark.parametrize("version", VERSIONS)
async def test_row_11_questions_to_several_people(world, version):
    """The wheelchair policy asks the doctor, the front driver and the patient."""
    (info,) = infos(await world.ask(hook(order("K0823"), version=version)))
    assert info["doc-needed"] == (["clinical", "admin", "patient"] if version == "2.2" else ["both"])


# Row 12: nothing new. In test_kept.py. Row 13: the client does not want it.
@pytest.mark.parametrize("version", VERSIONS)
async def test_row_13_coverage_information_switched_off(world, version):
    answer = await world.ask(
        configured(hook(order("E0470", "MA-0002"), member="MA-0002", version=version), coverage_info=False)
    )
    assert "systemActions" not in answer
    assert answer["cards"]


# Row 14: a secondary hook with nothing to say.
async def test_row_14_an_encounter_without_needs(world):
    encounter = {"resourceType": "Encounter", "id": "e1", "subject": {"reference": "Patient/pat-MA-0001"}}
    body = hook(
        name="encounter-start",
        context={"patientId": "pat-MA-0001", "encounterId": "e1"},
        prefetch=prefetch(encounter=encounter),
    )
    assert await world.ask(body) == {"cards": []}


# Row 15: the deadline.
async def test_row_15_what_cannot_be_decided_in_time_is_said(world, monkeypatch):
    from precert.crd.fetch import Deadline

    monkeypatch.setattr(Deadline, "after", classmethod(lambda cls, seconds: cls(float("-inf"))))
    found = infos(await world.ask(hook(order("E1390"), order("E0100", id_="o2"), version="2.2")))
    assert [info["covered"] for info in found] == ["indeterminate", "indeterminate"]
    assert "no time" in found[0]["reason"][0]["text"]


# Row 16: the unexpected.
async def test_row_16_the_unexpected_is_a_500_with_an_outcome(make, directory):
    def broken() -> Any:
        raise RuntimeError("no directory today")

    world = make()
    world.consult.directory = broken
    world.client._transport = __import__("httpx").ASGITransport(app=world.app, raise_app_exceptions=False)
    response = await world.hook(hook(order("E1390")))
    assert response.status_code == 500
    assert "no directory today" not in response.text
    fault(response)


# Row 10: who, where, when.
def joining(day: str) -> Directory:
    """The demo directory, in which MA-0001 is a member from ``day`` on."""
    known = load_directory(ROOT / "examples" / "eligibility")
    start = date.fromisoformat(day)
    members = [
        replace(m, coverages=tuple(replace(c, start=start, end=None) for c in m.coverages)) if m.id == "MA-0001" else m
        for m in known.members
    ]
    return Directory(known.payer, members, known.providers.values(), known.plans, known.mode)


@pytest.mark.parametrize("version", VERSIONS)
async def test_row_10_the_day_decides_whether_there_is_coverage(make, version):
    world = make(directory=joining("2027-01-01"))
    (info,) = infos(await world.ask(hook(order("E1390"), version=version)))
    assert (info["covered"], info["pa-needed"]) == ("conditional", "conditional")
    assert info["info-needed"] == ["timeframe"]
    assert "2027-01-01" in info["reason"][0]["text"]


@pytest.mark.parametrize(("day", "covered"), [("2026-12-31", "not-covered"), ("2027-01-01", "covered")])
async def test_row_10_a_day_that_is_said_decides(make, day, covered):
    world = make(directory=joining("2027-01-01"))
    (info,) = infos(await world.ask(hook(order("E1390", occurrenceDateTime=day), version="2.2")))
    assert info["covered"] == covered
    assert "info-needed" not in info


async def test_coded_reasons_stand_first(make):
    """A note about the payor does not hide why nothing is covered."""
    sent = prefetch("MA-0009", payors=...)
    (info,) = infos(await make().ask(hook(order("E1390", "MA-0009"), member="MA-0009", version="2.2", prefetch=sent)))
    assert ["coding" in reason for reason in info["reason"]] == [True, False]


@pytest.mark.parametrize(
    ("code", "listed", "said"),
    [
        ("97597", None, "no-auth"),
        ("97597", "97597", "no-auth"),
        ("97597", "97598", "conditional"),
        ("00000", None, "conditional"),
    ],
)
async def test_a_code_that_is_on_no_list_of_the_plan_names_no_service(make, tmp_path, code, listed, said):
    """A plan that gives lists of its codes has no order of another told that it needs no authorization."""
    folder = tmp_path / "eligibility"
    shutil.copytree(ROOT / "examples" / "eligibility", folder)
    if listed:
        (folder / "codes.csv").write_text(f"system,code,start,end\ncpt,{listed},,\n")
    world = make(directory=load_directory(folder))
    (info,) = infos(await world.ask(hook(order(code, "COM-0001", system=CPT), member="COM-0001", version="2.2")))
    assert info["pa-needed"] == said
    assert (info.get("info-needed") == ["detail-code"]) is (said == "conditional")
