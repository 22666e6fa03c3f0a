"""Of one QuestionnaireResponse only the newest version counts, also when it was withdrawn or says less."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from precert.authorization.deciding.answers import answers
from precert.authorization.deciding.person import Patient
from precert.authorization.deciding.response_versions import Version
from precert.authorization.usecases import on_file
from precert.fhir.bundle import BundleIndex
from precert.fhir.moments import Moment
from precert.policy.types import Answer

PATIENT = {"resourceType": "Patient", "id": "p"}
OLD, NEW = "2026-11-20T10:00:00Z", "2026-11-21T10:00:00Z"


def response(status: str, authored: str | None, *link_ids: str, value: bool = True, **more: Any) -> dict[str, Any]:
    items = [{"linkId": link_id, "answer": [{"valueBoolean": value}]} for link_id in link_ids]
    dated = {} if authored is None else {"authored": authored}
    named = {"id": "qr", "questionnaire": "urn:x:questionnaire:small", "subject": {"reference": "Patient/p"}}
    resource = {"resourceType": "QuestionnaireResponse", **named, "status": status, **dated, "item": items, **more}
    return {key: value for key, value in resource.items() if value is not None}


def bundle(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": r} for r in (PATIENT, *resources)]}


def counting(told: dict[str, Answer] | Any) -> set[str]:
    """The questions with an answer that can count."""
    return {key.partition("#")[2] for key, answer in told.items() if not answer.repeated}


def in_one(*resources: dict[str, Any]) -> set[str]:
    return counting(answers(BundleIndex(bundle(*resources)).entries))


def in_files(*resources: dict[str, Any]) -> set[str]:
    whose = Patient(PATIENT, "http://x.org/Patient/p")
    files = [on_file.contents(bundle(resource), whose) for resource in resources]
    return counting(on_file.told_by(files))


TOLD = response("completed", OLD, "a", "b")
NEWER = [
    (response("entered-in-error", NEW, "a", "b"), set()),
    (response("stopped", NEW, "a", "b"), set()),
    (response("in-progress", NEW, "a", "b"), set()),
    (response("amended", NEW, "a"), {"a"}),
    (response("amended", NEW, "b", "c"), {"b", "c"}),
    (response("completed", NEW, "a", "b"), {"a", "b"}),
]


@pytest.mark.parametrize(("newer", "left"), NEWER, ids=range(len(NEWER)))
@pytest.mark.parametrize("same", ["id", "identifier"])
def test_the_newer_version_replaces_the_older_whole(newer: dict[str, Any], left: set[str], same: str) -> None:
    own: list[dict[str, Any]] = [{}, {}]
    if same == "identifier":
        own = [{"id": n, "identifier": {"system": "urn:x", "value": "1"}} for n in ("one", "two")]
    for pair in permutations([{**TOLD, **own[0]}, {**newer, **own[1]}]):
        assert in_one(*pair) == left
        assert in_files(*pair) == left


@pytest.mark.parametrize("status", ["entered-in-error", "stopped"])
def test_versions_of_one_time(status: str) -> None:
    """In one bundle nobody can say which counts, in two the later one does."""
    withdrawn = {**TOLD, "status": status}
    for pair in permutations([TOLD, withdrawn]):
        assert in_one(*pair) == set()
    assert in_files(TOLD, withdrawn) == set()
    updated = {**TOLD, "meta": {"lastUpdated": OLD}}, {**withdrawn, "meta": {"lastUpdated": NEW}}
    assert in_one(*updated) == set()
    less = {**TOLD, "status": "amended", "item": TOLD["item"][:1]}
    assert in_one(TOLD, less) == {"a"}


def test_a_withdrawal_without_a_time_takes_back_what_came_before() -> None:
    withdrawn = response("entered-in-error", None, "a", "b")
    assert in_one(TOLD, withdrawn) == set()
    assert in_files(TOLD, withdrawn) == set()


def test_other_responses_stand_side_by_side() -> None:
    other = response("entered-in-error", NEW, "a", "b", id="other")
    draft = {"system": "urn:precert:dtr-context", "value": "c"}
    assert in_one(TOLD, other) == in_files(TOLD, other) == {"a", "b"}
    assert in_one({**TOLD, "identifier": draft}, {**other, "identifier": draft}) == {"a", "b"}
    assert in_one(TOLD, TOLD) == {"a", "b"}
    unnamed = [response(each["status"], each["authored"], "a", "b", id=None) for each in (TOLD, other)]
    assert in_one(*unnamed) == {"a", "b"}


def _version(authored: str | None, updated: str | None) -> Version:
    return Version("QuestionnaireResponse/qr", frozenset({"id|qr"}), Moment.parse(authored), Moment.parse(updated))


@pytest.mark.parametrize(
    ("one", "other", "newer"),
    [
        ((NEW, None), (OLD, None), True),
        ((None, NEW), (None, OLD), True),
        ((NEW, NEW), (OLD, OLD), True),
        ((NEW, OLD), (OLD, OLD), True),
        ((NEW, None), (OLD, NEW), True),
        ((OLD, None), (NEW, None), False),
        ((OLD, OLD), (OLD, OLD), False),
        # written later and saved earlier, or the other way round: nobody can tell
        ((NEW, OLD), (OLD, NEW), False),
        ((OLD, NEW), (NEW, OLD), False),
        # nothing that both say
        ((NEW, None), (None, OLD), False),
        ((None, None), (OLD, OLD), False),
        ((NEW, NEW), (None, None), False),
    ],
)
def test_newer_is_what_no_time_contradicts(
    one: tuple[str | None, str | None], other: tuple[str | None, str | None], newer: bool
) -> None:
    assert _version(*one).newer(_version(*other)) is newer
    if newer:
        assert not _version(*other).newer(_version(*one))
