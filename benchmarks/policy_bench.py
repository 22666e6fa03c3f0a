"""How long coverage rules take: one evaluation of each shipped policy on about 24 KB of evidence, and the decision with
catalogues of 10 to 2,000 policies.

Run: ``python benchmarks/policy_bench.py`` (``--rounds 300``). Times are CPU milliseconds of this process, median and
95th percentile; both worlds of a policy are measured: everything that its first test gives, and nothing known.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate
from precert.policy.fixtures import unfold
from precert.policy.library import PolicyLibrary
from precert.policy.load import load_file, load_text
from precert.policy.types import EvidenceItem

POLICIES = Path(__file__).parents[1] / "examples" / "policies"
NOW = datetime(2026, 11, 2, tzinfo=UTC)
TARGET_BYTES = 24_000


def chart(size: int) -> list[EvidenceItem]:
    """Resources of a usual chart that no shipped policy looks for, ``size`` bytes of JSON altogether."""
    items: list[EvidenceItem] = []
    written = 0
    number = 0
    while written < size:
        number += 1
        kind = ("Observation", "Condition", "Encounter", "MedicationRequest", "DocumentReference")[number % 5]
        concept = {"coding": [{"system": "http://loinc.org", "code": f"9{number:04d}-0", "display": "Something else"}]}
        resource: dict[str, Any] = {
            "resourceType": kind,
            "id": f"r{number}",
            "meta": {"profile": [f"http://hl7.org/fhir/us/core/StructureDefinition/us-core-{kind.lower()}"]},
            "status": "final" if kind == "Observation" else "active",
            "subject": {"reference": "Patient/p1"},
            "code": concept,
        }
        if kind == "Observation":
            resource["effectiveDateTime"] = "2026-10-20T08:00:00-05:00"
            resource["valueQuantity"] = {"value": number, "unit": "mg/dL", "system": "http://unitsofmeasure.org"}
        elif kind == "Encounter":
            resource["type"], resource["period"] = [concept], {"start": "2026-09-01", "end": "2026-09-01"}
        elif kind == "MedicationRequest":
            resource["medicationCodeableConcept"], resource["authoredOn"] = concept, "2026-10-01"
        elif kind == "DocumentReference":
            resource["type"], resource["date"] = concept, "2026-10-02T10:00:00Z"
        else:
            resource["clinicalStatus"] = {"coding": [{"code": "active"}]}
            resource["recordedDate"] = "2026-01-01"
        written += len(json.dumps(resource))
        items.append(EvidenceItem(resource, f"{kind}/r{number}"))
    return items


def timed(call: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Median and 95th percentile in CPU milliseconds."""
    for _ in range(5):
        call()
    taken: list[float] = []
    for _ in range(rounds):
        before = time.process_time_ns()
        call()
        taken.append((time.process_time_ns() - before) / 1e6)
    return statistics.median(taken), statistics.quantiles(taken, n=20)[-1]


def single(rounds: int) -> None:
    everything = chart(TARGET_BYTES)
    print(f"One evaluation, {len(everything)} resources of {TARGET_BYTES // 1000} KB, CPU ms (median / p95)")
    print(f"  {'policy':24s} {'first test':>17s} {'nothing known':>17s}")
    medians: list[float] = []
    for path in sorted(POLICIES.glob("*.yaml")):
        policy = CompiledPolicy(load_file(path))
        line = unfold(policy.model.tests[0].given, policy.model)
        full = replace(line, evidence=[*line.evidence, *everything])
        bare = replace(line, evidence=everything, answers={})
        one, two = (timed(partial(evaluate, policy, at), rounds) for at in (full, bare))
        medians.extend((one[0], two[0]))
        print(f"  {policy.id:24s} {one[0]:8.3f} /{one[1]:7.3f} {two[0]:8.3f} /{two[1]:7.3f}")
    print(f"  median of all: {statistics.median(medians):.3f} ms, worst median: {max(medians):.3f} ms")


def catalogue(size: int) -> Catalogue:
    """The shipped policies and copies of one of them under other ids and codes, up to ``size``."""
    shipped = [CompiledPolicy(load_file(path)) for path in sorted(POLICIES.glob("*.yaml"))]
    text = (POLICIES / "03-pap-osa-continue.yaml").read_text()
    copies = []
    for number in range(max(size - len(shipped), 0)):
        copy = text.replace("policy: pap-osa-continue", f"policy: copy-{number}")
        copy = copy.replace("[hcpcs|E0601, hcpcs|E0470]", f"[hcpcs|X{number:04d}, hcpcs|Y{number // 10:03d}*]")
        copies.append(CompiledPolicy(load_text(copy.encode(), f"copy-{number}.yaml")))
    return Catalogue([*shipped[:size], *copies])


def curve(rounds: int) -> None:
    everything = chart(TARGET_BYTES)
    print("decide() by size of the catalogue, CPU ms (median / p95)")
    first: float | None = None
    for size in (10, 100, 1_000, 2_000):
        started = time.process_time()
        policies = catalogue(size)
        loading = time.process_time() - started
        policy = policies.get("pap-osa-initial")
        assert policy is not None
        line = unfold(policy.model.tests[0].given, policy.model)
        line = replace(line, evidence=[*line.evidence, *everything])
        median, p95 = timed(partial(policies.decide, line), rounds)
        first = first or median
        print(f"  {size:5d} policies {median:8.3f} /{p95:7.3f}   x{median / first:4.2f}   (loaded in {loading:5.2f} s)")


def loading(rounds: int) -> None:
    library = PolicyLibrary(POLICIES, NOW)
    median, p95 = timed(lambda: library.reload_if_changed(NOW), rounds)
    print(f"reload_if_changed() with nothing changed, {len(library.current)} files: {median:.3f} /{p95:7.3f} CPU ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    chosen = parser.parse_args().rounds
    single(chosen)
    curve(chosen)
    loading(chosen)
