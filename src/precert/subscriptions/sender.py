"""One attempt to deliver: check the target, POST, and say what came of it. Never raises for what a receiver does."""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass

import httpx

from precert.security.outbound import (
    PooledResolver,
    ResolvedTarget,
    Resolver,
    TargetRefused,
    TargetUnresolved,
    check_target,
)
from precert.subscriptions.record import Channel

_MOST_ADDRESSES = 3


@dataclass(frozen=True, slots=True)
class Attempt:
    """``status`` is the HTTP status, if there was one; ``error`` a code of THO's subscription-error, "" if delivered."""

    status: int | None
    error: str
    ms: int

    @property
    def delivered(self) -> bool:
        return self.error == ""


class Sender:
    """Sends notifications. Redirects are not followed, proxies of the environment not used: both lead past the guard.

    No connection is kept: requests go to an address, and a kept connection would be found again by address, though its
    TLS was verified for another host name.
    """

    def __init__(
        self,
        *,
        allow_private: bool = False,
        resolve: Resolver | None = None,
        tls: ssl.SSLContext | None = None,
        threads: int = 64,
    ) -> None:
        self._allow_private = allow_private
        self._pool = PooledResolver(threads)
        self._resolve: Resolver = resolve or self._pool
        self._client = httpx.AsyncClient(
            verify=tls if tls is not None else True,
            trust_env=False,
            follow_redirects=False,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=0),
            headers={"User-Agent": "precert"},
        )

    async def post(self, channel: Channel, body: bytes, limit: float) -> Attempt:
        """Deliver ``body`` within ``limit`` seconds of real time, name resolution included. 2xx is success."""
        started = time.monotonic()
        status: int | None = None
        error = ""
        try:
            async with asyncio.timeout(limit):
                target = await check_target(channel.endpoint, self._allow_private, self._resolve)
                status = await self._post(target, channel, body, limit)
            if not 200 <= status <= 299:
                error = "error-response"
        except (TargetRefused, TargetUnresolved):
            error = "dns-resolution-error"
        except (httpx.HTTPError, httpx.InvalidURL, OSError, TimeoutError):
            error = "no-response"
        return Attempt(status, error, round((time.monotonic() - started) * 1000))

    async def _post(self, target: ResolvedTarget, channel: Channel, body: bytes, limit: float) -> int:
        headers = [("Host", target.authority), ("Content-Type", channel.payload), *channel.headers]
        addresses = target.addresses[:_MOST_ADDRESSES]
        for last, address in enumerate(addresses, start=1):
            request = self._client.build_request(
                "POST",
                target.at(address),
                headers=headers,
                content=body,
                timeout=limit,
                extensions={"sni_hostname": target.host},
            )
            try:
                response = await self._client.send(request, stream=True)
            except httpx.ConnectError:
                if last == len(addresses):
                    raise
                continue
            await response.aclose()  # the status says it all; a body would only be a way to keep us busy
            return response.status_code
        raise AssertionError("unreachable: a resolved target has an address")

    async def close(self) -> None:
        """Close the client; nothing can be sent afterwards."""
        self._pool.close()
        await self._client.aclose()
