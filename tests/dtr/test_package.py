"""``$questionnaire-package``: what is sent for a canonical, an order, a context; what is said when nothing is."""

from __future__ import annotations

from typing import Any

import pytest
from dtr_support import SHAPES, Driver, call, canonical, coverage, filled, findings, order, questions
from tools.make_examples import cpap
from tools.requests import Json, request_bundle

from precert.dtr import shape20, shape22
from precert.dtr.shape import Shape
from precert.fhir import json
from precert.policy.library import PolicyLibrary
from precert.store.port import Commit, Put
from support.answers import bundle, only_fault
from support.app import EXAMPLES, NOW

LIBRARY = PolicyLibrary(EXAMPLES / "policies", NOW)
FREE = order("99213", "http://www.ama-assn.org/go/cpt")
"""An order of a service that no policy names."""
POLICIES = [p.id for p in LIBRARY.current if any(f.ask for f in p.model.facts.values())]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
@pytest.mark.parametrize("policy", POLICIES)
async def test_every_package_is_valid(driver: Driver, policy: str, shape: Shape) -> None:
    names = (canonical(policy), canonical(f"{policy}-adaptive"))
    package = await driver.package(call(*names, orders=(order(),)), shape)
    assert len(package.bundles) == 2
    assert package.issues == []
    assert findings(package.body, shape) == []


async def test_what_a_package_holds(driver: Driver) -> None:
    package = await driver.package(call(canonical("oxygen-home")))
    assert package.forms == ["oxygen-home|2026.2"]
    urls = [entry["fullUrl"] for entry in package.bundles[0]["entry"]]
    assert urls[0] == "http://precert.test/fhir/Questionnaire/oxygen-home"
    assert urls[2] == "http://precert.test/fhir/Library/oxygen-home"
    draft = package.draft
    assert draft["questionnaire"] == canonical("oxygen-home", "2026.2")
    assert draft["status"] == "in-progress"
    own = {"system": "urn:precert:demo:member", "value": "MA-0001"}
    assert draft["subject"] == {"reference": "Patient/patient", "identifier": own}
    assert "item" not in draft
    library = package.of("Library")[0]
    references = [e["valueCanonical"] for e in package.form["extension"] if e["url"].endswith("cqf-library")]
    assert references == [f"{library['url']}|{library['version']}"]
    assert {c["contentType"] for c in library["content"]} == {"text/cql", "application/elm+json"}


async def test_the_questions_are_those_of_the_policy(driver: Driver) -> None:
    form = (await driver.package(call(canonical("pap-osa-initial")))).form
    found = {q["linkId"]: q for q in questions(form)}
    assert list(found) == [
        "osa_dx",
        "eval_before_test",
        "sleep_test",
        "ahi",
        "events",
        "hypopneas_4pct",
        "comorbid",
        "e0601_failed",
    ]
    assert found["comorbid"]["enableWhen"] == [
        {"question": "eval_before_test", "operator": "=", "answerBoolean": True},
        {"question": "events", "operator": ">=", "answerInteger": 10},
    ]
    assert found["comorbid"]["enableBehavior"] == "all"
    assert [found[name]["required"] for name in ("ahi", "comorbid")] == [True, False]
    assert "NCD 240.4" in found["ahi"]["item"][0]["text"]


async def test_an_order_leads_to_its_form(driver: Driver) -> None:
    package = await driver.package(call(orders=(order(),)))
    assert package.forms == ["oxygen-home|2026.2"]
    contexts = [e["valueReference"] for e in package.draft["extension"] if e["url"].endswith("qr-context")]
    assert contexts == [{"reference": "DeviceRequest/order"}]


async def test_orders_that_share_a_form_share_a_package(driver: Driver) -> None:
    second = order("E1391") | {"id": "second"}
    package = await driver.package(call(orders=(order(), second)))
    assert package.forms == ["oxygen-home|2026.2"]
    contexts = [e["valueReference"]["reference"] for e in package.draft["extension"] if "qr-context" in e["url"]]
    assert contexts == ["DeviceRequest/order", "DeviceRequest/second"]


