"""The Parameters of ``$submit-attachment``, read: what was sent, or one 400 that names every fault.

Source: CDex 2.1.0 OperationDefinition submit-attachment and profile cdex-parameters-submit-attachment;
``AdminRefNumber`` is of the 3.0.0 ballot and tolerated.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from precert.fhir.coding import NPI, Code, codes, system_url
from precert.fhir.dates import parse_date
from precert.fhir.hidden import refusals
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, Resource, elements, text

_ATTACH_TO = ("claim", "preauthorization")


@dataclass(frozen=True, slots=True)
class Token:
    """An Identifier, as far as matching needs it. ``path`` is where it stands."""

    system: str
    value: str
    path: str

    @property
    def token(self) -> str:
        return f"{self.system}|{self.value}"


@dataclass(frozen=True, slots=True)
class Attachment:
    """One ``Attachment`` parameter: the resource, the lines it belongs to and what kind of document it is."""

    content: Resource
    path: str
    lines: tuple[str, ...] = ()
    code: Code | None = None


@dataclass(frozen=True, slots=True)
class Sent:
    """One call, taken apart but not judged."""

    tracking: Token
    attach_to: str
    member: Token
    attachments: tuple[Attachment, ...]
    admin_reference: Token | None = None
    payer: Token | None = None
    organization: Token | None = None
    provider: Token | None = None
    service_date: str | None = None
    final: bool = True

    @property
    def senders(self) -> tuple[str, ...]:
        """The NPIs of who sends: OrganizationId and ProviderId, where they are NPIs."""
        named = [token for token in (self.organization, self.provider) if token is not None]
        return tuple(token.value for token in named if system_url(token.system) == NPI or not token.system)


@dataclass(slots=True)
class _Reader:
    """The parameters by name, and the faults found on the way."""

    parameters: list[tuple[str, Element]]
    faults: list[Issue] = field(default_factory=list)

    def fault(self, code: str, rule: str, path: str, text: str) -> None:
        self.faults.append(Issue("error", code, text, path, rule))

    def named(self, name: str) -> list[tuple[str, Element]]:
        return [(path, parameter) for path, parameter in self.parameters if parameter.get("name") == name]

    def one(self, name: str) -> tuple[str, Element] | None:
        found = self.named(name)
        if len(found) > 1:
            self.fault("structure", "parameter-repeated", found[1][0], f"{name} may be sent once; {len(found)} came.")
        return found[0] if found else None

    def value(self, name: str, kind: str) -> tuple[str, Any] | None:
        """The ``value[x]`` of the one parameter ``name``; another type is a fault, absence is not."""
        found = self.one(name)
        if found is None:
            return None
        path, parameter = found
        if kind not in parameter:
            sent = next((key for key in parameter if key.startswith("value")), "no value")
            self.fault("structure", "parameter-type", path, f"{name} needs {kind}; it has {sent}.")
            return None
        return f"{path}.{kind}", parameter[kind]

    def identifier(self, name: str) -> Token | None:
        found = self.value(name, "valueIdentifier")
        if found is None:
            return None
        path, identifier = found
        value = text(identifier.get("value")) if isinstance(identifier, dict) else None
        if value is None:
            self.fault("required", "identifier-value", path, f"{name} has no identifier value.")
            return None
        return Token(text(identifier.get("system")) or "", value.strip(), path)

    def require(self, name: str, present: object, what: str) -> None:
        if present is None and not self.named(name):
            self.fault("required", "parameter-missing", "Parameters.parameter", f"{name} is missing: {what}.")


def read_parameters(resource: Resource) -> Sent:
    """Take a request body apart. Raises FhirError(400) with every fault found."""
    if resource.get("resourceType") != "Parameters":
        sent = str(resource.get("resourceType"))[:64]
        text_ = f"$submit-attachment takes a Parameters resource, not a {sent}."
        raise FhirError(400, Issue("error", "invalid", text_, sent, "not-parameters"))
    raw = resource.get("parameter")
    listed = enumerate(raw if isinstance(raw, list) else [])
    reader = _Reader([(f"Parameters.parameter[{n}]", p) for n, p in listed if isinstance(p, dict)])
    tracking = reader.identifier("TrackingId")
    reader.require("TrackingId", tracking, "the id of the request for information, or the number of the claim")
    member = reader.identifier("MemberId")
    reader.require("MemberId", member, "the member number of the patient")
    organization, provider = reader.identifier("OrganizationId"), reader.identifier("ProviderId")
    if not reader.named("OrganizationId") and not reader.named("ProviderId"):
        reader.require("ProviderId", None, "send OrganizationId or ProviderId, at least one of them")
    attach_to = _attach_to(reader)
    service_date = _service_date(reader, attach_to)
    final = _final(reader)
    attachments = tuple(_attachments(reader))
    admin, payer = reader.identifier("AdminRefNumber"), reader.identifier("PayerId")
    reader.faults.extend(refusals(resource, "Parameters"))
    if reader.faults:
        raise FhirError(400, reader.faults)
    assert tracking is not None
    assert member is not None
    return Sent(tracking, attach_to, member, attachments, admin, payer, organization, provider, service_date, final)


def _attach_to(reader: _Reader) -> str:
    found = reader.value("AttachTo", "valueCode")
    reader.require("AttachTo", found, "claim or preauthorization")
    if found is not None and found[1] not in _ATTACH_TO:
        reader.fault(
            "code-invalid", "attach-to", found[0], f"AttachTo is {found[1]!r}; it must be claim or preauthorization."
        )
    return str(found[1]) if found else ""


def _service_date(reader: _Reader, attach_to: str) -> str | None:
    found = reader.value("ServiceDate", "valueDateTime")
    if found is None:
        if attach_to == "claim":
            reader.require("ServiceDate", None, "attachments to a claim need the date of service")
        return None
    if parse_date(found[1]) is None:
        reader.fault("value", "service-date", found[0], f"ServiceDate {found[1]!r} is not a date.")
        return None
    return str(found[1])


def _final(reader: _Reader) -> bool:
    found = reader.value("Final", "valueBoolean")
    if found is None:
        return True
    if not isinstance(found[1], bool):
        reader.fault("value", "final", found[0], "Final is true or false.")
        return True
    return found[1]


def _attachments(reader: _Reader) -> list[Attachment]:
    made = []
    named = reader.named("Attachment")
    if not named:
        reader.require("Attachment", None, "send at least one, with the part Content")
    for path, parameter in named:
        parts = elements(parameter.get("part"))
        contents = [(n, part) for n, part in enumerate(parts) if part.get("name") == "Content"]
        if len(contents) != 1:
            reader.fault(
                "required", "content", path, f"An Attachment has exactly one Content; this has {len(contents)}."
            )
            continue
        where = f"{path}.part[{contents[0][0]}].resource"
        content = contents[0][1].get("resource")
        if not isinstance(content, dict) or text(content.get("resourceType")) is None:
            reader.fault(
                "required", "content", where, "Content holds no resource. Put the document there, as resource."
            )
            continue
        lines = [text(part.get("valueString")) for part in parts if part.get("name") == "LineItem"]
        code = next(
            (c for part in parts if part.get("name") == "Code" for c in codes(part.get("valueCodeableConcept"))), None
        )
        made.append(Attachment(content, where, tuple(line.strip() for line in lines if line), code))
    return made
