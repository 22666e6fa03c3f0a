"""Signatures of attachments: whole ones pass, damaged ones do not, and what they cover is said."""

from __future__ import annotations

import base64
import datetime
from typing import Any

import pytest
from cdex_support import Driver, Pended, answered, attachment, parameters
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.x509.oid import NameOID
from tools.requests import Json

from precert.cdex.signatures import check_signatures
from precert.fhir import json
from precert.fhir.outcome import FhirError
from support.answers import faults, only_fault

URL = "http://hl7.org/fhir/StructureDefinition/questionnaireresponse-signature"
NAME = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Jo Signer")])
DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def b64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def certificate(key: Any) -> str:
    made = (
        x509.CertificateBuilder()
        .subject_name(NAME)
        .issuer_name(NAME)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(DAY)
        .not_valid_after(DAY + datetime.timedelta(days=900))
        .sign(key, hashes.SHA256())
    )
    return base64.b64encode(made.public_bytes(serialization.Encoding.DER)).decode()


def in_order(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: in_order(value[k]) for k in sorted(value)}
    return [in_order(v) for v in value] if isinstance(value, list) else value


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())


def jws(content: Json, key: Any, *, attached: bool = False) -> bytes:
    algorithm = "RS256" if key is RSA else "ES256"
    header = b64(json.dumps({"alg": algorithm, "x5c": [certificate(key)]}))
    payload = b64(json.dumps(in_order(content)))
    if key is RSA:
        value = key.sign(header + b"." + payload, padding.PKCS1v15(), hashes.SHA256())
    else:
        r, s = decode_dss_signature(key.sign(header + b"." + payload, ec.ECDSA(hashes.SHA256())))
        value = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return header + b"." + (payload if attached else b"") + b"." + b64(value)


def signature(data: bytes, format: str = "application/jose") -> Json:
    return {
        "type": [{"system": "urn:iso-astm:E1762-95:2013", "code": "1.2.840.10065.1.12.1.5"}],
        "when": "2026-11-20T10:00:00Z",
        "who": {"display": "Jo Signer"},
        "sigFormat": format,
        "data": base64.b64encode(data).decode(),
    }


def signed(key: Any, *, attached: bool = False) -> Json:
    content = answered()
    covered = {k: v for k, v in content.items() if k not in ("id", "meta")}
    return content | {"extension": [{"url": URL, "valueSignature": signature(jws(covered, key, attached=attached))}]}


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("key", [RSA, EC], ids=["rsa", "ec"])
def test_a_whole_signature_is_verified(key: Any, attached: bool) -> None:
    (checked,) = check_signatures(signed(key, attached=attached), "Q")
    assert (checked.verified, checked.signer, checked.path) == (True, "Jo Signer", "Q.extension[0].valueSignature")


def test_a_signed_bundle() -> None:
    bundle: Json = {"resourceType": "Bundle", "type": "document", "entry": [{"resource": answered()}]}
    bundle["signature"] = signature(jws(dict(bundle), RSA))
    assert check_signatures(bundle, "B")[0].verified


def test_other_content_is_not_verified() -> None:
    assert not check_signatures(signed(RSA) | {"authored": "2020-01-01"}, "Q")[0].verified
    assert not check_signatures(signed(EC, attached=True) | {"authored": "2020-01-01"}, "Q")[0].verified


def test_a_picture_is_not_verified() -> None:
    content = answered(extension=[{"url": URL, "valueSignature": signature(b"\xff\xd8", "image/jpg")}])
    assert not check_signatures(content, "Q")[0].verified


def damaged(kind: str) -> Json:
    data = jws(answered(), RSA)
    header, _, value = data.split(b".")
    swapped = bytearray(data)
    swapped[-60] = ord(b"A") if swapped[-60] != ord(b"A") else ord(b"B")
    made = {
        "value": bytes(swapped),
        "parts": header + b"." + value,
        "header": b"e30.." + value,
        "no-json": b"AAAA.." + value,
        "empty": header + b"..",
        "certificate": b64(json.dumps({"alg": "RS256", "x5c": ["AAAA"]})) + b".." + value,
        "other-key": b64(json.dumps({"alg": "RS256", "x5c": [certificate(EC)]})) + b".." + value,
    }
    return signature(made[kind])


@pytest.mark.parametrize("kind", ["value", "parts", "header", "no-json", "empty", "certificate", "other-key"])
def test_a_damaged_signature_is_refused(kind: str) -> None:
    content = answered(extension=[{"url": URL, "valueSignature": damaged(kind)}])
    with pytest.raises(FhirError) as refused:
        check_signatures(content, "Q")
    assert refused.value.status == 400
    assert refused.value.issues[0].rule == "signature"


@pytest.mark.parametrize("broken", ["%%%", "", None, 7])
def test_data_that_is_not_base64(broken: Any) -> None:
    content = answered(extension=[{"url": URL, "valueSignature": signature(b"x") | {"data": broken}}])
    with pytest.raises(FhirError):
        check_signatures(content, "Q")


def test_an_ecdsa_signature_over_other_content_is_refused() -> None:
    with pytest.raises(FhirError):
        check_signatures(signed(EC) | {"authored": "2020-01-01"}, "Q")


async def test_over_http(driver: Driver, pended: Pended) -> None:
    wrong = answered(extension=[{"url": URL, "valueSignature": damaged("value")}])
    fault = only_fault(await driver.attach(parameters(pended.tracking, attachment(wrong))))
    assert fault.expression == "Parameters.parameter[5].part[0].resource.extension[0].valueSignature.data"
    other = signed(RSA) | {"authored": "2026-11-20T14:31:00Z"}
    rules = [f.rule for f in faults(await driver.attach(parameters(pended.tracking, attachment(other))))]
    assert rules == ["attachment-filed", "signature-unverified"]
