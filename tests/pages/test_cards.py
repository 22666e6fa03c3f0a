"""What clinicians did with cards, as the page that the plan's staff reads."""

from __future__ import annotations

import httpx

from crd.building import sent_example
from pages.test_public import page


async def test_without_feedback(client: httpx.AsyncClient) -> None:
    assert "No client has sent feedback yet" in (await page(client, "/workbench/cards")).words


async def test_the_most_overridden_rule_stands_first(client: httpx.AsyncClient) -> None:
    cards = (await sent_example(client, "order-sign-alternative"))["cards"]
    alternative = next(card for card in cards if card.get("suggestions"))
    other = next(card for card in cards if card is not alternative)
    reason = {"reason": alternative["overrideReasons"][1], "userComment": "in 2024"}
    told = [
        {"card": alternative["uuid"], "outcome": "overridden", "overrideReason": reason},
        {"card": alternative["uuid"], "outcome": "overridden", "overrideReason": reason},
        {"card": other["uuid"], "outcome": "accepted"},
        {"card": "a card of another server <b>", "outcome": "accepted"},
    ]
    answer = await client.post("/cds-services/crd-order-sign/feedback", json={"feedback": told})
    assert answer.status_code == 200
    shown = await page(client, "/workbench/cards")
    assert "/policies/pap-osa-initial" in shown.links
    assert "2 of 2" in shown.words
    assert "already-tried (2)" in shown.words
    assert "in 2024" not in shown.words, "what somebody wrote may be about a patient"
    assert shown.words.index("therapy-alternatives-req") < shown.words.index("guideline")
    assert "/workbench/cards" in (await page(client, "/workbench")).links
