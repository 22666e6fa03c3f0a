"""``GET /cds-services``: the six services with versions, options and prefetch templates (docs/crd.md)."""

from __future__ import annotations

from functools import cache
from importlib import resources

from precert.crd import urls
from precert.crd.facts import PREFETCH_KEYS, clinical_types
from precert.crd.faults import NAMES
from precert.crd.hooks import HOOKS, Hook
from precert.crd.options import OPTIONS
from precert.fhir import json
from precert.fhir.types import Element
from precert.policy.catalogue import Catalogue

_USAGE = (
    "Send exactly one Coverage of the patient with this payer, with its payor. What is missing in the prefetch is read "
    "from fhirServer with the token given; unknown elements are ignored."
)


@cache
def standard_templates() -> dict[str, dict[str, str]]:
    """The published 2.2.1 prefetch expressions by hook (found-29), from ``templates.json``."""
    raw = resources.files("precert.crd").joinpath("templates.json").read_bytes()
    templates: dict[str, dict[str, str]] = json.loads(raw)
    return templates


def discovery(catalogue: Catalogue, *, clinical: bool = True) -> Element:
    """The discovery document; the ``clinical`` prefetch keys follow from the active policies.

    Without them what the policies read is queried when a call needs it, as 2.0.1 wants it (@42; found-28 leaves it open).
    """
    return {"services": [_service(hook, catalogue, clinical) for hook in HOOKS]}


def prefetch_templates(hook: Hook, catalogue: Catalogue, clinical: bool) -> dict[str, str]:
    """The standard keys, then our own: the payor, the performer of a dispatch, and what the policies' facts read."""
    found = dict(standard_templates()[hook.name])
    found["payors"] = "Organization?_id={{%coverage.entry.resource.payor.resolve().ofType(Organization).id}}"
    if hook.content == "dispatch":
        found["performer"] = "{{context.performer}}"
    if hook.content == "encounter":
        found["plannedServices"] = "ServiceRequest?encounter={{context.encounterId}}&status=draft,active"
        found["plannedDevices"] = "DeviceRequest?encounter={{context.encounterId}}&status=draft,active"
    for kind in clinical_types(catalogue) if clinical else ():
        if (key := PREFETCH_KEYS.get(kind)) is not None:
            found[key] = f"{kind}?patient={{{{context.patientId}}}}"
    return found


def _service(hook: Hook, catalogue: Catalogue, clinical: bool) -> Element:
    return {
        "hook": hook.name,
        "title": hook.title,
        "description": hook.description,
        "id": hook.id,
        "prefetch": prefetch_templates(hook, catalogue, clinical),
        "usageRequirements": _USAGE,
        "extension": {
            urls.VERSION_EXTENSION: list(NAMES),
            urls.OPTIONS_EXTENSION: [option.announced() for option in OPTIONS],
        },
    }
