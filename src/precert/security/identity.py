"""Client identity. ``open`` mode knows no identities and therefore serves the local machine only."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import Literal

SecurityMode = Literal["open", "smart"]


class SecuritySetupError(Exception):
    """Security cannot start. The message names the file and key at fault and how to mend it."""


@dataclass(frozen=True, slots=True)
class Client:
    """The system that sends a request. ``id`` scopes what it may read: only what it submitted itself.

    ``scopes`` are those of its token as granted. ``organizations`` are the identifiers (X12 sender ids, or
    ``system|value``) that it acts for (PAS spec-58, spec-59); ``None`` = nobody bound any to it, as in open mode.
    ``roles`` are those of the staff whom this system signs in itself; empty for provider systems.
    """

    id: str
    scopes: frozenset[str] = frozenset()
    organizations: frozenset[str] | None = frozenset()
    roles: frozenset[str] = frozenset()


OPEN_CLIENT = Client("open", organizations=None)
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
