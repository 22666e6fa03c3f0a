"""The worklist and the case page over HTTP."""

from __future__ import annotations

import base64
from typing import Any

import httpx

from pages.markup import Markup
from pages.requests_sent import Submit, resource
from pages.test_public import HTML, page
from precert.security.identity import Client
from precert.workbench.api import find
from precert.workbench.cases import case_view
from precert.workbench.templating import environment
from support.app import FrozenClock

NURSE = {"outcome": "approve", "by": "N. Ruiz, RN", "role": "nurse"}


async def decide(client: httpx.AsyncClient, case: str, body: dict[str, Any], line: int = 1) -> httpx.Response:
    return await client.post(f"/api/cases/{case}/lines/{line}/determination", json=body)


def order(shown: Markup) -> list[str]:
    """The cases of a worklist, from top to bottom."""
    return [link.rsplit("/", 1)[1] for link in shown.links if link.startswith("/workbench/cases/")]


async def test_an_empty_worklist(client: httpx.AsyncClient) -> None:
    assert "Every request is decided." in (await page(client, "/workbench")).words


async def test_urgent_first_then_by_age(client: httpx.AsyncClient, submit: Submit, clock: FrozenClock) -> None:
    old = await submit("pend-nurse")
    clock.forward(days=2)
    urgent = await submit("urgent")
    new = await submit("refer")
    done = await submit("approve")
    shown = await page(client, "/workbench")
    assert order(shown) == [urgent, old, new]
    assert done not in shown.words
    assert "3 requests." in shown.words
    assert "expedited" in shown.text
    assert "3 days left" in shown.words  # the urgent one: 72 hours
    assert "June Lindqvist" in shown.words
    assert "answer due" in shown.words


async def test_filters(client: httpx.AsyncClient, submit: Submit, clock: FrozenClock) -> None:
    nurse = await submit("pend-nurse")
    clock.forward(days=2)
    info, urgent, done = await submit("pend-information"), await submit("urgent"), await submit("approve")
    wanted = {
        "state=info": [urgent, info],
        "state=nurse": [nurse],
        "state=physician": [],
        "state=decided": [done],
        "state=all&sort=oldest": [nurse, info, urgent, done],
        "track=expedited": [urgent],
        "track=standard&sort=newest": [info, nurse],
        "age=1": [nurse],
        "age=7": [],
        "find=MA-0003": [nurse],
        "find=ma-0003": [nurse],
        f"find={nurse}": [nurse],
        "find=nobody": [],
        "state=nonsense&track=x&age=y&sort=z&page=-1": [urgent, nurse, info],
    }
    for query, expected in wanted.items():
        found = order(await page(client, f"/workbench?{query}"))
        assert sorted(found) == sorted(expected), query
        if "sort=oldest" in query:
            assert found[0] == nurse


async def test_late_requests_are_marked(client: httpx.AsyncClient, submit: Submit, clock: FrozenClock) -> None:
    await submit("pend-nurse")
    clock.forward(days=9)
    source = (await client.get("/workbench", headers=HTML)).text
    assert '<span class="due bad">34 h over</span>' in source


async def test_pages(client: httpx.AsyncClient, submit: Submit) -> None:
    sent = [await submit("pend-nurse") for _ in range(27)]
    first = await page(client, "/workbench")
    assert "27 requests, page 1 of 2." in first.words
    assert len(order(first)) == 25
    following = next(link for link in first.links if "page=2" in link)
    second = await page(client, f"/workbench{following}")
    assert len(order(second)) == 2
    assert set(order(first)) | set(order(second)) == set(sent)
    assert order(await page(client, "/workbench?page=99")) == order(second)


