"""What ``/readyz`` says, and what of it the operator reads in the log. Documented in docs/policies.md and docs/errors.md."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Any

import structlog

from precert.eligibility.directory import Directory
from precert.policy.library import PolicyLibrary
from precert.policy.load import PolicyFolderError
from precert.policy.withheld import Withheld

log = structlog.get_logger(__name__)


def refuse_problems(library: PolicyLibrary, today: date) -> None:
    """Raises PolicyFolderError when a policy cannot be used, or none is in force: ``--strict-policies``."""
    wrong = [str(problem) for problem in library.problems]
    if reason := library.not_ready(today):
        wrong.append(reason)
    if wrong:
        raise PolicyFolderError("\n".join([*dict.fromkeys(wrong), "Not started, because of --strict-policies."]))


def unknown_plans(library: PolicyLibrary, directory: Directory) -> list[str]:
    """A sentence for each active policy that names a plan which no member can have; it is silent about that plan."""
    return [
        f"{policy.id} {policy.version} names the plan {plan}, which the eligibility folder does not know"
        for policy in library.current
        if policy.model.status == "active"
        for plan in policy.model.applies.plan
        if plan not in directory.plans
    ]


def policy_status(library: PolicyLibrary, directory: Directory, today: date) -> dict[str, Any]:
    """The part of ``/readyz`` about rules. ``reasons`` is why the server is not ready; empty when it is."""
    reason = library.not_ready(today)
    return {
        "reasons": [reason] if reason else [],
        "policies": {
            "loaded": len(library.current),
            "problems": [str(problem) for problem in library.problems],
        },
        "withheld": [_shown(one) for one in library.current.withheld if one.end >= today],
        "warnings": unknown_plans(library, directory),
    }


def _shown(one: Withheld) -> dict[str, Any]:
    """``services`` is ``any`` or the patterns; ``from`` and ``to`` are the days for which the rules would have counted."""
    return {
        "policy": one.policy,
        "services": "any" if one.services is None else list(one.services),
        "from": None if one.start == date.min else one.start.isoformat(),
        "to": None if one.end == date.max else one.end.isoformat(),
        "why": one.why,
    }


class Told:
    """Remembers what was logged, so that every trouble is told once, and again when it comes back."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def tell(self, library: PolicyLibrary, directory: Directory, today: date) -> None:
        """Log what is new: no rules at all as an error, everything else as a warning."""
        reason = library.not_ready(today)
        problems = {str(problem) for problem in library.problems}
        warnings = set(unknown_plans(library, directory))
        for text in self._new([reason] if reason else []):
            log.error("not ready: a person decides about every service", why=text)
        for text in self._new(problems):
            log.warning("policy file refused", problem=text)
        for text in self._new(warnings):
            log.warning("policy for an unknown plan", problem=text)
        self._told = problems | warnings | ({reason} if reason else set())

    def _new(self, texts: Iterable[str]) -> list[str]:
        return sorted(set(texts) - self._told)
