"""`precert.fhir.versions` is the one place that knows the names, FHIR bases and validation tables of the guides."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest

import precert
from precert.authorization.record.codes import code_table
from precert.crd import shape20 as crd20
from precert.crd import shape22 as crd22
from precert.crd.faults import NAMES
from precert.dtr.artifacts import SHAPES as FORM_SHAPES
from precert.fhir import versions
from precert.fhir.validation import CONTEXTS, data_dir
from precert.fhir.validation.compile import SUFFIX
from precert.fhir.versions import PREFIXES, STU_2_0, STU_2_2, VERSIONS, Guide, IgVersion, VersionName, at, named
from precert.pas.presenter import SHAPES
from precert.subscriptions.channel import CONTENTS
from precert.subscriptions.urls import PROFILES

SRC = Path(precert.__file__).parent
OWNER = SRC / "fhir" / "versions.py"

BASE = r"(?<![\w.\-]){}(?![\w\-])"
"""A path by itself or at the start of one, not the end of an address such as ``http://hl7.org/fhir``."""
TABLES = [*(v.tables(g) for v in VERSIONS for g in v.published), versions.CDEX_TABLES]
PACKAGES = [*(v.package(g) for v in VERSIONS for g in v.published), versions.CDEX_PACKAGE]
WRITTEN = re.compile("|".join([*(BASE.format(re.escape(p)) for p in PREFIXES), *map(re.escape, TABLES + PACKAGES)]))
"""What only the owner writes, anywhere in a text. The names of the versions count when they are the whole text."""


def owned(text: str) -> bool:
    return text in {version.name for version in VERSIONS} or WRITTEN.search(text) is not None


def literals(source: str) -> Iterator[tuple[int, str]]:
    """Line and text of each string literal, parts of f-strings too; not docstrings, which are for people."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str | bytes) and id(node) not in prose:
            yield node.lineno, node.value if isinstance(node.value, str) else node.value.decode("latin-1")


def test_no_other_module_writes_a_base_a_table_or_a_version() -> None:
    found = [
        f"{path.relative_to(SRC)}:{line}: {text[:80]!r}"
        for path in sorted(SRC.rglob("*.py"))
        if path != OWNER
        for line, text in literals(path.read_text("utf-8"))
        if owned(text)
    ]
    assert not found, "take it from precert.fhir.versions:\n" + "\n".join(found)


def test_no_page_or_script_writes_a_base_or_a_table() -> None:
    paths = [path for path in sorted(SRC.rglob("*")) if path.suffix in {".html", ".js"}]
    assert paths
    found = [str(path.relative_to(SRC)) for path in paths if WRITTEN.search(path.read_text("utf-8"))]
    assert not found, f"take it from precert.fhir.versions: {found}"


@pytest.mark.parametrize(
    ("source", "counts"),
    [
        ('PREFIX = "/fhir/v2.0"', True),
        ('PREFIX = "/fhir"', True),
        ('url = f"{root}/fhir/Questionnaire/{name}"', True),
        ('for path in ("/fhir/v2.0/", "/fhir/"): ...', True),
        ('print(f"{root}/fhir (STU 2.2)")', True),
        ('body.replace(b"x", b"/fhir")', True),
        ('TABLES = {"a": "crd-2.2.1"}', True),
        ('context = "dtr-2.0.1" if old else new', True),
        ('observe(resource, "cdex-2.1.0")', True),
        ('package = "hl7.fhir.us.davinci-dtr-2.2.0"', True),
        ('if version == "2.0": ...', True),
        ('"""The base is /fhir/v2.0, the tables are pas-2.0.1."""', False),
        ('def f() -> None:\n    """On /fhir, version 2.2."""', False),
        ('url = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/x"', False),
        ('type = "application/fhir+json"', False),
        ('text = "CRD 2.2.1 says so"', False),
    ],
)
def test_what_counts_as_written(source: str, counts: bool) -> None:
    assert any(owned(text) for _, text in literals(source)) is counts


def test_the_versions_are_told_apart() -> None:
    assert tuple(version.name for version in VERSIONS) == get_args(VersionName)
    assert len({version.prefix for version in VERSIONS}) == len(VERSIONS) == len(PREFIXES)
    assert len(set(TABLES)) == len(TABLES)
    assert len({*VERSIONS}) == len(VERSIONS)  # hashable: a version can key a table


@pytest.mark.parametrize("version", VERSIONS, ids=lambda v: str(v.name))
def test_each_version_is_whole(version: IgVersion) -> None:
    """Adding a version here without its shapes, codes and tables is noticed."""
    assert named(version.name) is version
    assert set(version.published) == set(get_args(Guide))
    for guide in version.published:
        packages = CONTEXTS[version.tables(guide)]
        assert packages[0] == version.package(guide)
        assert (data_dir("profiles") / f"{packages[0]}{SUFFIX}").is_file()
    for shapes, guide in ((SHAPES, "pas"), (FORM_SHAPES, "dtr")):
        (shape,) = (shape for shape in shapes if version.name == shape.VERSION)
        prefix, context = shape.PREFIX, shape.CONTEXT
        assert prefix == version.prefix
        assert context == version.tables(guide)
    assert version.name in {crd20.VERSION, crd22.VERSION} & set(NAMES)
    assert version.name in code_table().outcome.keys() & PROFILES.keys() & CONTENTS.keys()


def test_an_unknown_version_is_no_version() -> None:
    for name in ("", "2", "2.1", "2.2.1", "STU 2.2", " 2.2"):
        with pytest.raises(KeyError):
            named(name)


@pytest.mark.parametrize(
    ("path", "version"),
    [
        ("/fhir", STU_2_2),
        ("/fhir/", STU_2_2),
        ("/fhir/metadata", STU_2_2),
        ("/fhir/Claim/v2.0", STU_2_2),
        ("/fhir/v2.01/Claim", STU_2_2),
        ("/fhir/v2.0", STU_2_0),
        ("/fhir/v2.0/Claim/$submit", STU_2_0),
        ("", None),
        ("/", None),
        ("/fhirs/Claim", None),
        ("/api/fhir/Claim", None),
        ("/cds-services", None),
    ],
)
def test_the_version_of_a_path(path: str, version: IgVersion | None) -> None:
    assert at(path) is version
