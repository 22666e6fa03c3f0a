"""The pages in Debian's chromium, on a real server: console, hook, deciding by hand, small screens, dark, keyboard only."""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from pages.requests_sent import fresh, resource
from support.app import EXAMPLES

pytestmark = [pytest.mark.browser, pytest.mark.slow]
Open = Callable[..., Any]


_MEMBERS = itertools.count(1)


def submitted(live: str, name: str, change: Callable[[dict[str, Any]], None] | None = None) -> str:
    """Send an example for a member of its own; its case number."""
    body = re.sub(r'"((?:MA|COM|MCD|TX)-\d{4})"', rf'"\1-T{next(_MEMBERS)}"', json.dumps(fresh(name, change)))
    headers = {"Content-Type": "application/json"}
    answer = httpx.post(f"{live}/fhir/Claim/$submit", content=body, headers=headers, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["entry"][0]["resource"]["identifier"][0]["value"])


def until(page: Any, expression: str) -> None:
    """Wait until a JavaScript expression holds. (Playwright's own way needs eval, which our pages forbid.)"""
    deadline = time.monotonic() + 15
    while not page.evaluate(expression):
        assert time.monotonic() < deadline, f"never came true: {expression}"
        page.wait_for_timeout(20)


def choose(page: Any, example: str) -> None:
    """Pick an example and wait until it stands in the text field."""
    page.select_option("#example", example)
    until(page, f"document.querySelector('#body').dataset.example === '{example}'")


def send(page: Any) -> None:
    page.evaluate("document.querySelector('#status').textContent = ''")
    page.click("#console button[type=submit]")
    page.wait_for_selector("#result:not([hidden])")
    until(page, "/^HTTP/.test(document.querySelector('#status').textContent)")
    page.wait_for_selector("#why > *")


def wide(page: Any) -> bool:
    """Whether the page scrolls sideways."""
    return bool(page.evaluate("document.documentElement.scrollWidth > window.innerWidth"))


# --- The console ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["/fhir", "/fhir/v2.0"])
def test_example_is_sent_decided_and_explained(open_page: Open, base: str) -> None:
    page = open_page("/")
    choose(page, "pas/mixed")
    page.check(f"input[name=base][value='{base}']")
    page.uncheck("#fresh")  # sent on the other base before: the same request, in this one's shape
    send(page)
    answer = page.inner_text("#answer")
    assert "1 approved, 1 pending, 1 without need of authorization" in answer
    assert re.search(r"Line 1 HCPCS E0601\s+approved\s+A1", answer)
    assert re.search(r"PA[0-9A-Z]{10,}", answer)
    assert "Approved: E0601" in answer
    why = page.inner_text("#why")
    assert "Line 1: HCPCS E0601" in why
    assert "NCD 240.4 B" in why
    page.click("text=Raw answer (JSON)")
    assert json.loads(page.inner_text("#raw"))["resourceType"] == "Bundle"


def test_the_same_example_can_be_sent_again_as_a_new_request(open_page: Open) -> None:
    page = open_page("/")
    choose(page, "pas/approve")
    numbers = []
    for _ in range(2):
        send(page)
        numbers.append(re.findall(r"CN[0-9A-Z]{10,}", page.inner_text("#answer"))[0])
    assert numbers[0] != numbers[1]
    page.uncheck("#fresh")
    send(page)
    assert numbers[1] in page.inner_text("#answer")


def test_an_inquiry_finds_what_was_sent(open_page: Open) -> None:
    page = open_page("/")
    choose(page, "pas/approve")
    send(page)
    number = re.findall(r"(?:PA|RN)[0-9A-Z]{10,}", page.inner_text("#answer"))[0]
    page.select_option("#operation", "inquire")
    send(page)
    assert number in page.inner_text("#answer")


SLOW_FIRST = """() => {
  const real = window.fetch;
  window.fetch = async (url, options) => {
    if (String(url).includes("pas/mixed")) await new Promise((done) => setTimeout(done, 300));
    const answer = await real(url, options);
    if (String(url).includes("pas/mixed")) document.body.dataset.late = "there";
    return answer;
  };
}"""


