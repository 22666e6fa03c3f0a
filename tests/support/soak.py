"""How long the tests go on that get better with time: a short form in `make test`, the long one in `make soak`."""

from __future__ import annotations

import os


def rounds(short: int, *, soak: int) -> int:
    """``soak`` rounds where PRECERT_SOAK is set (`make soak`), ``short`` ones everywhere else."""
    return soak if os.environ.get("PRECERT_SOAK") else short
