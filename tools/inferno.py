"""The input sets of the official Inferno server suites for PAS, made so that the shipped demo policies give every answer.

Run ``python -m tools.inferno`` to write (with a server's address and a folder, for that server into that folder) ``examples/inferno/pas-server-2.2.1.json`` and ``…-2.0.1.json``, and with them
``crd-server.json`` of :mod:`tools.inferno_crd` and ``crd-server-2.2.1.json`` of :mod:`tools.inferno_crd_221`;
``tests/inferno`` checks that the files are what this module makes, that they are valid and complete, and what they are
answered. Decisions that a machine may not take come from ``tools/review_driver.py`` with ``reviewer.json``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from tools import inferno_claims as claims
from tools import inferno_crd, inferno_crd_221, inferno_dtr
from tools import inferno_inquiries as inquiries
from tools.inferno_clinical import condition, document, encounter
from tools.inferno_orders import device_request, medication_request, nutrition_order, service_request
from tools.inferno_parties import Parties, parties
from tools.inferno_parts import DAY, NOTIFIED_NPI, ROOT, SUITES, Folder, patient, preset
from tools.make_examples import SLEEP_STUDY, answered
from tools.requests import Json, item

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "inferno"
EDITIONS = ("2.2.1", "2.0.1")
HOME_HEALTH = {"homebound_aid": True, "homebound_effort": True, "skilled": True, "f2f_days": 5}
TOKEN = "precert-notifications"  # noqa: S105 - what the suite wants back as Bearer, not a secret
TOPIC = "http://hl7.org/fhir/us/davinci-pas/SubscriptionTopic/PASSubscriptionTopic"
BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"


def responses(found: Parties, *policies: tuple[str, Json]) -> list[Json]:
    """The questionnaires that were filled in before the request."""
    made = []
    for policy, answers in policies:
        response = {**answered(policy, policy, answers), "subject": found["patient"]}
        del response["id"]
        made.append(found.folder.add(f"answers-{policy}", response))
    return made


def cpap(quantity: float = 3, sequence: int = 1, trace: str = "TRC-1", team: bool = True) -> Json:
    """A CPAP device for so many months."""
    made = item(sequence, "hcpcs|E0601", quantity=quantity, unit="months", start=DAY, trace=trace, place="12")
    if team:
        made["careTeamSequence"] = [1]
    return claims.in_order(made)


def visits(quantity: float, sequence: int, trace: str) -> Json:
    """Skilled nursing visits at home."""
    made = item(
        sequence, "hcpcs|G0299", quantity=quantity, unit="visits", start=DAY, end="2027-11-04", trace=trace, place="12"
    )
    return claims.in_order(made | {"careTeamSequence": [1]})


def wheelchair(sequence: int, trace: str) -> Json:
    """A power wheelchair, about which nothing is known yet."""
    made = item(sequence, "hcpcs|K0823", quantity=1, start="2027-09-20", trace=trace, place="12")
    return claims.in_order(made)


def approval(new: bool) -> tuple[Folder, Json]:
    """A1 for the CPAP. The 40 visits beside it are more than the policy grants: a physician cuts them to 24 (A6)."""
    folder = Folder("approval", new)
    found = parties(folder, "MA-0001")
    clinical = responses(found, ("pap-osa-initial", SLEEP_STUDY), ("home-health", {**HOME_HEALTH, "poc": True}))
    order = service_request(folder, found["patient"], found["coverage"])
    more = claims.detailed(visits(40, 2, "TRC-APPROVAL-2"), folder, order)
    claim = claims.claim(
        folder,
        found.references,
        [cpap(trace="TRC-APPROVAL-1"), more],
        careTeam=claims.care_team((found["role"], True)),
        supportingInfo=claims.supporting_info(new, clinical),
        diagnosis=claims.diagnoses("G47.33", "I10"),
    )
    return folder, claim


def denial(new: bool) -> Json:
    """A3: the member's coverage ended before the service."""
    folder = Folder("denial", new)
    found = parties(folder, "MA-0009")
    claim = claims.claim(
        folder, found.references, [cpap(trace="TRC-DENIAL", team=False)], diagnosis=claims.diagnoses("G47.33")
    )
    return claims.bundle(folder, claim)


def pended(new: bool) -> Json:
    """A4 with questions; the reviewer decides when the subscription is active, and the notification follows.

    2.2.1 notifies with the whole answer, which the kit validates inside its Bundle. There communicatedDiagnosis, the echo
    of a diagnosis, is not allowed on an item of a ClaimResponse: that request has no diagnosis.
    """
    folder = Folder("pended", new)
    found = parties(folder, "MA-0002", npi=NOTIFIED_NPI)
    claim = claims.claim(
        folder,
        found.references,
        [cpap(trace="TRC-PENDED", team=False)],
        sender="INNER-HARBOR-EHR",
        **({} if new else {"diagnosis": claims.diagnoses("G47.33")}),
    )
    return claims.bundle(folder, claim)


