"""Documents that another document replaces: they count no more.

A DocumentReference says so by ``relatesTo`` with the code ``replaces``. One that was entered in error replaces nothing; one
that was itself superseded does. Source: https://hl7.org/fhir/R4/documentreference-definitions.html#DocumentReference.relatesTo,
docs/policies.md ("what counts as evidence").
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from precert.fhir.bundle import Entry, reference_of, type_and_id
from precert.fhir.types import Resource, elements, text
from precert.policy.types import EvidenceItem

_DOCUMENT = "DocumentReference"


def standing_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The entries but for documents that another one among them replaces."""
    documents = [entry.resource for entry in entries if entry.type == _DOCUMENT]
    if not any("relatesTo" in resource for resource in documents):
        return list(entries)
    return [
        entry
        for entry in entries
        if entry.type != _DOCUMENT or not _replaced(entry.resource, _names(entry.resource, entry.full_url), documents)
    ]


def standing_items(items: Sequence[EvidenceItem]) -> list[EvidenceItem]:
    """The same of evidence from several bundles, where an older one may hold what a newer one replaces."""
    documents = [item.resource for item in items if item.resource.get("resourceType") == _DOCUMENT]
    if not any("relatesTo" in resource for resource in documents):
        return list(items)
    return [
        item
        for item in items
        if item.resource.get("resourceType") != _DOCUMENT
        or not _replaced(item.resource, _names(item.resource, ""), documents)
    ]


def _replaced(resource: Resource, names: frozenset[str], documents: Iterable[Resource]) -> bool:
    return any(other is not resource and not names.isdisjoint(_targets(other)) for other in documents)


def _names(resource: Resource, full_url: str) -> frozenset[str]:
    """By what a reference may name a document."""
    found = {_plain(full_url)} if full_url else set()
    if told := type_and_id(full_url):
        found.add("/".join(told))
    if id := text(resource.get("id")):
        found |= {f"{_DOCUMENT}/{id}", f"urn:uuid:{id.lower()}"}
    identifiers = [*elements(resource.get("identifier")), *elements(resource.get("masterIdentifier"))]
    return frozenset([*found, *_tokens(identifiers)])


def _targets(resource: Resource) -> Iterator[str]:
    if "relatesTo" not in resource or resource.get("status") == "entered-in-error":
        return
    for related in elements(resource.get("relatesTo")):
        if related.get("code") != "replaces":
            continue
        target = related.get("target")
        if reference := reference_of(target):
            yield _plain(reference)
            if told := type_and_id(reference):
                yield "/".join(told)
        yield from _tokens(elements(target.get("identifier")) if isinstance(target, dict) else [])


def _tokens(identifiers: Iterable[Resource]) -> Iterator[str]:
    for identifier in identifiers:
        if value := text(identifier.get("value")):
            yield f"{identifier.get('system') or ''}|{value}"


def _plain(url: str) -> str:
    url = url.partition("/_history/")[0]
    return url.lower() if url.lower().startswith("urn:") else url
