"""Two clinical policies that would both govern the same line with the same rank: two truths."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import date
from itertools import combinations

from precert.fhir.coding import Code, CodePattern
from precert.policy.codeset import normal
from precert.policy.compiled import CompiledPolicy
from precert.policy.precedence import basis_rank


def _patterns(policy: CompiledPolicy) -> list[CodePattern]:
    return [_normal(CodePattern.parse(written)) for written in policy.model.applies.services]


def _normal(pattern: CodePattern) -> CodePattern:
    code = normal(Code(pattern.system, pattern.code))
    return CodePattern(code.system, code.code, pattern.prefix)


def _common_service(one: CompiledPolicy, other: CompiledPolicy) -> str | None:
    """A service that both name in the same way (exactly, or by a range), or ``None``."""
    if one.model.applies.any_service or other.model.applies.any_service:
        both = one.model.applies.any_service and other.model.applies.any_service
        return "any service" if both else None
    for a in _patterns(one):
        for b in _patterns(other):
            if a.system != b.system or a.prefix != b.prefix:
                continue
            if a.code == b.code or (a.prefix and (a.code.startswith(b.code) or b.code.startswith(a.code))):
                longer = max(a.code, b.code, key=len)
                return f"{longer}{'*' if a.prefix else ''}"
    return None


def _meet(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    return not one or not other or bool(set(one) & set(other))


def _dates_meet(one: CompiledPolicy, other: CompiledPolicy) -> bool:
    a, b = one.model.effective, other.model.effective
    return a.start <= (b.end or date.max) and b.start <= (a.end or date.max)


def _ages_meet(one: CompiledPolicy, other: CompiledPolicy) -> bool:
    a, b = one.model.applies.age, other.model.applies.age
    if a is None or b is None:
        return True
    highest = 10_000
    low_a, high_a = a.min or 0, highest if a.max is None else a.max
    low_b, high_b = b.min or 0, highest if b.max is None else b.max
    return low_a <= high_b and low_b <= high_a


def _specific(policy: CompiledPolicy) -> tuple[bool, ...]:
    applies = policy.model.applies
    return (
        bool(applies.plan),
        bool(applies.state),
        bool(applies.lob),
        bool(applies.diagnosis),
        applies.age is not None,
        bool(applies.place),
        bool(applies.network),
    )


def overlaps(policies: Iterable[CompiledPolicy]) -> Iterator[tuple[CompiledPolicy, CompiledPolicy, str]]:
    """Pairs of active clinical policies that tie on some line, each with a sentence that says on what.

    Versions of one policy are not compared: of those the latest to begin governs. Policies with a different basis or a
    different degree of detail are told apart by precedence.
    """
    active = [p for p in policies if p.model.role == "clinical" and p.model.status == "active"]
    for one, other in _neighbours(active):
        if one.id == other.id or _specific(one) != _specific(other) or basis_rank(one) != basis_rank(other):
            continue
        a, b = one.model.applies, other.model.applies
        lists = (
            (a.lob, b.lob),
            (a.state, b.state),
            (a.plan, b.plan),
            (a.request, b.request),
            (a.place, b.place),
            (a.diagnosis, b.diagnosis),
            (a.network, b.network),
        )
        if not (_dates_meet(one, other) and _ages_meet(one, other) and all(_meet(x, y) for x, y in lists)):
            continue
        service = _common_service(one, other)
        if service is not None:
            yield one, other, f"{one.id} and {other.id} both govern {service} for the same members at the same time"


def _neighbours(policies: list[CompiledPolicy]) -> Iterator[tuple[CompiledPolicy, CompiledPolicy]]:
    """The pairs that may have a service in common, in the order of the list: by a look-up, for there may be thousands."""
    sharing: dict[tuple[str, str, bool], list[int]] = {}
    for position, policy in enumerate(policies):
        if policy.model.applies.any_service:
            sharing.setdefault(("any", "", False), []).append(position)
            continue
        for pattern in _patterns(policy):
            key = (pattern.system, "" if pattern.prefix else pattern.code, pattern.prefix)
            sharing.setdefault(key, []).append(position)
    pairs = {pair for positions in sharing.values() for pair in combinations(sorted(set(positions)), 2)}
    return ((policies[first], policies[second]) for first, second in sorted(pairs))
