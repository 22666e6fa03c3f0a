"""CQL and ELM in Node: npm's @cqframework/cql compiles, cql-execution executes (``npm ci`` in tests/dtr/cql, as CI does).

``PRECERT_NODE_MODULES`` names another folder of packages; with ``PRECERT_REQUIRE_CQL=1`` nothing is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from precert.fhir import json

SCRIPTS = Path(__file__).parent / "cql"
MODULES = Path(os.environ.get("PRECERT_NODE_MODULES", str(SCRIPTS / "node_modules")))
PACKAGES = ("cql-execution", "cql-exec-fhir", "@cqframework/cql")

executed = pytest.mark.skipif(
    os.environ.get("PRECERT_REQUIRE_CQL") != "1"
    and (shutil.which("node") is None or not all((MODULES / package).is_dir() for package in PACKAGES)),
    reason="needs Node and `npm ci` in tests/dtr/cql (or PRECERT_NODE_MODULES)",
)


def node(script: str, given: Any) -> Any:
    """What one of the scripts makes of ``given``."""
    made = subprocess.run(
        ["node", str(SCRIPTS / script)],
        input=json.dumps(given),
        capture_output=True,
        check=False,
        env=os.environ | {"PRECERT_NODE_MODULES": str(MODULES), "TZ": "UTC"},
        timeout=240,
    )
    assert made.returncode == 0, made.stderr.decode()[-3000:]
    return json.loads(made.stdout)
