"""The Claims in the conformance presets, with every element that the Claim, Claim Update and Inquiry profiles support.

Source: PAS 2.2.1 and 2.0.1 element tables (claim, claim-update, claim-inquiry), statements prof-4..10.
"""

from __future__ import annotations

import copy
from typing import Any

from tools.inferno_parts import DAY, EHR, RECORDED, THO, Folder, address, coded
from tools.requests import SD, Json, concept, ext, x12

TEMP = "http://hl7.org/fhir/us/davinci-pas/CodeSystem/PASTempCodes"
CREATED = "2026-11-20T14:05:00Z"
LATER = "2027-09-10"


def temp(code: str) -> Json:
    return coded(TEMP, code)


def period(start: str = DAY, end: str = LATER) -> Json:
    return {"start": start, "end": end}


def trace_identifier(folder: Folder, value: str) -> Json:
    """The sender's own identifier, with the parts of it that X12 knows."""
    made: Json = {"system": "urn:precert:demo:claim", "value": value}
    if folder.new:
        state = {"coding": [{"system": "https://www.usps.com/", "code": "MD"}]}
        made["extension"] = [
            ext("extension-identifierSubDepartment", "String", "Referrals"),
            ext("extension-identifierJurisdiction", "CodeableConcept", state),
        ]
    return made


def transmission(sender: str = "CHESAPEAKE-EHR") -> Json:
    """Who sends to whom, as an interchange names them."""
    parts = {
        "applicationSenderCode": sender,
        "applicationReceiverCode": "PRECERT",
        "interchangeSenderID": sender,
        "interchangeReceiverID": "PRECERT",
    }
    listed = [{"url": url, "valueString": value} for url, value in parts.items()]
    return {"extension": listed, "url": SD + "extension-TransmissionIdentifiers"}


def claim(folder: Folder, parties: Json, items: list[Json], *, kind: str = "professional", **more: Any) -> Json:
    """A Claim for a first submission. ``parties`` holds references; ``more`` further elements by name.

    Give the elements in the order of the specification: they are written as they come.
    """
    made: Json = {
        "resourceType": "Claim",
        "id": folder.id("claim"),
        "meta": {"profile": [SD + more.pop("profile", "profile-claim")]},
    }
    found = more.pop("extension", [])
    if folder.new:
        found = [transmission(more.pop("sender", "CHESAPEAKE-EHR")), *found]
    else:
        more.pop("sender", None)
    if found:
        made["extension"] = found
    made |= {
        "identifier": [trace_identifier(folder, f"{folder.name}-claim")],
        "status": "active",
        "type": coded(THO + "claim-type", kind),
        "use": "preauthorization",
        "patient": parties["patient"],
    }
    if "billablePeriod" in more:
        made["billablePeriod"] = more.pop("billablePeriod")
    made |= {
        "created": CREATED,
        "insurer": parties["payer"],
        "provider": parties["provider"],
        "priority": coded(THO + "processpriority", "normal"),
    }
    for name in ("related", "careTeam", "supportingInfo", "diagnosis"):
        if name in more:
            made[name] = more.pop(name)
    made["insurance"] = [{"sequence": 1, "focal": True, "coverage": parties["coverage"]}]
    if "accident" in more:
        made["accident"] = more.pop("accident")
    if items:
        if "diagnosis" not in made:
            items = [{name: value for name, value in one.items() if name != "diagnosisSequence"} for one in items]
        made["item"] = items
    return made | more


def bundle(
    folder: Folder, claim: Json, *others: Json, url: str | None = None, profile: str = "request", step: str = "1"
) -> Json:
    """The Bundle: the Claim first, then the prior Claim (``others``), then everything in the folder."""
    first = {"fullUrl": url or f"{EHR}/Claim/{claim['id']}", "resource": claim}
    prior = [{"fullUrl": f"{EHR}/Claim/{other['id']}", "resource": other} for other in others]
    return {
        "resourceType": "Bundle",
        "id": folder.id(f"bundle/{step}"),
        "meta": {"profile": [SD + f"profile-pas-{profile}-bundle"]},
        "identifier": {"system": "urn:precert:demo:transaction", "value": folder.id(f"transaction/{step}")},
        "type": "collection",
        "timestamp": CREATED,
        "entry": [first, *prior, *folder.entries],
    }


