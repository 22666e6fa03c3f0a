"""The registry: what it refuses, by file and key, and how it follows changes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from precert.security.clients import ClientRegistry, read_clients
from precert.security.identity import SecuritySetupError
from security.world import b64, ec_key, entry, public, write_registry
from support.app import FrozenClock


def without_kid() -> dict[str, Any]:
    jwks = public(ec_key())
    del jwks["keys"][0]["kid"]
    return jwks


def weak() -> dict[str, Any]:
    """An RSA key of 1024 bits; nobody needs its private half."""
    modulus = ((1 << 1023) | 1).to_bytes(128, "big")
    return {"keys": [{"kid": "weak", "kty": "RSA", "n": b64(modulus), "e": "AQAB"}]}


def key_with(**changes: Any) -> dict[str, Any]:
    return {"keys": [public(ec_key())["keys"][0] | changes]}


@pytest.mark.parametrize(
    ("change", "key", "why"),
    [
        ({"client_id": None}, "clients[0].client_id", "required"),
        ({"client_id": "a b"}, "clients[0].client_id", "pattern"),
        ({"client_id": ""}, "clients[0].client_id", "pattern"),
        ({"client_id": "open"}, "clients[0].client_id", "open mode"),
        ({"name": " "}, "clients[0].name", "at least 1"),
        ({"jwks": None}, "clients[0]", "either jwks or jwks_url"),
        ({"jwks_url": "https://ehr.test/jwks"}, "clients[0]", "either jwks or jwks_url"),
        ({"jwks": None, "jwks_url": "http://ehr.test/jwks"}, "clients[0]", "must be https"),
        ({"jwks": None, "jwks_url": "file:///etc/passwd"}, "clients[0]", "https URL"),
        ({"jwks": None, "jwks_url": "ehr.test"}, "clients[0]", "https URL"),
        ({"jwks": None, "jwks_url": "https://["}, "clients[0]", "not a URL"),
        ({"jwks": {}}, "clients[0]", "list of keys"),
        ({"jwks": {"keys": []}}, "clients[0]", "list of keys"),
        ({"jwks": {"keys": ["x"]}}, "clients[0]", "JSON object"),
        ({"jwks": without_kid()}, "clients[0]", "no kid"),
        ({"jwks": {"keys": [{"kid": "a", "kty": "oct", "k": "AAAA"}]}}, "clients[0]", "private or secret"),
        ({"jwks": {"keys": [{"kid": "a", "kty": "OKP", "crv": "Ed25519", "x": "AA"}]}}, "clients[0]", "P-384"),
        ({"jwks": key_with(crv="P-256")}, "clients[0]", "P-384"),
        ({"jwks": key_with(x="AA")}, "clients[0]", "cannot be read"),
        ({"jwks": {"keys": [{"kid": "a", "kty": "RSA", "e": "AQAB"}]}}, "clients[0]", "cannot be read"),
        ({"jwks": {"keys": [{"kid": "a", "kty": "RSA", "n": "A" * 1000, "e": "AQAB"}]}}, "clients[0]", "fewer than"),
        ({"jwks": key_with(x=7)}, "clients[0]", "cannot be read"),
        ({"jwks": key_with(use="enc")}, "clients[0]", "not for signatures"),
        ({"jwks": key_with(alg="ES256")}, "clients[0]", "another algorithm"),
        ({"jwks": {"keys": public(ec_key(), ec_key())["keys"]}}, "clients[0]", "two keys"),
        ({"jwks": weak()}, "clients[0]", "fewer than 2048"),
        ({"scopes": []}, "clients[0].scopes", "at least 1"),
        ({"scopes": ["system/Claim.cruds", "Claim"]}, "clients[0].scopes[1]", "not a scope"),
        ({"scopes": ["system/Claim.rs?x=1"]}, "clients[0].scopes[0]", "search parameters"),
        ({"organizations": "ACME"}, "clients[0].organizations", "tuple"),
        ({"requests_per_minute": 0}, "clients[0].requests_per_minute", "greater"),
        ({"scope": ["x"]}, "clients[0].scope", "not permitted"),
    ],
)
def test_faults_name_file_and_key(tmp_path: Path, change: dict[str, Any], key: str, why: str) -> None:
    path = write_registry(tmp_path / "clients.yaml", entry(**change))
    with pytest.raises(SecuritySetupError) as raised:
        read_clients(path)
    assert str(raised.value).startswith(f"{path}: {key}: ")
    assert why in str(raised.value)


def test_a_private_key_is_refused_and_not_repeated(tmp_path: Path) -> None:
    private = dict(ec_key().as_dict(private=True))
    path = write_registry(tmp_path / "clients.yaml", entry(jwks={"keys": [private]}))
    with pytest.raises(SecuritySetupError, match="private or secret key") as raised:
        read_clients(path)
    assert private["d"] not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "where", "why"),
    [
        ("clients: [", ":1", "expected"),
        ("format: precert.clients/1\nclients: []\nclients: []\n", ":3", "stands twice"),
        ("format: precert.clients/2\nclients: []\n", ": format", "precert.clients/1"),
        ("clients: []\n", ": format", "required"),
        ("- 1\n", ": the file", "valid"),
        ("", ": the file", "valid"),
        ("a: &x 1\nb: *x\n", ":2", "aliases"),
        ("? [a]\n: b\n", ":1", "unhashable"),
        ("!!python/object:os.system {}\n", ":1", "could not determine a constructor"),
        ("[" * 30000, "", "nested"),
        ("\x00", "", ""),
    ],
)
def test_broken_files(tmp_path: Path, text: str, where: str, why: str) -> None:
    path = tmp_path / "clients.yaml"
    path.write_text(text)
    with pytest.raises(SecuritySetupError) as raised:
        read_clients(path)
    assert str(raised.value).startswith(f"{path}{where}")
    assert why in str(raised.value)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SecuritySetupError, match=r"nowhere\.yaml: cannot be read"):
        ClientRegistry(tmp_path / "nowhere.yaml", FrozenClock())
    with pytest.raises(SecuritySetupError, match=r"no \*\.yaml file"):
        ClientRegistry(tmp_path, FrozenClock())
    (tmp_path / "latin.yaml").write_bytes(b"name: \xff")
    with pytest.raises(SecuritySetupError, match="UTF-8"):
        read_clients(tmp_path / "latin.yaml")
    (tmp_path / "big.yaml").write_bytes(b"#" * (5 * 1024 * 1024))
    with pytest.raises(SecuritySetupError, match="larger than"):
        read_clients(tmp_path / "big.yaml")


def test_a_folder(tmp_path: Path) -> None:
    write_registry(tmp_path / "a.yaml", entry())
    write_registry(tmp_path / "b.yml", entry(client_id="ehr-2"))
    registry = ClientRegistry(tmp_path, FrozenClock())
    assert len(registry) == 2
    write_registry(tmp_path / "c.yaml", entry())
    with pytest.raises(
        SecuritySetupError, match=r"c\.yaml: clients\[0\]\.client_id: ehr-1 is registered already, in .*a\.yaml"
    ):
        ClientRegistry(tmp_path, FrozenClock())


def test_changes_are_followed(tmp_path: Path) -> None:
    clock = FrozenClock()
    path = write_registry(tmp_path / "clients.yaml", entry())
    registry = ClientRegistry(path, clock, reload_seconds=2)
    write_registry(path, entry(), entry(client_id="ehr-2"))
    assert registry.get("ehr-2") is None  # not looked at yet
    clock.forward(seconds=2)
    assert registry.get("ehr-2") is not None
    with capture_logs() as logs:
        path.write_text("clients: [")
        clock.forward(seconds=2)
        assert registry.get("ehr-2") is not None
        assert registry.problem is not None
        path.unlink()
        clock.forward(seconds=2)
        assert registry.get("ehr-2") is not None
        assert "cannot be read" in registry.problem
    assert [line["log_level"] for line in logs] == ["error", "error"]
    write_registry(path, entry())
    clock.forward(seconds=2)
    assert registry.get("ehr-2") is None
    assert registry.problem is None
    write_registry(path, entry(), entry(client_id="ehr-2"))
    clock.forward(seconds=-60)  # a clock that is set back does not stop the looking
    assert registry.get("ehr-2") is not None
