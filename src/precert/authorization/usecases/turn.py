"""Whose turn it is among all who would grant something to one member: machines at a hook or a request, and persons.

Each authorization moves a small document of the member on (``AuthorizationTurn``). Who reads it before looking at the record
and stores it with the grant is told when somebody else granted meanwhile, and looks again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass

from precert.authorization.record.case import Case
from precert.store.port import Put, Store

_TURN = "AuthorizationTurn"


@dataclass(frozen=True, slots=True)
class Turn:
    """The document of one member, and the stored version it was read at (0: nothing was granted yet)."""

    key: str
    version: int

    def granting(self, case: Case, numbers: Iterable[str]) -> list[Put]:
        """What to store with ``case`` if one of ``numbers``, which were issued on it, is an authorization: of two who grant at
        once, only one can store; the other looks again and finds it."""
        issued = frozenset(numbers)
        new = any(line.authorization is not None and line.authorization.number in issued for line in case.ordered)
        return [Put(_TURN, self.key, case.id.encode(), expect=self.version)] if new else []


async def turn_of(store: Store, tenant: str, member: str) -> Turn:
    """The turn of the member with this number, as it stands now. Raises the store's errors."""
    key = hashlib.sha256(member.encode()).hexdigest()  # a member number may hold what no document id may
    found = await store.get(tenant, _TURN, key)
    return Turn(key, found.version if found is not None else 0)
