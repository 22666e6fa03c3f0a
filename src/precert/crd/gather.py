"""Getting together what one call needs: prefetch first, then the client's FHIR server in a few parallel rounds.

A round asks for everything that the data of the rounds before point to. Nothing is asked for twice, nothing that prefetch
answered with "nothing there", and nothing on any server but the client's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from urllib.parse import quote

from precert.crd import urls
from precert.crd.context import HookContext
from precert.crd.envelope import HookCall
from precert.crd.fetch import Deadline, Ehr
from precert.crd.prefetch import Pool, relative
from precert.fhir.bundle import Entry, reference_of
from precert.fhir.extension import extension_value
from precert.fhir.types import Resource, elements, text

_ROUNDS = 3
_PAGES = 5
_HELPFUL_SECONDS = 1.5  # what data that only make the answer better may cost

_PARTIES = ("requester", "orderer", "prescriber", "performer", "recipient")
_ESSENTIAL = ("Coverage", "Encounter", "ServiceRequest", "DeviceRequest", "MedicationRequest", "Patient")


@dataclass(slots=True)
class Gathered:
    """``pool`` holds everything known; ``problems`` says by query what could not be had and why."""

    pool: Pool
    ehr: Ehr | None
    deadline: Deadline
    problems: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)

    def problem(self, start: str) -> str | None:
        """Why a query that starts so failed, if one did."""
        return next((why for query, why in self.problems.items() if query.startswith(start)), None)


async def gather(call: HookCall, context: HookContext, ehr: Ehr | None, deadline: Deadline) -> Gathered:
    """Read the prefetch and fetch what is missing. Never raises for what the client's server does."""
    pool = Pool(call.access.server if call.access else None)
    for position, entry in enumerate(context.drafts):
        url = text(entry.get("fullUrl")) or f"urn:precert:draft:{position}"
        pool.add_resource(entry["resource"], url, prefetched=True, drafted=True)
    for task in context.tasks:
        pool.add_resource(task, None, prefetched=True)
    pool.read_prefetch(call.prefetch)
    gathered = Gathered(pool, ehr, deadline)
    if ehr is None:
        return gathered
    for _ in range(_ROUNDS):
        wanted = [query for query in _wanted(call, context, pool) if query not in gathered.asked]
        if not wanted:
            break
        needed = any(query.partition("/")[0].partition("?")[0] in _ESSENTIAL for query in wanted)
        await fetch(gathered, wanted, None if needed else _HELPFUL_SECONDS)
    return gathered


async def fetch(gathered: Gathered, queries: Iterable[str], cap: float | None = None) -> None:
    """Fetch ``queries`` and the pages that follow, into the pool."""
    if gathered.ehr is None:
        return
    pending = list(dict.fromkeys(q for q in queries if q not in gathered.asked))
    for page in range(1 + _PAGES):
        if not pending:
            return
        gathered.asked.update(pending)
        gathered.pool.next_pages.clear()
        found = await gathered.ehr.fetch_all(pending, gathered.deadline, cap or 60.0)
        for query, answer in found.items():
            if answer.resource is None:
                gathered.problems[query] = answer.problem or "nothing was found"
            elif gathered.pool.add(answer.resource, prefetched=False) == "failed":
                gathered.problems[query] = "the FHIR server answered with an OperationOutcome"
        pending = _own_pages(gathered.pool) if page < _PAGES else []


def _own_pages(pool: Pool) -> list[str]:
    """Next pages on the client's own server. Its address is compared as a whole: the token goes along."""
    own = (f"{pool.base}/", f"{pool.base}?")
    return [url for url in pool.next_pages if url.startswith(own)] if pool.base else []


def _wanted(call: HookCall, context: HookContext, pool: Pool) -> Iterator[str]:
    """Everything that is pointed to and not here."""
    patient = quote(context.patient, safe="-._~")
    if "patient" not in pool.states and not pool.has(f"Patient/{context.patient}"):
        yield f"Patient/{patient}"
    if "coverage" not in pool.states and next(pool.index.of_type("Coverage"), None) is None:
        yield f"Coverage?patient={patient}&status=active"
    yield from _own_pages(pool)
    if call.hook.content == "encounter" and context.encounter and "encounter" not in pool.states:
        reference = f"Encounter/{context.encounter}"
        if not pool.has(reference):
            yield reference
    references = [*context.dispatched, *((context.performer,) if context.performer else ())]
    for entry in pool.of_patient(context.patient):
        references += pointed_to(entry)
        references += [r for named in elements(entry.resource.get("insurance")) if (r := reference_of(named))]
    for reference in references:
        wanted = relative(reference, pool.base)
        if wanted is not None and not pool.has(wanted):
            yield wanted


def pointed_to(entry: Entry) -> Iterator[str]:
    """The references of a resource that a decision may need to follow."""
    resource = entry.resource
    named: list[object] = []
    match entry.type:
        case "Coverage":
            named += elements(resource.get("payor")) + elements(resource.get("subscriber"))
        case "PractitionerRole":
            named += elements(resource.get("practitioner")) + elements(resource.get("organization"))
        case "Appointment":
            named += based_on(resource)
        case "Encounter":
            named += [r for p in elements(resource.get("participant")) for r in elements(p.get("individual"))]
        case "ServiceRequest" | "DeviceRequest" | "MedicationRequest" | "NutritionOrder" | "VisionPrescription":
            named += [reference for key in _PARTIES for reference in elements(resource.get(key))]
            for key in ("reasonReference", "codeReference", "medicationReference", "locationReference"):
                named += elements(resource.get(key))
    for reference in named:
        target = reference_of(reference)
        if target is not None:
            yield target


def based_on(appointment: Resource) -> list[Resource]:
    """The orders an appointment is for: plain references and, for devices and medications, the R5 backport (App. A)."""
    found: list[Resource] = []
    for reference in elements(appointment.get("basedOn")):
        other = extension_value(reference, urls.ALTERNATE_REFERENCE)
        found.append(other if isinstance(other, dict) else reference)
    return found
