"""A directory of policies, kept in memory and read again when it changes.

A broken file never takes a policy away: the last good content of that file stays in the catalogue, and the file is
reported until it is mended. A file that is deleted is gone. Value sets stand in ``value-sets/*.yaml`` beside the
policies: ``value_set: <name>`` and ``codes: [system|code ...]``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from precert.policy.catalogue import Catalogue
from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy
from precert.policy.load import PolicyFile, PolicyFileError, Problem, load_file, read_yaml, validated
from precert.policy.model import Pattern

VALUE_SET_FOLDER = "value-sets"
_Stamp = tuple[int, int, int]


class ValueSetFile(BaseModel):
    """A named set of codes; ``vs|<name>`` in a policy means all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value_set: str
    title: str | None = None
    source: str | None = None
    codes: tuple[Pattern, ...]


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What a reload found. Paths are as the library was given them. ``changed`` is False when nothing had to be read."""

    at: datetime
    changed: bool
    loaded: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


class PolicyLibrary:
    """Reads ``directory`` at once. Broken files are reported in ``problems``; they do not raise.

    In: the directory and the moment of loading. Raises NotADirectoryError when there is no such directory.
    """

    def __init__(self, directory: Path, now: datetime) -> None:
        if not directory.is_dir():
            raise NotADirectoryError(f"{directory} is not a directory of policies")
        self.directory = directory
        self.loaded_at = now
        self._stamps: dict[Path, _Stamp] = {}
        self._files: dict[Path, PolicyFile] = {}
        self._compiled: dict[Path, CompiledPolicy] = {}
        self._value_sets: dict[Path, ValueSetFile] = {}
        self._problems: dict[Path, tuple[Problem, ...]] = {}
        self._shared_problems: tuple[Problem, ...] = ()
        self._catalogue = Catalogue()
        self.reload_if_changed(now)

    @property
    def current(self) -> Catalogue:
        """The catalogue now; hold on to it for the whole of one request."""
        return self._catalogue

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything wrong with the files as they are now, by file; empty when all is well."""
        found = [problem for path in sorted(self._problems) for problem in self._problems[path]]
        return (*found, *self._shared_problems)

    def reload_if_changed(self, now: datetime) -> ReloadReport:
        """Look at the directory and read what is new or different. Cheap when nothing changed. Never raises."""
        stamps = self._look()
        if stamps == self._stamps:
            return ReloadReport(now, changed=False, problems=self.problems)
        removed = [path for path in self._stamps if path not in stamps]
        different = [path for path in stamps if stamps[path] != self._stamps.get(path)]
        for path in removed:
            for table in (self._files, self._compiled, self._value_sets, self._problems):
                table.pop(path, None)
        value_sets_before = self._expansions()
        for path in different:
            self._problems.pop(path, None)
            if path.parent.name == VALUE_SET_FOLDER:
                self._read_value_set(path)
        expansions = self._expansions()
        again = set(self._files) if expansions != value_sets_before else set()
        for path in sorted({*different, *again}):
            if path.parent.name != VALUE_SET_FOLDER:
                self._read_policy(path, expansions, fresh=path in different)
        self._stamps = stamps
        self._catalogue = self._assembled(expansions)
        self.loaded_at = now
        return ReloadReport(
            now, True, tuple(map(str, sorted(different))), tuple(map(str, sorted(removed))), self.problems
        )

    def _look(self) -> dict[Path, _Stamp]:
        stamps: dict[Path, _Stamp] = {}
        for pattern in ("*.yaml", "*.yml", f"{VALUE_SET_FOLDER}/*.yaml", f"{VALUE_SET_FOLDER}/*.yml"):
            for path in self.directory.glob(pattern):
                try:
                    status = path.stat()
                except OSError:  # deleted between listing and looking: it is simply not there
                    continue
                stamps[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return stamps

    def _expansions(self) -> ValueSets:
        return {file.value_set: file.codes for _, file in sorted(self._value_sets.items())}

    def _read_value_set(self, path: Path) -> None:
        try:
            content, source = read_yaml(path.read_bytes(), str(path))
            self._value_sets[path] = validated(ValueSetFile, content, source)
        except PolicyFileError as error:
            self._problems[path] = error.problems
        except OSError as error:
            self._problems[path] = (Problem(str(path), 1, "", f"cannot be read: {error.strerror}"),)

    def _read_policy(self, path: Path, value_sets: ValueSets, *, fresh: bool) -> None:
        try:
            file = load_file(path) if fresh else self._files[path]
            self._compiled[path] = CompiledPolicy(file, value_sets)
            self._files[path] = file
        except PolicyFileError as error:
            kept = self._compiled.get(path)
            suffix = f" (still using {kept.id} {kept.version} as it was before)" if kept else ""
            self._problems[path] = tuple(replace(p, message=p.message + suffix) for p in error.problems)

    def _assembled(self, value_sets: ValueSets) -> Catalogue:
        """The catalogue of all good files; of two files with the same version the first by name counts."""
        chosen: dict[tuple[str, str], CompiledPolicy] = {}
        problems: list[Problem] = []
        for _, policy in sorted(self._compiled.items()):
            first = chosen.setdefault((policy.id, policy.version), policy)
            if first is not policy:
                message = f"{policy.id} {policy.version} is already in {first.file.source.file}; this file is not used"
                problems.append(policy.file.source.problem(("version",), message))
        self._shared_problems = tuple(problems)
        return Catalogue(chosen.values(), value_sets)