def test_the_example_chosen_last_counts_though_another_comes_later(open_page: Open) -> None:
    page = open_page("/")
    page.evaluate(SLOW_FIRST)
    page.select_option("#example", "pas/mixed")
    choose(page, "crd/order-sign-alternative")
    until(page, "document.body.dataset.late === 'there'")
    page.wait_for_timeout(50)
    assert page.input_value("#operation") == "hook-order-sign"
    assert json.loads(page.input_value("#body"))["hook"] == "order-sign"


SENT_BODIES = """() => {
  const real = window.fetch;
  window.sentBodies = [];
  window.fetch = async (url, options) => {
    if (String(url).includes("/examples/")) await new Promise((done) => setTimeout(done, 300));
    if (options?.method === "POST") window.sentBodies.push(options.body);
    return real(url, options);
  };
}"""


@pytest.mark.parametrize("example", ["pas/mixed", "crd/order-sign-no-auth"])
def test_what_is_sent_is_the_chosen_example_though_it_comes_late(open_page: Open, example: str) -> None:
    """Chosen and sent at once, after another one was sent: the field never holds the other's text."""
    page = open_page("/")
    choose(page, "pas/approve")
    send(page)
    page.evaluate(SENT_BODIES)
    page.uncheck("#fresh")
    page.select_option("#example", example)
    page.click("#console button[type=submit]")
    until(page, "window.sentBodies.length === 1")
    sent = page.evaluate("window.sentBodies[0]")
    assert json.loads(sent) == json.loads((EXAMPLES / f"{example}.json").read_text("utf-8"))
    until(page, "/^HTTP 200/.test(document.querySelector('#status').textContent)")


def test_an_example_that_cannot_be_fetched_sends_nothing(open_page: Open) -> None:
    page = open_page("/")
    choose(page, "pas/approve")
    page.evaluate("() => { window.fetch = async () => { throw new Error('gone'); }; }")
    page.select_option("#example", "pas/mixed")
    page.click("#console button[type=submit]")
    until(page, "/could not be fetched: gone/.test(document.querySelector('#status').textContent)")
    assert page.input_value("#body") == ""
    assert page.is_hidden("#result")


def test_hook_shows_cards_and_coverage_information(open_page: Open) -> None:
    page = open_page("/")
    choose(page, "crd/order-sign-alternative")
    assert page.input_value("#operation") == "hook-order-sign"
    assert page.is_hidden("#base")
    send(page)
    cards = page.locator(".ehr-card")
    assert cards.count() >= 1
    assert "E0601" in cards.first.inner_text()
    table = page.inner_text("#answer .answer-line table")
    assert "Prior authorization" in table
    assert "auth-needed" in table
    assert "Line 1: HCPCS E0470" in page.inner_text("#why")
    assert "<" not in page.inner_text(".ehr-card")


def test_refusals_are_readable(open_page: Open) -> None:
    page = open_page("/")
    choose(page, "pas/approve")
    page.click("text=The request (JSON)")
    page.fill("#body", '{"resourceType": "Patient"}')
    send(page)
    assert "refused: HTTP 4" in page.inner_text("#answer")
    assert "error:" in page.inner_text("#answer")
    page.fill("#body", "{not json")
    page.click("#console button[type=submit]")
    until(page, "document.querySelector('#status').textContent.includes('not JSON')")
    assert page.evaluate("document.activeElement.id") == "body"


# --- The form ------------------------------------------------------------------------------------------------------


def opened_form(page: Any) -> None:
    page.wait_for_selector("#buttons:not([hidden])")


