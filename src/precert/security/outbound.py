"""Where this server may call or send to: never into its own network, whatever a client writes or a name resolves to.

The one guard for all calls to addresses that somebody else names: notifications (:mod:`precert.subscriptions.sender`), and
through :mod:`precert.security.outbound_http` prefetch from EHRs and key sets.

A name is resolved here, every address it has is checked, and the caller connects to a checked *address*: resolving again
at connect time would let the name's owner change the answer in between (DNS rebinding).
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import httpx

from precert.security.addresses import Address, is_public

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""The addresses of a host name for a port, as text. Raises OSError (socket.gaierror) if it has none."""

LONGEST_URL = 8192  # of what is called: a search for many resources by id is long; less is accepted from subscribers
_PORTS = {"https": 443, "http": 80}


class TargetRefused(Exception):
    """This server does not send there; the message says why and what would do, for the client's eyes."""


class TargetUnresolved(Exception):
    """The host name has no address. ``passing`` says that the name service failed rather than answered."""

    def __init__(self, host: str, *, passing: bool) -> None:
        super().__init__(f"the host name {host} cannot be resolved")
        self.passing = passing


@dataclass(frozen=True, slots=True)
class ResolvedTarget:
    """A target that was checked. Connect to one of ``addresses`` (in order), with ``host`` as TLS server name."""

    url: httpx.URL
    addresses: tuple[str, ...]

    @property
    def host(self) -> str:
        """The host name as DNS and TLS know it (ASCII, IDNA-encoded)."""
        return self.url.raw_host.decode("ascii")

    @property
    def authority(self) -> str:
        """What belongs into the Host header."""
        return self.url.netloc.decode("ascii")

    def at(self, address: str) -> httpx.URL:
        """The URL with the host replaced by a checked address."""
        return self.url.copy_with(host=address)


class PooledResolver:
    """The operating system's resolver in threads of its own: names that hang (asyncio's few default threads would be
    taken up by them) delay no other lookup while there are ``threads``.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="resolver")

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        ask = partial(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(self._pool, ask)
        return [str(info[4][0]) for info in found]

    def close(self) -> None:
        """Let the threads go when their lookup ends."""
        self._pool.shutdown(wait=False, cancel_futures=True)


async def system_resolver(host: str, port: int) -> Sequence[str]:
    """The operating system's resolver, in asyncio's default threads."""
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(info[4][0]) for info in found]


def read_target(url: str, allow_private: bool, longest: int = LONGEST_URL) -> httpx.URL:
    """Check what can be checked without asking the network. Raises TargetRefused."""
    if len(url) > longest:
        raise TargetRefused(f"the URL is longer than {longest} characters")
    if any(ord(letter) <= 0x20 or ord(letter) == 0x7F for letter in url):
        raise TargetRefused("the URL has spaces or control characters in it; percent-encode them")
    try:
        parsed = httpx.URL(url)
        port = parsed.port
    except (httpx.InvalidURL, ValueError) as error:  # ValueError: host names that cannot be written in ASCII (IDNA)
        raise TargetRefused("it is not a valid URL") from error
    if parsed.scheme not in _PORTS:
        raise TargetRefused("only https URLs are supported")
    if parsed.scheme == "http" and not allow_private:
        raise TargetRefused("health data are sent over https only")
    if not parsed.host:
        raise TargetRefused("the URL names no host")
    if parsed.userinfo:
        raise TargetRefused("the URL holds credentials; send them in a header (Authorization: …) instead")
    if parsed.fragment:
        raise TargetRefused("the URL has a #fragment, which HTTP does not transmit; leave it out")
    if port is not None and not 0 < port < 65536:
        raise TargetRefused(f"there is no port {port}")
    if not allow_private and (literal := _address(parsed.host)) is not None and not is_public(literal):
        raise TargetRefused("the address is not a public one")
    return parsed


async def check_target(url: str, allow_private: bool, resolve: Resolver = system_resolver) -> ResolvedTarget:
    """Resolve ``url``'s host and refuse it if any address is loopback, private, link-local, multicast or otherwise special.

    ``allow_private`` (setting PRECERT_SUBSCRIPTIONS_ALLOW_PRIVATE) lifts that, and allows http. Raises TargetRefused,
    TargetUnresolved.
    """
    parsed = read_target(url, allow_private)
    host = parsed.raw_host.decode("ascii").rstrip(".") or parsed.host
    literal = _address(host)
    if literal is not None:
        return ResolvedTarget(parsed, (str(literal),))
    port = parsed.port or _PORTS[parsed.scheme]
    try:
        found = await resolve(host, port)
    except UnicodeError as error:  # a label that is empty or too long for DNS
        raise TargetUnresolved(host, passing=False) from error
    except OSError as error:
        raise TargetUnresolved(host, passing=_passing(error)) from error
    addresses = list(dict.fromkeys(found))
    if not addresses:
        raise TargetUnresolved(host, passing=False)
    for text in addresses:
        address = _address(text)
        # One bad address spoils the name: who mixes public and private ones is testing this guard.
        if not allow_private and (address is None or not is_public(address)):
            raise TargetRefused(f"the host name {host} does not have public addresses only")
    return ResolvedTarget(parsed, tuple(addresses))


def _address(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return None


def _passing(error: OSError) -> bool:
    return not (isinstance(error, socket.gaierror) and error.errno in (socket.EAI_NONAME, socket.EAI_NODATA))
