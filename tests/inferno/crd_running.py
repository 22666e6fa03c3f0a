"""Plays the CRD preset like the suite does: signed as it signs, one group of requests per hook."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey
from joserfc.jws import JWSRegistry
from tools.inferno import FOLDER

from inferno.crd_requests import CONTEXT, Json
from precert.fhir import json

SETTINGS = FOLDER / "crd-server.toml"
UNSIGNED: dict[str, Any] = {"config": SETTINGS, "crd_jwt": {"required": False}}
"""The settings of the preset for tests in this process, where who calls does not matter."""
EDITIONS = {"2.0.1": None, "2.2.1": "2.2"}
"""Editions of the guide, and the version that a client asks for to be answered by it."""
KEYS = {
    "ES384": ECKey.generate_key("P-384", {"kid": "suite-es384", "use": "sig", "alg": "ES384"}, private=True),
    "RS384": RSAKey.generate_key(2048, {"kid": "suite-rs384", "use": "sig", "alg": "RS384"}, private=True),
}
ANY = "any"
"""The group that demonstrates one hook of the tester's choice."""


@dataclass(frozen=True)
class Group:
    """The requests of one hook and their answers."""

    hook: str
    bodies: list[Json]
    answers: list[Json]

    @property
    def cards(self) -> list[Json]:
        return [card for answer in self.answers for card in answer["cards"]]

    @property
    def actions(self) -> list[Json]:
        return [action for answer in self.answers for action in answer.get("systemActions", [])]


def preset() -> dict[str, str]:
    """Input name to value, as the file gives it."""
    document = json.loads((FOLDER / "crd-server.json").read_bytes())
    assert isinstance(document, dict)
    return {entry["name"]: entry["value"] for entry in document["inputs"]}


def groups() -> dict[str, tuple[str, str, list[Json]]]:
    """Group to its hook, its service and its request bodies: what the preset asks for."""
    given = preset()
    found = {}
    for name in (ANY, *CONTEXT):
        prefix = "any_hook" if name == ANY else name.replace("-", "_")
        body = given[f"{prefix}_request_body" if name == ANY else f"{prefix}_request_bodies"]
        parsed = json.loads(body.encode())
        bodies = parsed if isinstance(parsed, list) else [parsed]
        found[name] = (bodies[0]["hook"], given[f"{prefix}_service_ids"], bodies)
    return found


@dataclass
class Signer:
    """Signs as the suite does: ``iss`` and ``jku`` below its own address, 64 hex digits as ``jti``, five minutes."""

    base: str
    algorithm: str = "ES384"
    tokens: list[str] = field(default_factory=list)

    def headers(self, url: str) -> dict[str, str]:
        """For every request of one group: one token."""
        key, now = KEYS[self.algorithm], int(time.time())
        header = {"alg": self.algorithm, "typ": "JWT", "kid": key.kid, "jku": f"{self.base}/jwks.json"}
        claims = {"iss": self.base, "aud": url, "exp": now + 300, "iat": now, "jti": secrets.token_hex(32)}
        token = jwt.encode(header, claims, key, registry=JWSRegistry(algorithms=[self.algorithm]))
        self.tokens.append(token)
        return {"Authorization": f"Bearer {token}"}


async def play(client: httpx.AsyncClient, version: str | None = None, signer: Signer | None = None) -> dict[str, Group]:
    """Every group in turn. ``version`` is asked for by name; without it the server's default must be 2.0."""
    played = {}
    for name, (hook, service, bodies) in groups().items():
        path = f"/cds-services/{service}"
        headers = signer.headers(str(client.base_url).rstrip("/") + path) if signer else {}
        answers = []
        for body in bodies:
            if version is not None:
                body["extension"]["davinci-crd.requestedVersion"] = version
            response = await client.post(path, content=json.dumps(body), headers=_JSON | headers)
            assert response.status_code == 200, (name, response.text)
            answer = json.loads(response.content)
            assert isinstance(answer, dict)
            answers.append(answer)
        played[name] = Group(hook, bodies, answers)
    return played


_JSON = {"Content-Type": "application/json"}


@contextlib.contextmanager
def key_server() -> Iterator[str]:
    """Where the suite publishes its keys, over plain http on this machine. Yields its base (the issuer)."""
    published = json.dumps({"keys": [key.as_dict(private=False) for key in KEYS.values()]})

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/custom/crd_server/jwks.json"
            self.send_response(200 if found else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(published if found else b"{}")

        def log_message(self, format: str, *args: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_address[1]}/custom/crd_server"
        finally:
            server.shutdown()
            thread.join()
