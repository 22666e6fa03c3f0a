"""Reading an IG package (``.tgz``): its definitions, and nothing else of it."""

from __future__ import annotations

import json
import tarfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MAX_MEMBER = 64 * 1024 * 1024
"""No definition file is anywhere near this; a larger one is not read into memory."""

_WANTED = ("StructureDefinition", "ValueSet", "CodeSystem")


class PackageError(ValueError):
    """The file is not a readable FHIR package."""


@dataclass(slots=True)
class Package:
    """The conformance resources of one package."""

    name: str
    version: str
    profiles: list[dict[str, Any]] = field(default_factory=list)
    value_sets: dict[str, dict[str, Any]] = field(default_factory=dict)
    code_systems: dict[str, dict[str, Any]] = field(default_factory=dict)


def _manifest(path: Path, archive: tarfile.TarFile) -> tuple[str, str]:
    try:
        stream = archive.extractfile("package/package.json")
    except KeyError:
        stream = None
    if stream is None:
        raise PackageError(f"{path.name}: no package/package.json in the archive; is it a FHIR package?")
    manifest = json.loads(stream.read())
    name, version = manifest.get("name"), manifest.get("version")
    if not isinstance(name, str) or not isinstance(version, str):
        raise PackageError(f"{path.name}: package.json has no name and version")
    return name, version


def read_package(path: Path) -> Package:
    """Read ``path``. Only ``package/*.json`` counts; examples and tooling folders are left alone."""
    try:
        with tarfile.open(path, "r:gz") as archive:
            name, version = _manifest(path, archive)
            package = Package(name, version)
            for member in archive:
                folder, _, file = member.name.rpartition("/")
                if folder != "package" or not file.endswith(".json") or file.startswith(".") or not member.isfile():
                    continue
                if member.size > MAX_MEMBER:
                    raise PackageError(f"{path.name}: {member.name} has {member.size} bytes")
                stream = archive.extractfile(member)
                if stream is not None:
                    _file(package, json.loads(stream.read()))
    except (tarfile.TarError, OSError, EOFError, json.JSONDecodeError) as error:
        raise PackageError(f"{path.name}: {error}") from error
    package.profiles.sort(key=lambda profile: str(profile["url"]))
    return package


def _file(package: Package, resource: Any) -> None:
    if not isinstance(resource, dict) or resource.get("resourceType") not in _WANTED:
        return
    url = resource.get("url")
    if not isinstance(url, str):
        return
    match resource["resourceType"]:
        case "StructureDefinition":
            package.profiles.append(resource)
        case "ValueSet":
            package.value_sets[url] = resource
        case _:
            package.code_systems[url] = resource
