"""The people and places in the conformance presets: complete in every element that a PAS profile wants supported.

Source: PAS 2.2.1 and 2.0.1 element tables (profiles organization, practitioner, practitionerrole, location, beneficiary,
subscriber, coverage).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from tools.requests import MEMBER, MEMBERS, NPI, REQUESTER_NPI, SUPPLIER_NPI, Json, ext, uid, x12

SD = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/"
USC = "http://hl7.org/fhir/us/core/StructureDefinition/"
THO = "http://terminology.hl7.org/CodeSystem/"
ROOT = "http://127.0.0.1:8000"
"""The server's address in the shipped presets. Whatever names the server begins with it, and nothing else does."""
EHR = "https://ehr.precert.test/fhir"
"""Where the sender says that its resources live (a name that is reserved for tests)."""
NOTIFIED_NPI = "1467455030"
"""The organization whose subscription the suites create: only its requests cause notifications."""
DAY = "2027-09-06"
RECORDED = "2026-11-16"


@dataclass
class Folder:
    """One request in the making: ``add`` takes a resource in and gives the reference to it."""

    name: str
    new: bool  # 2.2.1, else 2.0.1
    entries: list[Json] = field(default_factory=list)

    def id(self, part: str) -> str:
        """A stable id for a part of this request."""
        return uid(f"inferno/{'2.2.1' if self.new else '2.0.1'}/{self.name}/{part}")

    def url(self, type_: str, part: str) -> str:
        """The fullUrl of a part."""
        return f"{EHR}/{type_}/{self.id(part)}"

    def add(self, part: str, resource: Json, profile: str = "") -> Json:
        """Put ``resource`` into the bundle, once, and return a reference to it."""
        url = self.url(resource["resourceType"], part)
        if all(entry["fullUrl"] != url for entry in self.entries):
            made = {"resourceType": resource["resourceType"], "id": self.id(part)}
            if profile:
                made["meta"] = {"profile": [profile if profile.startswith("http") else SD + profile]}
            self.entries.append({"fullUrl": url, "resource": made | resource})
        return {"reference": url}


@dataclass(frozen=True, slots=True)
class Suite:
    """One preset file and the suite of Inferno that it is for (its id in the test kit)."""

    file: str
    id: str
    title: str


SUITES = {
    "pas-2.2.1": Suite("pas-server-2.2.1.json", "davinci_pas_server_suite_v221", "precert: PAS 2.2.1 server"),
    "pas-2.0.1": Suite("pas-server-2.0.1.json", "davinci_pas_server_suite_v201", "precert: PAS 2.0.1 server"),
    "crd-2.0.1": Suite("crd-server.json", "crd_server", "precert: CRD 2.0.1 server"),
    "crd-2.2.1": Suite("crd-server-2.2.1.json", "crd_server_v221", "precert: CRD 2.2.1 server"),
    "dtr-2.0.1": Suite("dtr-payer-2.0.1.json", "dtr_payer_server", "precert: DTR 2.0.1 payer"),
    "dtr-2.2.0": Suite("dtr-payer-2.2.0.json", "dtr_payer_server_v220", "precert: DTR 2.2.0 payer"),
}


def preset(suite: str, inputs: dict[str, object], root: str = ROOT) -> str:
    """The preset file of ``suite`` (see :data:`SUITES`) for a server at ``root``.

    ``title``, ``id`` and ``test_suite_id`` are what Inferno offers it by. Payloads are JSON in strings, as Inferno keeps
    its inputs. What is made for the server at :data:`ROOT` gets the other address wherever it names the server.
    """
    about = SUITES[suite]
    listed = [
        {"name": name, "value": value if isinstance(value, str) else json.dumps(value, indent=1, ensure_ascii=False)}
        for name, value in inputs.items()
    ]
    made = {"title": about.title, "id": f"precert-{suite}", "test_suite_id": about.id, "inputs": listed}
    return (json.dumps(made, indent=2, ensure_ascii=False) + "\n").replace(ROOT, root)


def coded(system: str, code: str) -> Json:
    return {"coding": [{"system": system, "code": code}]}


def phone(number: str) -> Json:
    return {"system": "phone", "value": number, "use": "work"}


def address(line: str, postal: str) -> Json:
    return {"line": [line], "city": "Baltimore", "state": "MD", "postalCode": postal, "country": "US"}


def payer(folder: Folder, npi: str) -> Json:
    """The insurer."""
    organization = {
        "resourceType": "Organization",
        "identifier": [
            {"system": NPI, "value": npi},
            {"system": "http://terminology.hl7.org/NamingSystem/USEIN", "value": "521234561"},
            _payer_id("PRECERT-DEMO"),
        ],
        "active": True,
        "type": [x12("98", "PR")],
        "name": "Precert Demo Health Plan",
        "telecom": [phone("+1-555-0100")],
        "address": [address("1 Payer Plaza", "21202")],
    }
    return folder.add("payer", organization, "profile-insurer")


def requester(folder: Folder, npi: str = SUPPLIER_NPI) -> Json:
    """The organization that asks."""
    name = "Chesapeake Home Medical Supply" if npi == SUPPLIER_NPI else "Inner Harbor Clinic"
    organization = {
        "resourceType": "Organization",
        "identifier": [
            {"system": NPI, "value": npi},
            {"system": "http://terminology.hl7.org/NamingSystem/USEIN", "value": "521234562"},
            _payer_id("CHESAPEAKE"),
        ],
        "active": True,
        "type": [x12("98", "X3")],
        "name": name,
        "telecom": [phone("+1-555-0120")],
        "address": [address("40 Pratt Street", "21201")],
        "contact": [{"name": {"family": "Ortega", "given": ["Luis"]}, "telecom": [phone("+1-555-0121")]}],
    }
    return folder.add("requester", organization, "profile-requestor")


