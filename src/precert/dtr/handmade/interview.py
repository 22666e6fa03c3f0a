"""``$next-question`` for hand-made adaptive forms: the next page, or the end. Nothing is stored.

Source: DTR 2.2.0 spec-24, spec-33..39, spec-147; SDC Questionnaire/$next-question.
"""

from __future__ import annotations

from precert.authorization.deciding.answers import contained_form
from precert.dtr import urls
from precert.dtr.handmade.answer_check import Offered, judged
from precert.dtr.handmade.codes import enumerated
from precert.dtr.handmade.collection import Handmade
from precert.dtr.handmade.pages import flat, next_items, unanswered
from precert.dtr.handmade.wire import FORM, contained, placed
from precert.dtr.questionnaire import Site
from precert.dtr.shape import Shape
from precert.fhir.outcome import FhirError, Issue, bad_request, quoted
from precert.fhir.types import Resource, elements, text

_OPEN = ("in-progress", "completed", "amended")
_CLOSING = "Complete. Nothing more is asked; send the answers with the request."


def step(form: Handmade, response: Resource, path: str, shape: Shape, site: Site) -> Resource:
    """The response with its form extended, or completed. Raises FhirError(400)."""
    own = contained_form(response)
    if own is None or not form.adaptive:
        said = "The response contains no adaptive Questionnaire. Send the one of the package, or of the step before."
        raise bad_request(said, f"{path}.contained", code="required", rule="no-form")
    if response.get("status") not in _OPEN:
        said = f"The status is {quoted(response.get('status'))}; send the response while it is 'in-progress'."
        raise FhirError(400, Issue("error", "value", said, f"{path}.status", "status"))
    pages = elements(placed(form.questionnaire, site, shape).get("item"))
    known = flat(pages)
    asked = [link_id for link_id in flat(elements(own.get("item"))) if link_id in known]
    answered = judged({link_id: known[link_id] for link_id in asked}, response, path, _offered(form, site, shape))
    if answered.faults:
        raise FhirError(400, answered.faults)
    if owed := list(unanswered(pages, asked, answered.values)):
        raise FhirError(400, [_missing(link_id, path) for link_id in owed])
    following = next_items(pages, asked, answered.values, shape)
    seed = f"{form.questionnaire['url']}#{text(response.get('id')) or ''}"
    made = contained(form, {*asked, *following}, seed, site, shape)
    made |= {"id": text(own.get("id")) or FORM} | ({"url": own["url"]} if "url" in own and "url" in made else {})
    closing = None if following else shape.closing(_CLOSING)
    if closing is not None:
        made["item"] = [*made.get("item", []), closing]
    others = [resource for resource in elements(response.get("contained")) if resource is not own]
    answer = {**response, "contained": [made, *others], "questionnaire": f"#{made['id']}"}
    return answer if following else answer | {"status": "completed"}


def _missing(link_id: str, path: str) -> Issue:
    said = f"{link_id} has to be answered before the form can go on."
    return Issue("error", "required", said, f"{path}.item", "missing-answer")


def _offered(form: Handmade, site: Site, shape: Shape) -> Offered:
    sets = {str(made["url"]): made for part in form.value_sets if (made := placed(part, site, shape))}

    def members(canonical: str) -> list[dict[str, object]] | None:
        found = sets.get(urls.split(canonical)[0])
        codes = enumerated(found) if found is not None else None
        return None if codes is None else list(codes)

    return members
