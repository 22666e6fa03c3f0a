"""Which of several policies governs: ranks for clinical policies and the order of exemptions.

Source: docs/policies.md ("which policy governs").
"""

from __future__ import annotations

from precert.fhir.coding import Code, CodePattern
from precert.fhir.types import text
from precert.policy.codeset import normal
from precert.policy.compiled import CompiledPolicy
from precert.policy.types import LineContext

Rank = tuple[int, ...]

_BASIS = {"statute": 0, "NCD": 0, "LCD": 1, "regulation": 2, "manual": 2, "internal": 3}
_FOREIGN_LCD = 4
_EXEMPTIONS = ("emergency", "state-ban", "gold-card", "continuity")


def exemption_rank(policy: CompiledPolicy) -> int:
    """Legal reasons first: emergency, state ban, gold card, continuity of care; then the plan's own."""
    reason = policy.model.auth.reason
    return _EXEMPTIONS.index(reason) if reason in _EXEMPTIONS else len(_EXEMPTIONS)


def basis_rank(policy: CompiledPolicy, state: str | None = None) -> int:
    """The best of the policy's bases; an LCD of another state than ``state`` ranks last."""
    ranks = []
    for basis in policy.model.basis:
        foreign = basis.type == "LCD" and basis.jurisdiction and state is not None and state not in basis.jurisdiction
        ranks.append(_FOREIGN_LCD if foreign else _BASIS[basis.type])
    return min(ranks)


def _code_rank(policy: CompiledPolicy, services: tuple[Code, ...]) -> int:
    """0 if the very code is named, 1 if a range, 2 if only "any"."""
    applies = policy.model.applies
    if applies.any_service:
        return 2
    patterns = map(CodePattern.parse, applies.services)
    exact = {normal(Code(pattern.system, pattern.code)) for pattern in patterns if not pattern.prefix}
    return 0 if exact.intersection(services) else 1


def clinical_rank(policy: CompiledPolicy, context: LineContext, services: tuple[Code, ...]) -> Rank:
    """Lower governs. In Medicare Advantage the basis comes first, elsewhere the more specific policy does.

    Basis: NCD, LCD of the member's jurisdiction, regulation or manual, internal. Then specificity: plan before state
    before line of business; code before range before any; diagnosis, age, place named before not named.
    """
    applies = policy.model.applies
    basis = basis_rank(policy, text(context.coverage.get("state")))
    specific = (
        not applies.plan,
        not applies.state,
        not applies.lob,
        _code_rank(policy, services),
        not applies.diagnosis,
        applies.age is None,
        not applies.place,
        not applies.network,
    )
    medicare = context.coverage.get("lob") == "medicare-advantage"
    order = (basis, *specific) if medicare else (*specific, basis)
    return tuple(map(int, order))
