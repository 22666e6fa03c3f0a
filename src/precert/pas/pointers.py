"""What an item points to by its sequence on the same Claim, and whether it is there.

Source: FHIR R4 Claim.item.diagnosisSequence, .careTeamSequence ("applicable diagnoses", "applicable members").
"""

from __future__ import annotations

from precert.fhir.bundle import Entry
from precert.fhir.types import Element, as_list, elements
from precert.pas.findings import Findings

_TARGETS = {"diagnosisSequence": "diagnosis", "careTeamSequence": "careTeam"}


def check_pointers(item: Element, claim: Entry, where: str, found: Findings) -> None:
    """A pointer that means nothing, or not one thing, is a fault: what the item rests on would be left to chance."""
    for element, list_ in _TARGETS.items():
        told = item.get(element)
        if told is None:
            continue
        known = [
            sequence if isinstance(sequence := each.get("sequence"), int) else position
            for position, each in enumerate(elements(claim.resource.get(list_)), 1)
        ]
        for position, wanted in enumerate(as_list(told)):
            many = known.count(wanted) if isinstance(wanted, int) and not isinstance(wanted, bool) else 0
            if many != 1:
                how = "is there more than once" if many else "is not there"
                found.fault(
                    "value",
                    "item-pointer",
                    f"{where}.{element}[{position}]",
                    f"Claim.{list_} with sequence {str(wanted)[:20]} {how}. Point to the sequence of one of them.",
                )
