"""The requested item as policies see it (``Item``): normalized once, and only what a rule may rest on.

Source: docs/policies.md ("What a policy can read of a request").
"""

from __future__ import annotations

from collections.abc import Sequence

from precert.fhir.coding import Code
from precert.fhir.types import Element

RAW = ("productOrService", "modifier", "detail", "category", "revenue", "programCode")
"""Elements of a ``Claim.item`` in which senders write the service in many ways. No policy may read them: ``code`` and
``modifiers`` hold what they mean."""


def item_view(
    item: Element, codes: Sequence[Code], modifiers: Sequence[str] = (), categories: Sequence[Code] = ()
) -> Element:
    """``item`` with its service under one spelling.

    ``codes`` are the billing codes, the leading one first: ``code`` is that by itself, ``system`` the URL of its system.
    ``modifiers`` are plain (``NU``). ``categories`` are service types and revenue codes beside the service. What choosing a
    policy rests on (``productOrService``, ``category``) holds the normalized codes only.
    """
    view: Element = {key: value for key, value in item.items() if key not in RAW}
    view["productOrService"] = {"coding": [{"system": code.system, "code": code.code} for code in codes]}
    view["modifiers"] = list(modifiers)
    if codes:
        view |= {"code": codes[0].code, "system": codes[0].system}
    if categories:
        view["category"] = {"coding": [{"system": code.system, "code": code.code} for code in categories]}
    return view
