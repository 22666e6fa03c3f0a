"""Whether a service is authorized already: the one rule, for orders at a hook as for lines of a request.

Only what is certain counts: the same member and plan, the same service and modifiers, nothing beyond the dates and units
that were granted and that no other order has used up, an authorization in force, and nobody but the parties it was given to.
Anything else is decided afresh. Source: CRD 2.2.1 ``satisfied``, PAS extension-authorizationNumber (X12 REF*BB), PAS
spec-52/53 for who may learn of it, docs/crd.md ("authorized already").
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from precert.authorization.deciding.counted import order_key, same_order
from precert.authorization.deciding.order_amount import certain
from precert.authorization.deciding.request import Ask
from precert.authorization.deciding.service import coded, kept
from precert.authorization.deciding.standing import Standing, service_day
from precert.authorization.record.case import Authorization, Case, Line, LineRequest, Party
from precert.authorization.record.lifecycle import lifecycle
from precert.policy.amounts import Amount, unit_of


@dataclass(frozen=True, slots=True)
class Use:
    """One order that an authorization was said to satisfy. ``order`` is its key (:func:`order_key`); without a
    ``quantity`` it took all."""

    order: str
    quantity: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """An authorization on record: the line that carries it and its case's number, and for whom it was given.

    ``order`` is the key of the order it was given for, as far as that is known. ``place`` names the line on record, whatever
    number its authorization has: what orders used up stays used when an update brings another number.
    """

    line: Line
    authorization: Authorization
    case: str
    member: str | None = None
    plan: str | None = None
    requester: str | None = None
    order: str | None = None
    place: str = ""

    @classmethod
    def of(cls, case: Case, line: Line) -> Held | None:
        """The authorization of a line that was given on it; ``None`` for a line without one of its own."""
        if line.authorization is None or line.rests_on is not None:
            return None
        opened = case.opened
        order = order_key(opened.submitter, opened.member, line.order)
        place = f"{case.id}.{line.sequence}"
        return cls(
            line, line.authorization, case.number, opened.member, opened.plan, opened.requester.npi, order, place
        )


@dataclass(slots=True)
class Used:
    """What is used up of the authorizations on record, by the line's place; it grows as the orders of one call are satisfied."""

    on_record: Mapping[str, Sequence[Use]] = field(default_factory=dict)
    new: dict[str, list[Use]] = field(default_factory=dict)

    def left(self, held: Held, order: str | None) -> Decimal | None:
        """The units that other orders leave for ``order``; ``None`` when the authorization limits none.

        The order that it was given for has a claim to it, whether or not it was ever signed at a hook.
        """
        granted = held.authorization
        uses = [*self.on_record.get(held.place, ()), *self.new.get(held.place, ())]
        if held.order is not None and not any(same_order(use.order, held.order) for use in uses):
            uses.append(Use(held.order, held.line.requested.quantity))
        others = [use for use in uses if not same_order(use.order, order)]
        if granted.quantity is None:
            # one authorization is for one order, unless it counts units that several can share
            return Decimal(0) if others else None
        if any(use.quantity is None for use in others):
            return Decimal(0)
        return granted.quantity - sum((use.quantity or Decimal(0) for use in others), Decimal(0))

    def take(self, held: Held, order: str | None, quantity: Decimal | None) -> None:
        """Note that ``order`` is satisfied by ``held``. An order takes its units once, however often it is asked about."""
        if order is None:
            return
        known = self.on_record.get(held.place, ())
        if any(use.order == order and use.quantity == quantity for use in known):
            return
        uses = self.new.setdefault(held.place, [])
        if all(use.order != order for use in uses):
            uses.append(Use(order, quantity))


def covers(held: Held, ask: Ask, who: Standing, today: date, left: Decimal | None) -> bool:
    """Whether ``held`` authorizes what ``ask`` asks for, with ``left`` units to give (``None``: as many as asked)."""
    line, granted = ask.line, held.authorization
    return (
        who.member is not None
        and held.member == who.member.id
        and held.plan == (who.plan.id if who.plan is not None else None)
        and (held.requester is None or not ask.requester_npis or held.requester in ask.requester_npis)
        and not who.uncertain(line, today)
        and not ask.ahead(today)
        and in_force(held.line, today)
        and same_service(held.line.requested, line)
        and _same_performer(held.line.requested.provider, ask)
        and _days_within(held.line, granted, line, today)
        and _units_within(granted, line, left)
    )


def in_force(line: Line, today: date) -> bool:
    """Whether the line's authorization is open and has not expired."""
    granted = line.authorization
    return granted is not None and line.state in lifecycle().in_force and (granted.end is None or granted.end >= today)


def same_service(earlier: LineRequest, wanted: LineRequest) -> bool:
    """The same code and modifiers and, where both say one, place and site of the body. A service that nobody identified is
    never the same."""
    one, other = kept(earlier), kept(wanted)
    return (
        one.known
        and other.known
        and one.codes[0] in other.codes
        and frozenset(one.modifiers) == frozenset(other.modifiers)
        and all(_agree(coded(earlier.item, each), coded(wanted.item, each)) for each in _PLACES)
    )


_PLACES = ("locationCodeableConcept", "bodySite", "subSite")


def _agree(one: frozenset[str], other: frozenset[str]) -> bool:
    return not one or not other or one == other


def _same_performer(given: Party | None, ask: Ask) -> bool:
    """Whether the one it was given for may be meant, and nobody else: an ask that names nobody leaves it to the
    authorization."""
    if given is None or not ask.performer_known:
        return True
    if any(given.npi is None or given.npi not in npis for npis in ask.more_performers):
        return False
    if given.npi is not None or ask.performer_npis:
        return given.npi in ask.performer_npis
    named = ask.line.provider
    return named is not None and given.name is not None and given.name == named.name


def _days_within(earlier: Line, granted: Authorization, wanted: LineRequest, today: date) -> bool:
    asked, days = earlier.requested, (wanted.service_start, wanted.service_end)
    whole = earlier.state not in lifecycle().adverse  # an approval in part may have cut the very days that were asked
    if whole and wanted.service_start is not None and days == (asked.service_start, asked.service_end):
        return True
    first = service_day(wanted, today)
    last = wanted.service_end or first
    return granted.start <= first and (granted.end is None or last <= granted.end)


def _units_within(granted: Authorization, wanted: LineRequest, left: Decimal | None) -> bool:
    """Units of another kind cannot be compared. Who names no amount asks for what was granted, all of it; an amount
    that cannot be read is never known to fit."""
    said = wanted.item.get("quantity")
    if said is not None and not certain(said):
        return False
    if left is None:
        return True
    if wanted.quantity is None:
        return granted.quantity is not None and left >= granted.quantity
    mine, theirs = unit_of(wanted.unit), unit_of(granted.unit)
    if mine is None or theirs is None:
        return wanted.unit == granted.unit and wanted.quantity <= left
    return Amount(wanted.quantity, mine).within(Amount(left, theirs)) is True
