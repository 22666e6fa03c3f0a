"""Profile validation at the door and, where asked for, at the exit.

Inbound: ``strict`` refuses every error, ``lenient`` (the default) refuses what cannot be processed and hands the rest to
the caller as warnings that travel with the answer, ``off`` looks at nothing. Outbound: every FHIR answer is held against
the profiles before it leaves; used in all our own tests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from precert.fhir import json
from precert.fhir.outcome import FhirError, Issue
from precert.fhir.types import Resource
from precert.fhir.validation import Mode, Policy, RuleClass, Validator, assess
from precert.fhir.versions import CURRENT, at

log = structlog.get_logger(__name__)
_MOST_WARNINGS = 50
_MOST_NAMES = 1000


@dataclass(frozen=True, slots=True)
class Gate:
    """Checks what comes in. ``policy`` says per rule class what a finding means."""

    validator: Validator
    policy: Policy

    @classmethod
    def of(cls, validator: Validator, default: Mode, modes: Mapping[RuleClass, Mode] | None = None) -> Gate:
        return cls(validator, Policy(modes=modes or {}, default=default))

    def check(self, resource: Resource, context: str, profiles: Sequence[str] = ()) -> tuple[list[Issue], list[Issue]]:
        """(what refuses, what is worth a warning), the latter at most fifty."""
        if self.policy.default is Mode.OFF and not self.policy.modes:
            return [], []
        assessed = assess(self.validator.validate(resource, profiles=profiles, context=context), self.policy)
        warnings = [issue for issue in assessed.warn if issue.severity == "warning"]
        if warnings:
            log.info(
                "profile warnings", context=context, count=len(warnings), rules=sorted({w.rule or "" for w in warnings})
            )
        return assessed.refuse, warnings[:_MOST_WARNINGS]

    def observe(self, resource: Resource, context: str, path: str = "", status: int = 400) -> None:
        """Hold the request of a room that judges for itself against its profiles: strict mode refuses every error with
        ``status``, otherwise what is found is logged. ``path`` stands before the FHIRPaths. Raises FhirError."""
        refused, _ = self.check(resource, context)
        if refused and self.policy.default is Mode.STRICT:
            raise FhirError(
                status,
                [replace(issue, expression=f"{path}{issue.expression or ''}".rstrip(".") or None) for issue in refused],
            )


@dataclass(slots=True)
class Spaced:
    """Says when it is time to look again, name by name: what is only looked at for the log must not cost each call."""

    now: Callable[[], datetime]
    every: timedelta = timedelta(seconds=1)
    _last: dict[str, datetime] = field(default_factory=dict)

    def due(self, name: str) -> bool:
        """Whether ``every`` has passed since this was last true of ``name``."""
        now, last = self.now(), self._last.get(name)
        if last is not None and now - last < self.every:
            return False
        if len(self._last) >= _MOST_NAMES:
            self._last.clear()
        self._last[name] = now
        return True


def combined(error: FhirError, refused: Sequence[Issue]) -> FhirError:
    """One 400 for what the reader and the validator found; where both speak of one place the reader's words stand."""
    said = {issue.expression for issue in error.issues}
    more = [issue for issue in refused if issue.expression not in said]
    return FhirError(error.status, [*error.issues, *more], error.headers)


_OURS = frozenset({"Bundle", "ClaimResponse", "Task", "CommunicationRequest", "OperationOutcome", "Parameters"})
"""Types that only we write in an answer; the rest are the client's own resources, echoed as they came."""


class InvalidAnswer(AssertionError):
    """We were about to send something that breaks a profile."""


class AnswerCheck:
    """ASGI middleware: a FHIR answer of ours that breaks a profile becomes an exception (and so a failed test)."""

    def __init__(self, app: ASGIApp, validator: Validator) -> None:
        self.app, self.validator = app, validator

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        held: list[Message] = []
        chunks: list[bytes] = []
        is_fhir = False

        async def hold(message: Message) -> None:
            nonlocal is_fhir
            if message["type"] == "http.response.start":
                types = [value for name, value in message["headers"] if name == b"content-type"]
                is_fhir = any(value.startswith(b"application/fhir+json") for value in types)
            if not is_fhir:
                await send(message)
                return
            held.append(message)
            chunks.append(message.get("body", b""))
            if message["type"] == "http.response.body" and not message.get("more_body"):
                self.check(b"".join(chunks), scope["path"])
                for part in held:
                    await send(part)

        await self.app(scope, receive, hold)

    def check(self, body: bytes, path: str) -> None:
        """Raise InvalidAnswer if the FHIR resource in ``body`` breaks a profile of the base it was served from."""
        if not body:
            return
        resource = json.loads(body)
        context = (at(path) or CURRENT).tables("pas")
        errors = [
            f"{issue.expression}: {issue.text}"
            for issue in self.validator.validate(resource, context=context)
            if issue.severity in ("error", "fatal") and _is_ours(resource, issue.expression or "")
        ]
        if errors:
            raise InvalidAnswer(f"{path}: " + "; ".join(errors[:10]))


def _is_ours(resource: Resource, expression: str) -> bool:
    """Whether the fault lies in a part of the answer that we wrote."""
    node: object = resource
    kinds = [str(resource.get("resourceType"))]
    for part in expression.replace("[", ".").replace("]", "").split(".")[1:]:
        if isinstance(node, dict):
            node = node.get(part)
        elif isinstance(node, list) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        else:
            break
        if isinstance(node, dict) and "resourceType" in node:
            kinds.append(str(node["resourceType"]))
    return kinds[-1] in _OURS
