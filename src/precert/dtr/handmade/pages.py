"""Which items of a hand-made adaptive form come when: page by page, a page being an item of the first level.

A page comes when all that is required before it is answered, and only if its condition holds. Where the version allows
no conditions in adaptive forms (2.0.1), a question that hangs on another comes after that one is answered. Nothing is
remembered: what was asked stands in the form inside the response.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from precert.dtr.handmade.conditions import Answers, conditional, enabled
from precert.dtr.shape import Shape
from precert.fhir.types import Element, elements

NONE: Answers = {}


def first_page(items: Sequence[Element], shape: Shape) -> tuple[str, ...]:
    """The linkIds that the form begins with."""
    return next_items(items, (), NONE, shape)


def next_items(pages: Sequence[Element], asked: Collection[str], answers: Answers, shape: Shape) -> tuple[str, ...]:
    """The linkIds to ask next, with those of the groups that they stand in; none when the form is finished."""
    for page in pages:
        begun = page["linkId"] in asked
        if not begun and not enabled(page, answers):
            continue
        found = tuple(_ripe(page, asked, answers, shape))
        if found:
            return found
    return ()


def _ripe(item: Element, asked: Collection[str], answers: Answers, shape: Shape) -> Iterator[str]:
    """What of ``item`` is not asked yet and may be asked now."""
    if shape.ASKS_IN_WAVES and not enabled(item, answers):
        return
    inside = [link_id for child in elements(item.get("item")) for link_id in _ripe(child, asked, answers, shape)]
    empty = item.get("type") == "group" and not inside
    if item["linkId"] not in asked and not empty:
        yield item["linkId"]
    yield from inside


def shown(items: Sequence[Element], asked: Collection[str], shape: Shape) -> list[Element]:
    """The items ``asked``, with their children that are; in 2.0.1 without conditions, which are met by then."""
    made: list[Element] = []
    for item in items:
        if item["linkId"] not in asked:
            continue
        left_out = ("item", "enableWhen", "enableBehavior") if shape.ASKS_IN_WAVES else ("item",)
        kept = {key: value for key, value in item.items() if key not in left_out}
        children = shown(elements(item.get("item")), asked, shape)
        made.append(kept | ({"item": children} if children else {}))
    return made


def unanswered(items: Sequence[Element], asked: Collection[str], answers: Answers) -> Iterator[str]:
    """The required questions among those ``asked`` that are enabled and have no answer."""
    for item in items:
        if item["linkId"] not in asked or conditional(item) or not enabled(item, answers):
            continue
        question = item.get("type") not in ("group", "display")
        if question and item.get("required") is True and item["linkId"] not in answers:
            yield str(item["linkId"])
        yield from unanswered(elements(item.get("item")), asked, answers)


def flat(items: Sequence[Element]) -> Mapping[str, Element]:
    """Items by linkId, however deep."""
    found: dict[str, Element] = {}
    for item in items:
        found[str(item.get("linkId"))] = item
        found |= flat(elements(item.get("item")))
    return found
