"""What profile validation costs: CPU per bundle of 12 to 600 KB, how it grows, tables in memory, ratio to plain parse.

Run: ``python benchmarks/validation_bench.py`` (``--rounds 40``, ``--profile-dir profiles``). Times are CPU
milliseconds of this process, the best of the rounds. The bundle is a PAS request whose items are repeated to size.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHECKOUT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(CHECKOUT / "tests"))

from validation.builders import request_bundle  # noqa: E402 - lives beside the tests

SIZES_KB = (12, 24, 60, 600)


def sized(kilobytes: int) -> tuple[bytes, dict[str, Any]]:
    """A valid request of about ``kilobytes``: its Claim gets more items, its bundle more orders for them."""
    document = request_bundle()
    claim, order = document["entry"][0]["resource"], document["entry"][-1]
    number = 1
    while len(json.dumps(document)) < kilobytes * 1024:
        number += 1
        claim["item"].append({**claim["item"][0], "sequence": number})
        if number % 3 == 0:  # in real requests the Claim is about half of the bundle
            resource = {**order["resource"], "id": f"order-{number}"}
            url = order["fullUrl"].replace("order-1", f"order-{number}")
            document["entry"].append({"fullUrl": url, "resource": resource})
    body = json.dumps(document).encode()
    return body, json.loads(body)


def best(rounds: int, work: Callable[[], object]) -> float:
    """The least CPU milliseconds of ``rounds`` runs."""
    least = float("inf")
    for _ in range(rounds):
        start = time.process_time()
        work()
        least = min(least, time.process_time() - start)
    return least * 1_000


def first_use(folder: Path) -> None:
    """Import, load, and validate once: what the first request pays."""
    start = time.process_time()
    from precert.fhir.validation import Validator  # noqa: PLC0415 - the import is part of what is measured

    imported = time.process_time()
    validator = Validator.load(folder)
    document = request_bundle()
    tracemalloc.start()
    begun = time.process_time()
    validator.validate(document)
    done = time.process_time()
    held, _ = tracemalloc.get_traced_memory()
    for context in validator.contexts:
        validator.validate(document, context=context)
    everything, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    print(f"import                       {1_000 * (imported - start):8.1f} ms")
    print(f"first request (traced)       {1_000 * (done - begun):8.1f} ms")
    print(f"tables and trees after it    {held / 1e6:8.1f} MB")
    print(f"after a request per context  {everything / 1e6:8.1f} MB")


def per_bundle(folder: Path, rounds: int) -> None:
    from precert.fhir.json import Limits, loads  # noqa: PLC0415 - after first_use() has measured the imports
    from precert.fhir.validation import Validator  # noqa: PLC0415

    validator = Validator.load(folder)
    print(
        f"\n{'bundle':>8} {'bytes':>8} {'resources':>9} {'findings':>8} {'validate':>10} {'per KB':>8} {'guarded parse':>14} {'ratio':>6}"
    )
    for size in SIZES_KB:
        body, document = sized(size)
        findings = validator.validate(document)
        runs = max(3, rounds * 12 // size)
        validate = best(runs, lambda document=document: validator.validate(document))  # type: ignore[misc]
        parse = best(runs, lambda body=body: loads(body, Limits()))  # type: ignore[misc]
        kilobytes = len(body) / 1024
        print(
            f"{size:>5} KB {len(body):>8} {len(document['entry']):>9} {len(findings):>8} {validate:>7.2f} ms "
            f"{validate / kilobytes:>8.3f} {parse:>11.2f} ms {validate / parse:>6.1f}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=40)
    parser.add_argument("--profile-dir", type=Path, default=CHECKOUT / "profiles")
    options = parser.parse_args()
    total = sum(file.stat().st_size for file in options.profile_dir.glob("*.json.gz"))
    print(f"tables on disk               {total / 1e6:8.2f} MB")
    first_use(options.profile_dir)
    per_bundle(options.profile_dir, options.rounds)


if __name__ == "__main__":
    main()
