"""HealthChain's CDS Hooks service, as small as its documentation makes one: reads an order-sign request, answers one card.

Runs in an environment of its own (``make bench``), never beside precert: ``uvicorn --app-dir benchmarks
healthchain_service:app``. HealthChain 0.16.1 refuses requests whose ``extension`` is an object (as CDS Hooks wants it), and
hands its handlers a context without ``draftOrders``; so the requests of the comparison carry no extension, and the card
speaks of the patient in the prefetch and of no order.
"""

from healthchain.gateway import CDSHooksService, HealthChainAPI
from healthchain.models.requests.cdsrequest import CDSRequest
from healthchain.models.responses.cdsresponse import Card, CDSResponse, IndicatorEnum, Source

service = CDSHooksService()


@service.hook("order-sign", id="order-sign")
def order_sign(request: CDSRequest) -> CDSResponse:
    """One card about the patient."""
    patient = (request.prefetch or {}).get("patient") or {}
    card = Card(
        summary=f"Coverage of {patient.get('id', request.context.patientId)} is not checked here",
        indicator=IndicatorEnum.info,
        source=Source(label="HealthChain"),
    )
    return CDSResponse(cards=[card])


app = HealthChainAPI()
app.register_service(service)
