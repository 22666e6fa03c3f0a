"""Policy files in, typed policies out; every error names the file, the line and the key.

YAML is read as version 1.2: only ``true`` and ``false`` are booleans, ``on``, ``yes`` and ``no`` are words, dates are
words, numbers with a point are decimals. A key written twice, an alias or a tag is refused: what the committee signs
has to mean what it seems to mean.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from precert.policy.model import Policy

KeyPath = tuple[str | int, ...]
_M = TypeVar("_M", bound=BaseModel)
_UNION_ARMS = frozenset({"bool", "int", "decimal", "str", "literal['conditional']"})

_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAX_BYTES = 1_000_000
_MAX_DEPTH = 64

# libyaml where it is there (ten times faster), the same rules in Python where it is not
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """Composes nodes without any implicit typing; :func:`_build` applies the YAML 1.2 core schema."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012  # the name and type that PyYAML looks up


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a file. ``str()`` gives ``file:line: key: message``."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}: "
        return f"{where}{self.key}: {self.message}" if self.key else f"{where}{self.message}"


class PolicyFileError(ValueError):
    """A file cannot be used. ``problems`` lists everything found, in the order of the file.

    ``content`` is what could be read of it all the same: plain values in which what is wrong is ``None`` or missing;
    ``None`` if nothing could. It says what the file was about (:mod:`precert.policy.activation`) and decides nothing.
    """

    def __init__(self, problems: Sequence[Problem], content: Any = None) -> None:
        self.problems = tuple(problems)
        self.content = content
        super().__init__("\n".join(map(str, self.problems)))


class PolicyFolderError(ValueError):
    """A folder of policies cannot be used as it is; the message lists what is wrong, one line each."""


@dataclass(frozen=True, slots=True)
class Source:
    """Where a document came from and on which line each key stands."""

    file: str
    digest: str
    lines: dict[KeyPath, int]

    def line(self, path: KeyPath) -> int:
        """The line of ``path``, or of its nearest ancestor that is written down."""
        for size in range(len(path), -1, -1):
            if path[:size] in self.lines:
                return self.lines[path[:size]]
        return 1

    def problem(self, path: KeyPath, message: str) -> Problem:
        return Problem(self.file, self.line(path), dotted(path), message)


@dataclass(frozen=True, slots=True)
class PolicyFile:
    """A policy as read: the typed content and its source. ``source.digest`` is the SHA-256 of the file's bytes."""

    policy: Policy
    source: Source


