"""No JSON body, however odd, is an unexpected failure; and what is accepted is given back."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from subscriptions.test_refusals import resolve
from subscriptions.world import subscription, world

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=30)
    | st.sampled_from(
        ["requested", "off", "org-identifier=", "a=b,", "https://[::", "https://ehr.test:x/", "A: b", "https://ü.test"]
    )
)
ANY = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)
GOOD = subscription("https://ehr.test/hook", timeout=5, heartbeat=60, max_count=1, end="2030-01-01T00:00:00Z")


def places(value: Any, way: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [way, *(place for key, member in inner for place in places(member, (*way, key)))]


PLACES = [place for place in places(GOOD) if place and place != ("resourceType",)]


@st.composite
def mutated(draw: st.DrawFn) -> dict[str, Any]:
    resource = copy.deepcopy(GOOD)
    for place in draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)):
        at: Any = resource
        for step in place[:-1]:
            try:
                at = at[step]
            except (KeyError, IndexError, TypeError):
                break
        else:
            if (isinstance(at, dict) and isinstance(place[-1], str)) or (
                isinstance(at, list) and isinstance(place[-1], int) and place[-1] < len(at)
            ):
                at[place[-1]] = draw(ANY)
    return resource


# One server for all examples of a test: each example writes what it accepts beside the others.
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(bodies=st.lists(mutated() | st.dictionaries(st.text(max_size=10), ANY, max_size=4), min_size=1, max_size=5))
async def test_create_and_update(tmp_path_factory: Any, bodies: list[dict[str, Any]]) -> None:
    directory: Path = tmp_path_factory.mktemp("any")
    async with world(directory, allow_private=False, resolve=resolve) as server:
        id = await server.create(subscription("https://ehr.test/hook"))
        for body in bodies:
            answer = await server.http.post("/fhir/Subscription", json=body)
            assert answer.status_code in (201, 400, 422), answer.text
            if answer.status_code == 201:
                got = answer.json()
                assert {**got, "id": 0, "meta": 0} == {**body, "id": 0, "meta": 0}
                read = await server.http.get(f"/fhir/Subscription/{got['id']}")
                assert read.json() == got
            answer = await server.put(id, body)
            assert answer.status_code in (200, 400, 422), answer.text
        for operation in ("$status", f"{id}/$status", f"{id}/$events"):
            answer = await server.http.post(f"/fhir/Subscription/{operation}", json=bodies[0])
            assert answer.status_code in (200, 400), answer.text


@settings(max_examples=40, deadline=None)
@given(
    query=st.dictionaries(
        st.sampled_from(["url", "status", "_id", "_count", "_page", "id", "x"]) | st.text(max_size=5),
        st.text(max_size=20),
    )
)
async def test_queries(tmp_path_factory: Any, query: dict[str, str]) -> None:
    async with world(tmp_path_factory.mktemp("any")) as server:
        for url in ("/fhir/Subscription", "/fhir/Subscription/$status", "/fhir/Subscription/x/$events"):
            answer = await server.http.get(url, params=query)
            assert answer.status_code in (200, 400, 404, 406), answer.text
