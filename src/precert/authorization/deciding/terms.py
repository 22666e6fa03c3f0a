"""What a person grants, measured against what was asked and what the policy gives.

A grant is adverse when it is *less* than asked in any respect: fewer units, a later first day, an earlier last day. It is
an exception when it is *more* than asked or than the policy allows. Both are told by the numbers, never by the name of
the outcome. Source: 42 CFR 422.566(d), 438.210(b)(3) ("to authorize a service in an amount, duration or scope that is
less than requested"); docs/workbench.md ("Your decision").
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal

from precert.authorization.deciding.grantable import fitting_into, too_fine
from precert.authorization.record.case import LineRequest
from precert.fhir.dates import parse_date, parse_last_day
from precert.policy.amounts import Amount, unit_of
from precert.policy.periods import Period
from precert.policy.spans import span_end
from precert.policy.types import Grant

MOST_DAYS = 3 * 366
"""No authorization by a person lasts longer: whoever writes more has made a slip."""
MOST_TIMES = 12
"""Nor grants it more than this many times the greater of what was asked and what the policy allows."""
FREE_START_DAYS = 30
"""A request that names no day may be granted from any day this soon."""
UNASKED_DAYS = 366
"""What may be granted without an exception when neither the request nor the policy names a time."""


class Impossible(ValueError):
    """No such grant can be: ``field`` of the determination is at fault; ``rule`` is a stable short id."""

    def __init__(self, field: str, rule: str, message: str) -> None:
        super().__init__(message)
        self.field, self.rule = field, rule


@dataclass(frozen=True, slots=True)
class Terms:
    """An amount and a time. ``unit`` is the one that the request counts in, else the policy's."""

    start: date
    end: date | None
    quantity: Decimal | None
    unit: str | None


