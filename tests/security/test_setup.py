"""Starting: token keys, modes, settings, and the examples that are shipped."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from precert.security.clients import ClientRegistry
from precert.security.identity import SecuritySetupError
from precert.security.setup import SecurityConfig, build_security
from security.world import BASE, TOKEN_URL, World, entry, make_app, make_world
from support.app import frozen_runtime

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "security"


class TestTokenKeys:
    async def test_survive_a_restart(self, tmp_path: Path) -> None:
        token = await make_world(tmp_path).token()
        assert (await make_world(tmp_path).call(token)).status_code == 200

    def test_are_for_their_owner_only(self, tmp_path: Path) -> None:
        world = make_world(tmp_path)
        path = world.security.authenticator.tokens.keys.path
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        path.chmod(0o640)
        with pytest.raises(SecuritySetupError, match="chmod 600"):
            make_world(tmp_path)

    async def test_rotation_keeps_the_tokens_that_are_out(self, world: World) -> None:
        keys = world.security.authenticator.tokens.keys
        before = await world.token()
        keys.rotate()
        after = await world.token()
        assert [(await world.call(token)).status_code for token in (before, after)] == [200, 200]
        keys.rotate()
        assert [(await world.call(token)).status_code for token in (before, after)] == [401, 200]

    async def test_rotation_can_forget(self, world: World) -> None:
        before = await world.token()
        world.security.authenticator.tokens.keys.rotate(forget=True)
        assert (await world.call(before)).status_code == 401
        assert (await world.call(await world.token())).status_code == 200

    async def test_rotates_by_itself(self, world: World) -> None:
        keys = world.security.authenticator.tokens.keys
        first = keys.signing.kid
        world.clock.forward(days=29)
        assert keys.signing.kid == first
        world.clock.forward(days=1)
        assert keys.signing.kid != first
        assert (
            make_world(world.registry.parent).security.authenticator.tokens.keys.checking.keys[0].kid
            == keys.signing.kid
        )

    async def test_a_full_disk_does_not_stop_tokens(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*arguments: object) -> int:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("precert.security.tokens.os.open", full)
        world.clock.forward(days=31)
        with capture_logs() as logs:
            assert (await world.call(await world.token())).status_code == 200
        assert "No space left" in next(line["problem"] for line in logs if line["log_level"] == "error")

    @pytest.mark.parametrize(
        "content", ["", "[]", '{"keys": []}', '{"keys": [{"kid": "a", "k": "abc", "created": 1}]}', "[" * 90000]
    )
    def test_a_broken_file_is_told_without_the_key(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "data" / "security" / "token-keys.json"
        path.parent.mkdir(parents=True)
        path.write_text(content)
        path.chmod(0o600)
        with pytest.raises(SecuritySetupError, match=r"token-keys\.json: is not a file of token keys") as raised:
            make_world(tmp_path)
        assert "abc" not in str(raised.value)
        assert raised.value.__cause__ is None

    def test_a_start_that_was_cut_short(self, tmp_path: Path) -> None:
        left = tmp_path / "data" / "security" / "token-keys.json.new"
        left.parent.mkdir(parents=True)
        left.write_text("half")
        make_world(tmp_path)
        assert not left.exists()


class TestOpenMode:
    async def test_serves_this_machine(self, tmp_path: Path) -> None:
        import httpx

        def client(app: object, host: str) -> httpx.AsyncClient:
            return httpx.AsyncClient(transport=httpx.ASGITransport(app=app, client=(host, 1)), base_url=BASE)  # type: ignore[arg-type]

        app = make_app(build_security("open", SecurityConfig(tmp_path), frozen_runtime()))
        async with client(app, "127.0.0.1") as near, client(app, "10.1.2.3") as far:
            assert (await near.get("/fhir/Claim/1")).json()["id"] == "open"
            refused = await far.get("/fhir/Claim/1")
            assert refused.status_code == 403
            assert refused.json()["issue"][0]["details"]["coding"][0]["code"] == "open-mode-loopback"
            assert (await near.get("/fhir/.well-known/smart-configuration")).status_code == 404
        anywhere = make_app(build_security("open", SecurityConfig(tmp_path, open_anywhere=True), frozen_runtime()))
        async with client(anywhere, "10.1.2.3") as far:
            assert (await far.get("/fhir/Claim/1")).status_code == 200
        assert not (tmp_path / "security").exists()


class TestSetup:
    @pytest.mark.parametrize(
        "base_url",
        [
            "",
            "pa.payer.test",
            "http://0.0.0.0:8000",
            "http://[::]:8000",
            "ftp://a",
            "http://127.0.0.1:0",
            "https://a/?b",
            "http://[",
            "https://",
        ],
    )
    def test_needs_an_address(self, tmp_path: Path, base_url: str) -> None:
        with pytest.raises(SecuritySetupError, match="PRECERT_PUBLIC_URL"):
            make_world(tmp_path, base_url=base_url)

    def test_needs_clients(self, tmp_path: Path) -> None:
        with pytest.raises(SecuritySetupError, match="PRECERT_CLIENTS"):
            build_security("smart", SecurityConfig(tmp_path, BASE), frozen_runtime())

    async def test_a_slash_at_the_end_does_not_matter(self, tmp_path: Path) -> None:
        world = make_world(tmp_path, base_url=f"{BASE}/")
        assert (await world.call(await world.token())).status_code == 200


class TestExamples:
    def test_registry(self) -> None:
        registry = ClientRegistry(EXAMPLES, frozen_runtime().now)
        demo = registry.get("demo-ehr")
        assert demo is not None
        assert set(demo.given) == {"demo-ehr-1"}

    async def test_client(self, tmp_path: Path) -> None:
        """What docs/security.md tells an integrator to do works as written."""

        def script(*arguments: str) -> str:
            command = [sys.executable, str(EXAMPLES / "client.py"), *arguments]
            return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()

        private = tmp_path / "private.json"
        world = make_world(tmp_path, entry(jwks=json.loads(script("key", str(private)))))
        assert stat.S_IMODE(private.stat().st_mode) == 0o600
        world.clock.at = datetime.now(UTC)
        signed = script("assertion", str(private), "ehr-1", TOKEN_URL)
        assert (await world.ask(signed)).status_code == 200
