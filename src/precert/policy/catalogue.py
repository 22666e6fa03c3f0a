"""All policies at one moment, and the decision about a line.

The order (docs/policies.md, "which policy governs"): benefit exclusions; exemptions, legal ones first; exactly one
clinical policy; then limits, sites of care and networks, all of which apply. A catalogue never changes; a reload makes
a new one.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date

from precert.fhir.coding import Code
from precert.policy.codeset import ValueSets, normal
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate_scoped, governing_day
from precert.policy.evidence import EvidenceIndex
from precert.policy.precedence import clinical_rank, exemption_rank
from precert.policy.scope import Scope, request_type, scope, service_codes
from precert.policy.service_index import ServiceIndex
from precert.policy.severity import severity, strictness
from precert.policy.types import Decision, Evaluation, LineContext, Outcome
from precert.policy.withheld import Withheld, handed_over, held_back

_ALL_APPLY = ("limit", "site-of-care", "network")
NO_RULE = "no-rule"
"""Reason code of a decision where policies name the service, but none of them this kind of request."""
_YES = (Outcome.NOT_APPLICABLE, Outcome.NO_AUTH, Outcome.APPROVE)
_NO_POLICY = "No policy asks for authorization of this service."


class Catalogue:
    """An immutable snapshot of every version of every policy.

    In: compiled policies (several versions of one id are welcome), the value sets they were compiled with, and what could
    not be loaded (``withheld``): a person decides about the services of that. Raises ValueError when one version of a
    policy is there twice.
    """

    def __init__(
        self,
        policies: Iterable[CompiledPolicy] = (),
        value_sets: ValueSets | None = None,
        withheld: Iterable[Withheld] = (),
    ) -> None:
        versions: dict[str, list[CompiledPolicy]] = {}
        for policy in policies:
            others = versions.setdefault(policy.id, [])
            twin = next((other for other in others if other.version == policy.version), None)
            if twin is not None:
                files = f"{twin.file.source.file} and {policy.file.source.file}"
                raise ValueError(f"{policy.id} {policy.version} is there twice: {files}")
            bisect.insort(others, policy, key=_age)
        self._versions: Mapping[str, tuple[CompiledPolicy, ...]] = {i: tuple(v) for i, v in sorted(versions.items())}
        self.value_sets: ValueSets = dict(value_sets or {})
        named = ((p.id, None if p.model.applies.any_service else p.model.applies.services) for p in self)
        self._index = ServiceIndex(named, self.value_sets)
        self.withheld: tuple[Withheld, ...] = tuple(withheld)
        self._withheld_index = ServiceIndex(((n, w.services) for n, w in enumerate(self.withheld)), self.value_sets)

    def __len__(self) -> int:
        return sum(map(len, self._versions.values()))

    def __iter__(self) -> Iterator[CompiledPolicy]:
        """Every version of every policy, by id, oldest first."""
        return (policy for versions in self._versions.values() for policy in versions)

    def versions(self, policy: str) -> tuple[CompiledPolicy, ...]:
        """All versions of one policy, oldest first; empty if there is none."""
        return self._versions.get(policy, ())

    def get(self, policy: str, version: str | None = None) -> CompiledPolicy | None:
        """One version; without ``version`` the newest active one, else the newest of all. ``None`` if it is unknown."""
        versions = self.versions(policy)
        if version is not None:
            return next((p for p in versions if p.version == version), None)
        active = [p for p in versions if p.model.status == "active"]
        return next(iter(reversed(active or versions)), None)

    def current(self, policy: str, day: date) -> CompiledPolicy | None:
        """The version in effect on ``day``: active, begun, not ended; the latest to begin if there are several."""
        return next((p for p in reversed(self.versions(policy)) if p.in_effect(day)), None)

    def in_effect(self, day: date) -> tuple[CompiledPolicy, ...]:
        """The current version of every policy on ``day``, by id."""
        found = (self.current(policy, day) for policy in self._versions)
        return tuple(policy for policy in found if policy is not None)

    def decide(self, context: LineContext) -> Decision:
        """What the machine may say about the line, with everything that was considered. Never raises for evidence.

        Where rules about the service could not be loaded, a person decides (:mod:`precert.policy.withheld`).
        """
        services = service_codes(context.item)
        decision = _Deciding(self, context, services).decide()
        lacking = self.lacking(services, context)
        if decision.outcome is Outcome.NOT_APPLICABLE:
            lacking += self._lost(context)
        return handed_over(decision, lacking) if lacking else decision

    def _lost(self, context: LineContext) -> tuple[Withheld, ...]:
        """The policies by which the case was to be decided and of which no version is left for its day."""
        return tuple(
            Withheld(f"{policy} {version}, bound at receipt, is not in the catalogue any more", policy=policy)
            for policy, version in context.bound.items()
            if self.get(policy, version) is None and self.current(policy, context.received) is None
        )

    def lacking(self, services: Sequence[Code], context: LineContext) -> tuple[Withheld, ...]:
        """The rules about these services (normalized codes) that could not be loaded and would have counted."""
        found = (self.withheld[n] for n in self._withheld_index.candidates(services))
        return tuple(one for one in found if one.counts_for(context))

    def counted_with(self, services: Iterable[Code]) -> frozenset[Code] | None:
        """The services that a limit or a grant's maximum counts together with any of ``services``, those among them; ``None``
        for any service."""
        wanted = tuple(map(normal, services))
        found = set(wanted)
        for policy_id in self._index.candidates(wanted):
            for policy in self.versions(policy_id):
                if policy.model.role == "limit" or policy.counts_siblings:
                    listed = None if policy.model.applies.any_service else policy.services.listed
                    if listed is None:
                        return None
                    found |= listed
        return frozenset(found)

    def limited(self, services: Iterable[Code]) -> bool:
        """Whether a limit counts any of ``services``, be it with others."""
        candidates = self._index.candidates(tuple(map(normal, services)))
        return any(policy.model.role == "limit" for each in candidates for policy in self.versions(each))

    def upheld(self, evaluation: Evaluation, context: LineContext) -> Evaluation:
        """One policy's view of the line, or a person's matter when rules about the line or that policy are not to be had."""
        lacking = self.lacking(service_codes(context.item), context)
        own = any(one.policy == evaluation.policy and one.counts_for(context) for one in self.withheld)
        return held_back(evaluation) if lacking or own else evaluation

    def names(self, code: Code) -> bool:
        """Whether any policy names this service by its code (not by ``services: any``), whatever its dates."""
        return self._index.names(normal(code))

    def candidates(self, services: Sequence[Code]) -> list[str]:
        """Ids of the policies that may speak about these services (normalized codes), whatever their dates."""
        return self._index.candidates(services)


def _age(policy: CompiledPolicy) -> tuple[date, str]:
    return policy.model.effective.start, policy.version


class _Deciding:
    """One decision being made."""

    def __init__(self, catalogue: Catalogue, context: LineContext, services: tuple[Code, ...]) -> None:
        self.catalogue = catalogue
        self.context = context
        self.services = services
        self.index = EvidenceIndex(context)
        self.considered: list[Evaluation] = []
        self.conflicts: list[str] = []
        self.other_request: list[CompiledPolicy] = []  # that speak about the line, were it another kind of request

    def decide(self) -> Decision:
        roles: dict[str, list[tuple[CompiledPolicy, Scope]]] = {}
        for policy_id in self.catalogue.candidates(self.services):
            for policy, found in self._selected(policy_id):
                roles.setdefault(policy.model.role, []).append((policy, found))
        benefits = [self._evaluate(*pair) for pair in roles.get("benefit", ())]
        excluded = next((e for e in benefits if e.outcome is Outcome.DENY_ADMIN), None)
        if excluded is not None:
            return self._governed([excluded])
        for policy, found in sorted(roles.get("exemption", ()), key=lambda pair: exemption_rank(pair[0])):
            exemption = self._evaluate(policy, found)
            if exemption.outcome is Outcome.NO_AUTH:
                return self._governed([exemption])
        applied = [e for e in benefits if e.outcome is not Outcome.NOT_APPLICABLE]
        clinical = self._clinical(roles.get("clinical", []))
        applied = [clinical, *applied] if clinical is not None else applied
        for role in _ALL_APPLY:
            applied.extend(self._evaluate(policy, found) for policy, found in roles.get(role, ()))
        decision = self._governed([e for e in applied if e.outcome is not Outcome.NOT_APPLICABLE])
        return self._without_rule(decision) if self._lacks_rule(roles) else decision

    def _lacks_rule(self, roles: Mapping[str, Sequence[object]]) -> bool:
        """Whether policies ask for authorization of the service and none of them is for this kind of request.

        The kind of request only chooses between policies, it never decides whether authorization is needed: it is the
        sender's word. A clinical policy cannot be stood in for by a limit or a site of care.
        """
        kinds = {policy.model.role for policy in self.other_request}
        if "clinical" in kinds and not roles.get("clinical"):
            return True
        return bool(kinds.intersection(_ALL_APPLY)) and not any(roles.get(r) for r in ("clinical", *_ALL_APPLY))

    def _without_rule(self, decision: Decision) -> Decision:
        """A person decides, unless something stricter is said already."""
        if strictness(decision.outcome) > strictness(Outcome.REFER_NURSE):
            return decision
        kind = request_type(self.context.item)
        names = ", ".join(policy.id for policy in self.other_request)
        reason = f"There is no rule for this kind of request ({kind}) of this service; {names} is for another."
        return replace(decision, outcome=Outcome.REFER_NURSE, reason=reason, governing=None, reason_code=NO_RULE)

    def _selected(self, policy_id: str) -> Iterator[tuple[CompiledPolicy, Scope]]:
        """The version that decides, if it speaks about the line.

        A case keeps the version bound at receipt. With ``reviewed``, or when a version became effective after binding,
        the newer one is used if the member gains by it.
        """
        bound_version = self.context.bound.get(policy_id)
        newer = self._dated(policy_id)
        if bound_version is None:
            if newer is not None:
                yield from self._in_scope(newer)
            return
        bound = self.catalogue.get(policy_id, bound_version)
        if bound is None:
            self.conflicts.append(
                f"{policy_id}@{bound_version} was bound at receipt but is not in the catalogue any more"
            )
            if newer is not None:
                yield from self._in_scope(newer)
            return
        kept = list(self._in_scope(bound))
        if newer is None or newer is bound or not kept:
            yield from kept
            return
        changed = list(self._in_scope(newer))
        if not changed or severity(self._view(*changed[0]).outcome) < severity(self._view(*kept[0]).outcome):
            kept = changed
        yield from kept

    def _dated(self, policy_id: str) -> CompiledPolicy | None:
        for policy in reversed(self.catalogue.versions(policy_id)):
            day = governing_day(policy, self.context)
            if policy.model.role != "benefit" and self.context.reviewed and policy_id in self.context.bound:
                day = self.context.reviewed
            if policy.in_effect(day):
                return policy
        return None

    def _in_scope(self, policy: CompiledPolicy) -> Iterator[tuple[CompiledPolicy, Scope]]:
        found = scope(policy, self.context, self.services)
        if found.fails is None:
            yield policy, found
        elif found.fails == "request" and policy not in self.other_request:
            self.other_request.append(policy)

    def _view(self, policy: CompiledPolicy, found: Scope) -> Evaluation:
        return evaluate_scoped(policy, self.context, self.index, found)

    def _evaluate(self, policy: CompiledPolicy, found: Scope) -> Evaluation:
        evaluation = self._view(policy, found)
        self.considered.append(evaluation)
        return evaluation

    def _clinical(self, candidates: list[tuple[CompiledPolicy, Scope]]) -> Evaluation | None:
        """Exactly one, by rank; a tie goes to the member, and on record.

        Policies of which it is not known that they apply, and that would govern if they did, are looked at too: a yes
        holds only if each of them says yes. Of those that do not, the strictest is the answer.
        """
        if not candidates:
            return None
        ranked = [(clinical_rank(p, self.context, self.services), p, f) for p, f in candidates]
        known = [entry for entry in ranked if not entry[2].unknown]
        best = min((rank for rank, _, _ in known), default=None)
        perhaps = sorted((e for e in ranked if e[2].unknown and (best is None or e[0] < best)), key=lambda e: e[0])
        certain = self._first([(p, f) for rank, p, f in known if rank == best])
        if certain is not None and certain.outcome not in _YES:
            return certain
        possible = [self._evaluate(p, f) for _, p, f in perhaps]
        held = [e for e in possible if e.outcome not in _YES]
        if held:
            return max(held, key=lambda e: strictness(e.outcome))
        return certain or possible[0]

    def _first(self, tied: list[tuple[CompiledPolicy, Scope]]) -> Evaluation | None:
        """The one of equal rank that is best for the member."""
        if not tied:
            return None
        chosen = min([self._evaluate(*pair) for pair in tied], key=lambda e: severity(e.outcome))
        if len(tied) > 1:
            names = ", ".join(f"{p.id}@{p.version}" for p, _ in tied)
            self.conflicts.append(
                f"{names} have the same scope and rank; {chosen.policy} favours the member and was used"
            )
        return chosen

    def _governed(self, applied: list[Evaluation]) -> Decision:
        """The strictest decides; the order of precedence breaks ties, because ``max`` keeps the first."""
        considered = tuple(self.considered)
        conflicts = tuple(self.conflicts)
        if not applied:
            reason = self.considered[0].reason if len(self.considered) == 1 else _NO_POLICY
            return Decision(Outcome.NOT_APPLICABLE, reason or _NO_POLICY, None, considered, conflicts)
        governing = max(applied, key=lambda e: strictness(e.outcome))
        outcome, reason = governing.outcome, governing.reason
        rest = [e for e in applied if e is not governing]
        if governing.grant is None and outcome is Outcome.APPROVE:
            grant = next((e.grant for e in rest if e.grant is not None), None)
            governing = replace(governing, grant=grant)
        return Decision(outcome, reason, governing, considered, conflicts, (governing, *rest))