def root_extensions(stay: Json | None, *, new: bool, certification: str | None = None) -> list[Json]:
    """What a Claim may say about the whole request."""
    nested = [
        {"url": "category", "valueCodeableConcept": x12("1136", "07")},
        {"url": "indicator", "valueBoolean": True},
        {"url": "code", "valueCodeableConcept": x12("1321", "09")},
    ]
    prognosis = [
        {"url": "prognosis", "valueCodeableConcept": x12("923", "1")},
        {"url": "date", "valueDate": DAY},
    ]
    found = [
        ext("extension-levelOfServiceCode", "CodeableConcept", x12("1338", "U")),
        {"extension": nested, "url": SD + "extension-conditionCode"},
        {"extension": prognosis, "url": SD + "extension-homeHealthCareInformation"},
    ]
    if stay:
        found.append(
            {"url": "http://hl7.org/fhir/5.0/StructureDefinition/extension-Claim.encounter", "valueReference": stay}
        )
    if certification:
        found.append(ext("extension-certificationType", "CodeableConcept", x12("1322", certification)))
    return found


def numbers(authorization: str, reference: str) -> list[Json]:
    """Numbers of an earlier authorization that the sender repeats."""
    return [
        ext("extension-authorizationNumber", "String", authorization),
        ext("extension-administrationReferenceNumber", "String", reference),
    ]


def care_team(*members: tuple[Json, bool], kinds: bool = True) -> list[Json]:
    """Who takes part: (who, whether in all of it), numbered from 1."""
    listed = []
    for sequence, (provider, whole) in enumerate(members, start=1):
        member = {
            "extension": [ext("extension-careTeamClaimScope", "Boolean", whole)],
            "sequence": sequence,
            "provider": provider,
        }
        if kinds:
            member |= {"role": x12("98", "1P"), "qualification": x12("127", "207R00000X")}
        listed.append(member)
    return listed


STAY: Json = {"timingPeriod": {"start": DAY, "end": LATER}}
ONE_DAY: Json = {"timingDate": DAY}


def supporting_info(
    new: bool, additional: list[Json], *, dates: Json | None = STAY, message: bool = True
) -> list[Json]:
    """Every kind of supporting information; ``additional`` are references, ``dates`` how event and admission are given."""
    listed: list[Json] = []
    if dates:
        listed += [
            {"category": temp("patientEvent"), **dates},
            {"category": temp("admissionDates"), **dates},
            {"category": temp("dischargeDates"), "timingDate": LATER},
        ]
    for reference in additional:
        entry: Json = {"category": temp("additionalInformation"), "valueReference": reference}
        if new:
            entry["extension"] = [document_information()]
        listed.append(entry)
    if message:
        listed.append({"category": temp("freeFormMessage"), "valueString": "Please call the case manager first."})
    return [
        {**({"extension": e.pop("extension")} if "extension" in e else {}), "sequence": n, **e}
        for n, e in enumerate(listed, start=1)
    ]


def document_information() -> Json:
    """What a piece of supporting information is, and how it travels."""
    parts = [
        {"url": "reportTypeCode", "valueCodeableConcept": x12("755", "PY")},
        {"url": "transmissionMethod", "valueCodeableConcept": x12("756", "EL")},
        {"url": "controlNumber", "valueString": "CTRL-1"},
        {"url": "description", "valueString": "Clinical note"},
    ]
    return {"extension": parts, "url": SD + "extension-documentInformation"}


def diagnoses(*codes: str) -> list[Json]:
    """ICD-10 codes, the first the principal one."""
    return [
        {
            "extension": [ext("extension-diagnosisRecordedDate", "Date", RECORDED)],
            "sequence": sequence,
            "diagnosisCodeableConcept": concept(f"icd10|{code}"),
            "type": [temp("principal" if sequence == 1 else "admitting")],
        }
        for sequence, code in enumerate(codes, start=1)
    ]


