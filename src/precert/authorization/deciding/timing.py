"""How often and for how long a FHIR Timing asks for something, at most, and whether that is within an amount.

What a Timing says and nobody here can count is never within. Source: FHIR R4 Timing
(https://hl7.org/fhir/R4/datatypes.html#Timing), value set timing-abbreviation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from decimal import Decimal

from precert.fhir.coding import codes
from precert.fhir.dates import parse_date, parse_last_day
from precert.fhir.types import Element, as_list, elements
from precert.policy.amounts import Amount, read, unit_of
from precert.policy.evidence import number

_UNIT_DAYS = {"s": 1 / 86400, "min": 1 / 1440, "h": 1 / 24, "d": 1.0, "wk": 7.0, "mo": 30.4369, "a": 365.25}
_LONG_DAYS = {"days": 1.0, "weeks": 7.0, "months": 31.0, "quarters": 92.0, "years": 366.0}
"""How many days a length may have at most."""
_COUNTED = frozenset({"units", "visits"})
_WEEKDAYS = frozenset({"mon", "tue", "wed", "thu", "fri", "sat", "sun"})
_BOUNDS = frozenset({"boundsDuration", "boundsRange", "boundsPeriod"})
_KNOWN = _BOUNDS | {
    *(
        "count",
        "countMax",
        "duration",
        "durationMax",
        "durationUnit",
        "frequency",
        "frequencyMax",
        "period",
        "periodMax",
    ),
    *("periodUnit", "dayOfWeek", "timeOfDay", "when", "offset"),
}
_RATED = frozenset({"period", "periodUnit", "dayOfWeek", "timeOfDay", "when"})
"""What says how often in some time."""
_SILENT = frozenset({"id", "extension"})
_ABBREVIATIONS: dict[str, tuple[int, int, str]] = {
    **{"QD": (1, 1, "d"), "BID": (2, 1, "d"), "TID": (3, 1, "d"), "QID": (4, 1, "d"), "QOD": (1, 2, "d")},
    **{"AM": (1, 1, "d"), "PM": (1, 1, "d"), "BED": (1, 1, "d"), "WK": (1, 1, "wk"), "MO": (1, 1, "mo")},
    **{f"Q{hours}H": (1, hours, "h") for hours in (1, 2, 3, 4, 6, 8)},
}
"""frequency, period and periodUnit of each Timing.code of R4's value set."""
_ABBREVIATION_SYSTEM = "http://terminology.hl7.org/CodeSystem/v3-GTSAbbreviation"


def repeats(timing: object) -> bool:
    """Whether a Timing says how often or for how long, and not just between which days."""
    if not isinstance(timing, dict):
        return timing is not None
    repeat = timing.get("repeat", {})
    if not isinstance(repeat, dict):
        return True
    return bool(timing.get("code")) or len(as_list(timing.get("event"))) > 1 or bool(repeat.keys() - {"boundsPeriod"})


def fits(timing: object, amount: Decimal, unit: str | None) -> bool:
    """Whether all that a Timing says of how often and how long is counted here and is no more than ``amount`` of ``unit``.

    >>> fits({"repeat": {"dayOfWeek": ["mon", "wed"], "boundsDuration": {"value": 4, "unit": "wk"}}}, Decimal(8), "visits")
    True
    >>> fits({"code": {"text": "three times a week"}}, Decimal(8), "visits")
    False
    """
    if not isinstance(timing, dict):
        return False
    repeat, kind = timing.get("repeat", {}), unit_of(unit)
    events = len(as_list(timing.get("event")))
    if not isinstance(repeat, dict) or timing.keys() - _SILENT - {"repeat", "code", "event"}:
        return False
    if repeat.keys() - _KNOWN - _SILENT or len(repeat.keys() & _BOUNDS) > 1 or (events and repeats({"repeat": repeat})):
        return False
    rates = [*_coded(timing.get("code"), repeat)]
    if None in rates or events > amount:
        return False
    counts = [_number(repeat[key]) for key in ("count", "countMax") if key in repeat]
    if not all(0 < count <= amount for count in counts):
        return False
    if kind in _LONG_DAYS:  # so many days of it, however often a day: what must fit is how long
        return _length_within(repeat, Amount(amount, kind))
    known = [repeat, *(rate for rate in rates if rate is not None)]
    times = max(counts) if counts else max(map(_times, known))
    endless = not counts and _days(repeat) is None and any(each.keys() & _RATED for each in known)
    if endless and times >= amount:  # so many in each of its periods, and nobody says how many periods
        return False
    if kind == "hours" and ("duration" in repeat or "durationMax" in repeat):
        return times * _duration(repeat) * 24 <= float(amount)
    if kind not in _COUNTED and kind != "hours":  # milligrams: nobody says how much each time
        return times <= 1 and "duration" not in repeat and "durationMax" not in repeat
    # a visit may take its time; how many units an hour of it is, nobody says
    lasting = bool({"duration", "durationMax", "durationUnit"} & repeat.keys())
    return times <= amount and (not lasting or (kind == "visits" and _duration(repeat) < 1))