def chain() -> dict[str, Json]:
    """Four versions of one request: one item; a second added; the first changed and the second taken back; all cancelled."""
    folder = Folder("chain", new=True)
    found = parties(folder, "MA-0005")
    clinical = responses(found, ("pap-osa-initial", SLEEP_STUDY))
    first = claims.claim(
        folder,
        found.references,
        [cpap(trace="TRC-CHAIN-1")],
        careTeam=claims.care_team((found["role"], True)),
        supportingInfo=claims.supporting_info(True, clinical, dates=None),
        diagnosis=claims.diagnoses("G47.33"),
    )
    device, chair = cpap(trace="TRC-CHAIN-1"), wheelchair(2, "TRC-CHAIN-2")
    fewer = cpap(2, trace="TRC-CHAIN-1")
    second = claims.update_of(first, folder, "add", [device, claims.changed(chair, "added")])
    third = claims.update_of(second, folder, "modify", [claims.changed(fewer, "changed"), claims.cancelled(chair)])
    fourth = claims.update_of(
        third,
        folder,
        "cancel",
        [claims.cancelled(fewer), claims.cancelled(chair)],
        extension=[*third["extension"], *claims.root_extensions(None, new=True, certification="3")[-1:]],
    )
    return {
        "claim_update_initial_submit_payload": claims.bundle(folder, first),
        "claim_update_add_item_submit_payload": claims.bundle(folder, second, first, step="add"),
        "claim_update_modify_cancel_submit_payload": claims.bundle(folder, third, second, step="modify"),
        "claim_update_cancel_all_submit_payload": claims.bundle(folder, fourth, third, step="cancel"),
    }


def everything(new: bool) -> Json:
    """Every element of the Claim profile, an order of each kind, and a clinician in a role as the requester."""
    folder = Folder("everything", new)
    found = parties(folder, "MA-0003", by_role=True)
    person, card = found["patient"], found["coverage"]
    stay = encounter(folder, person, found["organization"], condition(folder, person, "G35"))
    note = document(folder, person, stay, "Progressive weakness; needs help to walk at home.")
    orders = [
        service_request(folder, person, card),
        device_request(folder, person, card),
        medication_request(folder, person, card, stay),
        nutrition_order(folder, person, card),
        *([medication_request(folder, person, card, stay, told_by=person)] if new else []),
    ]
    plain = [
        visits(12, 1, "TRC-ALL-1"),
        wheelchair(2, "TRC-ALL-2"),
        item(3, "hcpcs|J1745", quantity=30, unit="units", start=DAY, trace="TRC-ALL-3"),
        item(4, "hcpcs|B4150", quantity=90, unit="units", start=DAY, trace="TRC-ALL-4", place="12"),
        *([item(5, "hcpcs|J0897", quantity=60, unit="units", start=DAY, trace="TRC-ALL-5")] if new else []),
    ]
    items = [claims.detailed(one, folder, order) for one, order in zip(plain, orders, strict=True)]
    items[0] |= {"careTeamSequence": [1, 2], "informationSequence": [1, 4]}
    claim = claims.claim(
        folder,
        found.references,
        [claims.in_order(one) for one in items],
        kind="institutional",
        extension=claims.root_extensions(stay, new=new)
        + (claims.numbers("AUTH-2025-0007", "REF-2025-0007") if new else []),
        careTeam=claims.care_team((found["role"], True), (found["organization"], False)),
        supportingInfo=claims.supporting_info(new, [note]),
        diagnosis=claims.diagnoses("G35", "R26.89"),
        accident=claims.accident(),
    )
    return claims.bundle(folder, claim)


def missing_plan_of_care(new: bool) -> Json:
    """A4: all is known but the plan of care, which is asked for as a document or as an answer."""
    folder = Folder("documents", new)
    found = parties(folder, "MA-0004")
    clinical = responses(found, ("home-health", HOME_HEALTH))
    claim = claims.claim(
        folder,
        found.references,
        [visits(12, 1, "TRC-DOCUMENTS")],
        careTeam=claims.care_team((found["role"], True)),
        supportingInfo=claims.supporting_info(new, clinical, dates=None),
        diagnosis=claims.diagnoses("I50.22"),
    )
    return claims.bundle(folder, claim)


def all_approved(new: bool) -> Json:
    """A1 for all of it. The Claim is known by a urn:uuid only, so the answer cannot refer to it (data absent)."""
    folder = Folder("approved", new)
    found = parties(folder, "MA-0003")
    clinical = responses(found, ("pap-osa-initial", SLEEP_STUDY))
    claim = claims.claim(
        folder,
        found.references,
        [cpap(trace="TRC-APPROVED")],
        careTeam=claims.care_team((found["role"], True)),
        supportingInfo=claims.supporting_info(new, clinical, dates=claims.ONE_DAY),
        diagnosis=claims.diagnoses("G47.33"),
    )
    return claims.bundle(folder, claim, url=f"urn:uuid:{claim['id']}")


