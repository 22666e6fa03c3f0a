"""Which scope a request needs.

SMART defines scopes for the FHIR interactions (create, read, update, delete, search) but none for operations. Here an
operation needs what comes nearest to what it does; docs/security.md lists it. DTR 2.2 names
``system/Questionnaire.rs system/ValueSet.rs system/Library.rs`` for all that a DTR client calls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from precert.security.scopes import LETTERS, Scope

_QUESTIONNAIRE = (Scope("Questionnaire", "r"),)
_OPERATIONS: dict[str, tuple[Scope, ...]] = {
    "Claim/$submit": (Scope("Claim", "c"),),
    "Claim/$inquire": (Scope("Claim", "s"), Scope("Claim", "r")),
    "$submit-attachment": (Scope("Claim", "u"), Scope("Claim", "c"), Scope("DocumentReference", "c")),
    "$questionnaire-package": _QUESTIONNAIRE,
    "Questionnaire/$questionnaire-package": _QUESTIONNAIRE,
    "$next-question": _QUESTIONNAIRE,
    "Questionnaire/$next-question": _QUESTIONNAIRE,
    "Questionnaire/$log-questionnaire-errors": _QUESTIONNAIRE,
    "ValueSet/$expand": (Scope("ValueSet", "r"),),
    "Subscription/$status": (Scope("Subscription", "r"),),
    "Subscription/$events": (Scope("Subscription", "r"),),
}
_ON_TYPE = {"GET": "s", "HEAD": "s", "POST": "c", "PUT": "u", "PATCH": "u", "DELETE": "d"}
_ON_INSTANCE = {"GET": "r", "HEAD": "r", "PUT": "u", "PATCH": "u", "DELETE": "d"}


@dataclass(frozen=True, slots=True)
class Need:
    """Any one of ``scopes``, or, with ``staff``, any role. Nothing at all: every good token will do."""

    scopes: tuple[Scope, ...] = ()
    staff: bool = False


def needed(method: str, path: str, bases: Sequence[str]) -> Need:
    """What ``method`` on ``path`` needs, given the FHIR ``bases``. What nothing is known about is for staff only."""
    for base in sorted(bases, key=len, reverse=True):
        if path == base or path.startswith(f"{base}/"):
            return Need(_on_fhir(method, [part for part in path[len(base) :].split("/") if part]))
    if path == "/cds-services" or path.startswith("/cds-services/"):
        return Need()  # hooks have no scopes; what they may tell is bound to the client by its id
    if path.startswith("/explain/"):
        return Need((Scope("ClaimResponse", "r"), Scope("Claim", "r")), staff=True)
    return Need(staff=True)


def _on_fhir(method: str, parts: list[str]) -> tuple[Scope, ...]:
    if not parts:
        return (Scope("*", LETTERS),)  # a batch may hold anything
    operation = next((part for part in parts if part.startswith("$")), None)
    if operation is not None:
        name = operation if operation == parts[0] else f"{parts[0]}/{operation}"
        return _OPERATIONS.get(name, (Scope(_type(parts[0]), LETTERS),))
    if len(parts) == 1:
        return (Scope(_type(parts[0]), _ON_TYPE.get(method, LETTERS)),)
    if parts[1] == "_search":
        return (Scope(_type(parts[0]), "s"),)
    return (Scope(_type(parts[0]), _ON_INSTANCE.get(method, LETTERS)),)


def _type(part: str) -> str:
    """The type as it stands in the address; what cannot be one asks for everything, as no answer depends on it."""
    return part if part.isascii() and part.isalpha() and len(part) <= 64 else "*"
