"""What every request passes through: an id, a log line without PHI, a metric, and a last catch for the unexpected."""

from __future__ import annotations

import re
import time

import structlog
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from precert.fhir.outcome import FhirError, Issue
from precert.runtime import Runtime
from precert.web.http import error_response
from precert.web.metrics import Metrics

log = structlog.get_logger("precert.http")
_SAFE_ID = re.compile(r"[A-Za-z0-9._:\-]{1,128}")


class RequestContext:
    """Pure ASGI (BaseHTTPMiddleware costs three times a request's framework time).

    Takes the caller's ``X-Request-Id`` or makes one, answers with it, binds it to the log, counts and times the request.
    An exception nobody handled becomes a 500 with one OperationOutcome that names the request id and nothing else.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, runtime: Runtime) -> None:
        self.app, self.metrics, self.runtime = app, metrics, runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request_id = self._request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        started = time.perf_counter()
        status = 500
        answered = False

        async def send_with_id(message: Message) -> None:
            nonlocal status, answered
            if message["type"] == "http.response.start":
                status, answered = message["status"], True
                message["headers"] = [*message["headers"], (b"x-request-id", request_id.encode("latin-1"))]
            await send(message)

        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                await self.app(scope, receive, send_with_id)
            except Exception:  # whatever failed, the client gets an answer with the id under which it was logged
                log.exception("unexpected failure")
                if answered:
                    raise
                await self._internal_error(scope, receive, send_with_id, request_id)
            finally:
                self._account(scope, status, time.perf_counter() - started)

    def _request_id(self, scope: Scope) -> str:
        for name, value in scope["headers"]:
            if name == b"x-request-id":
                sent = value.decode("latin-1").strip()
                if _SAFE_ID.fullmatch(sent):
                    return str(sent)
        return self.runtime.new_id()

    async def _internal_error(self, scope: Scope, receive: Receive, send: Send, request_id: str) -> None:
        issue = Issue(
            "fatal",
            "exception",
            f"Something unexpected failed here; it is logged as request {request_id}. Please report it with this id.",
            rule="internal",
        )
        await error_response(Request(scope, receive), FhirError(500, issue))(scope, receive, send)

    def _account(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")  # the template, never the URL: ids may be PHI
        self.metrics.requests.labels(route, scope["method"], str(status)).inc()
        self.metrics.seconds.labels(route).observe(seconds)
        log.info("request", method=scope["method"], route=route, status=status, ms=round(seconds * 1000, 2))