def _coded(code: object, repeat: Element) -> Iterator[Element | None]:
    """What Timing.code says, as a repeat with the same bounds; ``None`` for words and codes that are not understood."""
    if code is None:
        return
    if not isinstance(code, dict):
        yield None
        return
    named = [each.code for each in codes(code) if each.system == _ABBREVIATION_SYSTEM]
    if not named or len(named) != len(as_list(code.get("coding"))) or len({*named}) > 1:
        yield None
        return
    rate = _ABBREVIATIONS.get(named[0])
    if rate is None or code.get("text", named[0]) != named[0] or code.keys() - _SILENT - {"coding", "text"}:
        yield None
        return
    frequency, period, period_unit = rate
    bounds: Element = {key: repeat[key] for key in _BOUNDS & repeat.keys()}
    yield {**bounds, "frequency": frequency, "period": period, "periodUnit": period_unit}


def _times(repeat: Element) -> float:
    """How often at most; within one period (a day, a week of its days) when nothing bounds it; infinite when it cannot be
    worked out. Where frequency, days of the week and times of the day say different things, the most of them counts."""
    often = max((_number(repeat[key]) for key in ("frequency", "frequencyMax") if key in repeat), default=1.0)
    weekdays, a_day = _weekdays(repeat), _times_of_day(repeat)
    if {"frequency", "frequencyMax"} & repeat.keys() and often < 1:
        return math.inf
    by_day = bool({"timeOfDay", "when", "dayOfWeek"} & repeat.keys())
    days = _days(repeat)
    if "period" not in repeat and "periodUnit" not in repeat:
        if "periodMax" in repeat:
            return math.inf
        return often * a_day * _days_of_use(days, weekdays) if by_day else often
    period = _number(repeat.get("period")) * _UNIT_DAYS.get(str(repeat.get("periodUnit")), math.inf)
    if "periodMax" in repeat and not _number(repeat["periodMax"]) >= _number(repeat.get("period")):
        return math.inf
    if not 0 < period < math.inf:
        return often if days is None and not by_day and "period" not in repeat else math.inf
    if period <= 1:
        each = max(often * math.ceil(1 / period - 0.01), a_day)
        if days is not None or weekdays < 7:
            return each * _days_of_use(days, weekdays)
        return max(often, a_day)
    if weekdays < 7 and period < 7:
        return math.inf
    each = max(often, a_day * weekdays if "dayOfWeek" in repeat else a_day)
    return each if days is None else each * math.ceil(days / period - 0.01)


def _number(value: object) -> float:
    found = number(value)
    return math.inf if found is None else float(found)


def _weekdays(repeat: Element) -> float:
    """On how many days of a week."""
    if "dayOfWeek" not in repeat:
        return 7
    named = as_list(repeat["dayOfWeek"])
    known = named and all(isinstance(day, str) and day in _WEEKDAYS for day in named)
    return len(set(map(str, named))) if known else math.inf


def _times_of_day(repeat: Element) -> float:
    """How often on a day, by the times or events of the day that are named."""
    listed = [as_list(repeat[key]) for key in ("timeOfDay", "when") if key in repeat]
    if any(not each or not all(isinstance(one, str) for one in each) for each in listed):
        return math.inf
    return math.prod(len(each) for each in listed)


def _days_of_use(days: float | None, weekdays: float) -> float:
    """How many of so many days in a row are such days of the week at most; within a week when nothing says how many."""
    if days is None:
        return weekdays if weekdays < 7 else 1
    if math.inf in (days, weekdays):
        return math.inf
    weeks, rest = divmod(math.ceil(days - 0.01), 7)
    return weeks * weekdays + min(weekdays, rest)


def _days(repeat: Element) -> float | None:
    """For how many days it goes on; ``None`` when nothing says; infinite when what says it cannot be read."""
    if "boundsPeriod" in repeat:
        period = repeat["boundsPeriod"]
        if not isinstance(period, dict):
            return math.inf
        start, end = parse_date(period.get("start")), parse_last_day(period.get("end"))
        if start and end:
            return (end - start).days + 1 if start <= end else math.inf
        return None if period.get("end") is None else math.inf
    longest = _longest(repeat)
    if longest is None:
        return None
    length = read(longest)
    return float(length.value) * _UNIT_DAYS.get(_PERIOD_UNITS.get(length.unit, ""), math.inf) if length else math.inf


_PERIOD_UNITS = {"hours": "h", "days": "d", "weeks": "wk", "months": "mo", "years": "a"}


def _longest(repeat: Element) -> object | None:
    """The length that the bounds name, or the longest of them."""
    if "boundsDuration" in repeat:
        return repeat["boundsDuration"] or {}
    if "boundsRange" in repeat:
        return next(iter(elements(repeat["boundsRange"])), {}).get("high") or {}
    return None


def _length_within(repeat: Element, most: Amount) -> bool:
    """Whether the bounds and the duration of each time are within an amount that is counted in days or longer."""
    longest = _longest(repeat)
    if longest is not None and ((length := read(longest)) is None or length.within(most) is not True):
        return False
    if "boundsPeriod" in repeat:
        days = _days(repeat)
        if days is not None and days > float(most.value) * _LONG_DAYS[most.unit] + 1:
            return False
    if not {"duration", "durationMax", "durationUnit"} & repeat.keys():
        return True
    each = _duration(repeat)
    # hours of each day are a use of it; days of each time are themselves the amount
    return each < 1 or (each <= float(most.value) * _LONG_DAYS[most.unit] and _times(repeat) <= 1)


def _duration(repeat: Element) -> float:
    """How many days each time takes at most; infinite when it cannot be read."""
    longest = max((_number(repeat[key]) for key in ("duration", "durationMax") if key in repeat), default=math.inf)
    days = longest * _UNIT_DAYS.get(str(repeat.get("durationUnit")), math.inf)
    return days if days > 0 else math.inf
