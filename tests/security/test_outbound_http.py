"""The guard of calls to EHRs: one private address among those of a name is enough to refuse it."""

from __future__ import annotations

import itertools

import httpx
import pytest

from precert.security import outbound_http as outbound

PUBLIC = ("8.8.8.8", "2606:4700::1111")
PRIVATE = ("127.0.0.1", "10.1.2.3", "169.254.169.254", "::1", "fd00::1")
MIXED = [order for a, b in itertools.product(PUBLIC, PRIVATE) for order in ((a, b), (b, a), (a, a, b), (a, b, a))]


@pytest.mark.parametrize("addresses", [*MIXED, *((a,) for a in PRIVATE)])
async def test_a_name_with_any_address_that_is_not_public(addresses: tuple[str, ...]) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    async with outbound.http_client(resolve=resolve) as client:
        with pytest.raises(outbound.Refused):
            await client.get("https://ehr.test/Patient/1")


@pytest.mark.parametrize("addresses", [PUBLIC, PUBLIC[::-1], PUBLIC[:1]])
async def test_a_name_with_public_addresses_is_called_at_the_one_that_was_checked(
    monkeypatch: pytest.MonkeyPatch, addresses: tuple[str, ...]
) -> None:
    asked: list[httpx.URL] = []

    async def resolve(host: str, port: int) -> list[str]:
        return list(addresses)

    class Answering(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            asked.append(request.url)
            return httpx.Response(200)

    async def transport(self: object, scheme: str, host: str, port: int) -> Answering:
        return Answering()

    monkeypatch.setattr(outbound.GuardedTransport, "_transport", transport)
    async with outbound.http_client(resolve=resolve) as client:
        assert (await client.get("https://ehr.test/Patient/1")).status_code == 200
    assert [url.host for url in asked] == [addresses[0]]


@pytest.mark.parametrize(
    "url", ["http://ehr.test/a", "https://10.1.2.3/a", "https://[::ffff:127.0.0.1]/a", "https://u:p@8.8.8.8/a"]
)
async def test_what_needs_no_lookup_is_refused_without_one(url: str) -> None:
    async def resolve(host: str, port: int) -> list[str]:
        raise AssertionError(host)

    async with outbound.http_client(resolve=resolve) as client:
        with pytest.raises(outbound.Refused):
            await client.get(url)


async def test_a_name_without_an_address() -> None:
    async def resolve(host: str, port: int) -> list[str]:
        return []

    async with outbound.http_client(resolve=resolve) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get("https://ehr.test/a")
