"""Whether an identifier is in force: the one reader of ``Identifier.use`` and ``Identifier.period``.

Source: FHIR R4 Identifier (https://hl7.org/fhir/R4/datatypes.html#Identifier): ``use`` ``old`` is "no longer considered valid",
``period`` is "when id is/was valid for use"; its end is inclusive as far as it is written.
"""

from __future__ import annotations

from datetime import date

from precert.fhir.moments import Moment
from precert.fhir.types import Element


def in_force(identifier: Element, day: date | None) -> bool:
    """Whether the identifier is valid on ``day``; without a day only ``use`` counts. What cannot be read shows nothing."""
    if identifier.get("use") == "old":
        return False
    period = identifier.get("period")
    if period is None or day is None:
        return True
    if not isinstance(period, dict):
        return False
    start, end = (Moment.parse(period.get(key)) for key in ("start", "end"))
    if (start is None and "start" in period) or (end is None and "end" in period):
        return False
    return not (start is not None and start.first > day) and not (end is not None and end.last < day)
