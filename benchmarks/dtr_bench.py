"""DTR's speed: a package and a next-question of a policy with 30 questions, beside an echo of the same bytes.

Run: python benchmarks/dtr_bench.py [--calls 200]

One process, calls through the ASGI app one after another, the kinds taking turns so that all see the same machine.
Reported besides: the first call for a form (its conditions are worked out once) and the sizes of what is sent.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
import structlog
import yaml
from fastapi import FastAPI, Request, Response

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "src"))

from precert.authorization.consult import ConsultService
from precert.authorization.service import AuthorizationService
from precert.dtr import shape22
from precert.dtr.form import Form
from precert.dtr.forms import Forms
from precert.dtr.library import elm_library
from precert.dtr.routes import DtrContext, dtr_router
from precert.eligibility.load import load_directory
from precert.fhir import json
from precert.fhir.json import Limits, load_resource
from precert.pas.intake import read_request
from precert.pas.presenter import Presenter
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.library import PolicyLibrary
from precert.policy.load import load_text
from precert.runtime import Runtime
from precert.security.identity import OPEN_CLIENT
from precert.store.embedded import EmbeddedStore

ROOT = Path(__file__).resolve().parents[1]
QUESTIONS = 30


def large_policy() -> CompiledPolicy:
    """Thirty questions: ten groups of which each needs one of three, a number among them that the chart may hold."""
    facts: dict[str, Any] = {}
    groups = []
    for n in range(0, QUESTIONS, 3):
        for k, kind in enumerate(("boolean", "decimal", "boolean")):
            facts[f"q{n + k}"] = {"ask": {"text": f"Question {n + k}?", "type": kind, "who": "clinical"}}
        facts[f"q{n + 1}"] |= {
            "from": "Observation",
            "code": [f"loinc|{1000 + n}-1"],
            "within": "30d",
            "take": "lowest",
        }
        leaves = [
            {"id": f"L{n}", "text": "A", "test": f"%q{n}"},
            {"id": f"L{n}b", "text": "B", "test": f"%q{n + 1} <= 88 and %q{n + 2}"},
        ]
        groups.append({"any": leaves})
    written = {
        "policy": "large",
        "version": "1",
        "title": "Thirty questions",
        "role": "clinical",
        "status": "active",
        "approved": {"by": "x", "date": "2026-01-01", "next_review": "2027-01-01"},
        "effective": {"start": "2026-01-01"},
        "basis": [{"type": "NCD", "id": "1"}],
        "applies": {"services": ["hcpcs|E9999"]},
        "facts": facts,
        "criteria": {"all": groups},
    }
    return CompiledPolicy(load_text(yaml.safe_dump(written).encode(), "large.yaml"))


def call(name: str) -> bytes:
    coverage = {
        "resourceType": "Coverage",
        "id": "c",
        "status": "active",
        "subscriberId": "MA-0001",
        "beneficiary": {"reference": "Patient/p"},
        "payor": [{"display": "payer"}],
    }
    canonical = f"http://bench/fhir/Questionnaire/{name}"
    parameters = [{"name": "coverage", "resource": coverage}, {"name": "questionnaire", "valueCanonical": canonical}]
    return json.dumps({"resourceType": "Parameters", "parameter": parameters})


async def timed(client: httpx.AsyncClient, path: str, body: bytes) -> tuple[float, bytes]:
    began = time.perf_counter()
    response = await client.post(path, content=body)
    took = (time.perf_counter() - began) * 1000
    assert response.status_code == 200, response.text
    return took, response.content


async def measure(calls: int, folder: Path) -> None:
    runtime = Runtime()
    library = PolicyLibrary(ROOT / "examples" / "policies", runtime.now())
    policies = [*library.current, large_policy()]
    catalogue = Catalogue(policies, library.current.value_sets)
    directory = load_directory(ROOT / "examples" / "eligibility", "presented")
    store = EmbeddedStore.open(folder, now=runtime.now)
    service = AuthorizationService(
        store,
        lambda: directory,
        lambda: catalogue,
        runtime,
        read=lambda raw, submitter: read_request(raw, load_resource(raw), submitter, directory),
        changed=Presenter(runtime, announce=lambda change: []).changed,
    )
    consult = ConsultService(store, lambda: directory, lambda: catalogue, runtime)
    forms = Forms(lambda: catalogue)
    context = DtrContext(service, consult, forms, lambda request: OPEN_CLIENT, Limits(), "http://bench")
    app = FastAPI()
    app.include_router(dtr_router(context, shape22))

    @app.post("/echo")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type="application/fhir+json")

    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
        package, question = "/fhir/Questionnaire/$questionnaire-package", "/fhir/Questionnaire/$next-question"
        for name in ("large", "oxygen-home"):
            first, answer = await timed(client, package, call(name))
            _, adaptive = await timed(client, package, call(f"{name}-adaptive"))
            bundle = json.loads(adaptive)["parameter"][0]["resource"]
            draft = json.dumps(bundle["entry"][1]["resource"])
            _, asked = await timed(client, question, draft)
            rows: dict[str, list[float]] = {"echo": [], "package": [], "next-question": []}
            for _ in range(calls):
                rows["echo"].append((await timed(client, "/echo", answer))[0])
                rows["package"].append((await timed(client, package, call(name)))[0])
                rows["next-question"].append((await timed(client, question, draft))[0])
            form = forms.form(name, None, runtime.now().date())
            assert form is not None
            report(name, form, first, rows, len(answer), len(asked))
    await store.close()


def report(name: str, form: Form, first: float, rows: dict[str, list[float]], package: int, asked: int) -> None:
    elm = len(json.dumps(elm_library(form.library_name, form.version, form.population)))
    print(f"\n{name}: {len(form.items)} questions; first call {first:.0f} ms")
    print(f"  sizes: package {package / 1000:.0f} KB, next-question {asked / 1000:.0f} KB, ELM {elm / 1000:.0f} KB")
    base = statistics.median(rows["echo"])
    for kind, times in rows.items():
        times.sort()
        p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
        print(f"  {kind:14} p50 {p50:6.2f} ms   p99 {p99:6.2f} ms   {p50 / base:5.1f} x echo")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=200)
    calls = parser.parse_args().calls
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    logging.disable(logging.WARNING)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(calls, Path(folder)))


if __name__ == "__main__":
    main()
