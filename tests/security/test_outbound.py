"""Where nothing may be sent, however it is written and whatever it resolves to."""

from __future__ import annotations

import socket

import pytest

from precert.security.outbound import TargetRefused, TargetUnresolved, check_target, system_resolver

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
