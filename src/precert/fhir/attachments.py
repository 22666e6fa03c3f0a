"""Whether the data of an Attachment are what the Attachment says of them: its size and its hash.

Source: FHIR R4 Attachment (https://hl7.org/fhir/R4/datatypes.html#Attachment): ``size`` counts the bytes before they are
encoded, ``hash`` is their SHA-1 in base64.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Literal

from precert.fhir.types import Element, Resource, elements, text


def decoded(attachment: Element) -> bytes | None:
    """The bytes in ``data``; ``None`` when there is none, or it is not base64."""
    data = text(attachment.get("data"))
    if data is None:
        return None
    try:
        return base64.b64decode("".join(data.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def misstated(attachment: Element, document: bytes) -> Literal["size", "hash"] | None:
    """Which of the two says something else than is true of ``document``; ``None`` if neither does."""
    size, stated = attachment.get("size"), attachment.get("hash")
    if size is not None and (isinstance(size, bool) or size != len(document)):
        return "size"
    # FHIR R4 defines Attachment.hash as SHA-1
    actual = base64.b64encode(hashlib.sha1(document, usedforsecurity=False).digest()).decode()
    return "hash" if stated is not None and stated != actual else None


def damaged(resource: Resource) -> bool:
    """Whether a document or report carries an attachment whose size or hash is not that of its data."""
    inside = [attachment for one in elements(resource.get("content")) for attachment in elements(one.get("attachment"))]
    return any(map(_damaged, [*inside, *elements(resource.get("presentedForm"))]))


def _damaged(attachment: Element) -> bool:
    if text(attachment.get("data")) is None or (attachment.get("size") is None and attachment.get("hash") is None):
        return False
    document = decoded(attachment)
    return document is None or misstated(attachment, document) is not None
