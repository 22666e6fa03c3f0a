"""Days of service that cannot be meant: a person looks at the line, and nothing is approved or free on them."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from authorization.test_kind_of_request import DAY, YES, catalogue, directory
from precert.authorization.deciding.decide import SERVICE_DATE, Decided, Rules, decide
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.deciding.standing import standing
from precert.authorization.record.case import LineRequest
from precert.fhir.coding import HCPCS
from precert.policy.types import Outcome

BORN = date(2026, 11, 10)
FREE = {"productOrService": {"coding": [{"system": HCPCS, "code": "A4648"}]}}


def decided(start: date | None, end: date | None, born: date | None) -> Decided:
    """About a service that no policy names, for somebody whom the directory does not know."""
    patient = {"resourceType": "Patient", **({"birthDate": born.isoformat()} if born else {})}
    who = standing(directory(), None, None, {"status": "active"}, (), patient=patient)
    line = LineRequest(sequence=1, code="", item=FREE, service_start=start, service_end=end)
    return decide(Ask(line), Subject(patient, {}), who, Rules(directory(), catalogue()), DAY)


@pytest.mark.parametrize(
    ("start", "end", "born", "odd"),
    [
        (None, None, None, False),
        (DAY, DAY, None, False),
        (DAY, DAY - timedelta(days=1), None, True),
        (None, DAY - timedelta(days=1), None, True),
        # not before the patient was born, but on that very day
        (BORN, None, BORN, False),
        (BORN - timedelta(days=1), None, BORN, True),
        (BORN - timedelta(days=1), BORN, BORN, True),
        (None, None, DAY + timedelta(days=1), True),
        # five years back, one ahead
        (DAY - timedelta(days=5 * 366), None, None, False),
        (DAY - timedelta(days=5 * 366 + 1), None, None, True),
        (DAY + timedelta(days=366), None, None, False),
        (DAY + timedelta(days=367), None, None, True),
        (date(1, 1, 1), None, None, True),
        (date.max, None, None, True),
    ],
)
def test_days_that_cannot_be_meant(start: date | None, end: date | None, born: date | None, odd: bool) -> None:
    decision = decided(start, end, born).decision
    assert decision is not None
    if odd:
        assert (decision.outcome, decision.reason_code) == (Outcome.REFER_NURSE, SERVICE_DATE)
    else:
        assert decision.outcome in YES
