"""From a service code to whoever names it; the time of a look-up does not depend on how many there are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

from precert.fhir.coding import Code, CodePattern
from precert.fhir.systems import VALUE_SET
from precert.fhir.unlisted import UNLISTED
from precert.policy.codeset import ValueSets, normal

K = TypeVar("K")


class ServiceIndex(Generic[K]):
    """In: pairs of a key and the patterns it names (``None``: every service), and the expansions of value sets.

    Patterns are as a policy writes them: ``hcpcs|E0601``, ``hcpcs|E06*``, ``vs|name``.
    """

    def __init__(self, named: Iterable[tuple[K, Sequence[str] | None]], value_sets: ValueSets) -> None:
        self._exact: dict[Code, list[K]] = {}
        self._prefix: dict[Code, list[K]] = {}
        self._any: list[K] = []
        lengths: dict[str, set[int]] = {}
        for key, patterns in named:
            if patterns is None:
                self._add(self._any, key)
                continue
            for written in patterns:
                pattern = CodePattern.parse(written)
                members = value_sets.get(pattern.code, ()) if pattern.system == VALUE_SET else ()
                for member in (pattern, *map(CodePattern.parse, members)):
                    code = normal(Code(member.system, member.code))
                    table = self._prefix if member.prefix else self._exact
                    self._add(table.setdefault(code, []), key)
                    if member.prefix:
                        lengths.setdefault(code.system, set()).add(len(code.code))
        self._lengths = {system: tuple(sorted(found)) for system, found in lengths.items()}

    @staticmethod
    def _add(keys: list[K], key: K) -> None:
        if key not in keys[-1:]:
            keys.append(key)

    def names(self, code: Code) -> bool:
        """Whether any key names ``code`` (already :func:`normal`), by itself or by a prefix; an unlisted code names no
        service, so that only a key that lists the code itself means it."""
        if code in UNLISTED:
            return code in self._exact
        lengths = self._lengths.get(code.system, ())
        return code in self._exact or any(Code(code.system, code.code[:n]) in self._prefix for n in lengths)

    def candidates(self, codes: Sequence[Code]) -> list[K]:
        """The keys that name any of ``codes`` (already :func:`normal`) or every service, each once."""
        found: dict[K, None] = {}
        for code in codes:
            found.update(dict.fromkeys(self._exact.get(code, ())))
            for length in self._lengths.get(code.system, ()):
                found.update(dict.fromkeys(self._prefix.get(Code(code.system, code.code[:length]), ())))
        found.update(dict.fromkeys(self._any))
        return list(found)
