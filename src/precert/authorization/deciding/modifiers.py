"""Which modifiers a machine may decide with: an allowlist, ``modifiers.yaml``. What any other means for coverage nobody but a
person says: BP (bought, not rented), EY (no order), GL (an upgrade that is not needed), PA (wrong body part).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.resources import files

import yaml


@cache
def known_modifiers() -> frozenset[str]:
    """The modifiers of ``modifiers.yaml``."""
    listed = yaml.safe_load(files("precert.authorization.deciding").joinpath("modifiers.yaml").read_text("utf-8"))
    return frozenset(modifier for group in listed.values() for modifier in group)


def modifier_doubt(sent: Iterable[str], named: Iterable[str]) -> str | None:
    """Why a person looks at a service with the modifiers ``sent``, in a sentence that names those that are not known; ``None``
    if all are. ``named`` are those that the policies which decide name themselves."""
    known = known_modifiers().union(named)
    unknown = [modifier for modifier in sent if modifier not in known]
    if not unknown:
        return None
    several = "s" if len(unknown) > 1 else ""
    return f"The modifier{several} {', '.join(unknown)} may change whether or how much is covered; a person decides."
