"""A directory of policies, kept in memory and read again when it changes.

What cannot be used is never "no rule" (docs/policies.md, "When a file cannot be used"): a person decides about the
services that the file was about until it is mended, and :attr:`PolicyLibrary.problems` names it. The last good content of
a broken file stays in the catalogue, so that forms, pages and the trace keep what they had. Value sets stand in
``value-sets/*.yaml`` beside the policies: ``value_set: <name>`` and ``codes: [system|code ...]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path

import structlog
from pydantic import BaseModel, ConfigDict, Field

from precert.policy.activation import name_of_set, read_withheld, value_sets_of
from precert.policy.catalogue import Catalogue
from precert.policy.codeset import ValueSets
from precert.policy.compiled import CompiledPolicy
from precert.policy.folder import VALUE_SET_FOLDER, Listing, listing
from precert.policy.lint import blocking
from precert.policy.load import PolicyFile, PolicyFileError, Problem, load_file, read_file, read_yaml, validated
from precert.policy.model import Pattern
from precert.policy.overlap import overlaps
from precert.policy.withheld import Span, Withheld, expanded, of_policy, uncovered

log = structlog.get_logger(__name__)


class ValueSetFile(BaseModel):
    """A named set of codes; ``vs|<name>`` in a policy means all of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    value_set: str
    title: str | None = None
    source: str | None = None
    codes: tuple[Pattern, ...] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class ReloadReport:
    """What a reload found. Paths are as the library was given them. ``changed`` is False when nothing had to be read."""

    at: datetime
    changed: bool
    loaded: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Known:
    """A policy that was read, and what it is about with its value sets as they were then."""

    policy: CompiledPolicy
    services: tuple[str, ...] | None

    def withheld(self, why: str) -> Withheld:
        return of_policy(self.policy.model, self.services, why)

    @property
    def span(self) -> Span:
        effective = self.policy.model.effective
        return effective.start, effective.end or date.max


