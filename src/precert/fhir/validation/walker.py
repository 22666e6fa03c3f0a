"""One resource against one profile: all findings in one pass."""

from __future__ import annotations

from typing import Any

from precert.fhir.validation.elements import check_extension_place, nested_contexts, value_faults
from precert.fhir.validation.findings import Finding, Path, errors
from precert.fhir.validation.nodes import (
    COMPANION,
    EXTENSION,
    PRIMITIVE,
    RESOURCE,
    Node,
    Slot,
    all_slices,
    choice_of,
    types_allowed,
)
from precert.fhir.validation.report import Inner, Link, Reporter, Surroundings
from precert.fhir.validation.schemas import Schemas
from precert.fhir.validation.slicing import sorter
from precert.fhir.validation.terminology import in_fhir_namespace

MAX_DEPTH = 64
"""Deeper elements are not looked at; the JSON guard refuses such documents before they get here."""


class Walk(Reporter):
    """The state of one pass. ``around`` is the unit under test: it resolves references for discriminators."""

    def __init__(self, schemas: Schemas, root: Node, around: Surroundings, limit: int) -> None:
        super().__init__(around, root.profile if "|" in root.profile else "", limit)
        self._schemas = schemas
        self._root = root
        self._depth = 0
        self.inner: list[Inner] = []
        self.links: list[Link] = []

    def resource(self, value: dict[str, Any], path: Path) -> None:
        """Check the resource ``value`` that stands at ``path``."""
        self._object(self._root, value, path, self._root.contexts)
        self._invariants(self._root.invariants, value, path)

    # -- objects ------------------------------------------------------------------------------------------------

    def _object(self, node: Node, value: dict[str, Any], path: Path, contexts: frozenset[str]) -> None:
        if self._depth >= MAX_DEPTH:
            self._report(path, "too-deep", f"Elements nest deeper than {MAX_DEPTH} levels here; flatten them.")
            return
        self._depth += 1
        slots = self._schemas.slots(node)
        chosen: dict[str, str] | None = None
        for key, member in value.items():
            slot = slots.get(key)
            if slot is None:
                if key != "resourceType" or path.root == "":
                    choice = choice_of(node, key)
                    if choice is None:
                        self._unknown(key, path)
                    else:
                        chosen = {} if chosen is None else chosen
                        chosen.setdefault(choice.name, key)
                        self._wrong_choice(choice, key, path)
                continue
            if member is None:
                self._report(Path(path, slot.label), "null-value", f"Omit {key} instead of sending null.")
                continue
            if slot.choice:
                chosen = {} if chosen is None else chosen
                if chosen.setdefault(slot.label, slot.key) != slot.key:
                    text = f"Send only one of {chosen[slot.label]} and {slot.key}."
                    self._report(Path(path, slot.label), "choice-twice", text)
            self._member(slot, key, member, value, path, contexts)
        for child, keys in node.wanted:
            if not any(key in value for key in keys) and not (chosen and child.name in chosen):
                self._missing(child, Path(path, child.name.removesuffix("[x]")), keys)
        self._depth -= 1

    def _unknown(self, key: str, path: Path) -> None:
        name = key[:60]
        self._report(
            Path(path, name), "unknown-element", f"FHIR has no element {name!r} here; check spelling and place."
        )

    def _wrong_choice(self, choice: Node, key: str, path: Path) -> None:
        label = choice.name.removesuffix("[x]")
        allowed = types_allowed(choice)
        named = ", ".join(label + declared.code[0].upper() + declared.code[1:] for declared in allowed[:8])
        self._report(Path(path, label), "choice-type", f"{key.removeprefix('_')} is not allowed here; send {named}.")

    def _missing(self, child: Node, path: Path, keys: tuple[str, ...]) -> None:
        if child.min > 0:
            rule = "base-required" if child.base_min > 0 else "required"
            named = " or ".join(key for key in keys[:6] if not key.startswith("_"))
            said = f", as {child.slice_name!r}" if child.slice_name else ""
            self._report(path, rule, f"{named} is missing{said}; it is required here.")
        for cut in child.slices:
            if cut.min > 0 and child.array:
                self._too_few(cut, 0, path)

    def _member(
        self, slot: Slot, key: str, member: Any, owner: dict[str, Any], path: Path, contexts: frozenset[str]
    ) -> None:
        node = slot.node
        if slot.kind == COMPANION:
            self._companion(slot, key, member, owner, path)
            return
        if not node.array:
            at = Path(path, slot.label)
            if type(member) is list:
                self._report(at, "unexpected-array", f"{key} occurs once: send the value itself, not an array.")
            elif node.max == 0:
                self._report(at, "prohibited", f"{key} is not allowed here; leave it out.")
            else:
                self._item(slot, member, at)
            return
        if type(member) is not list:
            self._report(Path(path, slot.label), "expected-array", f"{key} may repeat: put it in an array.")
            return
        if not member:
            self._report(Path(path, slot.label), "empty-array", f"Omit {key} instead of sending an empty array.")
            return
        self._counts(slot, key, member, path)
        if slot.kind == EXTENSION:
            self._extensions(slot, member, owner, path, contexts)
        elif node.slices:
            self._sliced(slot, member, path)
        elif slot.kind == PRIMITIVE:
            beside = owner.get("_" + key)
            for index, item in enumerate(member):
                if item is not None:
                    self._item(slot, item, Path(path, slot.label, index))
                elif not (isinstance(beside, list) and index < len(beside) and beside[index]):
                    at = Path(path, slot.label, index)
                    self._report(at, "null-value", f"Omit the item, or say in _{key} why it is absent.")
        else:
            for index, item in enumerate(member):
                self._item(slot, item, Path(path, slot.label, index))

    def _counts(self, slot: Slot, key: str, member: list[Any], path: Path) -> None:
        node = slot.node
        if len(member) > node.max:
            rule = "prohibited" if node.max == 0 else "too-many-repeats"
            text = (
                f"{key} occurs {len(member)} times; at most {node.max} allowed."
                if node.max
                else f"{key} is not allowed here; leave it out."
            )
            self._report(Path(path, slot.label), rule, text)
        elif len(member) < node.min:
            self._report(
                Path(path, slot.label), "too-few", f"{key} occurs {len(member)} times; at least {node.min} needed."
            )

    def _companion(self, slot: Slot, key: str, member: Any, owner: dict[str, Any], path: Path) -> None:
        element = self._schemas.type_root("Element")
        if slot.node.array:
            if type(member) is not list:
                self._report(Path(path, slot.label), "expected-array", f"{key} may repeat: put it in an array.")
                return
            values = owner.get(slot.key)
            if isinstance(values, list) and len(values) != len(member):
                text = f"{key} and {slot.key} go in parallel: give both the same length, with null for gaps."
                self._report(Path(path, slot.label), "array-lengths", text)
            items = [(item, Path(path, slot.label, index)) for index, item in enumerate(member)]
        else:
            items = [(member, Path(path, slot.label))]
        for item, at in items:
            if item is None and slot.node.array:
                continue
            if type(item) is not dict or not item:
                self._report(at, "not-an-object", f"{key} holds an object with id or extension.")
            elif element is not None:
                self._object(element, item, at, slot.contexts)

    # -- one value ----------------------------------------------------------------------------------------------

    def _item(self, slot: Slot, value: Any, path: Path) -> None:
        kind = slot.kind
        if kind == PRIMITIVE:
            fault = slot.check(value) if slot.check else None
            if fault is not None:
                self._report(path, fault.rule, fault.mend)
                return
            if not slot.plain:
                self._values(slot.node, value, path)
            if slot.invariants:
                self._invariants(slot.invariants, value, path)
            return
        if type(value) is not dict:
            self._report(path, "not-an-object", f"{slot.label} is an object here.")
            return
        if kind == RESOURCE:
            self.inner.append(Inner(value, path, slot.node.types))
            return
        if not value or (len(value) == 1 and "id" in value):
            self._report(path, "empty-object", f"{slot.label} has no content; fill it or leave it out.")
            return
        if not slot.plain:
            self._values(slot.node, value, path)
        contexts = slot.contexts
        if slot.target is not None:
            self._object(slot.target, value, path, contexts)
        if slot.profiles:
            self._any_profile(slot.profiles, value, path, contexts)
        elif slot.target is None:
            root = self._schemas.type_root(slot.code)
            if root is not None:
                self._object(root, value, path, contexts)
        if slot.invariants:
            self._invariants(slot.invariants, value, path)
        if slot.code == "Coding":
            self._system(value, path)
        elif slot.code == "Reference" and "reference" in value:
            self.links.append(Link(value, path, slot.targets, self._profile))

    def _system(self, coding: dict[str, Any], path: Path) -> None:
        system = coding.get("system")
        if isinstance(system, str) and in_fhir_namespace(system) and not self._schemas.scope.has_code_system(system):
            text = "FHIR R4 has no such code system; send one that it has, or leave the coding out."
            self._report(Path(path, "system"), "unknown-code-system", text)

    def _values(self, node: Node, value: Any, path: Path) -> None:
        for rule, text, severity in value_faults(node, value):
            self._report(path, rule, text, severity)

    def _any_profile(
        self, profiles: tuple[str, ...], value: dict[str, Any], path: Path, contexts: frozenset[str]
    ) -> None:
        """A datatype or extension must meet one of ``profiles``: the best match speaks for all."""
        best: list[Finding] | None = None
        kept = self.findings
        for profile in profiles:
            root = self._schemas.root(profile)
            if root is None:
                continue
            self.findings = []
            self._typed(root, value, path, contexts)
            if best is None or errors(self.findings) < errors(best):
                best = self.findings
            if not errors(best):
                break
        self.findings = kept
        self.findings.extend((best or [])[: max(0, self._limit - len(kept))])

    def _typed(self, root: Node, value: dict[str, Any], path: Path, contexts: frozenset[str]) -> None:
        outer, self._profile = self._profile, root.profile if "|" in root.profile else self._profile
        if not root.plain or root.binding is not None:
            self._values(root, value, path)
        self._object(root, value, path, contexts)
        self._invariants(root.invariants, value, path)
        self._profile = outer

    # -- repeats ------------------------------------------------------------------------------------------------

    def _sliced(self, slot: Slot, members: list[Any], path: Path) -> None:
        counts: dict[Node, int] = dict.fromkeys(all_slices(slot.node), 0)
        slicing = slot.node.slicing
        last, all_certain = 0, True
        for index, member in enumerate(members):
            at = Path(path, slot.label, index)
            cut, certain = sorter(slot.node, self._schemas).slice_of(member, index, self._around)
            all_certain = all_certain and certain
            if cut is None:
                if certain and slicing is not None and slicing.closed:
                    named = ", ".join(c.slice_name for c in slot.node.slices[:8])
                    self._report(at, "slice-closed", f"This {slot.label} is none of the allowed kinds: {named}.")
                self._item(slot, member, at)
                continue
            if slicing is not None and slicing.ordered:
                place = slot.node.slices.index(cut)
                if place < last:
                    self._report(at, "slice-order", f"{cut.slice_name} comes too late; keep the order of the profile.")
                last = max(last, place)
            counts[cut] += 1
            while cut.slices:
                deeper, certain = sorter(cut, self._schemas).slice_of(member, index, self._around)
                if deeper is None:
                    break
                cut = deeper
                counts[cut] += 1
            self._item(self._schemas.slice_slot(cut, slot), member, at)
        self._slice_counts(counts, Path(path, slot.label), all_certain)

    def _extensions(
        self, slot: Slot, members: list[Any], owner: dict[str, Any], path: Path, contexts: frozenset[str]
    ) -> None:
        node = slot.node
        counts: dict[Node, int] = dict.fromkeys(node.slices, 0)
        by_url = sorter(node, self._schemas).by_url or {}
        for index, member in enumerate(members):
            at = Path(path, slot.label, index)
            if type(member) is not dict or not member:
                self._report(at, "not-an-object", "An extension is an object with a url and a value or extensions.")
                continue
            url = member.get("url")
            cut = by_url.get(url) if isinstance(url, str) else None
            if cut is not None:
                counts[cut] += 1
            self._extension(slot, cut, member, owner, at, contexts)
        if counts:
            self._slice_counts(counts, Path(path, slot.label), certain=True)

    def _extension(
        self,
        slot: Slot,
        cut: Node | None,
        value: dict[str, Any],
        owner: dict[str, Any],
        path: Path,
        contexts: frozenset[str],
    ) -> None:
        url = value.get("url")
        definition: Node | None = None
        if isinstance(url, str) and ":" in url:
            definition = self._schemas.root(url)
            if definition is not None and definition.path != "Extension":
                definition = None
        for found in check_extension_place(slot, cut, definition, value, owner, contexts, path, self._around):
            self._report(path, *found)
        inside = nested_contexts(contexts, url) if "extension" in value else contexts
        if cut is not None and cut.children:
            self._object(cut, value, path, inside)
            self._invariants(cut.invariants, value, path)
        if definition is not None:
            self._typed(definition, value, path, inside)
        elif cut is None or not cut.children:
            root = self._schemas.type_root("Extension")
            if root is not None:
                self._typed(root, value, path, inside)
