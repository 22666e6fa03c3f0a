"""Names and licence numbers as people write them: whether two are the same, whether one can be one.

Which decision needs which is said in :mod:`.determination_rules`; docs/workbench.md ("Your decision").
"""

from __future__ import annotations

import re
import unicodedata

_LICENSE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ./-]{2,38}[A-Za-z0-9]")
_PART = re.compile(r"[^\W_]+")
_DOTTED = re.compile(r"\b(?:m\.d|d\.o|r\.n|n\.p|p\.a|ph\.d|d\.d\.s|d\.m\.d|d\.p\.m)\b\.?")
_TITLES = frozenset(
    [
        "dds",
        "dmd",
        "do",
        "doctor",
        "dpm",
        "dr",
        "fnp",
        "jr",
        "md",
        "mr",
        "mrs",
        "ms",
        "np",
        "nurse",
        "pa",
        "pac",
        "phd",
        "physician",
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


def names_somebody(written: str) -> bool:
    """Whether this can be somebody's name: a word of two letters at least that is no title."""
    return any(len(word) > 1 and sum(map(str.isalpha, word)) > 1 for word in _words(written) if word not in _TITLES)


def may_be_same(one: str, other: str) -> bool:
    """Whether two names may be one person's: the family name is the same, and no given name tells them apart.

    A given name that is left out, or is an initial, tells nobody apart.

    >>> may_be_same("Dr. N. Fuentes", "Nadia Fuentes, MD"), may_be_same("Nora Fuentes", "Nadia Fuentes")
    (True, False)
    """
    if plain_name(one) == plain_name(other):
        return True
    (families, given), (their_families, their_given) = _parted(one), _parted(other)
    if not families & their_families:
        return False
    if not given or not their_given or given == their_given:
        return True
    return 1 in (len(given), len(their_given)) and given[0] == their_given[0]


def _parted(written: str) -> tuple[frozenset[str], str]:
    """What may be the family name (of several words each one), and the first given name or initial."""
    before, _, after = written.partition(",")
    family, given = ([word for word in _words(part) if word not in _TITLES] for part in (before, after))
    if not given:  # "Nadia Fuentes", "Fuentes"
        family, given = (family[1:], family[:1]) if len(family) > 1 else (family, [])
    return frozenset(word for word in family if len(word) > 1), next(iter(given), "")


def _words(written: str) -> list[str]:
    """The words of a name, without case and accents; "M.D." is one word and "n.fuentes" are two."""
    letters = (c for c in unicodedata.normalize("NFKD", written.casefold()) if not unicodedata.combining(c))
    plain = _DOTTED.sub(lambda found: found[0].replace(".", ""), "".join(letters))
    return _PART.findall(plain.replace("'", "").replace("\u2019", ""))
