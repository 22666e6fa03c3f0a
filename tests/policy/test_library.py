"""A directory of policies that changes under a running server."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from policy.support import document, line, observation
from precert.policy.library import PolicyLibrary
from precert.policy.types import Outcome

NOW = datetime(2026, 11, 2, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


def write(path: Path, **changes: object) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(document(**changes), indent=1))
    touch(path)


def touch(path: Path) -> None:
    """A new time stamp, however coarse the clock of the file system is."""
    touch.ticks += 1_000_000_000  # type: ignore[attr-defined]
    stamp = path.stat().st_mtime_ns + touch.ticks  # type: ignore[attr-defined]
    os.utime(path, ns=(stamp, stamp))


touch.ticks = 0  # type: ignore[attr-defined]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "a.yaml", policy="a")
    write(tmp_path / "b.yaml", policy="b", applies={"services": ["hcpcs|B0001"]})
    return tmp_path


def ids(library: PolicyLibrary) -> list[str]:
    return [f"{p.id}@{p.version}" for p in library.current]


def test_nothing_changed_nothing_read(folder: Path) -> None:
    library = PolicyLibrary(folder, NOW)
    before = library.current
    report = library.reload_if_changed(LATER)
    assert not report.changed
    assert library.current is before
    assert library.loaded_at == NOW


def test_added_changed_and_removed_files(folder: Path) -> None:
    library = PolicyLibrary(folder, NOW)
    old = library.current
    write(folder / "c.yml", policy="c")
    write(folder / "a.yaml", policy="a", version="2")
    (folder / "b.yaml").unlink()
    report = library.reload_if_changed(LATER)
    assert report.changed
    assert {Path(p).name for p in report.loaded} == {"a.yaml", "c.yml"}
    assert {Path(p).name for p in report.removed} == {"b.yaml"}
    assert ids(library) == ["a@2", "c@1"]
    assert [f"{p.id}@{p.version}" for p in old] == ["a@1", "b@1"]  # a request in flight keeps what it began with


def test_a_broken_file_keeps_its_last_good_version_and_is_reported_until_mended(folder: Path) -> None:
    library = PolicyLibrary(folder, NOW)
    (folder / "a.yaml").write_text("policy: a\nrole: [")
    touch(folder / "a.yaml")
    report = library.reload_if_changed(LATER)
    assert ids(library) == ["a@1", "b@1"]
    (problem,) = library.problems
    assert report.problems == library.problems
    assert problem.file.endswith("a.yaml")
    assert "a person decides about the services of a 1" in problem.message
    assert "using" not in problem.message  # of what is withheld, nothing is used
    held = library.current.decide(line(answers={"ok": True}))
    assert (held.outcome, held.reason_code) == (Outcome.REFER_NURSE, "rules-unavailable")
    assert not library.reload_if_changed(LATER).changed
    assert library.problems
    write(folder / "a.yaml", policy="a", version="2")
    assert library.reload_if_changed(LATER).problems == ()
    assert ids(library) == ["a@2", "b@1"]
    assert library.current.decide(line(answers={"ok": True})).outcome is Outcome.APPROVE


def test_a_file_broken_from_the_start_does_not_stop_the_others(folder: Path) -> None:
    (folder / "bad.yaml").write_text("policy: bad\n")
    library = PolicyLibrary(folder, NOW)
    assert ids(library) == ["a@1", "b@1"]
    assert {Path(p.file).name for p in library.problems} == {"bad.yaml"}


def test_the_same_version_in_two_files_is_a_problem_and_the_first_counts(folder: Path) -> None:
    write(folder / "z.yaml", policy="a", title="Other")
    library = PolicyLibrary(folder, NOW)
    assert ids(library) == ["a@1", "b@1"]
    assert library.current.get("a").model.title == "Small"  # type: ignore[union-attr]
    assert "is already in" in library.problems[0].message


def test_value_sets_are_expanded_and_reloaded(folder: Path) -> None:
    fact = {"from": "Observation", "code": ["vs|ahi"], "take": "latest"}
    criteria = {"id": "AHI", "test": "%ahi >= 15", "cite": "c", "why_not": "w"}
    write(folder / "a.yaml", policy="a", facts={"ahi": fact}, criteria=criteria)
    context = line(evidence=[observation("loinc|69990-0", 22, "1")])
    library = PolicyLibrary(folder, NOW)
    assert library.current.decide(context).outcome is Outcome.REFER_NURSE
    sets = folder / "value-sets"
    sets.mkdir()
    (sets / "ahi.yaml").write_text("value_set: ahi\ncodes: [loinc|69990-0]\n")
    assert library.reload_if_changed(LATER).changed
    assert library.current.decide(context).outcome is Outcome.APPROVE
    (sets / "ahi.yaml").write_text("value_set: ahi\ncodes: [nonsense]\n")
    touch(sets / "ahi.yaml")
    library.reload_if_changed(LATER)
    assert "nonsense" in library.problems[0].message
    assert library.current.decide(context).outcome is Outcome.REFER_NURSE
    (sets / "ahi.yaml").write_text("value_set: ahi\ncodes: [loinc|69990-0]\n")
    touch(sets / "ahi.yaml")
    assert library.reload_if_changed(LATER).problems == ()
    assert library.current.decide(context).outcome is Outcome.APPROVE


def test_a_reload_that_fails_on_the_way_leaves_no_rule_deciding(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    library_ = PolicyLibrary(folder, NOW)
    assert library_.not_ready(NOW.date()) is None
    before = library_.current.decide(line()).outcome
    write(folder / "a.yaml", policy="a", version="2027.1")

    def fails(*_: object) -> None:
        raise MemoryError("no more")

    with monkeypatch.context() as patch:
        patch.setattr(PolicyLibrary, "_assembled", fails)
        assert library_.reload_if_changed(LATER).changed
        assert "MemoryError" in (library_.not_ready(NOW.date()) or "")
        assert library_.problems
        assert library_.current.decide(line()).outcome is Outcome.REFER_NURSE
    assert library_.reload_if_changed(LATER).changed  # the next look finds nothing new, and yet reads all of it
    assert library_.not_ready(NOW.date()) is None
    assert library_.problems == ()
    assert "2027.1" in [policy.version for policy in library_.current.versions("a")]
    assert library_.current.decide(line()).outcome is before


def test_a_directory_that_is_not_there() -> None:
    with pytest.raises(NotADirectoryError):
        PolicyLibrary(Path("/nowhere/at/all"), NOW)
