"""By which names a request speaks of an earlier one: identifiers, numbers that precert issued, ``Claim.related``.

Source: PAS 2.2.1 profile-claim-update (spec-65..70), extension-authorizationNumber, extension-administrationReferenceNumber.
"""

from __future__ import annotations

from collections.abc import Mapping

from precert.authorization.record.numbers import is_valid
from precert.authorization.usecases.submission import Prior
from precert.fhir.bundle import BundleIndex, Entry, absolute, reference_of
from precert.fhir.extension import extension_value
from precert.fhir.types import Element, Resource, elements, text
from precert.pas import urls


def line_numbers_of(claim: Resource) -> dict[int | None, tuple[str, ...]]:
    """The numbers of ours that the Claim (under ``None``) and its items give, those that give any."""
    given: dict[int | None, tuple[str, ...]] = {}
    for sequence, element in [(None, claim), *((i.get("sequence"), i) for i in elements(claim.get("item")))]:
        values = [extension_value(element, url) for url in (urls.AUTHORIZATION_NUMBER, urls.ADMIN_REFERENCE)]
        numbers = tuple(dict.fromkeys(_ours(value) for value in values if isinstance(value, str)))
        if numbers:
            given[sequence] = numbers
    return given


def prior_of(
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
            identifiers += tokens(earlier.resource)
        if isinstance(reference, dict) and (named := token(reference.get("identifier"))):
            identifiers.append(named)
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


def token(identifier: object) -> str | None:
    """``system|value`` of an Identifier; ``None`` for one without a value."""
    if isinstance(identifier, dict) and (value := text(identifier.get("value"))):
        return f"{text(identifier.get('system')) or ''}|{value}"
    return None


def tokens(resource: Element) -> tuple[str, ...]:
    """``system|value`` of the identifiers that a resource (or a Reference) carries."""
    return tuple(dict.fromkeys(filter(None, (token(i) for i in elements(resource.get("identifier"))))))
