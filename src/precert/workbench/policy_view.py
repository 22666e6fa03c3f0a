"""Coverage policies for readers: what is covered, on which basis, and which documentation is needed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from precert.fhir.types import Element
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.model import Applies, Fact
from precert.workbench import labels
from precert.workbench.trees import Section, policy_sections

_SOURCES = {
    "PayerClaim": "the plan's own paid claims",
    "PayerAuth": "the plan's own authorizations",
    "PayerUnits": "units free of authorization on record, and other lines of the request",
    "Item": "the request line",
    "Patient": "the patient's data",
    "Coverage": "the member's coverage",
    "Requester": "the requesting provider",
}
_TAKES = {
    "latest": "latest value",
    "earliest": "earliest value",
    "lowest": "lowest value",
    "highest": "highest value",
    "count": "number of entries",
    "sum": "sum",
    "exists": "whether there is one",
    "any": "",
}
_SPANS = {"d": "days", "w": "weeks", "mo": "months", "m": "months", "y": "years"}


@dataclass(frozen=True, slots=True)
class Needed:
    """One fact that the criteria look at, and how it can be documented."""

    name: str
    question: str | None
    who: str | None
    help: str | None
    kind: str
    sources: str
    codes: tuple[str, ...]
    criteria: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PolicyView:
    """One version of one policy, in words."""

    policy: CompiledPolicy
    state: str
    tone: str
    services: tuple[str, ...]
    scope: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    needed: tuple[Needed, ...]
    grant: tuple[tuple[str, str], ...]
    alternatives: tuple[tuple[str, str | None], ...]
    versions: tuple[CompiledPolicy, ...]

    @property
    def model(self) -> Any:
        return self.policy.model


def policy_view(policy: CompiledPolicy, versions: Sequence[CompiledPolicy], today: date) -> PolicyView:
    """Everything that the public page of a policy shows."""
    model = policy.model
    state, tone = standing(policy, today)
    return PolicyView(
        policy=policy,
        state=state,
        tone=tone,
        services=tuple(map(labels.code, model.applies.services)),
        scope=tuple(_scope(model.applies)),
        sections=policy_sections(policy),
        needed=tuple(_needed(policy, name, fact) for name, fact in model.facts.items()),
        grant=tuple(_grant(policy)),
        alternatives=tuple(
            (
                rule.text or labels.code(f"{rule.suggest.system}|{rule.suggest.code}")
                if rule.suggest
                else rule.text or rule.card,
                rule.when,
            )
            for rule in model.alternatives
        ),
        versions=tuple(reversed(versions)),
    )


def standing(policy: CompiledPolicy, today: date) -> tuple[str, str]:
    """Whether a version counts today, in words and as a tone."""
    effective = policy.model.effective
    if policy.in_effect(today):
        return "in effect", "good"
    if policy.model.status != "active":
        return policy.model.status.replace("-", " "), "gone"
    return (f"from {labels.day(effective.start)}", "wait") if today < effective.start else ("ended", "gone")


def _scope(applies: Applies) -> list[tuple[str, str]]:
    found = [("Lines of business", ", ".join(map(labels.lob, applies.lob)) or "all")]
    found.append(("Requests", ", ".join(applies.request) or "all"))
    for label, members in (("States", applies.state), ("Plans", applies.plan), ("Network", applies.network)):
        if members:
            found.append((label, ", ".join(members)))
    for label, patterns in (("Diagnoses", applies.diagnosis), ("Places of service", applies.place)):
        if patterns:
            found.append((label, ", ".join(map(labels.code, patterns))))
    if applies.age is not None:
        low, high = applies.age.min, applies.age.max
        found.append(("Age", f"{low if low is not None else 0} to {high}" if high is not None else f"{low} or older"))
    return found


def _needed(policy: CompiledPolicy, name: str, fact: Fact) -> Needed:
    ask = fact.ask
    kinds = {"boolean": "yes or no", "decimal": "number", "integer": "whole number", "choice": "one of a list"}
    kind = kinds.get(ask.type, ask.type) if ask else ""
    unit = (ask.unit if ask else None) or fact.unit
    options = f": {', '.join(ask.options)}" if ask and ask.options else ""
    return Needed(
        name=name,
        question=ask.text if ask else None,
        who=labels.WHO[ask.who] if ask else None,
        help=ask.help if ask else None,
        kind=f"{kind}{options}{f' ({unit})' if unit and kind else ''}",
        sources=_sources(fact),
        codes=tuple(map(labels.code, fact.code)),
        criteria=policy.criteria_of.get(name, ()),
    )


def _sources(fact: Fact) -> str:
    """``Observation in the record, of the last 30 days, lowest value``."""
    if not fact.sources:
        return ""
    first = labels.listed([_SOURCES.get(s, f"{s} in the record") for s in fact.sources], "or")
    window = f"of the last {_span(fact.within)}" if fact.within else ""
    return ", ".join(part for part in (first, window, _TAKES[fact.take]) if part)


def _span(written: str) -> str:
    digits = "".join(ch for ch in written if ch.isdigit())
    unit = written.strip().lstrip("0123456789 ")
    return f"{digits} {_SPANS.get(unit, unit)}"


def _grant(policy: CompiledPolicy) -> list[tuple[str, str]]:
    terms = policy.model.grant
    if terms is None:
        return []
    most = f"{labels.value(terms.max_quantity)} {terms.unit or ''}".strip() if terms.max_quantity is not None else ""
    found = [
        ("Period", terms.period),
        ("At most", most),
        ("Counted together", _together(terms.counted) if most else ""),
        ("Next review", terms.next_review),
        ("Fast path", terms.fast_path),
        ("When it stops", terms.on_stop),
        ("Note", terms.note),
    ]
    return [(label, shown) for label, shown in found if shown]


def _together(counted: str | tuple[tuple[str, ...], ...]) -> str:
    if isinstance(counted, str):
        return {"policy": "all services of the policy", "code": "each code by itself"}[counted]
    return "; ".join(", ".join(group) for group in counted)


def policy_json(policy: CompiledPolicy, today: date) -> Element:
    """One policy version for programs: the file's own content without its embedded tests."""
    content: Element = policy.model.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"tests"})
    return {**content, "digest": policy.digest, "in_effect": policy.in_effect(today)}


def policies_json(catalogue: Catalogue, today: date) -> Element:
    """The list of current policies for programs."""
    listed = []
    for policy in current_policies(catalogue, today):
        model = policy.model
        content = model.model_dump(mode="json", include={"policy", "version", "title", "role", "status", "effective"})
        applies = model.applies.model_dump(mode="json", exclude_defaults=True)
        listed.append(
            {
                **content,
                "in_effect": policy.in_effect(today),
                "applies": applies,
                "url": f"/policies/{policy.id}?version={policy.version}",
            }
        )
    return {"policies": listed}


def current_policies(catalogue: Catalogue, today: date) -> list[CompiledPolicy]:
    """One version of every policy: the one in effect today, else the newest."""
    ids = dict.fromkeys(policy.id for policy in catalogue)
    found = (catalogue.current(name, today) or catalogue.get(name) for name in ids)
    return [policy for policy in found if policy is not None]
