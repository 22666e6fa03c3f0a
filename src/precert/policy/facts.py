"""Facts: the only place where data is fetched, with its evidence and where it came from.

Order of trust: structured resource, payer's own data, attested answer, closed world (``absent``), unknown. When two of
the first three disagree, or two results or answers of the same time, the fact is a ``conflict``: both values stay in
the trace, the criteria see it as unknown, and a person decides. Source: docs/policies.md ("facts").

The closed world only speaks when nothing was found and nothing was said. Something that was found but cannot be read
(no date under ``within``, another unit, no value) leaves the fact unknown, and so does an answer that was given and
cannot be read, is impossible, contradicts itself or does not say when it was given. Beside a value of the record such an answer is a
conflict: nobody knows that it says the same. An answer from too long ago is none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from precert.fhir.moments import Moment
from precert.policy.answer_reading import QuestionRule, Reading, element_of, read_answer, untimely
from precert.policy.codeset import ValueSets
from precert.policy.evidence import EvidenceIndex, number
from precert.policy.expression import Expression
from precert.policy.model import PAYER_SOURCES, REQUEST_SOURCES, Fact
from precert.policy.ranges import bounds
from precert.policy.search import Found, Search, Searcher
from precert.policy.types import Answer, FactValue, LineContext, Provenance

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Level:
    """What one level of trust says. ``disputed``: it contradicts itself, and ``values`` are all that it says."""

    values: tuple[Any, ...]
    evidence: tuple[str, ...]
    provenance: Provenance
    disputed: str | None = None
    answer: Answer | None = None


class CompiledFact:
    """One fact, ready to be resolved. In: its model and the value sets known when loading.

    Raises precert.fhir.path.PathSyntaxError when ``value`` or ``where`` is not FHIRPath.
    """

    __slots__ = ("_searcher", "model", "name", "question")

    def __init__(self, name: str, model: Fact, value_sets: ValueSets | None = None) -> None:
        self.name = name
        self.model = model
        self.question = QuestionRule.of(name, model)
        self._searcher = Searcher(model, value_sets)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        return tuple(e for e in (self._searcher.where, self._searcher.value) if e is not None)

    def resolve(self, context: LineContext, index: EvidenceIndex) -> FactValue:
        """The fact for one line. Never raises: what cannot be read becomes a note."""
        notes: list[str] = []
        levels: list[_Level] = []
        blocked = False
        for source in self.model.sources:
            if source in REQUEST_SOURCES:
                values = self._from_request(source, context, notes)
                if values:
                    provenance: Provenance = "payer" if source in ("Coverage", "Requester") else "request"
                    levels.append(_Level(values, (f"{source}.{self.model.value}",), provenance))
        if context.out_of_reach and not _only_of_the_payer(self.model):
            notes.append(f"the service of {context.service_date} is more than a year away from the receipt")
            return self._combined(levels, notes, True)
        denied: list[Found] = []
        for payer in (False, True):
            search = self._searcher.search(context, index, payer)
            level = self._taken(search, "payer" if payer else "structured")
            notes.extend(search.notes)
            blocked = blocked or search.blocked
            denied.extend(_denials(search))
            if level is not None:
                levels.append(level)
            if search.contested:
                who = tuple(dict.fromkeys(search.contested))
                levels.append(_Level((), who, "structured", f"{', '.join(who)}: which version counts is not known"))
        answer = context.answers.get(self.name)
        if answer is not None and self.question is None:
            notes.append(f"{answer.reference}: {self.name} is not asked, so an answer does not count")
        elif answer is not None and self.question is not None:
            said = _attested(self.question, answer, context, notes)
            blocked = blocked or said.unreadable
            if said.level is not None:
                levels.append(said.level)
            against = said.against(levels)
            if against:  # nobody knows what was meant: it may be the opposite of what the record says
                told = f"{', '.join(against)}: what was answered cannot be taken, so it may say something else"
                levels.append(_Level((), against, "attested", told))
        if denied and any(level.values != (False,) for level in levels):
            who = tuple(dict.fromkeys(one.reference for one in denied))
            levels.append(_Level((False,), who, "structured", f"{', '.join(who)}: the patient does not have it"))
        return self._combined(levels, notes, blocked)

    def _combined(self, levels: Sequence[_Level], notes: list[str], blocked: bool) -> FactValue:
        """All levels together: the most trusted value, or a conflict when they do not agree."""
        if not levels:
            if self.model.absent is not None and not blocked:
                return FactValue(self.name, (self.model.absent,), (), "closed-world", tuple(notes))
            return FactValue(self.name, (), (), "missing", tuple(notes), unreadable=blocked)
        first = levels[0]
        answer = next((level.answer for level in levels if level.answer is not None), None)
        origin = answer.origin if answer is not None else None
        evidence = tuple(reference for level in levels for reference in level.evidence)
        said = [level.disputed for level in levels if level.disputed is not None]
        other = next((one for one in levels[1:] if one.values and not _agree(first.values, one.values)), None)
        if said or other is not None:
            notes.extend(said)
            if other is not None:
                mine, others = _said(first.values), _said(other.values)
                notes.append(f"{first.provenance} says {mine}, {other.provenance} says {others}")
            values = _distinct(value for level in levels for value in level.values)
            return FactValue(self.name, values, tuple(dict.fromkeys(evidence)), "conflict", tuple(notes), origin)
        version = answer.version if answer is not None else None
        return FactValue(self.name, first.values, evidence, first.provenance, tuple(notes), origin, version)

    def _from_request(self, source: str, context: LineContext, notes: list[str]) -> tuple[Any, ...]:
        focus = {
            "Item": context.item,
            "Patient": context.patient,
            "Coverage": context.coverage,
            "Requester": context.requester,
        }[source]
        values = self._searcher.read(focus, context, source, notes)
        low, high = bounds(self.model)
        for value in values:
            exact = number(value)
            if exact is not None and ((low is not None and exact < low) or (high is not None and exact > high)):
                notes.append(f"{source}: {exact} is not possible here (min {low}, max {high})")
                return ()
        return values

    def _taken(self, search: Search, provenance: Provenance) -> _Level | None:
        """What ``take`` makes of the evidence that was found."""
        found, take = search.found, self.model.take
        if not found:
            return None
        everything = tuple(dict.fromkeys(f.reference for f in found))
        if take == "exists":
            return _Level((True,), everything, provenance)
        if take == "count":
            return _Level((len(found),), everything, provenance)
        if take == "sum":
            return _Level((sum(f.value for f in found),), everything, provenance)
        if take == "any":
            return _Level(_distinct(f.value for f in found), everything, provenance)
        if take in ("latest", "earliest"):
            return self._at_the_end(search, provenance)
        best = (min if take == "lowest" else max)(found, key=lambda f: f.value)
        others = [f for f in found if f.moment is not None and best.moment and f.moment.same_instant(best.moment)]
        return _level([best, *others], provenance)

    def _at_the_end(self, search: Search, provenance: Provenance) -> _Level | None:
        """The latest or the earliest result. One that cannot be read may have been it: then nothing is known.

        What is not certainly older (for the earliest: newer) is its rival, whether or not its time shows that it counts.
        """
        later = self.model.take == "latest"
        counting = [*search.found, *search.unreadable]
        ends = _outermost([*counting, *search.unplaced], counting, later=later)
        unread = [one.reference for one in ends if one.value is None]
        if unread:
            told = "is, or may be," if any(one in ends for one in search.unplaced) else "is"
            search.notes.append(f"{', '.join(dict.fromkeys(unread))}: {told} the {self.model.take}, and cannot be read")
            search.blocked = True
            return None
        return _level(ends, provenance)


def _only_of_the_payer(fact: Fact) -> bool:
    """Whether nothing of the fact hangs on the state of the patient: it is of the request or of the payer's own books."""
    own = (*REQUEST_SOURCES, *PAYER_SOURCES)
    return fact.ask is None and bool(fact.sources) and all(source in own for source in fact.sources)


