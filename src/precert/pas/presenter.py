"""How the core's cases become stored and sent PAS resources, in both shapes, and who is told when one changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from precert.authorization.record.case import Case
from precert.authorization.record.chain import fold
from precert.authorization.usecases.answers import rejection_of, versions
from precert.authorization.usecases.dependencies import Rejection, Rendered, Renderer
from precert.authorization.usecases.submission import Submission
from precert.fhir import json
from precert.fhir.bundle import BundleIndex
from precert.fhir.extension import extension, extension_value
from precert.fhir.types import Resource
from precert.pas import shape20, shape22, urls
from precert.pas.parties import parties
from precert.pas.requests import closed_requests
from precert.pas.response import Answer, Shape, response_bundle
from precert.runtime import Runtime
from precert.store.port import Outgoing, Put

SHAPES: tuple[Shape, ...] = (shape22, shape20)


@dataclass(frozen=True, slots=True)
class Change:
    """A record that changed after its synchronous answer: what subscribers are matched by and may be sent."""

    event: str
    case: Case
    filters: tuple[str, ...]
    bundles: dict[str, str]  # IG version to the id of the stored PAS Response Bundle
    claim_responses: dict[str, str]


@dataclass(frozen=True, slots=True)
class Presenter:
    """``announce`` turns a change into outbox messages (it is the subscriptions room's, handed in)."""

    runtime: Runtime
    announce: Callable[[Change], list[Outgoing]]

    def renderer(self, shape: Shape, root: str) -> Renderer:
        """The renderer of a synchronous answer on one base."""

        def render(case: Case, submission: Submission, rejection: Rejection | None) -> Rendered:
            stored = _Stored(case, submission)
            refusal = rejection is not None and rejection_of(case) is None
            id = self._id(case) if not refusal else self.runtime.new_id()
            # what is refused is no version of the request on record
            request = case.submission if not refusal else self.runtime.new_id()
            bundle = self._answer(case, submission, rejection, shape, root, stored, id)
            stored.put("Bundle", request, submission.raw)
            claim = {**submission.claim_resource, "id": request}  # readable here under our id
            stored.put("Claim", request, json.dumps(claim))
            if refusal:  # an error of its own; the case's ClaimResponse says what it said before
                stored.put("ClaimResponse", id, json.dumps(bundle["entry"][0]["resource"]))
                return Rendered(json.dumps(bundle), stored.puts, stored.ids)
            answers = {str(shape.VERSION): str(bundle["id"])}
            return Rendered(json.dumps(bundle), stored.puts, [*stored.ids, id], answers=answers, claim_response=id)

        return render

    def changed(self, case: Case, submission: Submission) -> Rendered:
        """A record that changed by itself: its resources in both shapes, and the message to subscribers.

        Nothing when the answer is what it was (an internal referral, a document that a reviewer is to see): the version of
        the ClaimResponse is the requester's, and what they see did not change.
        """
        stored = _Stored(case, submission)
        id, rejection = self._id(case), rejection_of(case)
        before = _answered_before(case)
        if before is not None and all(self._same(before.case, case, submission, shape, id) for shape in SHAPES):
            return Rendered(b"")
        bundles: dict[str, str] = {}
        # Tasks and CommunicationRequests are stored once, in the shape that was asked in
        for shape in sorted(SHAPES, key=lambda shape: case.opened.version != shape.VERSION):
            bundle = self._answer(case, submission, rejection, shape, case.opened.root, stored, id)
            bundles[shape.VERSION] = str(bundle["id"])
        change = Change(
            self.runtime.new_id(), case, filters(submission), bundles, {shape.VERSION: id for shape in SHAPES}
        )
        return Rendered(b"", stored.puts, [*stored.ids, id], self.announce(change), answers=bundles, claim_response=id)

    def shown(self, case: Case, submission: Submission, shape: Shape, root: str, id: str, at: datetime) -> Resource:
        """The ClaimResponse ``id`` of a record as it stood at ``at``, for a base on which nobody was answered then."""
        answer = Answer(case, submission, rejection_of(case), shape, id, self.runtime.new_id(), root, at)
        response: Resource = response_bundle(answer)["entry"][0]["resource"]
        return response

    def _same(self, before: Case, case: Case, submission: Submission, shape: Shape, id: str) -> bool:
        """Whether both states of a record are answered alike, in one shape."""
        at, bundle, root = self.runtime.now(), self.runtime.new_id(), case.opened.root
        each = (Answer(state, submission, rejection_of(state), shape, id, bundle, root, at) for state in (before, case))
        first, second = (response_bundle(answer) for answer in each)
        return first == second

    def _id(self, case: Case) -> str:
        """The case's ClaimResponse keeps its id: each answer is one version of it."""
        return case.claim_response or self.runtime.new_id()

    def _answer(
        self,
        case: Case,
        submission: Submission,
        rejection: Rejection | None,
        shape: Shape,
        root: str,
        stored: _Stored,
        id: str,
    ) -> Resource:
        answer = Answer(
            case=case,
            submission=submission,
            rejection=rejection,
            shape=shape,
            claim_response=id,
            bundle=self.runtime.new_id(),
            root=root,
            at=self.runtime.now(),
        )
        bundle = response_bundle(answer)
        stored.put("Bundle", answer.bundle, json.dumps(bundle))
        if (before := _answered_before(case)) is not None and rejection is None:
            asked_in = next((each for each in SHAPES if each.VERSION in before.shapes[:1]), shape)
            fhir = root + asked_in.PREFIX
            sides = parties(case, submission.claim_resource, BundleIndex(submission.bundle), fhir)
            for resource in closed_requests(before.case, case, sides, asked_in, fhir):
                stored.put(resource["resourceType"], resource["id"], json.dumps(resource))
        for entry in bundle["entry"]:
            resource = entry["resource"]
            if resource["resourceType"] in ("Task", "CommunicationRequest"):
                stored.put(resource["resourceType"], resource["id"], json.dumps(resource))
        return bundle


@dataclass(frozen=True, slots=True)
class _Before:
    """The record as its last answer showed it, and the IG versions of that answer, the one asked in first."""

    case: Case
    shapes: tuple[str, ...]


def _answered_before(case: Case) -> _Before | None:
    """``None`` if the record was not answered yet."""
    told = versions(case)
    return _Before(fold(case.events[: told[-1].events]), tuple(told[-1].bundles)) if told else None


class _Stored:
    """The documents of one rendering, each once, scoped to who submitted the request."""

    def __init__(self, case: Case, submission: Submission) -> None:
        self._scope = {"case": [case.id], "submitter": [case.opened.submitter]}
        self.puts: list[Put] = []
        self.ids: list[str] = []
        self._seen: set[tuple[str, str]] = set()

    def put(self, type: str, id: str, body: bytes) -> None:
        if (type, id) in self._seen:
            return
        self._seen.add((type, id))
        self.ids.append(id)
        self.puts.append(Put(type, id, body, {**self._scope, "id": [id]}))


def filters(submission: Submission) -> tuple[str, ...]:
    """What a subscription's organization filter may name: the sender's X12 ids and the requester's identifiers."""
    transmission = extension(submission.claim_resource, urls.TRANSMISSION)
    sent = [extension_value(transmission, name) for name in ("interchangeSenderID", "applicationSenderCode")]
    return tuple(
        dict.fromkeys([*(s for s in sent if isinstance(s, str)), *submission.requester_npis, *submission.requester_ids])
    )
