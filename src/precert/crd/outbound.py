"""Where outgoing calls may go: public addresses only, checked on the address that is connected to.

The name is resolved here, every address is looked at, and the connection goes to the address that was checked, so that a
name cannot point elsewhere a moment later. Each host has its own connection pool: a TLS connection made for one name is
never used for another.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import OrderedDict

import httpx

from precert.security.addresses import is_public
from precert.security.jwt import TRUSTED_ADDRESS

_HOSTS_KEPT = 64
_PER_HOST = httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=30.0)


class Refused(httpx.TransportError):
    """The address is not one that this server calls."""


async def resolve(host: str, port: int) -> list[str]:
    """The addresses of a host, in the system's order. Raises OSError."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedTransport(httpx.AsyncBaseTransport):
    """Calls public https addresses only; with ``allow_private`` anything (development, tests).

    A request that carries the extension ``TRUSTED_ADDRESS`` goes to an address that the operator wrote down and
    exempted, so it is not held back.
    """

    def __init__(self, *, allow_private: bool = False) -> None:
        self.allow_private = allow_private
        self._tls = ssl.create_default_context()
        self._hosts: OrderedDict[tuple[str, str, int], httpx.AsyncHTTPTransport] = OrderedDict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        anything = self.allow_private or TRUSTED_ADDRESS in request.extensions
        if url.scheme not in ("https", "http") or (url.scheme == "http" and not anything):
            raise Refused(f"{url.scheme} is not allowed; use https", request=request)
        port = url.port or (443 if url.scheme == "https" else 80)
        if not anything:
            address = await self._checked(request, url.host, port)
            request.extensions = {**request.extensions, "sni_hostname": url.host}
            request.url = url.copy_with(host=address)  # the Host header is set already and keeps the name
        transport = await self._transport(url.scheme, url.host, port)
        return await transport.handle_async_request(request)

    async def _checked(self, request: httpx.Request, host: str, port: int) -> str:
        try:
            addresses = await resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpx.ConnectError("the host name cannot be resolved", request=request) from error
        if not addresses or not all(is_public(address) for address in addresses):
            raise Refused("the address is loopback, private or link-local", request=request)
        return addresses[0]

    async def _transport(self, scheme: str, host: str, port: int) -> httpx.AsyncHTTPTransport:
        key = (scheme, host, port)
        transport = self._hosts.get(key)
        if transport is None:
            transport = self._hosts[key] = httpx.AsyncHTTPTransport(verify=self._tls, limits=_PER_HOST)
            if len(self._hosts) > _HOSTS_KEPT:
                _, oldest = self._hosts.popitem(last=False)
                await oldest.aclose()
        self._hosts.move_to_end(key)
        return transport

    async def aclose(self) -> None:
        for transport in self._hosts.values():
            await transport.aclose()
        self._hosts.clear()


def http_client(*, allow_private: bool = False) -> httpx.AsyncClient:
    """A client for calls to addresses that somebody else names. It follows no redirects and takes no proxy settings."""
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_private=allow_private),
        timeout=httpx.Timeout(1.5, connect=1.0),
        follow_redirects=False,
        trust_env=False,
    )
