"""A form written in the words of DTR 2.2.0, in those of 2.0.1.

Source: profiles dtr-std-questionnaire and dtr-questionnaire-adapt-search of both versions; docs/dtr.md.
"""

from __future__ import annotations

from typing import Any

from precert.dtr import urls
from precert.fhir.extension import extension_value
from precert.fhir.types import Element, Resource

_RENAMED = {urls.ALTERNATIVE: urls.ALTERNATIVE_20, urls.TERMINOLOGY_SERVER_CORE: urls.TERMINOLOGY_SERVER}
_UNKNOWN = frozenset({urls.VERSION_ALGORITHM, urls.COMPLETION_TIME, urls.AUDIENCE, urls.REQUEST_SPECIFIC})
"""Extensions that 2.0.1 has no counterpart for. They inform; nothing about the answers depends on them."""


def in_2_0(resource: Resource) -> Resource:
    """A form, or what goes with it (Library, ValueSet), for DTR 2.0.1."""
    made: Resource = _translated(resource)
    return made


def _translated(value: Any) -> Any:
    if isinstance(value, list):
        return [_translated(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {key: _translated(member) for key, member in value.items() if key != "extension"}
    extensions = [_extension(one) for one in value.get("extension", []) if one.get("url") not in _UNKNOWN]
    return ({"extension": extensions} if extensions else {}) | made


def _extension(written: Element) -> Element:
    url = str(written.get("url"))
    if url == urls.SUPPORT_HYPERLINK:  # became complex
        return {"url": urls.SUPPORT_LINK, "valueUri": extension_value(written, "link")}
    made: Element = _translated(written)
    made["url"] = _RENAMED.get(url, url)
    if url == urls.CQF_LIBRARY:  # the 2.0.1 suite compares with Library.url as it stands
        made["valueCanonical"] = urls.split(str(made.get("valueCanonical")))[0]
    return made
