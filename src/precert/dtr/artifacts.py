"""What one form consists of on the wire: Questionnaire, Library, ValueSets; rendered, or as it was once issued."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from precert.dtr import shape20, shape22, urls
from precert.dtr.forms import Forms, Served
from precert.dtr.library import libraries, library_name
from precert.dtr.questionnaire import Renderer, Site
from precert.dtr.shape import Shape
from precert.dtr.valuesets import packaged, value_sets
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.outcome import Issue
from precert.fhir.types import Element, Resource
from precert.policy.catalogue import Catalogue
from precert.runtime import Runtime
from precert.store.port import Commit, Conflict, Put, Store

ISSUED = "IssuedForm"
ISSUED_SET = "IssuedValueSet"
ROOT = "urn:precert:root"
"""Stands for the server's address in what is kept."""
SHAPES: tuple[Shape, ...] = (shape22, shape20)
_SIGNED = ("active", "retired")


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
        libraries=tuple(libraries(served, shape, site)),
        value_sets=tuple(sets),
        notes=tuple(notes),
    )


@dataclass(slots=True)
class Issued:
    """The archive of forms. Nothing is ever replaced in it, and the server's address stands in it as a word of its own,
    so that a form can be found at whatever address the server has later."""

    store: Store
    tenant: str

    async def keep(self, served: Served, shape: Shape, made: Artifacts, root: str) -> None:
        """Remember the form as rendered for ``root``, unless it is remembered already. Raises the store's errors."""
        whole = {
            "questionnaire": made.questionnaire,
            "libraries": list(made.libraries),
            "valueSets": list(made.value_sets),
        }
        await self._put(ISSUED, _key(served.id, served.form.version, shape), whole, root)
        for value_set in made.value_sets:
            name = str(value_set["url"]).rpartition("/")[2]
            await self._put(ISSUED_SET, _key(name, str(value_set["version"]), shape), value_set, root)

    async def _put(self, type: str, id: str, document: Element, root: str) -> None:
        if await self.store.get(self.tenant, type, id) is not None:
            return
        body = json.dumps(document).replace(root.encode(), ROOT.encode())
        try:
            await self.store.commit(Commit(tenant=self.tenant, puts=[Put(type, id, body, {}, expect=0)]))
        except Conflict:
            return  # another request kept the same meanwhile

    async def keep_all(self, forms: Forms, runtime: Runtime) -> None:
        """Remember every form of every policy that was ever in effect or will be, before anybody asks for it.

        Whatever names a form may be followed after its policy was replaced, so that it must not depend on a package.
        """
        catalogue = forms.catalogue()
        for policy in catalogue:
            if policy.model.status not in _SIGNED:
                continue  # a draft may still change under the same version
            form = await asyncio.to_thread(forms.form, policy.id, policy.version, policy.model.effective.start)
            if form is not None:
                for served in (Served(form, "standard"), Served(form, "adaptive")):
                    await self._keep_unasked(served, catalogue, runtime)

    async def _keep_unasked(self, served: Served, catalogue: Catalogue, runtime: Runtime) -> None:
        for shape in SHAPES:
            if await self.store.get(self.tenant, ISSUED, _key(served.id, served.form.version, shape)) is None:
                now, id = runtime.now(), runtime.new_id()
                made = await asyncio.to_thread(artifacts, served, shape, Site(ROOT), catalogue, now, id)
                await self.keep(served, shape, made, ROOT)

    async def find(self, name: str, version: str | None, shape: Shape, root: str, now: datetime) -> Artifacts | None:
        """A form that is kept, by the last part of its canonical; only by exact version."""
        body = await self._get(ISSUED, name, version, shape, root)
        if body is None:
            return None
        sets = tuple(_as_of(value_set, now) for value_set in body["valueSets"])
        return Artifacts(body["questionnaire"], tuple(body["libraries"]), sets)

    async def value_set(
        self, name: str, version: str | None, shape: Shape, root: str, now: datetime
    ) -> Resource | None:
        """A value set of a form that is kept."""
        body = await self._get(ISSUED_SET, name, version, shape, root)
        return _as_of(body, now) if body is not None else None

    async def _get(self, type: str, name: str, version: str | None, shape: Shape, root: str) -> Element | None:
        if version is None or "/" in name:
            return None
        document = await self.store.get(self.tenant, type, _key(name, version, shape))
        if document is None:
            return None
        body: Element = json.loads(document.body.replace(ROOT.encode(), root.encode()))
        return body

    async def by_canonical(self, canonical: str, root: str, shape: Shape, now: datetime) -> Artifacts | None:
        """A form by ``url|version``."""
        url, version = urls.split(canonical)
        name = urls.named(url, root, "Questionnaire")
        return await self.find(name, version, shape, root, now) if name is not None else None


def _as_of(value_set: Resource, now: datetime) -> Resource:
    """The codes of a version never change, so an expansion that is kept holds as of today (oper-5)."""
    if "expansion" in value_set:
        value_set = {**value_set, "expansion": {**value_set["expansion"], "timestamp": instant(now)}}
    return value_set


def _key(name: str, version: str, shape: Shape) -> str:
    return f"{name}|{version}|{shape.VERSION}".replace("/", "%2F")
