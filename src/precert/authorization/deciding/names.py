"""Names and licence numbers as people write them: whether two are the same, whether one can be one.

Which decision needs which is said in :mod:`.determination_rules`; docs/workbench.md ("Your decision").
"""

from __future__ import annotations

import re
import unicodedata

_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{2,38}[A-Za-z0-9]")
_PART = re.compile(r"[^\W_]+")
_TITLES = frozenset(
    [
        "dds",
        "dmd",
        "do",
        "dpm",
        "dr",
        "fnp",
        "jr",
        "md",
        "mr",
        "mrs",
        "ms",
        "np",
        "pa",
        "pac",
        "phd",
        "prof",
        "rn",
        "sr",
    ]
)


def is_license(written: str) -> bool:
    """Whether this can be a licence number. Whether it is one, and in force, only a registry can tell."""
    plain = [c for c in written if c.isalnum()]
    return _LICENSE.fullmatch(written) is not None and any(c.isdigit() for c in plain) and len(set(plain)) > 1


def plain_name(written: str) -> str:
    """A name or number for comparison: case, accents, order, titles and middle initials do not count.

    >>> plain_name("Dr. Nadia J. Fuentes") == plain_name("FUENTES, Nadia, M.D.")
    True
    """
    letters = (c for c in unicodedata.normalize("NFKD", written.casefold()) if not unicodedata.combining(c))
    words = _PART.findall("".join(letters).replace(".", "").replace("'", "").replace("\u2019", ""))
    names = [word for word in words if word not in _TITLES]
    long = [word for word in names if len(word) > 1]
    return " ".join(sorted(long if len(long) > 1 else names or words))