def _level(found: Sequence[Found], provenance: Provenance) -> _Level:
    """One value, or a dispute between those of the same time."""
    values = _distinct(one.value for one in found)
    if len(values) == 1:
        return _Level(values, (found[0].reference,), provenance)
    who = tuple(dict.fromkeys(one.reference for one in found))
    told = "results of the same time, or of times that cannot be put in order, differ"
    return _Level(values, who, provenance, f"{', '.join(who)}: {told} ({_said(values)})")


def _newest(items: Sequence[T], moment: Callable[[T], Moment | None], *, later: bool = True) -> list[T]:
    """Those of ``items`` (some) that nothing is certainly later (or earlier) than. What has no time may be any of them."""
    end: Moment | None = None
    for item in items:
        at = moment(item)
        if at is not None and (end is None or (at.after(end) if later else end.after(at))):
            end = at
    if end is None:
        return list(items)
    return [i for i in items if (at := moment(i)) is None or not (end.after(at) if later else at.after(end))]


def _outermost(items: Sequence[Found], counting: Sequence[Found], *, later: bool) -> list[Found]:
    """Those of ``items`` than which none of ``counting`` (some) is certainly later, or earlier: than the last (or first)
    time at which they can have been. What has no such time may be any of them."""
    pivot: Moment | None = None
    starts = [at for one in counting if (at := one.start if later else one.end) is not None]
    for at in sorted(starts, key=lambda at: at.first if later else at.last, reverse=later):
        if pivot is None or (at.after(pivot) if later else pivot.after(at)):
            pivot = at
    if pivot is None:
        return list(items)
    return [
        one
        for one in items
        if (at := one.end if later else one.start) is None or not (pivot.after(at) if later else at.after(pivot))
    ]