class PolicyLibrary:
    """Reads ``directory`` at once. Broken files are reported in ``problems``; they do not raise.

    In: the directory and the moment of loading. Raises NotADirectoryError when there is no such directory.
    """

    def __init__(self, directory: Path, now: datetime) -> None:
        if not directory.is_dir():
            raise NotADirectoryError(f"{directory} is not a directory of policies")
        self.directory = directory
        self.loaded_at = now
        self._listing: Listing | None = None
        self._known: dict[Path, _Known] = {}
        self._value_sets: dict[Path, ValueSetFile] = {}
        self._problems: dict[Path, tuple[Problem, ...]] = {}
        self._broken: dict[Path, Withheld | None] = {}
        self._broken_sets: dict[Path, str | None] = {}
        self._sets_seen: set[str] = set()
        self._seen: dict[tuple[str, str], _Known] = {}
        self._all_problems: tuple[Problem, ...] = ()
        self._catalogue = Catalogue()
        self.reload_if_changed(now)

    @property
    def current(self) -> Catalogue:
        """The catalogue now; hold on to it for the whole of one request."""
        return self._catalogue

    @property
    def problems(self) -> tuple[Problem, ...]:
        """Everything wrong with the folder and its files as they are now, by file; empty when all is well."""
        return self._all_problems

    def not_ready(self, day: date) -> str | None:
        """Why nothing can be decided by rules on ``day``: the folder cannot be read, or holds no policy in force."""
        listing_, catalogue = self._listing, self._catalogue
        if listing_ is not None and listing_.trouble is not None:
            return listing_.trouble
        if not any(policy.in_effect(day) for policy in catalogue):
            return f"no policy of {self.directory} is in force on {day}"
        return None

    def reload_if_changed(self, now: datetime) -> ReloadReport:
        """Look at the directory and read what is new or different. Cheap when nothing changed. Never raises: of a reload that
        fails on the way nobody knows what it would have changed, so no rule decides until one succeeds."""
        found = listing(self.directory)
        if found == self._listing:
            return ReloadReport(now, changed=False, problems=self.problems)
        try:
            return self._reload(found, now)
        except Exception as error:
            log.exception("policies cannot be reloaded")
            return self._reload(Listing({}, {}, f"the reload failed: {type(error).__name__}: {error}"), now)

    def _reload(self, found: Listing, now: datetime) -> ReloadReport:
        before = self._listing
        if found.trouble is not None:  # what was loaded stays as it is, and decides nothing
            message = "the folder cannot be read; a person decides about every service"
            problem = Problem(str(self.directory), 1, "", message)
            self._settle(found, now, self._catalogue, [problem], [Withheld(found.trouble)])
            return ReloadReport(now, True, problems=self.problems)
        old = {**before.policies, **before.value_sets} if before is not None else {}
        new = {**found.policies, **found.value_sets}
        removed = {path for path in (*self._known, *self._value_sets, *self._problems) if path not in new}
        for path in removed:
            for table in (self._known, self._value_sets, self._problems, self._broken, self._broken_sets):
                table.pop(path, None)
        different = [path for path in new if new[path] != old.get(path)]
        value_sets_before = self._expansions()
        self._read_value_sets([path for path in different if path in found.value_sets])
        expansions = self._expansions()
        again = found.policies if expansions != value_sets_before else ()
        for path in sorted({*again, *(path for path in different if path in found.policies)}):
            self._read_policy(path, expansions)
        chosen, problems, withheld = self._assembled(now)
        self._settle(found, now, chosen, problems, withheld, expansions)
        return ReloadReport(
            now, True, tuple(map(str, sorted(different))), tuple(map(str, sorted(removed))), self.problems
        )

    def _settle(
        self,
        found: Listing,
        now: datetime,
        policies: Iterable[CompiledPolicy],
        problems: Sequence[Problem],
        withheld: Sequence[Withheld],
        value_sets: ValueSets | None = None,
    ) -> None:
        """Let a new catalogue take the place of the old one, at once for everybody who asks in another thread."""
        broken = [problem for path in sorted(self._problems) for problem in self._problems[path]]
        self._catalogue = Catalogue(
            policies, self._catalogue.value_sets if value_sets is None else value_sets, withheld
        )
        self._all_problems = (*broken, *problems)
        self._listing = found
        self.loaded_at = now

    def _expansions(self) -> ValueSets:
        """The first file by name of each set counts; that there is a second is a problem."""
        found: dict[str, tuple[str, ...]] = {}
        for _, file in sorted(self._value_sets.items()):
            found.setdefault(file.value_set, file.codes)
        return found

    def _doubled(self) -> list[Path]:
        """Value-set files that say something else about a set than the first file of its name."""
        sets = self._expansions()
        return [path for path, file in sorted(self._value_sets.items()) if file.codes != sets[file.value_set]]

    def _read_value_sets(self, paths: list[Path]) -> None:
        for path in paths:
            for table in (self._problems, self._broken_sets):
                table.pop(path, None)
            try:
                content, source = read_yaml(read_file(path), str(path))
                self._value_sets[path] = validated(ValueSetFile, content, source)
            except PolicyFileError as error:
                self._problems[path] = error.problems
                self._broken_sets[path] = name_of_set(error.content)

    def _read_policy(self, path: Path, value_sets: ValueSets) -> None:
        """Put one file into force; or note what is wrong with it and what it was about."""
        file: PolicyFile | None = None
        try:
            file = load_file(path)
            policy = CompiledPolicy(file, value_sets)
            if problems := blocking(policy, value_sets):
                raise PolicyFileError(problems)
        except PolicyFileError as error:
            self._refuse(path, error.problems, error.content or _content(file), value_sets)
            return
        except Exception as error:  # whatever a file does, the others must be read, and this one must be told of
            message = f"cannot be used: {type(error).__name__}: {error}"
            self._refuse(path, (Problem(str(path), 1, "", message),), _content(file), value_sets)
            return
        self._known[path] = _Known(policy, expanded(policy.model.applies.services, value_sets))
        for table in (self._problems, self._broken):
            table.pop(path, None)

    def _refuse(self, path: Path, problems: tuple[Problem, ...], content: object, value_sets: ValueSets) -> None:
        kept = self._known.get(path)
        suffix = ""
        if kept is not None and kept.policy.model.status == "active":
            was = f"{kept.policy.id} {kept.policy.version}"
            suffix = f" (a person decides about the services of {was}, as they were before, until this is mended)"
        self._problems[path] = tuple(replace(p, message=p.message + suffix) for p in problems)
        before, now = (
            self._broken.get(path),
            read_withheld(content, problems, value_sets, f"{path.name} cannot be used"),
        )
        if before is not None and now is not None and now.services is None:
            now = replace(now, services=before.services)  # the last readable scope
        self._broken[path] = now

    def _assembled(self, now: datetime) -> tuple[list[CompiledPolicy], list[Problem], list[Withheld]]:
        """All good policies (of two files with the same version the first by name counts), what is wrong between the files,
        and what cannot be relied on."""
        chosen: dict[tuple[str, str], _Known] = {}
        problems: list[Problem] = []
        withheld: list[Withheld] = [*self._unusable()]
        for path, known in sorted(self._known.items()):
            policy = known.policy
            first = chosen.setdefault((policy.id, policy.version), known)
            if first is known:
                continue
            message = (
                f"{policy.id} {policy.version} is already in {first.policy.file.source.file}; this file is not used"
            )
            problems.append(policy.file.source.problem(("version",), message))
            if first.policy.digest != policy.digest:
                why = f"{path.name} is another {policy.id} {policy.version}"
                withheld += [one.withheld(why) for one in (first, known)]
        doubtful: set[tuple[str, str]] = set()
        for one, other, why in overlaps(known.policy for known in chosen.values()):
            doubtful |= {(policy.id, policy.version) for policy in (one, other)}
            problems += [policy.file.source.problem(("applies",), f"[overlap] {why}") for policy in (one, other)]
            withheld += [chosen[(policy.id, policy.version)].withheld(why) for policy in (one, other)]
        for file, gone in self._vanished(chosen, doubtful):
            withheld.append(gone)
            if gone.end >= now.date():
                message = f"{gone.why}; put it back, with status: retired if it shall end, or restart the server"
                problems.append(Problem(file, 1, "", message))
        for start, end in uncovered(k.span for k in chosen.values() if k.policy.model.status == "active"):
            why = "no policy of the folder is in force on that day"
            withheld.append(Withheld(why, start=start, end=end, by="receipt"))
        folder = str(self.directory / VALUE_SET_FOLDER)
        problems += [Problem(folder, 1, name, why) for name, why in sorted(self._lacking_sets().items())]
        return [known.policy for known in chosen.values()], problems, list(dict.fromkeys(withheld))

    def _unusable(self) -> Iterator[Withheld]:
        """What broken files were about: as they are now, and as they last were; and who uses a broken value set."""
        for path, read in sorted(self._broken.items()):
            last = self._known.get(path)
            if last is not None and last.policy.model.status == "active":
                yield last.withheld(f"{path.name} cannot be used")
            if read is not None:
                unreadable = read.services is None and last is not None  # the last readable scope counts
                yield replace(read, services=last.services) if unreadable and last is not None else read
        lacking = self._lacking_sets()
        for known in self._known.values() if lacking else ():
            for name in sorted(value_sets_of(known.policy) & lacking.keys()):
                yield known.withheld(lacking[name])

    def _lacking_sets(self) -> dict[str, str]:
        """The value sets that cannot be relied on, with the reason: broken, said twice, or removed since start."""
        expansions = self._expansions()
        self._sets_seen.update(expansions)
        found = {name: f"the value set {name} was removed since start" for name in self._sets_seen - expansions.keys()}
        for path, name in sorted(self._broken_sets.items()):
            why = f"{VALUE_SET_FOLDER}/{path.name} cannot be used"
            last = self._value_sets.get(path)
            if last is None and name is None:  # it may be any of those that are not here
                used = frozenset[str]().union(*(value_sets_of(known.policy) for known in self._known.values()))
                found.update(dict.fromkeys(used - expansions.keys(), why))
            found.update(dict.fromkeys({last.value_set} if last else {name} if name else (), why))
        for path in self._doubled():
            name = self._value_sets[path].value_set
            found[name] = f"{VALUE_SET_FOLDER}/{path.name} has other codes for {name} than the file before it"
        return found

    def _vanished(
        self, chosen: dict[tuple[str, str], _Known], doubtful: set[tuple[str, str]]
    ) -> Iterator[tuple[str, Withheld]]:
        """Versions in force that were here since the start and are gone, for days on which no other version counts.

        A policy is ended by ``status: retired`` or ``effective.end``; a file that is merely gone may have been lost. What
        never decided alone (``doubtful``: it overlaps) may be taken away again.
        """
        fresh = {key: known for key, known in chosen.items() if key not in doubtful}
        self._seen.update({key: known for key, known in fresh.items() if known.policy.model.status == "active"})
        for (id, version), known in sorted(self._seen.items()):
            if (id, version) in chosen:
                continue
            spans = [k.span for k in chosen.values() if k.policy.id == id and k.policy.model.status == "active"]
            file = known.policy.file.source.file
            why = f"{Path(file).name} with {id} {version} was removed since start"
            for start, end in uncovered(spans, known.span):
                yield file, replace(known.withheld(why), start=start, end=end)


def _content(file: PolicyFile | None) -> object:
    """What a file that could be read says, as its text has it."""
    return file.policy.model_dump(mode="json", by_alias=True) if file is not None else None
