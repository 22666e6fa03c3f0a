"""CRD's speed: order-sign with complete prefetch and with five fetches of 50 ms, beside a bare FastAPI echo of the same bytes.

Run: python benchmarks/crd_bench.py [--calls 400] [--clients 1 8] [--parts]

One server process (uvicorn) serves the echo and the hooks over a store in a temporary directory; one client process sends
over kept-alive connections, the kinds taking turns, so that all see the same machine. ``--parts`` says where the time of
one call goes, measured inside one process.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import http.client
import json
import logging
import multiprocessing
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI, Request, Response

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from precert.authorization.consult import ConsultService
from precert.crd import shape22
from precert.crd.answering import Answerer
from precert.crd.envelope import read_call
from precert.crd.guard import http_client
from precert.crd.hooks import HOOK_BY_ID
from precert.crd.identity import authenticator
from precert.crd.routes import CrdContext, crd_router
from precert.eligibility.load import load_directory
from precert.fhir import json as fhir_json
from precert.policy.library import PolicyLibrary
from precert.runtime import Runtime
from precert.security.identity import OPEN_CLIENT
from precert.store.embedded import EmbeddedStore
from precert.store.port import Commit, Stored
from precert.web.metrics import Metrics

ROOT = Path(__file__).resolve().parents[1]
EXAMPLE = ROOT / "examples" / "crd" / "order-sign-auth-needed-documents.json"
SIZE = 24_000
DELAY = 0.05


ORDERS = {"no policy (E0100)": "E0100", "CPAP (E0601)": "E0601", "oxygen (E1390)": "E1390"}
"""By the work for the rules: none, a usual policy, and the one with the most questions open."""


def request_body(code: str = "E1390") -> dict[str, Any]:
    """The oxygen example with a usual chart in its prefetch, about 24 KB, and any code."""
    body: dict[str, Any] = json.loads(EXAMPLE.read_text())
    body["context"]["draftOrders"]["entry"][0]["resource"]["code"]["coding"][0]["code"] = code
    entries: list[Any] = []
    while len(json.dumps(body)) + len(json.dumps(entries)) < SIZE:
        number = len(entries)
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
        entries.append({"fullUrl": f"https://ehr.example/fhir/Observation/lab{number}", "resource": resource})
    body["prefetch"]["observations"] = {"resourceType": "Bundle", "type": "searchset", "entry": entries}
    return body


def build(directory: Path, *, fetching: bool = False) -> tuple[FastAPI, ConsultService, Answerer]:
    """The hooks and the echo in one app."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    runtime, metrics = Runtime(), Metrics()
    store = EmbeddedStore.open(directory)
    library = PolicyLibrary(ROOT / "examples" / "policies", runtime.now)
    known = load_directory(ROOT / "examples" / "eligibility")
    consult = ConsultService(store, lambda: known, lambda: library.current, runtime)
    answerer = Answerer(consult, metrics, http_client(allow_private=True) if fetching else None)
    app = FastAPI()
    app.include_router(crd_router(CrdContext(answerer, authenticator(lambda request: OPEN_CLIENT))))

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type="application/json")

    @app.get("/fhir/{path:path}")
    async def slow(path: str, request: Request) -> Response:
        """The EHR of the fetching run: everything takes 50 ms."""
        await asyncio.sleep(DELAY)
        return Response(_record(path, str(request.url.query)), media_type="application/fhir+json")

    return app, consult, answerer


def _record(path: str, query: str) -> bytes:
    body = json.loads(EXAMPLE.read_text())
    prefetch = body["prefetch"]
    kind = path.partition("/")[0]
    if kind == "Patient":
        return json.dumps(prefetch["patient"]).encode()
    if kind == "Coverage":
        return json.dumps(prefetch["coverage"]).encode()
    if kind == "Organization":
        return json.dumps(prefetch["payors"]["entry"][0]["resource"]).encode()
    if kind == "Practitioner":
        return json.dumps(prefetch["practitioners"]["entry"][0]["resource"]).encode()
    return json.dumps(
        {"resourceType": "Condition", "id": "c1", "subject": {"reference": "Patient/pat-MA-0001"}}
    ).encode()


def serve(port: int, directory: str) -> None:
    """The server process."""
    app, _, _ = build(Path(directory), fetching=True)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="error", access_log=False, timeout_keep_alive=120)


@contextlib.contextmanager
def server() -> Iterator[int]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as directory:
        process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, directory), daemon=True)
        process.start()
        try:
            _until_up(port)
            yield port
        finally:
            process.terminate()
            process.join(10)


def _until_up(port: int) -> None:
    for _ in range(200):
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/cds-services")
            if connection.getresponse().status == 200:
                return
        except OSError:
            time.sleep(0.1)
    raise SystemExit("the server did not start")


