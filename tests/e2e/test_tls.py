"""``precert serve`` over https with a certificate of its own: TLS 1.2 and newer, nothing older (CRD sec-2, Inferno 1.01)."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from support.certificates import SelfSigned, self_signed
from support.server import ServerProcess, serving

pytestmark = pytest.mark.slow
OLD, NEW = ("TLSv1", "TLSv1_1"), ("TLSv1_2", "TLSv1_3")


def only(version: str, trust: SelfSigned) -> ssl.SSLContext:
    """A client that speaks one version and, for the sake of the old ones, weak ciphers."""
    context = trust.trusted()
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
    return context


def handshake(context: ssl.SSLContext, port: int) -> tuple[str | None, str]:
    """What both sides agree on: the version and the cipher. Raises SSLError."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        chosen = tls.cipher()
        assert chosen is not None
        return tls.version(), chosen[0]


@contextmanager
def lax_server(trust: SelfSigned) -> Iterator[int]:
    """Takes any version, so that a client's failure elsewhere is not its own."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trust.cert, trust.key)
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = ssl.TLSVersion.TLSv1
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            plain, _ = listening.accept()
            with plain, context.wrap_socket(plain, server_side=True):
                pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join(10)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> SelfSigned:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def server(certificate: SelfSigned, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    with serving(tmp_path_factory.mktemp("tls-data") / "data", *certificate.options) as started:
        assert started.url.startswith("https://")
        yield started


@pytest.mark.parametrize("version", NEW)
def test_new_versions_are_spoken(version: str, server: ServerProcess, certificate: SelfSigned) -> None:
    agreed, cipher = handshake(only(version, certificate), httpx.URL(server.url).port or 0)
    assert agreed == version.replace("_", ".")
    assert "GCM" in cipher or "CHACHA20" in cipher, "authenticated encryption only"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", OLD)
def test_old_versions_are_refused(version: str, server: ServerProcess, certificate: SelfSigned) -> None:
    client = only(version, certificate)
    with lax_server(certificate) as port:
        agreed, _ = handshake(client, port)
        assert agreed == version.replace("_", ".")
    with pytest.raises(ssl.SSLError):
        handshake(client, httpx.URL(server.url).port or 0)


async def test_the_server_answers_and_its_links_are_https(server: ServerProcess, certificate: SelfSigned) -> None:
    async with server.client(certificate.trusted()) as client:
        listed = await client.get("/cds-services")
        assert listed.status_code == 200
        assert len(listed.json()["services"]) == 6
        statement = await client.get("/fhir/metadata")
        assert statement.json()["implementation"]["url"].startswith("https://")
    with pytest.raises(httpx.ConnectError):
        async with server.client() as stranger:  # trusts the usual authorities only
            await stranger.get("/cds-services")


async def test_plain_http_gets_nothing(server: ServerProcess) -> None:
    url = httpx.URL(server.url)
    async with httpx.AsyncClient(timeout=10) as client:
        with pytest.raises(httpx.HTTPError):
            await client.get(f"http://127.0.0.1:{url.port}/cds-services")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--tls-key", "key.pem"], "tls_key without tls_cert"),
        (["--tls-cert", "nowhere.pem"], "nowhere.pem and its key cannot be used for TLS"),
        (["--tls-cert", "cert.pem", "--tls-key", "other.pem"], "cert.pem and its key cannot be used for TLS"),
    ],
)
async def test_what_cannot_be_used_is_told_in_a_sentence(options: list[str], says: str, tmp_path: Path) -> None:
    made = self_signed(tmp_path)
    (tmp_path / "other").mkdir()
    self_signed(tmp_path / "other").key.rename(tmp_path / "other.pem")
    assert made.key.is_file()
    with serving(tmp_path / "data", *options) as server:
        assert await asyncio.to_thread(server.wait) == 2
    assert says in server.output
    assert "Traceback" not in server.output