async def test_orders_of_a_type_that_has_no_link(driver: Driver) -> None:
    supply = {"resourceType": "SupplyRequest", "id": "s", "itemCodeableConcept": order()["codeCodeableConcept"]}
    package = await driver.package(call(orders=(supply,)))
    assert package.forms == ["oxygen-home|2026.2"]
    assert not any("qr-context" in e["url"] for e in package.draft["extension"])
    assert findings(package.body, shape22) == []


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        (order("99213", "http://www.ama-assn.org/go/cpt"), ("information", "nothing-needed")),
        (order() | {"codeCodeableConcept": {"text": "oxygen"}}, ("warning", "order-unclear")),
        (order("E06O1"), ("warning", "service-unknown")),
        (order("XXXXX", "http://www.ama-assn.org/go/cpt"), ("warning", "service-unknown")),
        (order("706172005", "http://snomed.info/sct"), ("warning", "service-unknown")),
        (order("191831", "http://www.nlm.nih.gov/research/umls/rxnorm"), ("warning", "service-unknown")),
        (FREE | {"doNotPerform": True}, ("warning", "review-needed")),
        (FREE | {"intent": "proposal"}, ("warning", "review-needed")),
        (FREE | {"occurrenceDateTime": "2035-01-01"}, ("warning", "review-needed")),
        (FREE | {"occurrenceDateTime": "soon"}, ("warning", "review-needed")),
        (FREE | {"subject": {"reference": "Patient/other"}}, ("warning", "order-other-patient")),
        ({key: value for key, value in FREE.items() if key != "subject"}, ("warning", "order-subject")),
    ],
)
async def test_an_order_without_a_form(driver: Driver, asked: Json, expected: tuple[str, str]) -> None:
    package = await driver.package(call(orders=(asked,)))
    assert (package.bundles, package.issues) == ([], [expected])
    assert findings(package.body, shape22) == []


async def test_an_unknown_canonical_is_a_warning(driver: Driver) -> None:
    unknown = "https://inferno.health/Questionnaire/does-not-exist"
    package = await driver.package(call(unknown, canonical("oxygen-home"), canonical("oxygen-home", "1999.1")))
    assert package.forms == ["oxygen-home|2026.2"]
    assert package.issues == [("warning", "unknown-questionnaire")] * 2
    alone = await driver.package(call(unknown))
    assert alone.bundles == []
    assert alone.issues == [("warning", "unknown-questionnaire")]


async def test_canonicals_limit_what_orders_find(driver: Driver) -> None:
    package = await driver.package(call(canonical("oxygen-home-adaptive"), orders=(order(), order("E0601"))))
    assert package.forms == ["oxygen-home-adaptive|2026.2"]
    contexts = [e for e in package.draft["extension"] if "qr-context" in e["url"]]
    assert len(contexts) == 1


async def test_another_member(driver: Driver) -> None:
    refused = await driver.post(
        "Questionnaire/$questionnaire-package", call(orders=(order(),), coverages=[coverage("MA-0009")])
    )
    assert only_fault(refused, 422).rule == "no-active-coverage"
    both = await driver.package(call(orders=(order(),), coverages=[coverage("MA-0009"), coverage()]))
    assert both.forms == ["oxygen-home|2026.2"]
    assert ("warning", "no-active-coverage") in both.issues


async def test_without_a_coverage(driver: Driver) -> None:
    package = await driver.package(call(canonical("oxygen-home"), coverages=[]))
    assert package.issues == [("warning", "no-coverage")]
    assert findings(package.body, shape22) == []


async def test_changed_since(driver: Driver) -> None:
    now = await driver.package(call(canonical("oxygen-home"), changedsince="2026-11-20T00:00:00Z"))
    assert (now.bundles, now.issues) == ([], [("information", "unchanged")])
    before = await driver.package(call(canonical("oxygen-home"), changedsince="2026-06-30T00:00:00Z"))
    assert before.forms == ["oxygen-home|2026.2"]


async def pended(driver: Driver) -> str:
    asked = request_bundle("waits", "MA-0002", [cpap()], diagnoses=("G47.33",))
    response = await driver.post("Claim/$submit", asked)
    task = next(e["resource"] for e in bundle(response)["entry"] if e["resource"]["resourceType"] == "Task")
    return str(next(i["valueString"] for i in task["input"] if "valueString" in i))


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_the_context_of_a_task(driver: Driver, shape: Shape) -> None:
    package = await driver.package(call(context=await pended(driver), coverages=[]), shape)
    assert package.forms == ["pap-osa-initial|2026.1"]
    assert package.issues == []
    assert findings(package.body, shape) == []
    known = {q["linkId"]: q for group in package.draft["item"] for q in group.get("item", [])}
    assert list(known) == ["osa_dx"]  # the diagnosis stood in the request
    assert known["osa_dx"]["answer"][0]["valueBoolean"] is True
    assert known["osa_dx"]["answer"][0]["extension"][0]["extension"][0]["valueCode"] == shape.AUTO


