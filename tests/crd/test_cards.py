"""Cards and assertions that follow from policy data alone: every response type, the options, the limits of text."""

from __future__ import annotations

from typing import Any

import pytest

from crd.building import (
    CPT,
    HCPCS,
    configured,
    coverage,
    hook,
    infos,
    order,
    practitioner,
    prefetch,
    searchset,
)
from crd.policies import catalogue
from precert.crd.cards import SmartApp
from precert.crd.markdown import one_line, safe

PLACE = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
ASK = """
facts:
  tried: {ask: {text: Was something else tried, type: boolean, who: clinical}}
criteria: {id: TRIED, text: Something else was tried, test: "%tried", cite: T, why_not: Nothing else was tried.}
"""


def topics(answer: dict[str, Any]) -> list[str]:
    return [card["source"]["topic"]["code"] for card in answer["cards"]]


def with_alternatives(*alternatives: str) -> str:
    listed = "\n".join(f"  - {a}" for a in alternatives)
    return f"{ASK}alternatives:\n{listed}\n"


async def test_an_alternative_with_a_code_changes_the_order(tmp_path, make):
    policy = with_alternatives(
        "{suggest: {system: hcpcs, code: E0130}, card: therapy-alternatives-opt, text: A walker}"
    )
    world = make(catalogue=catalogue(tmp_path, policy))
    body = hook(order("E0100", note=[{"text": "kept"}]), version="2.2")
    answer = await world.ask(body)
    card = answer["cards"][0]
    assert card["summary"] == "Would also do: A walker"
    (suggestion,) = card["suggestions"]
    (action,) = suggestion["actions"]
    assert action["type"] == "update"
    assert action["resource"] == order("E0100", note=[{"text": "kept"}]) | {
        "code": {"coding": [{"system": HCPCS, "code": "E0130"}], "text": "A walker"}
    }
    assert card["extension"] == {"davinci-crd.associated-resource": [{"reference": "ServiceRequest/o1"}]}
    assert "ServiceRequest/o1" in card["detail"], "the detail names the order (dev-24)"


async def test_a_card_about_several_orders_names_each(world):
    """dev-24: a card that names one of three orders says that it is about that one only."""
    beds = [order("E0250"), order("E0251", id_="o2"), order("E0261", id_="o3")]
    cards = (await world.ask(hook(*beds, version="2.2")))["cards"]
    (card,) = [c for c in cards if c["source"]["topic"]["code"] == "guideline"]
    assert card["detail"].split("\n\n")[1:] == [f"Order: E02{n} (ServiceRequest/{i})" for n, i in NAMED]
    assert len(card["extension"]["davinci-crd.associated-resource"]) == 3


NAMED = [("50", "o1"), ("51", "o2"), ("61", "o3")]


async def test_a_limit_is_told_with_the_numbers_of_each_order(world):
    visits = [order("97110", "COM-0001", system=CPT, quantityQuantity={"value": 21})]
    visits.append(visits[0] | {"id": "o2", "quantityQuantity": {"value": 33}})
    cards = (await world.ask(hook(*visits, member="COM-0001", version="2.2")))["cards"]
    (card,) = [c for c in cards if c["source"]["topic"]["code"] == "limits"]
    assert "asked 21" in card["detail"]
    assert "asked 33" in card["detail"]


async def test_whom_an_order_names_by_number_only_is_known_by_it(world):
    """A reference may be an identifier (FHIR references.html#logical): network and gold card go by the NPI."""
    by_number = {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1003000126"}}
    answer = await world.ask(hook(order("E0100", performer=[by_number]), version="2.2"))
    assert [card["source"]["topic"]["code"] for card in answer["cards"]] == ["network"]
    nobody = {"identifier": {"system": "urn:other", "value": "1003000126"}}
    assert (await world.ask(hook(order("E0100", performer=[nobody]), version="2.2")))["cards"] == []
    gold = {"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1992817498"}}
    (info,) = infos(
        await world.ask(hook(order("72148", "TX-0001", system=CPT, requester=gold), member="TX-0001", version="2.2"))
    )
    assert info["pa-needed"] == "no-auth"


async def test_a_performer_out_of_network_is_told_with_the_order(world):
    orders = [order("E0100"), order("E0105", id_="o2", performer=[{"reference": "Practitioner/brandt"}])]
    sent = prefetch(performer=practitioner("1003000126", "brandt"))
    (card,) = (await world.ask(hook(*orders, version="2.2", prefetch=sent)))["cards"]
    assert card["source"]["topic"]["code"] == "network"
    assert card["detail"].endswith("Order: E0105 (ServiceRequest/o2)")
    assert card["extension"] == {"davinci-crd.associated-resource": [{"reference": "ServiceRequest/o2"}]}


