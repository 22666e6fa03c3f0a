"""The CRD preset against a real server over https, signed as Inferno signs: tests 1.01 to 1.03 and every service call."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from crd.checks import check_answer
from inferno.crd_running import KEYS, SETTINGS, Signer, groups, key_server, play
from precert.settings import Settings
from support.certificates import SelfSigned, self_signed
from support.server import ServerProcess, serving

pytestmark = pytest.mark.slow
SHIPPED = "http://localhost:4567/custom/crd_server"


@pytest.fixture(scope="module")
def issuer() -> Iterator[str]:
    with key_server() as base:
        yield base


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> SelfSigned:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(issuer: str, certificate: SelfSigned, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """Started as the README says, with the address of our stand-in for Inferno in the shipped settings."""
    folder = tmp_path_factory.mktemp("crd")
    settings = folder / "crd-server.toml"
    shipped = SETTINGS.read_text("utf-8")
    assert shipped.count(SHIPPED) == 2, "as issuer and as the place of its keys"
    settings.write_text(shipped.replace(SHIPPED, issuer), "utf-8")
    with serving(folder / "data", "--config", str(settings), *certificate.options) as started:
        yield started


@pytest.mark.parametrize("algorithm", KEYS)
async def test_every_group_with_one_token_each(
    algorithm: str, issuer: str, server: ServerProcess, certificate: SelfSigned
) -> None:
    signer = Signer(issuer, algorithm)
    async with server.client(certificate.trusted()) as client:
        headers = signer.headers(f"{server.url}/cds-services") | {"Accept": "application/json"}
        assert (await client.get("/cds-services", headers=headers)).status_code == 200
        played = await play(client, signer=signer)
        assert len(signer.tokens) == 1 + len(played)
        for group in played.values():
            for answer in group.answers:
                check_answer(answer, "2.0", group.hook)


async def test_one_token_for_several_bodies_and_for_no_other_service(
    issuer: str, server: ServerProcess, certificate: SelfSigned
) -> None:
    hook, service, (body,) = groups()["encounter-start"]
    assert hook == "encounter-start"
    headers = Signer(issuer).headers(f"{server.url}/cds-services/{service}")
    async with server.client(certificate.trusted()) as client:
        answers = await asyncio.gather(
            *(client.post(f"/cds-services/{service}", json=body, headers=headers) for _ in range(3))
        )
        assert [answer.status_code for answer in answers] == [200] * 3
        other = groups()["encounter-discharge"]
        assert (await client.post(f"/cds-services/{other[1]}", json=other[2][0], headers=headers)).status_code == 401


@pytest.mark.parametrize(
    "base", ["http://localhost:4567/custom/crd_server", "https://elsewhere.test/custom/crd_server"]
)
async def test_nobody_else_is_let_in(base: str, server: ServerProcess, certificate: SelfSigned) -> None:
    _, service, (body,) = groups()["encounter-start"]
    headers = Signer(base).headers(f"{server.url}/cds-services/{service}")
    async with server.client(certificate.trusted()) as client:
        assert (await client.post(f"/cds-services/{service}", json=body, headers=headers)).status_code == 401
        assert (await client.post(f"/cds-services/{service}", json=body)).status_code == 401
        assert (await client.get("/cds-services")).status_code == 401


def test_the_shipped_settings_tolerate_repeated_tokens_of_the_suite_only() -> None:

    issuers = Settings(config=SETTINGS).crd_jwt.issuers
    assert len(issuers) == 2
    for trusted in issuers:
        assert trusted.iss.endswith("/custom/crd_server")
        assert trusted.jku == (f"{trusted.iss}/jwks.json",)
        assert (trusted.replay, trusted.allow_http) == ("warn", True)
        assert set(trusted.algorithms) == {"ES384", "RS384"}
    assert Settings().crd_jwt.issuers == ()
