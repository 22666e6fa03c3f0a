"""What a client tells while it asks for forms is used for that call and kept nowhere (sec-9, sec-10); and it is quick."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from dtr_support import SHAPES, Driver, call, canonical, coverage, order
from test_adaptive import add, begin

SECRET = "Xerophthalmia-of-Zuleika"


def kept(folder: Path) -> bytes:
    """Everything that is in the store's files."""
    return b"".join(file.read_bytes() for file in sorted(folder.rglob("*")) if file.is_file())


async def test_a_call_for_a_form_leaves_nothing_of_the_patient(driver: Driver, tmp_path: Path) -> None:
    told = order() | {"note": [{"text": SECRET}], "subject": {"reference": f"Patient/{SECRET}"}}
    package = await driver.package(call(orders=(told,), coverages=[coverage(id=SECRET)]))
    assert SECRET in str(package.draft)  # it was used
    files = kept(tmp_path)
    assert b"oxygen-home" in files  # the form was kept
    assert SECRET.encode() not in files


async def test_an_interview_leaves_nothing(driver: Driver, tmp_path: Path) -> None:
    for shape in SHAPES:
        response = await begin(driver, "mri-lumbar", shape, coverages=[coverage("COM-0001")])
        response["subject"] = {"reference": f"Patient/{SECRET}"}
        response = await driver.next(add(response, {"red_flag_dx": False}), shape)
        assert SECRET in str(response)
    assert SECRET.encode() not in kept(tmp_path)


async def test_questions_come_in_time(driver: Driver) -> None:
    """spec-38: the first within five seconds, the others within one."""
    started = time.perf_counter()
    response: Any = await driver.next(await begin(driver, "pap-osa-continue", SHAPES[0]))
    assert time.perf_counter() - started < 5
    started = time.perf_counter()
    assert await driver.next(add(response, {"days_on_therapy": 60, "benefiting": True, "adherent_nights_pct": 80}))
    assert time.perf_counter() - started < 1


async def test_one_address_for_all(driver: Driver) -> None:
    """spec-6, spec-24: whatever a package points to on this payer's side lies below the base it came from."""
    for shape in SHAPES:
        package = await driver.package(call(canonical("oxygen-home-adaptive"), orders=(order(),)), shape)
        base = f"http://precert.test{shape.PREFIX}"
        own = [e["fullUrl"] for e in package.bundles[0]["entry"] if not e["fullUrl"].startswith("urn:uuid:")]
        assert all(url.startswith(f"{base}/") for url in own)
        endpoints = [e["valueUrl"] for e in package.form["extension"] if e["url"].endswith("questionnaireAdaptive")]
        assert endpoints == [base]


async def test_a_client_that_sends_little_is_served(driver: Driver) -> None:
    """conf-8, conf-9, conf-12: what is optional, or no must-support element, may be left out."""
    bare_order = {"resourceType": "DeviceRequest", "codeCodeableConcept": order()["codeCodeableConcept"]}
    bare_coverage = {
        "resourceType": "Coverage",
        "beneficiary": {"reference": "Patient/1"},
        "payor": [{"display": "you"}],
    }
    package = await driver.package(call(canonical("oxygen-home"), orders=(bare_order,), coverages=[bare_coverage]))
    assert package.forms == ["oxygen-home|2026.2"]