async def test_an_alternative_cannot_be_clicked_once_the_order_is_on_its_way(tmp_path, make):
    policy = with_alternatives("{suggest: {system: hcpcs, code: E0130}, card: therapy-alternatives-req}")
    world = make(catalogue=catalogue(tmp_path, policy))
    body = hook(
        name="order-dispatch",
        version="2.2",
        context={"patientId": "pat-MA-0001", "dispatchedOrders": ["ServiceRequest/o1"]},
        prefetch=prefetch(orders=searchset(order("E0100"))),
    )
    card = (await world.ask(body))["cards"][0]
    assert "suggestions" not in card
    assert card["links"][0]["url"] == "http://precert.test/policies/test-policy"


async def test_an_alternative_does_not_carry_what_was_said_of_the_old_code(tmp_path, make):
    """The assertions on the order, and its billing options, are about the service that is given up."""
    policy = with_alternatives("{suggest: {system: hcpcs, code: E0130}, card: therapy-alternatives-req}")
    world = make(catalogue=catalogue(tmp_path, policy))
    options = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options"
    billed = {"url": options, "valueCodeableConcept": {"coding": [{"system": HCPCS, "code": "E0100"}]}}
    own = {"url": "https://ehr.example/own", "valueString": "kept"}
    first = await world.ask(hook(order("E0100", extension=[own, billed]), version="2.2"))
    carried = first["systemActions"][0]["resource"]
    for sent, kept in ((carried, [own]), (order("E0100", extension=[billed]), None)):
        card = (await world.ask(hook(sent, version="2.2")))["cards"][0]
        assert card["suggestions"][0]["actions"][0]["resource"].get("extension") == kept


@pytest.mark.parametrize("kind", ["NutritionOrder", "VisionPrescription", "Appointment"])
async def test_a_companion_is_a_whole_order_whatever_it_accompanies(tmp_path, make, kind):
    """resp-57: patient, day and requester stand under other names, or nowhere, in some of them."""
    world = make(catalogue=catalogue(tmp_path, with_alternatives(COMPANION)))
    cane = {"coding": [{"system": HCPCS, "code": "E0100"}]}
    somebody = {"reference": "Patient/pat-MA-0001"}
    accompanied = {
        "NutritionOrder": {"patient": somebody, "dateTime": "2026-11-01", "supplement": [{"type": cane}]},
        "VisionPrescription": {"patient": somebody, "lensSpecification": [{"product": cane}]},
        "Appointment": {"serviceType": [cane], "participant": [{"actor": somebody}]},
    }[kind] | {"resourceType": kind, "id": "x1", "status": "proposed" if kind == "Appointment" else "draft"}
    name = "appointment-book" if kind == "Appointment" else "order-sign"
    body = hook(accompanied, name=name, version="2.2")
    body["context"]["appointments"] = body["context"]["draftOrders"]
    (suggestion,) = (await world.ask(body))["cards"][0]["suggestions"]
    created = suggestion["actions"][0]["resource"]
    assert created["subject"] == somebody
    assert created["requester"] == {"reference": "Practitioner/doc"}
    assert created["authoredOn"] == ("2026-11-01" if kind == "NutritionOrder" else "2026-11-20")


COMPANION = "{suggest: {system: cpt, code: '82947'}, card: clinical-reminder, text: Glucose test}"


async def test_a_companion_order_is_created_beside(tmp_path, make):
    policy = with_alternatives("{suggest: {system: cpt, code: '82947'}, card: clinical-reminder, text: Glucose test}")
    world = make(catalogue=catalogue(tmp_path, policy))
    answer = await world.ask(hook(order("E0100"), version="2.2"))
    (action,) = answer["cards"][0]["suggestions"][0]["actions"]
    assert action["type"] == "create"
    assert action["resource"]["code"]["coding"] == [{"system": CPT, "code": "82947"}]
    assert action["resource"]["subject"] == {"reference": "Patient/pat-MA-0001"}
    assert action["resource"]["status"] == "draft"


