"""CORS for browser clients of the hooks, on errors too: a browser otherwise sees no status (H@208, docs/crd.md)."""

from __future__ import annotations

from collections.abc import Sequence

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATH = "/cds-services"
_METHODS = b"GET, POST, OPTIONS"
_HEADERS = b"authorization, content-type, accept, x-request-id"


class CdsCors:
    """Pure ASGI, outside everything else; only ``/cds-services`` and below is touched.

    ``origins`` may call; ``*`` means any. No cookies are used, so any origin learns only what it may ask anyway.
    """

    def __init__(self, app: ASGIApp, origins: Sequence[str] = ("*",)) -> None:
        self.app = app
        self.any = "*" in origins
        self.origins = frozenset(origin.encode("latin-1") for origin in origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_hook_path(scope["path"]):
            await self.app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        origin = headers.get(b"origin")
        allowed = self._allowed(origin)
        if scope["method"] == "OPTIONS" and origin is not None and b"access-control-request-method" in headers:
            await self._preflight(headers, allowed, send)
            return

        async def send_with_cors(message: Message) -> None:
            if message["type"] == "http.response.start" and allowed:
                exposed = (b"access-control-expose-headers", b"x-request-id, retry-after, www-authenticate")
                message["headers"] = [*message["headers"], *allowed, exposed]
            await send(message)

        await self.app(scope, receive, send_with_cors)

    def _allowed(self, origin: bytes | None) -> list[tuple[bytes, bytes]]:
        if origin is None:
            return []
        if self.any:
            return [(b"access-control-allow-origin", b"*")]
        vary = (b"vary", b"Origin")
        return [(b"access-control-allow-origin", origin), vary] if origin in self.origins else [vary]

    async def _preflight(self, headers: dict[bytes, bytes], allowed: list[tuple[bytes, bytes]], send: Send) -> None:
        """Answered here, without authentication: a preflight carries no token."""
        answer = [
            *allowed,
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _HEADERS),
            (b"access-control-max-age", b"600"),
            (b"content-length", b"0"),
        ]
        if b"access-control-request-private-network" in headers:  # a public page asks for a server on a local network
            answer.append((b"access-control-allow-private-network", b"true"))
        await send({"type": "http.response.start", "status": 204, "headers": answer})
        await send({"type": "http.response.body", "body": b""})


def _is_hook_path(path: str) -> bool:
    return path == PATH or path.startswith(f"{PATH}/")
