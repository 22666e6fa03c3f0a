"""``/explain/{id}`` as a page: decision, policy, criteria with results and evidence, what is missing, what happened."""

from __future__ import annotations

import httpx
from fastapi import FastAPI

from crd.building import infos, sent_example
from pages.requests_sent import Submit
from pages.test_public import HTML, page
from support.records import EXPLAINED_LINE


async def test_an_approval(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("approve")
    shown = await page(client, f"/explain/{case}")
    assert "Line 1: HCPCS E0601" in shown.words
    assert "approved" in shown.words
    assert "PAP device for obstructive sleep apnea - first 12 weeks version 2026.1 of pap-osa-initial" in shown.words
    assert "/policies/pap-osa-initial?version=2026.1" in shown.links
    assert "NCD 240.4 B" in shown.words
    assert any(text.startswith("22") for text in shown.text)
    assert "stated by the provider" in shown.words
    assert "from the record" in shown.words
    assert "Authorization number" in shown.words
    assert "Approved by the rules" in shown.words


async def test_json_is_still_the_contract(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("approve")
    for headers in ({}, {"Accept": "application/json"}, {"Accept": "application/fhir+json"}):
        body = (await client.get(f"/explain/{case}", headers=headers)).json()
        assert body["case"] == case
        assert set(body["lines"][0]) >= EXPLAINED_LINE


async def test_what_is_missing(client: httpx.AsyncClient, submit: Submit) -> None:
    shown = await page(client, f"/explain/{await submit('pend-information')}")
    assert "Missing: what can still decide" in shown.words
    assert (
        "How many apneas and hypopneas per hour did the test find (AHI or RDI), hypopneas by the 4% rule?"
        in shown.words
    )
    assert "answers are missing that can still decide." in shown.words
    assert "unknown" in shown.text
    assert "not known" in shown.text


async def test_unmet_criteria_say_why(client: httpx.AsyncClient, submit: Submit) -> None:
    shown = await page(client, f"/explain/{await submit('refer')}")
    assert "not met" in shown.text
    assert "with a nurse" in shown.text


async def test_several_lines(client: httpx.AsyncClient, submit: Submit) -> None:
    shown = await page(client, f"/explain/{await submit('mixed')}")
    assert [n for n in (1, 2, 5) if f"Line {n}:" in shown.words] == [1, 2, 5]
    assert "no authorization needed" in shown.text


async def test_an_administrative_denial_without_a_policy(client: httpx.AsyncClient, submit: Submit) -> None:
    shown = await page(client, f"/explain/{await submit('coverage-ended')}")
    assert "denied (administrative)" in shown.words
    assert "It ended on 31 Dec 2025" in shown.words


async def test_a_hook_assertion(client: httpx.AsyncClient) -> None:
    (info,) = infos(await sent_example(client, "order-sign-auth-needed-documents"))
    shown = await page(client, f"/explain/{info['coverage-assertion-id']}")
    assert info["coverage-assertion-id"] in shown.words
    assert "Covered when" in shown.words
    assert "authorization needed" in shown.text


async def test_an_order_that_was_authorized_when_it_was_signed(client: httpx.AsyncClient) -> None:
    """From the assertion on the order to the authorization, and from there to the case as the plan sees it."""
    (info,) = infos(await sent_example(client, "order-sign-criteria-met"))
    number = info["satisfied-pa-id"]
    shown = await page(client, f"/explain/{info['coverage-assertion-id']}")
    assert number in shown.words
    assert "satisfied" in shown.words
    case = next(link for link in shown.links if link.startswith("/workbench/cases/"))
    reviewed = await page(client, case)
    assert number in reviewed.words
    explained = await page(client, f"/explain/{number}")
    assert "order-sign" in explained.words


async def test_a_policy_that_changed_since_is_shown_flat(
    app: FastAPI, client: httpx.AsyncClient, submit: Submit
) -> None:
    case = await submit("approve")
    policy = app.state.server.library.current.get("pap-osa-initial")
    object.__setattr__(policy.file.source, "digest", "another")
    shown = await page(client, f"/explain/{case}")
    assert "As evaluated" in shown.words
    assert "PAP-AHI" in shown.words


async def test_explanations_are_not_cached(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("approve")
    for headers in (HTML, {}):
        assert (await client.get(f"/explain/{case}", headers=headers)).headers["cache-control"] == "no-store"
