"""Everything that is sent can be read: by two FHIR libraries, and by our own validator against the published profiles."""

from __future__ import annotations

import warnings
from functools import cache
from typing import Any

import fhirkit
import httpx
import pytest
from tools.make_examples import examples

from precert.fhir import json
from precert.fhir.validation import Validator
from support.answers import SD, bundle
from support.pas import changed, example, part, submit

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from fhir.resources.R4B import get_fhir_model_class

Json = dict[str, Any]
NAMES = [e.name for e in examples()]
BASES = {"/fhir": "pas-2.2.1", "/fhir/v2.0": "pas-2.0.1"}


@cache
def validator() -> Validator:
    return Validator.load()


async def everything_sent(client: httpx.AsyncClient, base: str, name: str) -> list[Json]:
    """The answer to an example, the explanation's readings of it, and the refusal of a spoiled one."""
    submit_url = f"{base}/Claim/$submit"
    answer = bundle(await submit(client, example(name), submit_url))
    spoiled = await submit(client, changed(lambda b: part(b, 0).pop("item"), name), submit_url)
    odd = bundle(await submit(client, changed(lambda b: b["entry"].append(b["entry"][1]), name), submit_url))
    return [answer, odd, json.loads(spoiled.content)]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", NAMES)
async def test_fhir_resources_reads_every_answer(name: str, base: str, client: httpx.AsyncClient) -> None:
    for resource in await everything_sent(client, base, name):
        for each in [resource, *(e["resource"] for e in resource.get("entry", []))]:
            plain = json.dumps(each).decode()
            get_fhir_model_class(each["resourceType"]).model_validate_json(plain)


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", NAMES)
async def test_fhirkit_reads_every_answer(name: str, base: str, client: httpx.AsyncClient) -> None:
    for resource in await everything_sent(client, base, name):
        assert fhirkit.parse(json.dumps(resource)) is not None


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("name", NAMES)
async def test_every_answer_fits_the_profiles(name: str, base: str, client: httpx.AsyncClient) -> None:
    answer, *_ = await everything_sent(client, base, name)
    context = BASES[base]
    for profile in ("profile-pas-response-bundle", "profile-claimresponse"):
        assert validator().schemas(context).root(SD + profile) is not None
    found = validator().validate(answer, profiles=[SD + "profile-pas-response-bundle"], context=context)
    assert [f for f in found if f.severity in ("error", "fatal")] == []


@pytest.mark.parametrize("name", NAMES)
def test_every_example_fits_the_request_profile(name: str) -> None:
    found = validator().validate(example(name), profiles=[SD + "profile-pas-request-bundle"], context="pas-2.2.1")
    assert [f for f in found if f.severity in ("error", "fatal")] == []


def test_the_validator_is_awake() -> None:
    broken = example("approve")
    del part(broken, 0)["item"]
    found = validator().validate(broken, profiles=[SD + "profile-pas-request-bundle"], context="pas-2.2.1")
    assert any(f.severity == "error" for f in found)
