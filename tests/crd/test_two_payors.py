"""A Coverage with two payors: unless both are this payer, a person looks whose coverage it is, over CRD as over PAS."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from crd.building import coverage, hook, infos, mri, order, payer, prefetch, searchset
from precert.fhir.coding import NPI
from precert.store.port import Param
from support.answers import bundle, decisions
from support.pas import COVERAGE, Json, changed, part, submit

OTHER = {"system": NPI, "value": "1999999984"}
SECOND: dict[str, tuple[dict[str, Any], list[dict[str, Any]]]] = {
    "another payer": ({"reference": "Organization/other"}, [payer(id="other", identifier=[OTHER])]),
    "another payer by identifier": ({"identifier": OTHER}, []),
    "identifier of a system that we have none of": ({"identifier": {"system": "urn:x", "value": "7"}}, []),
    "a payer that says nothing of itself": ({"reference": "Organization/other"}, [payer(id="other", identifier=None)]),
    "a payer that leads nowhere": ({"reference": "Organization/gone"}, []),
    "a payer by name alone": ({"display": "Other Health"}, []),
    "a patient who pays": ({"reference": "Patient/pat-{member}"}, []),
}
US = {"reference": "Organization/payer"}


def _paid(member: str, second: str, *, first: bool) -> dict[str, Any]:
    """A prefetch in which the Coverage has a second payor, ``first`` of the two or last."""
    reference, known = SECOND[second]
    there = {key: v.format(member=member) if isinstance(v, str) else v for key, v in reference.items()}
    payors = [there, US] if first else [US, there]
    sent = {"coverage": searchset(coverage(member, payor=payors)), "payors": searchset(payer(), *known)}
    return prefetch(member, **sent)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("second", SECOND)
async def test_no_order_is_authorized_or_free(world, second, first):
    """Neither one whose criteria are met, nor one that needs no authorization, nor one that is asked about."""
    met = hook(mri(), member="COM-0001", prefetch=_paid("COM-0001", second, first=first))
    free = hook(order("E0100"), prefetch=_paid("MA-0001", second, first=first))
    for body in (met, free):
        (info,) = infos(await world.ask({**body, "extension": {"davinci-crd.requestedVersion": "2.2"}}))
        assert info["pa-needed"] not in ("satisfied", "no-auth")
        assert "satisfied-pa-id" not in info
    assert (await world.store.search(world.consult.tenant, "Case", [Param("state", ["active"])])).documents == ()


@pytest.mark.parametrize(
    "second", [US, {"identifier": {"system": NPI, "value": "1234567893"}}, {"reference": "#us"}], ids=str
)
async def test_the_same_payer_twice_is_one(world, second):
    contained = [payer(id="us")] if second == {"reference": "#us"} else None
    sent = prefetch("COM-0001", coverage=searchset(coverage("COM-0001", payor=[US, second], contained=contained)))
    (info,) = infos(await world.ask(hook(mri(), member="COM-0001", prefetch=sent)))
    assert info["pa-needed"] == "satisfied"


@pytest.mark.parametrize(
    ("second", "action"),
    [
        ({"identifier": OTHER}, "A4"),
        ({"identifier": {"system": "urn:x", "value": "7"}}, "A4"),
        ({"display": "Other Health"}, "A4"),
        ({"identifier": {"system": NPI, "value": "1234567893"}}, "A1"),
    ],
    ids=str,
)
@pytest.mark.parametrize("first", [True, False])
async def test_over_pas_as_well(client: httpx.AsyncClient, second: Json, action: str, first: bool) -> None:
    def edit(body: Json) -> None:
        own = part(body, COVERAGE)
        own["payor"] = [second, *own["payor"]] if first else [*own["payor"], second]

    (line,) = decisions(bundle(await submit(client, changed(edit))))
    assert line.action == action
