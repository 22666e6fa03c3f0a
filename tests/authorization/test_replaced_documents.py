"""A document that another one replaces counts no more, whether both come together or one after the other."""

from __future__ import annotations

from typing import Any

import pytest

from precert.authorization.deciding.evidence import clinical_evidence
from precert.authorization.deciding.replaced_documents import standing_items
from precert.fhir.bundle import BundleIndex

Json = dict[str, Any]
OLD_URL, NEW_URL = "urn:uuid:00000000-0000-4000-8000-00000000000a", "urn:uuid:00000000-0000-4000-8000-00000000000b"


def document(id: str, **more: Any) -> Json:
    content = [{"attachment": {"contentType": "text/plain", "data": "UGxhbg=="}}]
    return {"resourceType": "DocumentReference", "id": id, "status": "current", "content": content} | more


def replacing(target: Json, code: Any = "replaces", **more: Any) -> Json:
    return document("new", relatesTo=[{"code": code, "target": target}], **more)


OLD = document("old", identifier=[{"system": "urn:docs", "value": "1"}], masterIdentifier={"value": "m"})
BY_ANY_BUNDLE = [
    {"reference": "DocumentReference/old"},
    {"reference": "DocumentReference/old/_history/1"},
    {"reference": "https://ehr.test/fhir/DocumentReference/old"},
    {"identifier": {"system": "urn:docs", "value": "1"}},
    {"identifier": {"value": "m"}},
]


def kept(*resources: tuple[str, Json]) -> list[Any]:
    index = BundleIndex({"entry": [{"fullUrl": url, "resource": resource} for url, resource in resources]})
    return [item.resource["id"] for item in clinical_evidence(index.entries)]


@pytest.mark.parametrize("target", [*BY_ANY_BUNDLE, {"reference": OLD_URL}, {"reference": OLD_URL.upper()}], ids=str)
@pytest.mark.parametrize("more", [{}, {"status": "superseded"}, {"type": {"text": "another kind"}}], ids=str)
@pytest.mark.parametrize("turned", [False, True])
def test_in_one_bundle(target: Json, more: Json, turned: bool) -> None:
    both = [(OLD_URL, OLD), (NEW_URL, replacing(target, **more))]
    assert kept(*(reversed(both) if turned else both)) == ["new"]


@pytest.mark.parametrize("target", BY_ANY_BUNDLE, ids=str)
def test_in_one_bundle_after_the_other(target: Json) -> None:
    old = clinical_evidence(BundleIndex({"entry": [{"fullUrl": OLD_URL, "resource": OLD}]}).entries)
    new = clinical_evidence(BundleIndex({"entry": [{"fullUrl": NEW_URL, "resource": replacing(target)}]}).entries)
    assert [item.resource["id"] for item in standing_items([*old, *new])] == ["new"]
    assert [item.resource["id"] for item in standing_items(old)] == ["old"]


@pytest.mark.parametrize(
    "other",
    [
        *(replacing({"reference": OLD_URL}, code) for code in ("appends", "signs", "transforms", None, ["replaces"])),
        replacing({"reference": OLD_URL}, status="entered-in-error"),
        replacing({"reference": "DocumentReference/another"}),
        replacing({"identifier": {"system": "urn:other", "value": "1"}}),
        replacing({}),
        document("new", relatesTo="x"),
    ],
    ids=str,
)
def test_whatever_else_is_said_of_a_document_leaves_it_standing(other: Json) -> None:
    assert kept((OLD_URL, OLD), (NEW_URL, other)) == ["old", "new"]


def test_documents_that_replace_each_other_are_none() -> None:
    first = document("a", relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/b"}}])
    second = document("b", relatesTo=[{"code": "replaces", "target": {"reference": "DocumentReference/a"}}])
    assert kept((OLD_URL, first), (NEW_URL, second)) == []
