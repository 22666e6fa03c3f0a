"""The files of a policy folder as they lie there: which there are, and whether they are other ones than before."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

VALUE_SET_FOLDER = "value-sets"
_SUFFIXES = (".yaml", ".yml")
Stamp = tuple[int, int, int]
_UNREADABLE: Stamp = (-1, -1, -1)


@dataclass(frozen=True, slots=True)
class Listing:
    """``policies`` and ``value_sets`` with a stamp each that changes when the file does; ``trouble`` says in a sentence why
    the folder itself cannot be read (then there are no files)."""

    policies: dict[Path, Stamp]
    value_sets: dict[Path, Stamp]
    trouble: str | None = None


def listing(directory: Path) -> Listing:
    """What lies in ``directory``. Never raises. Names that begin with a dot are not files of the folder.

    A value-set folder that is not there is an empty one; one that cannot be read is trouble.
    """
    try:
        policies = _files(directory)
    except OSError as error:
        return Listing({}, {}, f"{directory} cannot be read: {error.strerror or error}")
    folder = directory / VALUE_SET_FOLDER
    try:
        value_sets = _files(folder)
    except FileNotFoundError:
        value_sets = {}
    except OSError as error:
        return Listing({}, {}, f"{folder} cannot be read: {error.strerror or error}")
    return Listing(policies, value_sets)


def _files(directory: Path) -> dict[Path, Stamp]:
    with os.scandir(directory) as entries:
        found = [e for e in entries if e.name.lower().endswith(_SUFFIXES) and not e.name.startswith(".")]
    return {Path(entry.path): _stamp(entry) for entry in sorted(found, key=lambda entry: entry.name)}


def _stamp(entry: os.DirEntry[str]) -> Stamp:
    """A link that leads nowhere and a file that may not be looked at are there all the same: reading them says why not."""
    try:
        status = entry.stat()
    except OSError:
        return _UNREADABLE
    return (status.st_mtime_ns, status.st_size, status.st_ino)
