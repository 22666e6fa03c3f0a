"""Prefetch in all the ways it comes: whatever is wrong with one key stays in that key."""

from __future__ import annotations

from typing import Any

import pytest

from crd.building import bundle, coverage, hook, infos, order, patient, payer, prefetch, saturation, searchset, told
from precert.crd.prefetch import Pool, relative

COVER = coverage("MA-0001")
OUTCOME = {"resourceType": "OperationOutcome", "issue": [{"severity": "error", "code": "exception"}]}

GOOD: dict[str, dict[str, Any]] = {
    "a Bundle": {"coverage": searchset(COVER)},
    "a single resource": {"coverage": COVER},
    "a list": {"coverage": [COVER]},
    "another key": {"coverage": ..., "insurances": searchset(COVER)},
    "the layout before 1.0": {"coverage": {"response": {"status": "200 OK"}, "resource": searchset(COVER)}},
    "a batch response": {"coverage": {"resourceType": "Bundle", "entry": [{"resource": searchset(COVER)}]}},
    "a Bundle with an OperationOutcome in it": {
        "coverage": {"resourceType": "Bundle", "entry": [{"resource": OUTCOME}, {"resource": COVER}]}
    },
    "odd entries": {"coverage": {"resourceType": "Bundle", "entry": [1, {}, {"resource": []}, {"resource": COVER}]}},
    "twice": {"coverage": searchset(COVER, COVER), "more": COVER},
    "beside rubbish": {"x": 5, "y": [None, 1], "z": "Patient/1", "w": {}, "v": {"resourceType": 7}, "u": OUTCOME},
    "beside nulls": {"encounter": None, "devices": None, "organizations": None},
    "without the payor's Organization, but with its identifier": {
        "payors": ...,
        "coverage": COVER
        | {"payor": [{"identifier": {"system": "http://hl7.org/fhir/sid/us-npi", "value": "1234567893"}}]},
    },
    "a contained payor": {
        "payors": ...,
        "coverage": COVER | {"payor": [{"reference": "#payer"}], "contained": [payer()]},
    },
    "an absolute reference to the payor": {
        "coverage": COVER | {"payor": [{"reference": "https://ehr.example/fhir/Organization/payer"}]}
    },
    "a reference of another host": {
        "coverage": COVER | {"payor": [{"reference": "http://gateway:8080/r4/Organization/payer/_history/3"}]}
    },
    "no Patient": {"patient": ...},
    "the Patient as a Bundle": {"patient": searchset(patient("MA-0001"))},
}


@pytest.mark.parametrize("way", GOOD)
async def test_prefetch_in_every_way(world, way):
    (info,) = infos(await world.ask(hook(order("E1390"), version="2.2", prefetch=prefetch(**GOOD[way]))))
    assert (info["covered"], info["pa-needed"]) == ("covered", "auth-needed")
    assert info["coverage"] == {"reference": "Coverage/cov-MA-0001"}


async def test_what_is_about_another_patient_is_not_used(world):
    """Observations of somebody else in the prefetch are no evidence."""
    stranger = saturation(85, subject={"reference": "Patient/other"})
    await world.ask(hook(order("E1390"), version="2.2", prefetch=prefetch(observations=searchset(stranger))))
    (assertion,) = await world.stored("Assertion")
    assert "spo2_rest" in assertion["lines"][0]["missing"]


async def test_answers_of_an_earlier_questionnaire_count(world):
    """A DTR response in the record answers under the fact's name: what is answered is not asked again."""
    response = told("MA-0002", osa_dx=True, eval_before_test=True, ahi=22.0, events=140)
    quantity = {"value": 3, "unit": "months"}
    sent = prefetch("MA-0002", responses=response)
    body = hook(order("E0601", "MA-0002", quantityQuantity=quantity), member="MA-0002", version="2.2", prefetch=sent)
    (info,) = infos(await world.ask(body))
    assert info["pa-needed"] == "satisfied"
    assert "doc-needed" not in info


async def test_answers_that_name_no_form_do_not_count(world):
    response = told("MA-0002", form="", osa_dx=True, eval_before_test=True, ahi=22.0, events=140)
    asked = order("E0601", "MA-0002", quantityQuantity={"value": 3, "unit": "months"})
    body = hook(asked, member="MA-0002", version="2.2", prefetch=prefetch("MA-0002", responses=response))
    (info,) = infos(await world.ask(body))
    assert info["pa-needed"] != "satisfied"
    assert "doc-needed" in info


def test_states_of_keys():
    pool = Pool()
    pool.read_prefetch(
        {
            "one": patient("MA-0001"),
            "none": None,
            "empty": searchset(),
            "failed": OUTCOME,
            "failed inside": {"resourceType": "Bundle", "entry": [{"resource": OUTCOME}]},
            "odd": 5,
            "paged": searchset(payer()) | {"link": [{"relation": "next", "url": "https://e/x?page=2"}]},
        }
    )
    assert pool.states == {
        "one": "present",
        "none": "nothing",
        "empty": "nothing",
        "failed": "failed",
        "failed inside": "failed",
        "odd": "malformed",
        "paged": "present",
    }
    assert pool.next_pages == ["https://e/x?page=2"]


@pytest.mark.parametrize(
    ("reference", "base", "expected"),
    [
        ("Patient/1", None, "Patient/1"),
        ("Patient/1/_history/2", None, "Patient/1"),
        ("https://e/fhir/Patient/1", "https://e/fhir", "Patient/1"),
        ("https://e/fhir2/Patient/1", "https://e/fhir", None),
        ("https://evil/fhir/Patient/1", "https://e/fhir", None),
        ("https://e/fhir/Patient/1", None, None),
        ("#p", "https://e", None),
        ("urn:uuid:1", "https://e", None),
        ("nonsense", "https://e", None),
    ],
)
def test_which_references_may_be_followed(reference, base, expected):
    assert relative(reference, base) == expected


def test_the_draft_comes_before_the_prefetch():
    pool = Pool()
    pool.add_resource(order("E1390"), None, prefetched=True)
    pool.add(bundle(order("E0100")), prefetched=True)
    (entry,) = pool.index.entries
    assert entry.resource["code"]["coding"][0]["code"] == "E1390"
