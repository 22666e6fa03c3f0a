"""By when an urgent request has to be decided, and by when a question has to be answered so that it still can be.

Source: 72 hours from receipt for an expedited request, 42 CFR 422.572(a) and 438.210(d)(2)
(https://www.ecfr.gov/current/title-42/section-422.572).
"""

from __future__ import annotations

from datetime import datetime, timedelta

from precert.authorization.record.case import CaseOpened

EXPEDITED = timedelta(hours=72)
INFO_DAYS = 5
"""Calendar days given to answer an information request."""


def decide_by(opened: CaseOpened) -> datetime | None:
    """The end of the time to decide the request, if it is urgent; ``None`` for a standard one."""
    return opened.received + EXPEDITED if opened.track == "expedited" else None


def answer_by(asked: datetime, decide_by: datetime | None) -> datetime:
    """By when a question of ``asked`` is to be answered: :data:`INFO_DAYS` later, and not after the decision is due. When
    that is over already, at once."""
    usual = asked + timedelta(days=INFO_DAYS)
    return usual if decide_by is None else max(asked, min(usual, decide_by))
