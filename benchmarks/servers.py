"""The servers that benchmarks ask: each a process of its own on a free port, uvicorn with one worker."""

from __future__ import annotations

import contextlib
import gc
import http.client
import multiprocessing
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response

ROOT = Path(__file__).resolve().parents[1]
HEALTHCHAIN = ROOT / ".venv-bench" / "healthchain" / "bin" / "python"
"""``make bench`` makes it; what cannot be installed is not compared."""


@dataclass(frozen=True, slots=True)
class Server:
    """A running server."""

    port: int
    pid: int

    @property
    def processor_ms(self) -> float:
        """Processor time used so far; says more than the clock on a busy machine."""
        fields = Path(f"/proc/{self.pid}/stat").read_text("ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1000 / os.sysconf("SC_CLK_TCK")


def serve(app: Any, ready: Any) -> None:
    """Serve ``app`` in this process for ever; ``ready`` is told the port."""
    bound = socket.socket()
    bound.bind(("127.0.0.1", 0))

    class Told(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            gc.collect()
            gc.freeze()  # as ``precert serve`` does
            ready.send(bound.getsockname()[1])

    config = uvicorn.Config(app, access_log=False, log_level="warning", lifespan="on", timeout_keep_alive=120)
    Told(config).run([bound])


def serve_echo(ready: Any) -> None:
    """The limit of the stack: FastAPI reads the body, whatever the path, and sends it back."""
    app = FastAPI()

    @app.post("/{path:path}")
    async def echo(request: Request) -> Response:
        return Response(await request.body(), media_type="application/json")

    serve(app, ready)


@contextlib.contextmanager
def running(target: Callable[..., None], *arguments: Any) -> Iterator[Server]:
    """``target(ready, *arguments)`` in a process; it calls :func:`serve`."""
    context = multiprocessing.get_context("spawn")
    ours, its = context.Pipe(duplex=False)
    process = context.Process(target=target, args=(its, *arguments), daemon=True)
    process.start()
    if not ours.poll(60):
        raise RuntimeError("the server did not start")
    try:
        yield Server(ours.recv(), process.pid or 0)
    finally:
        process.terminate()
        process.join(20)


@contextlib.contextmanager
def healthchain() -> Iterator[Server | None]:
    """HealthChain's service, or ``None`` where it is not installed or does not start."""
    if not HEALTHCHAIN.exists():
        yield None
        return
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--host", "127.0.0.1", "--port", str(port), "--log-level", "error", "--no-access-log"]
    command = [str(HEALTHCHAIN), "-m", "uvicorn", "--app-dir", str(ROOT / "benchmarks"), *options]
    process = subprocess.Popen([*command, "healthchain_service:app"], stdout=subprocess.DEVNULL)
    try:
        yield Server(port, process.pid) if _answers(port, process) else None
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int, process: subprocess.Popen[bytes]) -> bool:
    for _ in range(300):
        if process.poll() is not None:
            return False
        try:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/cds/cds-discovery")
            return connection.getresponse().status == 200
        except OSError:
            time.sleep(0.1)
    return False
