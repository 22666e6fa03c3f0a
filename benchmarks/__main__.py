"""All benchmarks, one after the other: ``python -m benchmarks``. Each also runs alone, with its own options."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

FOLDER = Path(__file__).resolve().parent


def modules() -> list[Path]:
    """Every module here that can be run, ``submit`` first: it is what a user waits for."""
    found = [
        file
        for file in sorted(FOLDER.glob("*.py"))
        if not file.name.startswith("_") and '__name__ == "__main__"' in file.read_text("utf-8")
    ]
    return sorted(found, key=lambda file: file.name != "submit.py")


def main() -> int:
    """Run them; the number that failed."""
    failed = 0
    for file in modules():
        print(f"\n== {file.stem}", flush=True)
        started = time.perf_counter()
        code = subprocess.run([sys.executable, str(file)], cwd=FOLDER.parent, check=False).returncode
        failed += code != 0
        print(f"   ({time.perf_counter() - started:.0f} s{'' if code == 0 else f', exit {code}'})", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
