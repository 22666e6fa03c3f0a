"""An HTTP client for addresses that somebody else names: every call passes the guard (:mod:`precert.security.outbound`).

The connection goes to the address that was checked, so that a name cannot point elsewhere a moment later. Each host has its
own connection pool: a TLS connection made for one name is never used for another.
"""

from __future__ import annotations

import ssl
from collections import OrderedDict

import httpx

from precert.security.jwt import TRUSTED_ADDRESS
from precert.security.outbound import (
    PooledResolver,
    ResolvedTarget,
    Resolver,
    TargetRefused,
    TargetUnresolved,
    check_target,
)

_HOSTS_KEPT = 64
_LOOKUPS = 16  # names that are looked up at once; one that hangs takes up a thread
_PER_HOST = httpx.Limits(max_connections=20, max_keepalive_connections=5, keepalive_expiry=30.0)


class Refused(httpx.TransportError):
    """The address is not one that this server calls."""


class GuardedTransport(httpx.AsyncBaseTransport):
    """Calls public https addresses only; with ``allow_private`` anything (development, tests).

    A request that carries the extension ``TRUSTED_ADDRESS`` goes to an address that the operator wrote down and
    exempted, so it is not held back.
    """

    def __init__(self, *, allow_private: bool = False, resolve: Resolver | None = None) -> None:
        self.allow_private = allow_private
        self._pool = PooledResolver(_LOOKUPS)
        self._resolve: Resolver = resolve or self._pool
        self._tls = ssl.create_default_context()
        self._hosts: OrderedDict[tuple[str, str, int], httpx.AsyncHTTPTransport] = OrderedDict()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        anything = self.allow_private or TRUSTED_ADDRESS in request.extensions
        if url.scheme not in ("https", "http") or (url.scheme == "http" and not anything):
            raise Refused(f"{url.scheme} is not allowed; use https", request=request)
        port = url.port or (443 if url.scheme == "https" else 80)
        if not anything:
            target = await self._checked(request)
            request.extensions = {**request.extensions, "sni_hostname": target.host}
            request.url = target.at(target.addresses[0])  # the Host header is set already and keeps the name
        transport = await self._transport(url.scheme, url.host, port)
        return await transport.handle_async_request(request)

    async def _checked(self, request: httpx.Request) -> ResolvedTarget:
        try:
            return await check_target(str(request.url), self.allow_private, self._resolve)
        except TargetUnresolved as error:
            raise httpx.ConnectError("the host name cannot be resolved", request=request) from error
        except TargetRefused as error:
            raise Refused(str(error), request=request) from error

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
        self._pool.close()


def http_client(*, allow_private: bool = False, resolve: Resolver | None = None) -> httpx.AsyncClient:
    """A client for calls to addresses that somebody else names. It follows no redirects and takes no proxy settings."""
    return httpx.AsyncClient(
        transport=GuardedTransport(allow_private=allow_private, resolve=resolve),
        timeout=httpx.Timeout(1.5, connect=1.0),
        follow_redirects=False,
        trust_env=False,
    )
