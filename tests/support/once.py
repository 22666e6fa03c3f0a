"""What every app of a test would work out again from the same bytes, worked out once per process.

Hundreds of tests start an app of their own. Half of the time of a start goes into reading the shipped policies and the
machine's list of trusted certificates, both of which nothing changes. Shared are pure results: a policy file by its bytes,
which the library compiles anew for each app, and a TLS context that only its defaults made.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import pytest

from precert.policy import load


@contextmanager
def shared_starts() -> Iterator[None]:
    """While it lasts, equal policy files are parsed once and default TLS contexts made once."""
    whole = ssl.create_default_context
    default, packaged = cache(whole), cache(httpx.create_ssl_context)

    def context(*args: Any, **options: Any) -> ssl.SSLContext:
        return whole(*args, **options) if options or args != (ssl.Purpose.SERVER_AUTH,)[: len(args)] else default(*args)

    def trusting(verify: Any = True, cert: Any = None, trust_env: bool = True) -> ssl.SSLContext:
        if verify is True and cert is None:
            return packaged(trust_env=trust_env)
        return httpx.create_ssl_context(verify, cert, trust_env)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(load, "load_text", cache(load.load_text))
        patch.setattr(ssl, "create_default_context", context)
        patch.setattr("httpx._transports.default.create_ssl_context", trusting)
        yield
