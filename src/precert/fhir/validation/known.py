"""Known errors in published profiles: one list, ``known_errors.yaml``, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

import yaml


@dataclass(frozen=True, slots=True)
class KnownError:
    """A rule that the guide got wrong: report it as ``severity``, or not at all (``ignore``), for ``reason``."""

    rule: str
    severity: Literal["information", "ignore"]
    reason: str
    profiles: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    extension: str = ""


@cache
def known_errors() -> tuple[KnownError, ...]:
    """The whole list, read once."""
    text = resources.files(__package__).joinpath("known_errors.yaml").read_text("utf-8")
    listed = yaml.safe_load(text)["known"]
    return tuple(
        KnownError(
            rule=entry["rule"],
            severity=entry.get("severity", "information"),
            reason=" ".join(entry["reason"].split()),
            profiles=tuple(entry.get("profiles", ())),
            paths=tuple(entry.get("paths", ())),
            extension=entry.get("extension", ""),
        )
        for entry in listed
    )


def known_error(rule: str, profile: str) -> KnownError | None:
    """The entry for an invariant key in ``profile`` (``url|version``), if the list has one."""
    for known in known_errors():
        if known.rule == rule and (not known.profiles or profile.startswith(known.profiles)):
            return known
    return None


def known_context_error(extension: str, element: str) -> KnownError | None:
    """The entry for an extension whose published contexts forgot ``element``."""
    for known in known_errors():
        if known.rule == "extension-context" and extension == known.extension and element in known.paths:
            return known
    return None
