"""What a policy file that cannot be used was about: as much as can be read of it for certain, else every service."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any, Literal, get_args

from precert.fhir.coding import CodePattern
from precert.fhir.systems import VALUE_SET
from precert.policy.codecheck import format_problem
from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy
from precert.policy.lint_rules import written_codes
from precert.policy.load import Problem
from precert.policy.model import Role, Status
from precert.policy.withheld import Span, Withheld, expanded

_SILENT = frozenset(get_args(Status)) - {"active"}
"""What a file may say of itself so that nobody is decided by it."""


def read_withheld(content: Any, problems: Iterable[Problem], value_sets: ValueSets, why: str) -> Withheld | None:
    """The scope of a file that cannot be used, from the plain values that could be read of it (``None``: nothing).

    ``None`` when the file says for certain that it is not in force (draft, in-review, approved, retired). A part in which
    something is wrong counts as not read, and what is not read restricts nothing.
    """
    if not isinstance(content, Mapping):
        return Withheld(why)
    wrong = tuple(problem.key for problem in problems)
    sound = {key: value for key, value in content.items() if not _touched(key, wrong)}
    if sound.get("status") in _SILENT:
        return None
    applies = content.get("applies")
    services = None
    if isinstance(applies, Mapping) and not _touched("applies.services", wrong) and "applies" not in wrong:
        services = _services(applies.get("services"), value_sets)
    start, end = _days(sound.get("effective"))
    policy = sound.get("policy")
    return Withheld(why, services, policy if isinstance(policy, str) else None, start, end, _by(sound.get("role")))


def _touched(key: str, wrong: tuple[str, ...]) -> bool:
    return any(one == key or one.startswith((f"{key}.", f"{key}[")) for one in wrong)


def _services(written: Any, value_sets: ValueSets) -> tuple[str, ...] | None:
    """The patterns if every one of them is beyond doubt, with value sets expanded; else ``None``: every service."""
    if not isinstance(written, list) or not written:
        return None
    for pattern in written:
        if not isinstance(pattern, str):
            return None
        try:
            if format_problem(pattern) is not None:
                return None
        except ValueError:
            return None
    return expanded(written, value_sets)


def _days(written: Any) -> Span:
    effective = written if isinstance(written, Mapping) else {}
    start, end = _day(effective.get("start")), _day(effective.get("end"))
    return start or date.min, end or date.max


def _day(written: Any) -> date | None:
    try:
        return date.fromisoformat(written) if isinstance(written, str) else None
    except ValueError:
        return None


def _by(role: Any) -> Literal["receipt", "service", "either"]:
    if role not in get_args(Role):
        return "either"
    return "service" if role == "benefit" else "receipt"


def value_sets_of(policy: CompiledPolicy) -> frozenset[str]:
    """The names of the value sets that the policy uses."""
    patterns = (CodePattern.parse(written) for _, written in written_codes(policy))
    return frozenset(pattern.code for pattern in patterns if pattern.system == VALUE_SET)


def name_of_set(content: Any) -> str | None:
    """The name in a value-set file that cannot be used, if that much can be read of it."""
    name = content.get("value_set") if isinstance(content, Mapping) else None
    return name if isinstance(name, str) else None