def accident() -> Json:
    return {
        "date": RECORDED,
        "type": x12("1362", "AA"),
        "locationAddress": address("1 Light Street", "21202"),
    }


def detailed(made: Json, folder: Folder, order: Json | None, *, nursing: bool = True) -> Json:
    """``made`` (an item) with all further elements that the profile supports."""
    item = copy.deepcopy(made)
    item["extension"] += [
        *numbers("AUTH-2025-0007", "REF-2025-0007"),
        ext("extension-epsdtIndicator", "Boolean", False),
        ext("extension-revenueUnitRateLimit", "Decimal", 120.5),
        ext("extension-productOrServiceCodeEnd", "CodeableConcept", concept("hcpcs|G0300")),
    ]
    if nursing:
        item["extension"] += [
            ext("extension-nursingHomeResidentialStatus", "CodeableConcept", x12("1345", "2")),
            ext("extension-nursingHomeLevelOfCare", "CodeableConcept", x12("1337", "2")),
        ]
    if order:
        item["extension"].append({"url": SD + "extension-requestedService", "valueReference": order})
    system = "https://www.nubc.org/CodeSystem/RevenueCodes" if folder.new else "https://www.nubc.org/revenue-code"
    item["revenue"] = coded(system, "0551")
    item["modifier"] = [concept("hcpcs|GO")]
    item["unitPrice"] = {"value": 120.5, "currency": "USD"}
    return in_order(item)


_ORDER = (
    "extension",
    "modifierExtension",
    "sequence",
    "careTeamSequence",
    "diagnosisSequence",
    "informationSequence",
    "revenue",
    "category",
    "productOrService",
    "modifier",
    "servicedDate",
    "servicedPeriod",
    "locationCodeableConcept",
    "quantity",
    "unitPrice",
)


def in_order(item: Json) -> Json:
    """The members in the order of the specification."""
    return {name: item[name] for name in _ORDER if name in item}


def changed(element: Json, how: str) -> Json:
    """An item or supporting information that an update changed or added."""
    made = copy.deepcopy(element)
    made["extension"] = [*made.get("extension", ()), ext("extension-infoChanged", "Code", how)]
    return {"extension": made.pop("extension"), **made}


def cancelled(element: Json) -> Json:
    """An item or supporting information that an update takes back; an item also says so by its certification type."""
    made = copy.deepcopy(element)
    kept = [e for e in made.get("extension", ()) if not e["url"].endswith("extension-certificationType")]
    if "productOrService" in made:
        kept.append(ext("extension-certificationType", "CodeableConcept", x12("1322", "3")))
    flag = {"url": SD + "modifierextension-infoCancelled", "valueBoolean": True}
    rest = {name: value for name, value in made.items() if name != "extension"}
    return changed({**({"extension": kept} if kept else {}), "modifierExtension": [flag], **rest}, "changed")


def update_of(earlier: Json, folder: Folder, step: str, items: list[Json], *, new: bool = True, **over: Any) -> Json:
    """The next version of ``earlier``: the whole request again, referring to the version before it.

    A 2.0.1 bundle may hold one Claim, so that version names the earlier one by its identifier.
    """
    made = copy.deepcopy(earlier)
    made["id"] = folder.id(f"claim/{step}")
    made["meta"] = {"profile": [SD + "profile-claim-update"]}
    related = {
        "claim": {"reference": f"{EHR}/Claim/{earlier['id']}"} if new else {"identifier": earlier["identifier"][0]},
        "relationship": coded(THO + "ex-relatedclaimrelationship", "prior"),
    }
    made |= over
    made["item"] = items
    made["related"] = [related]
    order = list(_claim_order(made))
    return {name: made[name] for name in order}


def _claim_order(made: Json) -> list[str]:
    first = [
        "resourceType", "id", "meta", "extension", "identifier", "status", "type", "use", "patient", "billablePeriod",
        "created", "insurer", "provider", "priority", "related", "careTeam", "supportingInfo", "diagnosis", "insurance",
        "accident", "item",
    ]  # fmt: skip
    return [name for name in first if name in made]
