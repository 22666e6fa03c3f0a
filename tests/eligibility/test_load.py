"""A fault in the eligibility folder names the file and the entry."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from precert.eligibility.load import EligibilityError, load_directory
from support.app import EXAMPLES


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "eligibility"
    shutil.copytree(EXAMPLES / "eligibility", made)
    return made


def change(path: Path, edit: Any) -> None:
    document = json.loads(path.read_text("utf-8"))
    edit(document)
    path.write_text(json.dumps(document), "utf-8")


def test_optional_files_may_be_missing(folder: Path) -> None:
    (folder / "history.yaml").unlink()
    (folder / "providers.yaml").write_text("", "utf-8")
    read = load_directory(folder, "directory")
    assert (len(read.members), len(read.providers), read.mode) == (11, 0, "directory")
    assert all(not member.history for member in read.members)


def test_history_finds_its_member(folder: Path) -> None:
    history = {m.id: [h.id for h in m.history] for m in load_directory(folder).members if m.history}
    assert history == {"COM-0002": ["CLM-1001"], "MA-0002": ["AUTH-1003"], "MA-0004": ["CLM-1002"]}


@pytest.mark.parametrize(
    ("file", "content", "says"),
    [
        ("payer.json", "{", "payer.json: The body is not JSON"),
        ("payer.json", '{"resourceType":"Organization","name":"x"}', "payer.json: the payer needs a name and an NPI"),
        ("members.json", "[]", "members.json: The body is JSON but not an object"),
        ("plans.yaml", "- {id: x}", "plans.yaml: entry 0.name: Field required"),
        ("plans.yaml", "- {id: x, name: y, lob: z, colour: red}", "plans.yaml: entry 0.colour: Extra inputs"),
        ("plans.yaml", "a: [", "plans.yaml: "),
        ("plans.yaml", "7", "plans.yaml: entry : Input should be a valid list"),
        ("providers.yaml", '- {npi: "1", name: a, network: maybe}', "providers.yaml: entry 0.network: "),
        ("history.yaml", '- {member: m, id: i, code: "cpt|1"}', "history.yaml: entry 0: "),
    ],
)
def test_faults_name_the_place(folder: Path, file: str, content: str, says: str) -> None:
    (folder / file).write_text(content, "utf-8")
    with pytest.raises(EligibilityError) as caught:
        load_directory(folder)
    assert says in str(caught.value)
    assert str(folder) in str(caught.value)


def test_a_missing_payer_is_told(tmp_path: Path) -> None:
    with pytest.raises(EligibilityError, match=r"payer\.json"):
        load_directory(tmp_path)


def first(document: dict[str, Any], type: str) -> dict[str, Any]:
    return next(e["resource"] for e in document["entry"] if e["resource"]["resourceType"] == type)


def test_a_patient_without_member_number(folder: Path) -> None:
    change(folder / "members.json", lambda d: first(d, "Patient").pop("identifier"))
    with pytest.raises(EligibilityError, match=r"entry\[0\]\.resource: no identifier of type MB"):
        load_directory(folder)


def test_a_coverage_of_nobody(folder: Path) -> None:
    change(folder / "members.json", lambda d: first(d, "Coverage").update(beneficiary={"reference": "Patient/none"}))
    with pytest.raises(EligibilityError, match=r"entry\[1\]\.resource: the beneficiary is not in the file"):
        load_directory(folder)


def test_a_coverage_of_an_unknown_plan(folder: Path) -> None:
    change(folder / "members.json", lambda d: first(d, "Coverage")["class"][0].update(value="gone"))
    with pytest.raises(EligibilityError, match=r"plan 'gone' is not in plans\.yaml"):
        load_directory(folder)


def test_a_coverage_without_plan(folder: Path) -> None:
    change(folder / "members.json", lambda d: first(d, "Coverage").pop("class"))
    with pytest.raises(EligibilityError, match=r"no class of type plan"):
        load_directory(folder)


@pytest.mark.parametrize("period", [{"start": "20240101"}, {"start": "2024-13-01"}, {"end": "soon"}, "2024"])
def test_a_coverage_period_that_cannot_be_read_is_told(folder: Path, period: Any) -> None:
    change(folder / "members.json", lambda d: first(d, "Coverage").update(period=period))
    with pytest.raises(EligibilityError, match=r"entry\[1\]\.resource: .*period"):
        load_directory(folder)


def test_a_history_code_without_system_is_told(folder: Path) -> None:
    (folder / "history.yaml").write_text('- {member: COM-0002, id: i, code: "97110", days_ago: 3}', "utf-8")
    with pytest.raises(EligibilityError, match=r"history\.yaml: entry 0.*97110"):
        load_directory(folder)


def test_a_history_of_an_unknown_member_is_told(folder: Path) -> None:
    (folder / "history.yaml").write_text('- {member: COM-2, id: i, code: "cpt|97110", days_ago: 3}', "utf-8")
    with pytest.raises(EligibilityError, match=r"history\.yaml: .*COM-2"):
        load_directory(folder)


def test_a_gold_card_that_is_no_code_is_told(folder: Path) -> None:
    (folder / "providers.yaml").write_text('- {npi: "1", name: a, network: in, goldcard: ["72148"]}', "utf-8")
    with pytest.raises(EligibilityError, match=r"providers\.yaml: entry 0.*72148"):
        load_directory(folder)


def test_a_plan_listed_twice_is_told(folder: Path) -> None:
    plans = folder / "plans.yaml"
    plans.write_text(plans.read_text("utf-8") + "- {id: ma-classic, name: Again, lob: commercial}\n", "utf-8")
    with pytest.raises(EligibilityError, match=r"plans\.yaml: .*ma-classic.* twice"):
        load_directory(folder)


def resource(document: dict[str, Any], id: str) -> dict[str, Any]:
    return next(e["resource"] for e in document["entry"] if e["resource"]["id"] == id)


def test_a_dependent_is_known_by_the_subscriber_and_the_suffix_of_the_coverage(folder: Path) -> None:
    members = {member.id: member for member in load_directory(folder).members}
    child, parent = members["COM-0001-02"], members["COM-0001"]
    assert (child.subscriber, child.dependent) == ("COM-0001", "02")
    assert (parent.subscriber, parent.dependent) == (None, "01")
    assert (members["MA-0001"].subscriber, members["MA-0001"].dependent) == (None, None)


def test_a_dependent_of_nobody(folder: Path) -> None:
    change(folder / "members.json", lambda d: resource(d, "cov-COM-0001-02").update(subscriberId="COM-9"))
    with pytest.raises(EligibilityError, match="the subscriber 'COM-9' is not in the file"):
        load_directory(folder)


@pytest.mark.parametrize("element", ["birthDate", "deceasedDateTime"])
def test_a_date_that_would_confirm_nobody(folder: Path, element: str) -> None:
    change(folder / "members.json", lambda d: first(d, "Patient").update({element: "1951-3-14"}))
    with pytest.raises(EligibilityError, match=f"{element} '1951-3-14' is not a date"):
        load_directory(folder)
