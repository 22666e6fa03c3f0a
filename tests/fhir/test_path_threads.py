"""FHIRPath from several threads at once: the library keeps the time of an evaluation in one place for all."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fhirpathpy.engine.invocations.constants import constants

from precert.fhir.path import compile_path


def test_one_evaluation_at_a_time() -> None:
    """While one thread evaluates, another must not reset what the first has noted (``constants``)."""
    seen: list[bool] = []
    inside = threading.Event()

    class Slow(dict[str, Any]):
        """A resource that lets the others run in the middle of an evaluation."""

        def __getitem__(self, key: str) -> Any:
            return self.look(key)

        def get(self, key: str, default: Any = None) -> Any:
            return self.look(key)

        def look(self, key: str) -> Any:
            constants.today = "2001-01-01"
            inside.set()
            threading.Event().wait(0.05)
            seen.append(constants.today == "2001-01-01")
            return super().get(key)

    first, second = compile_path("Patient.birthDate"), compile_path("today()")
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(first, Slow(resourceType="Patient", birthDate="1990-01-01"), {})
        inside.wait(5)
        quick = pool.submit(second, {}, {})
        slow.result(10)
        quick.result(10)
    assert seen
    assert all(seen)