def test_order_form_answers_decision(open_page: Open) -> None:
    page = open_page("/")
    choose(page, "pas/pend-information")
    send(page)
    page.click("text=Answer the questions >> nth=0")
    opened_form(page)
    assert page.is_checked("[name=osa_dx][value=true]")  # said by the request
    assert page.locator("[name=ahi]").is_hidden()
    page.click("text=Send the answers")
    assert page.inner_text("[id='q-eval_before_test-error']") == "This question needs an answer."
    page.check("[name=eval_before_test][value=true]")
    assert page.inner_text("[id='q-eval_before_test-error']") == ""
    page.fill("[name=ahi]", "twenty")
    page.click("text=Send the answers")
    assert "Write a number" in page.inner_text("[id='q-ahi-error']")
    assert page.evaluate("document.activeElement.name") == "ahi"
    page.fill("[name=ahi]", "22.5")
    page.fill("[name=events]", "140")
    page.click("text=Send the answers")
    page.wait_for_url("**/explain/*")
    assert "approved" in page.inner_text("main .verdict")
    assert "22.5" in page.inner_text("main")
    assert "Answer the questions" not in page.inner_text("main")


def test_a_reviewers_own_question_is_on_the_form_and_its_answer_on_the_case(open_page: Open, live: str) -> None:
    case = submitted(live, "pend-information")
    asks = {"outcome": "pend", "by": "N. Ruiz", "role": "nurse", "note": "Since when does <b>she</b> snore?"}
    asked = httpx.post(f"{live}/api/cases/{case}/lines/1/determination", json=asks, timeout=30)
    assert asked.status_code == 200, asked.text
    page = open_page(f"/form/{case}", width=390)
    opened_form(page)
    assert not wide(page)
    assert "Since when does <b>she</b> snore?" in page.inner_text("#items")
    page.check("[name=eval_before_test][value=true]")
    page.fill("[name=ahi]", "22.5")
    page.fill("[name=events]", "140")
    page.fill("[name=reviewer-question]", "For ten years.")
    page.click("text=Send the answers")
    page.wait_for_url("**/explain/*")
    page = open_page(f"/workbench/cases/{case}")
    documents = page.inner_text("main")
    assert "For ten years." in documents
    assert "22.5" in documents
    assert page.locator("text=with a nurse").count() == 1


def test_a_draft_is_kept(open_page: Open, live: str) -> None:
    case = submitted(live, "pend-information")
    page = open_page(f"/form/{case}")
    opened_form(page)
    page.check("[name=eval_before_test][value=true]")
    page.fill("[name=ahi]", "22.5")
    page.click("text=Save draft")
    assert "saved in this browser" in page.inner_text("#status")
    page.reload()
    opened_form(page)
    assert page.is_checked("[name=eval_before_test][value=true]")
    assert page.input_value("[name=ahi]") == "22.5"


def test_form_on_a_small_screen_without_empty_groups(open_page: Open, live: str) -> None:
    page = open_page(f"/form/{submitted(live, 'mixed')}", width=360)
    opened_form(page)
    assert not wide(page)
    assert page.locator("h2:visible").all_inner_texts() == ["For the clinician"]
    assert page.evaluate(CONTRAST) == []


def test_form_by_keyboard_alone(open_page: Open, live: str) -> None:
    page = open_page(f"/form/{submitted(live, 'pend-information')}")
    opened_form(page)
    page.focus("[name=osa_dx][value=true]")
    answers = {"eval_before_test": ["Space"], "ahi": ["2", "2"], "events": ["4", "0"], "comorbid": ["Space"]}
    for _ in range(40):
        page.keyboard.press("Tab")
        name, words = page.evaluate("[document.activeElement.name, document.activeElement.innerText]")
        for key in answers.pop(name, []):
            page.keyboard.press(key)
        if words == "Send the answers":
            break
    assert answers == {}
    page.keyboard.press("Enter")
    page.wait_for_url("**/explain/*")
    assert "approved" in page.inner_text("main .verdict")


# --- Deciding by hand ----------------------------------------------------------------------------------------------


def test_from_the_worklist_a_nurse_approves(open_page: Open, live: str) -> None:
    case = submitted(live, "pend-nurse")
    page = open_page("/workbench?state=nurse")
    page.click(f"text={case}")
    page.wait_for_url(f"**/workbench/cases/{case}")
    page.click("text=form answer >> nth=0")
    target = page.locator(":target")
    assert "face-to-face" in target.inner_text()
    page.fill("[name=by]", "N. Ruiz, RN")
    page.check("[name=outcome][value=approve]")
    page.click("text=Record the decision")
    page.wait_for_url("**?decided=1")
    assert "Line 1 is now: approved" in page.inner_text("#decided")
    assert page.evaluate("document.activeElement.id") == "decided"
    assert page.locator("form.determination").count() == 0
    page.goto("/workbench?state=nurse")
    assert case not in page.inner_text("main")
    page.goto("/workbench?state=decided")
    assert case in page.inner_text("main")
    state = httpx.get(f"{live}/api/cases/{case}").json()["states"]
    assert state["1"] == "active"


