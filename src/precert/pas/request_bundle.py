"""What a PAS Request Bundle has to look like before anything in it is read: one Claim first, each resource once.

Source: PAS 2.2.1 and 2.0.1 profile-pas-request-bundle; statements spec-12, spec-14.
"""

from __future__ import annotations

from precert.fhir.bundle import BundleIndex, Entry, reference_of, type_and_id
from precert.fhir.outcome import quoted
from precert.fhir.types import Resource, elements
from precert.pas.findings import Findings
from precert.pas.prior import token, tokens


def request_claim(bundle: Resource, index: BundleIndex, found: Findings, wanted: str) -> Entry:
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


def check_repetition(index: BundleIndex, found: Findings) -> None:
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
            named = {token(related.get("reference")), token(logical)}
            target, told = index.resolve(meant, current), type_and_id(reference_of(meant) or "")
            for each in claims:
                same = target is not None and target.index == each.index
                same = (
                    same or (told is not None and told == ("Claim", each.id)) or bool(named & {*tokens(each.resource)})
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
