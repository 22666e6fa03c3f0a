"""Pages for nurses say things once, in sentences: no machine words, and no criterion that is met here and not met there."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pages.requests_sent import Submit
from pages.test_public import page
from precert.authorization.record.chain import CASE_EVENTS
from precert.authorization.record.codes import code_table
from precert.authorization.record.lifecycle import lifecycle
from precert.policy.model import Fact
from precert.workbench import labels, sentences
from precert.workbench.explain_view import event_view, fact_view, nowhere

CASES = ["approve", "mixed", "pend-nurse", "refer", "more-than-grant", "pend-information", "urgent", "visit-limit"]
MACHINE = {
    "an instant": r"\d{4}-\d\d-\d\dT\d\d:\d\d",
    "a date": r"(?<![\w/-])\d{4}-\d\d-\d\d(?![\w-])",
    "a uuid": r"[0-9a-f]{8}-[0-9a-f]{4}-",
    "a Python value": r"\{'|\['|\bNone\b|\bTrue\b|\bFalse\b",
    "an internal name": r"\b[a-z]+_[a-z_]+\b",
    "a remark in a unit": r"\{[a-z]+\}",
    "a URN": r"\burn:",
    "a canonical of a policy": r"@20\d\d",
}


def shown(words: str) -> str:
    """The page without raw JSON, and without what the form says about how to write a period."""
    return re.sub(r"12 weeks, or 2026-12-01/2027-02-28|/api/cases/\S+", "", words)


async def test_no_machine_words_on_a_case_page(client: httpx.AsyncClient, submit: Submit) -> None:
    for name in CASES:
        case = await submit(name)
        if name == "pend-nurse":
            refers = {"by": "N. Ruiz", "role": "nurse", "reason": "Hard to read."}
            await client.post(f"/api/cases/{case}/lines/1/referral", json=refers)
        for path in (f"/workbench/cases/{case}", f"/explain/{case}"):
            found = await page(client, path)
            said = shown(" ".join(text for text in found.text if not text.lstrip().startswith("{")))
            if path.startswith("/explain/"):  # for requesters, who read their ClaimResponse by this id
                said = re.sub(r"ClaimResponse [0-9a-f-]{36}", "", said)
            assert {what: re.findall(rule, said) for what, rule in MACHINE.items() if re.search(rule, said)} == {}, name
            assert "nothing on file at the plan" not in said


async def test_a_criterion_reads_the_same_in_the_tree_and_in_the_form(
    client: httpx.AsyncClient, submit: Submit
) -> None:
    """Also where one of two ways is enough, and where an exemption does not hold: not met, and not needed."""
    settled = 0
    for name in ("pend-nurse", "refer", "more-than-grant", "pend-information", "urgent", "visit-limit"):
        source = (await client.get(f"/workbench/cases/{await submit(name)}", headers={"Accept": "text/html"})).text
        tree = re.findall(r'<span class="badge [a-z]+">([^<]*)</span>\s*<span class="id">([^<]*)</span>', source)
        form = re.findall(r'name="reasons" value="([^"]*)".*?<span class="badge [a-z]+">([^<]*)</span>', source)
        assert form, name
        told = {id: word for word, id in tree}
        assert [(id, word) for id, word in form if told.get(id, word) != word] == []
        settled += sum(word.endswith("not needed") for word in told.values())
    assert settled > 1


PAYER = Fact.model_validate({"from": "PayerClaim", "code": ["hcpcs|E0601"], "absent": False})
ASKED = {"ask": {"text": "Is it?", "type": "boolean", "who": "clinical"}}


@pytest.mark.parametrize(
    ("model", "value", "value_said", "why"),
    [
        (Fact.model_validate({**ASKED, "absent": True}), True, "not stated", "Nobody has said; the policy counts that as yes."),
        (Fact.model_validate({**ASKED, "absent": False}), False, "not stated", "Nobody has said; the policy counts that as no."),
        (
            Fact.model_validate({"ask": {"text": "How many?", "type": "integer", "who": "clinical"}, "absent": 0}),
            0,
            "not stated",
            "Nobody has said; the policy counts that as 0.",
        ),
        (
            Fact.model_validate({"ask": {"text": "Which?", "type": "text", "who": "clinical"}, "absent": "not stated"}),
            "not stated",
            "not stated",
            "Nobody has said; the policy goes on without it.",
        ),
        (PAYER, False, "none on file", "There is nothing of it in the plan's own records; that counts as no."),
        (None, False, "not stated", "Nobody has said; the policy counts that as no."),
    ],
)  # fmt: skip
def test_what_nobody_said_is_told_in_one_sentence(model: Fact | None, value: Any, value_said: str, why: str) -> None:
    models = {"f": model} if model is not None else {}
    view = fact_view({"name": "f", "value": value, "provenance": "closed-world", "evidence": []}, models, nowhere)
    assert (view.value, view.provenance, view.known) == (value_said, why, False)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("It ended on 2025-12-31.", "It ended on 31 Dec 2025."),
        ("Asked 2026-11-20T15:00:00Z, late.", "Asked 20 Nov 2026, 15:00 UTC, late."),
        ("QuestionnaireResponse/abc#ahi: is answered twice", "form answer: is answered twice"),
        ("paid claim CLM-2026-11-20 counts", "paid claim CLM-2026-11-20 counts"),
        ("see http://x.org/2026-11-20/y", "see http://x.org/2026-11-20/y"),
        ("3/4 and 5/6", "3/4 and 5/6"),
        ("On 2026-13-45.", "On 2026-13-45."),
    ],
)
def test_dates_and_references_inside_sentences(text: str, said: str) -> None:
    assert sentences.plain(text) == said


@given(st.text(max_size=200))
def test_any_sentence_can_be_said(text: str) -> None:
    assert isinstance(sentences.plain(text), str)
    assert isinstance(sentences.unmet(text, 2), str)


DETAILS = [
    {"parties": {"npis": ["1"]}},
    {"claimResponse": "00000000-0000-4000-8000-000000000001", "bundles": {"2.2": "b"}, "numbers": ["n"]},
    {"refused": "update_after_denial", "digest": "abc"},
    {"prior": "unknown"},
    {"notCounted": ["Observation/o1 is of 2026-11-20 and about somebody else."]},
    {"cancelled": "PA1"},
    {
        "tracking": "t",
        "final": True,
        "attachments": ["QuestionnaireResponse/7b23c9df-ddbf-493e-920e-3d4d4497818d", "DocumentReference/x_y"],
        "bundle": "b",
    },
    {"held": "h", "tracking": "t", "bundle": "b"},
    {"origin": "crd", "hook": "order-sign", "hookInstance": "i"},
    {"number": "PA1", "case": "CN1", "line": 1},
    {"reason": "Hard to read.", "question": "Is it enough?"},
    {"order": "ServiceRequest/o1"},
    *({"reject": key, "path": "Claim.patient"} for key in code_table().reject),
]


@pytest.mark.parametrize("event", sorted({*CASE_EVENTS, *(t.ev for t in lifecycle().transitions)}))
def test_every_event_is_told_in_words(event: str) -> None:
    assert event in labels.EVENTS
    for detail in DETAILS:
        view = event_view(
            {"event": event, "at": "2026-11-20T15:00:00Z", "detail": detail, "actor": "system", "by": "x"}
        )
        said = f"{view.at} {view.text} {view.detail}"
        assert {what: re.findall(rule, said) for what, rule in MACHINE.items() if re.search(rule, said)} == {}
