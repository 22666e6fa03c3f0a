"""No authorization, but documents with the claim: ``auth: {required: false, doc: [...]}`` as doc-purpose withclaim."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from crd.building import hook, infos, order
from crd.checks import check_answer
from crd.policies import catalogue

WITH_CLAIM = "auth: {required: false, doc: [clinical, patient]}\n"
EXEMPT = "exempt: {id: E, text: an emergency, test: 'true', cite: c}\n"


async def _said(make: Any, tmp_path: Path, text: str, version: str, name: str = "order-sign") -> dict[str, Any]:
    world = make(catalogue=catalogue(tmp_path, text))
    answer = await world.ask(hook(order("E0100"), version=version, name=name))
    check_answer(answer, version, name)
    (info,) = infos(answer)
    return info


async def test_documents_for_the_claim_are_asked_for_with_their_purpose(make, tmp_path):
    info = await _said(make, tmp_path, WITH_CLAIM, "2.2")
    assert (info["covered"], info["pa-needed"]) == ("covered", "no-auth")
    assert info["doc-needed"] == ["clinical", "patient"]
    assert info["doc-purpose"] == ["withclaim"]
    assert "claim" in info["reason"][-1]["text"]
    assert "questionnaire" not in info, "the policy asks no questions"


async def test_the_older_version_says_it_with_one_code(make, tmp_path):
    info = await _said(make, tmp_path, WITH_CLAIM, "2.0")
    assert info["pa-needed"] == "no-auth"
    assert info["doc-purpose"] == ["withclaim"]
    assert len(info["doc-needed"]) == 1


async def test_it_is_not_asked_for_on_secondary_hooks(make, tmp_path):
    info = await _said(make, tmp_path, WITH_CLAIM, "2.2", "order-select")
    assert info["pa-needed"] == "no-auth"
    assert not {"doc-needed", "doc-purpose"} & set(info)


@pytest.mark.parametrize(
    "text",
    [
        "auth: {required: false}\n",
        "auth: {required: true, doc: [clinical]}\n" + EXEMPT,
    ],
    ids=["none wanted", "exempt from an authorization"],
)
async def test_otherwise_no_documents(make, tmp_path, text):
    info = await _said(make, tmp_path, text, "2.2")
    assert info["pa-needed"] == "no-auth"
    assert not {"doc-needed", "doc-purpose"} & set(info)
