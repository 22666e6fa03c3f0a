"""What one form consists of on the wire: Questionnaire, Library, ValueSets; rendered, or as it was once issued."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from precert.dtr import urls
from precert.dtr.forms import Served
from precert.dtr.library import libraries, library_name
from precert.dtr.questionnaire import Renderer, Site
from precert.dtr.shape import Shape
from precert.dtr.valuesets import packaged, value_sets
from precert.fhir import json
from precert.fhir.outcome import Issue
from precert.fhir.types import Resource
from precert.policy.catalogue import Catalogue
from precert.store.port import Commit, Conflict, Put, Store

ISSUED = "IssuedForm"


@dataclass(frozen=True, slots=True)
class Artifacts:
    """The resources of one form in one version of the guide, without the draft response."""

    questionnaire: Resource
    libraries: tuple[Resource, ...]
    value_sets: tuple[Resource, ...]
    notes: tuple[Issue, ...] = ()


def renderer(served: Served, shape: Shape, site: Site) -> Renderer:
    """The renderer of a form, which knows what a chart can answer."""
    return Renderer(served.form, shape, site, served.form.population.expressions, library_name(served))


def artifacts(
    served: Served,
    shape: Shape,
    site: Site,
    catalogue: Catalogue,
    now: datetime,
    new_id: str,
    first: Sequence[str] = (),
) -> Artifacts:
    """Render a form. ``first`` are the questions an adaptive form begins with."""
    render = renderer(served, shape, site)
    sets, notes = packaged(value_sets(served.form, catalogue), site.root, now, new_id, all_sizes=shape.EXPANDS_ALL)
    return Artifacts(
        questionnaire=render.standard() if served.manner == "standard" else render.shell(first),
        libraries=tuple(libraries(served, site)),
        value_sets=tuple(sets),
        notes=tuple(notes),
    )


@dataclass(slots=True)
class Issued:
    """The archive of forms as they went out first. Nothing is ever replaced in it."""

    store: Store
    tenant: str

    async def keep(self, served: Served, shape: Shape, made: Artifacts) -> None:
        """Remember the form, unless it is remembered already. Raises the store's errors."""
        id = _key(served.id, served.form.version, shape)
        if await self.store.get(self.tenant, ISSUED, id) is not None:
            return
        body = json.dumps(
            {
                "questionnaire": made.questionnaire,
                "libraries": list(made.libraries),
                "valueSets": list(made.value_sets),
            }
        )
        params = {"name": [served.id], "version": [served.form.version]}
        try:
            await self.store.commit(Commit(tenant=self.tenant, puts=[Put(ISSUED, id, body, params, expect=0)]))
        except Conflict:
            return  # another request kept the same form meanwhile

    async def find(self, name: str, version: str | None, shape: Shape) -> Artifacts | None:
        """A form that was issued once, by the last part of its canonical; only by exact version."""
        if version is None or "/" in name:
            return None
        document = await self.store.get(self.tenant, ISSUED, _key(name, version, shape))
        if document is None:
            return None
        body = json.loads(document.body)
        return Artifacts(body["questionnaire"], tuple(body["libraries"]), tuple(body["valueSets"]))

    async def by_canonical(self, canonical: str, root: str, shape: Shape) -> Artifacts | None:
        """The same by ``url|version``."""
        url, version = urls.split(canonical)
        name = urls.named(url, root, "Questionnaire")
        return await self.find(name, version, shape) if name is not None else None


def _key(name: str, version: str, shape: Shape) -> str:
    return f"{name}|{version}|{shape.VERSION}".replace("/", "%2F")
