"""A PAS Request Bundle, read: the request as the core wants it, or one 400 that names every fault.

Source: PAS 2.2.1 and 2.0.1 request bundle and Claim profiles; statements spec-12..22, conf-5, conf-12, conf-14. Only
what makes a request impossible to process is a fault; anything else that is odd becomes a warning and travels with
the answer.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
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
from precert.authorization.deciding.parties import party
from precert.authorization.deciding.person import Patient
from precert.authorization.deciding.resource_versions import counting
from precert.authorization.deciding.standing import diagnosis_evidence
from precert.authorization.record.numbers import is_valid
from precert.authorization.usecases.on_file import taken, withdrawn
from precert.authorization.usecases.submission import Prior, Submission
from precert.eligibility.directory import Directory
from precert.fhir import json
from precert.fhir.bundle import BundleIndex, Entry, absolute, reference_of, type_and_id
from precert.fhir.coding import codes
from precert.fhir.extension import extension, extension_value
from precert.fhir.outcome import quoted
from precert.fhir.types import Element, Resource, elements, text
from precert.fhir.versions import CURRENT
from precert.pas import urls
from precert.pas.findings import Findings
from precert.pas.items import CANCEL, read_items
from precert.pas.references import (
    another_payer,
    care_team,
    named_coverage,
    named_party,
    named_subscriber,
    payor_is_us,
    provider_npis,
)
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
    claim = _claim(bundle, index, found, "PAS Inquiry Request Bundle" if inquiry else "PAS Request Bundle")
    resource = claim.resource
    patient = named_party(index, claim, "patient", ("Patient",), found)
    whose = Patient(patient.resource, patient.full_url) if patient is not None else None
    if patient is not None:
        check_birth_date(patient, found)
    requester = named_party(index, claim, "provider", ("Organization", "Practitioner", "PractitionerRole"), found)
    insurer = named_party(index, claim, "insurer", ("Organization",), found)
    coverage = named_coverage(index, claim, directory, found, required=not inquiry)
    diagnoses = _diagnoses(index, claim, whose, found)
    cancel_all = _certification(resource) == CANCEL
    by_sequence = {d.sequence: d.concept for d in diagnoses if d.made}
    lines = read_items(
        index,
        claim,
        by_sequence,
        found,
        MAX_ITEMS,
        required=not (cancel_all or inquiry),
        crosswalk=directory.crosswalk,
    )
    _check_repetition(index, found)
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
    identity = _token(bundle.get("identifier"))
    us = directory.is_us(insurer.resource if insurer else None, (resource["insurer"] or {}).get("identifier"))
    numbers = provider_npis(index, requester)
    claim_identifiers, line_numbers = _tokens(resource), _numbers(resource)
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
        requester_ids=_tokens(requester.resource if requester else resource["provider"]),
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
        prior=_prior(index, claim, claim_identifiers, line_numbers, cancels=cancels),
        line_numbers=line_numbers,
        cancel_all=cancel_all,
        root=root,
        version=version,
        warnings=tuple(found.warnings),
        orders=read_orders(index, claim, whose, lines, directory.crosswalk),
        payor_is_us=payor_is_us(index, coverage, directory) if coverage else None,
        another_payer=another_payer(index, claim, coverage, directory),
        is_beneficiary=whose.named(coverage.resource.get("beneficiary"), coverage, index) if coverage else None,
        patient_url=patient.full_url,
        not_counted=not_counted,
        insurer_ids=_tokens(insurer.resource if insurer else resource["insurer"]),
        claim_identifiers=claim_identifiers,
    )


def _claim(bundle: Resource, index: BundleIndex, found: Findings, wanted: str) -> Entry:
    """The Claim that must stand first in the bundle ``wanted``. Anything wrong before this point leaves nothing to look at: refuse at once."""
    kind = bundle.get("resourceType")
    if kind != "Bundle":
        text = f"This operation takes a {wanted}; the resourceType is {quoted(kind)}."
        found.fault("invalid", "not-a-bundle", "resourceType" if kind is None else str(kind)[:64], text)
        found.refuse()
    type_ = bundle.get("type")
    if type_ != "collection":
        found.fault(
            "value", "bundle-type", "Bundle.type", f"Bundle.type is {quoted(type_)}; a {wanted} is a 'collection'."
        )
    entries = bundle.get("entry")
    if not isinstance(entries, list) or not entries:
        found.fault("required", "no-entries", "Bundle.entry", "The Bundle has no entries. The first must be the Claim.")
        found.refuse()
    first = index.entries[0] if index.entries and index.entries[0].index == 0 else None
    if first is None or first.type != "Claim":
        what = f"a {first.type or 'resource without a type'}" if first else "no resource"
        found.fault(
            "structure",
            "claim-first",
            "Bundle.entry[0].resource",
            f"The first entry holds {what}; it must be the Claim (PAS statement spec-12).",
        )
        found.refuse()
    if first.resource.get("use") not in ("preauthorization", None):
        found.fault(
            "value",
            "claim-use",
            f"{first.path}.use",
            f"Claim.use is {first.resource.get('use')!r}; prior authorization needs 'preauthorization'.",
        )
    return first


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


def _check_repetition(index: BundleIndex, found: Findings) -> None:
    """PAS spec-14: a resource stands in the Bundle once. Two different resources under one fullUrl cannot be told apart."""
    seen: dict[str, Entry] = {}
    for entry in index.entries:
        if entry.full_url and (earlier := seen.setdefault(entry.full_url, entry)) is not entry:
            same = earlier.resource == entry.resource
            report = found.warn if same else found.fault
            report(
                "duplicate",
                "full-url-repeated",
                f"Bundle.entry[{entry.index}].fullUrl",
                f"fullUrl {entry.full_url} stands at entry {earlier.index} already"
                + (" with the same content." if same else " with other content. Give each resource its own fullUrl."),
            )
        if not entry.full_url:
            found.warn(
                "required", "full-url-missing", f"Bundle.entry[{entry.index}].fullUrl", "The entry has no fullUrl."
            )


def check_one_claim(index: BundleIndex, claim: Entry, found: Findings) -> None:
    """A second Claim beside the request is an earlier version of it (``Claim.related``), or a request nobody would answer."""
    earlier, following = {claim.index}, [claim]
    claims = [e for e in index.entries if e.type == "Claim" and e.container is None]
    while len(claims) > 1 and following:
        current = following.pop()
        for related in elements(current.resource.get("related")):
            meant = related.get("claim")
            logical = meant.get("identifier") if isinstance(meant, dict) else None
            named = {_token(related.get("reference")), _token(logical)}
            target, told = index.resolve(meant, current), type_and_id(reference_of(meant) or "")
            for each in claims:
                same = target is not None and target.index == each.index
                same = (
                    same or (told is not None and told == ("Claim", each.id)) or bool(named & {*_tokens(each.resource)})
                )
                if same and each.index not in earlier:
                    earlier.add(each.index)
                    following.append(each)
    for each in claims:
        if each.index not in earlier:
            found.fault(
                "structure",
                "several-claims",
                f"Bundle.entry[{each.index}].resource",
                "This is a second Claim, and no earlier version of the first (Claim.related). Send one Claim per request.",
            )


def _reference(entry: Entry | None, element: Element) -> str | None:
    return (entry.full_url or None) if entry else reference_of(element)


def _certification(element: Element) -> str | None:
    code = next(codes(extension_value(element, urls.CERTIFICATION_TYPE)), None)
    return code.code if code else None


def _numbers(claim: Resource) -> dict[int | None, tuple[str, ...]]:
    """The numbers of ours that the Claim (under ``None``) and its items give, those that give any."""
    given: dict[int | None, tuple[str, ...]] = {}
    for sequence, element in [(None, claim), *((i.get("sequence"), i) for i in elements(claim.get("item")))]:
        values = [extension_value(element, url) for url in (urls.AUTHORIZATION_NUMBER, urls.ADMIN_REFERENCE)]
        numbers = tuple(dict.fromkeys(_ours(value) for value in values if isinstance(value, str)))
        if numbers:
            given[sequence] = numbers
    return given


def _prior(
    index: BundleIndex,
    claim: Entry,
    own: tuple[str, ...],
    line_numbers: Mapping[int | None, tuple[str, ...]],
    *,
    cancels: bool,
) -> Prior | None:
    """What the request says it updates (``Claim.related``), in every way the earlier record may be known by; for a
    cancellation without ``Claim.related``, the request itself (``own`` are its identifiers) and the numbers it gives."""
    related = elements(claim.resource.get("related"))
    if not related and not cancels:
        return None
    claims: list[str] = []
    identifiers: list[str] = [] if related else list(own)
    for each in related:
        reference = each.get("claim")
        if target := reference_of(reference):
            claims += [target, absolute(target, claim)]
        earlier = index.resolve(reference, claim)
        if earlier is not None and earlier.index != claim.index:
            claims.append(earlier.full_url)
            identifiers += _tokens(earlier.resource)
        if isinstance(reference, dict) and (token := _token(reference.get("identifier"))):
            identifiers.append(token)
    numbers = [number for given in line_numbers.values() for number in given]
    return Prior(
        tuple(dict.fromkeys(filter(None, claims))),
        tuple(dict.fromkeys(identifiers)),
        tuple(dict.fromkeys(numbers)),
        related=bool(related),
        cancels=cancels,
    )


def _ours(number: str) -> str:
    """A number as it was issued: people write ours in any case, with hyphens and blanks."""
    return number.strip().upper().replace("-", "") if is_valid(number) else number


def _level_of_service(claim: Resource) -> str | None:
    code = next(codes(extension_value(claim, urls.LEVEL_OF_SERVICE)), None)
    return code.code if code else None


def _token(identifier: object) -> str | None:
    if isinstance(identifier, dict) and (value := text(identifier.get("value"))):
        return f"{text(identifier.get('system')) or ''}|{value}"
    return None


def _tokens(resource: Element) -> tuple[str, ...]:
    """``system|value`` of the identifiers that a resource (or a Reference) carries."""
    return tuple(dict.fromkeys(filter(None, (_token(i) for i in elements(resource.get("identifier"))))))


def _sorted(value: object) -> object:
    """The same content in one order of members, so that a re-serialized repetition is still a repetition."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_sorted(member) for member in value]
    return value
