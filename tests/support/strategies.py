"""Generated JSON: anything, and a valid document with one node dropped, replaced or doubled."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

from hypothesis import strategies as st

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
DECIMALS = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6)
SCALARS = st.none() | st.booleans() | st.integers(-(2**70), 2**70) | DECIMALS | TEXT
JSON_VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=12
)
ODD = st.one_of(
    SCALARS,
    st.just({}),
    st.just([]),
    st.just([None]),
    st.just({"": ""}),
    st.just([[[]]]),
    st.sampled_from(
        ["#", "#x", "urn:uuid:", "Patient/", "9999-99-99", "0000-00-00", " ", "\u0000", "|", "/_history/1"]
    ),
    st.sampled_from([Decimal("1e300"), Decimal("-1e-300"), 10**40, -1, 0, True]),
    JSON_VALUES,
)


def _parts(path: tuple[Any, ...], document: Any) -> Any:
    for step in path:
        document = document[step]
    return document


def paths(document: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where every node of ``document`` stands."""
    found: list[tuple[Any, ...]] = []
    members = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for step, member in members:
        found.append((*at, step))
        found.extend(paths(member, (*at, step)))
    return found


@st.composite
def mutated(draw: st.DrawFn, document: dict[str, Any], changes: int = 2) -> dict[str, Any]:
    """``document`` with up to ``changes`` nodes dropped, replaced, doubled, or exchanged for another node of it."""
    made = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, changes))):
        places = paths(made)
        if not places:
            return made
        path = draw(st.sampled_from(places))
        parent = _parts(path[:-1], made)
        kind = draw(st.sampled_from(["drop", "replace", "double", "other"]))
        if kind == "drop":
            del parent[path[-1]]
        elif kind == "replace":
            parent[path[-1]] = draw(ODD)
        elif kind == "double" and isinstance(parent, list):
            parent.insert(path[-1], copy.deepcopy(parent[path[-1]]))
        elif kind == "double":
            parent[path[-1]] = [copy.deepcopy(parent[path[-1]])] * 2
        else:
            parent[path[-1]] = copy.deepcopy(_parts(draw(st.sampled_from(places)), made))
    return made