async def test_case_page(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("pend-nurse")
    shown = await page(client, f"/workbench/cases/{case}")
    assert "June Lindqvist" in shown.words
    assert "Demo Medicare Advantage Classic" in shown.words
    assert "active (" in shown.words
    assert "Nadia Fuentes" in shown.words or "Fuentes Internal Medicine" in shown.words
    assert "in network" in shown.words
    assert "Line 1: HCPCS K0823" in shown.words
    assert "A nurse confirms." in shown.words
    assert "82 kg" in shown.words
    assert "#doc-QuestionnaireResponse-pend-nurse-answers-weight" in shown.links
    assert "Open mode: nobody logs in here" in shown.words
    assert "Decide line 1" in shown.words
    assert "Line 1: Handed to a nurse" in shown.words
    assert "with the request" in shown.words


async def test_no_form_for_a_decided_line(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("pend-nurse")
    assert (await decide(client, case, NURSE)).status_code == 200
    shown = await page(client, f"/workbench/cases/{case}?decided=1")
    assert "Line 1 is now: approved." in shown.words
    assert "Decide line 1" not in shown.words
    assert "decided by N. Ruiz, RN, nurse" in shown.words
    assert "Line 1: A nurse approved" in shown.words
    assert "Authorization number" in shown.words


async def test_a_partly_open_case_has_a_form_for_the_open_line(client: httpx.AsyncClient, submit: Submit) -> None:
    shown = await page(client, f"/workbench/cases/{await submit('mixed')}")
    assert "Decide line 2" in shown.words
    assert "Decide line 1" not in shown.words
    assert "Open questions" in shown.words


async def test_questions_that_a_reviewer_asked(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("refer")
    asked = {"outcome": "pend", "by": "N. Ruiz", "role": "nurse", "note": "Please send the sleep study report."}
    assert (await decide(client, case, asked)).status_code == 200
    shown = await page(client, f"/workbench/cases/{case}")
    assert "Please send the sleep study report." in shown.words
    assert "waiting for information" in shown.text


async def test_who_decided_is_named_with_the_licence(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("refer")
    denies = {
        "outcome": "deny",
        "by": "dr.lind",
        "role": "physician",
        "license": "MD-12345",
        "specialty": "sleep medicine",
        "reasons": ["PAP-AHI-15"],
        "rationale": "The sleep study of this member shows three events an hour, which is too few.",
    }
    assert (await decide(client, case, denies)).status_code == 200
    for path in (f"/workbench/cases/{case}", f"/explain/{case}"):
        assert "decided by dr.lind, physician, licence MD-12345, sleep medicine" in (await page(client, path)).words
    (line,) = (await client.get(f"/api/cases/{case}")).json()["lines"]
    said = {"license": "MD-12345", "specialty": "sleep medicine"}
    assert line["by"] == {"id": "dr.lind", "role": "physician", "human": True, **said}


async def test_what_the_plan_itself_holds(client: httpx.AsyncClient, submit: Submit) -> None:
    shown = await page(client, f"/workbench/cases/{await submit('visit-limit')}")
    assert "What the plan itself holds" in shown.words
    assert "doc-PayerClaim-CLM-1001" in shown.ids
    assert "#doc-PayerClaim-CLM-1001" in shown.links


def hostile(body: dict[str, Any]) -> None:
    patient = resource(body, "Patient")
    patient["name"] = [{"family": "<script>alert(1)</script>", "given": ['"><img src=x onerror=alert(2)>']}]
    text = base64.b64encode(b"Seen today. <script>alert(3)</script> Walks 20 m.").decode()
    note = {"contentType": "text/plain", "title": "</pre><script>alert(4)</script>", "data": text}
    body["entry"].append(
        {
            "fullUrl": "urn:uuid:3d0b3d6a-6a57-4f5e-9f7c-0d3c1b9d4a11",
            "resource": {
                "resourceType": "DocumentReference",
                "id": "note-1",
                "status": "current",
                "type": {"text": "Visit note <i>"},
                "content": [{"attachment": note}],
            },
        }
    )


async def test_whatever_arrives_stays_text(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("pend-nurse", hostile)
    for path in ("/workbench", f"/workbench/cases/{case}", f"/explain/{case}"):
        source = (await client.get(path, headers=HTML)).text
        assert "<script>alert" not in source
        assert "<img src=x" not in source
        await page(client, path)
    shown = await page(client, "/workbench")
    assert '"><img src=x onerror=alert(2)> <script>alert(1)</script>' in shown.words
    read = await page(client, f"/workbench/cases/{case}")
    assert "Seen today. <script>alert(3)</script> Walks 20 m." in read.words


async def test_pages_with_patients_are_not_cached(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("pend-nurse")
    for path in ("/workbench", f"/workbench/cases/{case}"):
        assert (await client.get(path, headers=HTML)).headers["cache-control"] == "no-store"


async def test_no_names_in_urls(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("pend-nurse")
    for path in ("/workbench", f"/workbench/cases/{case}", f"/explain/{case}"):
        links = " ".join((await page(client, path)).links)
        assert "Lindqvist" not in links
        assert "MA-0003" not in links


async def test_others_are_kept_out_of_open_mode(app: Any, submit: Submit) -> None:
    await submit("pend-nurse")
    transport = httpx.ASGITransport(app=app, client=("203.0.113.7", 1))
    async with httpx.AsyncClient(transport=transport, base_url="http://precert.test") as stranger:
        for path in ("/workbench", "/workbench/cases/x", "/explain/x"):
            response = await stranger.get(path, headers=HTML)
            assert response.status_code == 403
            assert "Not allowed" in response.text
            assert "Lindqvist" not in response.text


async def test_form_page_of_a_pended_line(client: httpx.AsyncClient, submit: Submit) -> None:
    case = await submit("mixed")
    shown = await page(client, f"/form/{case}")
    assert "Power wheelchair, Group 2 standard" in shown.words
    assert "line 2 (HCPCS K0823)" in shown.words
    assert f"/form/{case}?line=2" in (await page(client, f"/explain/{case}")).links
    assert (await client.get(f"/form/{case}", headers=HTML)).headers["cache-control"] == "no-store"


async def test_form_page_without_questions(client: httpx.AsyncClient, submit: Submit) -> None:
    assert "No open questions" in (await page(client, f"/form/{await submit('approve')}")).words
    await page(client, "/form/none", status=404)


async def test_who_is_signed_on_is_shown_and_no_licence_is_made_up(
    app: Any, client: httpx.AsyncClient, submit: Submit
) -> None:
    service = app.state.service
    document = await find(service, await submit("refer"))
    view = await case_view(service, document, service.runtime.now())
    desk = Client("desk-7", roles=frozenset({"physician"}))
    given = {"path": "/", "view": view, "decided": None, "open_mode": False, "signed_on": desk}
    shown = environment().get_template("case.html").render(**given)
    assert "Signed on as desk-7 (physician). No licence is on file with the login" in shown
    assert 'name="by"' not in shown
    assert 'name="license"' in shown
