"""An explanation (the JSON of ``/explain/{id}``) made ready for a page: trees, evidence with links, a timeline."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from precert.fhir.types import Element
from precert.policy.catalogue import Catalogue
from precert.policy.model import Fact
from precert.security.identity import OPEN_CLIENT
from precert.workbench import labels, sentences
from precert.workbench.trees import Section, traced_sections

Link = Callable[[str], str | None]
"""From an evidence reference to a place on the page where it can be read, if there is one."""


def nowhere(reference: str) -> str | None:
    """The explanation alone: the documents are not on the page."""
    return None


@dataclass(frozen=True, slots=True)
class FactView:
    """One fact as it was known. ``evidence``: what is shown, where it can be read on the page, the exact reference."""

    name: str
    label: str
    value: str
    known: bool
    disputed: bool
    provenance: str
    evidence: tuple[tuple[str, str | None, str], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EventView:
    """One entry of the timeline."""

    at: str
    text: str
    by: str
    detail: str


@dataclass(frozen=True, slots=True)
class LineView:
    """One line of an explanation. ``raw`` is the line as the JSON has it."""

    raw: Element
    sequence: Any
    service: str
    title: str | None
    policy: str | None
    version: str | None
    decision: str
    decision_code: str | None
    tone: str
    outcome: str
    reason: str | None
    by: str
    human: bool
    sections: tuple[Section, ...]
    facts: Mapping[str, FactView]
    questions: tuple[Element, ...]
    reasons: tuple[str, ...]
    considered: tuple[Element, ...]
    conflicts: tuple[str, ...]
    alternatives: tuple[str, ...]
    authorization: tuple[tuple[str, str], ...]
    reference: str | None
    events: tuple[EventView, ...]

    @property
    def waiting(self) -> bool:
        """Whether some question is open; else all that is listed was asked by a reviewer and something arrived since."""
        return any(question.get("state") != "answered" for question in self.questions)


@dataclass(frozen=True, slots=True)
class ExplanationView:
    """The whole page: ``heading`` facts about the record, then its lines."""

    raw: Element
    heading: tuple[tuple[str, str], ...]
    lines: tuple[LineView, ...]
    events: tuple[EventView, ...]


def explanation_view(explained: Element, catalogue: Catalogue, link: Link = nowhere) -> ExplanationView:
    """The view of any explanation: of a case or of a CRD assertion."""
    heading = [
        ("Case", explained.get("case")),
        ("Coverage assertion", explained.get("assertion")),
        ("ClaimResponse", explained.get("claim_response")),
        ("Received", labels.when(explained.get("received"))),
        ("Track", explained.get("track")),
        ("Hook", explained.get("hook")),
        ("Member", explained.get("member")),
        ("Plan", explained.get("plan")),
    ]
    return ExplanationView(
        raw=explained,
        heading=tuple((label, str(shown)) for label, shown in heading if shown),
        lines=tuple(line_view(line, catalogue, link) for line in explained.get("lines", ())),
        events=tuple(map(event_view, explained.get("events", ()))),
    )


def line_view(line: Element, catalogue: Catalogue, link: Link = nowhere) -> LineView:
    """One explained line."""
    name, version = line.get("policy"), line.get("version")
    policy = catalogue.get(name, version) if name and version else None
    models = policy.fact_models if policy else {}
    code = line.get("decision")
    state = line.get("state")
    by = line.get("by") or {}
    questions = sentences.serving(line.get("questions") or (), line.get("criteria") or ())
    asked = {question.get("link_id") for question in questions}
    known = {str(fact.get("name")): fact_view(fact, models, link) for fact in line.get("facts", ())}
    bare = [missing for missing in line.get("missing", ()) if missing not in asked]
    return LineView(
        raw=line,
        sequence=line.get("sequence"),
        service=labels.code(line.get("code")),
        title=line.get("title") or (policy.model.title if policy else None),
        policy=name,
        version=version,
        decision=labels.state(state) if state else labels.decision(code),
        decision_code=code,
        tone=labels.state_tone(state) if state else labels.decision_tone(code),
        outcome=labels.outcome(line.get("outcome")),
        reason=_reason(line, len(questions) + len(bare), known),
        by=_by(by),
        human=bool(by.get("human")),
        sections=traced_sections(catalogue, line),
        facts=known,
        questions=(*questions, *({"link_id": m, "text": known[m].label if m in known else m} for m in bare)),
        reasons=tuple(_reasons(line, questions)),
        considered=tuple(_considered(one, catalogue) for one in line.get("considered") or ()),
        conflicts=tuple(line.get("conflicts") or ()),
        alternatives=tuple(map(_alternative, line.get("alternatives") or ())),
        authorization=tuple(_authorization(line.get("authorization") or {})),
        reference=line.get("reference"),
        events=tuple(map(event_view, line.get("events", ()))),
    )


def _by(by: Element) -> str:
    """Who decided, with the licence and the specialty that they named."""
    if not by.get("human"):
        return "the rules (no person)" if by else "the rules"
    more = [f"licence {by['license']}" if by.get("license") else "", by.get("specialty") or ""]
    return ", ".join([str(by["id"]), str(by["role"]), *(part for part in more if part)])


def _reason(line: Element, open_questions: int, facts: Mapping[str, FactView]) -> str | None:
    sentence = line.get("reason")
    if not sentence:
        return None
    human = bool((line.get("by") or {}).get("human"))
    if human:
        return str(sentence)
    if line.get("reason_code") == "conflict" and (disputed := [fact.label for fact in facts.values() if fact.disputed]):
        return f"The sources disagree: {'; '.join(disputed)}"
    return labels.reason(
        sentences.plain(sentences.unmet(str(sentence), len(line.get("unmet") or ()))),
        outcome=line.get("outcome"),
        code=line.get("reason_code"),
        human=human,
        open_questions=open_questions,
    )


def _reasons(line: Element, questions: tuple[Element, ...]) -> list[str]:
    """The further reasons, without those that only repeat the sentence or the questions."""
    first = str(questions[0].get("text")).rstrip("?") if questions else None
    said = [r for r in map(str, line.get("reasons", ())) if r != line.get("reason") and not (first and first in r)]
    texts = {c.get("id"): c.get("text") for c in line.get("criteria") or ()}  # a person's reasons are criterion ids
    return [f"{texts[reason]} ({reason})" if texts.get(reason) else sentences.plain(reason) for reason in said]


def _evidence(references: list[str], link: Link) -> list[tuple[str, str | None, str]]:
    """Each piece once: two references to one diagnosis in the request read the same."""
    found: dict[tuple[str, str | None], str] = {}
    for reference in references:
        found.setdefault((labels.evidence(reference), link(reference)), reference)
    return [(shown, href, reference) for (shown, href), reference in found.items()]


def fact_view(fact: Element, models: Mapping[str, Fact], link: Link) -> FactView:
    """One fact of the trace, with the policy's own question as its label."""
    name, provenance = str(fact.get("name")), str(fact.get("provenance"))
    model = models.get(name)
    unit = (model.unit or (model.ask.unit if model.ask else None)) if model else None
    shown = labels.value(fact.get("value"))
    known, nobody = provenance not in ("missing", "conflict"), provenance == "closed-world"
    said = labels.ORIGINS.get(str(fact.get("origin"))) if provenance in ("attested", "conflict") else None
    origin = "" if nobody else _provenance(provenance, said)
    if nobody:
        shown, origin = sentences.assumed(model, fact.get("value"))
    numeric = not nobody and isinstance(fact.get("value"), int | float) and not isinstance(fact.get("value"), bool)
    return FactView(
        name=name,
        label=model.ask.text if model and model.ask else name.replace("_", " "),
        value=f"{shown} {sentences.unit(unit)}" if unit and numeric else shown,
        known=known and not nobody,
        disputed=provenance == "conflict",
        provenance=origin,
        evidence=tuple(_evidence(list(map(str, fact.get("evidence", ()))), link)),
        notes=tuple(sentences.plain(str(note)) for note in fact.get("notes", ())),
    )