def dotted(path: KeyPath) -> str:
    """``('criteria', 'all', 0, 'test')`` as ``criteria.all[0].test``."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def _scalar(written: str, plain: bool) -> Any:
    if not plain:
        return written
    if written in ("true", "True", "TRUE"):
        return True
    if written in ("false", "False", "FALSE"):
        return False
    if written in ("", "~", "null", "Null", "NULL"):
        return None
    if _INT.fullmatch(written):
        return int(written)
    if _FLOAT.fullmatch(written):
        return Decimal(written)
    return written


class _Builder:
    def __init__(self, file: str) -> None:
        self.file = file
        self.lines: dict[KeyPath, int] = {}
        self.problems: list[Problem] = []
        self.seen: set[int] = set()

    def build(self, node: yaml.Node, path: KeyPath) -> Any:
        line = node.start_mark.line + 1
        self.lines.setdefault(path, line)
        if id(node) in self.seen:
            self.problems.append(
                Problem(self.file, line, dotted(path), "aliases (*name) are not allowed; write it out")
            )
            return None
        self.seen.add(id(node))
        if isinstance(node, yaml.ScalarNode):
            if not node.tag.startswith("tag:yaml.org,2002:str"):
                self.problems.append(Problem(self.file, line, dotted(path), f"the tag {node.tag} is not allowed"))
            return _scalar(node.value, plain=not node.style)  # libyaml says '' where Python says None
        if isinstance(node, yaml.SequenceNode):
            return [self.build(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._mapping(node, path)

    def _mapping(self, node: yaml.Node, path: KeyPath) -> dict[str, Any]:
        members: dict[str, Any] = {}
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                self.problems.append(Problem(self.file, line, dotted(path), "a key has to be a word"))
                continue
            key: str = key_node.value
            here = (*path, key)
            if key in members:
                first = self.lines[here]
                message = f"the key is already there on line {first}; keep one of them"
                self.problems.append(Problem(self.file, line, dotted(here), message))
                continue
            self.lines[here] = line
            members[key] = self.build(value_node, here)
        return members


def _shallow(written: str, file: str) -> None:
    """Raises PolicyFileError for nesting that no policy needs; composing it would exhaust the C stack."""
    depth = 0
    for event in yaml.parse(written, Loader=_Loader):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                line = event.start_mark.line + 1 if event.start_mark else 1
                raise PolicyFileError([Problem(file, line, "", "nested too deeply")])
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def read_yaml(text: bytes, file: str) -> tuple[Any, Source]:
    """Strict YAML 1.2 to plain values (numbers with a point are Decimal) and the source to point back into.

    Raises PolicyFileError.
    """
    digest = hashlib.sha256(text).hexdigest()
    if len(text) > _MAX_BYTES:
        raise PolicyFileError([Problem(file, 1, "", f"the file is larger than {_MAX_BYTES} bytes")])
    loader: Any = None
    try:
        written = text.decode("utf-8")
        _shallow(written, file)
        loader = _Loader(written)
        node = loader.get_single_node()
    except UnicodeDecodeError as error:
        line = text[: error.start].count(b"\n") + 1
        raise PolicyFileError([Problem(file, line, "", "the file is not UTF-8 text")]) from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise PolicyFileError([Problem(file, line, "", f"not YAML: {error.problem or error.context}")]) from error
    except yaml.YAMLError as error:
        raise PolicyFileError([Problem(file, 1, "", f"not YAML: {error}")]) from error
    finally:
        if loader is not None:
            loader.dispose()
    if node is None:
        raise PolicyFileError([Problem(file, 1, "", "the file is empty")])
    builder = _Builder(file)
    content = builder.build(node, ())
    if builder.problems:
        raise PolicyFileError(builder.problems, content)
    return content, Source(file, digest, builder.lines)


def _key_path(location: tuple[str | int, ...], lines: dict[KeyPath, int]) -> KeyPath:
    """Pydantic's location without the parts that it adds for unions (they are never keys of the file)."""
    path: KeyPath = ()
    last = len(location) - 1
    for index, part in enumerate(location):
        if (*path, part) in lines or index == last:
            path = (*path, part)
    return path


def _message(error: Any) -> str:
    kind, message = error["type"], error["msg"]
    if kind == "missing":
        return "this key is required"
    if kind == "extra_forbidden":
        return "this key is not part of the format"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind == "literal_error":
        return f"has to be {error['ctx']['expected']}; found {error['input']!r}"
    return f"{message[0].lower()}{message[1:]}; found {error['input']!r}"[:300]


def validated(model: type[_M], content: Any, source: Source) -> _M:
    """``content`` as ``model``. Raises PolicyFileError with one problem per finding."""
    try:
        return model.model_validate(content)
    except ValidationError as error:
        problems: list[Problem] = []
        for finding in error.errors(include_url=False):
            path = _key_path(finding["loc"], source.lines)
            if path and path[-1] not in _UNION_ARMS:
                problems.append(source.problem(path, _message(finding)))
            else:
                problems.append(source.problem(path[:-1], _message(finding)))
        problems.sort(key=lambda problem: problem.line)
        raise PolicyFileError(list(dict.fromkeys(problems)), content) from error


def load_text(text: bytes, file: str = "<text>") -> PolicyFile:
    """One policy from the bytes of a file. Raises PolicyFileError; no partial result."""
    content, source = read_yaml(text, file)
    if not isinstance(content, dict):
        raise PolicyFileError([Problem(file, 1, "", "a policy file is a mapping that starts with policy: <id>")])
    return PolicyFile(validated(Policy, content, source), source)


def read_file(path: Path) -> bytes:
    """The bytes of a regular file (a pipe would be waited for). Raises PolicyFileError."""
    try:
        if path.exists() and not path.is_file():
            raise PolicyFileError([Problem(str(path), 1, "", "cannot be read: it is not a file")])
        return path.read_bytes()
    except OSError as error:
        raise PolicyFileError([Problem(str(path), 1, "", f"cannot be read: {error.strerror}")]) from error


def load_file(path: Path) -> PolicyFile:
    """One policy from a file. Raises PolicyFileError, also when the file cannot be read."""
    return load_text(read_file(path), str(path))