def test_a_nurse_is_not_offered_a_denial_and_the_server_refuses_an_exception(open_page: Open, live: str) -> None:
    page = open_page(f"/workbench/cases/{submitted(live, 'refer')}")
    assert page.is_disabled("[name=outcome][value=deny]")
    assert page.is_disabled("[name=outcome][value=modify]")
    page.fill("[name=by]", "N. Ruiz, RN")
    page.check("[name=outcome][value=approve]")
    page.click("text=Record the decision")
    until(page, "document.querySelector('[id$=role-error]').textContent !== ''")
    assert "physician's decision" in page.inner_text("[id$=role-error]")
    assert page.get_attribute("[name=role]", "aria-invalid") == "true"
    assert page.evaluate("document.activeElement.name") == "role"


def test_a_physician_denies_with_everything_that_it_takes(open_page: Open, live: str) -> None:
    case = submitted(live, "refer")
    page = open_page(f"/workbench/cases/{case}")

    def refused(field: str) -> str:
        page.click("text=Record the decision")
        until(page, f"""document.getElementById("d1-{field}-error").textContent !== ''""")
        return str(page.inner_text(f"[id='d1-{field}-error']"))

    assert refused("by") == "Say who decides."
    assert page.inner_text("[id='d1-outcome-error']") == "Choose a decision."
    page.fill("[name=by]", "A. Stone, MD")
    page.select_option("[name=role]", "physician")
    page.check("[name=outcome][value=deny]")
    proposed = page.eval_on_selector_all("[name=reasons]:checked", "boxes => boxes.map((box) => box.value)")
    assert proposed == ["PAP-AHI-15", "PAP-AHI-5"]  # what the rules found unmet
    for criterion in proposed:
        page.uncheck(f"[name=reasons][value={criterion}]")
    assert "criterion" in refused("reasons")
    page.check("[name=reasons][value=PAP-AHI-15]")
    assert "sentence" in refused("rationale")
    page.fill("[name=rationale]", "The sleep study of this member shows 3 events an hour.")
    assert "licence" in refused("license")
    page.fill("[name=license]", "MD D00123")
    page.click("text=Record the decision")
    page.wait_for_url("**?decided=1")
    assert "denied" in page.inner_text("#decided")
    assert "A. Stone, MD" in page.inner_text("main")
    assert "At least 15 events an hour, and 30 events in all (PAP-AHI-15)" in page.inner_text("main")
    assert httpx.get(f"{live}/api/cases/{case}").json()["states"]["1"] == "denied"


def test_a_physician_grants_less(open_page: Open, live: str) -> None:
    case = submitted(live, "more-than-grant")
    page = open_page(f"/workbench/cases/{case}")
    page.select_option("[name=role]", "physician")
    page.check("[name=outcome][value=modify]")
    page.fill("[name=by]", "A. Stone, MD")
    page.fill("[name=license]", "MD D00123")
    page.fill("[name=rationale]", "Three months first, then a check of the benefit.")
    page.click("text=Record the decision")
    until(page, "document.querySelector('[id=d1-authorized-error]').textContent !== ''")
    page.fill("[name='authorized.units']", "99")
    page.click("text=Record the decision")
    until(page, "document.querySelector(\"[id='d1-authorized.units-error']\").textContent !== ''")
    page.fill("[name='authorized.units']", "3")
    page.fill("[name='authorized.period']", "12 weeks")
    page.click("text=Record the decision")
    page.wait_for_url("**?decided=1")
    assert "3 months" in page.inner_text("main")