@pytest.mark.parametrize("where", ["another draft", "the record"])
async def test_a_companion_that_is_ordered_already_is_not_recommended(tmp_path, make, where):
    """hook-30, hook-34: what else is ordered counts before more is recommended."""
    policy = with_alternatives("{suggest: {system: cpt, code: '82947'}, card: clinical-reminder, text: Glucose test}")
    world = make(catalogue=catalogue(tmp_path, policy))
    there = order("82947", system=CPT, id_="o2", status="draft" if where == "another draft" else "active")
    body = hook(order("E0100"), *([there] if where == "another draft" else []), version="2.2")
    if where == "the record":
        body["prefetch"]["serviceRequests"] = searchset(there)
    assert "clinical-reminder" not in topics(await world.ask(body))
    over = there | {"status": "revoked"}
    body = hook(order("E0100"), version="2.2", prefetch=prefetch(serviceRequests=searchset(over)))
    assert "clinical-reminder" in topics(await world.ask(body))


@pytest.mark.parametrize("card", ["clinical-reminder", "therapy-alternatives-opt"])
async def test_what_is_ordered_already_is_not_recommended(tmp_path, make, card):
    policy = with_alternatives(f"{{suggest: {{system: hcpcs, code: A4239}}, card: {card}}}")
    world = make(catalogue=catalogue(tmp_path, policy))
    both = order("E0100"), order("A4239", id_="o2", system="https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets")
    assert card in topics(await world.ask(hook(both[0], version="2.2")))
    assert card not in topics(await world.ask(hook(*both, version="2.2")))


async def test_text_alone_is_an_instruction(tmp_path, make):
    policy = with_alternatives("{card: guideline, text: Physical therapy comes first}")
    world = make(catalogue=catalogue(tmp_path, policy))
    answer = await world.ask(hook(order("E0100"), version="2.2"))
    (card,) = [c for c in answer["cards"] if c["summary"] == "Physical therapy comes first"]
    assert "links" not in card
    assert "suggestions" not in card


async def test_a_smart_app_is_offered_with_its_policies(tmp_path, make):
    app = SmartApp("Check appropriate use", "https://apps.example/launch", ("test-policy",))
    world = make(catalogue=catalogue(tmp_path, ASK), apps=(app,))
    answer = await world.ask(hook(order("E0100"), version="2.2"))
    (link,) = next(c for c in answer["cards"] if c["links"][0]["type"] == "smart")["links"]
    assert link["url"] == "https://apps.example/launch"
    assert "ServiceRequest/o1" in link["appContext"]
    assert topics(await world.ask(hook(order("E0130"), version="2.2"))) == []


async def test_the_same_card_for_several_orders_is_one(world):
    answer = await world.ask(hook(order("E1390"), order("E1391", id_="o2"), version="2.2"))
    (card,) = answer["cards"]
    assert len(card["extension"]["davinci-crd.associated-resource"]) == 2


@pytest.mark.parametrize("off", ["therapy-alternatives-req", "guideline"], ids=["alternatives off", "guideline off"])
async def test_each_type_of_card_can_be_switched_off(world, off):
    body = hook(order("E0470", "MA-0002"), member="MA-0002", version="2.2")
    assert off in topics(await world.ask(body))
    quiet = configured(body, **{off.replace("-", "_"): False})
    answer = await world.ask(quiet)
    assert off not in topics(answer)
    assert answer["systemActions"]


@pytest.mark.parametrize("most", [0, 1])
async def test_the_most_important_cards_come_first(world, most):
    body = hook(order("E0470", "MA-0002"), member="MA-0002", version="2.2")
    assert topics(await world.ask(body)) == ["therapy-alternatives-req", "guideline"]
    assert topics(await world.ask(configured(body, max_cards=most))) == ["therapy-alternatives-req"][:most]


@pytest.mark.parametrize(
    "odd", [{"max-cards": "many"}, {"max-cards": -1}, {"max-cards": True}, {"coverage-info": "yes"}, []]
)
async def test_settings_that_make_no_sense_are_not_used(world, odd):
    body = hook(order("E0470", "MA-0002"), member="MA-0002", version="2.2")
    body["extension"]["davinci-crd.configuration"] = odd
    assert len(topics(await world.ask(body))) == 2


