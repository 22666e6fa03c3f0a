"""Signatures of attachments: can they be read, are they whole, do they cover what was sent.

Source: CDex "signatures": ``Signature.data`` is the base64 of a detached JWS whose header carries the signer's
certificate; the payload is the resource without ``id``, ``meta`` and the signature itself, in JSON's canonical form
(RFC 8785). A signature that cannot be read or whose own value is damaged is refused. One that is whole but covers other
bytes is kept and said to be unverified: the published CDex example 2 is such, and so is a document that a gateway
re-serialized; whoever reviews must not rely on it.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from precert.cdex import urls
from precert.fhir import json
from precert.fhir.outcome import FhirError, bad_request
from precert.fhir.types import Element, Resource, elements, text

_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_JOSE = ("application/jose", "application/jose+json")


@dataclass(frozen=True, slots=True)
class Checked:
    """One signature that could be read. ``verified`` says whether it covers the resource as it arrived."""

    path: str
    verified: bool
    signer: str


def check_signatures(resource: Resource, path: str) -> list[Checked]:
    """Check every signature of a Bundle or QuestionnaireResponse. Raises FhirError(400) for a damaged one."""
    return [_check(signature, signed, where) for signature, signed, where in _signatures(resource, path)]


def _signatures(resource: Resource, path: str) -> Iterator[tuple[Element, Resource, str]]:
    plain = {key: value for key, value in resource.items() if key not in ("id", "meta", "signature")}
    if resource.get("resourceType") == "Bundle" and "signature" in resource:
        signature = resource["signature"]
        if not isinstance(signature, dict):
            _refuse("Bundle.signature is not a Signature.", f"{path}.signature")
        yield signature, plain, f"{path}.signature"
    listed = elements(resource.get("extension"))
    rest = [e for e in listed if e.get("url") != urls.SIGNATURE]
    for index, extension in enumerate(listed):
        if extension.get("url") == urls.SIGNATURE:
            where = f"{path}.extension[{index}].valueSignature"
            signature = extension.get("valueSignature")
            if not isinstance(signature, dict):
                _refuse("The signature extension holds no valueSignature.", where)
            signed = {key: value for key, value in plain.items() if key != "extension"}
            yield signature, signed | ({"extension": rest} if rest else {}), where


def _refuse(text_: str, path: str) -> NoReturn:
    raise bad_request(f"{text_} Sign the content again, or send it without a signature.", path, rule="signature")


def _check(signature: Element, signed: Resource, path: str) -> Checked:
    data = text(signature.get("data"))
    if data is None:
        _refuse("The signature has no data.", path)
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        _refuse("The signature's data is not base64.", f"{path}.data")
    if signature.get("sigFormat") not in _JOSE:
        return Checked(path, False, _who(signature))  # an image of a signature: nothing to verify
    header, payload, value = _parts(raw, path)
    key, algorithm, digest = _key(header, path)
    content = _encoded(_canonical(signed))
    covered = raw.strip().split(b".")[0] + b"." + (payload or content)
    whole = _verify(key, algorithm, digest, value, covered, path)
    return Checked(path, whole and payload in (b"", content), _who(signature))


def _who(signature: Element) -> str:
    who = signature.get("who")
    return (text(who.get("display")) or "") if isinstance(who, dict) else ""


def _parts(raw: bytes, path: str) -> tuple[Element, bytes, bytes]:
    pieces = raw.strip().split(b".")
    if len(pieces) != 3:
        _refuse("The signature is not a JWS in compact form (three parts).", f"{path}.data")
    try:
        header = json.loads(_decoded(pieces[0]))
        value = _decoded(pieces[2])
    except (binascii.Error, ValueError, FhirError):
        _refuse("The parts of the JWS cannot be read.", f"{path}.data")
    if not isinstance(header, dict) or not value:
        _refuse("The JWS has no header or no signature value.", f"{path}.data")
    return header, pieces[1], value


def _decoded(piece: bytes) -> bytes:
    return base64.b64decode(piece + b"=" * (-len(piece) % 4), altchars=b"-_", validate=True)


def _encoded(content: bytes) -> bytes:
    return base64.urlsafe_b64encode(content).rstrip(b"=")


def _canonical(value: Resource) -> bytes:
    """RFC 8785 for what FHIR JSON holds: members sorted, no white space, numbers as written."""
    return json.dumps(_sorted(value))


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(member) for member in value] if isinstance(value, list) else value


def _key(header: Element, path: str) -> tuple[rsa.RSAPublicKey | ec.EllipticCurvePublicKey, str, hashes.HashAlgorithm]:
    algorithm = text(header.get("alg")) or ""
    digest = _HASHES.get(algorithm[2:])
    chain = header.get("x5c")
    certificate = chain[0] if isinstance(chain, list) and chain else None
    if digest is None or algorithm[:2] not in ("RS", "ES") or not isinstance(certificate, str):
        _refuse("The JWS header needs alg (RS or ES with 256, 384 or 512) and x5c, the certificate.", f"{path}.data")
    try:
        key = x509.load_der_x509_certificate(base64.b64decode(certificate, validate=True)).public_key()
    except (binascii.Error, ValueError, TypeError):
        _refuse("The certificate in the JWS header cannot be read.", f"{path}.data")
    wanted = rsa.RSAPublicKey if algorithm.startswith("RS") else ec.EllipticCurvePublicKey
    if not isinstance(key, wanted):
        _refuse(f"The certificate's key does not fit the algorithm {algorithm}.", f"{path}.data")
    assert isinstance(key, rsa.RSAPublicKey | ec.EllipticCurvePublicKey)
    return key, algorithm, digest


def _verify(
    key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey,
    algorithm: str,
    digest: hashes.HashAlgorithm,
    value: bytes,
    covered: bytes,
    path: str,
) -> bool:
    hashed = hashes.Hash(digest)
    hashed.update(covered)
    if isinstance(key, rsa.RSAPublicKey):
        try:
            # RSA gives back what was signed, so that a damaged value can be told from other content
            return key.recover_data_from_signature(value, padding.PKCS1v15(), digest) == hashed.finalize()
        except (InvalidSignature, ValueError):
            _refuse("The signature value is damaged.", f"{path}.data")
    half = len(value) // 2
    numbers = int.from_bytes(value[:half], "big"), int.from_bytes(value[half:], "big")
    try:
        key.verify(encode_dss_signature(*numbers), covered, ec.ECDSA(digest))
    except InvalidSignature:
        _refuse(f"The {algorithm} signature does not fit the content.", f"{path}.data")
    return True
