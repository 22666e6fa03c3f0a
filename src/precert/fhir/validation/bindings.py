"""Codes against required bindings."""

from __future__ import annotations

from typing import Any

from precert.fhir.coding import system_url
from precert.fhir.types import elements
from precert.fhir.validation.model import ValueSetTable

_ABSENT = "http://hl7.org/fhir/StructureDefinition/data-absent-reason"
_SHOWN = 8


class CodeSet:
    """One value set, ready to ask."""

    __slots__ = ("_codes", "_flat", "_systems", "_table", "inferred", "open", "url")

    def __init__(self, url: str, table: ValueSetTable) -> None:
        self.url = url
        self.inferred = table.inferred
        self.open = table.unknown
        self._table = table
        self._codes = {system: frozenset(codes) for system, codes in table.codes.items()}
        self._systems = frozenset(map(system_url, table.system_only))
        self._flat = frozenset().union(*self._codes.values()) if self._codes else frozenset()

    def has(self, system: object, code: object, *, borrowed: bool = True) -> bool:
        """The pair is in the set, or its system is one that is checked by system only.

        X12 borrows some lists from other owners; which, the address of an ``inferred`` set does not tell. With
        ``borrowed`` the codes of others pass there.
        """
        if not isinstance(system, str) or not isinstance(code, str):
            return False
        members = self._codes.get(system)
        if members is not None and code in members:
            return True
        canonical = system_url(system)
        if canonical in self._systems or code in self._codes.get(canonical, ()):
            return True
        return borrowed and self.inferred and not canonical.startswith("https://codesystem.x12.org/005010/")

    def has_code(self, code: object) -> bool:
        """A ``code`` has no system of its own: any system of the set may hold it."""
        return code in self._flat or bool(self._systems)

    def takes(self, value: Any, *, borrowed: bool = True) -> bool:
        """``value`` (code, Coding, CodeableConcept, Quantity) satisfies a required binding to this set."""
        if self.open:
            return True
        if isinstance(value, str):
            return self.has_code(value)
        if not isinstance(value, dict):
            return True  # a type fault, reported as such
        if "coding" in value:
            codings = value["coding"]
            return not isinstance(codings, list) or any(
                isinstance(c, dict) and self.has(c.get("system"), c.get("code"), borrowed=borrowed) for c in codings
            )
        if "code" in value:
            return self.has(value.get("system"), value["code"], borrowed=borrowed)
        return _explained(value)

    def advice(self, value: Any) -> str:
        """What to send instead of ``value``."""
        listed = sorted(self._flat)
        for coding in elements(value.get("coding", value)) if isinstance(value, dict) else ():
            code = coding.get("code")
            if isinstance(code, str) and code in self._flat:
                systems = " or ".join(s for s, members in self._codes.items() if code in members)
                return f"The code is right, its system is not: use {systems}."
        if listed:
            shown = ", ".join(listed[:_SHOWN]) + (" …" if len(listed) > _SHOWN else "")
            return f"Use one of: {shown}."
        systems = " or ".join(self._table.system_only[:_SHOWN])
        return f"Use a code with the system {systems} (only the system is checked, the code list is not public)."


def _explained(value: dict[str, Any]) -> bool:
    """No code, but a reason why: data-absent-reason on the element itself."""
    extensions = value.get("extension")
    return isinstance(extensions, list) and any(isinstance(e, dict) and e.get("url") == _ABSENT for e in extensions)
