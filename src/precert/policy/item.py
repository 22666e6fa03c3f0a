"""The requested item as policies see it (``Item``): normalized once, and only what a rule may rest on.

Source: docs/policies.md ("What a policy can read of a request").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from precert.fhir.coding import PLACE_OF_SERVICE, Code, codes
from precert.fhir.types import Element, elements

RAW = ("productOrService", "modifier", "detail", "category", "revenue", "programCode")
"""Elements of a ``Claim.item`` in which senders write the service in many ways. No policy may read them: ``code`` and
``modifiers`` hold what they mean."""


_PLACE = re.compile(r"\d{2}", re.ASCII)


def place_of_service(item: Element) -> Code | None:
    """Where the service of a ``Claim.item`` is given: the one code of CMS's place of service set in
    ``locationCodeableConcept``.

    ``None`` when it is not said: codes of another system (a hospital's room numbers), or of none that is named, say nothing;
    two different places, or a code that is none, contradict each other. Source: CMS "Place of Service Code Set".
    """
    said = {code for code in codes(item.get("locationCodeableConcept")) if code.system == PLACE_OF_SERVICE}
    only = said.pop() if len(said) == 1 else None
    return only if only is not None and _PLACE.fullmatch(only.code) else None


_ABSENT = "data-absent-reason"
_LOCATIONS = ("locationCodeableConcept", "locationAddress", "locationReference")
_UNREAD = "Its place of service cannot be read. Send one code of CMS's place of service set, two digits."
_SEVERAL = "It names several places of service; send one."


def place_doubt(item: Element) -> str | None:
    """Why nobody can tell where the service of a ``Claim.item`` is given although it says so, in a sentence; ``None`` if it
    says one place that is read (:func:`place_of_service`), none, or that none is known (data-absent-reason alone)."""
    said = [key for key in _LOCATIONS if item.get(key) is not None and not _absent(item[key])]
    if not said or (said == [_LOCATIONS[0]] and place_of_service(item) is not None):
        return None
    return places_doubt(item.get(_LOCATIONS[0])) or _UNREAD


def places_doubt(concepts: object) -> str | None:
    """Why the codes of CMS's place of service set in some concepts name no one place, in a sentence; ``None`` if they do, and
    where there are none: codes of other systems say nothing about it."""
    said = {code.code for code in codes(concepts) if code.system == PLACE_OF_SERVICE}
    if not all(map(_PLACE.fullmatch, said)):
        return _UNREAD
    return _SEVERAL if len(said) > 1 else None


def _absent(location: object) -> bool:
    """Whether an element holds nothing but the reason why it is not known."""
    if not isinstance(location, dict) or location.keys() - {"id", "extension", "coding"}:
        return False
    coded = elements(location.get("coding"))
    told = [*(coding.get("system") for coding in coded), *(e.get("url") for e in elements(location.get("extension")))]
    return bool(told) and all(isinstance(each, str) and each.lower().endswith(_ABSENT) for each in told)


def item_view(
    item: Element, billing: Sequence[Code], modifiers: Sequence[str] = (), categories: Sequence[Code] = ()
) -> Element:
    """``item`` with its service under one spelling.

    ``billing`` are the billing codes, the leading one first: ``code`` is that by itself, ``system`` the URL of its system.
    ``modifiers`` are plain (``NU``). ``categories`` are service types and revenue codes beside the service. What choosing a
    policy rests on (``productOrService``, ``category``) and the place (``locationCodeableConcept``, see
    :func:`place_of_service`) hold the normalized codes only.
    """
    view: Element = {key: value for key, value in item.items() if key not in RAW and key != "locationCodeableConcept"}
    view["productOrService"] = {"coding": [{"system": code.system, "code": code.code} for code in billing]}
    view["modifiers"] = list(modifiers)
    if billing:
        view |= {"code": billing[0].code, "system": billing[0].system}
    if categories:
        view["category"] = {"coding": [{"system": code.system, "code": code.code} for code in categories]}
    place = place_of_service(item)
    if place is not None:
        view["locationCodeableConcept"] = {"coding": [{"system": place.system, "code": place.code}]}
    return view
