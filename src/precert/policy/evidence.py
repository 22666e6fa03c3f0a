"""What the line brings along, indexed by type: which resources count as evidence, their codes, times and values.

Which statuses count is the table of :mod:`precert.policy.evidence_rules`. What does not count makes a fact unknown,
never false. Source: docs/policies.md ("what counts as evidence").
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Collection, Hashable, Iterator
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

from precert.fhir.attachments import damaged
from precert.fhir.bundle import from_base, plain_url, reference_of, type_and_id
from precert.fhir.coding import Code, codes
from precert.fhir.hidden import DATA_ABSENT, first_hidden
from precert.fhir.moments import Moment
from precert.fhir.types import Element, Resource, as_list, elements, text
from precert.policy.codecheck import normal_codes
from precert.policy.codeset import CodeSet
from precert.policy.evidence_rules import EVIDENCE_TYPES, NOTHING_THERE, Allowed
from precert.policy.model import PAYER_SOURCES
from precert.policy.types import EvidenceItem, LineContext

_MEDICATION = frozenset({"MedicationRequest", "MedicationDispense", "MedicationAdministration", "MedicationStatement"})
_SHORT = 400
"""An attachment of so few characters is decoded to see whether anything is in it."""
_NOT_SHARED = ("value", "dataAbsentReason", "code", "component", "interpretation", "_value")


class Rejection(NamedTuple):
    """Why a resource does not count. ``open`` means that it is not known whether the thing is there."""

    reason: str
    open: bool = True


def _at(value: object, path: str) -> Any:
    """What stands under a path of member names; the members of lists together."""
    if "." not in path and isinstance(value, dict):
        return value.get(path)
    head, _, rest = path.partition(".")
    if isinstance(value, list):
        return [found for one in value if (found := _at(one, path)) is not None]
    below = value.get(head) if isinstance(value, dict) else None
    return _at(below, rest) if rest and below is not None else below


def number(value: object) -> Decimal | int | None:
    """``value`` as an exact number; ``None`` for anything else (booleans are not numbers, text is none, nor is infinity)."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    exact = Decimal(str(value)) if isinstance(value, float) else value
    return exact if isinstance(exact, Decimal) and exact.is_finite() else None


