"""What every app of a test would work out again from the same bytes, worked out once per process.

Hundreds of tests start an app of their own. Most of the time of a start goes into reading the shipped policies, running
the tests inside them, and the machine's list of trusted certificates; nothing changes any of these. Shared are pure
results: a policy file by its bytes, which the library compiles anew for each app, what the lint says of it with the same
value sets, which of its questions hang on which, the trees of the profiles, and a TLS context that only its defaults made.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import httpx
import pytest

from precert.dtr import form
from precert.fhir.validation.validator import Validator
from precert.policy import library, load
from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy
from precert.policy.load import PolicyFile, Problem
from precert.policy.question_conditions import Shown


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

    linted: dict[tuple[int, tuple[tuple[str, tuple[str, ...]], ...]], tuple[PolicyFile, tuple[Problem, ...]]] = {}
    lint = library.blocking

    def blocking(policy: CompiledPolicy, value_sets: ValueSets) -> tuple[Problem, ...]:
        key = id(policy.file), tuple(sorted((name, tuple(codes)) for name, codes in value_sets.items()))
        if key not in linted:  # the file is kept with what was said of it, so that its id stays its own
            linted[key] = policy.file, lint(policy, value_sets)
        return linted[key][1]

    conditions: dict[tuple[int, tuple[str, ...]], tuple[PolicyFile, dict[str, Shown]]] = {}
    work_out = form.shown_when

    def shown_when(policy: CompiledPolicy, order: Sequence[str]) -> dict[str, Shown]:
        key = id(policy.file), tuple(order)
        if key not in conditions:
            conditions[key] = policy.file, work_out(policy, order)
        return dict(conditions[key][1])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(library, "blocking", blocking)
        patch.setattr(form, "shown_when", shown_when)
        patch.setattr(Validator, "load", cache(Validator.load))
        patch.setattr(load, "load_text", cache(load.load_text))
        patch.setattr(ssl, "create_default_context", context)
        patch.setattr("httpx._transports.default.create_ssl_context", trusting)
        yield
