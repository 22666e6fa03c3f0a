"""From a package of our own making to tables and back: every construct, twice the same bytes, no prose."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
from pathlib import Path
from typing import Any

import pytest

from precert.fhir.validation import Validator
from precert.fhir.validation.compile import SUFFIX, compile_package, compile_packages, write
from precert.fhir.validation.model import UNBOUNDED
from precert.fhir.validation.package import PackageError, read_package
from precert.fhir.validation.run import Run
from precert.fhir.validation.schemas import Schemas
from precert.fhir.validation.tables import CORE, Library, LoadedPackage, Scope, data_dir

SHARED = Path(__file__).resolve().parents[3] / "shared" / "igs"
URL = "https://clinic.test/StructureDefinition/"
PROSE = "A definition that must not travel."


def element(id: str, low: int, high: str, *types: dict[str, Any] | str, base: str = "*", **more: Any) -> dict[str, Any]:
    path = ".".join(part.partition(":")[0] for part in id.split("."))
    typed = [{"code": t} if isinstance(t, str) else t for t in types]
    row = {"id": id, "path": path, "min": low, "max": high, "base": {"path": path, "min": 0, "max": base}}
    prose = {"definition": PROSE, "short": PROSE, "comment": PROSE}
    name = {"sliceName": id.rpartition(":")[2]} if ":" in id.rpartition(".")[2] else {}
    return {**row, **prose, **name, **({"type": typed} if typed else {}), **more}


def profile(name: str, type_: str, *elements: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "StructureDefinition",
        "url": URL + name,
        "version": "0.1.0",
        "name": name,
        "kind": "resource",
        "type": type_,
        "derivation": "constraint",
        "baseDefinition": "http://hl7.org/fhir/StructureDefinition/" + type_,
        "description": PROSE,
        "snapshot": {"element": list(elements)},
        **more,
    }


def by(kind: str, path: str, rules: str = "open", ordered: bool = False) -> dict[str, Any]:
    return {"slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules, "ordered": ordered}}


def basic(*inner: dict[str, Any]) -> tuple[dict[str, Any], ...]:
    return (
        element("Patient", 0, "*"),
        element("Patient.id", 0, "1", "http://hl7.org/fhirpath/System.String", base="1"),
        element("Patient.meta", 0, "1", "Meta", base="1"),
        element("Patient.extension", 0, "*", "Extension"),
        *inner,
    )


TELECOM = basic(
    element("Patient.telecom", 0, "*", "ContactPoint", **by("value", "system", "closed", True)),
    element("Patient.telecom:phone", 1, "1", "ContactPoint", **by("value", "use")),
    element("Patient.telecom:phone.system", 1, "1", "code", base="1", fixedCode="phone"),
    element("Patient.telecom:phone.value", 1, "1", "string", base="1", maxLength=8),
    element("Patient.telecom:phone.use", 0, "1", "code", base="1"),
    element("Patient.telecom:phone/home", 0, "1", "ContactPoint"),
    element("Patient.telecom:phone/home.system", 1, "1", "code", base="1", fixedCode="phone"),
    element("Patient.telecom:phone/home.value", 1, "1", "string", base="1"),
    element("Patient.telecom:phone/home.use", 1, "1", "code", base="1", patternCode="home"),
    element("Patient.telecom:phone/home.rank", 1, "1", "positiveInt", base="1", maxValuePositiveInt=3),
    element("Patient.telecom:email", 0, "1", "ContactPoint"),
    element("Patient.telecom:email.system", 1, "1", "code", base="1", fixedCode="email"),
    element("Patient.telecom:email.value", 1, "1", "string", base="1"),
)
NAMES = basic(
    element("Patient.name", 0, "*", "HumanName", **by("exists", "period")),
    element("Patient.name:former", 0, "1", "HumanName"),
    element("Patient.name:former.family", 1, "1", "string", base="1"),
    element("Patient.name:former.period", 1, "1", "Period", base="1"),
    element("Patient.name:current", 1, "1", "HumanName"),
    element("Patient.name:current.family", 0, "1", "string", base="1"),
    element("Patient.name:current.period", 0, "0", "Period", base="1"),
    element("Patient.gender", 0, "1", "code", base="1", binding={"strength": "required", "valueSet": URL + "vs"}),
    element(
        "Patient.maritalStatus",
        0,
        "1",
        "CodeableConcept",
        base="1",
        binding={"strength": "required", "valueSet": URL + "licensed"},
    ),
    element(
        "Patient.generalPractitioner",
        0,
        "*",
        {
            "code": "Reference",
            "targetProfile": [
                "http://hl7.org/fhir/StructureDefinition/Practitioner",
                "http://hl7.org/fhir/StructureDefinition/Organization",
            ],
        },
        **by("type", "resolve()"),
    ),
    element(
        "Patient.generalPractitioner:org",
        0,
        "1",
        {"code": "Reference", "targetProfile": ["http://hl7.org/fhir/StructureDefinition/Organization"]},
    ),
    element("Patient.link", 0, "*", "BackboneElement", **by("profile", "other.resolve()")),
    element("Patient.link.other", 1, "1", "Reference", base="1"),
    element("Patient.link.type", 1, "1", "code", base="1"),
    element("Patient.link:twin", 0, "1", "BackboneElement"),
    element("Patient.link:twin.other", 1, "1", {"code": "Reference", "targetProfile": [URL + "telecom"]}, base="1"),
    element("Patient.link:twin.type", 1, "1", "code", base="1", fixedCode="seealso"),
    element("Patient.contact", 0, "*", "BackboneElement", **by("position", "$this")),
    element("Patient.contact.name", 0, "1", "HumanName", base="1"),
    element("Patient.contact.gender", 0, "1", "code", base="1"),
    element("Patient.contact:first", 0, "1", "BackboneElement"),
    element("Patient.contact:first.name", 0, "1", "HumanName", base="1"),
    element("Patient.contact:first.gender", 1, "1", "code", base="1"),
    element(
        "Patient.address",
        0,
        "*",
        "Address",
        constraint=[
            {"key": "adr-1", "severity": "error", "human": PROSE, "expression": "city.exists() or text.exists()"}
        ],
    ),
    element("Patient.contained", 0, "*", "Resource"),
    element("Patient.managingOrganization", 0, "1", "Reference", base="1"),
)
VALUE_SETS = [
    {
        "resourceType": "CodeSystem",
        "url": URL + "cs",
        "content": "complete",
        "concept": [
            {"code": "a", "display": PROSE, "concept": [{"code": "a1"}, {"code": "a2"}]},
            {"code": "b", "property": [{"code": "subsumedBy", "valueCode": "a"}]},
            {"code": "c", "property": [{"code": "kind", "valueString": "odd"}]},
        ],
    },
    {
        "resourceType": "ValueSet",
        "url": URL + "vs",
        "compose": {
            "include": [
                {"system": URL + "cs", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]},
                {"system": URL + "cs", "filter": [{"property": "kind", "op": "=", "value": "odd"}]},
            ],
            "exclude": [{"system": URL + "cs", "concept": [{"code": "a2"}]}],
        },
    },
    {
        "resourceType": "ValueSet",
        "url": URL + "licensed",
        "compose": {
            "include": [{"system": "http://snomed.info/sct", "concept": [{"code": "1"}]}, {"valueSet": [URL + "vs"]}]
        },
    },
]


def pack(folder: Path, *resources: dict[str, Any], name: str = "clinic.test", manifest: bool = True) -> Path:
    file = folder / f"{name}-0.1.0.tgz"
    with tarfile.open(file, "w:gz") as archive:
        files = {f"package/{r['resourceType']}-{n}.json": r for n, r in enumerate(resources)}
        if manifest:
            files["package/package.json"] = {"name": name, "version": "0.1.0"}
        files["package/example/Patient-x.json"] = {"resourceType": "Patient"}
        for path, content in files.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(path)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return file


@pytest.fixture
def package(tmp_path: Path) -> Path:
    return pack(tmp_path, profile("telecom", "Patient", *TELECOM), profile("names", "Patient", *NAMES), *VALUE_SETS)


@pytest.fixture
def schemas(tmp_path: Path, package: Path) -> Schemas:
    out = tmp_path / "tables"
    written = compile_packages([package], out)
    shutil.copy(data_dir("profiles") / (CORE + SUFFIX), out)
    return Schemas(Scope(Library(out), (written[0].name.removesuffix(SUFFIX), CORE)))


def rules(schemas: Schemas, profile_name: str, /, **members: Any) -> set[tuple[str | None, str | None]]:
    resource = {"resourceType": "Patient", "meta": {"profile": [URL + profile_name]}, **members}
    return {(f.expression, f.rule) for f in Run(schemas, resource).validate(())}


PHONE = {"system": "phone", "value": "5550100"}


def test_closed_ordered_and_resliced(schemas: Schemas) -> None:
    home = {**PHONE, "use": "home", "rank": 1}
    assert rules(schemas, "telecom", telecom=[PHONE]) == set()
    assert rules(schemas, "telecom", telecom=[home, {"system": "email", "value": "a@b.test"}]) == set()
    assert rules(schemas, "telecom", telecom=[{"system": "fax", "value": "1"}, PHONE]) == {
        ("Patient.telecom[0]", "slice-closed")
    }
    assert rules(schemas, "telecom", telecom=[{"system": "email", "value": "a"}, PHONE]) == {
        ("Patient.telecom[1]", "slice-order")
    }
    assert rules(schemas, "telecom", telecom=[{**PHONE, "use": "home"}]) == {("Patient.telecom[0].rank", "required")}
    assert rules(schemas, "telecom", telecom=[{**home, "rank": 4}]) == {("Patient.telecom[0].rank", "out-of-range")}
    assert rules(schemas, "telecom", telecom=[home, home]) == {("Patient.telecom", "slice-too-many")}
    assert rules(schemas, "telecom", telecom=[{"system": "phone", "value": "555010012"}]) == {
        ("Patient.telecom[0].value", "too-long")
    }
    assert rules(schemas, "telecom") == {("Patient.telecom", "slice-too-few")}


def test_exists_type_profile_and_position(schemas: Schemas) -> None:
    former, current = {"period": {"end": "2020"}}, {"family": "B"}
    assert rules(schemas, "names", name=[current]) == set()
    assert rules(schemas, "names", name=[current, former]) == {("Patient.name[1].family", "required")}
    assert rules(schemas, "names", name=[{"family": "A", **former}]) == {("Patient.name", "slice-too-few")}
    contained = [{"resourceType": "Organization", "id": "o", "name": "x"}]
    gp = {"reference": "#o"}
    assert rules(schemas, "names", name=[current], contained=contained, generalPractitioner=[gp]) == set()
    assert rules(schemas, "names", name=[current], contained=contained, generalPractitioner=[gp, gp]) == {
        ("Patient.generalPractitioner", "slice-too-many")
    }
    twin = [{"resourceType": "Patient", "id": "t", "telecom": [PHONE]}]
    link = {"other": {"reference": "#t"}, "type": "refer"}
    assert rules(schemas, "names", name=[current], contained=twin, link=[link]) == {
        ("Patient.link[0].type", "fixed-value")
    }
    stranger = [{"resourceType": "Patient", "id": "t"}]
    assert rules(schemas, "names", name=[current], contained=stranger, link=[link]) == set()
    assert rules(schemas, "names", name=[current], contact=[{"gender": "a"}, {"gender": "b"}]) == set()
    assert rules(schemas, "names", name=[current], contact=[{"name": {"text": "x"}}, {"gender": "b"}]) >= {
        ("Patient.contact[0].gender", "required")
    }


def test_bindings_and_constraints(schemas: Schemas) -> None:
    name = [{"family": "B"}]
    for code in ("a", "a1", "b", "c"):
        assert rules(schemas, "names", name=name, gender=code) == set()
    for code in ("a2", "d"):
        assert rules(schemas, "names", name=name, gender=code) == {("Patient.gender", "binding")}
    snomed = {"coding": [{"system": "http://snomed.info/sct", "code": "anything"}]}
    assert rules(schemas, "names", name=name, maritalStatus=snomed) == set()
    assert rules(schemas, "names", name=name, maritalStatus={"text": "no code"}) == {
        ("Patient.maritalStatus", "binding")
    }
    assert rules(schemas, "names", name=name, address=[{"use": "home"}]) == {("Patient.address[0]", "invariant:adr-1")}


def test_tables_hold_facts_and_no_prose(tmp_path: Path, package: Path) -> None:
    (file,) = compile_packages([package], tmp_path / "out")
    text = gzip.decompress(file.read_bytes()).decode()
    assert PROSE not in text
    assert "definition that" not in text


def test_same_input_same_bytes(tmp_path: Path, package: Path) -> None:
    lines: list[str] = []
    (first,) = compile_packages([package], tmp_path / "one", lines.append)
    (second,) = compile_packages([package], tmp_path / "two")
    assert first.read_bytes() == second.read_bytes()
    assert lines == ["reading clinic.test-0.1.0.tgz", "compiling clinic.test 0.1.0"]


def test_rows_keep_what_the_snapshot_says(package: Path) -> None:
    table = compile_package(read_package(package))
    loaded = LoadedPackage(table)
    found = loaded.profile(URL + "telecom")
    assert found is not None
    rows = {row.id: row for row in found.elements}
    assert rows["Patient.telecom"].max == UNBOUNDED
    assert rows["Patient.telecom"].array
    assert rows["Patient.telecom"].slicing is not None
    assert rows["Patient.telecom"].slicing.closed
    assert rows["Patient.telecom:phone.system"].fixed == "phone"
    assert not rows["Patient.telecom:phone.system"].array
    licensed = loaded.value_set(URL + "licensed")
    assert licensed is not None
    assert licensed.system_only == ("http://snomed.info/sct",)
    assert licensed.codes == {URL + "cs": ("a", "a1", "b", "c")}
    assert licensed.own


def test_packages_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    bad = tmp_path / "bad.tgz"
    bad.write_bytes(b"not a package")
    with pytest.raises(PackageError, match=r"bad\.tgz"):
        read_package(bad)
    with pytest.raises(PackageError, match=r"missing\.tgz"):
        read_package(tmp_path / "missing.tgz")
    with pytest.raises(PackageError, match=r"no package/package\.json"):
        read_package(pack(tmp_path, manifest=False))
    no_snapshot = profile("bare", "Patient")
    del no_snapshot["snapshot"]
    with pytest.raises(PackageError, match="bare has no snapshot"):
        compile_packages([pack(tmp_path, no_snapshot)], tmp_path / "out")


def test_an_added_package_joins_every_context(tmp_path: Path, package: Path) -> None:
    out = tmp_path / "tables"
    shutil.copytree(data_dir("profiles"), out)
    compile_packages([package], out)
    patient = {"resourceType": "Patient", "meta": {"profile": [URL + "telecom"]}}
    for context in ("pas-2.2.1", "r4"):
        findings = Validator.load(out).validate(patient, context=context)
        assert [(f.expression, f.rule) for f in findings] == [("Patient.telecom", "slice-too-few")]


def test_writing_replaces_the_file_at_once(tmp_path: Path, package: Path) -> None:
    table = compile_package(read_package(package))
    target = write(table, tmp_path / "deep" / "folder")
    assert target.name == "clinic.test-0.1.0" + SUFFIX
    assert [file.name for file in target.parent.iterdir()] == [target.name]


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.skipif(not SHARED.is_dir(), reason="the packages are not here")
def test_committed_tables_are_what_the_packages_say(tmp_path: Path) -> None:
    packages = sorted(SHARED.glob("*.tgz"))
    written = compile_packages(packages, tmp_path)
    for file in written:
        assert gzip.decompress(file.read_bytes()) == gzip.decompress((data_dir("profiles") / file.name).read_bytes())