class Evidence:
    """One resource, with its codes and time worked out at most once."""

    __slots__ = ("_codes", "_index", "_moment", "_rejection", "_understood", "item", "kind", "resource")

    def __init__(self, item: EvidenceItem, index: EvidenceIndex, resource: Resource | None = None) -> None:
        self.item = item
        self.resource: Resource = item.resource if resource is None else resource
        self.kind = text(item.resource.get("resourceType")) or ""
        self._index = index
        self._codes: tuple[Code, ...] | None = None
        self._moment: Moment | bool | None = False  # False: not looked at yet
        self._rejection: Rejection | bool | None = False
        self._understood: bool | None = None

    @property
    def reference(self) -> str:
        return self.item.reference

    @property
    def payer(self) -> bool:
        return self.item.source == "payer"

    @property
    def named(self) -> bool:
        """Whether it is a diagnosis that the request names, without a record of its own."""
        return self.item.source == "request"

    @property
    def codes(self) -> tuple[Code, ...]:
        """All codings that say what this is, normalized; what is not written like a code of its system is none."""
        if self._codes is None:
            rule = EVIDENCE_TYPES.get(self.kind)
            found: list[Code] = []
            for path in rule.codes if rule is not None else ("code",):
                found.extend(normal_codes(_at(self.resource, path)))
            if self.kind in _MEDICATION and not found:
                medication = self._index.medication(self.resource, self.item.url)
                found.extend(normal_codes(medication.get("code")))
                for ingredient in elements(medication.get("ingredient")):
                    if ingredient.get("isActive") is not False:
                        found.extend(normal_codes(ingredient.get("itemCodeableConcept")))
            self._codes = tuple(found)
        return self._codes

    def component_codes(self) -> Iterator[Code]:
        """The codings of an Observation's components (US Core pulse oximetry: flow and concentration of oxygen)."""
        for component in elements(self.resource.get("component")):
            yield from normal_codes(component.get("code"))

    @property
    def moment(self) -> Moment | None:
        """The clinically relevant time, as precisely as it is written; ``None`` if the resource has none."""
        if isinstance(self._moment, bool):
            rule = EVIDENCE_TYPES.get(self.kind)
            times = rule.times if rule is not None else ()
            self._moment = next((found for path in times if (found := Moment.parse(_at(self.resource, path)))), None)
        return self._moment

    @property
    def span(self) -> tuple[Moment | None, Moment | None]:
        """The first and the last time at which it can have been: of a Period both its ends, else the one time twice.

        ``None`` is an end that nobody knows: of a Period that does not say it, and both where the time is one that cannot
        be read (``effectiveTiming``; ``issued`` beside it says when a result was released).
        """
        rule = EVIDENCE_TYPES.get(self.kind)
        for path in rule.times if rule is not None else ():
            base, dot, _ = path.rpartition(".")
            if dot and isinstance(_at(self.resource, base), dict):
                return Moment.parse(_at(self.resource, f"{base}.start")), Moment.parse(
                    _at(self.resource, f"{base}.end")
                )
            if path == "issued" and any(key.startswith("effective") for key in self.resource):
                break
            if moment := Moment.parse(_at(self.resource, path)):
                return moment, moment
        return None, None

    def ahead(self, day: date, at: datetime | None = None) -> str | None:
        """Which of the elements that say when it was, ended or was recorded lies after the receipt (``day``, ``at``);
        ``None`` if none does."""
        return ahead_of(self.resource, self.kind, day, at)

    @property
    def refuted(self) -> bool:
        """Whether somebody has found that the patient does *not* have it (Condition, AllergyIntolerance)."""
        return _concept_codes(self.resource.get("verificationStatus"), None) == {"refuted"}

    def rejection(self, read: Collection[str] = ()) -> Rejection | None:
        """Why the resource does not count, or ``None`` if it does. ``read`` are the elements that the policy looks at
        itself (``where``): about these it decides, only what was entered in error never counts."""
        if read:
            if self._understood is None:
                self._understood = first_hidden(self.resource) is None
            return rejection_of(self.resource, self.kind, read, understood=self._understood)
        if isinstance(self._rejection, bool):
            self._rejection = rejection_of(self.resource, self.kind)
        return self._rejection


def ahead_of(resource: Resource, kind: str, day: date, received: datetime | None = None) -> str | None:
    """As :meth:`Evidence.ahead`, of a resource of this type."""
    rule = EVIDENCE_TYPES.get(kind)
    for path in rule.past if rule is not None else ():
        at = Moment.parse(_at(resource, path))
        if at is not None and at.ahead(day, received):
            return path
    return None


def rejection_of(
    resource: Resource, kind: str, read: Collection[str] = (), *, understood: bool = False
) -> Rejection | None:
    """Why a resource of this type does not count as evidence, or ``None`` if it does; see :meth:`Evidence.rejection`.

    ``understood`` says that nothing in it is hidden (:mod:`precert.fhir.hidden`), for a caller who knows it already.
    """
    rule = EVIDENCE_TYPES.get(kind)
    if rule is None:
        return Rejection(f"{kind or 'a resource without a type'} is no type that counts as evidence")
    for allowed in rule.allowed:
        found = _not_allowed(allowed, resource, allowed.element in read)
        if found is not None:
            return found
    if not understood and (concealed := first_hidden(resource)) is not None:
        return Rejection(f"it has {concealed.phrase}")
    if resource.get("doNotPerform") is True:
        return Rejection("it says not to do it", open=False)
    if (
        kind == "Condition"
        and "clinicalStatus" not in read
        and any(k.lstrip("_").startswith("abatement") for k in resource)
    ):
        return Rejection("it has an abatement, so it is over", open=False)
    if kind == "Observation":
        return _unobserved(resource)
    if damaged(resource):
        return Rejection("an attachment is not what its size or hash says")
    if kind == "DocumentReference" and not any(map(_holds_something, elements(resource.get("content")))):
        return Rejection("the document is empty")
    return None


