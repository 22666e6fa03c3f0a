"""Which service is it, over the PAS edge: what nobody identified is pended and said, and one service has one answer."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from precert.fhir.billing import SYSTEMS_READ
from precert.fhir.coding import CPT, HCPCS, LOINC, NDC, RXNORM, SNOMED, X12_SERVICE_TYPE
from support.answers import bundle, decisions
from support.pas import CLAIM, Json, changed, part, submit

ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
CERTIFICATION = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-certificationType"


def concept(*sent: tuple[str, str]) -> Json:
    return {"coding": [{"system": system, "code": code} for system, code in sent]}


def asking(*sent: tuple[str, str], name: str = "approve", **more: Any) -> Json:
    """The example that is approved, for another service."""
    return changed(lambda b: part(b, CLAIM)["item"][0].update({"productOrService": concept(*sent), **more}), name)


UNKNOWN: list[tuple[str, list[tuple[str, str]], dict[str, Any]]] = [
    ("SNOMED", [(SNOMED, "1186740009")], {}),
    ("LOINC", [(LOINC, "69409-1")], {}),
    ("RxNorm", [(RXNORM, "1")], {}),
    ("ingredient of several products", [(RXNORM, "191831")], {}),
    ("NDC", [(NDC, "0002-7510-01")], {}),
    ("local", [("urn:ehr:orders", "E0601")], {}),
    ("malformed HCPCS", [(HCPCS, "E06O1")], {}),
    ("malformed CPT", [(CPT, "XXXXX")], {}),
    ("no CPT", [(CPT, "00000")], {}),
    ("two services", [(HCPCS, "E0601"), (HCPCS, "E0470")], {}),
    ("not applicable", [(ABSENT, "not-applicable")], {}),
    ("detail", [(HCPCS, "E0601")], {"detail": [{"sequence": 1, "productOrService": concept((HCPCS, "K0823"))}]}),
    ("only detail", [(ABSENT, "not-applicable")], {"detail": [{"sequence": 1, "productOrService": concept((HCPCS, "E0601"))}]}),
    ("service type beside nothing", [(ABSENT, "not-applicable")], {"category": concept((X12_SERVICE_TYPE, "1"))}),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "more"), [pytest.param(s, m, id=i) for i, s, m in UNKNOWN])
async def test_a_service_that_is_not_identified_is_pended_and_named(
    client: httpx.AsyncClient, sent: list[tuple[str, str]], more: dict[str, Any]
) -> None:
    (line,) = decisions(bundle(await submit(client, asking(*sent, **more))))
    assert line.action == "A4"
    told = " ".join(line.notes)
    if "detail" not in more and sent[0][0] != ABSENT:
        assert sent[0][1].replace("-", "") in told.replace("-", "") or repr(sent[0][1]) in told
    if sent[0][0] in (SNOMED, LOINC) or (sent[0][1] == "not-applicable" and "detail" not in more):
        assert all(name in told for name in SYSTEMS_READ.values())


@pytest.mark.parametrize(
    "sent",
    [
        [(HCPCS, "e0601")],
        [(HCPCS, "E0601 ")],
        [(HCPCS, "E0601:RR")],
        [("https://terminology.hl7.org/CodeSystem/HCPCS", "E0601")],
        [("urn:ehr:orders", "CPAP"), (HCPCS, "E0601")],
        [(HCPCS, "E0601"), (SNOMED, "702172008")],
    ],
)
async def test_ordinary_spellings_go_on_being_approved(client: httpx.AsyncClient, sent: list[tuple[str, str]]) -> None:
    (line,) = decisions(bundle(await submit(client, asking(*sent))))
    assert line.action == "A1"


@pytest.mark.parametrize(
    ("certification", "warned"), [("R", False), ("4", False), ("S", False), ("X", True), ("i", True)]
)
async def test_the_kind_of_request_frees_from_nothing(
    client: httpx.AsyncClient, certification: str, warned: bool
) -> None:
    kind = {
        "url": CERTIFICATION,
        "valueCodeableConcept": concept(("https://codesystem.x12.org/005010/1322", certification)),
    }

    def renewing(b: Json) -> None:
        item = part(b, CLAIM)["item"][0]
        item["productOrService"] = concept((HCPCS, "K0823"))
        item["extension"] = [e for e in item["extension"] if e["url"] != CERTIFICATION] + [kind]

    answer = bundle(await submit(client, changed(renewing)))
    (line,) = decisions(answer)
    assert line.action == "A4"
    assert ("reviewed as a first request" in " ".join(line.notes)) is (certification in "R4")
    rules = str(answer).count("'certification-type'")
    assert bool(rules) is warned
