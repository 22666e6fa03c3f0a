"""Profiles as trees: built from the tables when first asked for, then only read."""

from __future__ import annotations

from precert.fhir.validation.contexts import use_of
from precert.fhir.validation.model import ProfileTable, TypeRow
from precert.fhir.validation.nodes import COMPANION, COMPLEX, EXTENSION, PRIMITIVE, RESOURCE, Node, Slot, types_allowed
from precert.fhir.validation.primitives import CHECKS
from precert.fhir.validation.tables import BASE, LoadedPackage, Scope

_OF_EVERY_TYPE = frozenset({"id", "extension"})
_ANY_RESOURCE = ("Resource", "DomainResource")
_CANONICAL = frozenset({"CanonicalResource", "MetadataResource"})
"""R5's names for resources with a ``url`` of their own, which extensions made for several versions use."""


class Schemas:
    """The trees of one package set. Building is idempotent, so threads may race and lose nothing but time."""

    def __init__(self, scope: Scope) -> None:
        self.scope = scope
        self._roots: dict[str, Node] = {}
        self._by_table: dict[tuple[str, str], Node] = {}
        self._lineages: dict[str, frozenset[str]] = {}

    def root(self, canonical: str) -> Node | None:
        """The tree of a profile by canonical URL, or ``None`` if no table has it."""
        known = self._roots.get(canonical)
        if known is not None:
            return known
        found = self.scope.profile(canonical)
        if found is None:
            return None  # not remembered: documents may name any number of unknown profiles
        package, table = found
        tree = self._tree(package, table)
        if canonical.partition("|")[2] in ("", table.version, package.version):
            self._roots[canonical] = tree
        return tree

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
        if table.type == "Extension":
            root.use = use_of(table, canonical)
        if table.kind == "resource" and {"url", "status"} <= root.children.keys():
            root.contexts |= _CANONICAL
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
        slot.contexts = self._names(slot)
        if slot.node.content is not None:
            slot.invariants += slot.node.content.invariants
        if slot.kind == COMPLEX and slot.code and not slot.profiles:
            root = self.type_root(slot.code)
            if root is not None:
                known = {i.key for i in slot.invariants}
                slot.invariants += tuple(i for i in root.invariants if i.key not in known)
        return slot

    def _names(self, slot: Slot) -> frozenset[str]:
        """What extension contexts may call the element under ``slot``: by path, by type, and by both."""
        if not slot.code:
            return slot.node.contexts
        names = slot.node.contexts | self._lineage(slot.code)
        if slot.node.name.endswith("[x]"):
            names |= {f"{slot.node.path.removesuffix('[x]')}.ofType({slot.code})"}
        return names

    def _lineage(self, code: str) -> frozenset[str]:
        """The type ``code`` and those it is derived from (``markdown`` is a ``string``)."""
        known = self._lineages.get(code)
        if known is None:
            found = self.scope.profile(BASE + code)
            base = found[1].base if found is not None else ""
            above = self._lineage(base[len(BASE) :]) if base.startswith(BASE) else frozenset()
            known = self._lineages[code] = above | {code}
        return known

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
        beside = slots["_" + key] = Slot(child, key, label, COMPANION, declared, choice)
        beside.contexts = slots[key].contexts
        return (key, "_" + key)

    def _choice(
        self, slots: dict[str, Slot], name: str, child: Node, wanted: list[tuple[Node, tuple[str, ...]]]
    ) -> tuple[str, ...]:
        label = name[:-3]
        by_type = {declared.code: cut for cut in child.slices for declared in cut.types}
        keys: list[str] = []
        for declared in types_allowed(child):
            cut = by_type.get(declared.code, child)
            exact = next((t for t in cut.types if t.code == declared.code), declared)
            key = label + declared.code[0].upper() + declared.code[1:]
            kind = self.kind_of(name, declared.code)
            added = self._add(slots, cut, key, label, kind, exact, choice=len(child.types) > 1)
            if cut is child and len(child.types) > 1 and set(child.children) <= _OF_EVERY_TYPE:
                slots[key].target = None  # said of all types alike; what the object holds is for its own type to say
            keys.extend(added)
            if cut is not child and cut.min > 0:
                wanted.append((cut, added))
        return tuple(keys)


def _sliced(element_id: str, slice_name: str) -> str:
    """The id of what a slice cuts: the element, or for ``a/b`` the slice ``a``."""
    element = element_id.rpartition(":")[0]
    above = slice_name.rpartition("/")[0]
    return f"{element}:{above}" if above else element
