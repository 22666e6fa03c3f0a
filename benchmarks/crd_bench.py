"""CRD's speed: order-sign with complete prefetch and with five fetches of 50 ms, order-select with 50 orders.

Run: python -m benchmarks.crd_bench [--calls 400] [--clients 1 16]

precert as it is shipped, a bare FastAPI echo, an EHR that takes 50 ms for everything and, where ``make bench`` could
install it, HealthChain's CDS Hooks service run at the same time as uvicorn processes of one worker each. One client
process sends the same bytes to all over kept-alive connections, the kinds taking turns, so that all see the same machine.
Every answer of precert is durable, and the profile check that follows it counts against the next. Where the time goes:
``benchmarks.crd_parts``.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Response

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from benchmarks.asking import HEADER, WARM, Kind, table  # noqa: E402
from benchmarks.servers import Server, healthchain, running, serve, serve_echo  # noqa: E402

from precert.app import create_app  # noqa: E402
from precert.fhir import json  # noqa: E402
from precert.settings import Settings  # noqa: E402
from precert.web import logging  # noqa: E402

EXAMPLE = ROOT / "examples" / "crd" / "order-sign-auth-needed-documents.json"
SIGN, SELECT = "/cds-services/crd-order-sign", "/cds-services/crd-order-select"
HEALTHCHAIN_PATH = "/cds/cds-services/order-sign"
SIZE = 24_000
DELAY = 0.05
FETCHES = 5
FEW = 40  # calls that fetch
ORDERS = {"no policy (E0100)": "E0100", "CPAP (E0601)": "E0601", "oxygen (E1390)": "E1390"}
"""By the work for the rules: none, a usual policy, and the one with the most questions open."""


# What is sent


def example() -> dict[str, Any]:
    """The oxygen example. Without ``extension``: HealthChain takes none."""
    body: dict[str, Any] = json.loads(EXAMPLE.read_bytes())
    del body["extension"]
    return body


def sign(code: str) -> bytes:
    """An order-sign with complete prefetch and a usual chart in it, about 24 KB."""
    body = example()
    body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]["code"] = code
    entries: list[Any] = []
    while len(json.dumps(body)) + len(json.dumps(entries)) < SIZE:
        entries.append(_laboratory(len(entries)))
    body["prefetch"]["observations"] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    return json.dumps(body)


def _laboratory(number: int) -> dict[str, Any]:
    resource = {
        "resourceType": "Observation",
        "id": f"lab{number}",
        "meta": {"profile": ["http://hl7.org/fhir/us/core/StructureDefinition/us-core-observation-lab"]},
        "status": "final",
        "category": [{"coding": [{"code": "laboratory"}]}],
        "code": {"coding": [{"system": "http://loinc.org", "code": f"9{number:04d}-0", "display": "Something"}]},
        "subject": {"reference": "Patient/pat-MA-0001"},
        "effectiveDateTime": "2026-10-20T08:00:00-05:00",
        "valueQuantity": {"value": 4.2, "unit": "mg/dL", "system": "http://unitsofmeasure.org"},
    }
    return {"fullUrl": f"https://ehr.example/fhir/Observation/lab{number}", "resource": resource}


def select(count: int) -> bytes:
    """An order-select of many orders, of the three services in turn, in the same chart."""
    body = json.loads(sign("E1390"))
    (entry,) = body["context"]["draftOrders"]["entry"]
    drafts = []
    for number, code in zip(range(count), list(ORDERS.values()) * count, strict=False):
        draft: dict[str, Any] = json.loads(json.dumps(entry))
        draft["resource"]["id"] = f"order-{number}"
        draft["resource"]["code"]["coding"][0]["code"] = code
        drafts.append({"resource": draft["resource"]})
    kind = entry["resource"]["resourceType"]
    body["hook"] = "order-select"
    body["context"]["draftOrders"]["entry"] = drafts
    body["context"]["selections"] = [f"{kind}/order-{number}" for number in range(count)]
    return json.dumps(body)


def fetching(ehr: Server) -> bytes:
    """An order-sign with an empty prefetch: patient, coverage, payor, practitioner and the reason must be fetched."""
    body = example()
    body["prefetch"] = {"conditions": None, "observations": None}
    body["fhirServer"] = f"http://127.0.0.1:{ehr.port}/fhir"
    body["context"]["draftOrders"]["entry"][0]["resource"]["reasonReference"] = [{"reference": "Condition/c1"}]
    return json.dumps(body)


# Who answers


def serve_precert(ready: Any, data: str) -> None:
    """precert as it is shipped, without the log of each request."""
    logging.configure("warning", json=True)
    serve(create_app(Settings(data=Path(data), policy_reload_seconds=0, crd_allow_private=True)), ready)


def serve_ehr(ready: Any) -> None:
    """An EHR's FHIR server where everything takes 50 ms. ``/count`` says how often it was asked."""
    app = FastAPI()
    prefetch = json.loads(EXAMPLE.read_bytes())["prefetch"]
    condition = {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/pat-MA-0001"}}
    known = {
        "Patient": prefetch["patient"],
        "Coverage": prefetch["coverage"],
        "Organization": prefetch["payors"]["entry"][0]["resource"],
        "Practitioner": prefetch["practitioners"]["entry"][0]["resource"],
        "Condition": condition,
    }
    asked: list[str] = []

    @app.get("/count")
    async def count() -> int:
        return len(asked)

    @app.get("/fhir/{path:path}")
    async def read(path: str) -> Response:
        asked.append(path)
        await asyncio.sleep(DELAY)
        return Response(json.dumps(known[path.partition("/")[0]]), media_type="application/fhir+json")

    serve(app, ready)


def over_http(calls: int, clients: list[int]) -> None:
    """The tables."""
    with contextlib.ExitStack() as stack:
        data = stack.enter_context(tempfile.TemporaryDirectory())
        echo = stack.enter_context(running(serve_echo))
        precert = stack.enter_context(running(serve_precert, data))
        ehr = stack.enter_context(running(serve_ehr))
        other = stack.enter_context(healthchain())
        print(HEADER)
        for count in clients:
            kinds = [Kind("echo", echo, "/echo", sign("E1390"))]
            kinds += [Kind(name, precert, SIGN, sign(code)) for name, code in ORDERS.items()]
            if other is not None:
                kinds.append(Kind("HealthChain, one card", other, HEALTHCHAIN_PATH, sign("E1390")))
            table("order-sign, complete prefetch", kinds, count, calls)
            if other is None:
                print("  (HealthChain is not installed: run `make bench` where PyPI can be reached)")
            else:
                mine, its = (statistics.median(kind.times) for kind in kinds[-2:])
                print(f"  oxygen, decided and durable, to HealthChain's card: {mine / its:.2f}")
        many = select(50)
        table("order-select, 50 orders", _pair(echo, precert, SELECT, many), 1, max(20, calls // 4))
        few = fetching(ehr)
        before = asked(ehr)
        table("order-sign, five fetches of 50 ms", _pair(echo, precert, SIGN, few), 1, FEW)
        fetches = (asked(ehr) - before) / (WARM + FEW)
        if fetches != FETCHES:
            raise SystemExit(f"{fetches} fetches per call instead of {FETCHES}: the figures are not what they say")


def _pair(echo: Server, precert: Server, path: str, body: bytes) -> list[Kind]:
    return [Kind("echo", echo, "/echo", body), Kind("precert", precert, path, body)]


def asked(ehr: Server) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", ehr.port, timeout=5)
    connection.request("GET", "/count")
    return int(connection.getresponse().read())


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 16])
    arguments = parser.parse_args()
    over_http(arguments.calls, arguments.clients)


if __name__ == "__main__":
    main()
