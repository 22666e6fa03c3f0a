"""Is what is installed what this store was proven with? Asked before mongita is imported and again at start-up."""

from __future__ import annotations

import sqlite3
from importlib import metadata

import structlog

from precert.store.port import StoreError

MONGITA = "1.2.0"
SAFE_SQLITE = (3, 51, 3)

# Everything of mongita's that precert.store.mongo overrides or leans on, by the name Python gives it inside.
_COLLECTION_PRIVATES = (
    "_Collection__create",
    "_Collection__find",
    "_Collection__find_ids",
    "_Collection__find_one",
    "_Collection__find_one_id",
    "_Collection__get_metadata",
    "_Collection__insert_one",
    "_Collection__update_doc",
    "_Collection__update_indicies",
    "_Collection__update_indicies_deletes",
)
_log = structlog.get_logger(__name__)


class UnsafeInstallation(StoreError):
    """The installed packages are not those the store was proven with; the message says how to mend it."""


def check_packages() -> None:
    """Refuse a wrong mongita and the stand-alone ``bson`` package. Imports neither.

    Raises UnsafeInstallation. Must run before mongita is imported: the ``bson`` distribution overwrites pymongo's
    module of the same name, pip sees no conflict, and the import then dies with a message that helps nobody.
    """
    if _version("bson") is not None:
        raise UnsafeInstallation(
            "the stand-alone 'bson' package is installed and has overwritten the bson module of pymongo, which mongita"
            " needs; run: pip uninstall -y bson && pip install --force-reinstall pymongo"
        )
    found = _version("mongita")
    if found != MONGITA:
        raise UnsafeInstallation(
            f"mongita {found or '(none)'} is installed, but the store overrides private parts of mongita {MONGITA};"
            f" run: pip install mongita=={MONGITA}"
        )


def check_privates(collection: type, database: type, client: type) -> None:
    """Every private name the store overrides exists on mongita's own classes. Raises UnsafeInstallation."""
    wanted = [(collection, name) for name in _COLLECTION_PRIVATES]
    wanted += [(database, "_Database__create"), (client, "_MongitaClient__create")]
    missing = [f"{owner.__name__}.{name}" for owner, name in wanted if name not in vars(owner)]
    if missing:
        raise UnsafeInstallation(
            f"mongita {MONGITA} lacks {', '.join(missing)}: the installed copy was changed; reinstall it"
        )


def warn_about_sqlite(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> bool:
    """Log a warning and return True if SQLite has the WAL-reset bug.

    The bug needs two connections that write or checkpoint at once. The store has one, so this is a caution against
    opening the file with other tools meanwhile, not a refusal.
    """
    if version >= SAFE_SQLITE:
        return False
    _log.warning(
        "sqlite_old",
        version=".".join(map(str, version)),
        safe_from=".".join(map(str, SAFE_SQLITE)),
        advice="never write to the data directory with another program while precert runs",
    )
    return True


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
