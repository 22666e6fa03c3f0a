"""The case page: everything about one request that a reviewer needs to decide it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from precert.authorization.deciding.determination_rules import OPEN_STATES, Reviewed
from precert.authorization.record.case import REVIEWER_FORM, REVIEWER_LINK, Case, Line, OpenQuestions, is_note
from precert.authorization.record.chain import decode, fold
from precert.authorization.record.explain import explain_case, explain_event
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.authorization.usecases.determine import reviewed
from precert.eligibility.model import HistoryEntry, Member
from precert.fhir import json
from precert.fhir.coding import CodePattern
from precert.fhir.types import Element
from precert.store.port import Document
from precert.workbench import labels, sentences
from precert.workbench.documents import DocumentView, distinct, documents, reference_anchor
from precert.workbench.element_text import say
from precert.workbench.explain_view import EventView, LineView, event_view, explanation_view
from precert.workbench.worklist import Row, changes, row

Pairs = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class FormCriterion:
    """A criterion that a reviewer can name as a reason."""

    id: str
    text: str
    word: str
    tone: str
    unmet: bool


@dataclass(frozen=True, slots=True)
class CaseLine:
    """One line of the request with its explanation; ``open`` lines have a determination form."""

    sequence: int
    state: str
    open: bool
    pended: bool
    asked: Pairs
    explained: LineView
    open_questions: tuple[Element, ...]
    answer_due: str | None
    choices: tuple[FormCriterion, ...]
    quantity: str
    unit: str
    referral: str | None
    changed: str  # what changed on file since the line was answered with a yes, until somebody has looked


@dataclass(frozen=True, slots=True)
class CaseView:
    """The whole page."""

    row: Row
    version: int
    member: Pairs
    requester: Pairs
    request: Pairs
    lines: tuple[CaseLine, ...]
    history: tuple[EventView, ...]
    documents: tuple[DocumentView, ...]
    claims: tuple[tuple[str, Pairs], ...]


async def case_view(service: AuthorizationService, document: Document, now: datetime) -> CaseView:
    """The page's content for the record in ``document``."""
    case = fold(decode(document.body))
    catalogue = service.catalogue()
    shown = distinct(await _documents(service, case))
    member = service.directory().by_number(case.opened.member) if case.opened.member else None
    claims = tuple(_claim(entry, now) for entry in (member.history if member else ()))
    places = {field.anchor for view in shown for field in view.fields} | {view.anchor for view in shown}
    places |= {anchor for anchor, _ in claims}

    def link(reference: str) -> str | None:
        anchor = reference_anchor(reference)
        if anchor in places:
            return f"#{anchor}"
        return "#request" if reference.startswith(("Claim.", "diagnosis[", "Item.")) else None

    explanation = explanation_view(explain_case(case, case.number), catalogue, link)
    lines = tuple(
        _line(line, view, reviewed(catalogue, case, line, now), changes(case.to_review.get(line.sequence)))
        for line, view in zip(case.ordered, explanation.lines, strict=True)
    )
    return CaseView(
        row=row(service, case, now),
        version=document.version,
        member=tuple(_member(case, member, now)),
        requester=tuple(_requester(service, case)),
        request=tuple(_request(case)),
        lines=lines,
        history=tuple(_history(case)),
        documents=tuple(shown),
        claims=claims,
    )


async def _documents(service: AuthorizationService, case: Case) -> list[DocumentView]:
    """The newest version of the request and all that was attached since."""
    questions, forms = _questions(service, case), _titles(case)
    found: list[DocumentView] = []
    for number, id in enumerate([case.submission, *case.attachments]):
        stored = await service.store.get(service.tenant, "Bundle", id)
        if stored is not None:
            source = "with the request" if number == 0 else f"attachment {number}"
            found += documents(json.loads(stored.body), source, questions, forms)
    return sorted(found, key=lambda view: not view.clinical)


def _titles(case: Case) -> Mapping[str, str]:
    """Policy to title, of all that ever decided a line; forms are called like their policies."""
    made = (event.determination for event in case.events if event.determination is not None)
    titles = {d.policy: d.title for d in made if d.policy and d.title}
    return titles | {f"{REVIEWER_FORM}{each.id}": "A reviewer's question" for each in _asked_in_words(case)}


def _asked_in_words(case: Case) -> Iterator[OpenQuestions]:
    """The lists, oldest first, on which a reviewer asked in their own words."""
    lists = (event.questions for event in case.events if event.questions is not None)
    yield from (each for each in lists if any(map(is_note, each.questions)))


def _history(case: Case) -> Iterator[EventView]:
    """Every event of the record, in order, with the line that it is about."""
    for event in case.events:
        view = event_view(explain_event(event))
        yield replace(view, text=f"Line {event.line}: {view.text}") if event.line is not None else view


def _questions(service: AuthorizationService, case: Case) -> Mapping[str, str]:
    """Fact name to question, for all policies that decided a line."""
    asked: dict[str, str] = {}
    for line in case.ordered:
        made = line.determination
        policy = service.catalogue().get(made.policy, made.version) if made and made.policy else None
        for name, fact in policy.fact_models.items() if policy else ():
            if fact.ask is not None:
                asked.setdefault(name, fact.ask.text)
    for questions in _asked_in_words(case):
        asked[REVIEWER_LINK] = " ".join(str(q["text"]) for q in questions.questions if is_note(q))
    return asked


