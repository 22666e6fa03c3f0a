"""Sending goes to the address that was checked and to no other; filters say to whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from precert.subscriptions.filters import matches, parse_filter
from precert.subscriptions.record import Channel
from precert.subscriptions.sender import Sender
from subscriptions.world import NPI, Receiver, subscription, world


def answering(*addresses: str):  # type: ignore[no-untyped-def]
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


def channel(endpoint: str) -> Channel:
    return Channel(endpoint=endpoint, payload="application/fhir+json", content="full-resource")


async def test_the_connection_goes_to_the_checked_address(receiver: Receiver) -> None:
    """The name need not even exist outside the resolver: nobody asks DNS again."""
    port = receiver.url.rpartition(":")[2]
    sender = Sender(allow_private=True, resolve=answering("127.0.0.1"))
    attempt = await sender.post(channel(f"http://ehr.test:{port}/hook"), b"{}", 5)
    assert (attempt.status, attempt.error) == (200, "")
    assert receiver.got[0].headers["host"] == f"ehr.test:{port}"
    await sender.close()


async def test_the_next_address_is_tried(receiver: Receiver) -> None:
    port = receiver.url.rpartition(":")[2]
    sender = Sender(allow_private=True, resolve=answering("::1", "127.0.0.1"))
    assert (await sender.post(channel(f"http://ehr.test:{port}/hook"), b"{}", 5)).delivered
    sender_of_one = Sender(allow_private=True, resolve=answering("::1"))
    assert (await sender_of_one.post(channel(f"http://ehr.test:{port}/hook"), b"{}", 5)).error == "no-response"
    await sender.close()
    await sender_of_one.close()


async def test_a_name_that_turns_inward_after_creation_gets_nothing(tmp_path: Path, receiver: Receiver) -> None:
    """DNS rebinding: public at creation, loopback at delivery."""
    port = receiver.url.rpartition(":")[2]
    now = ["93.184.216.34"]

    async def resolve(host: str, port: int) -> list[str]:
        return now

    async with world(tmp_path / "d", allow_private=False, resolve=resolve) as server:
        id = await server.create(subscription(f"https://ehr.test:{port}/hook"))
        now[:] = ["127.0.0.1"]
        server.clock.tick(1)
        await server.dispatcher.drain()
        assert (await server.record(id)).progress.error == "dns-resolution-error"
        assert receiver.got == []


@pytest.mark.parametrize("host", ["127.0.0.1", "ehr.test"])
async def test_tls_is_verified_for_the_name(host: str, receiver: Receiver) -> None:
    """A plain-text server on the other side is not TLS: no silent fallback."""
    port = receiver.url.rpartition(":")[2]
    sender = Sender(allow_private=True, resolve=answering("127.0.0.1"))
    assert (await sender.post(channel(f"https://{host}:{port}/hook"), b"{}", 5)).error == "no-response"
    assert receiver.got == []
    await sender.close()


@pytest.mark.parametrize(
    ("written", "identifiers", "expected"),
    [
        ([f"org-identifier={NPI}"], [NPI], True),
        ([f"orgIdentifier={NPI}"], ["ISA-7", NPI], True),
        ([f"identifier={NPI}"], ["1"], False),
        (["anything.at-all=7"], ["7"], True),
        (["Claim?org-identifier=7"], ["7"], True),
        (["org-identifier=1,7"], ["7"], True),
        (["org-identifier=1,7", "org-identifier=8"], ["7"], False),
        (["org-identifier=1,7", "org-identifier=8"], ["7", "8"], True),
        (["org-identifier=7&other=8"], ["7"], False),
        (["org-identifier=urn:npi|7"], ["7"], True),
        (["org-identifier=7"], ["urn:npi|7"], True),
        (["org-identifier=urn:npi|7"], ["urn:npi|7"], True),
        (["org-identifier=urn:npi|7"], ["urn:ein|7"], False),
        (["org-identifier=urn:npi|7"], ["urn:ein|7", "7"], True),
        (["org-identifier=|7"], ["urn:ein|7"], True),
        (["org-identifier=a%2Cb"], ["a,b"], True),
        ([r"org-identifier=a\,b"], ["a,b"], True),
        (["org-identifier= 7 "], ["7"], True),
        (["org-identifier=ISA7"], ["isa7"], False),
        ([], ["7"], False),
    ],
)
def test_filters(written: list[str], identifiers: list[str], expected: bool) -> None:
    filters = tuple(group for text in written for group in parse_filter(text))
    assert matches(filters, identifiers) is expected
