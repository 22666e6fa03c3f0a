"""``$questionnaire-package``: the answer to a call, one bundle per form and one outcome for everything worth saying.

Source: DTR 2.2.0 oper-1..19, profiles dtr-qpackage-output-parameters and DTR-QPackageBundle (2.2.0, 2.0.1).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, time

from precert.authorization.deciding.orders import numbered
from precert.authorization.deciding.response_versions import CONTEXT
from precert.authorization.record.case import OpenQuestions
from precert.authorization.usecases.ask import ConsultService
from precert.authorization.usecases.dependencies import AuthorizationService
from precert.dtr import urls
from precert.dtr.adaptive import first_questions
from precert.dtr.artifacts import Artifacts, Issued, artifacts, renderer
from precert.dtr.asked import Asked
from precert.dtr.draft import Draft, links
from precert.dtr.forms import Forms
from precert.dtr.handmade.collection import Handmade, HandmadeForms
from precert.dtr.handmade.wire import artifacts as handmade_artifacts
from precert.dtr.handmade.wire import draft as handmade_draft
from precert.dtr.origin import Origin, find_origin
from precert.dtr.questionnaire import Site
from precert.dtr.resolve import Resolved, Wanted, resolve
from precert.dtr.reviewer_questions import ReviewerForm, asked_in_words
from precert.dtr.shape import Shape
from precert.fhir.bundle import bundle_entry
from precert.fhir.dates import instant
from precert.fhir.outcome import FhirError, Issue, operation_outcome
from precert.fhir.types import Element, Resource
from precert.security.identity import Client


@dataclass(frozen=True, slots=True)
class Packager:
    """What building packages needs; one per server."""

    service: AuthorizationService
    consult: ConsultService
    forms: Forms
    issued: Issued
    handmade_forms: HandmadeForms = field(default_factory=HandmadeForms)

    async def package(self, asked: Asked, shape: Shape, site: Site, client: Client) -> Resource:
        """The Parameters to answer ``client`` with. Raises FhirError (404 context, 422 coverage) and the store's errors."""
        origin = await self._origin(asked)
        worded = list(asked_in_words(origin, client))
        resolved = await resolve(asked, origin, self.consult, self.forms, site.root, client.id, worded=bool(worded))
        worded = worded if resolved.by_context else []
        building = _Building(self, asked, resolved, shape, site)
        bundles = [await building.bundle(wanted) for wanted in resolved.wanted if building.changed(wanted)]
        bundles += [bundle async for bundle in building.old()]
        bundles += [building.worded(each) for each in worded]
        return building.answer(bundles)

    async def _origin(self, asked: Asked) -> Origin | None:
        if asked.context is None:
            return None
        origin = await find_origin(self.service, asked.context)
        if origin is None:
            text = (
                f"The context {asked.context[:64]!r} was not given out by this payer. Nothing can be looked up by it."
            )
            issue = Issue("error", "not-found", text, "Parameters.parameter.where(name='context')", "unknown-context")
            raise FhirError(404, issue)
        return origin


