"""No JSON makes the server answer 500: generated bodies, mutated calls, and everything in the shared examples."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from crd.building import coverage, hook, order, payer, prefetch, searchset

SHARED = Path(__file__).parents[3].joinpath("shared/examples/crd")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False, width=32)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                [
                    "resourceType",
                    "id",
                    "code",
                    "coding",
                    "system",
                    "reference",
                    "entry",
                    "resource",
                    "value",
                    "extension",
                    "url",
                    "x",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
HOOKS = ["appointment-book", "encounter-start", "encounter-discharge", "order-dispatch", "order-select", "order-sign"]
SETTINGS = settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)


def paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path]
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        found += paths(member, (*path, key))
    return found


def replaced(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    changed = copy.deepcopy(value)
    if not path:
        return new
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = new
    return changed


def whole(name: str) -> dict[str, Any]:
    """A call of each hook that works."""
    appointment = {
        "resourceType": "Appointment",
        "id": "a1",
        "status": "proposed",
        "start": "2026-12-01T14:00:00Z",
        "serviceType": [{"coding": [{"system": "http://www.ama-assn.org/go/cpt", "code": "97110"}]}],
        "basedOn": [{"reference": "ServiceRequest/o1"}],
        "participant": [{"actor": {"reference": "Practitioner/doc"}}],
    }
    encounter = {
        "resourceType": "Encounter",
        "id": "e1",
        "type": [{"coding": [{"system": "https://codesystem.x12.org/005010/1365", "code": "AB"}]}],
        "hospitalization": {
            "dischargeDisposition": {
                "coding": [{"system": "http://terminology.hl7.org/CodeSystem/discharge-disposition", "code": "snf"}]
            }
        },
        "participant": [{"individual": {"reference": "Practitioner/doc"}}],
    }
    one = order(
        "E1390",
        occurrencePeriod={"start": "2026-12-01"},
        quantityQuantity={"value": 3, "unit": "months"},
        reasonCode=[{"coding": [{"system": "http://hl7.org/fhir/sid/icd-10-cm", "code": "J44.9"}]}],
        performer=[{"reference": "Practitioner/doc"}],
        insurance=[{"reference": "Coverage/cov-MA-0001"}],
    )
    context = {
        "appointments": {
            "resourceType": "Bundle",
            "entry": [{"fullUrl": "https://ehr.test/fhir/Appointment/a1", "resource": appointment}],
        },
        "encounterId": "e1",
        "dispatchedOrders": ["ServiceRequest/o1"],
        "performer": "Practitioner/doc",
        "draftOrders": {
            "resourceType": "Bundle",
            "entry": [{"fullUrl": "https://ehr.test/fhir/ServiceRequest/o1", "resource": one}],
        },
        "selections": ["ServiceRequest/o1"],
        "patientId": "pat-MA-0001",
        "userId": "Practitioner/doc",
    }
    sent = prefetch(encounter=encounter, orders=searchset(one), coverage=searchset(coverage("MA-0001")), payors=payer())
    return hook(name=name, version="2.2", context=context, prefetch=sent)


async def post(world: Any, name: str, body: Any) -> httpx.Response:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    response = await world.client.post(
        f"/cds-services/crd-{name}", content=content, headers={"Content-Type": "application/json"}
    )
    assert response.status_code in (200, 400, 412, 413, 422), response.text
    if response.status_code != 200:
        assert response.json()["resourceType"] == "OperationOutcome"
    return response


@pytest.mark.parametrize("full_url", [7, None, True, [], {}, ["https://ehr.test/fhir/ServiceRequest/o1"], ""])
@pytest.mark.parametrize("name", ["order-sign", "order-select", "appointment-book"])
async def test_an_entry_is_read_whatever_its_full_url_is(world: Any, name: str, full_url: Any) -> None:
    body = whole(name)
    for bundle in ("draftOrders", "appointments"):
        for entry in body["context"].get(bundle, {}).get("entry", ()):
            entry["fullUrl"] = full_url
    await post(world, name, body)


@given(body=JSON, name=st.sampled_from(HOOKS))
@SETTINGS
async def test_any_json(world, body, name):
    await post(world, name, body)


@given(data=st.data(), name=st.sampled_from(HOOKS), new=JSON)
@SETTINGS
async def test_any_part_of_a_good_call_replaced(world, data, name, new):
    body = whole(name)
    path = data.draw(st.sampled_from(paths(body)))
    await post(world, name, replaced(body, path, new))


@given(context=JSON, prefetch=JSON, name=st.sampled_from(HOOKS))
@SETTINGS
async def test_any_context_and_prefetch(world, context, prefetch, name):
    await post(world, name, {"hook": name, "hookInstance": "i", "context": context, "prefetch": prefetch})


@given(body=st.binary(max_size=60))
@SETTINGS
async def test_any_bytes(world, body):
    await post(world, "order-sign", body)


@given(body=JSON)
@SETTINGS
async def test_any_feedback(world, body):
    response = await world.client.post("/cds-services/crd-order-sign/feedback", json={"feedback": body})
    assert response.status_code in (200, 400)


@pytest.mark.shared
@pytest.mark.skipif(not SHARED.exists(), reason="the shared examples are not here")
@pytest.mark.parametrize("path", sorted(SHARED.glob("*.json")), ids=lambda p: p.stem)
async def test_everything_in_the_shared_examples(world, path):
    """Calls are sent as they are, resources as orders and as prefetch: an answer or one clear refusal, never a 500."""
    content = json.loads(path.read_text())
    if isinstance(content, dict) and "context" in content:
        await post(world, "order-sign", content | {"hook": "order-sign"})
    if isinstance(content, dict) and "resourceType" in content:
        await post(world, "order-sign", hook(content, version="2.2"))
        await post(world, "order-sign", hook(order("E1390"), version="2.2", prefetch=prefetch(more=content)))