@dataclass(frozen=True, slots=True)
class Measure:
    """What was asked on one line and what the policy grants for it.

    ``grant`` is ``None`` when the policy sets no terms; ``known`` is false when nobody can say what the policy grants.
    ``start`` is the first day asked for, or, when none was, the day from which it is granted.
    """

    line: LineRequest
    grant: Grant | None
    known: bool
    start: date

    @property
    def unit(self) -> str | None:
        return self.line.unit or (self.grant.unit if self.grant else None)

    @property
    def policy_end(self) -> date | None:
        """The last day of the policy's period."""
        return self.grant.last_day(self.start) if self.grant else None

    @property
    def written_end(self) -> date | None:
        """The last day as the request writes it. One day alone (``servicedDate``) says when the service begins."""
        start, end = self.line.service_start, self.line.service_end
        return end if end is not None and end != start else None

    @property
    def asked_end(self) -> date | None:
        """The last day asked for: as written, or by an amount that is counted in time."""
        return self.written_end or span_end(self.start, self.line.quantity, self.line.unit)

    @property
    def allowed_end(self) -> date | None:
        """The last day that the policy allows: of its period, or of its maximum when that is counted in time."""
        most = span_end(self.start, self.grant.max_quantity, self.grant.unit) if self.grant else None
        return max((end for end in (self.policy_end, most) if end is not None), default=None)

    @property
    def needed_end(self) -> date | None:
        """The earliest last day that is not less than asked.

        Three months asked and twelve weeks granted by the policy for three months: the twelve weeks are what was asked.
        """
        asked, policy, allowed = self.asked_end, self.policy_end, self.allowed_end
        if self.written_end is not None or policy is None or asked is None:
            return asked or policy or self.line.service_end
        return min(asked, policy) if allowed is not None and asked <= allowed else asked

    @property
    def needed_quantity(self) -> Decimal | None:
        """The smallest amount that is not less than asked; what the policy gives when no amount was."""
        if self.line.quantity is not None:
            return self.line.quantity
        return self.grant.max_quantity if self.grant else None

    @property
    def usual(self) -> Terms:
        """What is granted when the person names nothing: all that was asked; for the policy's time at least, if the
        request writes no last day."""
        ends = [end for end in (self.needed_end, self.policy_end) if end is not None]
        return Terms(self.start, self.written_end or max(ends, default=None), self.needed_quantity, self.unit)

    def from_day(self, day: date) -> Measure:
        """The same, granted from ``day``."""
        return Measure(self.line, self.grant, self.known, day)

    def terms(self, units: Decimal | None, period: str | None, today: date) -> tuple[Measure, Terms]:
        """What the person grants, and the measure for it (from another day if none was asked for). Raises Impossible."""
        if not self.known and (units is None or period is None):
            raise Impossible(
                "authorized.period" if units is not None else "authorized",
                "grant-unknown",
                "Nobody can say what the policy grants here (no policy, or its version is gone): give authorized.units "
                "and authorized.period.",
            )
        measure, usual = self, self.usual
        if units is not None and (not units.is_finite() or units <= 0):
            raise Impossible("authorized.units", "impossible-units", f"{units} units grant nothing; to refuse, deny.")
        if units is not None and (why := too_fine(units, self._counts_in)):
            raise Impossible("authorized.units", "impossible-units", f"{units} cannot be granted: {why}.")
        quantity = units if units is not None else usual.quantity
        start, end = usual.start, usual.end
        if period is not None:
            start, end = _written(period, self.start)
            if self.line.service_start is None and today <= start <= today + timedelta(days=FREE_START_DAYS):
                measure = self.from_day(start)
        elif units is not None and usual.quantity is not None and units < usual.quantity:
            end = min((e for e in (end, span_end(start, units, self.unit)) if e is not None), default=None)
        elif units is not None and end is not None and fitting_into(start, end, units, self._counts_in) != units:
            end = max(end, span_end(start, units, self._counts_in) or end)  # more time is granted, until it is over
            if (end - start).days > MOST_DAYS:
                text = f"{units} {self.unit or 'units'} are longer than three years; name fewer in authorized.units."
                raise Impossible("authorized.units", "impossible-units", text)
        if quantity is None:
            raise Impossible(
                "authorized.units",
                "grant-unknown",
                "Neither the request nor the policy names an amount: say how many units are granted.",
            )
        if end is None:
            raise Impossible(
                "authorized.period",
                "grant-unknown",
                "Neither the request nor the policy says until when: say for which period it is granted.",
            )
        if quantity <= 0:
            text = f"{quantity} were asked for; say in authorized.units how many are granted."
            raise Impossible("authorized.units", "impossible-units", text)
        found = Terms(start, end, quantity, self.unit)
        measure._possible(found, today)
        named = units is not None or (period is not None and not self._as_asked(found))
        fitting = fitting_into(start, end, quantity, self._counts_in) if named else quantity
        if fitting is None or (units is not None and fitting < units):
            text = (
                f"{quantity} {self.unit or 'units'} do not fit into {start} to {end}: fewer units, or a longer period."
            )
            raise Impossible("authorized.units", "impossible-units", text)
        found = replace(found, quantity=fitting)  # an amount of time ends with the period that the person names
        return measure, found

    def _as_asked(self, terms: Terms) -> bool:
        """Whether these are all the days that the request writes."""
        last = self.written_end
        return last is not None and terms.end is not None and terms.start == self.start and terms.end >= last

    @property
    def _counts_in(self) -> str | None:
        """What an amount on this line counts: plain units are what the policy counts in."""
        kind = unit_of(self.unit)
        return unit_of(self.grant.unit) if kind == "units" and self.grant is not None else kind

    def _possible(self, terms: Terms, today: date) -> None:
        end, needed = terms.end, self.needed_end
        assert end is not None
        if (end - terms.start).days > MOST_DAYS:
            text = f"{terms.start} to {end} is longer than three years; name a shorter period in authorized.period."
            raise Impossible("authorized.period", "impossible-period", text)
        if end < self.start or (needed is not None and terms.start > max(needed, self.start)):
            text = f"{terms.start} to {end} is not the time of the service that was asked for (from {self.start})."
            raise Impossible("authorized.period", "impossible-period", text)
        if terms.start < self.start and terms.start < today:
            text = f"{terms.start} is past, and before the service that was asked for (from {self.start})."
            raise Impossible("authorized.period", "impossible-period", text)
        yardsticks = [q for q in (self.line.quantity, self.grant.max_quantity if self.grant else None) if q is not None]
        if (
            max(yardsticks, default=0) > 0
            and terms.quantity is not None
            and terms.quantity > MOST_TIMES * max(yardsticks)
        ):
            text = f"{terms.quantity} is more than {MOST_TIMES} times what was asked or the policy allows; check it."
            raise Impossible("authorized.units", "impossible-units", text)

    def less(self, terms: Terms) -> list[str]:
        """In which respects ``terms`` are less than asked; empty when in none."""
        found = []
        needed, end = self.needed_quantity, self.needed_end
        if needed is not None and (terms.quantity is None or terms.quantity < needed):
            found.append(f"{terms.quantity} of {needed} {self.unit or 'units'}")
        if terms.start > self.start:
            found.append(f"from {terms.start} instead of {self.start}")
        if end is not None and (terms.end is None or terms.end < end):
            found.append(f"to {terms.end} instead of {end}")
        return found

    def more(self, terms: Terms) -> list[str]:
        """In which respects ``terms`` are more than was asked, or than the policy allows, or may be."""
        return [*self._more_units(terms), *self._more_time(terms)]

    def _more_units(self, terms: Terms) -> list[str]:
        asked, most = self.line.quantity, self.grant.max_quantity if self.grant else None
        if terms.quantity is None:
            return []
        if asked is not None and terms.quantity > asked:
            return [f"{terms.quantity} {self.unit or 'units'}, and {asked} were asked for"]
        if asked is None and most is None:
            return [f"{terms.quantity} {self.unit or 'units'}, and neither the request nor the policy names an amount"]
        if most is None or self.grant is None:
            return []
        over = exceeds(terms.quantity, self.unit, most, self.grant.unit, self.start)
        if over is None:
            return [f"the request counts in {self.unit}, the policy in {self.grant.unit}: that cannot be compared"]
        return [f"{terms.quantity} {self.unit or 'units'}, and the policy allows {most} {self.grant.unit}"] * over

    def _more_time(self, terms: Terms) -> list[str]:
        found = []
        if terms.start < self.start:
            found.append(f"from {terms.start}, and it was asked for from {self.start}")
        policy, asked = self.allowed_end, self.asked_end
        limit = policy if policy is not None else asked or self.start + timedelta(days=UNASKED_DAYS)
        if terms.end is None or terms.end > limit:
            found.append(f"to {terms.end}, and the last day {'allowed' if policy else 'asked for'} is {limit}")
        return found


