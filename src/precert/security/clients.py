"""Who may call: the registry of client systems, a YAML file that operators write (docs/security.md).

Read at start and again when it changes. A broken change never opens or closes a door: the last good content stays in
force and the fault is logged and listed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import structlog
import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from precert.security.client_keys import Keys, PublicKey, given_keys
from precert.security.identity import OPEN_CLIENT, SecuritySetupError, is_loopback
from precert.security.keysets import KeySets
from precert.security.scopes import MOST_SCOPES, Scope, parse_scope

log = structlog.get_logger(__name__)

FORMAT = "precert.clients/1"
_MOST_BYTES = 4 * 1024 * 1024


def _not_reserved(client_id: str) -> str:
    if client_id == OPEN_CLIENT.id:
        raise ValueError(f"{client_id!r} is what everybody is called in open mode; choose another name")
    return client_id


def _a_scope(text: str) -> str:
    parse_scope(text)
    return text


# The characters of client_id are RFC 6749's (appendix A.1) without the space.
ClientId = Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,200}$"), AfterValidator(_not_reserved)]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


class ClientEntry(BaseModel):
    """One client system as the operator registered it. Keys are given (``jwks``) or read from ``jwks_url``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    client_id: ClientId
    name: Name
    jwks: dict[str, Any] | None = None
    jwks_url: str | None = None
    allow_http: bool = False  # for tests: whoever sits between us and a plain http address can pose as the client
    scopes: tuple[Annotated[str, AfterValidator(_a_scope)], ...] = Field(min_length=1, max_length=MOST_SCOPES)
    organizations: tuple[Name, ...] = ()
    roles: tuple[Name, ...] = ()
    requests_per_minute: int | None = Field(None, ge=1)
    suspended: bool = False

    @model_validator(mode="after")
    def _keys(self) -> ClientEntry:
        if (self.jwks is None) == (self.jwks_url is None):
            raise ValueError("give either jwks or jwks_url")
        if self.jwks is not None:
            given_keys(self.jwks)
        if self.jwks_url is not None:
            self._check_address(self.jwks_url)
        return self

    def _check_address(self, address: str) -> None:
        try:
            url = urlsplit(address)
        except ValueError as error:
            raise ValueError("jwks_url is not a URL") from error
        if not url.hostname or url.scheme not in ("https", "http"):
            raise ValueError("jwks_url must be an https URL")
        if url.scheme == "http" and not (self.allow_http or is_loopback(url.hostname)):
            raise ValueError("jwks_url must be https; allow_http: true permits plain http, for tests only")


class ClientsFile(BaseModel):
    """The whole of a ``clients.yaml``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["precert.clients/1"]
    clients: tuple[ClientEntry, ...]


@dataclass(frozen=True, slots=True)
class Registered:
    """A client system, ready to use."""

    entry: ClientEntry
    allowed: tuple[Scope, ...]
    given: Keys
    organizations: frozenset[str]
    roles: frozenset[str]

    @classmethod
    def of(cls, entry: ClientEntry) -> Registered:
        return cls(
            entry,
            tuple(parse_scope(scope) for scope in entry.scopes),
            given_keys(entry.jwks) if entry.jwks is not None else {},
            frozenset(entry.organizations),
            frozenset(entry.roles),
        )

    async def key(self, kid: str, sets: KeySets[PublicKey]) -> PublicKey | None:
        """Its public key ``kid``."""
        if self.entry.jwks_url is None:
            return self.given.get(kid)
        return await sets.key(self.entry.jwks_url, kid)


_Stamp = tuple[int, int, int]


class ClientRegistry:
    """The registered clients of ``path``: a file, or a folder of ``*.yaml``.

    Raises SecuritySetupError when it is broken at start. Later the files are looked at no more often than every
    ``reload_seconds`` (0: at every call), when a client is asked for.
    """

    def __init__(self, path: Path, now: Callable[[], datetime], reload_seconds: float = 2.0) -> None:
        self.path = path
        self.now = now
        self.reload_seconds = reload_seconds
        self.problem: str | None = None
        self._stamps = self._look()
        self._looked_at = now().timestamp()
        self._clients = self._read()

    def get(self, client_id: str) -> Registered | None:
        """The client, unless it is unknown or suspended."""
        self._follow()
        found = self._clients.get(client_id)
        return None if found is None or found.entry.suspended else found

    def __len__(self) -> int:
        return len(self._clients)

    def _follow(self) -> None:
        """Read the files again if they changed."""
        now = self.now().timestamp()
        if 0 <= now - self._looked_at < self.reload_seconds:
            return
        self._looked_at = now
        stamps = self._look()
        if stamps == self._stamps:
            return
        self._stamps = stamps
        try:
            self._clients = self._read()
        except SecuritySetupError as error:
            self.problem = str(error)
            log.error("client registry refused, the last good one stays in force", problem=self.problem)
            return
        self.problem = None
        log.info("client registry reloaded", clients=len(self._clients))

    def _files(self) -> list[Path]:
        if not self.path.is_dir():
            return [self.path]
        return sorted([*self.path.glob("*.yaml"), *self.path.glob("*.yml")])

    def _look(self) -> dict[Path, _Stamp]:
        stamps: dict[Path, _Stamp] = {}
        for path in self._files():
            try:
                status = path.stat()
            except OSError:  # not there: told by _read if it stays away
                continue
            stamps[path] = (status.st_mtime_ns, status.st_size, status.st_ino)
        return stamps

    def _read(self) -> dict[str, Registered]:
        files = self._files()
        if not files:
            raise SecuritySetupError(f"{self.path}: there is no *.yaml file with clients in this folder")
        found: dict[str, Registered] = {}
        where: dict[str, Path] = {}
        for path in files:
            for index, entry in enumerate(read_clients(path).clients):
                first = where.setdefault(entry.client_id, path)
                if entry.client_id in found:
                    raise SecuritySetupError(
                        f"{path}: clients[{index}].client_id: {entry.client_id} is registered already, in {first}"
                    )
                found[entry.client_id] = Registered.of(entry)
        return found


class _StrictLoader(yaml.SafeLoader):
    """YAML that refuses what would be read silently as something else: a key that stands twice, and aliases."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue  # the base class refuses those
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value!r} stands twice", key.start_mark)
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "aliases (*) are not read", mark)
        return super().compose_node(parent, index)


def read_clients(path: Path) -> ClientsFile:
    """Read one file. Raises SecuritySetupError that names the file and every key at fault."""
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise SecuritySetupError(f"{path}: larger than {_MOST_BYTES} bytes, this is no registry of clients")
        content = yaml.load(path.read_text("utf-8"), _StrictLoader)  # noqa: S506 (a SafeLoader)
    except OSError as error:
        raise SecuritySetupError(f"{path}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SecuritySetupError(f"{path}: is not UTF-8") from error
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark is not None else ""
        why = getattr(error, "problem", None) or "nested too deeply, or not YAML"
        raise SecuritySetupError(f"{path}{line}: {why}") from error
    try:
        return ClientsFile.model_validate(content)
    except ValidationError as error:
        raise SecuritySetupError("\n".join(f"{path}: {fault}" for fault in _faults(error))) from error


def _faults(error: ValidationError) -> Iterator[str]:
    # Without the input: it may be a private key that was pasted by mistake.
    for fault in error.errors(include_url=False, include_context=False, include_input=False):
        key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in fault["loc"]).lstrip(".")
        yield f"{key or 'the file'}: {fault['msg'].removeprefix('Value error, ')}"
