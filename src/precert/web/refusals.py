"""What the store refuses, as answers of FHIR operations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from precert.fhir.outcome import FhirError, Issue
from precert.store.port import Busy, StorageFull
from precert.web.http import busy


@contextmanager
def store_refusals() -> Iterator[None]:
    """For the ``with`` around a use case. Busy is 503 and StorageFull 507: nothing was stored, and when to send again.

    What was acknowledged before stays readable either way.
    """
    try:
        yield
    except Busy as full:
        raise busy(full.retry_after, "The server is working at its limit.") from full
    except StorageFull as full:
        text = "The server's storage is full. Nothing was stored; the operator has been told. Send the request again later."
        raise FhirError(507, Issue("error", "no-store", text, rule="storage-full"), {"Retry-After": "60"}) from full
