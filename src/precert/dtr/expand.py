"""``ValueSet/$expand``: which set is meant, and how much of it. Source: FHIR R4 ``$expand``, DTR 2.2.0 oper-5."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from precert.dtr import urls
from precert.dtr.asked import parameters
from precert.dtr.forms import Forms
from precert.dtr.valuesets import Codes, Wanted, choice, named
from precert.fhir.outcome import FhirError, Issue, bad_request
from precert.fhir.types import Resource, text

_MOST = 10_000


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the set by url or name, its version, and the part of it."""

    url: str | None
    version: str | None
    wanted: Wanted


def read_expand(values: Mapping[str, str]) -> Call:
    """In: the parameters by name, as a query has them. Raises FhirError(400)."""
    url, version = urls.split(values["url"]) if values.get("url") else (None, None)
    version = version or values.get("valueSetVersion") or None
    count = _number(values, "count")
    return Call(url, version, Wanted(values.get("filter", ""), _number(values, "offset") or 0, count))


def _number(values: Mapping[str, str], name: str) -> int | None:
    written = values.get(name)
    if written is None:
        return None
    if not written.isascii() or not written.isdigit() or len(written) > 6:
        raise bad_request(f"{name} is {written[:40]!r}; it must be a whole number from 0.", name, rule="parameter")
    return min(int(written), _MOST)


def from_parameters(resource: Resource) -> dict[str, str]:
    """The same parameters out of a Parameters body. Raises FhirError(400)."""
    if resource.get("resourceType") != "Parameters":
        raise bad_request("$expand takes a Parameters resource.", str(resource.get("resourceType"))[:64])
    found: dict[str, str] = {}
    for name in ("url", "valueSetVersion", "filter", "count", "offset", "date", "activeOnly"):
        for path, parameter in parameters(resource, name):
            value = next((parameter[key] for key in parameter if key.startswith("value")), None)
            if isinstance(value, bool) or not isinstance(value, str | int):
                raise_unless = name in ("activeOnly",) and isinstance(value, bool)
                if not raise_unless:
                    raise bad_request(f"{name} has no usable value.", path, rule="parameter")
                continue
            found[name] = str(value)
    return found


def find(name: str, version: str | None, forms: Forms) -> Codes:
    """A value set by the last part of its canonical. Raises FhirError(404)."""
    catalogue = forms.catalogue()
    codes = named(name, catalogue)
    if codes is not None and version in (None, codes.version):
        return codes
    policy, dot, link_id = name.rpartition(".")
    if dot:
        compiled = catalogue.get(policy, version)
        form = forms.form(policy, compiled.version, compiled.model.effective.start) if compiled is not None else None
        answers = choice(form, link_id) if form is not None else None
        if answers is not None:
            return answers
    said = f"There is no value set {name[:64]!r}{f' of version {version[:40]}' if version else ''} here."
    raise FhirError(404, Issue("error", "not-found", said, rule="unknown-value-set"))


def by_call(call: Call, root: str, forms: Forms) -> Codes:
    """The set that a call without an id names. Raises FhirError (400, 404)."""
    if call.url is None or not text(call.url):
        raise bad_request("Say which value set: send url.", "url", code="required", rule="no-url")
    name = urls.named(call.url, root, "ValueSet")
    if name is None:
        said = f"{call.url[:200]} is not served here; only the value sets of this payer's forms are."
        raise FhirError(404, Issue("error", "not-found", said, "url", "unknown-value-set"))
    return find(name, call.version, forms)
