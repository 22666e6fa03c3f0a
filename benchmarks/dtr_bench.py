"""DTR's speed: a package and a next question of a policy with 30 questions, beside an echo of the same bytes.

Run: python -m benchmarks.dtr_bench [--calls 200]

precert as it is shipped and the echo as uvicorn processes, asked over HTTP by one client, the kinds taking turns so that
all see the same machine. Reported besides: the first call for a form (its conditions are worked out once) and the sizes
of what is sent. The shipped oxygen policy is measured in the same way.
"""

from __future__ import annotations

import argparse
import base64
import http.client
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "src")]

from benchmarks.asking import HEADER, Kind, table  # noqa: E402
from benchmarks.servers import Server, running, serve, serve_echo  # noqa: E402

from precert.app import create_app  # noqa: E402
from precert.fhir import json  # noqa: E402
from precert.settings import Settings  # noqa: E402
from precert.web import logging  # noqa: E402

BASE = "http://bench"
PACKAGE, QUESTION = "/fhir/Questionnaire/$questionnaire-package", "/fhir/Questionnaire/$next-question"
QUESTIONS = 30


def large_policy() -> str:
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
    return yaml.safe_dump(written)


def call(name: str) -> bytes:
    coverage = {
        "resourceType": "Coverage",
        "id": "c",
        "status": "active",
        "subscriberId": "MA-0001",
        "beneficiary": {"reference": "Patient/p"},
        "payor": [{"display": "payer"}],
    }
    canonical = f"{BASE}/fhir/Questionnaire/{name}"
    parameters = [{"name": "coverage", "resource": coverage}, {"name": "questionnaire", "valueCanonical": canonical}]
    return json.dumps({"resourceType": "Parameters", "parameter": parameters})


def write_policies(folder: Path) -> None:
    """The shipped policies and the large one."""
    shutil.copytree(ROOT / "examples" / "policies", folder)
    (folder / "large.yaml").write_text(large_policy())


def serve_precert(ready: Any, data: str, policies: str) -> None:
    """precert as it is shipped, without the log of each request."""
    logging.configure("warning", json=True)
    settings = Settings(data=Path(data), policies=Path(policies), policy_reload_seconds=0, public_url=BASE)
    serve(create_app(settings), ready)


def asked(server: Server, path: str, body: bytes | None = None) -> tuple[float, Any]:
    """Milliseconds and the answer, parsed."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    began = time.perf_counter()
    connection.request("POST" if body else "GET", path, body, {"Content-Type": "application/fhir+json"})
    response = connection.getresponse()
    content = response.read()
    if response.status != 200:
        raise SystemExit(f"{path}: {response.status} {content[:300]!r}")
    return (time.perf_counter() - began) * 1000, json.loads(content)


def measure(echo: Server, precert: Server, name: str, calls: int) -> None:
    first, package = asked(precert, PACKAGE, call(name))
    adaptive = asked(precert, PACKAGE, call(f"{name}-adaptive"))[1]["parameter"][0]["resource"]
    draft = json.dumps(adaptive["entry"][1]["resource"])
    question = asked(precert, QUESTION, draft)[1]
    form = package["parameter"][0]["resource"]["entry"][0]["resource"]
    elm = asked(precert, f"/fhir/Library/{name}")[1]["content"][-1]
    assert "elm" in elm["contentType"]
    sizes = len(json.dumps(package)), len(json.dumps(question)), len(base64.b64decode(elm["data"]))
    print(f"{name}: {questions(form)} questions; first call {first:.0f} ms")
    print("  package {:.0f} KB, next question {:.0f} KB, ELM {:.0f} KB".format(*(size / 1000 for size in sizes)))
    for title, path, body in (("package", PACKAGE, call(name)), ("next question", QUESTION, draft)):
        kinds = [Kind("echo", echo, "/echo", body), Kind(title, precert, path, body)]
        table(f"{title}, {name}", kinds, 1, calls)


def questions(item: dict[str, Any]) -> int:
    """How many questions a form or group holds."""
    own = item.get("type") not in (None, "group", "display")
    return own + sum(map(questions, item.get("item", ())))


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=200)
    calls = parser.parse_args().calls
    with tempfile.TemporaryDirectory() as folder:
        policies, data = Path(folder) / "policies", Path(folder) / "data"
        write_policies(policies)
        with running(serve_echo) as echo, running(serve_precert, str(data), str(policies)) as precert:
            print(HEADER)
            for name in ("large", "oxygen-home"):
                measure(echo, precert, name, calls)


if __name__ == "__main__":
    main()
