"""What is on file for a case: the evidence and answers of every version of its request and of everything attached to it.

A provider who updates a request need not send again what the payer has (PAS spec-68: an update names what changed). So what
arrived earlier counts until something newer replaces it: a resource with the same type and id, or the same resource
under another id, as EHRs render them anew (but an older version, by its ``meta``, that comes late brings nothing back); a QuestionnaireResponse with the same id or identifier, whole, even if the newer one was
withdrawn; an answer to the same question of the same form. Diagnoses on the Claim are those
of its newest version, because each version states all of them. What a version marks as taken back
(``supportingInfo`` with infoCancelled, PAS spec-69) counts no more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from precert.authorization.deciding.answers import answers, merged
from precert.authorization.deciding.evidence import ON_CLAIM, about_somebody_else, clinical_evidence, unpacked
from precert.authorization.deciding.person import Patient
from precert.authorization.deciding.replaced_documents import standing_items
from precert.authorization.deciding.resource_versions import newer
from precert.authorization.deciding.response_versions import Version, response_versions
from precert.authorization.record.case import Case
from precert.authorization.usecases.submission import Submission
from precert.fhir import json
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.extension import extension_value
from precert.fhir.types import Resource, elements
from precert.policy.types import Answer, EvidenceItem

_CANCELLED = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/modifierextension-infoCancelled"
_BY_ID = "id|"
_RENDERED = frozenset({"id", "meta", "text", "reference", "fullUrl", "identifier"})
"""What an EHR may render anew though the content is the same."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What one stored bundle says that rules may read; ``withdrawn`` are keys of what it takes back, ``responses``
    all its QuestionnaireResponses, also those that do not count."""

    evidence: Sequence[EvidenceItem]
    answers: Mapping[str, Answer]
    withdrawn: frozenset[str] = frozenset()
    responses: tuple[Version, ...] = ()


def filed(case: Case) -> list[str]:
    """The ids of the bundles on file that the rules may read, oldest first: versions of the request, and attachments but for
    those of senders whom nobody knows."""
    found = [case.opened.submission]
    for event in case.events:
        if event.updated is not None:
            found.append(event.updated.submission)
        elif event.ev == "evidence" and "bundle" in event.detail and "unknownSender" not in event.detail:
            found.append(str(event.detail["bundle"]))
    return list(dict.fromkeys(found))


def contents(bundle: Resource, whose: Patient) -> Contents:
    """What a stored request, or something attached to one about ``whose``, says. What is about anybody else says nothing."""
    index = BundleIndex(bundle)
    excluded = {entry.path for entry, _ in _foreign(index, whose)}
    taken_back = withdrawn(index)
    entries = [entry for entry in unpacked(index) if entry.path not in excluded and not taken(entry, taken_back)]
    return Contents(clinical_evidence(entries), answers(entries), taken_back, response_versions(entries))


def taken(entry: Entry, taken_back: frozenset[str]) -> bool:
    """Whether ``entry`` is one of those that were taken back."""
    return bool(taken_back) and bool(taken_back & _keys(entry.resource))


def withdrawn(index: BundleIndex) -> frozenset[str]:
    """Keys of the resources that a Claim's cancelled ``supportingInfo`` refers to."""
    claim = index.entries[0] if index.entries and index.entries[0].type == "Claim" else None
    found: set[str] = set()
    for info in elements(claim.resource.get("supportingInfo")) if claim is not None else ():
        if extension_value(info, _CANCELLED, modifier=True) is True:
            target = index.resolve(info.get("valueReference"), claim)
            found |= _keys(target.resource) if target is not None else set()
    return frozenset(found)


def with_files(newest: Submission, files: Sequence[Contents]) -> Submission:
    """``newest`` with all of ``files`` (oldest first; its own content is one of them)."""
    pool: list[tuple[frozenset[str], EvidenceItem]] = []
    for file in files:
        arrived = [item for item in file.evidence if not item.reference.startswith(ON_CLAIM)]
        known = {key: item.resource for keys, item in pool for key in keys if key.startswith(_BY_ID)}
        coming = [(_keys(item.resource), item) for item in arrived]
        coming = [(keys, item) for keys, item in coming if not _late(keys, item.resource, known)]
        replaced = file.withdrawn.union(*(keys for keys, _ in coming))
        pool = [(keys, item) for keys, item in pool if not keys & replaced] + coming
    own = [item for item in newest.evidence if item.reference.startswith(ON_CLAIM)]
    return replace(newest, evidence=[*standing_items([item for _, item in pool]), *own], answers=told_by(files))