def _unobserved(resource: Resource) -> Rejection | None:
    if resource.get("focus"):
        return Rejection("it is about something else than the patient (focus)", open=False)
    if "dataAbsentReason" in resource:
        stated = any(key.startswith("value") for key in resource)
        said = "the result is said to be absent, beside a value" if stated else "the result is absent"
        return Rejection(said, open=stated)
    if any(_absent(value) for key, value in resource.items() if key.startswith(("value", "_value"))):
        return Rejection("the value is said to be absent (data-absent-reason)")
    if "IE" in {code.code for code in codes(resource.get("interpretation"))}:
        return Rejection("the interpretation is insufficient evidence (IE)")
    return None


def _absent(value: object) -> bool:
    """Whether an element, or a primitive's companion right below it, says that its value is not there."""
    if not isinstance(value, dict):
        return False
    below = [member for key, member in value.items() if key.startswith("_")]
    told = [each for one in (value, *below) if isinstance(one, dict) for each in elements(one.get("extension"))]
    return any(each.get("url") == DATA_ABSENT for each in told)


def _concept_codes(concept: object, systems: Collection[str] | None) -> set[str]:
    """The codes of the codings that have one of ``systems`` or none at all (of any system: ``None``)."""
    listed = [coding for one in elements(concept) for coding in elements(one.get("coding"))]
    own = [c for c in listed if systems is None or c.get("system") is None or c.get("system") in systems]
    return {code for coding in own if (code := text(coding.get("code"))) is not None}


def _not_allowed(allowed: Allowed, resource: Resource, read: bool) -> Rejection | None:
    value = resource.get(allowed.element)
    if value is None:
        return Rejection(f"has no {allowed.element}") if allowed.required and not read else None
    if allowed.systems:
        found = _concept_codes(value, allowed.systems)
    else:
        found = {value} if isinstance(value, str) else set()
    wrong = found - allowed.codes
    if read:
        wrong &= {"entered-in-error"}
    elif not found:
        return Rejection(f"{allowed.element} cannot be read")
    if not wrong:
        return None
    nothing = NOTHING_THERE.get(allowed.element, frozenset())
    return Rejection(f"{allowed.element} is {min(wrong)[:40]}", open=not (wrong & nothing))


def _holds_something(content: Element) -> bool:
    """Whether an attachment has a content or says where it is."""
    attachment = content.get("attachment")
    if not isinstance(attachment, dict):
        return False
    data = attachment.get("data")
    if isinstance(data, str) and data.strip():
        if len(data) > _SHORT:
            return True
        try:
            return bool(base64.b64decode(data, validate=False).strip())
        except (binascii.Error, ValueError):  # what is not base64 holds nothing that anybody could read
            return False
    return bool(text(attachment.get("url"))) and attachment.get("size") != 0