async def test_a_context_and_its_order(driver: Driver) -> None:
    context = await pended(driver)
    same = await driver.package(
        call(
            context=context, orders=(order("E0601") | {"note": [{"text": "urgent"}]},), coverages=[coverage("MA-0002")]
        )
    )
    assert (same.forms, same.issues) == (["pap-osa-initial|2026.1"], [])
    other = await driver.package(call(context=context, orders=(order(),), coverages=[coverage("MA-0002")]))
    assert other.forms == ["oxygen-home|2026.2"]
    assert other.issues == [("warning", "context-order")]


async def test_a_context_that_was_answered(driver: Driver) -> None:
    context = await pended(driver)
    package = await driver.package(call(context=context, coverages=[coverage("MA-0002")]))
    done = filled(package.form, package.draft, {"osa_dx": True, "eval_before_test": True, "ahi": 22, "events": 140})
    sent = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "TrackingId", "valueIdentifier": {"value": context}},
            {"name": "AttachTo", "valueCode": "preauthorization"},
            {"name": "ProviderId", "valueIdentifier": {"value": "1"}},
            {"name": "MemberId", "valueIdentifier": {"value": "MA-0002"}},
            {"name": "Attachment", "part": [{"name": "Content", "resource": done}]},
        ],
    }
    assert (await driver.post("$submit-attachment", sent)).status_code == 200
    assert await driver.states(context) == ["active"]
    after = await driver.package(call(context=context, coverages=[coverage("MA-0002")]))
    assert (after.bundles, after.issues) == ([], [("information", "nothing-needed")])


async def test_the_context_of_a_hook(driver: Driver) -> None:
    """What the CRD room keeps of an assertion is enough to find its forms, and nothing of the chart is filled in."""
    line = {
        "code": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets|E1390",
        "policy": "oxygen-home",
        "version": "2026.2",
        "missing": ["tester_qualified"],
        "facts": [{"name": "spo2_rest", "value": 86, "provenance": "structured"}],
    }
    kept = json.dumps({"id": "CA1", "lines": [line]})
    put = Put("Assertion", "CA1", kept, {"submitter": ["ehr"]})
    await driver.service.store.commit(Commit(tenant=driver.service.tenant, puts=[put]))
    package = await driver.package(call(context="CA1", orders=(order(),)))
    assert (package.forms, package.issues) == (["oxygen-home|2026.2"], [])
    assert "item" not in package.draft
    assert findings(package.body, shape22) == []


async def test_an_unknown_context(driver: Driver) -> None:
    refused = await driver.post("Questionnaire/$questionnaire-package", call(context="nobody"))
    assert only_fault(refused, 404).rule == "unknown-context"


async def test_2_0_1_says_it_its_way(driver: Driver) -> None:
    package = await driver.package(call(canonical("oxygen-home"), orders=(order(),)), shape20)
    library = package.of("Library")[0]
    assert [e["valueCanonical"] for e in package.form["extension"] if "cqf-library" in e["url"]] == [library["url"]]
    assert [e["url"].rsplit("/", 1)[-1] for e in package.draft["extension"]] == [
        "qr-context",
        "qr-context",
        "intendedUse",
    ]
    assert package.bundles[0]["entry"][0]["fullUrl"] == "http://precert.test/fhir/v2.0/Questionnaire/oxygen-home"


@pytest.mark.parametrize(
    ("body", "rule"),
    [
        ({"resourceType": "Bundle"}, "not-parameters"),
        ({"resourceType": "Parameters"}, "dtr-1"),
        (call(), "dtr-1"),
        (call(coverages=[{"resourceType": "Patient"}], context="x"), "parameter-type"),
        (call(orders=({"resourceType": "Claim"},)), "parameter-type"),
        ({"resourceType": "Parameters", "parameter": [{"name": "order"}]}, "parameter-resource"),
        (
            {"resourceType": "Parameters", "parameter": [{"name": "questionnaire", "valueInteger": 1}]},
            "parameter-value",
        ),
        (call("x", changedsince="soon"), "changed-since"),
    ],
)
async def test_a_fault_is_named(driver: Driver, body: Any, rule: str) -> None:
    assert only_fault(await driver.post("Questionnaire/$questionnaire-package", body)).rule == rule