def test_a_nurse_refers_to_a_physician(open_page: Open, live: str) -> None:
    case = submitted(live, "refer")
    page = open_page(f"/workbench/cases/{case}")
    page.fill("[name=by]", "N. Ruiz, RN")
    page.check("[name=outcome][value=refer]")
    page.fill("[name=rationale]", "No.")
    page.click("text=Record the decision")
    until(page, "document.getElementById('d1-rationale-error').textContent !== ''")
    page.fill("[name=rationale]", "The study shows mild apnea only.")
    page.fill("[name=note]", "Is a shorter trial enough?")
    page.click("text=Record the decision")
    page.wait_for_url("**?decided=1")
    assert "with a physician" in page.inner_text("#decided")
    assert "Referred to a physician by N. Ruiz, RN" in page.inner_text("main")
    assert page.is_disabled("[name=outcome][value=refer]")
    page.goto("/workbench?state=physician")
    assert case in page.inner_text("main")


def test_questions_go_out(open_page: Open, live: str) -> None:
    page = open_page(f"/workbench/cases/{submitted(live, 'refer')}")
    page.fill("[name=by]", "N. Ruiz, RN")
    page.check("[name=outcome][value=pend]")
    page.click("text=Record the decision")
    until(page, "document.querySelector('[id=d1-note-error]').textContent !== ''")
    page.fill("[name=note]", "Please send the sleep study report.")
    page.click("text=Record the decision")
    page.wait_for_url("**?decided=1")
    assert "waiting for information" in page.inner_text("#decided")
    assert "Please send the sleep study report." in page.inner_text("main")


def test_somebody_was_faster(open_page: Open, live: str) -> None:
    case = submitted(live, "pend-nurse")
    page = open_page(f"/workbench/cases/{case}")
    page.fill("[name=by]", "N. Ruiz, RN")
    page.check("[name=outcome][value=approve]")
    body = {"outcome": "pend", "by": "Somebody else", "role": "nurse", "note": "Wait."}
    assert httpx.post(f"{live}/api/cases/{case}/lines/1/determination", json=body).status_code == 200
    page.click("text=Record the decision")
    page.wait_for_selector(".form-error:not([hidden])")
    assert "Somebody changed this case meanwhile" in page.inner_text(".form-error")
    page.click("text=Read the case again")
    page.wait_for_selector("text=Wait.")


def test_what_a_client_sends_is_never_run(open_page: Open, live: str) -> None:
    def hostile(body: dict[str, Any]) -> None:
        resource(body, "Patient")["name"] = [{"text": "x", "family": "<img src=x onerror=\"document.title='owned'\">"}]

    case = submitted(live, "pend-nurse", hostile)
    page = open_page("/workbench")
    for path in ("/workbench", f"/workbench/cases/{case}", f"/explain/{case}"):
        page.goto(path)
        assert page.locator("img[src=x]").count() == 0
        assert page.title() != "owned"


# --- For everybody -------------------------------------------------------------------------------------------------

PLACES = (
    "/",
    "/policies",
    "/policies/oxygen-home",
    "/policies/irf-admission",
    "/workbench?state=all",
    "/api",
    "/explain/none",
)


@pytest.mark.parametrize("dark", [False, True])
def test_small_screens_do_not_scroll_sideways(open_page: Open, live: str, dark: bool) -> None:
    case = submitted(live, "mixed")
    page = open_page("/", width=360, dark=dark)
    for path in (*PLACES, f"/workbench/cases/{case}", f"/explain/{case}"):
        page.goto(path)
        assert not wide(page), path


@pytest.mark.parametrize("example", ["pas/mixed", "crd/order-sign-alternative"])
def test_answers_fit_small_screens(open_page: Open, example: str) -> None:
    page = open_page("/", width=360)
    choose(page, example)
    send(page)
    page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true; })")
    assert not wide(page)


