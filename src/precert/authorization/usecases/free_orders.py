"""The orders of a member of which a hook said that they need no authorization, where a limit counts their service.

No case is made of them, and yet they use the limit up: what the next hook or request says must not promise the same visits
again. They are kept in one small document of the member (``FreeOrders``), which moves on with each order that is new; of two
calls at once only one can store its own, and the other is answered again. Source: docs/crd.md ("visit limits").
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta

from precert.authorization.deciding.counted import CountedLines, of_ask, same_order
from precert.authorization.deciding.request import Ask
from precert.fhir import json
from precert.fhir.coding import Code
from precert.fhir.types import Element, elements
from precert.policy.types import Counted
from precert.store.port import Put, Store

_TYPE = "FreeOrders"
_KEPT = timedelta(days=3 * 366)
"""For so long an order is remembered; no limit looks further back."""
_MOST = 400
"""With more of them nothing is said to be within a limit."""


@dataclass(slots=True)
class FreeOrders:
    """The orders on record by their key (:func:`precert.authorization.deciding.counted.order_key`), as of ``version`` of the
    document ``key``, and what this call says: ``new`` holds ``None`` for an order that is not free any more."""

    key: str
    version: int = 0
    kept: Mapping[str, Counted] = field(default_factory=dict)
    new: dict[str, Counted | None] = field(default_factory=dict)

    def beside(self, order: str | None, lines: CountedLines) -> CountedLines:
        """``lines`` with the other orders that were told free. One that is on record as a line by now counts there."""
        known = [line.order for line in lines.lines if line.order is not None]
        others = tuple(
            free
            for key, free in self.kept.items()
            if not same_order(key, order) and not any(same_order(key, each) for each in known)
        )
        return lines.and_(CountedLines(others, complete=len(self.kept) <= _MOST))

    def shared_with(self, order: str | None) -> str | None:
        """What a provider is told of the other orders that count in a limit; ``None`` when there are none."""
        others = sum(not same_order(key, order) for key in self.kept)
        return f"The limit is shared with {others} other order(s) said to need no authorization." if others else None

    def told(self, order: str, ask: Ask, today: date, *, free: bool) -> None:
        """Note what is said about ``order`` today."""
        before = self.kept.get(order)
        if not free:
            if before is not None:
                self.new[order] = None
            return
        name = f"an order that was said to need no authorization on {today.isoformat()}"
        now = of_ask(ask, today, name, order=order)
        # the same said again is the same: it counts from the day on which it was said first
        if before is None or _body(before) != _body(now) | {
            "since": before.since.isoformat(),
            "reference": before.reference,
        }:
            self.new[order] = now

    def moved_on(self, today: date) -> list[Put]:
        """What to store for what is new."""
        if not self.new:
            return []
        all_ = {**self.kept, **self.new}
        still = [free for free in all_.values() if free is not None and today - free.since <= _KEPT]
        return [Put(_TYPE, self.key, json.dumps([_body(free) for free in still]), expect=self.version)]


async def free_orders(store: Store, tenant: str, member: str) -> FreeOrders:
    """What is on record for the member with this number. Raises the store's errors."""
    key = hashlib.sha256(f"free|{member}".encode()).hexdigest()  # a member number may hold what no document id may
    found = await store.get(tenant, _TYPE, key)
    if found is None:
        return FreeOrders(key)
    kept = [_counted(body) for body in elements(json.loads(found.body))]
    return FreeOrders(key, found.version, {free.order: free for free in kept if free.order is not None})


def _body(free: Counted) -> Element:
    return {
        "order": free.order,
        "reference": free.reference,
        "codes": [{"system": code.system, "code": code.code} for code in free.codes],
        "modifiers": list(free.modifiers),
        "since": free.since.isoformat(),
        "start": free.start.isoformat(),
        "end": free.end.isoformat() if free.end is not None else None,
        "quantity": free.quantity,
    }


def _counted(body: Element) -> Counted:
    end = body["end"]
    return Counted(
        reference=body["reference"],
        codes=tuple(Code(code["system"], code["code"]) for code in body["codes"]),
        modifiers=tuple(body["modifiers"]),
        since=date.fromisoformat(body["since"]),
        start=date.fromisoformat(body["start"]),
        end=date.fromisoformat(end) if end is not None else None,
        quantity=body["quantity"],
        order=body["order"],
    )
