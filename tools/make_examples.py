"""The requests in ``examples/pas``: one for each answer the server can give.

Run ``python -m tools.make_examples`` to write them; ``tests/pas/test_examples.py`` checks that the files are what this
module makes and that each gets the answer it promises. They stay as they are for a year from ``WHEN``: what a rule wants
recent is given as an answer, which counts for a year, and the dates of service are all in 2027.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from tools.requests import MEMBERS, Json, item, questionnaire_response, request_bundle

FOLDER = Path(__file__).resolve().parents[1] / "examples" / "pas"
EXPLANATION = "urn:precert:example"
WHEN = "2026-11-20T13:40:00Z"


def per_hour(value: float) -> Json:
    """A count of events per hour, as the form asks for it."""
    return {"value": value, "unit": "{events}/h", "system": "http://unitsofmeasure.org", "code": "{events}/h"}


SLEEP_STUDY = {"eval_before_test": True, "ahi": per_hour(22.0), "events": 140}
CHAIR = {
    "f2f": True,
    "mradl": True,
    "cane_walker_enough": False,
    "manual_chair_enough": False,
    "scooter_ok": False,
    "can_operate": True,
    "home_fits": True,
    "weight": 82.0,
    "willing": True,
}


@dataclass(frozen=True)
class Example:
    """One request. ``decisions`` is the X12 306 code that each item gets, by sequence; empty for a rejected request."""

    name: str
    explanation: str
    bundle: Json
    decisions: dict[int, str]
    outcomes: tuple[str, ...] = ()  # the engine's word for each item

    def document(self) -> Json:
        """The bundle with its line of explanation, which rides in ``meta.tag`` and means nothing to a receiver."""
        meta = {
            **self.bundle["meta"],
            "tag": [{"system": EXPLANATION, "code": self.name, "display": self.explanation}],
        }
        return {**self.bundle, "meta": meta}

    def text(self) -> str:
        """The file's content."""
        return json.dumps(self.document(), indent=2, ensure_ascii=False) + "\n"


def answered(name: str, policy: str, answers: Json) -> Json:
    """The QuestionnaireResponse that DTR would have filled in for ``policy``."""
    return questionnaire_response(f"{name}-answers", f"urn:precert:questionnaire:{policy}", answers, WHEN)


def cpap(quantity: float = 3, sequence: int = 1, start: str = "2027-09-06") -> Json:
    """A CPAP device for so many months."""
    return item(
        sequence,
        "hcpcs|E0601",
        quantity=quantity,
        unit="months",
        start=start,
        trace=f"trace-{sequence}",
        place="12",
    )


def lumbar_mri() -> Json:
    return item(1, "cpt|72148", quantity=1, start="2027-09-13", trace="trace-1", place="22")


