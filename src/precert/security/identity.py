"""Client identity. ``open`` mode knows no identities and therefore serves the local machine only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

SecurityMode = Literal["open", "smart"]


@dataclass(frozen=True, slots=True)
class Client:
    """The system that sends a request. ``id`` scopes what it may read: only what it submitted itself."""

    id: str


OPEN_CLIENT = Client("open")
"""Everybody, in open mode."""


def is_loopback(host: str | None) -> bool:
    """Whether an address or host name is this machine. Unix sockets and in-process calls have no address and are."""
    if host is None or host in ("", "localhost", "testclient"):
        return True
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)