def _claim(entry: HistoryEntry, now: datetime) -> tuple[str, Pairs]:
    """What the plan itself holds: evidence for look-backs and limits."""
    kind = "PayerClaim" if entry.kind == "claim" else "PayerAuth"
    pattern = CodePattern.parse(entry.code)
    pairs = (
        ("Kind", "paid claim" if entry.kind == "claim" else "authorization"),
        ("Service", labels.code(f"{pattern.system}|{pattern.code}")),
        ("Day", labels.day(entry.day(now.date()))),
        ("Units", labels.value(entry.units)),
    )
    return reference_anchor(f"{kind}/{entry.id}"), pairs


def _member(case: Case, member: Member | None, now: datetime) -> list[tuple[str, str]]:
    opened = case.opened
    patient = member.patient if member else opened.patient
    coverage = member.coverage_on(now.date()) or member.last_coverage if member else None
    found = [
        ("Member number", opened.member or ", ".join(opened.member_numbers) or "none sent"),
        ("Born", say(patient.get("birthDate"))),
        ("Gender", say(patient.get("gender"))),
        ("Plan", coverage.plan.name if coverage else opened.plan or ""),
        ("Line of business", labels.lob(opened.lob) if opened.lob else ""),
    ]
    if member is None:
        found.append(("Eligibility", "not in the directory; the coverage that came with the request is trusted"))
    elif coverage is not None:
        span = f"{labels.day(coverage.start) or '…'} to {labels.day(coverage.end) or 'open end'}"
        active = "active" if coverage.active_on(now.date()) else "not active today"
        found.append(("Eligibility", f"{active} ({span})"))
    return [(label, shown) for label, shown in found if shown]


def _requester(service: AuthorizationService, case: Case) -> list[tuple[str, str]]:
    party = case.opened.requester
    known = service.directory().provider([party.npi]) if party.npi else None
    network = party.network or (known.network if known else None)
    found = [
        ("Name", party.name or (known.name if known else "")),
        ("NPI", party.npi or ""),
        ("Specialty", (known.specialty or "") if known else ""),
        ("Network", {"in": "in network", "out": "out of network"}.get(network or "", "unknown")),
    ]
    return [(label, shown) for label, shown in found if shown]


def _request(case: Case) -> list[tuple[str, str]]:
    opened = case.opened
    return [
        ("Case", case.number),
        ("Received", labels.when(opened.received)),
        ("Track", opened.track),
        ("Sent by", "open mode" if opened.submitter == "open" else opened.submitter),
        ("Shape", f"PAS STU {opened.version}"),
    ]


def _line(line: Line, view: LineView, found: Reviewed, changed: str) -> CaseLine:
    asked = line.requested
    quantity = labels.value(asked.quantity) if asked.quantity is not None else ""
    pairs = [
        ("Quantity", f"{quantity} {asked.unit or ''}".strip()),
        (
            "Service dates",
            " to ".join(dict.fromkeys(labels.day(d) for d in (asked.service_start, asked.service_end) if d)),
        ),
        ("Request", labels.REQUESTS.get(asked.request, asked.request)),
        ("Diagnoses", "; ".join(map(say, asked.diagnoses))),
        ("Place", say(asked.item.get("locationCodeableConcept"))),
        ("Rendered by", (asked.provider.name or asked.provider.npi or "") if asked.provider else ""),
        ("Reference number", line.reference or ""),
    ]
    questions = line.questions
    return CaseLine(
        sequence=line.sequence,
        state=line.state,
        open=line.state in OPEN_STATES,
        pended=line.state == "pended_info",
        asked=tuple((label, shown) for label, shown in pairs if shown),
        explained=view,
        open_questions=sentences.serving(questions.questions if questions else (), view.raw.get("criteria") or ()),
        answer_due=labels.when(questions.due) if questions and questions.due else None,
        choices=tuple(_choices(found, view)),
        referral=_referral(view.raw.get("referral") or {}),
        changed=changed,
        quantity=quantity,
        unit=asked.unit or "units",
    )


_SPEAKS = {"against": ("not met", "bad"), "unknown": ("unknown", "wait"), "for": ("met", "good")}


def _choices(found: Reviewed, view: LineView) -> Iterator[FormCriterion]:
    """The criteria that can be named, in the words in which the tree above the form tells of them."""
    told = {node.id: (node.word, node.tone) for section in view.sections for node in section.root.below() if node.id}
    for ground in found.grounds.values():
        if not ground.group:
            word, tone = told.get(ground.id, _SPEAKS[ground.speaks])
            yield FormCriterion(ground.id, ground.text, word, tone, ground.speaks == "against")


def _referral(told: Element) -> str | None:
    """Who referred the line to a physician, when, and why."""
    if not told:
        return None
    question = f" Question: {told['question']}" if told.get("question") else ""
    return f"Referred to a physician by {told['by']}, {labels.when(told['at'])}: {told['reason']}{question}"