CONTRAST = """
() => {
  const light = (colour) => {
    const part = colour.map((each) => each / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const read = (text) => (text.match(/[\\d.]+/g) ?? []).map(Number);
  const ground = (each) => {
    for (let at = each; at; at = at.parentElement) {
      const colour = read(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const poor = [];
  for (const each of document.querySelectorAll("body *")) {
    const own = [...each.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    if (!own || !each.checkVisibility() || each.closest(".off, .skip, noscript, option")) continue;
    const [a, b] = [light(read(getComputedStyle(each).color)), light(ground(each))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) poor.push(`${each.tagName} ${each.className} ${each.textContent.trim().slice(0, 30)}: ${ratio.toFixed(2)}`);
  }
  return poor;
}
"""


@pytest.mark.parametrize("dark", [False, True])
def test_text_can_be_read_in_both_modes(open_page: Open, live: str, dark: bool) -> None:
    case = submitted(live, "mixed")
    page = open_page("/", dark=dark)
    for path in (*PLACES, f"/workbench/cases/{case}", f"/explain/{case}"):
        page.goto(path)
        assert page.evaluate(CONTRAST) == [], path
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (sum(map(int, re.findall(r"\d+", background)[:3])) < 200) is dark


def test_console_by_keyboard_alone(open_page: Open) -> None:
    page = open_page("/")
    until(page, "document.querySelector('#body').value.length > 100")
    page.keyboard.press("Tab")
    assert page.inner_text(":focus") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "example"
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    page.keyboard.type("refer")
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Send":
            break
    until(page, "document.querySelector('#body').value.includes('\"refer\"')")
    page.keyboard.press("Enter")
    page.wait_for_selector("#why .why-line")
    assert "pended" in page.inner_text("#answer")
    assert page.evaluate("document.activeElement.id") == "answer-title"


def test_worklist_and_decision_by_keyboard_alone(open_page: Open, live: str) -> None:
    case = submitted(live, "pend-nurse")
    page = open_page(f"/workbench?find={case}")
    page.keyboard.press("j")
    assert page.inner_text(":focus") == case
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/workbench/cases/{case}")
    page.focus("[name=role]")
    page.keyboard.press("Tab")
    page.keyboard.type("N. Ruiz, RN")
    for _ in range(10):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.name") == "outcome":
            break
    page.keyboard.press("Space")
    page.keyboard.press("Enter")
    page.wait_for_url("**?decided=1")
    assert "approved" in page.inner_text("#decided")


def test_without_javascript_everything_can_be_read(browser: Any, live: str) -> None:
    case = submitted(live, "pend-nurse")
    context = browser.new_context(java_script_enabled=False, base_url=live)
    page = context.new_page()
    page.goto("/workbench")
    page.click(f"text={case}")
    assert "A nurse confirms" in page.inner_text("main")
    assert "needs JavaScript" in page.inner_text("main")
    context.close()


def test_order_form_submit_decision_without_an_ehr(open_page: Open) -> None:
    """The whole story: a hook asks for documents, the form is filled from the chart and by hand, the order is submitted."""
    page = open_page("/")
    choose(page, "crd/order-dispatch")
    # for a member who has no authorization yet
    page.eval_on_selector("#body", "body => body.value = body.value.replaceAll('MA-0002', 'MA-0002-T99')")
    send(page)
    page.click("text=Fill in the form and submit >> nth=0")
    opened_form(page)
    assert page.is_checked("[name=osa_dx][value=true]"), "the order's diagnosis, read from the chart"
    page.check("[name=eval_before_test][value=true]")
    page.fill("[name=ahi]", "22.5")
    page.fill("[name=events]", "140")
    page.click("text=Submit the order with the answers")
    page.wait_for_url("**/explain/*")
    assert "approved" in page.inner_text("main .verdict")
    assert "22.5" in page.inner_text("main")


def test_a_tab_that_does_not_know_the_order_says_so(open_page: Open) -> None:
    page = open_page("/")
    choose(page, "crd/order-sign-alternative")
    send(page)
    page.click("text=Fill in the form and submit >> nth=0")
    opened_form(page)
    page.evaluate("window.sessionStorage.clear()")
    page.check("[name=eval_before_test][value=true]")
    page.fill("[name=ahi]", "22.5")
    page.fill("[name=events]", "140")
    page.check("[name=e0601_failed][value=true]")
    page.click("text=Submit the order with the answers")
    page.wait_for_selector("#status:has-text('send the hook again')")
