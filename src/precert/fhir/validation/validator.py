"""The front door: ``Validator.load().validate(resource)``."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from precert.fhir.validation.findings import Finding
from precert.fhir.validation.run import Run
from precert.fhir.validation.schemas import Schemas
from precert.fhir.validation.tables import CONTEXTS, Library, data_dir
from precert.fhir.versions import CURRENT

DEFAULT_CONTEXT = CURRENT.tables("pas")


class Validator:
    """Checks resources against the compiled profiles. Reads tables as they are needed; safe to share between threads."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._schemas: dict[str, Schemas] = {}
        self._lock = threading.Lock()

    @classmethod
    def load(cls, folder: Path | None = None) -> Validator:
        """A validator over the tables in ``folder`` (default: those that come with precert)."""
        return cls(Library(folder or data_dir("profiles")))

    @property
    def contexts(self) -> tuple[str, ...]:
        """The package sets there are, for ``validate(context=…)``."""
        return tuple(CONTEXTS)

    def schemas(self, context: str) -> Schemas:
        """The profiles of a package set. Raises TablesError for an unknown ``context``."""
        found = self._schemas.get(context)
        if found is None:
            with self._lock:
                found = self._schemas.setdefault(context, Schemas(self._library.scope(context)))
        return found

    def validate(
        self, resource: dict[str, Any], *, profiles: Sequence[str] = (), context: str = DEFAULT_CONTEXT
    ) -> list[Finding]:
        """Everything that is wrong with ``resource``, in one pass.

        It is held against ``profiles``, the profiles it declares in ``meta.profile``, those that its place (bundle
        entry, parameter) and references to it demand, and always against base R4. Findings are in document order per
        resource; the resource is not changed.
        """
        return Run(self.schemas(context), resource).validate(profiles)
