"""Which coverage a package is for: not another payer's, not another member's, and the one under which the form is needed."""

from __future__ import annotations

from dtr_support import Driver, call, canonical, coverage, order
from tools.make_examples import cpap
from tools.requests import Json, request_bundle

from support.answers import bundle, only_fault

PACKAGE = "Questionnaire/$questionnaire-package"
OTHER = {"system": "http://hl7.org/fhir/sid/us-npi", "value": "9999999995"}


def linked(draft: Json) -> list[Json]:
    return [e["valueReference"] for e in draft["extension"] if e["url"].endswith("qr-coverage")]


async def pended(driver: Driver) -> str:
    sent = await driver.post("Claim/$submit", request_bundle("waits", "MA-0002", [cpap()], diagnoses=("G47.33",)))
    task = next(e["resource"] for e in bundle(sent)["entry"] if e["resource"]["resourceType"] == "Task")
    return str(next(i["valueString"] for i in task["input"] if "valueString" in i))


async def test_a_coverage_with_another_payer_is_refused(driver: Driver) -> None:
    foreign = coverage(payor=[{"identifier": OTHER}])
    refused = await driver.post(PACKAGE, call(orders=(order(),), coverages=[foreign]))
    assert only_fault(refused, 422).rule == "other-payer"
    contained = coverage(
        payor=[{"reference": "#org"}],
        contained=[{"resourceType": "Organization", "id": "org", "identifier": [OTHER]}],
    )
    refused = await driver.post(PACKAGE, call(canonical("oxygen-home"), coverages=[contained]))
    assert only_fault(refused, 422).rule == "other-payer"


async def test_a_context_tells_nothing_to_another_member(driver: Driver) -> None:
    """What a case knows goes into no draft for somebody else (sec-9)."""
    context = await pended(driver)
    refused = await driver.post(PACKAGE, call(context=context, coverages=[coverage("MA-0001")]))
    fault = only_fault(refused, 422)
    assert fault.rule == "context-other-member"
    assert "MA-0002" not in refused.text
    own = await driver.package(call(context=context, coverages=[coverage("MA-0002")]))
    assert own.forms == ["pap-osa-initial|2026.1"]


async def test_the_draft_names_the_coverage_that_holds(driver: Driver) -> None:
    ended = coverage("MA-0009", id="ended")
    package = await driver.package(call(orders=(order(),), coverages=[ended, coverage()]))
    assert linked(package.draft) == [{"reference": "Coverage/coverage"}]
    plain = await driver.package(call(canonical("oxygen-home"), coverages=[ended, coverage()]))
    assert linked(plain.draft) == [{"reference": "Coverage/coverage"}]


async def test_each_form_is_for_the_coverage_that_asks_for_it(driver: Driver) -> None:
    """Oxygen is asked about by Medicare Advantage only, the lumbar MRI by commercial plans."""
    both = [coverage("COM-0001", id="commercial"), coverage(id="medicare")]
    mri = {
        "resourceType": "ServiceRequest",
        "id": "mri",
        "status": "draft",
        "intent": "order",
        "code": {"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "72148"}]},
        "subject": {"reference": "Patient/patient"},
    }
    package = await driver.package(call(orders=(order(), mri), coverages=both))
    named = {
        b["entry"][0]["resource"]["id"]: linked(b["entry"][1]["resource"])[0]["reference"] for b in package.bundles
    }
    assert named["oxygen-home"] == "Coverage/medicare"
    assert named["mri-lumbar"] == "Coverage/commercial"


async def test_a_coverage_that_ended_is_not_said_to_need_nothing(driver: Driver) -> None:
    """Of a member we do not know, the Coverage itself says when it ended."""
    gone = coverage("ZZ-1", period={"end": "2024-12-31"})
    refused = await driver.post(PACKAGE, call(orders=(order(),), coverages=[gone]))
    assert only_fault(refused, 422).rule == "no-active-coverage"