def _payer_id(value: str) -> Json:
    kind = coded("http://hl7.org/fhir/us/carin-bb/CodeSystem/C4BBIdentifierType", "payerid")
    return {"type": kind, "system": "urn:precert:demo:payer", "value": value}


def practitioner(folder: Folder) -> Json:
    """The clinician."""
    resource = {
        "resourceType": "Practitioner",
        "identifier": [{"system": NPI, "value": REQUESTER_NPI}],
        "name": [{"family": "Fuentes", "given": ["Nadia"]}],
        "telecom": [phone("+1-555-0130")],
        "address": [address("40 Pratt Street", "21201")],
    }
    return folder.add("practitioner", resource, "profile-practitioner")


def location(folder: Folder, organization: Json) -> Json:
    """Where the clinician works."""
    resource = {
        "resourceType": "Location",
        "identifier": [{"system": "urn:precert:demo:location", "value": "PRATT-40"}],
        "status": "active",
        "name": "Fuentes Internal Medicine",
        "type": [coded(THO + "v3-RoleCode", "PROFF")],
        "telecom": [phone("+1-555-0131")],
        "address": address("40 Pratt Street", "21201"),
        "managingOrganization": organization,
    }
    return folder.add("location", resource, "profile-location")


def role(folder: Folder, organization: Json) -> Json:
    """The clinician in that organization."""
    endpoint = {
        "resourceType": "Endpoint",
        "status": "active",
        "connectionType": {"system": THO + "endpoint-connection-type", "code": "hl7-fhir-rest"},
        "payloadType": [{"text": "FHIR R4"}],
        "address": EHR,
    }
    resource = {
        "resourceType": "PractitionerRole",
        "active": True,
        "practitioner": practitioner(folder),
        "organization": organization,
        "code": [coded("http://nucc.org/provider-taxonomy", "207R00000X")],
        "specialty": [coded("http://nucc.org/provider-taxonomy", "207R00000X")],
        "location": [location(folder, organization)],
        "telecom": [phone("+1-555-0132")],
        "endpoint": [folder.add("endpoint", endpoint)],
    }
    return folder.add("role", resource, "profile-practitionerrole")


def patient(folder: Folder, member: str, given: Json | None = None) -> Json:
    """The member, who is the subscriber too."""
    known = {**MEMBERS[member], **(given or {})}
    name, family = known["name"]
    resource = {
        "resourceType": "Patient",
        "id": folder.id("patient"),
        "meta": {"profile": [SD + "profile-beneficiary", SD + "profile-subscriber"]},
        "extension": [
            _ombcategory("us-core-race", "2106-3", "White"),
            _ombcategory("us-core-ethnicity", "2186-5", "Not Hispanic or Latino"),
            {"url": USC + "us-core-birthsex", "valueCode": "F" if known["gender"] == "female" else "M"},
            ext("extension-militaryStatus", "CodeableConcept", x12("584", "RU")),
        ],
        "identifier": [_member_id(member), _record_number(member)],
        "name": [{"family": family, "given": [name], "prefix": ["Dr."], "suffix": ["Jr."]}],
        "telecom": [{"system": "phone", "value": "+1-555-0140", "use": "home"}],
        "gender": known["gender"],
        "birthDate": known["birthDate"],
        "address": [
            {
                "line": ["12 Harbor Street"],
                "city": "Baltimore",
                "district": "Baltimore City",
                "state": "MD",
                "postalCode": "21201",
                "country": "US",
                "period": {"start": "2020-05-01"},
            }
        ],
        "multipleBirthInteger": 1,
        "communication": [{"language": coded("urn:ietf:bcp:47", "en")}],
    }
    return folder.add("patient", resource)


def _member_id(member: str) -> Json:
    return {"type": coded(THO + "v2-0203", "MB"), "system": MEMBER, "value": member}


def _record_number(member: str) -> Json:
    """The EHR's own number (CRD asks for one of type MR)."""
    return {"type": coded(THO + "v2-0203", "MR"), "system": "urn:precert:demo:record", "value": f"MRN-{member}"}


def _ombcategory(name: str, code: str, words: str) -> Json:
    category = {"url": "ombCategory", "valueCoding": {"system": "urn:oid:2.16.840.1.113883.6.238", "code": code}}
    return {"extension": [category, {"url": "text", "valueString": words}], "url": USC + name}


def coverage(folder: Folder, member: str, person: Json, insurer: Json) -> Json:
    """The member's card."""
    resource = {
        "resourceType": "Coverage",
        "identifier": [_member_id(member)],
        "status": "active",
        "type": coded("https://nahdo.org/sopt", "111"),
        "subscriber": person,
        "subscriberId": member,
        "beneficiary": person,
        "relationship": {
            "coding": [
                {"system": THO + "subscriber-relationship", "code": "self"},
                {"system": "https://codesystem.x12.org/005010/1069", "code": "18"},
            ]
        },
        "period": {"start": "2024-01-01"},
        "payor": [insurer],
        "class": [
            {"type": coded(THO + "coverage-class", "group"), "value": "GRP-100", "name": "Retirees"},
            {
                "type": coded(THO + "coverage-class", "plan"),
                "value": "ma-classic",
                "name": "Medicare Advantage Classic",
            },
        ],
    }
    return folder.add("coverage", resource, "profile-coverage")
