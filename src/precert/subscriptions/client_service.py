"""The use cases of a client with its subscriptions: create, read, search, change, delete, ask for status and events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec
import structlog

from precert.fhir import json
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource
from precert.fhir.versions import VersionName
from precert.runtime import Runtime
from precert.security.identity import Client
from precert.security.outbound import Resolver, TargetRefused, TargetUnresolved, check_target
from precert.store.port import Audit, Param
from precert.subscriptions.channel import refused, refused_endpoint
from precert.subscriptions.policy import DeliveryPolicy
from precert.subscriptions.progress import Changed, end_message, next_beat, started, stopped
from precert.subscriptions.record import Content, Numbered, Record
from precert.subscriptions.records import Change, Records
from precert.subscriptions.request import Wanted, read_subscription
from precert.subscriptions.urls import FILTER_CRITERIA

log = structlog.get_logger("precert.subscriptions")

MOST_EVENTS = 100
"""How many events one ``$events`` answers; the client asks again from the next number."""

Organizations = Callable[[Client], frozenset[str] | None]
"""The sender identifiers that a client may filter on (PAS spec-59); ``None`` = nobody bound any to it."""
Validate = Callable[[Resource, VersionName], Sequence[Issue]]
"""Check against the profile; issues of severity error or fatal refuse the subscription."""


@dataclass(frozen=True, slots=True)
class ClientService:
    """One base's subscriptions. A client sees its own only; those of others do not exist for it (404)."""

    records: Records
    runtime: Runtime
    version: VersionName
    policy: DeliveryPolicy
    resolve: Resolver
    wake: Callable[[], None]
    allow_private: bool
    organizations: Organizations | None
    validate: Validate | None

    async def create(self, client: Client, resource: Resource, base: str) -> Record:
        """Take a subscription; the handshake follows. Raises FhirError (400, 403, 422) and the store's errors."""
        wanted = await self._read(client, resource)
        if wanted.status != "requested":
            why = "A new subscription has the status requested. Set it; the server makes it active after the handshake."
            raise FhirError(422, refused("status", "Subscription.status", why, code="value"))
        existing, _ = await self.records.search([Param("owner", [client.id])], self.policy.per_client)
        if len(existing) >= self.policy.per_client:
            why = f"You have {len(existing)} subscriptions, the most one client may. Delete those you no longer need."
            raise FhirError(422, refused("subscription-count", "Subscription", why, code="too-costly"))
        now = self.runtime.now()
        record = Record(
            id=self.runtime.new_id(),
            owner=client.id,
            version=self.version,
            base=base,
            resource=msgspec.Raw(json.dumps(resource)),
            status="requested",
            revision=1,
            updated=now,
            channel=wanted.channel,
            filters=wanted.filters,
        )
        record = self._with_end(record, wanted)
        changed = started(record, self.policy, self.runtime.new_id, now)
        await self.records.add(changed, self._audit("subscription-create", client, record))
        self.wake()
        return changed.record

    async def read(self, client: Client, id: str) -> Record:
        """A subscription of the client. Raises FhirError 404, or 410 if it was deleted."""
        record = await self.records.read(id)
        return self._own(client, id, record)

    def _own(self, client: Client, id: str, record: Record | None) -> Record:
        if record is None or record.owner != client.id or record.version != self.version:
            raise _not_found(id)
        if record.deleted:
            why = f"Subscription/{id[:64]} was deleted."
            raise FhirError(410, Issue("error", "deleted", why, rule="deleted"))
        return record

    async def update(
        self, client: Client, id: str, resource: Resource, base: str, expected: Callable[[Record], None]
    ) -> Record:
        """Replace a subscription. ``expected`` raises if the version is not the one that the client wants to replace.

        Status ``off`` stops it, ``requested`` starts it (again) with a handshake, as does another endpoint; any other
        value leaves the status as the server has it.
        """
        self._own(client, id, await self.records.read(id))
        sent = resource.get("id")
        if sent != id:
            why = f"The resource has {'no id' if sent is None else 'another id'}, the URL says {id}. Send both alike."
            raise FhirError(400, Issue("error", "invalid", why, "Subscription.id", "id-mismatch"))
        wanted = await self._read(client, resource)

        def decide(current: Record) -> Change:
            self._own(client, id, current)
            expected(current)
            changed = self._changed(current, wanted, msgspec.Raw(json.dumps(resource)), base)
            return Change(changed, audit=(self._audit("subscription-update", client, changed.record),))

        stored = await self.records.change(id, decide)
        if stored is None:
            raise _not_found(id)
        self.wake()
        return stored

    def _changed(self, current: Record, wanted: Wanted, resource: msgspec.Raw, base: str) -> Changed:
        now = self.runtime.now()
        record = msgspec.structs.replace(
            current,
            base=base,
            resource=resource,
            channel=wanted.channel,
            filters=wanted.filters,
            revision=current.revision + 1,
            updated=now,
        )
        record = self._with_end(record, wanted)
        if wanted.status == "off":
            return Changed(stopped(record, now))
        if wanted.status == "requested" or record.channel.endpoint != current.channel.endpoint:
            return started(record, self.policy, self.runtime.new_id, now)
        outgoing = end_message(record) if record.end != current.end else ()
        heartbeat = record.channel.heartbeat
        if heartbeat is None or heartbeat == current.channel.heartbeat or not (record.live and record.progress.sent):
            return Changed(record, outgoing)
        return next_beat(record, outgoing, self.runtime, now)

    async def delete(self, client: Client, id: str, expected: Callable[[Record], None]) -> None:
        """Delete a subscription: nothing is sent any more, its events are no longer shown. Again is fine."""

        def decide(current: Record) -> Change | None:
            if current.owner != client.id or current.version != self.version:
                raise _not_found(id)
            if current.deleted:
                return None
            expected(current)
            record = stopped(current, self.runtime.now())
            record = msgspec.structs.replace(record, deleted=True, resource=msgspec.Raw(b"{}"), filters=())
            return Change(Changed(record), audit=(self._audit("subscription-delete", client, record),))

        if await self.records.change(id, decide) is None and await self.records.read(id) is None:
            raise _not_found(id)

    async def search(
        self, client: Client, params: Sequence[Param], limit: int, page: str | None
    ) -> tuple[list[Record], str | None]:
        """A page of the client's subscriptions on this base. Raises BadPage."""
        return await self.records.search([*self._scope(client), *params], limit, page)

    async def all(self, client: Client, params: Sequence[Param]) -> list[Record]:
        """All of the client's subscriptions on this base that satisfy ``params``."""
        return [record async for record in self.records.all([*self._scope(client), *params])]

    async def events(
        self, record: Record, since: int, until: int, content: Content
    ) -> tuple[list[Numbered], dict[str, bytes]]:
        """Events ``since`` to ``until``, both included, at most MOST_EVENTS, and the Bundles they are about."""
        first, last = max(since, 1), min(until, record.progress.last)
        numbers = range(first, min(last, first + MOST_EVENTS - 1) + 1)
        found = [event for number in numbers if (event := await self.records.event(record.id, number)) is not None]
        if content != "full-resource":
            return found, {}
        ids = [id for numbered in found if (id := numbered.event.bundles.get(record.version))]
        return found, await self.records.bundles(ids)

    def _scope(self, client: Client) -> list[Param]:
        return [Param("owner", [client.id]), Param("version", [self.version])]

    async def _read(self, client: Client, resource: Resource) -> Wanted:
        wanted = read_subscription(
            resource,
            self.version,
            allow_private=self.allow_private,
            shortest_heartbeat=self.policy.shortest_heartbeat,
        )
        if self.validate is not None:
            faults = [i for i in self.validate(resource, self.version) if i.severity in ("fatal", "error")]
            if faults:
                raise FhirError(422, faults)
        self._check_organizations(client, wanted)
        await self._check_endpoint(wanted)
        return wanted

    def _check_organizations(self, client: Client, wanted: Wanted) -> None:
        own = self.organizations(client) if self.organizations is not None else None
        foreign = [] if own is None else [value for anyof in wanted.filters for value in anyof if value not in own]
        if foreign:
            why = f"You may only filter on your own sender identifiers, and {foreign[0]} is not registered as yours."
            path = f"Subscription.criteria.extension('{FILTER_CRITERIA}')"
            raise FhirError(403, refused("filter-owner", path, why, code="forbidden"))

    async def _check_endpoint(self, wanted: Wanted) -> None:
        if self.allow_private:
            return
        try:
            async with asyncio.timeout(self.policy.lookup):
                await check_target(wanted.channel.endpoint, self.allow_private, self.resolve)
        except TargetRefused as error:
            raise FhirError(422, refused_endpoint(error)) from error
        except TargetUnresolved as error:
            if not error.passing:
                raise FhirError(422, refused_endpoint(error)) from error
            log.warning("endpoint not resolved yet", why="the name service failed")
        except TimeoutError:
            # A bad moment of our name service is no reason to send the client away: the handshake checks again.
            log.warning("endpoint not resolved yet", why="the name service is slow")

    def _with_end(self, record: Record, wanted: Wanted) -> Record:
        end = wanted.end
        if end is not None and end <= self.runtime.now():
            # Test kits and examples carry an end of years ago; a subscription that is over on arrival helps nobody.
            log.info("end is in the past and ignored", subscription=record.id)
            end = None
        return msgspec.structs.replace(record, end=end)

    def _audit(self, action: str, client: Client, record: Record) -> Audit:
        return Audit(action, client.id, f"Subscription/{record.id}", self.runtime.now(), {"status": record.status})


def _not_found(id: str) -> FhirError:
    return FhirError(
        404, Issue("error", "not-found", f"There is no Subscription/{id[:64]} of yours.", rule="not-found")
    )