def wrong_birth_date(new: bool) -> Json:
    """An AAA error: the birth date is not the one on file for the number. Never a denial."""
    folder = Folder("error", new)
    patient(folder, "MA-0001", {"birthDate": "1961-03-14"})
    found = parties(folder, "MA-0001")
    claim = claims.claim(
        folder, found.references, [cpap(trace="TRC-ERROR", team=False)], diagnosis=claims.diagnoses("G47.33")
    )
    return claims.bundle(folder, claim)


def update_of_approval(new: bool) -> Json:
    """The approval again, with a wheelchair added and the first item taken back, after a physician cut the second (A6)."""
    folder, first = approval(new)
    device, more = first["item"]
    marked = [claims.changed(first["supportingInfo"][0], "changed"), claims.cancelled(first["supportingInfo"][-1])]
    info = [marked[0], *first["supportingInfo"][1:-1], marked[1]] if new else first["supportingInfo"]
    items = [claims.cancelled(device), more, claims.changed(wheelchair(3, "TRC-APPROVAL-3"), "added")]
    root = claims.root_extensions(None, new=new, certification="S")[-1:] if new else []
    over = {"supportingInfo": info} | ({"extension": [*first["extension"], *root]} if new else {})
    claim = claims.update_of(first, folder, "update", [claims.in_order(i) for i in items], new=new, **over)
    return claims.bundle(folder, claim, *([first] if new else []), step="update")


def subscription(new: bool) -> Json:
    """The subscription of the pended request's organization; the suite puts its own endpoint in."""
    return {
        "resourceType": "Subscription",
        "status": "requested",
        "reason": "Answers to our prior authorization requests",
        "criteria": TOPIC,
        "_criteria": {
            "extension": [
                {"url": BACKPORT + "backport-filter-criteria", "valueString": f"org-identifier={NOTIFIED_NPI}"}
            ]
        },
        "channel": {
            "type": "rest-hook",
            "endpoint": "https://ehr.precert.test/notifications",
            "payload": "application/fhir+json",
            "_payload": {
                "extension": [
                    {
                        "url": BACKPORT + "backport-payload-content",
                        "valueCode": "full-resource" if new else "id-only",
                    }
                ]
            },
            "header": [f"Authorization: Bearer {TOKEN}"],
        },
    }


MUST_SUPPORT: tuple[Callable[[bool], Json], ...] = (
    everything,
    missing_plan_of_care,
    all_approved,
    wrong_birth_date,
    update_of_approval,
)


def inputs(edition: str) -> dict[str, object]:
    """Input name to value."""
    new = edition == "2.2.1"
    folder, claim = approval(new)
    found: dict[str, object] = {
        "server_endpoint": f"{ROOT}/fhir" + ("" if new else "/v2.0"),
        "access_token": TOKEN,
        "subscription_resource": subscription(new),
        "approval_pa_submit_request_payload": claims.bundle(folder, claim),
        "denial_pa_submit_request_payload": denial(new),
        "pended_pa_submit_request_payload": pended(new),
    }
    found |= (
        chain()
        if new
        else {
            "pended_pa_inquire_request_payload": inquiries.pended(
                parties(Folder("ask-pended", new), "MA-0002", npi=NOTIFIED_NPI)
            )
        }
    )
    return found | {
        "must_support_pa_submit_request_payload": [make(new) for make in MUST_SUPPORT],
        "must_support_pa_inquire_request_payload": inquiries.must_support(new),
    }


def text(edition: str) -> str:
    """The preset file of one PAS suite."""
    return preset(f"pas-{edition}", inputs(edition))


def write(folder: Path, root: str = ROOT) -> None:
    """All files, for a server at ``root``."""
    folder.mkdir(parents=True, exist_ok=True)
    made = {f"pas-{edition}": inputs(edition) for edition in EDITIONS}
    made |= {"crd-2.0.1": inferno_crd.inputs(), "crd-2.2.1": inferno_crd_221.inputs()}
    for suite, given in made.items():
        (folder / SUITES[suite].file).write_text(preset(suite, given, root), "utf-8")
    inferno_dtr.write(folder, root)


def main() -> None:
    """Write the shipped files, or for the server at the first argument others into the folder of the second."""
    match sys.argv[1:]:
        case []:
            write(FOLDER)
        case [root, folder]:
            write(Path(folder), root.rstrip("/"))
        case _:
            sys.exit("usage: python -m tools.inferno [URL FOLDER]")


if __name__ == "__main__":
    main()