def exceeds(amount: Decimal, unit: str | None, most: Decimal, most_unit: str | None, start: date) -> bool | None:
    """Whether ``amount`` is more than ``most``, each in its own unit; ``None`` when the two cannot be compared.

    Times are compared by their last day from ``start``, so that 52 weeks are less than 12 months.
    """
    mine, theirs = unit_of(unit), unit_of(most_unit)
    if mine is None or theirs is None:
        return None
    end, limit = span_end(start, amount, unit), span_end(start, most, most_unit)
    if end is not None and limit is not None and mine != theirs:
        return end > limit
    within = Amount(amount, mine).within(Amount(most, theirs))
    return None if within is None else not within


def _written(period: str, start: date) -> tuple[date, date | None]:
    """``2026-12-01/2027-02-28`` or ``12 weeks`` (from ``start``). Raises Impossible on anything else."""
    first, slash, last = period.partition("/")
    if slash:
        begin, finish = parse_date(first.strip()), parse_last_day(last.strip())
        if begin is None or finish is None or finish < begin:
            text = f"{period!r} is not a period: give start/end dates in order, or a length such as '12 weeks'."
            raise Impossible("authorized.period", "impossible-period", text)
        return begin, finish
    try:
        length = Period.parse(period.strip().lower())
    except ValueError as error:
        raise Impossible("authorized.period", "impossible-period", f"{error}.") from error
    return start, Grant(period_days=length.days, period_months=length.months).last_day(start)
