"""Whether two Patient resources can be the same person, by birth date, name and administrative gender.

What is missing on one side is unknown, which is neither agreement nor disagreement. Names are compared without regard to
case, accents, hyphens, blanks and the order of family and given name; nicknames are other names.
Source: FHIR R4 Patient and HumanName; ONC "Patient Identity and Patient Record Matching" (attributes of a match).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Collection
from enum import StrEnum
from typing import NamedTuple

from precert.fhir.dates import parse_date
from precert.fhir.types import Resource, as_list, elements, text

_UNDECOMPOSED = str.maketrans({"ø": "o", "đ": "d", "ð": "d", "ł": "l", "æ": "ae", "œ": "oe", "ı": "i", "þ": "th"})
_FULL = len("2026-11-20")
_GENDERS = ("male", "female")


class Likeness(StrEnum):
    """How one attribute of two people compares. ``PARTLY``: of a name, one part agrees and not both."""

    SAME = "same"
    PARTLY = "partly"
    DIFFERENT = "different"
    UNKNOWN = "unknown"


class _Name(NamedTuple):
    family: str
    first: str
    given: frozenset[str]
    words: frozenset[str]  # of HumanName.text, when the parts are not given


def birth_dates(known: Resource, sent: Resource) -> Likeness:
    """Full dates are the same or different; a year or a month can only disagree."""
    one, other = text(known.get("birthDate")), text(sent.get("birthDate"))
    if one is None or other is None or parse_date(one) is None:
        return Likeness.UNKNOWN
    if parse_date(other) is None:
        return Likeness.DIFFERENT
    said = min(len(one), len(other), _FULL)
    if one[:said] != other[:said]:
        return Likeness.DIFFERENT
    return Likeness.SAME if said == _FULL else Likeness.UNKNOWN


def genders(known: Resource, sent: Resource) -> Likeness:
    """Only ``male`` and ``female`` can be compared; ``other`` and ``unknown`` say nothing against anybody."""
    one, other = known.get("gender"), sent.get("gender")
    if one not in _GENDERS or other not in _GENDERS:
        return Likeness.UNKNOWN
    return Likeness.SAME if one == other else Likeness.DIFFERENT


def names(known: Resource, sent: Resource) -> Likeness:
    """The best that any name of one person and any of the other come to."""
    written = known.get("name")
    if written == sent.get("name") and any(text(n.get("family")) and n.get("given") for n in elements(written)):
        return Likeness.SAME  # nearly always: spelled as on file
    found = {_compared(one, other) for one in _names(known) for other in _names(sent)}
    order = (Likeness.SAME, Likeness.PARTLY, Likeness.DIFFERENT)
    return next((likeness for likeness in order if likeness in found), Likeness.UNKNOWN)


def given_names_differ(known: Resource, sent: Resource) -> bool:
    """Whether both give a given name and no two of them agree: somebody else of the family. An initial agrees with each
    name that begins so; a name in one line is searched for the other's."""
    told = [_given_agree(one, other) for one in _names(known) for other in _names(sent)]
    return False in told and True not in told


def _given_agree(one: _Name, other: _Name) -> bool | None:
    if one.words and other.words:
        return None
    if one.words or other.words:
        line, name = (one, other) if one.words else (other, one)
        rest = line.words - {name.family}
        return _begin_alike(rest, name.given) if rest and name.given else None
    if not one.given or not other.given:
        return None
    crossed = one.family in other.given and other.family in one.given
    return crossed or _begin_alike({one.first}, other.given) or _begin_alike({other.first}, one.given)


def _begin_alike(some: Collection[str], others: Collection[str]) -> bool:
    """Whether two of the names are the same, or one is the other's initial."""
    return any(a == b or (1 in (len(a), len(b)) and a[:1] == b[:1]) for a in some for b in others)


def contradict(known: Resource, sent: Resource) -> bool:
    """Whether name or gender speak against it that both are the same person."""
    different = Likeness.DIFFERENT
    return genders(known, sent) is different or names(known, sent) is different


def same_person(known: Resource, sent: Resource) -> bool:
    """Whether both are certainly the same: the full birth date agrees, else the whole name, and nothing speaks against."""
    born = birth_dates(known, sent)
    if born is Likeness.DIFFERENT or contradict(known, sent):
        return False
    return born is Likeness.SAME or names(known, sent) is Likeness.SAME


def _compared(one: _Name, other: _Name) -> Likeness:
    if one.words or other.words:
        return _by_words(one, other)
    if one.family in other.given and other.family in one.given:
        return Likeness.SAME  # family and given name the other way round
    parts = []
    if one.family and other.family:
        parts.append(one.family == other.family)
    if one.given and other.given:
        parts.append(one.first in other.given or other.first in one.given)
    if not parts:
        return Likeness.UNKNOWN
    if all(parts):
        return Likeness.SAME if len(parts) > 1 else Likeness.PARTLY
    return Likeness.PARTLY if any(parts) else Likeness.DIFFERENT


def _by_words(one: _Name, other: _Name) -> Likeness:
    """One of the names is written in one line, in whatever order."""
    shared = _words(one) & _words(other)
    if not shared:
        return Likeness.DIFFERENT
    whole = [name for name in (one, other) if not name.words]
    if not whole:
        return Likeness.SAME if len(shared) > 1 else Likeness.PARTLY
    return Likeness.SAME if all(n.family in shared and n.first in shared for n in whole) else Likeness.PARTLY


def _words(name: _Name) -> frozenset[str]:
    return name.words or frozenset({name.family, *name.given} - {""})


def _names(person: Resource) -> list[_Name]:
    found = []
    for name in elements(person.get("name")):
        family = plain(text(name.get("family")) or "")
        written = [part for part in as_list(name.get("given")) if isinstance(part, str)]
        words = [plain(word) for part in written for word in part.split()]
        given = frozenset(word for word in (*words, *map(plain, written)) if word)
        first = next((word for word in words if word), "")
        line: frozenset[str] = frozenset()
        if not family and not given:
            line = frozenset(plain(word) for word in (text(name.get("text")) or "").split()) - {""}
        if family or given or line:
            found.append(_Name(family, first, given, line))
    return found


def plain(name: str) -> str:
    """A name as it is compared: small letters and digits only, without accents."""
    folded = unicodedata.normalize("NFKD", name.casefold().translate(_UNDECOMPOSED))
    return "".join(letter for letter in folded if letter.isalnum())