class EvidenceIndex:
    """All evidence of one line by resource type. Build it once and hand it to every policy of the line.

    Diagnoses named for the line count as Condition resources without a date. Each component of an Observation is a
    result of its own (https://hl7.org/fhir/R4/observation.html#obsgrouping). Pseudo-resources of the payer's own data
    count only when the payer is their source.
    """

    __slots__ = ("_by_code", "_by_kind", "_medications")

    def __init__(self, context: LineContext) -> None:
        self._by_kind: dict[str, list[Evidence]] = {}
        self._by_code: dict[str, dict[Code, list[int]]] = {}
        self._medications: dict[Hashable, list[Resource]] = {}
        for item in context.evidence:
            found = Evidence(item, self)
            if found.kind in PAYER_SOURCES and not found.payer:
                continue  # the payer's own data cannot come from a sender
            self._by_kind.setdefault(found.kind, []).append(found)
            if found.kind == "Medication":
                self._name(item)
            elif found.kind == "Observation" and "component" in item.resource:
                self._by_kind["Observation"].extend(self._components(item))
        for position, concept in enumerate(context.diagnoses, 1):
            named: Resource = {"resourceType": "Condition", "code": concept}
            item = EvidenceItem(named, f"diagnosis[{position}]", "request")
            self._by_kind.setdefault("Condition", []).append(Evidence(item, self))

    def _components(self, item: EvidenceItem) -> Iterator[Evidence]:
        shared = {key: value for key, value in item.resource.items() if not key.startswith(_NOT_SHARED)}
        for component in elements(item.resource.get("component")):
            yield Evidence(item, self, {**shared, **component})

    def of(self, kind: str, wanted: CodeSet | None = None, *, payer: bool | None = None) -> list[Evidence]:
        """The evidence of a type, in the order in which it came; with ``wanted`` only what bears one of its codes, with
        ``payer`` only the payer's own or only what was sent."""
        found = self._by_kind.get(kind, [])
        if wanted is not None and found:
            places = sorted({place for some in wanted.among(self._codes_of(kind)) for place in some})
            found = [found[place] for place in places]
        if payer is not None:
            found = [evidence for evidence in found if (evidence.payer or kind in PAYER_SOURCES) is payer]
        return found

    def _codes_of(self, kind: str) -> dict[Code, list[int]]:
        """Where in the list of a type a code stands. A chart is searched by each fact of each policy."""
        known = self._by_code.get(kind)
        if known is None:
            known = self._by_code[kind] = {}
            for place, evidence in enumerate(self._by_kind[kind]):
                for code in evidence.codes:
                    known.setdefault(code, []).append(place)
        return known

    def _name(self, medication: EvidenceItem) -> None:
        """Note by what references may mean a Medication: its fullUrl, and ``Type/id``, its own or that of the fullUrl."""
        names = {plain_url(medication.url), type_and_id(medication.reference), type_and_id(medication.url)}
        for name in names - {"", None}:
            known = self._medications.setdefault(name, [])
            if medication.resource not in known:
                known.append(medication.resource)

    def medication(self, resource: Resource, url: str = "") -> Resource:
        """The Medication that ``medicationReference`` names (contained or among the evidence), or an empty one, also where several
        could be meant. ``url`` is the fullUrl at which ``resource`` stands. As :meth:`BundleIndex.resolve`, over all that is on
        file: what was attached later refers to what came with the request."""
        found = self._medication(resource, url)
        return {} if found.get("status") == "entered-in-error" or first_hidden(found) is not None else found

    def _medication(self, resource: Resource, url: str) -> Resource:
        written = reference_of(resource.get("medicationReference"))
        if written is None:
            return {}
        if written.startswith("#"):
            inside = (each for each in elements(resource.get("contained")) if written == f"#{each.get('id')}")
            return next(inside, {})
        names = (plain_url(written), plain_url(from_base(written, url)), type_and_id(written))
        found = next((self._medications[name] for name in names if name in self._medications), [])
        return found[0] if len(found) == 1 else {}


_VALUES = ("valueQuantity", "valueBoolean", "valueInteger", "valueString", "valueDateTime")


def default_value(evidence: Evidence) -> Iterator[Any]:
    """The value of a resource when the fact does not say ``value``: result of an Observation, units of a claim.

    Nothing for a result that cannot be read (a range, a ratio, two values, no value); ``True`` ("it is there") for
    types that have no value.
    """
    resource = evidence.resource
    if evidence.kind in PAYER_SOURCES:
        units = number(resource.get("units"))
        if units is not None:
            yield units
    elif evidence.kind == "Observation":
        there = [key for key in resource if key.startswith("value")]
        if len(there) != 1:
            return
        value = resource[there[0]]
        wanted = dict if there[0] == "valueQuantity" else (str, int)
        if there[0] in _VALUES and isinstance(value, wanted):
            yield value
        elif there[0] == "valueCodeableConcept":
            for code in codes(as_list(value)):
                yield code.code
                return
    else:
        yield True
