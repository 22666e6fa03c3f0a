"""Asking servers over HTTP and printing what it took: rows of p50, p99, processor time and the ratio to a bare echo."""

from __future__ import annotations

import http.client
import socket
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from benchmarks.servers import Server

WARM = 20
"""Calls of each kind that are made before measuring."""
HEADER = f"  {'':<28}{'from':>4}{'p50 ms':>9}{'p99 ms':>9}{'CPU ms':>9}{'x echo':>8}{'per s':>9}"


class Sender:
    """One client with one kept-alive connection to one server."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        self.connection.connect()
        self.connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def many(self, path: str, body: bytes, calls: int) -> list[float]:
        """Milliseconds of each call."""
        taken = []
        for _ in range(calls):
            started = time.perf_counter()
            self.connection.request("POST", path, body, {"Content-Type": "application/json"})
            response = self.connection.getresponse()
            content = response.read()
            taken.append((time.perf_counter() - started) * 1000)
            if response.status != 200:
                raise SystemExit(f"{path}: {response.status} {content[:300]!r}")
        return taken


@dataclass(slots=True)
class Kind:
    """One row of a table: what is sent where, and what came of it."""

    name: str
    server: Server
    path: str
    body: bytes
    times: list[float] = field(default_factory=list)
    seconds: float = 0.0
    processor: float = 0.0

    def run(self, senders: list[Sender], calls: int) -> None:
        """``calls`` calls of each sender, all senders at once."""
        before, started = self.server.processor_ms, time.perf_counter()
        with ThreadPoolExecutor(len(senders)) as pool:
            for job in [pool.submit(one.many, self.path, self.body, calls) for one in senders]:
                self.times += job.result()
        self.seconds += time.perf_counter() - started
        self.processor += self.server.processor_ms - before

    def show(self, echo: float, sender: str) -> None:
        p50, p99 = statistics.median(self.times), percentile(self.times, 0.99)
        count = len(self.times)
        print(
            f"  {self.name:<28}{sender:>4}{p50:9.2f}{p99:9.2f}{self.processor / count:9.2f}"
            f"{p50 / echo:8.1f}{count / self.seconds:9.0f}",
            flush=True,
        )


def percentile(times: list[float], share: float) -> float:
    return sorted(times)[min(len(times) - 1, int(len(times) * share))]


def table(title: str, kinds: list[Kind], clients: int, calls: int) -> None:
    """Measure ``kinds`` in ten turns and print their rows; the first kind is the echo."""
    print(f"{title}: {len(kinds[0].body)} bytes, {calls} calls of each")
    connected = [[Sender(kind.server) for _ in range(clients)] for kind in kinds]
    for kind, senders in zip(kinds, connected, strict=True):
        for sender in senders:
            sender.many(kind.path, kind.body, max(1, WARM // clients))
    for _ in range(10):
        for kind, senders in zip(kinds, connected, strict=True):
            kind.run(senders, max(1, calls // clients // 10))
    for kind in kinds:
        kind.show(statistics.median(kinds[0].times), str(clients))
