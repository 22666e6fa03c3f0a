"""Random operations on the store and on plain dicts, reopened now and then: both must always say the same."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from precert.store.port import (
    AlreadyTaken,
    Commit,
    Conflict,
    Idempotency,
    KeyReused,
    Outgoing,
    Param,
    Put,
    Replayed,
    Stored,
)
from store.contract import ADAPTERS, Clock, all_pages, entry

T = TypeVar("T")
TENANTS, TYPES, IDS = ["acme", "zeta"], ["Claim", "Task"], ["1", "2", "10"]
NEVER = datetime(1, 1, 1, tzinfo=UTC)
NAMES, VALUES, KEYS = ["status", "patient"], ["a", "b", ""], ["k1", "k2"]

PUTS = st.builds(
    lambda type, id, body, params, offset: (Put(type, id, body, params), offset),
    st.sampled_from(TYPES), st.sampled_from(IDS), st.binary(max_size=50),
    st.dictionaries(st.sampled_from(NAMES), st.lists(st.sampled_from(VALUES), max_size=2), max_size=2),
    st.sampled_from([None, None, 0, 0, 0, 1]),
)  # fmt: skip


@dataclass
class Version:
    body: bytes
    updated: datetime
    params: dict[str, list[str]]


@dataclass
class Message:
    body: bytes
    due: datetime
    until: datetime = NEVER
    fence: int = 0
    attempt: int = 0


@dataclass
class Model:
    documents: dict[tuple[str, str, str], list[Version]] = field(default_factory=dict)
    names: set[str] = field(default_factory=set)
    answers: dict[tuple[str, str], tuple[str, bytes]] = field(default_factory=dict)
    messages: dict[int, Message] = field(default_factory=dict)
    sent: int = 0
    audit: list[tuple[str, str]] = field(default_factory=list)


class StoreMachine(RuleBasedStateMachine):
    @initialize(adapter=st.sampled_from(ADAPTERS))
    def start(self, adapter: Any) -> None:
        self.adapter = adapter
        self.directory = Path(tempfile.mkdtemp(prefix="precert-model-"))
        self.loop = asyncio.new_event_loop()
        self.clock = Clock()
        self.model = Model()
        self.store = adapter.open(self.directory, self.clock)

    def teardown(self) -> None:
        if hasattr(self, "store"):
            try:
                assert self.run(self.store.verify()) == []
            finally:
                self.run(self.store.close())
                self.loop.run_until_complete(self.loop.shutdown_default_executor())
                self.loop.close()
                shutil.rmtree(self.directory)

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    @rule(
        tenant=st.sampled_from(TENANTS), puts=st.lists(PUTS, max_size=3), names=st.lists(st.sampled_from("nop"), max_size=1),
        key=st.sampled_from([None, None, *KEYS]), digest=st.sampled_from("de"), messages=st.lists(st.integers(-2, 2), max_size=2),
        audited=st.integers(0, 2),
    )  # fmt: skip
    def commit(
        self, *, tenant: str, puts: list[tuple[Put, int | None]], names: list[str], key: str | None, digest: str,
        messages: list[int], audited: int,
    ) -> None:  # fmt: skip
        model = self.model
        heads = {place: len(versions) for place, versions in model.documents.items()}
        ready, clash = [], False
        for put, offset in puts:
            place = (tenant, put.type, put.id)
            expect = None if offset is None else heads.get(place, 0) + offset
            clash = clash or bool(offset)
            heads[place] = heads.get(place, 0) + 1
            ready.append(Put(put.type, put.id, put.body, put.params, expect))
        at = self.clock.at
        commit = Commit(
            tenant, ready, [Outgoing("q", b"%d" % n, at + timedelta(seconds=n)) for n in messages],
            [entry(str(n)) for n in range(audited)], names, Idempotency(key, digest) if key else None, b"result",
        )  # fmt: skip
        known = model.answers.get((tenant, key)) if key else None
        if known:
            assert self.run(self.store.commit(commit)) == (Replayed if known[0] == digest else KeyReused)(known[1])
            return
        if clash or model.names & set(names):
            try:
                self.run(self.store.commit(commit))
            except (Conflict, AlreadyTaken):
                return
            raise AssertionError("this commit had to be refused")
        numbers = []
        for put in ready:
            versions = model.documents.setdefault((tenant, put.type, put.id), [])
            versions.append(Version(put.body, at, {name: list(values) for name, values in put.params.items()}))
            numbers.append(len(versions))
        assert self.run(self.store.commit(commit)) == Stored(tuple(numbers))
        model.names |= set(names)
        if key:
            model.answers[tenant, key] = (digest, b"result")
        for message in commit.outgoing:
            model.sent += 1
            model.messages[model.sent] = Message(message.body, message.due)
        model.audit += [(tenant, str(n)) for n in range(audited)]

    @rule(tenant=st.sampled_from(TENANTS), type=st.sampled_from(TYPES), id=st.sampled_from(IDS))
    def read(self, tenant: str, type: str, id: str) -> None:
        versions = self.model.documents.get((tenant, type, id), [])
        expected = [(n, v.body, v.updated) for n, v in enumerate(versions, 1)]
        found = self.run(self.store.history(tenant, type, id))
        assert [(d.version, d.body, d.updated) for d in found] == expected[::-1]
        assert self.run(self.store.get(tenant, type, id)) == (found[0] if found else None)
        for document in found:
            assert self.run(self.store.vread(tenant, type, id, document.version)) == document

    @rule(
        tenant=st.sampled_from(TENANTS), type=st.sampled_from(TYPES), newest_first=st.booleans(), limit=st.integers(1, 4),
        wanted=st.lists(st.tuples(st.sampled_from(NAMES), st.lists(st.sampled_from(VALUES), max_size=2)), max_size=2),
    )  # fmt: skip
    def search(
        self, tenant: str, type: str, newest_first: bool, limit: int, wanted: list[tuple[str, list[str]]]
    ) -> None:
        expected = sorted(
            (versions[-1].updated, id)
            for (owner, kind, id), versions in self.model.documents.items()
            if (owner, kind) == (tenant, type)
            and all(set(values) & set(versions[-1].params.get(name, [])) for name, values in wanted)
        )
        params = [Param(name, values) for name, values in wanted]
        found = self.run(all_pages(self.store, tenant, type, params, limit=limit, newest_first=newest_first))
        shown = [(d.updated, d.id) for d in found]
        assert shown == (expected[::-1] if newest_first else expected)

    @rule(
        n=st.integers(0, 3), ttl=st.sampled_from([0.5, 10.0]), outcome=st.sampled_from(["ack", "nack", "keep", "stale"])
    )
    def deliver(self, n: int, ttl: float, outcome: str) -> None:
        now = self.clock.at
        free = [(m.due, id) for id, m in self.model.messages.items() if m.due <= now and m.until <= now]
        leased = self.run(self.store.lease("q", "w", n, ttl, now))
        assert [got.id for got in leased] == [id for _, id in sorted(free)[:n]]
        for got in leased:
            held = self.model.messages[got.id]
            assert (got.attempt, got.body) == (held.attempt + 1, held.body)
            assert got.fence > held.fence
            held.attempt, held.fence, held.until = got.attempt, got.fence, got.until
            assert held.until == now + timedelta(seconds=ttl)
            if outcome == "ack":
                assert self.run(self.store.ack(got.id, got.fence))
                del self.model.messages[got.id]
            elif outcome == "nack":
                held.due, held.until = now + timedelta(seconds=1), now
                assert self.run(self.store.nack(got.id, got.fence, held.due))
            elif outcome == "stale":
                assert not self.run(self.store.ack(got.id, got.fence - 1))

    @rule(seconds=st.sampled_from([0.000001, 1.0, 11.0]))
    def tick(self, seconds: float) -> None:
        self.clock.tick(seconds)

    @rule()
    def reopen(self) -> None:
        self.run(self.store.close())
        self.store = self.adapter.open(self.directory, self.clock)
        for message in self.model.messages.values():
            message.until = NEVER  # the one process that may use the store takes back what it held

    @invariant()
    def counts_agree(self) -> None:
        if not hasattr(self, "store"):
            return
        health = self.run(self.store.health())
        assert (health.documents, health.outbox) == (len(self.model.documents), len(self.model.messages))
        for tenant in TENANTS:
            found = self.run(self.store.audit(tenant, limit=10_000))
            assert [e.action for e in found] == [action for owner, action in self.model.audit if owner == tenant]
            assert all(self.model.audit[e.seq - 1] == (tenant, e.action) for e in found)


StoreMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
TestStoreModel = StoreMachine.TestCase
