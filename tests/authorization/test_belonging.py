"""Whose record a request may touch, by values: member, requester and payer each have to agree; what is missing does not."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from precert.authorization.deciding.standing import Standing
from precert.authorization.record.case import Case, Event, Party
from precert.authorization.record.chain import Recorder, fold
from precert.authorization.usecases.belonging import (
    OTHER_MEMBER,
    OTHER_PAYER,
    OTHER_REQUESTER,
    foreign,
    same_member,
    same_requester,
)
from precert.eligibility.model import Member
from support.records import AT, opened

Json = dict[str, Any]
NPI, OTHER_NPI = "1992817498", "1003000126"
TAX = "urn:oid:2.16.840.1.113883.4.4|12-3456789"
ALMA: Json = {"resourceType": "Patient", "birthDate": "1951-03-14", "name": [{"family": "Reyes", "given": ["Alma"]}]}


def person(number: str | None = "MA-0001", **changes: Any) -> Json:
    typed = {"type": {"coding": [{"code": "MB"}]}, "system": "urn:m", "value": number}
    return {**ALMA, **({"identifier": [typed]} if number else {}), **changes}


def record(
    *,
    npi: str | None = NPI,
    told: Json | None = None,
    member: str | None = None,
    numbers: tuple[str, ...] = ("MA-0001",),
    patient: Json | None = None,
) -> Case:
    first = opened(requester=Party(npi=npi), member=member, member_numbers=numbers, patient=patient or person())
    recorder = Recorder()
    detail = {"parties": told} if told is not None else {}
    recorder.append(Event(seq=0, at=AT, ev="opened", actor="system", by="t", opened=first, detail=detail))
    return fold(recorder.events)


def request(
    *,
    npis: tuple[str, ...] = (NPI,),
    ids: tuple[str, ...] = (),
    patient: Json | None = None,
    coverage: Json | None = None,
    us: bool | None = True,
    insurer: tuple[str, ...] = (),
) -> Any:
    return cast(
        Any,
        SimpleNamespace(
            requester_npis=npis,
            requester_ids=ids,
            patient=patient or person(),
            coverage=coverage or {},
            subscriber=None,
            us=us,
            insurer_ids=insurer,
        ),
    )


@pytest.mark.parametrize(
    ("npi", "told", "npis", "ids", "same"),
    [
        (NPI, None, (NPI,), (), True),
        (NPI, {"npis": [NPI, OTHER_NPI]}, (OTHER_NPI,), (), True),  # the organization that a role acts for
        (NPI, None, (OTHER_NPI,), (), False),
        (NPI, None, (), (), False),
        (None, None, (NPI,), (), False),
        (None, {"requester": [TAX]}, (), (TAX,), True),
        (None, {"requester": [TAX]}, (), ("urn:x|7",), False),
        (None, {"requester": [TAX]}, (), (), False),
        (None, {"requester": []}, (), (), False),  # two who are nobody are not the same
        (None, None, (), (), False),
        # an NPI on one side decides, whatever else agrees
        (NPI, {"npis": [NPI], "requester": [TAX]}, (OTHER_NPI,), (TAX,), False),
        (NPI, {"npis": [NPI], "requester": [TAX]}, (), (TAX,), False),
        (None, {"requester": [TAX]}, (NPI,), (TAX,), False),
    ],
)
def test_requesters(
    npi: str | None, told: Json | None, npis: tuple[str, ...], ids: tuple[str, ...], same: bool
) -> None:
    case, asked = record(npi=npi, told=told), request(npis=npis, ids=ids)
    assert same_requester(case, asked) is same
    assert (foreign(case, asked, NOBODY_KNOWN) == OTHER_REQUESTER) is not same


NOBODY_KNOWN = Standing(None, None, None, {})


def known(id: str) -> Standing:
    return Standing(Member(id, "urn:m", {}, ()), None, None, {})


def covered(number: str) -> Json:
    return {"resourceType": "Coverage", "subscriberId": number}


@pytest.mark.parametrize(
    ("case", "asked", "who", "same"),
    [
        (record(), request(), NOBODY_KNOWN, True),
        (record(), request(patient=person(" ma-0001 ")), NOBODY_KNOWN, True),
        (record(), request(patient=person("MA-0002")), NOBODY_KNOWN, False),
        (record(), request(patient=person(None)), NOBODY_KNOWN, False),
        (record(numbers=()), request(), NOBODY_KNOWN, False),
        (record(numbers=()), request(patient=person(None)), NOBODY_KNOWN, False),
        # a family shares a number; who is meant is told by birth date and name, each of which has to agree
        (record(), request(patient=person(birthDate="1980-01-01")), NOBODY_KNOWN, False),
        (record(), request(patient=person(birthDate=None)), NOBODY_KNOWN, False),
        (record(), request(patient=person(name=[{"family": "Reyes", "given": ["Bruno"]}])), NOBODY_KNOWN, False),
        (record(), request(patient=person(name=[{"family": "Reyes"}])), NOBODY_KNOWN, False),
        (record(), request(patient=person(name=[{"family": "REYES", "given": ["alma", "M."]}])), NOBODY_KNOWN, True),
        # a number on the Coverage that the record does not have is another coverage
        (record(), request(coverage=covered("MA-0001")), NOBODY_KNOWN, True),
        (record(), request(coverage=covered("MA-0002")), NOBODY_KNOWN, False),
        # the directory's word goes before the names
        (record(member="MA-0001"), request(patient=person(birthDate="1980-01-01")), known("MA-0001"), True),
        (record(member="MA-0001"), request(), known("MA-0002"), False),
    ],
)
def test_members(case: Case, asked: Any, who: Standing, same: bool) -> None:
    assert same_member(case, asked, who) is same
    assert (foreign(case, asked, who) == OTHER_MEMBER) is not same


@pytest.mark.parametrize(
    ("told", "us", "insurer", "same"),
    [
        ((), True, ("urn:x|9",), True),
        (("urn:x|9",), None, ("urn:x|9",), True),
        (("urn:x|9", "urn:y|1"), None, ("urn:y|1",), True),
        (("urn:x|9",), None, ("urn:x|8",), False),
        (("urn:x|9",), None, (), False),
        ((), None, ("urn:x|9",), False),
        ((), None, (), True),  # the same payer without a name, twice; whether it is this one is looked into elsewhere
    ],
)
def test_payers(told: tuple[str, ...], us: bool | None, insurer: tuple[str, ...], same: bool) -> None:
    case = record(told={"npis": [NPI], "insurer": list(told)})
    found = foreign(case, request(us=us, insurer=insurer), NOBODY_KNOWN)
    assert found == (None if same else OTHER_PAYER)
