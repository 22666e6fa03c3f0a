"""precert as a process of its own: started, spoken to over a socket, ended, killed."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx

from support.app import EXAMPLES

READY = re.compile(r"precert is ready at (https?://\S+)")


class ServerProcess:
    """``precert serve`` on a free port. ``lines`` is everything it printed."""

    def __init__(self, data: Path, *options: str) -> None:
        command = [sys.executable, "-c", "from precert.cli import main; main()", "serve", "--port", "0"]
        command += ["--data", str(data), *options]
        if not any(option == "--policies" for option in options):
            command += ["--policies", str(EXAMPLES / "policies")]
        if not any(option == "--eligibility" for option in options):
            command += ["--eligibility", str(EXAMPLES / "eligibility")]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1", "NO_COLOR": "1", "COLUMNS": "300"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment, cwd=data.parent
        )
        self.lines: list[str] = []
        self._url = ""
        self._ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip("\n"))
            if not self._ready.is_set() and (match := READY.search(line)):
                self._url = match.group(1)
                self._ready.set()
        self._ready.set()  # it ended: nobody needs to wait any more

    @property
    def url(self) -> str:
        """Where it listens; waits until it says so. Raises AssertionError when it ends instead."""
        assert self._ready.wait(60), self.output
        assert self._url, self.output
        return self._url

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def client(self) -> httpx.AsyncClient:
        """A client for it."""
        return httpx.AsyncClient(base_url=self.url, timeout=30)

    def kill(self) -> None:
        """kill -9: nothing gets a chance to be written."""
        self.process.send_signal(signal.SIGKILL)
        assert self.wait() == -signal.SIGKILL

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def wait(self) -> int:
        """The exit code, once it ended and everything it printed is read."""
        code = self.process.wait(60)
        self._reader.join(10)
        return code


@contextlib.contextmanager
def serving(data: Path, *options: str) -> Iterator[ServerProcess]:
    """A server that is gone when the block ends, however it ends."""
    server = ServerProcess(data, *options)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()
        server.wait()
        if server.process.stdout is not None:
            server.process.stdout.close()
