"""Which service is asked for: known by a code that plans are paid by, or unknown.

The one reader of ``productOrService`` and its like. What it returns is normalized (system, letter case, blanks, modifiers
written into the code); nobody below reads the raw element again. Only a known service can be said to need no authorization:
an absent rule says nothing about a service that nobody identified.

A service is known by one code that is well-formed in a billing system, or that the plan's crosswalk leads to. All codings of
an item that are understood have to lead to that one service; what is said of parts of it (``detail``, ``subDetail``, a range of
codes) has to be the same service, and a detail's amount that of the item. Some codes only narrow a service down, or say how it is supplied: a service type or revenue
code beside the service, an NDC without a crosswalk entry. They identify it only where a policy names them (``weak``). So it is
with codes that stand for the service and only say of what kind it is (``vague``).

Source: PAS 2.2.1 item code binding (X12 278 Request Medical Service Code), CRD 2.2.1 ``info-needed`` ``detail-code``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Final

from precert.authorization.record.case import LineRequest
from precert.eligibility.code_lists import CodeLists
from precert.eligibility.crosswalk import Crosswalk
from precert.fhir.billing import SYSTEMS_READ, billed
from precert.fhir.coding import Code, codes
from precert.fhir.extension import extension_value
from precert.fhir.systems import CPT, HCPCS, ICD10PCS, NDC, REVENUE, X12_SERVICE_TYPE
from precert.fhir.types import Element, elements
from precert.fhir.unlisted import UNLISTED
from precert.policy.amounts import read
from precert.policy.item import item_view

RANGE_END = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-productOrServiceCodeEnd"
_CATEGORIES = frozenset({X12_SERVICE_TYPE, REVENUE})
_ABSENT = "data-absent-reason"
_SHOWN = 3
_NONE: Final = Crosswalk()
SYSTEMS = ", ".join(SYSTEMS_READ.values())
"""The names of the systems that are read."""


@dataclass(frozen=True, slots=True)
class Service:
    """``codes`` are the billing codes of the one service, normalized, the leading one first; empty when no code names it.

    ``vague`` are codes in the place of the service that name only a kind of it: unlisted codes, service types, revenue codes.
    They and ``weak`` codes identify it only where a policy names them. ``modifiers`` are those of ``modifier`` and those
    written into a code, upper case, each once. ``trouble`` says, for people, what is not understood or does not fit together;
    without it, and with ``codes``, the service is known. ``unnamed``: the trouble is only that no code names a service, so
    that a weak one may. ``narrow``: one did; then it is known to the policies that name it and to nobody else.
    """

    codes: tuple[Code, ...] = ()
    weak: tuple[Code, ...] = ()
    vague: tuple[Code, ...] = ()
    modifiers: tuple[str, ...] = ()
    trouble: str = ""
    unnamed: bool = False
    narrow: bool = False

    @property
    def known(self) -> bool:
        """Whether the service is identified."""
        return bool(self.codes) and not self.trouble

    def named_by(self, named: Callable[[Code], bool]) -> Service:
        """The same with the ``vague`` and ``weak`` codes that ``named`` (a policy's scope) speaks of, where nothing else
        identifies it. What an unlisted code stands for, its service type or revenue code does not tell."""
        unlisted = not UNLISTED.isdisjoint(self.vague)
        weak = (code for code in self.weak if not (unlisted and code.system in _CATEGORIES))
        found = () if self.codes else tuple(code for code in (*self.vague, *weak) if named(code))
        return replace(self, codes=found, trouble="", narrow=True) if found and self.unnamed else self

    def on_lists(self, lists: CodeLists, day: date) -> Service:
        """The same, unknown where one of its codes is not on the plan's list of its system on ``day`` (of service)."""
        missing = [code for code in self.codes if lists.lacks(code, day)]
        if not missing:
            return self
        trouble = (
            f"{_named(missing)} is not on the plan's list of codes on {day.isoformat()}. Correct it, or send the code that is "
            "billed on that day."
        )
        return Service(modifiers=self.modifiers, trouble=trouble)


@dataclass(slots=True)
class _Read:
    """The codings of one concept, sorted."""

    direct: dict[Code, None] = field(default_factory=dict)  # procedures
    categories: dict[Code, None] = field(default_factory=dict)
    drugs: dict[Code, None] = field(default_factory=dict)  # NDC without an entry in the crosswalk
    mapped: dict[Code, tuple[Code, ...]] = field(default_factory=dict)
    foreign: list[Code] = field(default_factory=list)
    malformed: list[Code] = field(default_factory=list)
    modifiers: list[str] = field(default_factory=list)


def identify(item: Element, crosswalk: Crosswalk = _NONE, day: date | None = None) -> Service:
    """The service of a ``Claim.item`` (or of an order in that shape) on ``day`` (of service), by the plan's crosswalk.

    Without a ``day`` every entry of the crosswalk counts; so nothing is decided, but a line can be kept and found again.
    """
    service = _concept(item.get("productOrService"), crosswalk, day)
    modifiers, unread = _modifiers(item.get("modifier"))
    service = replace(service, modifiers=tuple(dict.fromkeys((*modifiers, *service.modifiers))))
    beside = (*_well_formed(item.get("category"), X12_SERVICE_TYPE), *_well_formed(item.get("revenue"), REVENUE))
    service = replace(service, weak=tuple(dict.fromkeys((*service.weak, *beside))))
    if trouble := _beside(item, service.codes, crosswalk, day):
        return Service(modifiers=service.modifiers, trouble=trouble)
    return _modified(service, unread)


def _concept(concept: object, crosswalk: Crosswalk, day: date | None) -> Service:
    """The service that one CodeableConcept names."""
    read = _sorted(concept, crosswalk, day)
    modifiers, drugs = tuple(read.modifiers), tuple(read.drugs)
    beside = (*drugs, *read.categories)
    if read.malformed:
        trouble = f"{_named(read.malformed)} is not written like a code of its system. Correct it, or leave it out."
        return Service(modifiers=modifiers, trouble=trouble)
    found, trouble = _one(read)
    if trouble:
        return Service(modifiers=modifiers, trouble=trouble)
    if found and UNLISTED.isdisjoint(found):
        return Service(found, beside, modifiers=modifiers)
    if found:
        return Service(weak=beside, vague=found, modifiers=modifiers, trouble=_kind_only(found), unnamed=True)
    if read.categories:
        several = len({code.system for code in read.categories}) < len(read.categories)
        if several:
            why = f"It names several kinds of service: {_named(list(read.categories))}."
            return Service(weak=drugs, modifiers=modifiers, trouble=why)
        vague = tuple(read.categories)
        return Service(weak=drugs, vague=vague, modifiers=modifiers, trouble=_kind_only(vague), unnamed=True)
    if len(drugs) > 1:
        return Service(modifiers=modifiers, trouble=f"It names several drugs: {_named(list(drugs))}.")
    return Service(weak=drugs, modifiers=modifiers, trouble=_unknown([*drugs, *read.foreign]), unnamed=True)


def _sorted(concept: object, crosswalk: Crosswalk, day: date | None) -> _Read:
    read = _Read()
    for code in codes(concept):
        if code.system.lower().endswith(_ABSENT):
            continue
        if code.system not in SYSTEMS_READ:
            if targets := crosswalk.targets(code, day):
                read.mapped[code] = targets
            else:
                read.foreign.append(code)
            continue
        found = billed(code)
        if found is None:
            read.malformed.append(code)
        elif code.system == NDC:
            if targets := crosswalk.targets(found.code, day):
                read.mapped[found.code] = targets
            else:
                read.drugs[found.code] = None
        elif code.system in _CATEGORIES:
            read.categories[found.code] = None
        else:
            read.direct[found.code] = None
            read.modifiers += found.modifiers
    return read


def _one(read: _Read) -> tuple[tuple[Code, ...], str]:
    """The one service that the billing codes and the crosswalk agree about, or why there is none."""
    procedures = [code for code in read.direct if code.system != ICD10PCS]
    inpatient = [code for code in read.direct if code.system == ICD10PCS]
    if len(procedures) > 1 or len(inpatient) > 1:
        return (), f"It names several services: {_named([*procedures, *inpatient])}. Send an item for each."
    direct = (*procedures, *inpatient)
    common: tuple[Code, ...] | None = direct or None
    for source, targets in read.mapped.items():
        common = targets if common is None else tuple(code for code in common if code in targets)
        if not common:
            billing = ", ".join(code.code for code in targets[:_SHOWN])
            return (), f"{source.code} is billed as {billing}, which is not the service that the other codes name."
    if common is None or direct:
        return direct, ""
    if len(common) > 1:
        sources = _named(list(read.mapped))
        return (), f"{sources} may be billed as {', '.join(code.code for code in common)}: say which of them."
    return common, ""


def _beside(item: Element, own: Sequence[Code], crosswalk: Crosswalk = _NONE, day: date | None = None) -> str:
    """What an item asks for beside its ``own`` service, as the trouble that it makes; empty when nothing."""
    for where, part in _parts(item, crosswalk, day):
        if part.trouble or not part.codes or part.codes[0] not in own:
            what = part.codes[0].code if part.known else "something else than the item's own service"
            return f"{where} asks for {what}; a person decides about an item that holds more than one service."
    return _other_amount(item)


def _other_amount(item: Element) -> str:
    """Which part of an item states an amount that is not the item's own, as the trouble that it makes; empty when none."""
    own = read(item.get("quantity"))
    for where, part in _details(item):
        quantity = part.get("quantity")
        if quantity is None:
            continue
        stated = read(quantity)
        same = own is not None and stated is not None and own.value == stated.value
        # plain units are of what the item counts
        if not (same and own and stated and stated.unit in (own.unit, "units")):
            return f"{where} states another amount than its item; a person decides which is meant."
    return ""


def _details(item: Element) -> Iterator[tuple[str, Element]]:
    """The details of an item and their details, with where each stands."""
    for n, detail in enumerate(elements(item.get("detail"))):
        yield f"detail[{n}]", detail
        for m, part in enumerate(elements(detail.get("subDetail"))):
            yield f"detail[{n}].subDetail[{m}]", part


def _parts(item: Element, crosswalk: Crosswalk, day: date | None) -> Iterator[tuple[str, Service]]:
    """What else the item asks for, with where it stands: details, their details, the end of a range, program codes."""
    for where, part in _details(item):
        yield where, _concept(part.get("productOrService"), crosswalk, day)
    end = extension_value(item, RANGE_END)
    if end is not None:
        yield "The range of codes", _concept(end, crosswalk, day)
    for code in codes(item.get("programCode")):
        if (found := billed(code)) is not None:
            yield "programCode", Service((found.code,))


def _well_formed(concept: object, system: str) -> list[Code]:
    found = (billed(code) for code in codes(concept) if code.system == system)
    return [each.code for each in found if each is not None]


def _named(sent: Sequence[Code]) -> str:
    """Codings for people, with the names of their systems."""
    return ", ".join(
        f"{code.code[:40]!r} ({SYSTEMS_READ.get(code.system) or code.system[:100] or 'no system'})"
        for code in sent[:_SHOWN]
    )


def _kind_only(sent: Sequence[Code]) -> str:
    """Why codes that stand for many services name none."""
    said = (
        "is a code for services that have none of their own"
        if sent[0] in UNLISTED
        else "says only what kind of service it is"
    )
    return f"{_named(sent)} {said}. Send the code of the service; without one a person decides."


_MODIFIER = re.compile(r"[0-9A-Z]{2}", re.ASCII)
_EXPECTS_DENIAL = frozenset({"GA", "GX", "GY", "GZ"})
"""The provider expects that it is not paid (CMS Claims Processing Manual, chapter 1, section 60.4, and chapter 30)."""
_WITH_MODIFIERS = frozenset({HCPCS, CPT, ""})


def _modifiers(concepts: object) -> tuple[list[str], str]:
    """The modifiers, upper case, and what of them cannot be read (a sentence, or empty)."""
    found: list[str] = []
    for n, concept in enumerate(elements(concepts)):
        sent = [Code(c.system, c.code.upper()) for c in codes(concept) if not c.system.lower().endswith(_ABSENT)]
        good = [code.code for code in sent if _MODIFIER.fullmatch(code.code)]
        bad = [code for code in sent if code.code not in good and (code.system in _WITH_MODIFIERS or not good)]
        found += good
        if bad or not (sent or any(codes(concept))):
            what = _named(bad) if bad else "It has no code"
            return (
                found,
                f"modifier[{n}] cannot be read: {what}. A modifier is two letters or digits; correct it, or leave it out.",
            )
    return found, ""


def _modified(service: Service, unread: str) -> Service:
    """``service``, with the trouble that its modifiers make: they may change what is asked for, or who expects to pay."""
    expected = [modifier for modifier in service.modifiers if modifier in _EXPECTS_DENIAL]
    if expected:
        unread = f"The modifier {', '.join(expected)} says that the provider expects a denial; a person decides."
    return (
        replace(service, trouble=unread, unnamed=False)
        if unread and (not service.trouble or service.unnamed)
        else service
    )


def _unknown(sent: Sequence[Code]) -> str:
    """Why nothing identifies the service, and what to send."""
    if not sent:
        return f"No code says which service it is. Send one of {SYSTEMS}."
    return (
        f"The service is not identified by {_named(sent)}: it is in no system that is read here ({SYSTEMS}), or the plan's "
        "crosswalk has no entry for it on the day of service."
    )


def coded(item: Element, element: str) -> frozenset[str]:
    """The codes of an item's element, as ``system|code``."""
    return frozenset(str(code) for code in codes(item.get(element)))


def line_code(item: Element, crosswalk: Crosswalk = _NONE, day: date | None = None) -> str:
    """``system|code`` under which a line is kept and found again: its billing code, else the first that was sent, one of a billing system
    before others."""
    service = identify(item, crosswalk, day)
    sent = sorted(codes(item.get("productOrService")), key=lambda code: billed(code) is None)
    leading = next(iter((*service.codes, *service.vague, *sent)), None)
    return str(leading) if leading is not None else ""


def kept(line: LineRequest) -> Service:
    """The service of a line on record or at an edge: by the billing code under which it is kept, which the crosswalk may have
    led to, and the modifiers that it was sent with. Unknown for a line whose codings do not fit together, for one that is kept under no billing code, for an
    unlisted code, for one whose modifiers are in doubt, and for one that asks for more than that service."""
    system, _, code = line.code.partition("|")
    found = billed(Code(system, code))
    if found is None:
        return Service(modifiers=identify(line.item).modifiers)
    whole = identify(line.item)
    sent = whole.modifiers
    _, unread = _modifiers(line.item.get("modifier"))
    if whole.trouble and not whole.unnamed:
        return Service((found.code,), modifiers=sent, trouble=whole.trouble)
    # a stay is kept under its service type; two unlisted services are never known to be the same
    trouble = _kind_only([found.code]) if found.code in UNLISTED else _beside(line.item, (found.code,))
    return _modified(Service((found.code,), modifiers=sent, trouble=trouble), unread)


def service_keys(line: LineRequest) -> frozenset[str]:
    """The codes that name a line's service, as ``system|code``: that by which it is kept, and its billing codes. What is
    compared with the ``code`` of other lines."""
    sent = identify(line.item)
    return frozenset(filter(None, (line.code, *map(str, sent.codes or sent.vague))))


def normalized(item: Element, service: Service) -> Element:
    """``item`` as the rules read it; see docs/policies.md ("What a policy can read of a request")."""
    leading = service.codes or service.vague
    strong = (*leading, *(code for code in service.weak if code.system == NDC and code not in leading))
    categories = [code for code in service.weak if code.system in _CATEGORIES]
    return item_view(item, strong, service.modifiers, categories)
