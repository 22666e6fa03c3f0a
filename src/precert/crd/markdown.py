"""Text for cards: one line within the limit, and Markdown in which no data can act as markup (docs/crd.md; sandbox: raw HTML)."""

from __future__ import annotations

import re

SUMMARY_MOST = 139
"""Characters: the specification says fewer than 140."""

_MARKUP = re.compile(r"([\\`*_{}\[\]<>#|~!])")
_SPACE = re.compile(r"\s+")


def one_line(text: str, most: int = SUMMARY_MOST) -> str:
    """``text`` on one line, cut at a word with an ellipsis when it is too long."""
    flat = _SPACE.sub(" ", text).strip()
    if len(flat) <= most:
        return flat
    cut = flat[: most - 1]
    return f"{cut[: cut.rfind(' ')] if ' ' in cut[most // 2 :] else cut}…"


def safe(text: str) -> str:
    """``text`` as Markdown that shows it literally: markup characters escaped, HTML made harmless."""
    return _MARKUP.sub(r"\\\1", _SPACE.sub(" ", text).strip()).replace("\\<", "&lt;").replace("\\>", "&gt;")
