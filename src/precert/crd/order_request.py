"""The PAS request that an order of a hook call would become: for the console and for testers, who have no EHR to write it.

Nothing is decided and nothing is stored; only what came with the call is read.
"""

from __future__ import annotations

from precert.authorization.usecases.ask import ConsultService
from precert.crd import coverage as insurance
from precert.crd.claim import request_bundle
from precert.crd.context import read_context
from precert.crd.envelope import HookCall
from precert.crd.fetch import Deadline
from precert.crd.gather import gather
from precert.crd.scope import orders_in_scope
from precert.fhir import json
from precert.fhir.outcome import FhirError, Issue

_SECONDS = 1.0


async def order_request(consult: ConsultService, call: HookCall, reference: str) -> bytes:
    """A PAS 2.2 Request Bundle for the order ``reference`` (``Type/id``), with the chart that came along as its evidence.

    Raises FhirError: 404 when the call has no such order, 422 when a Patient, our Coverage or a requester is missing.
    """
    context = read_context(call)
    gathered = await gather(call, context, None, Deadline.after(_SECONDS))
    pool = gathered.pool
    found = orders_in_scope(call, context, gathered, consult.directory().crosswalk, on_order=True)
    order = next((order for order in found if order.reference == reference), None)
    if order is None:
        said = f"The call has no order {reference[:80]!r}; it has {', '.join(o.reference for o in found) or 'none'}."
        raise FhirError(404, Issue("error", "not-found", said, rule="unknown-order"))
    if order.failure is not None:
        raise FhirError(422, Issue("error", "business-rule", order.failure, rule="request-incomplete"))
    patient = pool.index.resolve(f"Patient/{context.patient}")
    insured = insurance.ours(pool, context.patient, consult.directory(), call.version)
    covered = insurance.for_order(insured, order, pool, consult.directory(), call.version).under
    user = pool.index.resolve(context.user) if context.user else None
    chart = [f"{e.type}/{e.id}" if e.id else e.path for e in pool.of_patient(context.patient)]
    bundle = None
    if patient is not None and covered:
        payer = dict(consult.directory().payer.resource)
        bundle = request_bundle(order, patient, covered[0], user, payer, chart, pool, consult.runtime)
    if bundle is None:
        said = "A request needs the Patient, a Coverage with this payer and a requester; send them in the prefetch."
        raise FhirError(422, Issue("error", "required", said, rule="request-incomplete"))
    return json.dumps(bundle)
