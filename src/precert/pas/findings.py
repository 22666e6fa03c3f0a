"""Collecting what is wrong with a request, so that one answer names everything."""

from __future__ import annotations

from typing import NoReturn

from precert.fhir.outcome import FhirError, Issue


class Findings:
    """Faults (they refuse the request with 400) and warnings (they travel with the answer)."""

    def __init__(self) -> None:
        self.faults: list[Issue] = []
        self.warnings: list[Issue] = []

    def fault(self, code: str, rule: str, path: str, text: str) -> None:
        """Something without which the request cannot be processed."""
        self.faults.append(Issue("error", code, text, path, rule))

    def warn(self, code: str, rule: str, path: str, text: str) -> None:
        """Something odd that the request can do without."""
        self.warnings.append(Issue("warning", code, text, path, rule))

    def refuse(self) -> NoReturn:
        """Raise what was found as one 400."""
        raise FhirError(400, self.faults)

    def refuse_if_any(self) -> None:
        if self.faults:
            self.refuse()