def _denials(search: Search) -> list[Found]:
    """What says that the patient does not have it: refuted by somebody; or over, where only the request names it."""
    if not search.found:
        return search.refuted
    if not all(one.named for one in search.found):
        return search.refuted
    named = frozenset(code for one in search.found for code in one.codes)
    return [*search.refuted, *(one for one in search.past if one.codes & named)]


@dataclass(frozen=True, slots=True)
class _Attested:
    """What the answers to one question say: ``level``, if anything. ``spoiled`` are those that cannot be read or contradict themselves,
    ``undated`` those (with what they say) of which nobody knows from when they are. ``unreadable``: something was said that
    cannot be taken."""

    level: _Level | None = None
    unreadable: bool = False
    spoiled: tuple[str, ...] = ()
    undated: tuple[tuple[str, Reading], ...] = ()

    def against(self, levels: Sequence[_Level]) -> tuple[str, ...]:
        """The answers that stand beside what ``levels`` say and may say something else; empty when there is nothing to stand beside."""
        if not levels:
            return ()
        others = (
            reference
            for reference, reading in self.undated
            if reading.fault is not None or any(not _agree(level.values, (reading.value,)) for level in levels)
        )
        return tuple(dict.fromkeys((*self.spoiled, *others)))


def _attested(rule: QuestionRule, answer: Answer, context: LineContext, notes: list[str]) -> _Attested:
    """What the newest answers say that are from the right time. Answers from too long ago are as if they had not been given."""
    read: list[tuple[Moment | None, Reading, Answer]] = []
    undated: list[tuple[str, Reading]] = []
    for one in (answer, *answer.others):
        late = untimely(one.authored, rule.window, rule.within, context.received, context.instant)
        reading = read_answer(rule, element_of(one, rule.kind))
        if late is None:
            read.append((Moment.parse(one.authored), reading, one))
            continue
        notes.append(f"{one.reference}: {late.said}")
        if late.rule != "answer-too-old":
            undated.append((one.reference, reading))
    said = _Attested(None, bool(undated), (), tuple(undated))
    if not read:
        return said
    newest = _newest(read, lambda r: r[0])
    faults = [f"{one.reference}: {reading.fault.said}" for _, reading, one in newest if reading.fault is not None]
    values = _distinct(reading.value for _, reading, _ in newest)
    references = tuple(dict.fromkeys(one.reference for *_, one in newest))
    if faults:
        notes.extend(dict.fromkeys(faults))
        return replace(said, unreadable=True, spoiled=references)
    twice = [one.reference for *_, one in newest if one.repeated]
    if twice:
        notes.append(f"{twice[0]}: is answered more than once in one response; it takes one answer")
        return replace(said, unreadable=True, spoiled=references)
    if len(values) > 1:
        told = f"{', '.join(references)}: was answered in different ways ({_said(values)})"
        return replace(said, unreadable=True, level=_Level(values, references, "attested", told, newest[0][2]))
    return replace(said, level=_Level(values, references, "attested", answer=newest[-1][2]))


def _agree(one: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    """Whether two sources say the same; 86 and 86.0 do. True and 1 do not."""
    return len(one) == len(other) and all(
        a == b and isinstance(a, bool) == isinstance(b, bool) for a, b in zip(one, other, strict=True)
    )


def _distinct(values: Iterable[Any]) -> tuple[Any, ...]:
    """Each value once, in order; true and 1 are two values."""
    kept: dict[Any, Any] = {}
    for value in values:
        plain = repr(value) if isinstance(value, dict | list) else value
        kept.setdefault((isinstance(value, bool), plain), value)
    return tuple(kept.values())


def _said(values: tuple[Any, ...]) -> str:
    return ", ".join(str(value).lower() if isinstance(value, bool) else str(value) for value in values)
