"""What an error says: no operation speaks of another one, and nothing shows how Python writes a value that is not there.

Every example is sent with one element left out, replaced by another type, or emptied, wherever that element stands.
"""

from __future__ import annotations

import asyncio
import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from precert.fhir import json
from support.app import EXAMPLES, frozen_runtime, running

Json = dict[str, Any]
PYTHON = re.compile(r"\bNone\b(?! of\b)|\bTrue\b|\bFalse\b|<class |UNSET|NoneType|object at 0x")
OPERATION = re.compile(r"\$(?!this)[a-z]+(?:-[a-z]+)*")
CALLS: dict[str, tuple[str, str, frozenset[str]]] = {
    # url, example, and the operations that its texts may name beside its own
    "submit": ("/fhir/Claim/$submit", "pas/pend-information", frozenset()),
    "submit-2.0": ("/fhir/v2.0/Claim/$submit", "pas/pend-information", frozenset()),
    "inquire": ("/fhir/Claim/$inquire", "pas/pend-information", frozenset()),
    "inquire-2.0": ("/fhir/v2.0/Claim/$inquire", "pas/pend-information", frozenset()),
    "package": ("/fhir/Questionnaire/$questionnaire-package", "dtr/package-by-order", frozenset()),
    "next": ("/fhir/Questionnaire/$next-question", "dtr/next-question-first", frozenset()),
    "next-2.0": ("/fhir/v2.0/Questionnaire/$next-question", "dtr/next-question-first", frozenset()),
    "expand": ("/fhir/ValueSet/$expand", "dtr/expand", frozenset()),
    "log": ("/fhir/Questionnaire/$log-questionnaire-errors", "dtr/log-questionnaire-errors", frozenset()),
    "attachment": ("/fhir/$submit-attachment", "dtr/submit-attachment-early", frozenset()),
    "hook": ("/cds-services/crd-order-sign", "crd/order-sign-auth-needed-documents", frozenset()),
    "dispatch": ("/cds-services/crd-order-dispatch", "crd/order-dispatch", frozenset()),
}
MOST = 120
"""About so many changes of one example, spread over the whole of it."""


def example(name: str) -> Json:
    found = json.loads((EXAMPLES / f"{name}.json").read_bytes())
    assert isinstance(found, dict)
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in ``value``, breadth first."""
    queue: list[tuple[tuple[Any, ...], Any]] = [(path, value)]
    for at, node in queue:
        members = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
        for key, member in members:
            if key not in ("meta", "text", "div"):
                yield (*at, key)
                queue.append(((*at, key), member))


def changed(body: Json, path: tuple[Any, ...], how: int) -> Json:
    """``body`` without what stands at ``path``, or with something else there."""
    made: Any = copy.deepcopy(body)
    node = made
    for step in path[:-1]:
        node = node[step]
    if how == 0:
        del node[path[-1]]
    else:
        node[path[-1]] = (None, 7, "", [], {}, {"reference": "Nothing/1"}, ["x"], "x y")[how - 1]
    return made  # type: ignore[no-any-return]


def bodies(body: Json) -> Iterator[tuple[str, Any]]:
    """The example changed in one place at a time, and what is no such document at all."""
    yield from (("nothing", {}), ("a list", []), ("a text", "x"), ("another type", {"resourceType": "Patient"}))
    yield from (("no type", {k: v for k, v in body.items() if k != "resourceType"}),)
    every = list(places(body))
    for count, path in enumerate(every[:: max(1, 2 * len(every) // MOST)]):
        for how in (0, 1 + count % 8):
            yield f"{'.'.join(map(str, path))} {how}", changed(body, path, how)


def texts(answer: Any) -> Iterator[str]:
    """Everything that people read in an answer: details, diagnostics, disposition, summaries of cards."""
    if isinstance(answer, dict):
        for key, member in answer.items():
            if isinstance(member, str) and key in (
                "text",
                "diagnostics",
                "disposition",
                "detail",
                "summary",
                "display",
            ):
                yield member
            elif key == "expression" and isinstance(member, list):
                yield from (one for one in member if isinstance(one, str))
            else:
                yield from texts(member)
    elif isinstance(answer, list):
        for member in answer:
            yield from texts(member)


async def _said(client: httpx.AsyncClient, url: str, body: Any) -> tuple[int, list[str]]:
    answered = await client.post(url, content=json.dumps(body), headers={"Content-Type": "application/fhir+json"})
    return answered.status_code, list(texts(json.loads(answered.content))) if answered.content else []


@pytest.mark.parametrize("call", CALLS)
def test_no_text_names_another_operation_or_a_value_of_python(tmp_path: Path, call: str) -> None:
    url, name, others = CALLS[call]
    own = OPERATION.findall(url)
    document = example(name)
    quoted = json.dumps(document).decode()

    async def go() -> list[tuple[str, int, str]]:
        wrong = []
        async with running(tmp_path, frozen_runtime()) as (_, client):
            for what, body in bodies(document):
                status, said = await _said(client, url, body)
                assert status < 500, what
                for text in said:
                    named = {n for n in OPERATION.findall(text) if n not in own and n not in others}
                    if (named or PYTHON.search(text)) and text not in quoted:
                        wrong.append((what, status, text))
        return wrong

    assert asyncio.run(go()) == []