def examples() -> list[Example]:
    """All of them, in the order of a tour."""
    return [
        Example(
            "approve",
            "A1: a sleep study of 22 events an hour meets every criterion, so the CPAP is approved at once with a number.",
            request_bundle(
                "approve",
                "MA-0001",
                [cpap()],
                diagnoses=("G47.33",),
                evidence=(answered("approve", "pap-osa-initial", SLEEP_STUDY),),
            ),
            {1: "A1"},
            ("approve",),
        ),
        Example(
            "pend-information",
            "A4: a CPAP with a diagnosis and nothing else; the answer asks exactly for the facts that can still decide.",
            request_bundle("pend-information", "MA-0002", [cpap()], diagnoses=("G47.33",)),
            {1: "A4"},
            ("pend-info",),
        ),
        Example(
            "pend-nurse",
            "A4: every criterion for the power wheelchair is met by statement alone, which this policy lets a nurse confirm.",
            request_bundle(
                "pend-nurse",
                "MA-0003",
                [item(1, "hcpcs|K0823", quantity=1, start="2027-09-20", trace="trace-1", place="12")],
                diagnoses=("G35",),
                evidence=(answered("pend-nurse", "pmd-group2-standard", CHAIR),),
            ),
            {1: "A4"},
            ("refer-nurse",),
        ),
        Example(
            "refer",
            "A4: 3 events an hour do not meet the criteria; a machine never refuses, so a clinician will look.",
            request_bundle(
                "refer",
                "MA-0004",
                [cpap()],
                diagnoses=("G47.33", "I10"),
                evidence=(
                    answered(
                        "refer", "pap-osa-initial", {"eval_before_test": True, "ahi": per_hour(3.0), "events": 12}
                    ),
                ),
            ),
            {1: "A4"},
            ("refer",),
        ),
        Example(
            "more-than-grant",
            "A4: criteria met, but 13 months are asked and the policy grants 3; giving less than asked is a person's decision.",
            request_bundle(
                "more-than-grant",
                "MA-0005",
                [cpap(13)],
                diagnoses=("G47.33",),
                evidence=(answered("more-than-grant", "pap-osa-initial", SLEEP_STUDY),),
            ),
            {1: "A4"},
            ("refer",),
        ),
        Example(
            "not-required",
            "NA: no policy names an office visit (CPT 99213), so it needs no authorization; never a denial.",
            request_bundle(
                "not-required",
                "COM-0001",
                [item(1, "cpt|99213", quantity=1, start="2027-09-07", trace="trace-1")],
                diagnoses=("M54.50",),
            ),
            {1: "NA"},
            ("not-applicable",),
        ),
        Example(
            "gold-card",
            "NA: a lumbar MRI in Texas by a requester who holds an exemption for it (gold card).",
            request_bundle("gold-card", "TX-0001", [lumbar_mri()], diagnoses=("M54.16",)),
            {1: "NA"},
            ("no-auth",),
        ),
        Example(
            "visit-limit",
            "A4: 18 therapy visits are on file and 10 more go past the 20 that need no authorization, so progress is asked for.",
            request_bundle(
                "visit-limit",
                "COM-0002",
                [
                    item(
                        1,
                        "cpt|97110",
                        quantity=10,
                        unit="visits",
                        start="2027-09-06",
                        end="2027-11-26",
                        trace="trace-1",
                    )
                ],
                diagnoses=("M54.50",),
            ),
            {1: "A4"},
            ("pend-info",),
        ),
        Example(
            "coverage-ended",
            "A3: coverage ended on 2025-12-31, before the service; an administrative denial, not a clinical judgement.",
            request_bundle(
                "coverage-ended",
                "MA-0009",
                [cpap()],
                diagnoses=("G47.33",),
                evidence=(answered("coverage-ended", "pap-osa-initial", SLEEP_STUDY),),
            ),
            {1: "A3"},
            ("deny-admin",),
        ),
        Example(
            "mixed",
            "A1, A4 and NA in one answer: the CPAP is approved, the wheelchair lacks facts, the office visit needs nothing.",
            request_bundle(
                "mixed",
                "MA-0003",
                [
                    cpap(),
                    item(2, "hcpcs|K0823", quantity=1, start="2027-09-20", trace="trace-2", place="12"),
                    item(5, "cpt|99213", quantity=1, start="2027-09-07", trace="trace-5"),
                ],
                diagnoses=("G47.33", "G35"),
                evidence=(answered("mixed", "pap-osa-initial", SLEEP_STUDY),),
            ),
            {1: "A1", 2: "A4", 5: "NA"},
            ("approve", "pend-info", "not-applicable"),
        ),
        Example(
            "urgent",
            "A4 on the expedited clock: level of service U, and the lumbar MRI of a commercial member still lacks facts.",
            request_bundle("urgent", "COM-0001", [lumbar_mri()], diagnoses=("M54.50",), urgent=True),
            {1: "A4"},
            ("pend-info",),
        ),
        Example(
            "wrong-birth-date",
            "Rejected (AAA 71): the birth date is not the one on file for this member number; never a denial.",
            request_bundle(
                "wrong-birth-date",
                "MA-0001",
                [cpap()],
                diagnoses=("G47.33",),
                member_data={**MEMBERS["MA-0001"], "birthDate": "1961-03-14"},
            ),
            {},
        ),
        Example(
            "unknown-member",
            "Rejected (AAA 75) in directory mode: nobody has this number. In presented mode the card is trusted: A4 or NA.",
            request_bundle(
                "unknown-member",
                "ZZ-4711",
                [cpap()],
                diagnoses=("G47.33",),
                member_data={"name": ("Ines", "Falk"), "gender": "female", "birthDate": "1950-04-02"},
            ),
            {},
        ),
        Example(
            "other-payer",
            "Rejected (AAA 79): the insurer named in the request is somebody else.",
            request_bundle("other-payer", "MA-0001", [cpap()], diagnoses=("G47.33",), payer_npi="1679576722"),
            {},
        ),
    ]


def by_name(name: str) -> Example:
    """One example. Raises StopIteration when there is none of this name."""
    return next(example for example in examples() if example.name == name)


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for example in examples():
        (FOLDER / f"{example.name}.json").write_text(example.text(), "utf-8")


if __name__ == "__main__":
    main()
