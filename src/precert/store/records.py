"""How the port's values look as documents: keys, times, search tokens, sealed bodies. Pure functions."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from precert.store.port import Corrupt, Document, Put

# Times are counted from the year 1, so that they are never negative and sort as zero-padded text.
_ORIGIN = datetime(1, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_SMALL = 1 << 14


def micros(at: datetime) -> int:
    """An aware datetime as microseconds. Raises ValueError for a naive one: nobody knows what time it means."""
    if at.tzinfo is None:
        raise ValueError(f"{at.isoformat()} has no time zone")
    return (at - _ORIGIN) // _MICROSECOND


def moment(count: int) -> datetime:
    """The inverse of :func:`micros`, in UTC."""
    return _ORIGIN + timedelta(microseconds=count)


def ordinal(number: int) -> str:
    """A number as text that sorts like the number. Raises OverflowError if it is negative or too long."""
    if not 0 <= number < 10**18:
        raise OverflowError(number)
    return f"{number:018d}"


def scope(tenant: str, type: str) -> str:
    """The name of all resources of one type of one tenant. Raises ValueError if a part would be ambiguous."""
    if not tenant or "/" in tenant:
        raise ValueError(f"{tenant!r} cannot be a tenant: it must be non-empty and without '/'")
    if not type or "/" in type or "?" in type:
        raise ValueError(f"{type!r} cannot be a type: it must be non-empty and without '/' and '?'")
    return f"{tenant}/{type}"


def key_of(tenant: str, type: str, id: str) -> str:
    """The ``_id`` of a resource's row. Raises ValueError if a part would make it ambiguous."""
    if not id or "/" in id:
        raise ValueError(f"{id!r} cannot be an id: it must be non-empty and without '/'")
    return f"{scope(tenant, type)}/{id}"


def version_key(key: str, version: int) -> str:
    """The ``_id`` of one version."""
    return f"{key}/{version}"


def token(within: str, name: str, value: str) -> str:
    """One search token. It carries tenant and type, so that an index entry can never be another tenant's."""
    if not name or "=" in name:
        raise ValueError(f"{name!r} cannot be a search parameter's name: it must be non-empty and without '='")
    return f"{within}?{name}={value}"


def tokens(within: str, params: Mapping[str, Sequence[str]]) -> list[str]:
    """All tokens of a row; the first, ``within`` itself, finds it in a search without conditions."""
    for name, values in params.items():
        if isinstance(values, str):
            raise ValueError(f"the values of {name!r} must be a list of strings, not one string")
    return [within, *sorted({token(within, name, value) for name, values in params.items() for value in values})]


def params_of(within: str, stored: Iterable[str]) -> dict[str, list[str]]:
    """The inverse of :func:`tokens`."""
    params: dict[str, list[str]] = {}
    for text in stored:
        if text != within:
            name, _, value = text.removeprefix(f"{within}?").partition("=")
            params.setdefault(name, []).append(value)
    return params


def row_order(updated: int, key: str) -> str:
    """The text by which rows are sorted: last update, then id."""
    return f"{ordinal(updated)}/{key.rpartition('/')[2]}"


def row(tenant: str, put: Put, version: int, updated: int) -> dict[str, Any]:
    """The document that stands for a resource's current version: what a search can see, and no body."""
    within = scope(tenant, put.type)
    key = key_of(tenant, put.type, put.id)
    return {
        "_id": key,
        "tenant": tenant,
        "type": put.type,
        "id": put.id,
        "version": version,
        "updated": updated,
        "order": row_order(updated, key),
        "tokens": tokens(within, put.params),
    }


def version(key: str, number: int, body: bytes, updated: int) -> dict[str, Any]:
    """The document that holds one version's body."""
    name = version_key(key, number)
    return {
        "_id": name,
        "updated": updated,
        **sealed(_version_label(name, updated), body),
    }


def document(stored: Mapping[str, Any]) -> Document:
    """A version's document as the port's value. Raises Corrupt if the body is not what was written."""
    body = unsealed(_version_label(stored["_id"], stored["updated"]), stored)
    # From the name, because the name is part of what is sealed.
    _, type, id, number = stored["_id"].split("/")
    return Document(type, id, int(number), moment(stored["updated"]), body)


def sealed(label: str, body: bytes) -> dict[str, Any]:
    """``body`` compressed, and its SHA-256. The label is hashed with it: a body under another name does not verify."""
    return {"body": _packed(body), "sha256": _seal(label, body)}


def _packed(body: bytes) -> bytes:
    """Level 1: FHIR JSON shrinks tenfold or more already, and higher levels would cost the writer's time. What fits is packed
    with small tables: getting the usual quarter of a megabyte ready takes four times as long as packing 8 KB."""
    window, memory = (14, 6) if len(body) <= _SMALL else (zlib.MAX_WBITS, zlib.DEF_MEM_LEVEL)
    packer = zlib.compressobj(1, zlib.DEFLATED, window, memory)
    return packer.compress(body) + packer.flush()


def unsealed(label: str, stored: Mapping[str, Any]) -> bytes:
    """The body sealed under ``label``, byte for byte. Raises Corrupt."""
    try:
        body = zlib.decompress(stored["body"])
    except (zlib.error, KeyError, TypeError) as error:
        raise Corrupt(f"{label}: the stored body cannot be decompressed ({error})") from error
    if _seal(label, body) != stored["sha256"]:
        raise Corrupt(f"{label}: the stored body does not match its SHA-256")
    return body


def _version_label(name: str, updated: int) -> str:
    return f"{name} of {ordinal(updated)}"


def _seal(label: str, body: bytes) -> str:
    digest = hashlib.sha256(label.encode() + b"\n")
    digest.update(body)
    return digest.hexdigest()