@pytest.mark.parametrize(
    ("applies", "body", "needs"),
    [
        (", network: [out]", {"performer": [{"reference": "Practitioner/stranger"}]}, ["performer"]),
        (', place: ["pos|22"]', {}, ["location"]),
        (', diagnosis: ["icd10|J44*"]', {}, ["OTH"]),
    ],
    ids=["performer", "place", "diagnosis"],
)
@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_what_the_order_does_not_say_is_asked_for(tmp_path, make, applies, body, needs, version):
    world = make(catalogue=catalogue(tmp_path, ASK, applies=applies))
    sent = prefetch(practitioners=searchset(practitioner(), practitioner("1111111112", "stranger")))
    (info,) = infos(await world.ask(hook(order("E0100", **body), version=version, prefetch=sent)))
    assert (info["covered"], info["pa-needed"], info["info-needed"]) == ("conditional", "conditional", needs)


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_authorization_only_because_the_performer_is_out_of_network_is_said_so(tmp_path, make, version):
    """A reason of 2.2.1, a detail of 2.0.1."""
    world = make(catalogue=catalogue(tmp_path, ASK, applies=", network: [out]"))
    people = searchset(practitioner(), practitioner("1003000126", "brandt"))
    answers = {}
    for who in ("doc", "brandt"):
        asked = order("E0100", performer=[{"reference": f"Practitioner/{who}"}])
        body = hook(asked, version=version, prefetch=prefetch(practitioners=people))
        (answers[who],) = infos(await world.ask(body))
    assert answers["doc"]["pa-needed"] == "no-auth"
    out = answers["brandt"]
    assert out["pa-needed"] == "auth-needed"
    reason = next(r for r in out["reason"] if "network" in r["text"])
    details = [{p["url"]: p for p in detail} for detail in out["detail"]]
    codes = [c["code"] for d in details for c in d["code"]["valueCodeableConcept"].get("coding", [])]
    if version == "2.2":
        assert reason["coding"][0]["code"] == "auth-out-network"
    else:
        assert "coding" not in reason
        (only,) = [d for d in details if "auth-out-network-only" in str(d["code"])]
        assert only["value"] == {"url": "value", "valueBoolean": True}
    assert ("auth-out-network-only" in codes) == (version == "2.0")


async def test_a_place_that_is_said_settles_it(tmp_path, make):
    world = make(catalogue=catalogue(tmp_path, ASK, applies=', place: ["pos|22"]'))
    for place, outcome in (("22", "auth-needed"), ("11", "no-auth")):
        said = order("E0100", locationCode=[{"coding": [{"system": PLACE, "code": place}]}])
        (info,) = infos(await world.ask(hook(said, version="2.2")))
        assert info["pa-needed"] == outcome


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_an_exclusion_is_not_covered(tmp_path, make, version):
    policy = """
facts:
  always: {from: Item, value: code}
exclude: {id: COSMETIC, text: Not a benefit of any plan, test: "%always = 'E0100'", cite: T, why_not: Your plan does not cover it., admin: true}
"""
    world = make(catalogue=catalogue(tmp_path, policy, role="benefit"))
    (info,) = infos(await world.ask(hook(order("E0100"), version=version)))
    assert info["covered"] == "not-covered"
    assert "Not a benefit" in info["reason"][0]["text"]


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_the_assertion_ends_with_the_policy(tmp_path, make, version):
    world = make(catalogue=catalogue(tmp_path, ASK, end=", end: 2026-12-31"))
    (info,) = infos(await world.ask(hook(order("E0100"), version=version)))
    if version == "2.2":
        assert info["expiry-date"] == "2026-12-31"
    else:
        assert "Holds until 2026-12-31." in [reason["text"] for reason in info["reason"]]


@pytest.mark.parametrize(("version", "kind"), [("2.2", "patient"), ("2.0", "clinical")])
async def test_questions_for_the_patient_are_told_in_both_versions(tmp_path, make, version, kind):
    """2.0.1 has no code for the patient's part: it is said in words."""
    world = make(catalogue=catalogue(tmp_path, ASK.replace("who: clinical", "who: patient"), end=", end: 2026-12-31"))
    (info,) = infos(await world.ask(hook(order("E0100"), version=version)))
    assert info["doc-needed"] == [kind]
    said = [reason["text"] for reason in info["reason"]]
    assert any("for the patient" in text for text in said) == (version == "2.0")


async def test_a_hostile_policy_title_stays_text(tmp_path, make):
    title = (
        '"<script>alert(1)</script> [x](javascript:y) **bold** and a very long title '
        + "that goes on and on " * 10
        + '"'
    )
    world = make(catalogue=catalogue(tmp_path, ASK, title=title))
    (card,) = (await world.ask(hook(order("E0100"), version="2.2")))["cards"]
    assert "<script>" not in card["detail"]
    assert "[x]" not in card["detail"]


