"""Order, assertion, package, answers and case are one thread: from any of them people find the others."""

from __future__ import annotations

from typing import Any

import pytest
from dtr_support import SHAPES, Driver, call, coverage, filled, findings
from tools.requests import item, request_bundle

from crd.building import EXTENSION, infos, sent_example
from precert.dtr.shape import Shape
from precert.fhir import json
from support.answers import bundle


async def explained(driver: Driver, id: str) -> Any:
    answer = await driver.client.get(f"/explain/{id}", headers={"Accept": "application/json"})
    return json.loads(answer.content)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: str(s.VERSION))
async def test_from_the_order_to_the_decision(driver: Driver, shape: Shape) -> None:
    (info,) = infos(await sent_example(driver.client, "order-sign-auth-needed-documents"))
    assertion = info["coverage-assertion-id"]
    assert (await explained(driver, assertion))["case"] is None
    package = await driver.package(call(context=assertion, coverages=[coverage()]), shape)
    assert findings(package.draft, shape) == []
    done = filled(package.form, package.draft, {"tester_qualified": True, "spo2_rest": 86}) | {"id": "qr"}
    sent = request_bundle("thread", "MA-0001", [item(1, "hcpcs|E1390", quantity=12, unit="months")], evidence=(done,))
    answer = bundle(await driver.post("Claim/$submit", sent, shape))
    case = await explained(driver, answer["id"])
    assert case["assertion"] == assertion
    facts = {fact["name"]: fact for fact in case["lines"][0]["facts"]}
    assert facts["spo2_rest"]["evidence"] == ["QuestionnaireResponse/qr#spo2_rest"]
    assert (await explained(driver, assertion))["case"] == case["case"]


async def test_the_order_that_carries_the_assertion_leads_to_it_too(driver: Driver) -> None:
    told = await sent_example(driver.client, "order-sign-auth-needed-documents")
    (info,) = infos(told)
    order = told["systemActions"][0]["resource"] | {"id": "order"}
    sent = request_bundle("order", "MA-0001", [item(1, "hcpcs|E1390", quantity=12, unit="months")], evidence=(order,))
    answer = bundle(await driver.post("Claim/$submit", sent))
    assert (await explained(driver, answer["id"]))["assertion"] == info["coverage-assertion-id"]


async def test_an_assertion_that_was_never_made_is_no_thread(driver: Driver) -> None:
    order = {
        "resourceType": "DeviceRequest",
        "id": "o",
        "status": "active",
        "intent": "order",
        "codeCodeableConcept": {"text": "x"},
        "extension": [
            {
                "url": EXTENSION,
                "extension": [{"url": "coverage-assertion-id", "valueString": "CA00000000000000"}],
            }
        ],
    }
    sent = request_bundle("none", "MA-0001", [item(1, "hcpcs|E1390", quantity=12, unit="months")], evidence=(order,))
    answer = bundle(await driver.post("Claim/$submit", sent))
    assert (await explained(driver, answer["id"]))["assertion"] is None
