"""What was attached: is it readable, and the one Bundle under which it is filed.

A document that cannot be read, or is not what its own hash or size says, is refused here with its FHIRPath; once it is on
the record nobody can mend it. Source: CDex 2.1.0 "submit-attachment" (DocumentReference, QuestionnaireResponse, Bundle
and clinical resources), FHIR R4 Attachment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from precert.cdex.parameters import Attachment
from precert.cdex.signatures import check_signatures
from precert.fhir.attachments import decoded, misstated
from precert.fhir.bundle import BundleIndex, bundle_entry
from precert.fhir.coding import codes
from precert.fhir.outcome import FhirError, Issue, quoted
from precert.fhir.types import Element, Resource, elements, text

_TYPE = re.compile(r"[A-Z][A-Za-z]{2,63}", re.ASCII)
_NO_EVIDENCE = frozenset(
    {"Parameters", "OperationOutcome", "Claim", "ClaimResponse", "Subscription", "Questionnaire", "CapabilityStatement"}
)
_DONE = ("completed", "amended")

Review = Callable[[Resource, str], Sequence[Issue]]
"""Judges a QuestionnaireResponse at a FHIRPath against the form that it answers; the DTR room's, handed in."""


@dataclass(frozen=True, slots=True)
class Read:
    """The attachments after reading: what to file, what to call each one, and what is worth telling the sender."""

    entries: tuple[Element, ...]
    names: tuple[str, ...]
    notes: tuple[Issue, ...]


def read_attachments(attachments: Sequence[Attachment], review: Review) -> Read:
    """Check every attachment. Raises FhirError (400 or 422) with every fault found."""
    faults: list[Issue] = []
    notes: list[Issue] = []
    entries: list[Element] = []
    names: list[str] = []
    status = 400
    for number, attachment in enumerate(attachments, start=1):
        for resource, path in _inside(attachment.content, attachment.path):
            faults.extend(_documents(resource, path))
            notes.extend(_signed(resource, path))
        unfit = list(_unfit(attachment, review))
        if any(issue.severity == "error" for issue in unfit):
            status = 422 if not faults else 400
        faults.extend(issue for issue in unfit if issue.severity == "error")
        notes.extend(issue for issue in unfit if issue.severity != "error")
        entries.append(bundle_entry(_full_url(attachment.content, number), attachment.content))
        names.append(_name(attachment))
    if faults:
        raise FhirError(status, faults)
    return Read(tuple(entries), tuple(names), tuple(notes))


def evidence_bundle(id: str, entries: Sequence[Element]) -> Resource:
    """The Bundle that is filed on the record; its entries are the attachments as they arrived."""
    return {"resourceType": "Bundle", "id": id, "type": "collection", "entry": list(entries)}


def _inside(resource: Resource, path: str) -> Iterator[tuple[Resource, str]]:
    yield resource, path
    if resource.get("resourceType") == "Bundle":
        for entry in BundleIndex(resource, path).entries:
            yield entry.resource, entry.path


def _full_url(resource: Resource, number: int) -> str:
    id = text(resource.get("id"))
    return f"{resource['resourceType']}/{id}" if id else f"#attachment-{number}"


def _name(attachment: Attachment) -> str:
    resource = attachment.content
    kind = str(resource["resourceType"])
    id = text(resource.get("id"))
    code = attachment.code or next(codes(resource.get("type") if kind == "DocumentReference" else None), None)
    return f"{kind}{f'/{id[:64]}' if id else ''}{f' ({code.code[:20]})' if code else ''}"


def _unfit(attachment: Attachment, review: Review) -> Iterator[Issue]:
    kind = str(attachment.content["resourceType"])
    if not _TYPE.fullmatch(kind) or kind in _NO_EVIDENCE:
        text_ = f"A {kind[:64]} is no attachment. Send a DocumentReference, a QuestionnaireResponse, a Bundle of them, "
        yield Issue("error", "not-supported", text_ + "or a clinical resource.", attachment.path, "attachment-type")
        return
    if kind == "Bundle" and not BundleIndex(attachment.content).entries:
        yield Issue("error", "required", "The Bundle is empty.", f"{attachment.path}.entry", "attachment-empty")
    for resource, path in _inside(attachment.content, attachment.path):
        if resource.get("resourceType") != "QuestionnaireResponse":
            continue
        status = resource.get("status")
        if status not in _DONE:
            text_ = f"The status of the QuestionnaireResponse is {quoted(status)}. Send it when it is completed."
            yield Issue("error", "business-rule", text_, f"{path}.status", "questionnaire-not-completed")
        yield from review(resource, path)


def _signed(resource: Resource, path: str) -> Iterator[Issue]:
    for checked in check_signatures(resource, path):
        if not checked.verified:
            text_ = "The signature is kept, but it could not be verified over the content as it arrived."
            yield Issue("warning", "informational", text_, checked.path, "signature-unverified")


def _documents(resource: Resource, path: str) -> Iterator[Issue]:
    if resource.get("resourceType") != "DocumentReference":
        return
    contents = elements(resource.get("content"))
    if not contents:
        text_ = "The DocumentReference has no content. Put the document into content.attachment.data."
        yield Issue("error", "required", text_, f"{path}.content", "document-empty")
    for index, content in enumerate(contents):
        attachment, where = content.get("attachment"), f"{path}.content[{index}].attachment"
        if not isinstance(attachment, dict) or not (text(attachment.get("data")) or text(attachment.get("url"))):
            text_ = "The attachment has neither data nor url. Send the document inline, as base64 in data."
            yield Issue("error", "required", text_, where, "document-empty")
        elif text(attachment.get("data")) is None:
            text_ = (
                "The attachment is a url only, and this server fetches no documents, so nothing of it was received. "
                "Send the document inline, as base64 in data."
            )
            yield Issue("error", "not-supported", text_, f"{where}.url", "document-elsewhere")
        else:
            yield from _document(attachment, where)


def _document(attachment: Element, where: str) -> Iterator[Issue]:
    document = decoded(attachment)
    if document is None:
        text_ = "The document is not base64. Encode its bytes again (RFC 4648, with padding)."
        yield Issue("error", "value", text_, f"{where}.data", "document-encoding")
        return
    wrong = misstated(attachment, document)
    if wrong == "size":
        said = str(attachment.get("size"))[:40]
        text_ = (
            f"The document has {len(document)} bytes and its size says {said}. It may have been cut off; send it again."
        )
        yield Issue("error", "value", text_, f"{where}.size", "document-size")
    if wrong == "hash":
        text_ = "The document does not match its hash (SHA-1, base64). It was damaged on the way; send it again."
        yield Issue("error", "value", text_, f"{where}.hash", "document-hash")
