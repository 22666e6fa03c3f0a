"""Which service is asked for: known by a code that plans are paid by, or unknown.

The one reader of ``productOrService`` and its like. What it returns is normalized (system, case, blanks, modifiers written
into the code); nobody below reads the raw element again. Only a known service can be said to need no authorization: an
absent rule says nothing about a service that nobody identified.

Source: PAS 2.2.1 item code binding (X12 278 Request Medical Service Code), CRD 2.2.1 ``info-needed`` ``detail-code``.
"""

from __future__ import annotations

from dataclasses import dataclass

from precert.fhir.coding import CPT, HCPCS, NDC, X12_SERVICE_TYPE, Code, codes, procedure
from precert.fhir.types import Element, elements

ICD10PCS = "http://www.cms.gov/Medicare/Coding/ICD10"
CDT = "http://www.ada.org/cdt"
REVENUE = "https://www.nubc.org/CodeSystem/RevenueCodes"
BILLED_IN = frozenset({HCPCS, CPT, NDC, X12_SERVICE_TYPE, ICD10PCS, CDT, REVENUE})
"""Systems whose codes plans are paid by."""


@dataclass(frozen=True, slots=True)
class Service:
    """``codes`` are the billing codes, normalized, the leading one first; empty when the service is unknown.

    ``modifiers`` are those of ``modifier`` and those written into a code. ``trouble`` says, for people, which coding is not
    understood and why; it is set exactly when ``codes`` is empty.
    """

    codes: tuple[Code, ...] = ()
    modifiers: tuple[Code, ...] = ()
    trouble: str = ""

    @property
    def known(self) -> bool:
        """Whether the service is identified."""
        return bool(self.codes)


def identify(item: Element) -> Service:
    """The service of a ``Claim.item`` (or of an order in that shape)."""
    sent = tuple(codes(item.get("productOrService")))
    found: list[Code] = []
    modifiers: list[Code] = list(codes(item.get("modifier")))
    for code in sent:
        if code.system in (HCPCS, CPT):
            billed = procedure(code)
            if billed is not None:
                found.append(billed[0])
                modifiers.extend(Code(CPT, modifier) for modifier in billed[1])
        elif code.system in BILLED_IN:
            found.append(Code(code.system, code.code.upper()))
    if found:
        return Service(tuple(dict.fromkeys(found)), tuple(dict.fromkeys(modifiers)))
    named = ", ".join(f"{code.code[:40]!r} ({code.system or 'no system'})" for code in sent[:3]) or "no code"
    return Service(
        modifiers=tuple(modifiers),
        trouble=f"The service is not identified by a code that is billed: {named}.",
    )


def normalized(item: Element, service: Service) -> Element:
    """``item`` as the rules read it: only the codes that were understood, the leading one first, under one spelling.

    ``code`` is the leading code by itself.
    """
    view: Element = {
        **item,
        "productOrService": {"coding": [{"system": c.system, "code": c.code} for c in service.codes]},
        "modifier": [{"coding": [{"system": c.system, "code": c.code}]} for c in service.modifiers],
    }
    if service.codes:
        view["code"] = service.codes[0].code
    if category := [
        {"system": c.system, "code": c.code} for each in elements(item.get("category")) for c in codes(each)
    ]:
        view["category"] = {"coding": category}
    return view
