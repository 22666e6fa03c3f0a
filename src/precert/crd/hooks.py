"""The six hooks: what they carry, whether they must be answered, how long there is. Source: docs/crd.md."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from precert.fhir.versions import STU_2_0

Content = Literal["orders", "dispatch", "appointments", "encounter"]

ORDER_TYPES = (
    "CommunicationRequest",
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "ServiceRequest",
    "VisionPrescription",
)


_WARM_2_0 = 4.2


@dataclass(frozen=True, slots=True)
class Hook:
    """One service. ``primary`` hooks always answer with coverage information (hook-16); the others may stay silent and
    never ask for documentation (hook-19). ``budget`` and ``cold_budget`` are seconds, under the limit that clients wait
    (5 s, and 10 s for a patient not seen for a day; appointment-book of 2.2 always 10 s)."""

    name: str
    content: Content
    primary: bool
    title: str
    description: str
    budget: float = 4.2
    cold_budget: float = 4.2

    @property
    def id(self) -> str:
        return f"crd-{self.name}"

    def seconds(self, version: str, *, warm: bool) -> float:
        """How long fetching may take. ``warm``: the patient was seen within a day. 2.0.1 wants every warm hook in 5 s."""
        if not warm:
            return self.cold_budget
        return min(self.budget, _WARM_2_0) if version == STU_2_0.name else self.budget


_ABOUT = "Tells whether it is covered, needs prior authorization or lacks documentation, and offers alternatives."

HOOKS: tuple[Hook, ...] = (
    Hook(
        "appointment-book",
        "appointments",
        True,
        "Coverage requirements of appointments",
        f"Looks at each service being booked. {_ABOUT}",
        8.5,
        8.5,
    ),
    Hook(
        "encounter-start",
        "encounter",
        False,
        "Coverage requirements at the start of an encounter",
        f"Looks at the services of the encounter. {_ABOUT}",
    ),
    Hook(
        "encounter-discharge",
        "encounter",
        False,
        "Coverage requirements at discharge",
        f"Looks at the post-acute care planned: facility, home health, equipment. {_ABOUT}",
    ),
    Hook(
        "order-dispatch",
        "dispatch",
        True,
        "Coverage requirements of orders sent to a performer",
        f"Looks at each dispatched order with its performer. {_ABOUT}",
        4.2,
        8.5,
    ),
    Hook(
        "order-select",
        "orders",
        False,
        "Coverage requirements of selected orders",
        f"Looks at the selected draft orders, before they are signed. {_ABOUT}",
    ),
    Hook(
        "order-sign",
        "orders",
        True,
        "Coverage requirements of orders being signed",
        f"Looks at each draft order. {_ABOUT}",
        4.2,
        8.5,
    ),
)

HOOK_BY_ID = {hook.id: hook for hook in HOOKS}