def _provenance(provenance: str, said: str | None) -> str:
    if provenance == "missing":
        return ""
    known = labels.PROVENANCE.get(provenance, provenance)
    return f"{known}, {said}" if said else known


def event_view(event: Element) -> EventView:
    """One event in words. Only details that a reader can use are shown; the JSON has all."""
    actor, by = event.get("actor") or "", event.get("by") or ""
    by = "" if by == OPEN_CLIENT.id else by  # in open mode nobody says which system it is
    return EventView(
        at=labels.when(event.get("at")),
        text=labels.event(str(event.get("event"))),
        by="" if actor == "system" else f"{by} ({actor})" if by and by != actor else actor,
        detail=sentences.event_detail(event),
    )


def _considered(one: Element, catalogue: Catalogue) -> Element:
    """A policy that was looked at, with its title."""
    policy = catalogue.get(str(one.get("policy")), str(one.get("version")))
    return {**one, "title": policy.model.title if policy else one.get("policy")}


def _alternative(offered: Element) -> str:
    code = labels.code(f"{offered['system']}|{offered['code']}") if offered.get("code") else ""
    return ": ".join(part for part in (code, offered.get("text")) if part) or str(offered.get("topic"))


def _authorization(granted: Element) -> list[tuple[str, str]]:
    start, end = labels.day(granted.get("start")), labels.day(granted.get("end"))
    quantity = f"{labels.value(granted['quantity'])} {granted.get('unit') or ''}" if granted.get("quantity") else ""
    found = [
        ("Authorization number", granted.get("number") or ""),
        ("Issued", labels.day(granted.get("issued"))),
        ("Valid", f"{start} to {end}" if end else f"from {start}" if start else ""),
        ("Quantity", quantity.strip()),
        ("Case", granted.get("case") or ""),
    ]
    return [(label, shown) for label, shown in found if shown]