def _late(keys: frozenset[str], resource: Resource, known: Mapping[str, Resource]) -> bool:
    """Whether it is an older version of something on file, by what both say of themselves; it brings nothing back."""
    return any(key in known and newer(known[key], resource) is True for key in keys)


def told_by(files: Sequence[Contents]) -> dict[str, Answer]:
    """The answers of all of ``files`` (oldest first). Of one response its newest version counts, by what it says of its
    time, else the one that came last; an older one that comes late brings nothing back."""
    told: dict[str, Answer] = {}
    known: list[Version] = []
    for file in files:
        late = [one for one in file.responses if any(one.keys & each.keys and each.newer(one) for each in known)]
        fresh = [one for one in file.responses if one not in late]
        again = frozenset[str]().union(*(one.keys for one in fresh))
        replaced = [_key(each) for each in known if each.keys & again]
        arriving = _without(file.answers, frozenset(map(_key, late)).difference(map(_key, fresh)))
        told = merged(_without(told, file.withdrawn.union(again, replaced)), arriving)
        known.extend(fresh)
    return told


def _each(answer: Answer) -> tuple[Answer, ...]:
    """The answers to one question, one by one."""
    return (replace(answer, others=()), *answer.others)


def _without(told: Mapping[str, Answer], responses: frozenset[str]) -> dict[str, Answer]:
    """``told`` without the answers of ``responses``, which were taken back or came again."""
    kept: dict[str, Answer] = {}
    for name, answer in told.items():
        left = [one for one in _each(answer) if _response(one) not in responses]
        if left:
            kept[name] = replace(left[0], others=tuple(left[1:]))
    return kept


def _key(version: Version) -> str:
    return "id|" + version.reference


def _response(answer: Answer) -> str:
    return "id|" + answer.reference.rpartition("#")[0]


def content_keys(bundle: Resource) -> frozenset[str]:
    """By what the resources of a request are known again, however they are rendered."""
    return frozenset(content_key(_undated(entry.resource)) for entry in BundleIndex(bundle).entries)


def _undated(resource: Resource) -> Resource:
    """A Claim without the day on which it was written, which is that of the rendering, and with its items by number."""
    if resource.get("resourceType") != "Claim":
        return resource
    kept = {key: value for key, value in resource.items() if key not in ("created", "related")}
    items = sorted(elements(resource.get("item")), key=lambda item: str(item.get("sequence")))
    return kept | ({"item": items} if items else {})


def _foreign(index: BundleIndex, whose: Patient) -> list[tuple[Entry, bool]]:
    """A request names its patient by ids of its own; who attaches something has said whom all of it is about."""
    claim = index.entries[0] if index.entries and index.entries[0].type == "Claim" else None
    patient = index.resolve(claim.resource.get("patient"), claim) if claim is not None else None
    if patient is None:
        return about_somebody_else(index, whose, vouched=True)
    return about_somebody_else(index, Patient(patient.resource, patient.full_url))


def _keys(resource: Resource) -> frozenset[str]:
    """By what a resource is known again: its type and id, and its content."""
    id = resource.get("id")
    own = [f"{_BY_ID}{resource.get('resourceType')}/{id}"] if id else []
    return frozenset([*own, content_key(resource)])


def content_key(resource: Resource) -> str:
    """The same for two renderings of one resource: without ids, narrative, identifiers and references."""
    return "content|" + json.dumps(_bare(resource)).decode()


def _bare(value: object) -> object:
    if isinstance(value, dict):
        return {key: _bare(value[key]) for key in sorted(value) if key not in _RENDERED}
    return [_bare(member) for member in value] if isinstance(value, list) else value
