"""Compiled tables, loaded when somebody asks for them, and the package sets that belong together."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path

import msgspec

from precert.fhir.validation.compile import SUFFIX
from precert.fhir.validation.model import (
    FORMAT,
    Constraint,
    PackageTable,
    ProfileTable,
    TypeRow,
    ValueSetTable,
    package_decoder,
    profile_decoder,
    value_set_decoder,
)
from precert.fhir.versions import CDEX_PACKAGE, CDEX_TABLES, STU_2_0, STU_2_2, Guide, IgVersion

CORE = "hl7.fhir.r4.core-4.0.1"
BASE = "http://hl7.org/fhir/StructureDefinition/"

_BACKPORT = "hl7.fhir.uv.subscriptions-backport.r4-1.1.0"
_EXTENSIONS = "hl7.fhir.uv.extensions.r4-5.2.0"
_NEW = (
    "hl7.fhir.us.davinci-hrex-1.2.0",
    CDEX_PACKAGE,
    "hl7.fhir.uv.sdc-4.0.0",
    "hl7.fhir.us.core-7.0.0",
    "hl7.fhir.us.core-6.1.0",
    "hl7.fhir.us.core-3.1.1",
    _BACKPORT,
    _EXTENSIONS,
    CORE,
)
# The 2.0.1 guides name HRex 1.0.0, which is not among the published packages at hand; 1.2.0 stands in for it. They
# build on the extensions pack 1.0.0, where some extensions have other types than in 5.2.0: only those of R4 itself are
# held against their definitions, others pass as unknown.
_OLD = (
    "hl7.fhir.us.core-3.1.1",
    "hl7.fhir.uv.sdc-3.0.0",
    "hl7.fhir.us.davinci-hrex-1.2.0",
    CDEX_PACKAGE,
    "hl7.fhir.us.core-6.1.0",
    "hl7.fhir.us.core-7.0.0",
    _BACKPORT,
    CORE,
)


def _guides(version: IgVersion, *guides: Guide) -> tuple[str, ...]:
    return tuple(version.package(guide) for guide in guides)


CONTEXTS: Mapping[str, tuple[str, ...]] = {
    STU_2_2.tables("pas"): (*_guides(STU_2_2, "pas", "crd", "dtr"), *_NEW),
    STU_2_2.tables("crd"): (*_guides(STU_2_2, "crd", "dtr", "pas"), *_NEW),
    STU_2_2.tables("dtr"): (*_guides(STU_2_2, "dtr", "crd", "pas"), *_NEW),
    CDEX_TABLES: (CDEX_PACKAGE, *_guides(STU_2_2, "pas", "crd", "dtr"), *_NEW),
    STU_2_0.tables("pas"): (*_guides(STU_2_0, "pas", "crd", "dtr"), *_OLD),
    STU_2_0.tables("crd"): (*_guides(STU_2_0, "crd", "dtr", "pas"), *_OLD),
    STU_2_0.tables("dtr"): (*_guides(STU_2_0, "dtr", "crd", "pas"), *_OLD),
    "r4": (CORE,),
}
"""Package sets, by the guide a document follows. The first package that knows an unversioned canonical answers it."""


class TablesError(RuntimeError):
    """The tables are missing or unreadable."""


def data_dir(name: str) -> Path:
    """Where the installed wheel, or else the checkout, keeps the data folder ``name`` (``profiles``, ``examples``)."""
    package = Path(__file__).resolve().parents[2]
    for folder in (package / "_data" / name, package.parents[1] / name):
        if folder.is_dir():
            return folder
    raise TablesError(f"neither {package / '_data' / name} nor {package.parents[1] / name} exists; reinstall precert")


class LoadedPackage:
    """One package table in memory; its profiles are decoded one by one."""

    def __init__(self, table: PackageTable) -> None:
        self.name = f"{table.package}-{table.version}"
        self.version = table.version
        self.resource_types = frozenset(table.resource_types)
        self.code_systems = table.code_systems
        self._table = table
        self._profiles: dict[str, ProfileTable] = {}

    @property
    def urls(self) -> Mapping[str, str]:
        """Profile URL to the type it constrains."""
        return self._table.index

    def profile(self, url: str) -> ProfileTable | None:
        found = self._profiles.get(url)
        if found is None:
            raw = self._table.profiles.get(url)
            if raw is None:
                return None
            found = self._profiles.setdefault(url, profile_decoder.decode(raw))
        return found

    def types(self, index: int) -> tuple[TypeRow, ...]:
        return self._table.types[index] if index >= 0 else ()

    def constraint(self, index: int) -> Constraint:
        return self._table.constraints[index]

    def value_set(self, url: str) -> ValueSetTable | None:
        raw = self._table.value_sets.get(url)
        return None if raw is None else value_set_decoder.decode(raw)


class Library:
    """All tables of one folder. Nothing is read before it is needed; safe to share between threads."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._loaded: dict[str, LoadedPackage] = {}
        self._lock = threading.Lock()

    @cached_property
    def names(self) -> frozenset[str]:
        """Every ``package-version`` in the folder."""
        return frozenset(file.name.removesuffix(SUFFIX) for file in self.folder.glob("*" + SUFFIX))

    def package(self, name: str) -> LoadedPackage:
        """The package ``name-version``. Raises TablesError if the table is missing or of another format."""
        found = self._loaded.get(name)
        if found is None:
            with self._lock:
                found = self._loaded.get(name)
                if found is None:
                    found = self._loaded[name] = self._load(name)
        return found

    def _load(self, name: str) -> LoadedPackage:
        file = self.folder / (name + SUFFIX)
        try:
            table = package_decoder.decode(gzip.decompress(file.read_bytes()))
        except (OSError, EOFError, msgspec.DecodeError) as error:
            raise TablesError(f"{file}: {error}. Run `precert profile compile` again.") from error
        if table.format != FORMAT:
            raise TablesError(f"{file} has format {table.format}, this version reads {FORMAT}; compile it again.")
        return LoadedPackage(table)

    def scope(self, context: str) -> Scope:
        """The package set ``context`` (see :data:`CONTEXTS`), then the packages that somebody added to the folder.

        Raises TablesError for an unknown name.
        """
        if context not in CONTEXTS:
            raise TablesError(f"no context {context!r}; there are {', '.join(sorted(CONTEXTS))}")
        added = self.names.difference(*CONTEXTS.values())
        return Scope(self, (*CONTEXTS[context], *sorted(added)))


