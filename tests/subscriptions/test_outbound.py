"""Where nothing may be sent, however it is written and whatever it resolves to."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from precert.subscriptions.filters import matches, parse_filter
from precert.subscriptions.outbound import TargetRefused, TargetUnresolved, check_target, system_resolver
from precert.subscriptions.record import Channel
from precert.subscriptions.sender import Sender
from subscriptions.world import NPI, Receiver, subscription, world

SPECIAL = [
    "127.0.0.1",
    "127.8.9.10",
    "0.0.0.0",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.1.1",
    "169.254.169.254",
    "100.64.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "::1",
    "::",
    "fe80::1",
    "fc00::1",
    "fec0::1",
    "ff02::1",
    "2001:db8::1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2002:a00:1::",
]
PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::808:808", "::ffff:8.8.8.8"]


def literal(address: str) -> str:
    return f"https://[{address}]/hook" if ":" in address else f"https://{address}/hook"


def answering(*addresses: str):  # type: ignore[no-untyped-def]
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    return resolve


@pytest.mark.parametrize("address", SPECIAL)
async def test_special_addresses_are_refused(address: str) -> None:
    with pytest.raises(TargetRefused):
        await check_target(literal(address), False)
    with pytest.raises(TargetRefused):
        await check_target("https://ehr.test/hook", False, answering(address))
    with pytest.raises(TargetRefused):
        await check_target("https://ehr.test/hook", False, answering("8.8.8.8", address))
    assert (await check_target(literal(address), True)).addresses


@pytest.mark.parametrize("address", PUBLIC)
async def test_public_addresses_are_not(address: str) -> None:
    assert (await check_target(literal(address), False)).addresses
    target = await check_target("https://ehr.test:8443/hook", False, answering(address))
    assert target.addresses == (address,)
    assert (target.host, target.authority) == ("ehr.test", "ehr.test:8443")
    assert target.at(address).port == 8443


@pytest.mark.parametrize("host", ["localhost", "localhost.", "127.1", "2130706433", "0x7f.0.0.1", "0177.0.0.1"])
async def test_other_spellings_of_this_machine(host: str) -> None:
    """The system's resolver reads all of these as 127.0.0.1; what counts is the address."""
    with pytest.raises((TargetRefused, TargetUnresolved)):
        await check_target(f"https://{host}/", False, system_resolver)


async def test_names_without_address() -> None:
    async def fails(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_AGAIN if host == "flaky.test" else socket.EAI_NONAME, "no")

    for url, passing in (("https://flaky.test/", True), ("https://nowhere.test/", False)):
        with pytest.raises(TargetUnresolved) as caught:
            await check_target(url, False, fails)
        assert caught.value.passing is passing
    with pytest.raises(TargetUnresolved):
        await check_target("https://ehr.test/", False, answering())
    with pytest.raises(TargetUnresolved):
        await check_target(f"https://{'a' * 64}.test/", False)


async def test_names_outside_ascii_are_encoded() -> None:
    seen = []

    async def resolve(host: str, port: int) -> list[str]:
        seen.append(host)
        return ["8.8.8.8"]

    target = await check_target("https://bücher.test/", False, resolve)
    assert seen == ["xn--bcher-kva.test"] == [target.host]


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
