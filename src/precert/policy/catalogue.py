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

from precert.fhir.coding import Code, CodePattern
from precert.fhir.systems import VALUE_SET
from precert.policy.codeset import ValueSets, normal
from precert.policy.compiled import CompiledPolicy
from precert.policy.evaluate import evaluate_scoped, governing_day
from precert.policy.evidence import EvidenceIndex
from precert.policy.favour import favour, strictness
from precert.policy.precedence import clinical_rank, exemption_rank
from precert.policy.scope import Scope, request_type, scope, service_codes
from precert.policy.types import Decision, Evaluation, LineContext, Outcome

_ALL_APPLY = ("limit", "site-of-care", "network")
NO_RULE = "no-rule"
"""Reason code of a decision where policies name the service, but none of them this kind of request."""
_NO_POLICY = "No policy asks for authorization of this service."


class _Index:
    """From a code to the ids of the policies that name it; the time does not depend on how many there are."""

    def __init__(self, policies: Iterable[CompiledPolicy], value_sets: ValueSets) -> None:
        self.exact: dict[Code, list[str]] = {}
        self.prefix: dict[Code, list[str]] = {}
        self.any: list[str] = []
        self.lengths: dict[str, tuple[int, ...]] = {}
        lengths: dict[str, set[int]] = {}
        for policy in policies:
            if policy.model.applies.any_service:
                self._add(self.any, policy.id)
                continue
            for written in policy.model.applies.services:
                pattern = CodePattern.parse(written)
                members = value_sets.get(pattern.code, ()) if pattern.system == VALUE_SET else ()
                for member in (pattern, *map(CodePattern.parse, members)):
                    code = normal(Code(member.system, member.code))
                    table = self.prefix if member.prefix else self.exact
                    self._add(table.setdefault(code, []), policy.id)
                    if member.prefix:
                        lengths.setdefault(code.system, set()).add(len(code.code))
        self.lengths = {system: tuple(sorted(found)) for system, found in lengths.items()}

    @staticmethod
    def _add(ids: list[str], policy: str) -> None:
        if policy not in ids[-1:]:
            ids.append(policy)

    def candidates(self, codes: Sequence[Code]) -> list[str]:
        """Ids of the policies that name any of ``codes`` or any service, each once."""
        found: dict[str, None] = {}
        for code in codes:
            found.update(dict.fromkeys(self.exact.get(code, ())))
            for length in self.lengths.get(code.system, ()):
                found.update(dict.fromkeys(self.prefix.get(Code(code.system, code.code[:length]), ())))
        found.update(dict.fromkeys(self.any))
        return list(found)

    def names(self, code: Code) -> bool:
        """Whether any policy names ``code``, by itself or by a prefix."""
        lengths = self.lengths.get(code.system, ())
        return code in self.exact or any(Code(code.system, code.code[:n]) in self.prefix for n in lengths)


class Catalogue:
    """An immutable snapshot of every version of every policy.

    In: compiled policies (several versions of one id are welcome) and the value sets they were compiled with. Raises
    ValueError when one version of a policy is there twice.
    """

    def __init__(self, policies: Iterable[CompiledPolicy] = (), value_sets: ValueSets | None = None) -> None:
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
        self._index = _Index((p for v in self._versions.values() for p in v), self.value_sets)

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

    def covering(self, codes: Iterable[Code], day: date) -> tuple[CompiledPolicy, ...]:
        """Policies in effect on ``day`` that name one of ``codes`` as a service. ``services: any`` does not count."""
        wanted = tuple(map(normal, codes))
        found = (self.current(policy, day) for policy in self._index.candidates(wanted))
        return tuple(p for p in found if p is not None and not p.model.applies.any_service)

    def decide(self, context: LineContext) -> Decision:
        """What the machine may say about the line, with everything that was considered. Never raises for evidence."""
        return _Deciding(self, context).decide()

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

    def __init__(self, catalogue: Catalogue, context: LineContext) -> None:
        self.catalogue = catalogue
        self.context = context
        self.services = service_codes(context.item)
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
        if not changed or favour(self._view(*changed[0]).outcome) < favour(self._view(*kept[0]).outcome):
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
        """Exactly one: known to apply before perhaps, then by rank; a tie goes to the member, and on record."""
        if not candidates:
            return None
        ranks = [(bool(f.unknown), *clinical_rank(p, self.context, self.services)) for p, f in candidates]
        best = min(ranks)
        first = [pair for pair, rank in zip(candidates, ranks, strict=True) if rank == best]
        evaluations = [self._evaluate(*pair) for pair in first]
        chosen = min(evaluations, key=lambda e: favour(e.outcome))
        if len(first) > 1:
            names = ", ".join(f"{p.id}@{p.version}" for p, _ in first)
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