async def test_billing_options_are_taken_into_account(world):
    """The order names SNOMED CT only; the client's billing option says what would be billed (billopt-3)."""
    url = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-billing-options"
    option = {"url": url, "valueCodeableConcept": {"coding": [{"system": HCPCS, "code": "E1390"}]}}
    plain = order("426160001", system="http://snomed.info/sct")
    assert infos(await world.ask(hook(plain, version="2.2")))[0]["covered"] == "conditional"
    (info,) = infos(await world.ask(hook(plain | {"extension": [option]}, version="2.2")))
    assert info["pa-needed"] == "auth-needed"
    assert info["billingCode"] == [{"system": HCPCS, "code": "E1390"}]


async def test_a_coverage_that_is_right_is_not_updated(world):
    body = configured(hook(order("E0100"), version="2.2"), insurance=True)
    assert [a["resource"]["resourceType"] for a in (await world.ask(body))["systemActions"]] == ["ServiceRequest"]
    stale = coverage("MA-0001", period={"start": "2020-01-01"})
    body["prefetch"]["coverage"] = searchset(stale)
    actions = (await world.ask(body))["systemActions"]
    assert actions[1]["resource"] == stale | {"period": {"start": "2024-01-01"}}


def tasks(answer: dict[str, Any]) -> list[dict[str, Any]]:
    found = [action["resource"] for action in answer.get("systemActions", ()) if action["type"] == "create"]
    return [resource for resource in found if resource["resourceType"] == "Task"]


FORM = "http://precert.test/fhir/Questionnaire/test-policy"


@pytest.mark.parametrize("version", ["2.2", "2.0"])
@pytest.mark.parametrize("name", ["order-sign", "order-select"])
async def test_forms_come_as_tasks_on_secondary_hooks_too(tmp_path, make, name, version):
    """The assertion of a secondary hook asks for nothing (hook-19); the task is for later, and the client asked for it.

    The task names the form by a plain URL: Inferno takes nothing with a | in it.
    """
    world = make(catalogue=catalogue(tmp_path, ASK))
    body = hook(order("E0100"), name=name, version=version)
    assert tasks(await world.ask(body)) == [], "off unless the client switches it on"
    answer = await world.ask(configured(body, appropriate_use=True))
    (task,) = tasks(answer)
    assert task["input"][0]["valueCanonical"] == FORM
    assert task["basedOn"] == [{"reference": "ServiceRequest/o1"}]
    (info,) = infos(answer)
    assert info.get("questionnaire", []) == ([f"{FORM}|1"] if name == "order-sign" else [])


@pytest.mark.parametrize("version", ["2.2", "2.0"])
async def test_whoever_wants_no_coverage_information_gets_no_forms_for_it(tmp_path, make, version):
    """The suite of 2.2.1 counts them as coverage information."""
    world = make(catalogue=catalogue(tmp_path, ASK))
    body = configured(hook(order("E0100"), version=version), appropriate_use=True, coverage_info=False)
    assert "systemActions" not in await world.ask(body)


@pytest.mark.parametrize("place", [{}, {"locationCode": [{"coding": [{"system": PLACE, "code": "22"}]}]}])
async def test_no_form_while_it_is_open_whether_the_policy_applies(tmp_path, make, place):
    world = make(catalogue=catalogue(tmp_path, ASK, applies=', place: ["pos|22"]'))
    answer = await world.ask(configured(hook(order("E0100", **place), version="2.2"), appropriate_use=True))
    assert len(tasks(answer)) == bool(place)


def test_one_line_is_short_and_whole():
    assert one_line("a\n b") == "a b"
    assert len(one_line("word " * 60)) <= 139
    assert one_line("word " * 60).endswith("word…")
    assert len(one_line("x" * 400)) <= 139
    assert safe("<b>*x*</b>") == "&lt;b&gt;\\*x\\*&lt;/b&gt;"


@pytest.mark.parametrize(
    "wrong",
    [
        {"label": " "},
        {"policies": ()},
        {"url": "javascript:alert(1)"},
        {"url": "/launch"},
        {"topic": "coverage-info"},
    ],
    ids=str,
)
def test_an_app_that_could_not_be_shown_is_refused(wrong):
    good = {"label": "Check", "url": "https://apps.example/launch", "policies": ("p",), "topic": "limits"}
    assert SmartApp(**good).topic == "limits"
    with pytest.raises(ValueError, match="app"):
        SmartApp(**good | wrong)