@dataclass(slots=True)
class _Building:
    """One answer in the making."""

    packager: Packager
    asked: Asked
    resolved: Resolved
    shape: Shape
    site: Site
    unchanged: list[str] = field(default_factory=list)

    @property
    def now(self) -> datetime:
        return self.packager.service.runtime.now()

    @property
    def new_id(self) -> Callable[[], str]:
        return self.packager.service.runtime.new_id

    def changed(self, wanted: Wanted) -> bool:
        """``changedsince``: a form whose last change is older is not sent again."""
        since = self.asked.changed_since
        if since is None or datetime.combine(wanted.served.form.changed, time(), UTC) > since:
            return True
        self.unchanged.append(wanted.served.id)
        return False

    async def bundle(self, wanted: Wanted) -> Resource:
        """The package of one form."""
        served, origin = wanted.served, self.resolved.origin
        crosswalk = self.packager.consult.directory().crosswalk
        service = numbered(wanted.orders[0].read, 1, crosswalk).asked.line.code if wanted.orders else None
        first: tuple[str, ...] = ()
        if served.manner == "adaptive" and self.shape.SHELL_ASKS:
            first = first_questions(served.form, service, self.shape, self.now.date())
        made = artifacts(served, self.shape, self.site, self.packager.forms.catalogue(), self.now, self.new_id(), first)
        self.resolved.notes.extend(made.notes)
        await self.packager.issued.keep(served, self.shape, made, self.site.root)
        draft = Draft(
            served=served,
            renderer=renderer(served, self.shape, self.site),
            links=links(self.resolved.coverage_of(wanted), wanted.orders, origin),
            known=wanted.known,
            first=first,
            origin=origin,
            service=service,
        )
        return self._bundle(made, draft.resource(self.new_id(), self.now))

    async def old(self) -> AsyncIterator[Resource]:
        """Forms that no policy makes: hand-made ones, then those that left the library, as they were issued; a warning
        for each that never was."""
        for written in self.resolved.missing:
            held = self.packager.handmade_forms.by_canonical(written, self.site)
            if held is not None:
                if self.asked.changed_since is None or held.changed > self.asked.changed_since:
                    yield self._handmade(held)
                else:
                    self.unchanged.append(held.id)
                continue
            made = await self.packager.issued.by_canonical(written, self.site.root, self.shape, self.now)
            if made is None:
                text = f"No form of this payer is called {written[:200]!r}."
                self.resolved.notes.append(Issue("warning", "not-found", text, rule="unknown-questionnaire"))
                continue
            yield self._bundle(made, self._plain_draft(made))

    def worded(self, asked: OpenQuestions) -> Resource:
        """The package of a question that a reviewer asked in their own words."""
        made = ReviewerForm(asked).artifacts(self.shape, self.site)
        draft = self._plain_draft(made)
        draft["identifier"] = {"system": CONTEXT, "value": asked.id}
        return self._bundle(made, draft)

    def _handmade(self, held: Handmade) -> Resource:
        """The package of a hand-made form, linked to everything that was sent."""
        linked = links(self.resolved.coverage_of(), self.asked.orders, self.resolved.origin)
        made = handmade_artifacts(held, self.site, self.shape, self.now, self.new_id())
        draft = handmade_draft(held, linked, self.site, self.shape, self.now, self.new_id)
        if self.resolved.origin is not None:  # as for our own forms: context, answers and case are one thread
            draft["identifier"] = {"system": CONTEXT, "value": self.resolved.origin.id}
        return self._bundle(made, draft)

    def _plain_draft(self, made: Artifacts) -> Resource:
        """The draft for a form whose policy is not here any more: its groups, and the links."""
        linked = links(self.resolved.coverage_of(), self.asked.orders, self.resolved.origin)
        form = made.questionnaire
        return {
            "resourceType": "QuestionnaireResponse",
            "id": self.new_id(),
            "meta": {"profile": [urls.RESPONSE]},
            "extension": [
                *self.shape.response_extensions(linked.coverage, list(linked.orders)),
                {"url": urls.INTENDED_USE, "valueCodeableConcept": self.shape.intended_use("withpa")},
            ],
            "questionnaire": f"{form['url']}|{form['version']}",
            "status": "in-progress",
            "subject": linked.subject,
            "authored": instant(self.now),
            "item": [{"linkId": group["linkId"], "text": group["text"]} for group in form.get("item", ())],
        }

    def _bundle(self, made: Artifacts, draft: Resource) -> Resource:
        base = self.site.base(self.shape)
        entries = [bundle_entry(f"{base}/Questionnaire/{made.questionnaire['id']}", made.questionnaire)]
        entries.append(bundle_entry(f"urn:uuid:{draft['id']}", draft))
        for resource in (*made.libraries, *made.value_sets):
            entries.append(bundle_entry(f"{base}/{resource['resourceType']}/{resource['id']}", resource))
        return {
            "resourceType": "Bundle",
            "id": self.new_id(),
            "meta": {"profile": [urls.PACKAGE]},
            "type": "collection",
            "timestamp": instant(self.now),
            "entry": entries,
        }

    def answer(self, bundles: list[Resource]) -> Resource:
        """The Parameters; without a bundle the outcome stands alone, because one parameter is the least."""
        parameters: list[Element] = [{"name": self.shape.PACKAGE_PARAMETER, "resource": b} for b in bundles]
        issues = [*self.resolved.notes, *self._unchanged()]
        if issues or not bundles:
            if not issues:
                text = "There is nothing to fill in."
                issues = [Issue("information", "informational", text, rule="nothing-needed")]
            parameters.append({"name": self.shape.OUTCOME_PARAMETER, "resource": operation_outcome(issues)})
        profile = {"profile": [urls.PACKAGE_OUTPUT]}
        return {"resourceType": "Parameters", "meta": profile, "parameter": parameters}

    def _unchanged(self) -> Iterator[Issue]:
        since = self.asked.changed_since
        if self.unchanged and since is not None:
            text = f"Unchanged since {instant(since)}: {', '.join(self.unchanged)}."
            yield Issue("information", "informational", text, rule="unchanged")
