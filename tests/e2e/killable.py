"""A server that starts fast, to be killed often: ``precert serve`` in a process forked from one that has imported it."""

from __future__ import annotations

import multiprocessing
import os
import re
import signal
from multiprocessing.connection import Connection
from pathlib import Path

READY = re.compile(rb"precert is ready at (http://\S+)")


def serve_here(data: str, policies: str, eligibility: str, said: Connection) -> None:
    """The child: everything it prints goes to the parent."""
    for stream in (1, 2):
        os.dup2(said.fileno(), stream)
    from precert.cli.serve import serve

    serve(port=0, data=Path(data), policies=Path(policies), eligibility=Path(eligibility), log_level="error")


class Killable:
    """One such server."""

    def __init__(self, data: Path, policies: Path, eligibility: Path) -> None:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["precert.cli.serve", "e2e.killable", "e2e.warm"])
        self._ours, its = context.Pipe(duplex=False)
        self.process = context.Process(
            target=serve_here, args=(str(data), str(policies), str(eligibility), its), daemon=True
        )
        self.process.start()
        its.close()
        self.said = b""

    def url(self) -> str:
        """Where it listens; waits until it says so."""
        while (match := READY.search(self.said)) is None:
            assert self._ours.poll(60), f"the server says nothing: {self.said!r}"
            piece = os.read(self._ours.fileno(), 4096)
            assert piece, f"the server ended: {self.said!r}"
            self.said += piece
        return match.group(1).decode()

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        assert self.process.pid is not None
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.join(30)
        assert self.process.exitcode == -signal.SIGKILL
        self.process.close()
        self._ours.close()
