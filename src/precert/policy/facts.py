"""Facts: the only place where data is fetched, with its evidence and where it came from.

Order of trust: structured resource, payer's own data, attested answer, closed world (``absent``), unknown. When two of
the first three disagree the fact is a ``conflict``: both values stay in the trace, the criteria see it as unknown, and
a person decides. Source: docs/policies.md ("facts").

The closed world only speaks when nothing was found. Something that was found but cannot be read (no date under
``within``, another unit, no value) leaves the fact unknown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from precert.fhir.dates import parse_date
from precert.policy.closures import FOCUS, ExpressionError
from precert.policy.codeset import CodeSet, ValueSets
from precert.policy.evidence import Evidence, EvidenceIndex, default_value, number
from precert.policy.expression import Expression
from precert.policy.model import REQUEST_SOURCES, Fact
from precert.policy.periods import Window
from precert.policy.ranges import possible
from precert.policy.types import Answer, FactValue, LineContext, Provenance

_NUMERIC_TAKES = ("lowest", "highest", "sum")


@dataclass(frozen=True, slots=True)
class _Found:
    """One usable piece of evidence."""

    value: Any
    day: date | None
    reference: str


@dataclass(slots=True)
class _Search:
    """What one level of trust had to offer."""

    found: list[_Found]
    notes: list[str]
    unreadable: bool = False


def fitted(value: Any, kind: str | None) -> Any:
    """``value`` as the answer type ``kind`` wants it, or ``None`` if it does not fit (then it says nothing)."""
    if kind is None:
        return number(value) if isinstance(value, float) else value
    if kind == "boolean":
        return value if isinstance(value, bool) else None
    if kind in ("decimal", "integer"):
        exact = number(value)
        if exact is None and isinstance(value, str):
            try:
                exact = Decimal(value.strip())
            except InvalidOperation:
                return None
        if exact is None or (isinstance(exact, Decimal) and not exact.is_finite()):
            return None
        return exact if kind == "decimal" or exact == int(exact) else None
    if kind == "date":
        return value if parse_date(value) else None
    return value if isinstance(value, str) and value.strip() else None


class CompiledFact:
    """One fact, ready to be resolved. In: its model and the value sets known when loading.

    Raises precert.fhir.path.PathSyntaxError when ``value`` or ``where`` is not FHIRPath.
    """

    __slots__ = ("_codes", "_kind", "_past", "_unless", "_value", "_where", "_window", "model", "name")

    def __init__(self, name: str, model: Fact, value_sets: ValueSets | None = None) -> None:
        self.name = name
        self.model = model
        self._codes = CodeSet(model.code, value_sets) if model.code else None
        self._unless = CodeSet(model.unless, value_sets) if model.unless else None
        self._window = Window.parse(model.within) if model.within else None
        self._where = Expression(model.where, facts_only=False) if model.where else None
        self._value = Expression(model.value, facts_only=False) if model.value else None
        self._past = model.where is not None and "clinicalStatus" in model.where
        # count, sum and exists make their own type; the others deliver what the question would have asked for
        self._kind = model.ask.type if model.ask else None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(e for e in (self._where, self._value) if e is not None)

    def resolve(self, context: LineContext, index: EvidenceIndex) -> FactValue:
        """The fact for one line. Never raises: what cannot be read becomes a note."""
        notes: list[str] = []
        candidates: list[tuple[tuple[Any, ...], tuple[str, ...], Provenance]] = []
        blocked = False
        for source in self.model.sources:
            if source in REQUEST_SOURCES:
                values = self._from_request(source, context, notes)
                if values:
                    provenance: Provenance = "payer" if source in ("Coverage", "Requester") else "request"
                    candidates.append((values, (f"{source}.{self.model.value}",), provenance))
        for payer in (False, True):
            search = self._search(context, index, payer)
            notes.extend(search.notes)
            blocked = blocked or search.unreadable
            if search.found:
                values, evidence = self._taken(search.found)
                candidates.append((values, evidence, "payer" if payer else "structured"))
        answer = context.answers.get(self.name)
        if answer is not None and self.model.ask is None:
            notes.append(f"{answer.reference}: {self.name} is not asked, so an answer does not count")
        elif answer is not None:
            attested = self._attested(answer, notes)
            if attested is not None:
                candidates.append(((attested,), (answer.reference,), "attested"))
        if not candidates:
            if self.model.absent is not None and not blocked:
                return FactValue(self.name, (self.model.absent,), (), "closed-world", tuple(notes))
            return FactValue(self.name, (), (), "missing", tuple(notes))
        values, evidence, provenance = candidates[0]
        for other_values, other_evidence, other in candidates[1:]:
            if not _agree(values, other_values):
                notes.append(f"{provenance} says {_said(values)}, {other} says {_said(other_values)}")
                both = _distinct((*values, *other_values))
                told = answer.origin if answer is not None and other == "attested" else None
                return FactValue(self.name, both, (*evidence, *other_evidence), "conflict", tuple(notes), told)
            evidence = (*evidence, *other_evidence)
        said = answer if candidates[-1][2] == "attested" else None
        return FactValue(
            self.name,
            values,
            evidence,
            provenance,
            tuple(notes),
            said.origin if said else None,
            said.version if said else None,
        )

    def _from_request(self, source: str, context: LineContext, notes: list[str]) -> tuple[Any, ...]:
        focus = {
            "Item": context.item,
            "Patient": context.patient,
            "Coverage": context.coverage,
            "Requester": context.requester,
        }[source]
        assert self._value is not None  # the model demands it for these sources
        return self._read(self._value, focus, context, source, notes)

    def _read(
        self, path: Expression, focus: Any, context: LineContext, reference: str, notes: list[str]
    ) -> tuple[Any, ...]:
        try:
            result = path.value({FOCUS: focus, "asof": context.received.isoformat()})
        except ExpressionError as error:
            notes.append(f"{reference}: {path.text} cannot be evaluated: {error}")
            return ()
        members = result if isinstance(result, tuple) else (result,)
        return tuple(m for m in (fitted(member, None) for member in members) if m is not None)

    def _attested(self, answer: Answer, notes: list[str]) -> Any:
        expected = (self.model.ask.unit if self.model.ask else None) or self.model.unit
        if answer.unit is not None and expected is not None and answer.unit != expected:
            notes.append(f"{answer.reference}: is in {answer.unit}, the fact is in {expected}")
            return None
        if isinstance(answer.value, tuple):
            notes.append(f"{answer.reference}: was answered in different ways ({_said(answer.value)})")
            return None
        value = fitted(answer.value, self._kind)
        if value is None:
            notes.append(f"{answer.reference}: {answer.value!r} is not an answer of type {self._kind}")
            return None
        options = self.model.ask.options if self.model.ask else ()
        if options and value not in options:
            notes.append(f"{answer.reference}: {value!r} is not one of the answers offered")
            return None
        bounds = possible(expected) if self._kind == "decimal" else None
        if bounds is not None and not bounds[0] <= value <= bounds[1]:
            notes.append(f"{answer.reference}: {value} {expected} is not between {bounds[0]} and {bounds[1]}")
            return None
        return value

    def _search(self, context: LineContext, index: EvidenceIndex, payer: bool) -> _Search:
        search = _Search([], [])
        for kind in self.model.sources:
            for evidence in index.of(kind, self._codes, payer=payer):
                self._consider(evidence, context, search)
        return search

    def _consider(self, evidence: Evidence, context: LineContext, search: _Search) -> None:
        name, note = evidence.reference, search.notes.append
        rejected = evidence.rejected(any_clinical_status=self._past)
        if rejected is not None:
            note(f"{name}: {rejected}")
            return
        tentative = evidence.tentative
        if tentative is not None:
            note(f"{name}: {tentative}")
            search.unreadable = True
            return
        if self._window is not None:
            day = evidence.day
            if day is None:
                note(f"{name}: has no date, so it cannot be shown to be within {self.model.within}")
                search.unreadable = True
                return
            if day < self._window.first_day(context.received):
                note(f"{name}: dated {day}, older than {self.model.within}")
                return
            if day > context.received:
                note(f"{name}: dated {day}, after the request was received")
                return
        if self._unless is not None and self._unless.matches((*evidence.codes, *evidence.component_codes())):
            note(f"{name}: says by a further code that it was taken under other conditions")
            return
        if self._where is not None:
            environment = {FOCUS: evidence.resource, "asof": context.received.isoformat()}
            try:
                fits = self._where.truth(environment)
            except ExpressionError as error:
                note(f"{name}: where cannot be evaluated: {error}")
                search.unreadable = True
                return
            if fits is not True:
                if fits is None:
                    note(f"{name}: where cannot be answered from it")
                    search.unreadable = True
                return
        if self.model.take in ("exists", "count") and self.model.value is None and self.model.unit is None:
            search.found.append(_Found(True, evidence.day, name))
            return
        values = self._values(evidence, context, search)
        search.found.extend(_Found(value, evidence.day, name) for value in values)

    def _values(self, evidence: Evidence, context: LineContext, search: _Search) -> Sequence[Any]:
        raw: Sequence[Any]
        if self._value is not None:
            raw = self._read(self._value, evidence.resource, context, evidence.reference, search.notes)
        else:
            raw = tuple(default_value(evidence))
        if not raw:
            search.notes.append(f"{evidence.reference}: has no value")
            search.unreadable = True
            return ()
        usable: list[Any] = []
        for member in raw:
            value = self._in_unit(member, evidence, search)
            if value is None:
                continue
            wanted = None if self.model.take in ("exists", "count", "sum") else self._kind
            typed = number(value) if self.model.take in _NUMERIC_TAKES else fitted(value, wanted)
            if typed is None:
                search.notes.append(f"{evidence.reference}: the value {value!r} is not what the fact is about")
                search.unreadable = True
            else:
                usable.append(typed)
        return usable

    def _in_unit(self, member: Any, evidence: Evidence, search: _Search) -> Any:
        """The member as it stands, or a Quantity's number in the fact's unit; ``None`` (noted) if that is impossible."""
        quantity = member if isinstance(member, dict) else None
        if quantity is None and self._value is not None and self.model.unit is not None:
            quantity = evidence.resource.get("valueQuantity")  # the path took the number; the unit stands beside it
        if isinstance(quantity, dict):
            problem = None
            unit = quantity.get("code") or quantity.get("unit")
            factor: Decimal | int | None = 1
            if self.model.unit is not None and unit != self.model.unit:
                factor = self.model.convert.get(str(unit))
                if factor is None:
                    problem = f"is in {unit or 'no unit'}, the fact is in {self.model.unit}"
            if quantity.get("comparator"):
                problem = f"is only {quantity['comparator']} {quantity.get('value')}, not a value"
            if problem is not None:
                search.notes.append(f"{evidence.reference}: {problem}")
                search.unreadable = True
                return None
            exact = number(quantity.get("value") if isinstance(member, dict) else member)
            if exact is None:
                return None if isinstance(member, dict) else member
            return exact if factor == 1 else exact * (factor or 1)
        if self.model.unit is not None and self._value is None:
            search.notes.append(f"{evidence.reference}: has no quantity in {self.model.unit}")
            search.unreadable = True
            return None
        return member

    def _taken(self, found: list[_Found]) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        take = self.model.take
        everything = tuple(dict.fromkeys(f.reference for f in found))
        if take == "exists":
            return (True,), everything
        if take == "count":
            return (len(found),), everything
        if take == "sum":
            return (sum(f.value for f in found),), everything
        if take == "any":
            return _distinct(f.value for f in found), everything
        key: Callable[[_Found], Any] = (
            (lambda f: f.day or date.min) if take in ("latest", "earliest") else (lambda f: f.value)
        )
        best = max(found, key=key) if take in ("latest", "highest") else min(found, key=key)
        return (best.value,), (best.reference,)


def _agree(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two sources say the same; 86 and 86.0 do. True and 1 do not."""
    return len(one) == len(other) and all(
        a == b and isinstance(a, bool) == isinstance(b, bool) for a, b in zip(one, other, strict=True)
    )


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each value once, in order; true and 1 are two values."""
    kept: list[Any] = []
    for value in values:
        if not any(_agree((value,), (other,)) for other in kept):
            kept.append(value)
    return tuple(kept)


def _said(values: tuple[Any, ...]) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
