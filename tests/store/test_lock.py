"""One process per data directory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from precert.store.embedded import EmbeddedStore
from precert.store.port import Locked

OPEN = "import sys, pathlib; from precert.store.embedded import EmbeddedStore; EmbeddedStore.open(pathlib.Path(sys.argv[1]))"


def test_a_second_process_is_refused_with_directory_and_holder(embedded: EmbeddedStore) -> None:
    second = subprocess.run(
        [sys.executable, "-c", OPEN, str(embedded.directory)], capture_output=True, text=True, check=False, timeout=60
    )
    assert second.returncode != 0
    assert f"Locked: {embedded.directory} is in use by process {os.getpid()}." in second.stderr
    assert "another directory" in second.stderr


async def test_the_same_process_is_refused_too_until_closed(embedded: EmbeddedStore) -> None:
    with pytest.raises(Locked, match=str(os.getpid())):
        EmbeddedStore.open(embedded.directory)
    await embedded.close()
    again = EmbeddedStore.open(embedded.directory)
    await again.close()


async def test_a_failed_open_lets_the_directory_go(tmp_path: Path) -> None:
    (tmp_path / "precert.db").write_bytes(b"not a database at all, really not one." * 100)
    for _ in range(2):
        with pytest.raises(Exception, match="not a readable database"):
            EmbeddedStore.open(tmp_path)
    (tmp_path / "precert.db").unlink()
    store = EmbeddedStore.open(tmp_path)
    await store.close()
