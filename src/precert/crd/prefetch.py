"""The data of one call: prefetch read as it comes, and what is fetched later, by ``Type/id`` (docs/crd.md).

A prefetch value may be one resource, a Bundle, ``null`` (asked, nothing there), an OperationOutcome (failed) or malformed;
an absent key was not attempted. Whatever is wrong with a key stays in that key.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from precert.authorization.deciding.evidence import ADMINISTRATIVE
from precert.authorization.deciding.person import NO_SUBJECT, Patient, names_nobody
from precert.authorization.deciding.resource_versions import same_content
from precert.fhir.bundle import BundleIndex, Entry, type_and_id
from precert.fhir.types import Element, JsonValue, Resource, elements, text

KeyState = Literal["present", "nothing", "failed", "malformed"]

_OF_NOBODY = ADMINISTRATIVE - {"QuestionnaireResponse"} | NO_SUBJECT
_WITHOUT_ID = "urn:precert:without-id:"


class Accessed(NamedTuple):
    """For the CRD metrics: what was read. ``prefetched`` is false for what came over the FHIR server."""

    type: str
    prefetched: bool


class Pool:
    """Everything known in one call. The first resource of a ``Type/id`` counts; context comes before prefetch."""

    def __init__(self, base: str | None = None) -> None:
        self.base = base
        self.states: dict[str, KeyState] = {}
        self.next_pages: list[str] = []
        self.accessed: list[Accessed] = []
        self._known: dict[tuple[str, str], tuple[Resource, bool]] = {}
        self.contested: set[tuple[str, str]] = set()
        self.index = BundleIndex({"resourceType": "Bundle"})  # of everything, to resolve references in
        self._of_patient: tuple[list[Entry], list[Entry]] | None = None
        self._patient: tuple[str, Patient] | None = None

    def read_prefetch(self, prefetch: Element) -> None:
        """Take every resource in, whatever its key is called."""
        for key, value in prefetch.items():
            self.states[key] = self.add(value, prefetched=True)

    def add(self, value: JsonValue, *, prefetched: bool) -> KeyState:
        """Take one value in, of any shape, and say what it was."""
        if value is None:
            return "nothing"
        if isinstance(value, list):
            states = [self.add(member, prefetched=prefetched) for member in value]
            return "present" if "present" in states else "nothing"
        if not isinstance(value, dict):
            return "malformed"
        kind = text(value.get("resourceType"))
        if kind is None:
            # The pre-1.0 layout, still sent by old clients: {"response": ..., "resource": ...}
            return self.add(value["resource"], prefetched=prefetched) if "resource" in value else "malformed"
        if kind == "OperationOutcome":
            return "failed"
        if kind == "Bundle":
            return self._add_bundle(value, prefetched=prefetched)
        self.add_resource(value, None, prefetched=prefetched)
        return "present"

    def _add_bundle(self, bundle: Resource, *, prefetched: bool) -> KeyState:
        found, failed = False, False
        for entry in elements(bundle.get("entry")):
            resource = entry.get("resource")
            if not isinstance(resource, dict):
                continue
            if resource.get("resourceType") == "OperationOutcome":
                failed = True
                continue
            if resource.get("resourceType") == "Bundle":  # the answers of a batch
                found = self._add_bundle(resource, prefetched=prefetched) == "present" or found
                continue
            self.add_resource(resource, text(entry.get("fullUrl")), prefetched=prefetched)
            found = True
        for link in elements(bundle.get("link")):
            if link.get("relation") == "next" and (url := text(link.get("url"))):
                self.next_pages.append(url)
        return "present" if found else "failed" if failed else "nothing"

    def add_resource(
        self, resource: Resource, full_url: str | None, *, prefetched: bool, drafted: bool = False
    ) -> None:
        """Take one resource in, unless its ``Type/id`` is known. ``drafted``: it stands in the call's context, which is newer than
        what is stored; two of one kind that say different things are ``contested``."""
        kind, id_ = text(resource.get("resourceType")), text(resource.get("id"))
        if kind is None:
            return
        if id_ is not None:
            known = self._known.get((kind, id_))
            if known is not None:
                if known[1] is drafted and not same_content(known[0], resource):
                    self.contested.add((kind, id_))
                return
            self._known[kind, id_] = resource, drafted
            full_url = full_url or (f"{self.base}/{kind}/{id_}" if self.base else None)
        place = len(self.index.entries)
        path = f"prefetch.entry[{place}].resource"
        self.index.add(Entry(place, full_url or f"{_WITHOUT_ID}{place}", resource, path))
        self.accessed.append(Accessed(kind, prefetched))
        self._of_patient = self._patient = None

    def has(self, reference: str) -> bool:
        """Whether the resource that a ``Type/id`` means is here."""
        key = type_and_id(reference)
        return key is not None and key in self._known

    def patient(self, id: str) -> Patient:
        """The patient of the call, as references in the client's system name them."""
        if self._patient is None or self._patient[0] != id:
            found = self.index.resolve(f"Patient/{id}")
            resource = found.resource if found is not None else {"resourceType": "Patient", "id": id}
            url = f"{self.base}/Patient/{id}" if self.base else found.full_url if found is not None else ""
            self._patient = (id, Patient(resource, url, one_server=True))
        return self._patient[1]

    def of_patient(self, patient: str) -> list[Entry]:
        """The entries about the patient, and those about no person at all. One call has one patient; looked through once."""
        return self._sorted(patient)[0]

    def not_of_patient(self, patient: str) -> list[Entry]:
        """The entries that are about somebody else, or do not say in a way that can be matched whom they are about."""
        return self._sorted(patient)[1]

    def _sorted(self, patient: str) -> tuple[list[Entry], list[Entry]]:
        if self._of_patient is None:
            whose = self.patient(patient)
            of: list[Entry] = []
            others: list[Entry] = []
            for entry in self.index.entries:
                (of if about(entry, whose, self.index) else others).append(entry)
            self._of_patient = of, others
        return self._of_patient


def about(entry: Entry, whose: Patient, index: BundleIndex) -> bool:
    """Whether a resource is about the patient, or is of a type that is about nobody (an Organization).

    A Coverage whose beneficiary cannot be matched stays: its member number may tell.
    """
    verdict = whose.has(entry, index)
    if verdict is None:
        return entry.type == "Coverage" or (entry.type in _OF_NOBODY and names_nobody(entry))
    return verdict


def relative(reference: str, base: str | None) -> str | None:
    """``Type/id`` if the reference is relative or leads to the client's own server; ``None`` if it leads elsewhere.

    A token must never be sent to a server that the client did not name.
    """
    if "://" in reference:
        if base is None or not reference.startswith(f"{base}/"):
            return None
        reference = reference[len(base) + 1 :]
    found = type_and_id(reference)
    return "/".join(found) if found and not reference.startswith(("#", "urn:")) else None
