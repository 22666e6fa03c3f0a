"""The store's mongita collections and their indexes, by name."""

from __future__ import annotations

from dataclasses import dataclass, fields

from precert.store.mongo.client import Client, Collection

_INDEXES: dict[str, list[tuple[str, int]]] = {
    "rows": [("tokens", 1), ("order", 1)],
    "outbox": [("queue", 1), ("order", 1)],
    "audit": [("tenant", 1), ("_id", 1)],
}


@dataclass(frozen=True, slots=True)
class Collections:
    """Everything stored, as seen through one client.

    ``rows`` current versions' search tokens; ``versions`` bodies; ``outbox`` messages to deliver; ``dead`` messages given
    up; ``answers`` what a replayed request gets; ``names`` reserved for ever; ``audit`` the chain; ``heads`` where the
    audit chain and the outbox numbering stand.
    """

    rows: Collection
    versions: Collection
    outbox: Collection
    dead: Collection
    answers: Collection
    names: Collection
    audit: Collection
    heads: Collection

    @classmethod
    def of(cls, client: Client) -> Collections:
        """The collections of ``client``."""
        database = client["precert"]
        return cls(**{field.name: database[field.name] for field in fields(cls)})

    @property
    def client(self) -> Client:
        """The client these collections belong to."""
        client: Client = self.rows.database.client
        return client

    def create(self) -> None:
        """Define collections and indexes. Writes nothing if they are there; needs a writing client."""
        for field in fields(self):
            collection: Collection = getattr(self, field.name)
            if field.name in _INDEXES:
                collection.create_index(_INDEXES[field.name])
            else:
                collection._Collection__create()
