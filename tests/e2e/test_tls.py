"""TLS as the process itself ends it: 1.2 and 1.3, nothing older (CRD sec-2, sec-3; CDS Hooks: everything over TLS)."""

from __future__ import annotations

import datetime as dt
import ipaddress
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from support.server import serving

pytestmark = pytest.mark.slow


def self_signed(folder: Path) -> tuple[Path, Path]:
    """A certificate for 127.0.0.1 that it vouches for itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "precert test")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    key_file.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    return cert_file, key_file


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int, Path]]:
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = self_signed(folder)
    with serving(folder / "data", "--tls-cert", str(certificate), "--tls-key", str(key)) as server:
        url = urlsplit(server.url)
        assert url.scheme == "https"
        yield str(url.hostname), int(url.port or 0), certificate


def discovered(served: tuple[str, int, Path], version: ssl.TLSVersion) -> bytes:
    """The answer to discovery over exactly one version of TLS."""
    host, port, certificate = served
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_ciphers("DEFAULT:@SECLEVEL=0")  # so that it is the server that refuses what is old
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection((host, port), timeout=30) as plain,
        context.wrap_socket(plain, server_hostname=host) as s,
    ):
        s.sendall(b"GET /cds-services HTTP/1.1\r\nHost: precert\r\nConnection: close\r\n\r\n")
        return b"".join(iter(lambda: s.recv(65536), b""))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=lambda v: v.name)
def test_hooks_are_served_over_tls(served: tuple[str, int, Path], version: ssl.TLSVersion) -> None:
    assert discovered(served, version).startswith(b"HTTP/1.1 200")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1], ids=lambda v: v.name)
def test_older_tls_is_refused(served: tuple[str, int, Path], version: ssl.TLSVersion) -> None:
    with pytest.raises((ssl.SSLError, ConnectionError)):
        discovered(served, version)


def test_plain_http_is_not_served_there(served: tuple[str, int, Path]) -> None:
    host, port, _ = served
    with socket.create_connection((host, port), timeout=30) as plain:
        plain.sendall(b"GET /cds-services HTTP/1.1\r\nHost: precert\r\n\r\n")
        plain.settimeout(30)
        try:
            answered = plain.recv(1000)
        except ConnectionError:
            answered = b""
    assert b"HTTP/1.1 200" not in answered
