"""The input sets of the official Inferno payer suites for DTR, made so that the shipped policies and forms give every answer.

``python -m tools.inferno`` writes ``examples/inferno/dtr-payer-2.0.1.json`` and ``…-2.2.0.json`` for a server at
http://127.0.0.1:8000. ``python -m tools.inferno_dtr URL FOLDER [TOKEN]`` writes them for a server that runs at ``URL``:
canonicals and links hold its address, and the context is one that it has just given out (nobody can know one beforehand).
"""

from __future__ import annotations

import asyncio
import copy
import json
import sys
from pathlib import Path

import httpx

from tools.inferno_dtr_parts import NOBODY, call, device, filled, quantity
from tools.inferno_dtr_talk import interview, post, server
from tools.inferno_parts import ROOT, SUITES, preset
from tools.requests import Json

EDITIONS = ("2.0.1", "2.2.0")
UNFILLED = "put-a-coverage-assertion-id-here"
"""What the shipped file says instead of a context."""
UNKNOWN_CONTEXT = "no-context-of-this-payer"
HOOK = Path(__file__).resolve().parents[1] / "examples" / "crd" / "order-sign-auth-needed-documents.json"
INFORMATION = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"
SAMPLER, PAGES, PAP = "conformance-sampler", "conformance-sampler-adaptive", "pap-osa-initial-adaptive"
CPAP, OXYGEN = "hcpcs|E0601", "hcpcs|E1390"
ANSWERS: dict[str, dict[str, Json]] = {
    PAP: {
        "osa_dx": {"valueBoolean": True},
        "eval_before_test": {"valueBoolean": True},
        "ahi": quantity(22, "{events}/h"),
        "events": {"valueInteger": 140},
    },
    PAGES: {
        "weight": quantity(81, "kg"),
        "oxygen": {"valueBoolean": True},
        "flow": quantity(3, "L/min"),
        "night_flow": {"valueBoolean": False},
        "seen_by": {"valueCoding": {"system": "urn:precert:sampler:role", "code": "physician", "display": "Physician"}},
        "attested": {"valueBoolean": True},
    },
}


def canonical(root: str, name: str) -> str:
    return f"{root}/fhir/Questionnaire/{name}"


def adaptive(root: str) -> Json:
    """Both adaptive forms: of a policy, and hand-made."""
    return call(canonical(root, PAP), canonical(root, PAGES), order=device(CPAP, "cpap"))


def static(root: str) -> Json:
    """A form of a policy that an order leads to, and the sampler."""
    return call(canonical(root, "oxygen-home"), canonical(root, SAMPLER), order=device(OXYGEN, "oxygen"))


async def inputs_201(client: httpx.AsyncClient, root: str) -> dict[str, object]:
    """Suite ``dtr_payer_server``. The bodies are replayed as they stand, each on its own."""
    bodies = [
        body
        for form in (PAP, PAGES)
        for body in (await interview(client, "/fhir/v2.0", adaptive(root), form, ANSWERS[form]))[0]
    ]
    return {
        "retrieval_method": "Both",
        "url": f"{root}/fhir/v2.0",
        "access_token": "open",
        "custom_endpoint": "",
        "initial_static_questionnaire_request": static(root),
        "initial_adaptive_questionnaire_request": adaptive(root),
        "next_question_requests": bodies,
        "smart_auth_info": {"auth_type": "public", "access_token": "open"},
    }


async def inputs_220(client: httpx.AsyncClient, root: str, context: str) -> dict[str, object]:
    """Suite ``dtr_payer_server_v220``: the suite fills in the forms itself, with the templates' answers."""
    talks = {form: await interview(client, "/fhir", adaptive(root), form, ANSWERS[form]) for form in (PAP, PAGES)}
    wrong = {**ANSWERS[PAGES], "seen_by": {"valueCoding": {"system": "urn:precert:sampler:role", "code": "astrologer"}}}
    return {
        "url": f"{root}/fhir",
        "request_mode": "manual_mode",
        "backend_services_smart_auth_info": {
            "auth_type": "backend_services",
            "use_discovery": "true",
            "token_url": f"{root}/auth/token",
            "client_id": "inferno",
            "requested_scopes": "system/Questionnaire.rs system/ValueSet.rs system/Library.rs",
            "encryption_algorithm": "ES384",
        },
        "client_fhir_endpoint": "",
        "questionnaire_package_request_parameters": [
            call(canonical(root, SAMPLER)),
            call(context=context),
            call(order=device(OXYGEN, "oxygen")),
            adaptive(root),
            call(canonical(root, SAMPLER), NOBODY),
        ],
        "questionnaire_response_templates": [template(root, form, talks[form][1]) for form in talks],
        "source_data_error_request": call(context=UNKNOWN_CONTEXT),
        "invalid_questionnaire_response": filled(talks[PAGES][0][-1], wrong),
        "questionnaire_canonical": canonical(root, "oxygen-home"),
    }


def template(root: str, form: str, done: Json) -> Json:
    """A completed response as the suite takes its answers from one: told by the canonical of the form inside."""
    made = copy.deepcopy(done)
    inside = made["contained"][0]
    inside["url"] = canonical(root, form)
    inside["item"] = [item for item in inside["item"] if item["linkId"] != "closing"]
    return made | {"status": "in-progress"}


async def context_of(client: httpx.AsyncClient) -> str:
    """A coverage-assertion-id that the server gives out for an order that needs documentation."""
    answered = await post(client, "/cds-services/crd-order-sign", json.loads(HOOK.read_text("utf-8")))
    (action,) = answered["systemActions"]
    said = next(one for one in action["resource"]["extension"] if one["url"] == INFORMATION)
    return str(next(p["valueString"] for p in said["extension"] if p["url"] == "coverage-assertion-id"))


async def inputs(edition: str, root: str = ROOT, context: str | None = None) -> dict[str, object]:
    """Input name to value, for a server at ``root`` that has given out ``context``."""
    async with server(root) as client:
        if edition == "2.0.1":
            return await inputs_201(client, root)
        return await inputs_220(client, root, context or UNFILLED)


def text(edition: str, root: str = ROOT, context: str | None = None) -> str:
    """The preset file: payloads are JSON in strings, as Inferno keeps its inputs."""
    given = asyncio.run(inputs(edition, root, context))
    return preset(f"dtr-{edition}", given)


def write(folder: Path, root: str = ROOT, context: str | None = None) -> None:
    """Both files."""
    for edition in EDITIONS:
        (folder / SUITES[f"dtr-{edition}"].file).write_text(text(edition, root, context), "utf-8")


async def _context(root: str, token: str | None) -> str:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with httpx.AsyncClient(base_url=root, headers=headers) as client:
        return await context_of(client)


def main() -> None:
    """Ask the server at the first argument for a context; write the files into the folder of the second."""
    if len(sys.argv) not in (3, 4):
        sys.exit("usage: python -m tools.inferno_dtr URL FOLDER [TOKEN]")
    root, folder = sys.argv[1].rstrip("/"), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    write(folder, root, asyncio.run(_context(root, sys.argv[3] if len(sys.argv) == 4 else None)))


if __name__ == "__main__":
    main()
