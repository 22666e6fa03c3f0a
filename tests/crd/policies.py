"""Policies for one test: a file with the parts that matter, the rest filled in."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from precert.policy.catalogue import Catalogue
from precert.policy.library import PolicyLibrary
from support.app import NOW

HEAD = """
policy: {id}
version: "1"
title: {title}
role: {role}
status: active
approved: {{by: UM, date: 2026-01-01, next_review: 2028-01-01}}
effective: {{start: 2026-01-01{end}}}
basis: [{{type: regulation, id: T1}}]
applies: {{services: {services}{applies}}}
"""


def catalogue(
    folder: Path,
    text: str,
    *,
    id: str = "test-policy",
    role: str = "clinical",
    services: str = '["hcpcs|E0100"]',
    applies: str = "",
    end: str = "",
    title: str = "A test policy",
) -> Callable[[], Catalogue]:
    """A catalogue of one policy. ``applies`` and ``end`` are further keys, written as YAML beginning with a comma."""
    target = folder / "policies"
    target.mkdir(exist_ok=True)
    head = HEAD.format(id=id, role=role, services=services, applies=applies, end=end, title=title)
    (target / f"{id}.yaml").write_text(head + text)
    library = PolicyLibrary(target, lambda: NOW)
    assert not library.problems, [str(p) for p in library.problems]
    return lambda: library.current
