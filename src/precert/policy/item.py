"""The requested item as policies see it (``Item``): normalized once, and only what a rule may rest on.

Source: docs/policies.md ("What a policy can read of a request").
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from precert.fhir.coding import PLACE_OF_SERVICE, Code, codes
from precert.fhir.types import Element

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
