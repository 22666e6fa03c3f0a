"""Profiles as trees of nodes: built from the tables once, then only read."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from precert.fhir.validation.bindings import CodeSet
from precert.fhir.validation.invariants import Invariant, invariant
from precert.fhir.validation.model import UNBOUNDED, ElementRow, ProfileTable, Slicing, TypeRow
from precert.fhir.validation.primitives import CHECKS, Check
from precert.fhir.validation.tables import BASE, LoadedPackage, Scope

PRIMITIVE: Final = 0
COMPLEX: Final = 1
RESOURCE: Final = 2
EXTENSION: Final = 3
COMPANION: Final = 4
"""``_birthDate``: id and extensions of a primitive."""

NOTHING: Final = msgspec.UNSET
_MANY: Final = 1 << 60
# Abstract kinds that extension contexts name; which resources have them is not in the R4 definitions, so all do.
_RESOURCE_KINDS = ("Resource", "DomainResource", "Element", "Request", "Event", "Definition", "CanonicalResource")
_ANY_RESOURCE = ("Resource", "DomainResource")


_COMPLEX: Final = """Address Age Annotation Attachment CodeableConcept Coding ContactDetail ContactPoint Contributor
Count DataRequirement Distance Dosage Duration Expression HumanName Identifier Meta Money ParameterDefinition Period
Quantity Range Ratio Reference RelatedArtifact SampledData Signature Timing TriggerDefinition UsageContext"""
_SUFFIXES: Final = frozenset(_COMPLEX.split()) | {code[0].upper() + code[1:] for code in CHECKS if "/" not in code}


def is_type_suffix(text: str) -> bool:
    """``text`` is what a choice element appends to its name (``Period`` in ``servicedPeriod``)."""
    return text in _SUFFIXES


class Node:
    """One element of one profile (or one slice of it)."""

    __slots__ = (
        "allowed",
        "array",
        "base_min",
        "binding",
        "children",
        "content",
        "contexts",
        "fixed",
        "id",
        "invariants",
        "is_extension",
        "least",
        "max",
        "max_length",
        "min",
        "modifier",
        "most",
        "must_support",
        "name",
        "own_slot",
        "path",
        "pattern",
        "plain",
        "profile",
        "slice_name",
        "slices",
        "slicing",
        "slots",
        "sorter",
        "types",
        "wanted",
    )

    def __init__(self, row: ElementRow, profile: str, package: LoadedPackage, scope: Scope) -> None:
        tail = row.id.rpartition(".")[2]
        self.id = row.id
        self.path = _without_slices(row.id)
        self.name, _, self.slice_name = tail.partition(":")
        self.profile = profile
        self.min = row.min
        self.max = _MANY if row.max == UNBOUNDED else row.max
        self.base_min = row.base_min
        self.array = row.array
        self.types: tuple[TypeRow, ...] = package.types(row.types)
        self.fixed: Any = row.fixed
        self.pattern: Any = row.pattern
        self.plain = row.fixed is NOTHING and row.pattern is NOTHING
        self.binding: CodeSet | None = None
        if row.strength == "required" and row.value_set:
            table = scope.value_set(row.value_set, package)
            if table is not None and not table.unknown:
                self.binding = CodeSet(row.value_set.partition("|")[0], table)
        self.max_length = row.max_length
        self.least, self.most = row.least, row.most
        self.must_support, self.modifier = row.must_support, row.modifier
        self.invariants: tuple[Invariant, ...] = tuple(
            invariant(c.key, c.severity, c.expression, profile) for c in map(package.constraint, row.constraints)
        )
        self.slicing: Slicing | None = row.slicing
        self.children: dict[str, Node] = {}
        self.slices: list[Node] = []
        self.content: Node | None = None
        self.slots: dict[str, Slot] | None = None
        self.wanted: tuple[tuple[Node, tuple[str, ...]], ...] = ()
        self.own_slot: Slot | None = None
        self.sorter: Any = None
        """How members are told to their slices (see ``slicing``); made on first use."""
        self.allowed: tuple[tuple[str, str], ...] = ()
        """On the root of an extension: where it may stand."""
        self.is_extension = self.name in ("extension", "modifierExtension")
        self.contexts: frozenset[str] = frozenset(_contexts(self, row))


def _without_slices(element_id: str) -> str:
    return ".".join(part.partition(":")[0] for part in element_id.split("."))


def _sliced(element_id: str, slice_name: str) -> str:
    """The id of what a slice cuts: the element, or for ``a/b`` the slice ``a``."""
    element = element_id.rpartition(":")[0]
    above = slice_name.rpartition("/")[0]
    return f"{element}:{above}" if above else element


def _contexts(node: Node, row: ElementRow) -> set[str]:
    names = {node.path, node.path.removesuffix("[x]"), "Element"}
    if row.base_path:
        names.update((row.base_path, row.base_path.removesuffix("[x]")))
    if "." not in node.path and not node.slice_name:
        names.update(_RESOURCE_KINDS)
    names.update(declared.code for declared in node.types)
    return names


class Slot:
    """What may stand under one JSON key. ``target`` describes the members of an object there, if the node does not
    leave that to its type or profile; ``plain`` promises that nothing but type and format has to be checked."""

    __slots__ = (
        "check",
        "choice",
        "code",
        "invariants",
        "key",
        "kind",
        "label",
        "node",
        "plain",
        "profiles",
        "target",
        "targets",
    )

    def __init__(
        self,
        node: Node,
        key: str,
        label: str,
        kind: int,
        declared: TypeRow | None,
        choice: bool,
        above: Node | None = None,
    ) -> None:
        self.node = node
        self.key = key
        self.label = label
        self.kind = kind
        self.code = declared.code if declared else ""
        self.profiles = declared.profiles if declared else ()
        self.targets = declared.targets if declared else ()
        self.choice = choice
        self.check: Check | None = CHECKS.get(self.code) if kind == PRIMITIVE else None
        self.target: Node | None = node.content or (node if node.children else None)
        if self.target is None and above is not None and above.children:
            self.target = above
        self.invariants: tuple[Invariant, ...] = node.invariants
        self.plain = (
            node.plain
            and node.binding is None
            and node.max_length is None
            and node.least is NOTHING
            and node.most is NOTHING
        )


class Schemas:
    """The trees of one package set. Building is idempotent, so threads may race and lose nothing but time."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._roots: dict[str, Node | None] = {}
        self._by_table: dict[tuple[str, str], Node] = {}

    def root(self, canonical: str) -> Node | None:
        """The tree of a profile by canonical URL, or ``None`` if no table has it."""
        if canonical not in self._roots:
            found = self.scope.profile(canonical)
            self._roots[canonical] = self._tree(*found) if found else None
        return self._roots[canonical]

    def type_root(self, code: str) -> Node | None:
        """The tree of a type (``Claim``, ``Period``)."""
        return self.root(BASE + code)

    def _tree(self, package: LoadedPackage, table: ProfileTable) -> Node:
        key = (package.name, table.url)
        known = self._by_table.get(key)
        if known is not None:
            return known
        canonical = f"{table.url}|{table.version or package.version}" if table.constraint else table.url
        by_id: dict[str, Node] = {}
        references: list[tuple[Node, str]] = []
        root: Node | None = None
        for row in table.elements:
            node = Node(row, canonical, package, self.scope)
            by_id[row.id] = node
            if row.content_reference:
                references.append((node, row.content_reference))
            if root is None:
                root = node
            elif node.slice_name:
                by_id[_sliced(row.id, node.slice_name)].slices.append(node)
            else:
                by_id[row.id.rpartition(".")[0]].children[node.name] = node
        for node, target in references:
            node.content = by_id.get(target)
            if node.content is not None:
                node.contexts |= node.content.contexts
        if root is None:
            raise ValueError(f"{canonical} has no elements")
        root.allowed = table.contexts
        return self._by_table.setdefault(key, root)

    def slots(self, node: Node) -> dict[str, Slot]:
        """The keys that an object at ``node`` may have; built on first use."""
        slots = node.slots
        if slots is None:
            slots, wanted = self._build(node)
            node.wanted = wanted
            node.slots = slots
        return slots

    def slice_slot(self, cut: Node, slot: Slot) -> Slot:
        """The slot of a slice of ``slot``; made once."""
        made = cut.own_slot
        if made is None:
            declared = cut.types[0] if cut.types else None
            kind = self.kind_of(cut.name, declared.code) if declared else slot.kind
            made = cut.own_slot = self._finish(Slot(cut, slot.key, slot.label, kind, declared, slot.choice, slot.node))
        return made

    def _finish(self, slot: Slot) -> Slot:
        """Add the invariants of what the slot refers to, and of its type unless a profile of that type does."""
        if slot.node.content is not None:
            slot.invariants += slot.node.content.invariants
        if slot.kind == COMPLEX and slot.code and not slot.profiles:
            root = self.type_root(slot.code)
            if root is not None:
                known = {i.key for i in slot.invariants}
                slot.invariants += tuple(i for i in root.invariants if i.key not in known)
        return slot

    def kind_of(self, name: str, code: str) -> int:
        if name in ("extension", "modifierExtension"):
            return EXTENSION
        if code in CHECKS:
            return PRIMITIVE
        root = self.type_root(code)
        if root is not None and (code in _ANY_RESOURCE or ("id" in root.children and "meta" in root.children)):
            return RESOURCE
        return RESOURCE if root is None and code in self.scope.core.resource_types else COMPLEX

    def _build(self, node: Node) -> tuple[dict[str, Slot], tuple[tuple[Node, tuple[str, ...]], ...]]:
        slots: dict[str, Slot] = {}
        wanted: list[tuple[Node, tuple[str, ...]]] = []
        for name, child in node.children.items():
            keys = (
                self._choice(slots, name, child, wanted) if name.endswith("[x]") else self._single(slots, name, child)
            )
            if child.min > 0 or (child.array and any(cut.min > 0 for cut in child.slices)):
                wanted.append((child, keys))
        return slots, tuple(wanted)

    def _single(self, slots: dict[str, Slot], name: str, child: Node) -> tuple[str, ...]:
        declared = child.types[0] if child.types else None
        kind = self.kind_of(name, declared.code) if declared else COMPLEX
        return self._add(slots, child, name, name, kind, declared, choice=False)

    def _add(
        self,
        slots: dict[str, Slot],
        child: Node,
        key: str,
        label: str,
        kind: int,
        declared: TypeRow | None,
        *,
        choice: bool,
    ) -> tuple[str, ...]:
        slots[key] = self._finish(Slot(child, key, label, kind, declared, choice))
        if kind != PRIMITIVE:
            return (key,)
        slots["_" + key] = Slot(child, key, label, COMPANION, declared, choice)
        return (key, "_" + key)

    def _choice(
        self, slots: dict[str, Slot], name: str, child: Node, wanted: list[tuple[Node, tuple[str, ...]]]
    ) -> tuple[str, ...]:
        label = name[:-3]
        by_type = {declared.code: cut for cut in child.slices for declared in cut.types}
        keys: list[str] = []
        for declared in child.types:
            cut = by_type.get(declared.code, child)
            exact = next((t for t in cut.types if t.code == declared.code), declared)
            key = label + declared.code[0].upper() + declared.code[1:]
            kind = self.kind_of(name, declared.code)
            added = self._add(slots, cut, key, label, kind, exact, choice=len(child.types) > 1)
            keys.extend(added)
            if cut is not child and cut.min > 0:
                wanted.append((cut, added))
        return tuple(keys)
