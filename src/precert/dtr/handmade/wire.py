"""Hand-made forms as they are sent: the form of a package, the one inside an adaptive response, the draft response.

Source: profiles dtr-std-questionnaire, dtr-questionnaire-adapt-search, dtr-questionnaire-adapt, dtr-questionnaireresponse
(2.2.0, 2.0.1); docs/dtr.md.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection
from datetime import datetime
from html import escape

from precert.dtr import urls
from precert.dtr.artifacts import Artifacts
from precert.dtr.draft import Links
from precert.dtr.handmade.codes import as_sent
from precert.dtr.handmade.collection import Handmade, filled
from precert.dtr.handmade.dialect import in_2_0
from precert.dtr.handmade.pages import first_page, shown
from precert.dtr.questionnaire import Site
from precert.dtr.shape import Shape
from precert.fhir.dates import instant
from precert.fhir.extension import extension
from precert.fhir.types import Resource, elements

_FIRST = ("resourceType", "id", "meta", "implicitRules", "language", "text", "contained", "extension", "url")
FORM = "form"
"""Id of the form inside a response."""


def placed(resource: Resource, site: Site, shape: Shape) -> Resource:
    """One resource of the hand-made forms with its addresses, in the words of the version."""
    made = filled(resource, site, shape)
    if shape.SHELL_ASKS:
        return in_2_0(made)
    if (
        made["resourceType"] == "Questionnaire" and extension(made, urls.VERSION_ALGORITHM) is None
    ):  # how the newest of several is found
        made["extension"] = [*made.get("extension", []), *shape.version_algorithm()]
    return made


def package_form(form: Handmade, site: Site, shape: Shape) -> Resource:
    """The Questionnaire of a package: whole, or of an adaptive form what its version lets be seen at once."""
    made = placed(form.questionnaire, site, shape)
    if not form.adaptive:
        return _profiled(made, urls.STANDARD)
    _answered_at(made, site, shape)
    items = made.pop("item", [])
    first = shown(items, first_page(items, shape), shape)
    return _profiled(made, urls.ADAPTIVE_SHELL) | ({"item": first} if shape.SHELL_ASKS and first else {})


def contained(form: Handmade, asked: Collection[str], seed: str, site: Site, shape: Shape) -> Resource:
    """The form inside a response, with the items ``asked``. The same seed gives the same url."""
    made = placed(form.questionnaire, site, shape)
    _answered_at(made, site, shape)
    canonical = str(made["url"])
    identity = shape.contained_identity(canonical, form.version, str(uuid.uuid5(uuid.NAMESPACE_URL, seed)))
    items = shown(made.pop("item", []), asked, shape)
    made = _profiled(made, urls.ADAPTIVE) | {"id": FORM}
    del made["url"]
    made |= identity
    return _ordered(made) | ({"item": items} if items else {})


def artifacts(form: Handmade, site: Site, shape: Shape, now: datetime, new_id: str) -> Artifacts:
    """Everything in a package but the draft."""
    sets = [as_sent(part, now, new_id, all_sizes=shape.EXPANDS_ALL) for part in form.value_sets]
    return Artifacts(
        questionnaire=package_form(form, site, shape),
        libraries=tuple(placed(part, site, shape) for part in form.libraries),
        value_sets=tuple(placed(part, site, shape) for part in sets),
    )


def draft(form: Handmade, links: Links, site: Site, shape: Shape, now: datetime, new_id: Callable[[], str]) -> Resource:
    """The response to begin with: nothing is known of it yet."""
    id = new_id()
    own = form.adaptive and not shape.SHELL_ASKS
    made: Resource = {
        "resourceType": "QuestionnaireResponse",
        "id": id,
        "meta": {"profile": [urls.RESPONSE_ADAPTIVE if own else urls.RESPONSE]},
    }
    whole = package_form(form, site, shape)
    if form.adaptive:
        first = first_page(whole.get("item", []), shape) if shape.SHELL_ASKS else ()
        made["contained"] = [contained(form, first, id, site, shape)]
    made["extension"] = [
        *shape.response_extensions(links.coverage, list(links.orders)),
        {"url": urls.INTENDED_USE, "valueCodeableConcept": shape.intended_use("withpa")},
    ]
    made |= {
        "questionnaire": f"#{FORM}" if form.adaptive else f"{whole['url']}|{whole['version']}",
        "status": "in-progress",
        "subject": links.subject,
        "authored": instant(now),
    }
    listed = elements(whole.get("item"))
    groups = [item for item in listed if item.get("type") == "group"] or listed[
        :1
    ]  # 2.0.1 wants an item, if an empty one
    items = [{"linkId": group["linkId"], "text": group["text"]} for group in groups] if shape.SHELL_ASKS else []
    return made | ({"item": items} if items else {})


def _profiled(made: Resource, profile: str) -> Resource:
    if "text" not in made:  # 2.0.1 demands it of the form inside a response
        div = f'<div xmlns="http://www.w3.org/1999/xhtml"><p>{escape(str(made.get("title", made["id"])))}</p></div>'
        made = made | {"text": {"status": "generated", "div": div}}
    return _ordered(made | {"meta": {**made.get("meta", {}), "profile": [profile]}})


def _answered_at(made: Resource, site: Site, shape: Shape) -> None:
    """``$next-question`` is answered here, whatever the file says."""
    for one in elements(made.get("extension")):
        if one.get("url") == urls.ADAPTIVE_AT:
            one.clear()
            one |= {"url": urls.ADAPTIVE_AT, "valueUrl": site.base(shape)}


def _ordered(made: Resource) -> Resource:
    """The members as FHIR orders them, as far as it matters to readers: who it is first, what it asks last."""
    made = {key: value for key, value in made.items() if key != "item"} | {k: made[k] for k in ("item",) if k in made}
    order = (*_FIRST, "identifier", "version", "name", "title", "derivedFrom", "status")
    return {key: made[key] for key in (*order, *(k for k in made if k not in order)) if key in made}
