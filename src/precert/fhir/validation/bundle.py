"""What holds between the resources of a document: full URLs, references, duplicates."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from precert.fhir.types import elements
from precert.fhir.validation.findings import Finding, Path, finding

_RESTFUL = re.compile(
    r"(?:(https?://\S+?)/)?([A-Z][A-Za-z]{1,60})/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?"
)
_NO_FULL_URL = frozenset({"transaction", "batch", "transaction-response", "batch-response"})
_SELF_CONTAINED = frozenset({"collection", "document", "message"})


def reference_parts(reference: str) -> tuple[str, str, str] | None:
    """Base, type and id of a RESTful reference (base empty if it is relative); ``None`` for anything else."""
    if len(reference) > 4_096:
        return None
    match = _RESTFUL.fullmatch(reference)
    return (match[1] or "", match[2], match[3]) if match else None


class BundleIndex:
    """Finds the entry that a reference points to."""

    def __init__(self, bundle: dict[str, Any]) -> None:
        self._by_url: dict[str, dict[str, Any]] = {}
        self._by_name: dict[str, dict[str, Any]] = {}
        for entry in elements(bundle.get("entry")):
            resource, url = entry.get("resource"), entry.get("fullUrl")
            if not isinstance(resource, dict):
                continue
            if isinstance(url, str):
                self._by_url.setdefault(url, resource)
                parts = reference_parts(url)
                if parts:
                    self._by_name.setdefault(f"{parts[1]}/{parts[2]}", resource)
            kind, name = resource.get("resourceType"), resource.get("id")
            if isinstance(kind, str) and isinstance(name, str):
                self._by_name.setdefault(f"{kind}/{name}", resource)

    def find(self, reference: str, base: str) -> dict[str, Any] | None:
        """The resource behind ``reference``, as written in an entry whose full URL begins with ``base``."""
        found = self._by_url.get(reference)
        if found is None:
            parts = reference_parts(reference)
            if parts is not None:
                own_base, kind, name = parts
                found = self._by_url.get(f"{own_base or base}/{kind}/{name}")
                if found is None and not own_base:
                    found = self._by_name.get(f"{kind}/{name}")
        return found


def full_url_findings(bundle: dict[str, Any], path: Path) -> Iterator[Finding]:
    """What is wrong with the full URLs of the entries of ``bundle``."""
    needs_url = str(bundle.get("type")) not in _NO_FULL_URL
    seen: dict[str, int] = {}
    names: dict[str, int] = {}
    history = bundle.get("type") == "history"
    listed = bundle.get("entry")
    entries: list[Any] = listed if isinstance(listed, list) else []
    for index, entry in enumerate(entries):
        if not isinstance(entry, dict):
            continue
        at = Path(path, "entry", index)
        resource = entry.get("resource")
        url = entry.get("fullUrl")
        if isinstance(url, str):
            yield from _one_url(url, resource, at)
            if url in seen and not history:
                text = f"Entry {seen[url]} has the same fullUrl; give every entry its own."
                yield finding(Path(at, "fullUrl"), "full-url-duplicate", text)
            seen.setdefault(url, index)
        elif url is None and needs_url and isinstance(resource, dict):
            text = "The entry has no fullUrl; give it the server's URL of the resource, or urn:uuid: and a UUID."
            yield finding(Path(at, "fullUrl"), "full-url-missing", text)
        if isinstance(resource, dict) and not history:
            name = f"{resource.get('resourceType')}/{resource.get('id')}"
            if isinstance(resource.get("id"), str) and name in names and entries[names[name]].get("fullUrl") != url:
                text = f"Entry {names[name]} holds the same type and id; references to it are ambiguous."
                yield finding(Path(at, "resource"), "entry-duplicate", text, severity="warning")
            names.setdefault(name, index)


def _one_url(url: str, resource: Any, at: Path) -> Iterator[Finding]:
    where = Path(at, "fullUrl")
    if not url.startswith(("http://", "https://", "urn:uuid:", "urn:oid:", "urn:")):
        yield finding(where, "full-url", "A fullUrl is absolute: the server's URL of the resource, or urn:uuid:….")
        return
    parts = reference_parts(url) if url.startswith("http") else None
    if parts is None or not isinstance(resource, dict):
        return
    if parts[1] != resource.get("resourceType"):
        text = f"The fullUrl names a {parts[1]}, the resource is of another type; make them agree."
        yield finding(where, "full-url", text)
    elif isinstance(resource.get("id"), str) and resource["id"] != parts[2]:
        yield finding(where, "full-url", "The fullUrl ends with another id than the resource has; make them agree.")


def unresolved(bundle_type: Any, reference: str, path: Path, profile: str) -> Finding | None:
    """What to say about a reference that leads to no entry."""
    if reference.startswith("urn:"):
        text = (
            "No entry has this fullUrl, and a urn: can be found nowhere else; add the entry or correct the reference."
        )
        return finding(path, "reference-unresolved", text, profile)
    if str(bundle_type) in _SELF_CONTAINED and not reference.startswith("#"):
        text = "The bundle does not contain what this refers to; add the resource as an entry."
        return finding(path, "reference-unresolved", text, profile, "warning")
    return None
