"""The nodes of profile trees, and the slots under the keys of their objects."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from precert.fhir.validation.bindings import CodeSet
from precert.fhir.validation.contexts import Use
from precert.fhir.validation.invariants import Invariant, invariant
from precert.fhir.validation.model import UNBOUNDED, ElementRow, Slicing, TypeRow
from precert.fhir.validation.primitives import CHECKS, Check
from precert.fhir.validation.tables import LoadedPackage, Scope

PRIMITIVE: Final = 0
COMPLEX: Final = 1
RESOURCE: Final = 2
EXTENSION: Final = 3
COMPANION: Final = 4
"""``_birthDate``: id and extensions of a primitive."""

NOTHING: Final = msgspec.UNSET
_MANY: Final = 1 << 60
# Abstract kinds that extension contexts name; which resources are a Request, an Event or a Definition is not in the R4
# definitions, so all are. CanonicalResource and MetadataResource are told by their elements (see schemas).
_RESOURCE_KINDS = ("Resource", "DomainResource", "Request", "Event", "Definition")


_COMPLEX: Final = """Address Age Annotation Attachment CodeableConcept Coding ContactDetail ContactPoint Contributor
Count DataRequirement Distance Dosage Duration Expression HumanName Identifier Meta Money ParameterDefinition Period
Quantity Range Ratio Reference RelatedArtifact SampledData Signature Timing TriggerDefinition UsageContext"""
_PRIMITIVE_SUFFIXES: Final = frozenset(code[0].upper() + code[1:] for code in CHECKS if "/" not in code)
_SUFFIXES: Final = _PRIMITIVE_SUFFIXES | frozenset(_COMPLEX.split())


class Node:
    """One element of one profile (or one slice of it)."""

    __slots__ = (
        "array",
        "base_min",
        "binding",
        "children",
        "content",
        "contexts",
        "fixed",
        "id",
        "invariants",
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
        "use",
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
        self.use: Use | None = None
        """On the root of an extension: where it may stand (see ``contexts``)."""
        self.contexts: frozenset[str] = frozenset(_contexts(self, row))
        """What extension contexts may call this element, but for its type, which only its slot knows."""


def _without_slices(element_id: str) -> str:
    return ".".join(part.partition(":")[0] for part in element_id.split("."))


def _contexts(node: Node, row: ElementRow) -> set[str]:
    names = {node.path, node.path.removesuffix("[x]"), "Element", "Base"}
    if row.base_path:
        names.update((row.base_path, row.base_path.removesuffix("[x]")))
    if "." not in node.path and not node.slice_name:
        names.update(_RESOURCE_KINDS)
    return names


class Slot:
    """What may stand under one JSON key. ``target`` describes the members of an object there, if the node does not
    leave that to its type or profile; ``plain`` promises that nothing but type and format has to be checked."""

    __slots__ = (
        "check",
        "choice",
        "code",
        "contexts",
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
        self.contexts: frozenset[str] = node.contexts
        """What extension contexts may call the element under this key; completed by the schemas."""
        self.invariants: tuple[Invariant, ...] = node.invariants
        self.plain = (
            node.plain
            and node.binding is None
            and node.max_length is None
            and node.least is NOTHING
            and node.most is NOTHING
        )


def choice_of(node: Node, key: str) -> Node | None:
    """The choice element that ``key`` belongs to, if the profile leaves its type out."""
    suffixes = (
        _PRIMITIVE_SUFFIXES if key.startswith("_") else _SUFFIXES
    )  # only a primitive has a companion (_valueDate)
    key = key.removeprefix("_")
    for name, child in node.children.items():
        if name.endswith("[x]") and key.startswith(name[:-3]) and key[len(name) - 3 :] in suffixes:
            return child
    return None


def types_allowed(choice: Node) -> tuple[TypeRow, ...]:
    """The types that a choice element may have: where closed slices cut it by type, only those that have a slice."""
    slicing = choice.slicing
    if slicing is None or not slicing.closed or slicing.by != (("type", "$this"),):
        return choice.types
    sliced = {declared.code for cut in choice.slices for declared in cut.types}
    return tuple(declared for declared in choice.types if declared.code in sliced)


def all_slices(node: Node) -> Iterator[Node]:
    """The slices of ``node`` and the slices of those."""
    for cut in node.slices:
        yield cut
        yield from all_slices(cut)
