"""The committed tables: complete, small, lazy; canonicals and package sets."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from precert.fhir.validation import CONTEXTS, TablesError, Validator, data_dir
from precert.fhir.validation.compile import SUFFIX
from precert.fhir.validation.tables import CORE, Library
from validation import builders as b
from validation.seeds import BUILD, CONTEXT


@pytest.fixture(scope="module")
def library() -> Library:
    return Library(data_dir("profiles"))


def test_every_context_has_its_tables(library: Library) -> None:
    for names in CONTEXTS.values():
        assert set(names) <= library.names
    assert {name for names in CONTEXTS.values() for name in names} == library.names


def test_the_whole_set_is_small() -> None:
    assert sum(file.stat().st_size for file in data_dir("profiles").glob("*" + SUFFIX)) < 3_000_000


def test_no_prose_and_no_licensed_code_lists() -> None:
    for file in data_dir("profiles").glob("*" + SUFFIX):
        table = json.loads(gzip.decompress(file.read_bytes()))
        for url, value_set in table["value_sets"].items():
            for system in value_set.get("codes", {}):
                assert not system.startswith(
                    ("http://snomed", "http://loinc", "http://www.ama", "https://codesystem.x12")
                ), url
        for _, row in enumerate(table["constraints"]):
            assert len(row) == 3
        longest = max((len(json.dumps(e)) for p in table["profiles"].values() for e in p["elements"]), default=0)
        assert longest < 3_000


def test_every_profile_of_every_context_builds(validator: Validator, library: Library) -> None:
    for context, names in CONTEXTS.items():
        schemas = validator.schemas(context)
        for name in names:
            for url in library.package(name).urls:
                root = schemas.root(url)
                assert root is not None
                schemas.slots(root)


def test_canonicals_with_and_without_version(validator: Validator) -> None:
    schemas = validator.schemas("pas-2.2.1")
    patient = "http://hl7.org/fhir/us/core/StructureDefinition/us-core-patient"
    for asked, got in ((patient, "7.0.0"), (f"{patient}|6.1.0", "6.1.0"), (f"{patient}|3.1.1", "3.1.1")):
        root = schemas.root(asked)
        assert root is not None
        assert root.profile == f"{patient}|{got}"
    assert schemas.root(f"{patient}|99") is schemas.root(patient)
    assert schemas.root("http://hl7.org/fhir/StructureDefinition/Patient|4.0.1") is schemas.type_root("Patient")
    old = validator.schemas("pas-2.0.1").root(b.PAS + "profile-claim")
    assert old is not None
    assert old.profile.endswith("|2.0.1")
    assert schemas.root("https://nowhere.test/StructureDefinition/x") is None


def test_versions_differ_where_the_guides_do(validator: Validator) -> None:
    answer = b.claim_response()
    answer["outcome"] = "queued"  # how 2.0.1 says pended
    assert "binding" in {f.rule for f in validator.validate(answer)}
    old = {f.rule for f in validator.validate(answer, context="pas-2.0.1")}
    assert "binding" not in old


def test_profiles_given_and_declared_are_both_honoured(validator: Validator) -> None:
    plain = b.coverage()
    del plain["meta"], plain["identifier"]
    assert validator.validate(plain) == []
    given = validator.validate(plain, profiles=[b.PAS + "profile-coverage"])
    assert ("Coverage.identifier", "required") in {(f.expression, f.rule) for f in given}
    assert {f.profile for f in given} == {b.PAS + "profile-coverage|2.2.1"}
    unknown = validator.validate(b.coverage(), profiles=["https://nowhere.test/x"])
    assert [(f.rule, f.severity) for f in unknown] == [("unknown-profile", "information")]


def test_unknown_context_and_missing_tables_say_so(tmp_path: Path, validator: Validator) -> None:
    with pytest.raises(TablesError, match=r"pas-9\.9"):
        validator.validate(b.coverage(), context="pas-9.9")
    with pytest.raises(TablesError, match="compile"):
        Validator.load(tmp_path).validate(b.coverage())
    (tmp_path / (CORE + SUFFIX)).write_bytes(b"damaged")
    with pytest.raises(TablesError, match="compile"):
        Validator.load(tmp_path).validate(b.coverage())
    (tmp_path / (CORE + SUFFIX)).write_bytes(
        gzip.compress(
            b'{"format":99,"package":"p","version":"1","index":{},"types":[],"constraints":[],"value_sets":{},"profiles":{}}'
        )
    )
    with pytest.raises(TablesError, match="format 99"):
        Validator.load(tmp_path).validate(b.coverage())


def test_data_dir_of_something_else_says_so() -> None:
    with pytest.raises(TablesError, match="reinstall"):
        data_dir("no-such-data")


def test_import_and_first_use_are_quick() -> None:
    code = (
        "import time,json,sys\n"
        "from precert.fhir import json as j, path, outcome\n"
        "t=time.process_time()\n"
        "from precert.fhir.validation import Validator\n"
        "v=Validator.load()\n"
        "print(v.validate(json.load(sys.stdin)), time.process_time()-t)"
    )
    taken = []
    for _ in range(3):
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(b.request_bundle()),
            capture_output=True,
            text=True,
            check=True,
            cwd=Path(__file__).resolve().parents[2] / "src",
        )
        listed, _, seconds = done.stdout.strip().rpartition(" ")
        assert listed == "[]"
        taken.append(float(seconds))
    assert min(taken) < 0.3


def test_threads_share_one_validator() -> None:
    fresh = Validator.load()
    results: list[int] = []

    def work() -> None:
        for name, build in BUILD.items():
            results.append(len(fresh.validate(build(), context=CONTEXT[name])))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [0] * 8 * len(BUILD)


def test_a_request_costs_little(validator: Validator) -> None:
    document = b.request_bundle()
    validator.validate(document)
    costs = []
    for _ in range(20):
        start = time.process_time()
        validator.validate(document)
        costs.append(time.process_time() - start)
    assert min(costs) < 0.005
