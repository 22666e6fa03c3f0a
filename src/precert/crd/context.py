"""What each hook is about, in all the spellings seen in the wild (docs/crd.md). Unknown keys are ignored (hook-23)."""

from __future__ import annotations

from dataclasses import dataclass

from precert.crd.envelope import HookCall
from precert.crd.faults import malformed
from precert.crd.hooks import ORDER_TYPES
from precert.fhir.bundle import type_and_id
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Element, Resource, as_list, elements, text

MOST_DRAFTS = 500


@dataclass(frozen=True, slots=True)
class HookContext:
    """The hook's context, spelled one way. References are ``Type/id``."""

    patient: str
    encounter: str | None = None
    user: str | None = None
    drafts: tuple[Element, ...] = ()  # the entries of draftOrders or appointments
    selected: tuple[str, ...] | None = None  # None: everything in ``drafts``
    dispatched: tuple[str, ...] = ()
    performer: str | None = None
    tasks: tuple[Resource, ...] = ()


def read_context(call: HookCall) -> HookContext:
    """Raises FhirError (faults.malformed) for what the hook cannot do without; everything optional may be absent or odd."""
    context = call.context
    patient = _plain_id(context.get("patientId"), "Patient")
    if patient is None:
        raise _missing(call, "patientId", "the id of the patient")
    encounter = _plain_id(context.get("encounterId"), "Encounter")
    user = text(context.get("userId"))
    match call.hook.content:
        case "orders":
            drafts = _bundle(call, "draftOrders")
            return HookContext(patient, encounter, user, drafts, _selected(call, drafts))
        case "appointments":
            return HookContext(patient, encounter, user, _bundle(call, "appointments"))
        case "dispatch":
            return _dispatch(call, patient, encounter, user)
        case "encounter":
            if encounter is None:
                raise _missing(call, "encounterId", "the id of the encounter")
            return HookContext(patient, encounter, user)


def _missing(call: HookCall, key: str, what: str) -> Exception:
    return malformed(
        call.version,
        "context-required",
        f"context.{key} is missing. {call.hook.name} needs {what} there.",
        f"context.{key}",
        "required",
    )


def _plain_id(value: object, type_: str) -> str | None:
    """An id; ``Patient/1`` and URLs are cut down to it."""
    written = text(value)
    if written is None:
        return None
    found = type_and_id(written)
    if found is not None:
        return found[1] if found[0] == type_ else None
    return written.strip()


def _bundle(call: HookCall, key: str) -> tuple[Element, ...]:
    bundle = call.context.get(key)
    if bundle is None:
        raise _missing(call, key, "a Bundle")
    if not isinstance(bundle, dict) or bundle.get("resourceType") not in ("Bundle", None):
        raise malformed(call.version, "context-bundle", f"context.{key} must be a Bundle.", f"context.{key}")
    entries = bundle.get("entry")
    if entries is not None and not isinstance(entries, list):
        raise malformed(call.version, "context-bundle", "Bundle.entry must be a list.", f"context.{key}.entry")
    if entries is not None and len(entries) > MOST_DRAFTS:
        text_ = f"context.{key} has {len(entries)} entries; this server takes up to {MOST_DRAFTS} in one call."
        raise FhirError(413, Issue("error", "too-long", text_, f"context.{key}.entry", "too-many-orders"))
    for position, entry in enumerate(entries or []):
        resource = entry.get("resource") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not isinstance(resource.get("resourceType"), str):
            raise malformed(
                call.version,
                "context-resource",
                "Each entry needs a resource with a resourceType.",
                f"context.{key}.entry[{position}].resource",
            )
    return tuple(entries or ())


def _selected(call: HookCall, drafts: tuple[Element, ...]) -> tuple[str, ...] | None:
    """Only order-select has selections; elsewhere they are stray (the sandbox sends them with order-sign)."""
    if call.hook.name != "order-select":
        return None
    ids = {id_: f"{r['resourceType']}/{id_}" for r in (e["resource"] for e in drafts) if (id_ := text(r.get("id")))}
    named = []
    for item in as_list(call.context.get("selections")):
        bare = ids.get(item) if isinstance(item, str) else None  # some clients leave the type out
        if (reference := bare or _reference(item)) is not None:
            named.append(reference)
    return tuple(named) or None


def _reference(item: object) -> str | None:
    written = text(item.get("reference")) if isinstance(item, dict) else text(item)
    found = type_and_id(written) if written else None
    return "/".join(found) if found else None


def _dispatch(call: HookCall, patient: str, encounter: str | None, user: str | None) -> HookContext:
    context = call.context
    named = [v for key in ("dispatchedOrders", "dispatched-orders", "order") for v in as_list(context.get(key))]
    orders = dict.fromkeys(reference for item in named if (reference := _reference(item)))
    if not orders:
        raise _missing(call, "dispatchedOrders", "references to the orders being dispatched")
    tasks = [v for key in ("fulfillmentTasks", "fulfillment-tasks", "task") for v in elements(context.get(key))]
    return HookContext(
        patient,
        encounter,
        user,
        dispatched=tuple(orders),
        performer=_reference(context.get("performer")),
        tasks=tuple(tasks),
    )


def is_order(resource: Resource) -> bool:
    return resource.get("resourceType") in ORDER_TYPES
