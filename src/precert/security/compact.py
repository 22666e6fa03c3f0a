"""What both kinds of JWT have in common before their signature can be checked."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any, TypeGuard

_MOST_CHARACTERS = 8 * 1024


def unverified(token: str) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """The header and claims as sent, only to find the signer's key; None if it is no signed JWT, or longer than 8 KiB."""
    parts = token.split(".")
    if len(token) > _MOST_CHARACTERS or len(parts) != 3:
        return None
    try:
        header, claims = (json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts[:2])
    except (ValueError, binascii.Error, RecursionError):
        return None
    return (header, claims) if isinstance(header, dict) and isinstance(claims, dict) else None


def is_time(value: Any) -> TypeGuard[int | float]:
    """Whether a claim can be a NumericDate (RFC 7519 section 2) that arithmetic is safe with."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e12
