"""A PAS Request Bundle, read: the request as the core wants it, or one 400 that names every fault.

Source: PAS 2.2.1 and 2.0.1 request bundle and Claim profiles; statements spec-12..22, conf-5, conf-12, conf-14. Only
what makes a request impossible to process is a fault; anything else that is odd becomes a warning and travels with
the answer.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

from precert.authorization.deciding.answers import answers
from precert.authorization.deciding.evidence import (
    UNESTABLISHED,
    about_somebody_else,
    assertions,
    clinical_evidence,
    diagnosis_state,
    established,
    holds,
    unpacked,
)
from precert.authorization.deciding.parties import contradicts, party, provider_doubts, provider_npis
from precert.authorization.deciding.person import Patient
from precert.authorization.deciding.resource_versions import counting
from precert.authorization.deciding.standing import diagnosis_evidence
from precert.authorization.record.case import Party
from precert.authorization.usecases.on_file import taken, withdrawn
from precert.authorization.usecases.submission import Submission
from precert.eligibility.directory import Directory, npis
from precert.fhir import json
from precert.fhir.bundle import BundleIndex, Entry, reference_of
from precert.fhir.coding import codes
from precert.fhir.dates import parse_date
from precert.fhir.extension import extension, extension_value
from precert.fhir.types import Element, Resource, elements, text
from precert.fhir.versions import CURRENT
from precert.pas import urls
from precert.pas.findings import Findings
from precert.pas.items import CANCEL, read_items
from precert.pas.prior import line_numbers_of, prior_of, token, tokens
from precert.pas.references import (
    another_payer,
    care_team,
    named_coverage,
    named_party,
    named_subscriber,
    payor_is_us,
)
from precert.pas.request_bundle import check_one_claim, check_repetition, request_claim
from precert.pas.service_requests import read_orders
from precert.pas.subjects import check_birth_date, left_out

MAX_ITEMS = 999
_URGENT = frozenset({"U", "03"})


class Diagnosis(NamedTuple):
    """One ``Claim.diagnosis``: its sequence, the concept, where it stands, and what a Condition would say of it: when it
    was recorded, how certain and how current it is."""

    sequence: int
    concept: Element
    where: str
    state: Element

    @property
    def made(self) -> bool:
        """Whether the patient is said to have it; a differential or a refuted diagnosis is none of the line's."""
        return holds(self.state)


