"""The resources that speak to one fact: which of them count, from when they are, and their values in the fact's unit.

What is passed over leaves a note. Source: docs/policies.md ("what counts as evidence").
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from precert.fhir.moments import Moment
from precert.fhir.types import Element
from precert.policy import units
from precert.policy.closures import FOCUS, ExpressionError
from precert.policy.codeset import CodeSet, ValueSets, with_equivalents
from precert.policy.evidence import Evidence, EvidenceIndex, default_value, number
from precert.policy.evidence_rules import EVIDENCE_TYPES
from precert.policy.expression import Expression
from precert.policy.model import PAYER_SOURCES, REQUEST_SOURCES, Fact
from precert.policy.periods import Window
from precert.policy.ranges import bounds
from precert.policy.types import LineContext

_AHEAD = ("PayerAuth", "PayerUnits")
_NUMERIC_TAKES = ("lowest", "highest", "sum")
_ELEMENTS = frozenset(allowed.element for rule in EVIDENCE_TYPES.values() for allowed in rule.allowed)


@dataclass(frozen=True, slots=True)
class Found:
    """One piece of evidence that counts. ``value`` is ``None`` for a result that is there and cannot be read."""

    value: Any
    moment: Moment | None
    reference: str
    codes: frozenset[Any] = frozenset()
    named: bool = False  # a diagnosis that the request names, without a record of its own
    start: Moment | None = (
        None  # the first and the last time at which it can have been, where they count (latest, earliest)
    )
    end: Moment | None = None


@dataclass(slots=True)
class Search:
    """What the provider's resources, or the payer's, had to offer. ``blocked``: something is there that says neither
    yes nor no. ``unplaced`` are those whose time does not show that they count, nor that they are too old: the newest
    result may be among them. ``contested`` are resources that came in versions that differ. ``refuted`` and ``past`` are conditions that the patient does not have, or has no more."""

    found: list[Found] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    unreadable: list[Found] = field(default_factory=list)
    unplaced: list[Found] = field(default_factory=list)
    refuted: list[Found] = field(default_factory=list)
    past: list[Found] = field(default_factory=list)
    contested: list[str] = field(default_factory=list)
    blocked: bool = False


def fitted(value: Any, kind: str | None) -> Any:
    """A chart's ``value`` as the answer type ``kind`` wants it, or ``None`` if it does not fit (then it says nothing).

    Nothing is turned into another type: "22" is no number.
    """
    if kind is None:
        return number(value) if isinstance(value, float) else value
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind in ("decimal", "integer"):
        exact = number(value)
        return None if exact is None or (kind == "integer" and exact != int(exact)) else exact
    if kind == "date":
        return value if Moment.parse(value) is not None else None
    return value if isinstance(value, str) and value.strip() else None


class Searcher:
    """Searches the evidence of a line for one fact. In: its model and the value sets known when loading.

    Raises precert.fhir.path.PathSyntaxError when ``value`` or ``where`` is not FHIRPath.
    """

    __slots__ = (
        "_codes",
        "_converted",
        "_kind",
        "_last",
        "_looks_at",
        "_only_there",
        "_range",
        "_unless",
        "_window",
        "model",
        "value",
        "where",
    )

    def __init__(self, model: Fact, value_sets: ValueSets | None) -> None:
        self.model = model
        self._codes = CodeSet(with_equivalents(model.code, value_sets), value_sets) if model.code else None
        self._unless = CodeSet(model.unless, value_sets) if model.unless else None
        self._window = Window.parse(model.within) if model.within else None
        self.where = Expression(model.where, facts_only=False) if model.where else None
        self.value = Expression(model.value, facts_only=False) if model.value else None
        self._looks_at = frozenset(e for e in _ELEMENTS if re.search(rf"\b{e}\b", model.where or ""))
        self._range = bounds(model)
        numeric = model.unit is not None or model.min is not None or model.max is not None
        # count, sum and exists make their own type; the others deliver what the question would have asked for
        self._kind: str | None = None
        if model.take in _NUMERIC_TAKES:
            self._kind = "decimal"
        elif model.take not in ("exists", "count"):
            self._kind = model.ask.type if model.ask else "decimal" if numeric else None
        self._converted = {units.canonical(unit): by for unit, by in model.convert.items()}
        self._last = model.take in ("latest", "earliest")
        self._only_there = model.take in ("exists", "count") and model.value is None and model.unit is None

    def search(self, context: LineContext, index: EvidenceIndex, payer: bool) -> Search:
        """Everything of one level of trust, the payer's or what was sent. Never raises: what cannot be read is noted."""
        search = Search()
        for kind in self.model.sources:
            if kind not in REQUEST_SOURCES:
                for evidence in index.of(kind, self._codes, payer=payer):
                    self._consider(evidence, context, search)
        return search

    def _consider(self, evidence: Evidence, context: LineContext, search: Search) -> None:
        name, note = evidence.reference, search.notes.append
        rejection = evidence.rejection(self._looks_at)
        if rejection is not None:
            note(f"{name}: {rejection.reason}")
            search.blocked = search.blocked or rejection.open
            if evidence.kind in ("Condition", "AllergyIntolerance") and not rejection.open:
                known = Found(False, evidence.moment, name, frozenset(evidence.codes))
                (search.refuted if evidence.refuted else search.past).append(known)
            return
        timely = self._timely(evidence, context, search)
        if timely is False or (timely is None and not self._last):
            return
        if self._unless is not None and self._unless.matches((*evidence.codes, *evidence.component_codes())):
            note(f"{name}: says by a further code that it was taken under other conditions")
            return
        if not self._fits(evidence, context, search):
            return
        if evidence.item.contested:
            note(f"{name}: came in versions that differ, and none is known to be the newest")
            search.contested.append(name)
            return
        if self._only_there:
            if evidence.kind == "Observation" and evidence.resource.get("valueBoolean") is False:
                note(f"{name}: says false, so it does not show that something is there")
                search.blocked = True
                return
            search.found.append(self._found(True, evidence))
            return
        before = search.blocked
        search.blocked = False
        values = self._values(evidence, context, search)
        counts, unread = (search.found, search.unreadable) if timely else (search.unplaced, search.unplaced)
        counts.extend(self._found(value, evidence) for value in values)
        if search.blocked:
            unread.append(self._found(None, evidence))
        search.blocked = search.blocked or before

    def _found(self, value: Any, evidence: Evidence) -> Found:
        codes = frozenset(evidence.codes) if evidence.named else frozenset()
        start, end = evidence.span if self._last else (None, None)
        return Found(value, evidence.moment, evidence.reference, codes, evidence.named, start, end)

    def _timely(self, evidence: Evidence, context: LineContext, search: Search) -> bool | None:
        """Whether it is from before the service and the receipt, and inside the look-back; ``None``: its time does not tell."""
        name, note, moment = evidence.reference, search.notes.append, evidence.moment
        if (element := evidence.ahead(context.received, context.instant)) is not None:
            note(f"{name}: {element} lies after the day on which the request was received")
            search.blocked = True  # the date is wrong, the thing may be there
            return None
        until = context.evidence_until
        own = evidence.kind in PAYER_SOURCES  # what was used up counts, whatever day the service is of
        if moment is None:
            if self._window is None:
                return True
            note(f"{name}: has no date, so it cannot be shown to be within {self.model.within}")
            search.blocked = True
            return None
        ahead = evidence.kind in _AHEAD and self._window is None  # the plan authorizes what is to come
        if moment.ahead(context.received, context.instant) and not ahead:
            note(f"{name}: dated {moment.first}, after the request was received")
            search.blocked = True  # the date is wrong, the thing may be there
            return None
        if until < context.received and moment.first > until and not own:
            note(f"{name}: dated {moment.first}, after the service of {until}")
            return False
        if self._window is None:
            return True
        last = context.received if own else until
        end = max(last, moment.first) if moment.whole_day else last  # a zone may be a day ahead of ours
        inside = moment.within(self._window.first_day(until), end)
        if inside is None:
            note(f"{name}: dated only to the month or year, so it cannot be shown to be within {self.model.within}")
            search.blocked = True
        elif not inside:
            note(f"{name}: dated {moment.first}, older than {self.model.within}")
        return inside

    def _fits(self, evidence: Evidence, context: LineContext, search: Search) -> bool:
        """Whether ``where`` is true of it."""
        if self.where is None:
            return True
        name = evidence.reference
        try:
            fits = self.where.truth({FOCUS: evidence.resource, "asof": context.received.isoformat()})
        except ExpressionError as error:
            search.notes.append(f"{name}: where cannot be evaluated: {error}")
            search.blocked = True
            return False
        if fits is None:
            search.notes.append(f"{name}: where cannot be answered from it")
            search.blocked = True
        return fits is True

    def read(self, focus: Any, context: LineContext, reference: str, notes: list[str]) -> tuple[Any, ...]:
        """What the fact's ``value`` path finds under ``focus``."""
        assert self.value is not None  # asked for only then
        try:
            result = self.value.value({FOCUS: focus, "asof": context.received.isoformat()})
        except ExpressionError as error:
            notes.append(f"{reference}: {self.value.text} cannot be evaluated: {error}")
            return ()
        members = result if isinstance(result, tuple) else (result,)
        return tuple(m for m in (fitted(member, None) for member in members) if m is not None)

    def _values(self, evidence: Evidence, context: LineContext, search: Search) -> Sequence[Any]:
        raw: Sequence[Any]
        if self.value is not None:
            raw = self.read(evidence.resource, context, evidence.reference, search.notes)
        else:
            raw = tuple(default_value(evidence))
        if not raw:
            search.notes.append(f"{evidence.reference}: has no value")
            search.blocked = True
            return ()
        usable: list[Any] = []
        for member in raw:
            value, problem = self._usable(member, evidence)
            if problem is not None:
                search.notes.append(f"{evidence.reference}: {problem}")
                search.blocked = True
            else:
                usable.append(value)
        return usable

    def _usable(self, member: Any, evidence: Evidence) -> tuple[Any, str | None]:
        """(the value as the fact wants it, why it cannot be used)."""
        value, problem = self._in_unit(member, evidence.resource)
        if problem is not None:
            return None, problem
        typed = fitted(value, self._kind)
        if typed is None or isinstance(typed, dict):
            return None, f"the value {value!r} is not what the fact is about"
        exact = number(typed)
        low, high = self._range
        if exact is not None and ((low is not None and exact < low) or (high is not None and exact > high)):
            return None, f"{exact} is not possible here (min {low}, max {high})"
        return typed, None

    def _in_unit(self, member: Any, resource: Element) -> tuple[Any, str | None]:
        """The member as it stands, or a Quantity's number in the fact's unit."""
        quantity = member if isinstance(member, dict) else None
        if quantity is None and self.value is not None and number(member) is not None:
            quantity = resource.get("valueQuantity")  # the path took the number; unit and comparator stand beside it
        if not isinstance(quantity, dict):
            if self.model.unit is not None:
                return None, f"has no quantity in {self.model.unit}"
            return member, None
        if quantity.get("comparator") is not None:
            return None, f"is only {quantity['comparator']} {quantity.get('value')}, not a value"
        exact = number(quantity.get("value") if isinstance(member, dict) else member)
        if exact is None:
            return None, "has no value"
        unit, unclear = units.unit_of(quantity)
        if unclear is not None:
            return None, unclear
        wanted = self.model.unit
        if wanted is None:
            plain = unit is None or units.canonical(unit) == "1"
            return (exact, None) if plain else (None, f"is in {unit}, the fact is a plain number")
        factor: Decimal | None = None
        if unit is not None:
            factor = self._converted.get(units.canonical(unit)) or units.factor(unit, wanted)
        if factor is None:
            return None, f"is in {unit or 'no unit'}, the fact is in {wanted}"
        return (exact if factor == 1 else exact * factor), None
