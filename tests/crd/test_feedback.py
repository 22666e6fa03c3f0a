"""Feedback: stored, linked to its card, counted by rule."""

from __future__ import annotations

import pytest

from crd.building import hook, order
from precert.fhir.outcome import FhirError, Issue
from precert.store.port import Param

URL = "/cds-services/crd-order-sign/feedback"
AT = "2026-11-20T15:05:00Z"


def overridden(card: str, code: str = "already-tried") -> dict:
    reason = {"reason": {"system": "urn:precert:override-reason", "code": code}, "userComment": "tried in March"}
    return {"card": card, "outcome": "overridden", "overrideReason": reason, "outcomeTimestamp": AT}


async def test_feedback_is_linked_to_its_card_and_counted(world):
    answer = await world.ask(hook(order("E0470", "MA-0002"), member="MA-0002", version="2.2"))
    alternative, guideline = answer["cards"]
    chosen = {"id": alternative["suggestions"][0]["uuid"]}
    given = [
        overridden(alternative["uuid"]),
        overridden(alternative["uuid"]),
        {"card": guideline["uuid"], "outcome": "accepted", "acceptedSuggestions": [chosen], "outcomeTimestamp": AT},
    ]
    assert (await world.client.post(URL, json={"feedback": given})).status_code == 200
    kept, _ = await world.stored("CrdFeedback", Param("card", [alternative["uuid"]]))
    assert (kept["topic"], kept["policies"]) == ("therapy-alternatives-req", ["pap-osa-initial"])
    assert kept["overrideReason"]["userComment"] == "tried in March"
    rules = (await world.client.get("/api/crd/feedback")).json()["rules"]
    assert rules[0] == {
        "policy": "pap-osa-initial",
        "topic": "therapy-alternatives-req",
        "accepted": 0,
        "overridden": 2,
        "reasons": {"already-tried": 2},
    }


async def test_the_report_is_the_staffs_and_not_the_clients(make):
    """An EHR's JWT opens the hooks, not the payer's own figures; those who work here need no JWT for them."""

    async def nobody(request, url):
        raise FhirError(401, Issue("error", "login", "No JWT."))

    def stranger(request):
        raise FhirError(403, Issue("error", "forbidden", "For staff."))

    assert (await make(authenticate=nobody).client.get("/api/crd/feedback")).status_code == 200
    assert (await make(operator=stranger).client.get("/api/crd/feedback")).status_code == 403


async def test_feedback_on_unknown_cards_is_kept(world):
    for _ in range(2):  # clients may repeat
        response = await world.client.post(URL, json={"feedback": [overridden("f6b95768-b1c8-40dc-8385-bf3504b82ffb")]})
        assert response.status_code == 200
    assert len(await world.stored("CrdFeedback")) == 2


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"feedback": {}},
        {"feedback": []},
        {"feedback": [1]},
        {"feedback": [{"outcome": "accepted"}]},
        {"feedback": [{"card": "x"}]},
        {"feedback": [{"card": "x", "outcome": "ignored"}]},
        {"feedback": [{"card": "x", "outcome": {}}]},
        {"feedback": [{"card": "x" * 300, "outcome": "accepted"}]},
        {"feedback": [{"card": "x", "outcome": "accepted"}] * 201},
    ],
    ids=range(11),
)
async def test_feedback_that_is_none(world, body):
    response = await world.client.post(URL, json=body)
    assert response.status_code == 400
    assert response.json()["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    "odd",
    [
        {"overrideReason": "no"},
        {"acceptedSuggestions": "x"},
        {"outcomeTimestamp": 5},
        {"overrideReason": {"reason": 1}},
    ],
)
async def test_odd_details_are_no_reason_to_refuse(world, odd):
    entry = {"card": "c", "outcome": "accepted"} | odd
    assert (await world.client.post(URL, json={"feedback": [entry]})).status_code == 200
    assert (await world.client.get("/api/crd/feedback")).status_code == 200