def read_request(
    raw: bytes,
    bundle: Resource,
    submitter: str,
    directory: Directory,
    *,
    root: str = "",
    version: str = CURRENT.name,
    inquiry: bool = False,
) -> Submission:
    """Take a ``Claim/$submit`` body apart. Raises FhirError(400) with every fault found.

    ``root`` is the server's URL as the sender reached it, ``version`` the IG version of the base it used.
    An ``inquiry`` has the same shape but needs neither items nor a Coverage.
    """
    found = Findings()
    index = BundleIndex(bundle)
    claim = request_claim(bundle, index, found, "PAS Inquiry Request Bundle" if inquiry else "PAS Request Bundle")
    resource = claim.resource
    patient = named_party(index, claim, "patient", ("Patient",), found)
    whose = Patient(patient.resource, patient.full_url) if patient is not None else None
    if patient is not None:
        check_birth_date(patient, found)
    requester = named_party(index, claim, "provider", ("Organization", "Practitioner", "PractitionerRole"), found)
    if requester is not None and contradicts(index, requester, resource["provider"]):
        said = "The NPI in Claim.provider.identifier is none of the provider that it refers to. Correct one of them."
        found.fault("business-rule", "provider-identifier", f"{claim.path}.provider.identifier", said)
    insurer = named_party(index, claim, "insurer", ("Organization",), found)
    coverage = named_coverage(index, claim, directory, found, required=not inquiry)
    diagnoses = _diagnoses(index, claim, whose, found)
    cancel_all = _certification(resource) == CANCEL
    by_sequence = {d.sequence: d.concept for d in diagnoses if d.made}
    performers: dict[Party, tuple[str, ...]] = {}
    lines = read_items(
        index,
        claim,
        by_sequence,
        found,
        MAX_ITEMS,
        required=not (cancel_all or inquiry),
        crosswalk=directory.crosswalk,
        performers=performers,
    )
    check_repetition(index, found)
    if not inquiry:
        check_one_claim(index, claim, found)
    found.refuse_if_any()
    assert patient is not None
    assert whose is not None
    foreign = about_somebody_else(index, whose)
    not_counted = left_out(foreign, found)
    excluded = {entry.path for entry, _ in foreign}
    taken_back = withdrawn(index)
    everything = [entry for entry in unpacked(index) if entry.path not in excluded and not taken(entry, taken_back)]
    subscriber = named_subscriber(index, claim, coverage, directory) if coverage else None
    identity = token(bundle.get("identifier"))
    us = directory.is_us(insurer.resource if insurer else None, (resource["insurer"] or {}).get("identifier"))
    numbers = provider_npis(index, requester) if requester is not None else npis(resource["provider"])
    claim_identifiers, line_numbers = tokens(resource), line_numbers_of(resource)
    days = [line.service_start for line in lines if line.service_start is not None]
    day = min(days, default=parse_date(resource.get("created")))
    cancels = cancel_all or any(line.request == "cancel" for line in lines)
    return Submission(
        raw=raw,
        bundle=bundle,
        digest=hashlib.sha256(json.dumps(_sorted(bundle))).hexdigest(),
        identity=identity,
        identifiers=tuple(filter(None, [identity, *claim_identifiers])),
        submitter=submitter,
        claim=claim.full_url,
        claim_resource=resource,
        patient=patient.resource,
        coverage=coverage.resource if coverage else {},
        subscriber=subscriber,
        insurer=resource["insurer"],
        us=us,
        requester=party(
            requester.resource if requester else None, _reference(requester, resource["provider"]), numbers
        ),
        requester_npis=tuple(numbers),
        requester_doubts=tuple(provider_doubts(index, requester, resource["provider"], day)),
        requester_ids=tokens(requester.resource if requester else resource["provider"]),
        care_team_npis=tuple(care_team(index, claim)),
        track="expedited" if _level_of_service(resource) in _URGENT else "standard",
        lines=tuple(lines),
        evidence=[
            *clinical_evidence(everything),
            *diagnosis_evidence((d.concept, d.where, d.state) for d in diagnoses),
        ],
        answers=answers(everything),
        assertions=assertions(everything),
        transmission=extension(resource, urls.TRANSMISSION),
        prior=prior_of(index, claim, claim_identifiers, line_numbers, cancels=cancels),
        line_numbers=line_numbers,
        cancel_all=cancel_all,
        root=root,
        version=version,
        warnings=tuple(found.warnings),
        orders=read_orders(index, claim, whose, lines, directory.crosswalk),
        payor_is_us=payor_is_us(index, coverage, directory) if coverage else None,
        another_payer=another_payer(index, claim, coverage, directory, day),
        is_beneficiary=whose.named(coverage.resource.get("beneficiary"), coverage, index) if coverage else None,
        patient_url=patient.full_url,
        not_counted=not_counted,
        insurer_ids=tokens(insurer.resource if insurer else resource["insurer"]),
        claim_identifiers=claim_identifiers,
        performers=performers,
    )


def _diagnoses(index: BundleIndex, claim: Entry, whose: Patient | None, found: Findings) -> list[Diagnosis]:
    listed = []
    for position, diagnosis in enumerate(elements(claim.resource.get("diagnosis"))):
        where = f"Claim.diagnosis[{position}]"
        concept = diagnosis.get("diagnosisCodeableConcept")
        state: Element = {}
        if not isinstance(concept, dict):
            condition = index.resolve(diagnosis.get("diagnosisReference"), claim)
            own = condition is not None and whose is not None and whose.has(condition, index) is True
            if condition is not None and own:
                known = counting(condition, index.called("Condition", condition.id) if condition.id else [condition])
                concept = (known or condition).resource.get("code")
                # of versions that differ nobody knows which is meant
                state = diagnosis_state(known.resource) if known else {"verificationStatus": UNESTABLISHED}
            if condition is not None and not own:
                path = f"{claim.path}.diagnosis[{position}].diagnosisReference"
                text_ = "The Condition is not about the patient of the Claim; the diagnosis is not used."
                found.warn("business-rule", "other-subject", path, text_)
                continue
        if isinstance(concept, dict):
            if recorded := text(extension_value(diagnosis, urls.DIAGNOSIS_RECORDED)):
                state["recordedDate"] = recorded
            if not established(diagnosis.get("type")):
                state["verificationStatus"] = UNESTABLISHED
            sequence = diagnosis.get("sequence")
            listed.append(Diagnosis(sequence if isinstance(sequence, int) else position + 1, concept, where, state))
        else:
            found.warn(
                "incomplete", "diagnosis-empty", f"{claim.path}.diagnosis[{position}]", "This diagnosis names no code."
            )
    return listed


def _reference(entry: Entry | None, element: Element) -> str | None:
    return (entry.full_url or None) if entry else reference_of(element)


def _certification(element: Element) -> str | None:
    code = next(codes(extension_value(element, urls.CERTIFICATION_TYPE)), None)
    return code.code if code else None


def _level_of_service(claim: Resource) -> str | None:
    code = next(codes(extension_value(claim, urls.LEVEL_OF_SERVICE)), None)
    return code.code if code else None


def _sorted(value: object) -> object:
    """The same content in one order of members, so that a re-serialized repetition is still a repetition."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(member) for member in value]
    return value
