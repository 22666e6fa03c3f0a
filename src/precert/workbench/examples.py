"""The shipped example requests, for the console: each with its line of explanation and the operation that it is for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from precert.fhir import json
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element, elements, text

FOLDERS = {
    "pas": "Prior authorization requests (PAS)",
    "crd": "Hooks while ordering (CRD)",
    "dtr": "Documentation (DTR)",
}
_EXPLANATION = "urn:precert:example"


@dataclass(frozen=True, slots=True)
class Example:
    """One file. ``operation`` is the console's key for where it goes; empty when it cannot be told."""

    folder: str
    name: str
    explanation: str
    operation: str
    content: bytes


def shipped_examples() -> Path:
    """The examples that come with precert: inside the wheel, or beside ``src`` in a checkout."""
    packaged = Path(str(resources.files("precert"))) / "_data" / "examples"
    return packaged if packaged.is_dir() else Path(__file__).resolve().parents[3] / "examples"


class Examples:
    """All examples below ``root``, read once: they are part of the program."""

    def __init__(self, root: Path) -> None:
        self._found: Mapping[tuple[str, str], Example] = {(e.folder, e.name): e for e in _read(root)}

    def get(self, folder: str, name: str) -> Example | None:
        """One example by folder and file name without ``.json``."""
        return self._found.get((folder, name.removesuffix(".json")))

    @property
    def groups(self) -> list[tuple[str, list[Example]]]:
        """By folder, under its heading; folders without files are left out."""
        grouped = [
            (label, [e for e in self._found.values() if e.folder == folder]) for folder, label in FOLDERS.items()
        ]
        return [(label, members) for label, members in grouped if members]


def _read(root: Path) -> Iterator[Example]:
    for folder in FOLDERS:
        for path in sorted((root / folder).glob("*.json")):
            content = path.read_bytes()
            try:
                body = json.loads(content)
            except FhirError:  # a file that is no JSON is no example; the tests of the examples find it
                continue
            if isinstance(body, dict):
                yield Example(folder, path.stem, explanation(body), operation(body), content)


def explanation(body: Element) -> str:
    """The line that says what the example shows: a tag of a resource, an extension of a hook request."""
    resources = [body, *(e["resource"] for e in elements(body.get("parameter")) if isinstance(e.get("resource"), dict))]
    for resource in resources:
        meta = resource.get("meta")
        for tag in elements(meta.get("tag")) if isinstance(meta, dict) else ():
            if tag.get("system") == _EXPLANATION and (shown := text(tag.get("display"))):
                return shown
    extension = body.get("extension")
    if isinstance(extension, dict):
        for key, value in extension.items():
            if "example" in key and (shown := text(value)):
                return shown
    return ""


def operation(body: Element) -> str:
    """Where a request of this shape is sent: ``submit``, ``inquire``, ``hook-order-sign`` and so on."""
    if hook := text(body.get("hook")):
        return f"hook-{hook}"
    kind = body.get("resourceType")
    if kind == "Parameters":
        names = {str(p.get("name")) for p in elements(body.get("parameter"))}
        if "TrackingId" in names:
            return "attach"
        if "operationOutcome" in names:
            return "form-errors"
        if names & {"url", "valueSet"}:
            return "expand"
        if names & {"questionnaire", "order", "coverage", "context"}:
            return "package"
        return "inquire"
    if kind == "QuestionnaireResponse":
        return "next"
    first = next((e.get("resource") for e in elements(body.get("entry"))), None)
    if kind == "Bundle" and isinstance(first, dict) and first.get("resourceType") == "Claim":
        return "inquire" if "inquiry" in str(first.get("meta")) or "inquiry" in str(body.get("meta")) else "submit"
    return ""
