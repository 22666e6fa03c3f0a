"""Which slice a member of a repeating element belongs to."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from precert.fhir.validation.nodes import NOTHING, Node
from precert.fhir.validation.report import Surroundings
from precert.fhir.validation.schemas import Schemas
from precert.fhir.validation.values import contains, equal

Test = Callable[[Any, int, Surroundings], bool | None]
"""A member, its index, and the document: in the slice, not in it, or undecidable."""

_STEP = re.compile(r"extension\('([^']+)'\)|ofType\((\w+)\)|resolve\(\)|\$this|([A-Za-z]\w*)")


class Sorter:
    """Assigns members to slices. ``by_url`` is the short cut for extensions."""

    __slots__ = ("by_url", "tests")

    def __init__(self, node: Node, schemas: Schemas) -> None:
        self.by_url: dict[str, Node] | None = None
        self.tests: list[tuple[Node, Test]] = []
        by = node.slicing.by if node.slicing else ()
        if by == (("value", "url"),):
            urls = [(extension_url(cut, schemas), cut) for cut in node.slices]
            self.by_url = {url: cut for url, cut in urls if url}
        else:
            self.tests = [
                (cut, _all_of([_test(kind, path, cut, node, schemas) for kind, path in by])) for cut in node.slices
            ]

    def slice_of(self, member: Any, index: int, around: Surroundings) -> tuple[Node | None, bool]:
        """The slice, and whether that answer is certain."""
        if self.by_url is not None:
            url = member.get("url") if isinstance(member, dict) else None
            return (self.by_url.get(url) if isinstance(url, str) else None), True
        certain = True
        for cut, test in self.tests:
            answer = test(member, index, around)
            if answer:
                return cut, True
            if answer is None:
                certain = False
        return None, certain


def sorter(node: Node, schemas: Schemas) -> Sorter:
    """The sorter of ``node``, made once."""
    made: Sorter | None = node.sorter
    if made is None:
        made = node.sorter = Sorter(node, schemas)
    return made


def extension_url(cut: Node, schemas: Schemas) -> str | None:
    """The URL that marks an extension slice."""
    url = cut.children.get("url")
    if url is not None and url.fixed is not NOTHING:
        return str(url.fixed)
    for declared in cut.types:
        for profile in declared.profiles:
            root = schemas.root(profile)
            fixed = root.children["url"].fixed if root is not None and "url" in root.children else NOTHING
            return str(fixed) if fixed is not NOTHING else profile.partition("|")[0]
    return None


def _all_of(tests: Sequence[Test]) -> Test:
    if len(tests) == 1:
        return tests[0]

    def test(member: Any, index: int, around: Surroundings) -> bool | None:
        result: bool | None = True if tests else None
        for one in tests:
            answer = one(member, index, around)
            if answer is False:
                return False
            if answer is None:
                result = None
        return result

    return test


Step = tuple[str, str]


def _steps(path: str) -> list[Step]:
    steps: list[Step] = []
    for match in _STEP.finditer(path.partition(" as ")[0]):
        if match[1]:
            steps.append(("extension", match[1]))
        elif match[2]:
            steps.append(("type", match[2]))
        elif match[0] == "resolve()":
            steps.append(("resolve", ""))
        elif match[3]:
            steps.append(("child", match[3]))
    return steps


def reach(value: Any, steps: Sequence[Step], around: Surroundings) -> Iterator[Any]:
    """The values at ``steps`` under ``value``."""
    if not steps:
        yield value
        return
    (kind, name), rest = steps[0], steps[1:]
    if kind == "resolve":
        found = around.resolve(value)
        if found is not None:
            yield from reach(found, rest, around)
    elif kind == "type":
        yield from reach(value, rest, around)
    elif isinstance(value, dict):
        if kind == "extension":
            listed = value.get("extension")
            members: list[Any] = [
                e for e in (listed if isinstance(listed, list) else ()) if isinstance(e, dict) and e.get("url") == name
            ]
        elif name in value:
            members = value[name] if isinstance(value[name], list) else [value[name]]
        else:  # a choice: value → valueCode
            members = [v for k, v in value.items() if k.startswith(name) and k[len(name) : len(name) + 1].isupper()]
        for member in members:
            yield from reach(member, rest, around)


def _follow(nodes: list[Node], steps: Sequence[Step], schemas: Schemas) -> list[Node]:
    """The nodes of the definition at ``steps``, through types, profiles and extension slices."""
    for kind, name in steps:
        if kind in ("resolve", "type"):
            continue
        found: list[Node] = []
        for node in nodes:
            for owner in _owners(node, schemas):
                if kind == "child":
                    child = owner.children.get(name) or owner.children.get(name + "[x]")
                    found.extend([child] if child is not None else [])
                elif "extension" in owner.children:
                    found.extend(c for c in owner.children["extension"].slices if extension_url(c, schemas) == name)
        nodes = found
    return nodes


def _owners(node: Node, schemas: Schemas) -> list[Node]:
    owners = [node] if node.children else []
    for declared in node.types:
        roots = [schemas.root(profile) for profile in declared.profiles] or (
            [] if owners else [schemas.type_root(declared.code)]
        )
        owners.extend(root for root in roots if root is not None)
    return owners


def _test(kind: str, path: str, cut: Node, whole: Node, schemas: Schemas) -> Test:
    steps = _steps(path)
    nodes = _follow([cut], steps, schemas)
    match kind:
        case "exists":
            return _exists(steps, nodes)
        case "type":
            return _type(steps, nodes, schemas)
        case "profile":
            return _profile(steps, nodes)
        case "position":
            position = whole.slices.index(cut)
            return lambda member, index, around: index == position
        case _:
            return _value(steps, nodes)


def _exists(steps: list[Step], nodes: list[Node]) -> Test:
    wanted = not any(node.max == 0 for node in nodes)
    return lambda member, index, around: any(True for _ in reach(member, steps, around)) is wanted


def _type(steps: list[Step], nodes: list[Node], schemas: Schemas) -> Test:
    types: set[str] = set()
    targets_matter = bool(steps) and steps[-1][0] == "resolve"
    for node in nodes:
        for declared in node.types:
            if targets_matter:
                roots = [schemas.root(target) for target in declared.targets]
                types.update(root.path for root in roots if root is not None)
            else:
                types.add(declared.code)

    def test(member: Any, index: int, around: Surroundings) -> bool | None:
        found = False
        for value in reach(member, steps, around):
            found = True
            kind = value.get("resourceType") if isinstance(value, dict) else None
            if isinstance(kind, str) and kind in types:
                return True
        return None if targets_matter and not found else False

    return test


def _profile(steps: list[Step], nodes: list[Node]) -> Test:
    resolved = bool(steps) and steps[-1][0] == "resolve"
    profiles = [
        p for node in nodes for declared in node.types for p in (declared.targets if resolved else declared.profiles)
    ]

    def test(member: Any, index: int, around: Surroundings) -> bool | None:
        answers = [around.conforms(value, p) for value in reach(member, steps, around) for p in profiles]
        if any(answers):
            return True
        return None if not answers or None in answers else False

    return test


def _value(steps: list[Step], nodes: list[Node]) -> Test:
    wanted = [check for node in nodes for check in _demands(node, [], 0)]

    def test(member: Any, index: int, around: Surroundings) -> bool | None:
        if not wanted:
            return None
        return all(any(check(value) for value in reach(member, [*steps, *deeper], around)) for deeper, check in wanted)

    return test


def _demands(node: Node, below: list[Step], depth: int) -> Iterator[tuple[list[Step], Callable[[Any], bool]]]:
    """The fixed values, patterns and required codes at ``node`` or, failing those, under it."""
    if node.fixed is not NOTHING:
        fixed = node.fixed
        yield below, lambda value: equal(fixed, value)
    elif node.pattern is not NOTHING:
        pattern = node.pattern
        yield below, lambda value: contains(pattern, value)
    elif node.binding is not None and not node.children:
        yield below, partial(node.binding.takes, borrowed=False)
    elif depth < 4:
        for name, child in node.children.items():
            if name not in ("extension", "modifierExtension", "id") and (child.min > 0 or not child.plain):
                yield from _demands(child, [*below, ("child", name.removesuffix("[x]"))], depth + 1)