class Sender:
    """One client with one kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __call__(self, path: str, body: bytes) -> float:
        started = time.perf_counter()
        self.connection.request("POST", path, body, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        content = response.read()
        took = time.perf_counter() - started
        if response.status != 200:
            raise SystemExit(f"{path}: {response.status} {content[:300]!r}")
        return took * 1000


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def row(name: str, times: list[float], echo: float | None, seconds: float | None = None) -> None:
    p50 = statistics.median(times)
    ratio = f"{p50 / echo:6.1f}" if echo else "      "
    rate = f"{len(times) / seconds:8.0f}" if seconds else "        "
    print(f"{name:<34}{p50:9.2f}{percentile(times, 0.95):9.2f}{percentile(times, 0.99):9.2f}{ratio}{rate}")


def over_http(calls: int, clients: list[int]) -> None:
    """The table of latencies."""
    body = request_body()
    whole = json.dumps(body).encode()
    small = EXAMPLE.read_bytes()
    with server() as port:
        bare = json.loads(small)
        bare["prefetch"] = {"conditions": None, "observations": None}
        bare["fhirServer"] = f"http://127.0.0.1:{port}/fhir"
        order = bare["context"]["draftOrders"]["entry"][0]["resource"]
        order["reasonReference"] = [{"reference": "Condition/c1"}]
        fetching = json.dumps(bare).encode()
        print(f"{len(whole)} bytes; {calls} calls of each kind in turn; milliseconds")
        print(f"{'':<34}{'p50':>9}{'p95':>9}{'p99':>9}{'ratio':>6}{'calls/s':>8}")
        bodies = {"echo": ("/echo", whole)}
        for name, code in ORDERS.items():
            bodies[name] = ("/cds-services/crd-order-sign", json.dumps(request_body(code)).encode())
        for count in clients:
            senders = [Sender(port) for _ in range(count)]
            for sender in senders:
                for path, sent in bodies.values():
                    _many(sender, path, sent, 10)
            times: dict[str, list[float]] = {kind: [] for kind in bodies}
            spent: dict[str, float] = dict.fromkeys(bodies, 0.0)
            for _ in range(10):
                for kind, (path, sent) in bodies.items():
                    started = time.perf_counter()
                    with ThreadPoolExecutor(count) as pool:
                        jobs = [pool.submit(_many, one, path, sent, calls // count // 10) for one in senders]
                        times[kind] += [took for job in jobs for took in job.result()]
                    spent[kind] += time.perf_counter() - started
            echo = statistics.median(times["echo"])
            for kind, found in times.items():
                row(f"{kind}, {count} client{'s' * (count > 1)}", found, echo, spent[kind])
        sender = Sender(port)
        found = [sender("/cds-services/crd-order-sign", fetching) for _ in range(30)][5:]
        row("order-sign, 5 fetches of 50 ms", found, None)


def _many(sender: Sender, path: str, body: bytes, calls: int) -> list[float]:
    return [sender(path, body) for _ in range(calls)]


async def parts(calls: int) -> None:
    """Where one call's time goes, in one process without HTTP."""
    print(f"\nwhere the time of one call goes ({calls} calls, in-process, CPU ms; the commit by the clock)")
    for name, code in ORDERS.items():
        await _parts(name, json.dumps(request_body(code)).encode(), calls)


async def _parts(name: str, raw: bytes, calls: int) -> None:
    with tempfile.TemporaryDirectory() as directory:
        _, consult, answerer = build(Path(directory))
        hook = HOOK_BY_ID["crd-order-sign"]

        def parse() -> Any:
            return read_call(fhir_json.loads(raw, fhir_json.Limits()), hook, "2.0")

        async def answer() -> bytes:
            return await answerer.answer(parse(), shape22, "http://p", "open")

        parsing = _cpu(parse, calls)
        whole = await _timed(answer, calls, time.perf_counter)
        real = consult.store.commit

        async def unkept(commit: Commit) -> Stored:
            return Stored(tuple(1 for _ in commit.puts))

        consult.store.commit = unkept  # type: ignore[method-assign]
        quick = await _timed(answer, calls, time.perf_counter)
        without = await _timed(answer, calls, time.process_time)
        consult.store.commit = real  # type: ignore[method-assign]
        print(
            f"  {name:<20} guards and JSON {parsing:.2f}; data, rules, cards, rendering {without - parsing:.2f}; "
            f"together {without:.2f}; durable commit {whole - quick:.2f} by the clock"
        )
        await consult.store.close()


def _cpu(work: Callable[[], Any], calls: int) -> float:
    """CPU milliseconds of one call: what else runs on the machine does not count."""
    work()
    started = time.process_time()
    for _ in range(calls):
        work()
    return (time.process_time() - started) * 1000 / calls


async def _timed(work: Callable[[], Any], calls: int, clock: Callable[[], float]) -> float:
    found = []
    for _ in range(calls):
        started = clock()
        await work()
        found.append((clock() - started) * 1000)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=400)
    parser.add_argument("--clients", type=int, nargs="+", default=[1, 8])
    parser.add_argument("--parts", action="store_true")
    arguments = parser.parse_args()
    over_http(arguments.calls, arguments.clients)
    if arguments.parts:
        asyncio.run(parts(arguments.calls))


if __name__ == "__main__":
    main()
