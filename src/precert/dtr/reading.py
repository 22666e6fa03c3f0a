"""Reading what forms are made of: by id, by id with version, and by searching for a canonical.

A canonical that somebody types into a browser works too: ``Questionnaire/oxygen-home|2026.2`` is that version.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from precert.dtr import urls
from precert.dtr.artifacts import Artifacts, Issued, artifacts
from precert.dtr.expand import find
from precert.dtr.forms import Forms
from precert.dtr.handmade.codes import as_sent
from precert.dtr.handmade.collection import HandmadeForms, names
from precert.dtr.handmade.wire import artifacts as handmade_artifacts
from precert.dtr.handmade.wire import placed
from precert.dtr.questionnaire import Site
from precert.dtr.shape import Shape
from precert.dtr.valuesets import SMALL, expanded
from precert.fhir.bundle import bundle_entry
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, Resource
from precert.runtime import Runtime

KINDS = ("Questionnaire", "Library", "ValueSet")


@dataclass(frozen=True, slots=True)
class Reader:
    """Serves the three kinds of resources; one per server."""

    forms: Forms
    issued: Issued
    runtime: Runtime
    handmade_forms: HandmadeForms = field(default_factory=HandmadeForms)

    async def read(self, kind: str, id: str, shape: Shape, site: Site) -> Resource:
        """One resource. ``id`` may carry ``|version``. Raises FhirError(404)."""
        name, version = urls.split(id)
        if kind != "Questionnaire" and (part := self.handmade_forms.part(kind, name, version)) is not None:
            if kind == "ValueSet":
                part = as_sent(part, self.runtime.now(), self.runtime.new_id(), all_sizes=False)
            return placed(part, site, shape)
        if kind == "ValueSet":
            return await self._value_set(name, version, shape, site)
        made = await self._artifacts(name, version, shape, site)
        if kind == "Questionnaire":
            return made.questionnaire
        if not made.libraries:
            raise _unknown(kind, id)
        return made.libraries[0]

    async def _value_set(self, name: str, version: str | None, shape: Shape, site: Site) -> Resource:
        try:
            codes = find(name, version, self.forms)
        except FhirError:
            kept = await self.issued.value_set(name, version, shape, site.root, self.runtime.now())
            if kept is None:
                raise
            return kept
        if codes.enumerable and len(codes.members) < SMALL:
            return expanded(codes, site.root, self.runtime.now(), self.runtime.new_id())
        return codes.resource(site.root)

    async def _artifacts(self, name: str, version: str | None, shape: Shape, site: Site) -> Artifacts:
        now = self.runtime.now()
        served = self.forms.by_name(name, version, now.date())
        if served is not None:
            return artifacts(served, shape, site, self.forms.catalogue(), now, self.runtime.new_id())
        held = self.handmade_forms.form(name, version)
        if held is not None:
            return handmade_artifacts(held, site, shape, now, self.runtime.new_id())
        found = await self.issued.find(name, version, shape, site.root, now)
        if found is None:
            raise _unknown("form", f"{name}|{version}" if version else name)
        return found

    async def search(self, kind: str, query: Mapping[str, str], shape: Shape, site: Site) -> Resource:
        """A searchset for ``url`` (perhaps with ``|version``), ``version`` and ``_id``; without them all present forms."""
        entries: list[Element] = []
        for name in self._names(kind, query, site):
            try:
                resource = await self.read(kind, name, shape, site)
            except FhirError as missing:
                if missing.status != 404:
                    raise
                continue  # a search that finds nothing is an empty answer
            full_url = f"{site.base(shape)}/{kind}/{resource['id']}"
            entries.append(bundle_entry(full_url, resource) | {"search": {"mode": "match"}})
        made: Resource = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
        return made | ({"entry": entries} if entries else {})

    def _names(self, kind: str, query: Mapping[str, str], site: Site) -> list[str]:
        asked, id = query.get("url"), query.get("_id")
        if asked is not None:
            url, version = urls.split(asked)
            name = urls.named(url, site.root, kind)
            version = version or query.get("version")
            name = self._own(kind, url, site) or name
            return [] if name is None else [f"{name}|{version}" if version else name]
        if id is not None:
            return [id]
        held = list(dict.fromkeys(str(part["id"]) for part in self._held(kind)))
        if kind == "ValueSet":
            return [*sorted(self.forms.catalogue().value_sets), *held]
        return [*self._made(), *held]

    def _held(self, kind: str) -> Iterator[Resource]:
        """The hand-made resources of one kind."""
        return (
            (f.questionnaire for f in self.handmade_forms.forms)
            if kind == "Questionnaire"
            else self.handmade_forms.parts(kind)
        )

    def _made(self) -> list[str]:
        return [name for form in self.forms.current(self.runtime.now().date()) for name in (form.id, form.adaptive_id)]

    def _own(self, kind: str, url: str, site: Site) -> str | None:
        """The id of a hand-made resource with a canonical of the plan's own."""
        return next((str(part["id"]) for part in self._held(kind) if names(part, url, site)), None)


def _unknown(kind: str, id: str) -> FhirError:
    text = f"There is no {kind} {id[:80]!r} here. Policies without questions have no form."
    return FhirError(404, Issue("error", "not-found", text, rule="unknown-id"))
