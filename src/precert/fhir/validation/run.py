"""One document: its resources, the profiles each of them has to meet, and how they refer to each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from precert.fhir.validation.bindings import CodeSet
from precert.fhir.validation.bundle import full_url_findings, reference_parts, unresolved
from precert.fhir.validation.engine import engine_answers
from precert.fhir.validation.findings import Finding, Path, errors, finding
from precert.fhir.validation.model import TypeRow
from precert.fhir.validation.nodes import Node
from precert.fhir.validation.report import Link
from precert.fhir.validation.schemas import Schemas
from precert.fhir.validation.unit import Unit
from precert.fhir.validation.walker import Walk

MAX_FINDINGS = 500
MAX_RESOURCES = 5_000
_ANY = ("Resource", "DomainResource")


class Run:
    """Validates one document against one package set."""

    def __init__(self, schemas: Schemas, resource: dict[str, Any]) -> None:
        self.schemas = schemas
        self._top = resource
        self._units: dict[int, Unit] = {}
        self._order: list[Unit] = []
        self._walking: set[tuple[int, int]] = set()
        self._findings: dict[tuple[str | None, str | None, str], Finding] = {}

    # -- the whole ----------------------------------------------------------------------------------------------

    def validate(self, profiles: Sequence[str]) -> list[Finding]:
        kind = self._top.get("resourceType")
        name = kind[:64] if isinstance(kind, str) else "Resource"
        top = self._unit(self._top, Path(None, name, root=name), None)
        at = 0
        while at < len(self._order):  # grows while we go
            unit = self._order[at]
            self._own_profiles(unit, profiles if unit is top else ())
            if unit.bundle is unit.resource:
                self._keep(full_url_findings(unit.resource, unit.path))
            at += 1
        self._references()
        return list(self._findings.values())

    def _keep(self, findings: Iterable[Finding]) -> None:
        for found in findings:
            if len(self._findings) >= MAX_FINDINGS:
                text = f"Only the first {MAX_FINDINGS} findings are listed."
                cut = finding(self._order[0].path, "too-many", text, severity="information")
                self._findings.setdefault((cut.expression, cut.rule, ""), cut)
                return
            self._findings.setdefault((found.expression, found.rule, found.text), found)

    def _unit(self, resource: dict[str, Any], path: Path, outer: Unit | None) -> Unit:
        unit = self._units.get(id(resource))
        if unit is None:
            unit = self._units[id(resource)] = Unit(self, resource, path, outer)
            self._order.append(unit)
        return unit

    # -- one resource and its profiles --------------------------------------------------------------------------

    def _own_profiles(self, unit: Unit, given: Sequence[str]) -> None:
        kind = unit.resource.get("resourceType")
        base = self.schemas.type_root(kind) if isinstance(kind, str) else None
        if not isinstance(kind, str) or base is None or not self._is_resource(kind):
            self._keep([self._no_table(unit, kind)])
            return
        walked = False
        for canonical in dict.fromkeys([*given, *unit.declared]):
            root = self.schemas.root(canonical)
            if root is None:
                self._keep([_unknown_profile(unit, canonical, canonical in given)])
            elif root.path != kind:
                text = f"The profile is for {root.path}, this is another type; name a profile for {kind}."
                self._keep([finding(unit.path, "profile-type", text, root.profile)])
            else:
                self._keep(self._walk(unit, root).findings)
                walked = True
        for types in unit.demands:
            walked = self._meet(unit, types, kind) or walked
        if not walked:
            self._keep(self._walk(unit, base).findings)

    def _is_resource(self, kind: Any) -> bool:
        return isinstance(kind, str) and kind in self.schemas.scope.core.resource_types

    def _no_table(self, unit: Unit, kind: Any) -> Finding:
        if self._is_resource(kind):
            text = f"{kind} is an R4 resource type outside prior authorization; its content was not checked."
            return finding(unit.path, "unchecked-resource-type", text, severity="information")
        text = "This is no resource of FHIR R4: resourceType is missing or names no R4 type. Correct it."
        return finding(unit.path, "unknown-resource-type", text)

    def _meet(self, unit: Unit, types: tuple[TypeRow, ...], kind: str) -> bool:
        """Hold ``unit`` against what its place demands; true if a profile was found to do so."""
        fitting = [declared for declared in types if declared.code == kind]
        if not fitting:
            if not any(declared.code in _ANY for declared in types):
                named = " or ".join(declared.code for declared in types[:8])
                text = f"Only {named} may stand here; send that, or move this resource."
                self._keep([finding(unit.path, "wrong-resource-type", text)])
            return False
        candidates = [p for declared in fitting for p in declared.profiles]
        best = self._best(unit, candidates)
        if best is not None:
            self._keep(best.findings)
        return best is not None

    def _best(self, unit: Unit, candidates: Sequence[str]) -> Walk | None:
        """The candidate that fits best; one that the resource declares counts as chosen."""
        declared = {canonical.partition("|")[0] for canonical in unit.declared}
        roots = [root for root in map(self.schemas.root, candidates) if root is not None]
        chosen = [root for root in roots if root.profile.partition("|")[0] in declared] or roots
        walks = [self._walk(unit, root) for root in chosen]
        return min(walks, key=lambda walk: errors(walk.findings), default=None)

    def _walk(self, unit: Unit, root: Node) -> Walk:
        walk = unit.walks.get(id(root))
        if walk is None:
            walk = Walk(self.schemas, root, unit, MAX_FINDINGS)
            key = (id(unit), id(root))
            self._walking.add(key)
            walk.resource(unit.resource, unit.path)
            self._engine(unit, walk)
            self._walking.discard(key)
            unit.walks[id(root)] = walk
            self._register(unit, walk)
        return walk

    def _register(self, unit: Unit, walk: Walk) -> None:
        for resource, path, types in walk.inner:
            if len(self._units) >= MAX_RESOURCES:
                text = f"Only the first {MAX_RESOURCES} resources of a document are looked at; split it."
                self._keep([finding(unit.path, "too-many", text)])
                return
            kind = resource.get("resourceType")
            path.root = kind[:64] if isinstance(kind, str) else "Resource"
            inner = self._unit(resource, path, unit)
            if types not in inner.demands:
                inner.demands.append(types)

    def _engine(self, unit: Unit, walk: Walk) -> None:
        """Ask the full engine about the invariants that need it."""
        for (invariant, path), subjects in walk.deferred.items():
            answers = engine_answers(invariant, unit.resource, unit.root, path, [value for value, _ in subjects])
            for answer, (_, at) in zip(answers, subjects, strict=True):
                if answer is False:
                    walk.broken(invariant, at)
                elif answer is None:
                    text = f"The rule {invariant.key} could not be evaluated here; it was not checked."
                    walk.findings.append(finding(at, "invariant-unchecked", text, severity="information"))

    # -- services to invariants and discriminators --------------------------------------------------------------

    def member_of(self, value: Any, url: str) -> bool | None:
        scope = self.schemas.scope
        table = scope.value_set(url, scope.core)
        return None if table is None or table.unknown else CodeSet(url, table).takes(value)

    def conforms(self, asking: Unit, value: Any, profile: str) -> bool | None:
        root = self.schemas.root(profile)
        if root is None or not isinstance(value, dict):
            return None
        if value.get("resourceType") != root.path:
            return False
        unit = self._units.get(id(value))
        if unit is None:  # asked about before its turn: judged apart, and again in its place
            unit = Unit(self, value, Path(None, root.path, root=root.path), asking)
        if (id(unit), id(root)) in self._walking:
            return None
        return not errors(self._walk(unit, root).findings)

    # -- references ---------------------------------------------------------------------------------------------

    def _references(self) -> None:
        """Follow every link once per profile that sets one; targets may bring links of their own."""
        at = 0
        todo = [(unit, link) for unit in self._order for walk in list(unit.walks.values()) for link in walk.links]
        seen: set[tuple[int, tuple[str, ...]]] = set()
        while at < len(todo):
            unit, link = todo[at]
            at += 1
            key = (id(link.value), link.targets)
            if key in seen:
                continue
            seen.add(key)
            followed = self._link(unit, link)
            if followed is not None:
                target, walk = followed
                todo.extend((target, more) for more in walk.links)

    def _link(self, unit: Unit, link: Link) -> tuple[Unit, Walk] | None:
        reference = link.value.get("reference")
        if not isinstance(reference, str) or not reference:
            return None
        target = unit.resolve(link.value)
        at = Path(link.path, "reference")
        parts = reference_parts(reference)
        kind = target.get("resourceType") if target is not None else (parts[1] if parts else link.value.get("type"))
        if target is None and unit.bundle is not None:
            missing = unresolved(unit.bundle.get("type"), reference, at, link.profile)
            self._keep([missing] if missing else [])
        if not link.targets or not isinstance(kind, str):
            return None
        roots = [root for root in map(self.schemas.root, link.targets) if root is not None]
        fitting = [root for root in roots if root.path == kind or root.path in _ANY]
        if not fitting:
            if len(roots) == len(link.targets):
                named = " or ".join(dict.fromkeys(root.path for root in roots[:8]))
                text = f"This must refer to {named}; {kind[:64]} is not allowed here."
                self._keep([finding(at, "reference-type", text, link.profile)])
            return None
        known = self._units.get(id(target))
        if known is None or any("|" not in root.profile for root in fitting):
            return None
        return known, self._target(known, fitting, link, at)

    def _target(self, target: Unit, fitting: list[Node], link: Link, at: Path) -> Walk:
        best = min((self._walk(target, root) for root in fitting), key=lambda walk: errors(walk.findings))
        if not errors(best.findings):
            return best
        declared = {canonical.partition("|")[0] for canonical in target.declared}
        if declared.intersection(root.profile.partition("|")[0] for root in fitting):
            return best  # its own findings are reported where they are
        if declared:
            named = " or ".join(root.profile.rpartition("/")[2] for root in fitting)
            first = "; ".join(f"{f.expression}: {f.rule}" for f in best.findings[:3])
            text = f"What this refers to does not meet {named}; refer to a resource that does, or complete it."
            self._keep([finding(at, "reference-profile", text, link.profile, diagnostics=f"first faults: {first}")])
        else:
            self._keep(best.findings)
        return best


def _unknown_profile(unit: Unit, canonical: str, given: bool) -> Finding:
    at = unit.path if given else Path(Path(unit.path, "meta"), "profile")
    text = "This profile is not among the compiled ones; the resource was checked without it."
    return finding(at, "unknown-profile", text, canonical[:200], "information")