class Scope:
    """Looks canonicals up in a set of packages, in their order."""

    def __init__(self, library: Library, names: tuple[str, ...]) -> None:
        self._library = library
        self._names = names

    @property
    def core(self) -> LoadedPackage:
        return self._library.package(CORE)

    def packages(self) -> Iterator[LoadedPackage]:
        for name in self._names:
            yield self._library.package(name)

    def profile(self, canonical: str) -> tuple[LoadedPackage, ProfileTable] | None:
        """The profile, by ``url`` or ``url|version``; another version is taken if the wanted one is not there."""
        url, _, version = canonical.partition("|")
        first: tuple[LoadedPackage, ProfileTable] | None = None
        if url.startswith(BASE) and "/" not in url[len(BASE) :] and url in self.core.urls and version in ("", "4.0.1"):
            kind = self.core.urls[url]
            if url == BASE + kind:  # a base type, wherever else the same address may be found
                table = self.core.profile(url)
                return (self.core, table) if table else None
        for package in self.packages():
            table = package.profile(url)
            if table is None:
                continue
            if not version or version in (table.version, package.version):
                return package, table
            first = first or (package, table)
        return first

    @cached_property
    def _code_systems(self) -> frozenset[str]:
        return frozenset(system for package in self.packages() for system in package.code_systems)

    def has_code_system(self, system: str) -> bool:
        """Whether FHIR R4 or a guide of the set has the code system ``system`` of FHIR's own namespace.

        The code systems of the extensions pack belong to every set: all guides build on some version of it.
        """
        if system in self._code_systems:
            return True
        library = self._library
        return _EXTENSIONS in library.names and system in library.package(_EXTENSIONS).code_systems

    def value_set(self, url: str, home: LoadedPackage) -> ValueSetTable | None:
        """The value set as its own package compiled it (the first in order), else as ``home`` did."""
        url = url.partition("|")[0]
        fallback = home.value_set(url)
        if fallback is not None and fallback.own:
            return fallback
        for package in self.packages():
            found = package.value_set(url)
            if found is not None:
                if found.own:
                    return found
                fallback = fallback or found
        return fallback
