"""How hard a sentence is to read: the Flesch-Kincaid grade, with a small syllable counter for English.

The counter is right for most words and off by one for some; the grade is a guide, not a measurement.
"""

from __future__ import annotations

import re

_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)?|\d+(?:[.,]\d+)?")
_SENTENCE = re.compile(r"[.!?]+(?:\s|$)|;\s")
_VOWELS = re.compile(r"[aeiouy]+")
_ACRONYM = re.compile(r"\b[A-Z][A-Z0-9]{1,7}\b")
_SPLIT = re.compile(r"i[aou]|[^aeiou]eo|ua[^r]|uou|ying|[^q]ui[dt]y|eing|oing")


def syllables(word: str) -> int:
    """The number of syllables of an English word; a number counts as one."""
    letters = word.lower().replace("'", "")
    if not letters.isalpha():
        return 1
    count = len(_VOWELS.findall(letters)) + len(_SPLIT.findall(letters))
    if letters.endswith("e") and not letters.endswith(("le", "ee", "ie")):
        count -= 1  # a silent e
    if letters.endswith(("tion", "sion", "tial", "cial", "cious", "tious")):
        count -= 1  # the i only softens
    if letters.endswith("ed") and not letters.endswith(("ted", "ded", "eed")):
        count -= 1
    if letters.endswith("es") and not letters.endswith(
        ("ses", "zes", "ces", "ges", "ches", "shes", "xes", "ees", "ies")
    ):
        count -= 1
    return max(count, 1)


def grade(text: str) -> float:
    """The Flesch-Kincaid grade of ``text``: the year of (American) school in which it is understood. 0 for nothing."""
    words = _WORD.findall(text)
    if not words:
        return 0.0
    sentences = max(len(_SENTENCE.findall(text)), 1)
    per_word = sum(map(syllables, words)) / len(words)
    return round(0.39 * len(words) / sentences + 11.8 * per_word - 15.59, 1)


def unexplained_acronyms(text: str) -> tuple[str, ...]:
    """Words in capitals that are neither explained in parentheses right after them nor an explanation themselves."""
    found: list[str] = []
    for match in _ACRONYM.finditer(text):
        before, after = text[: match.start()], text[match.end() :]
        inside = before.count("(") > before.count(")")
        if not inside and not after.lstrip().startswith("("):
            found.append(match[0])
    return tuple(dict.fromkeys(found))
