"""Configuration options: what a client may switch off, and the cards it wants at most (docs/crd.md, dev-4 to dev-17)."""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal

from precert.fhir.types import Element, JsonValue

MAX_CARDS = "max-cards"
COVERAGE_INFO = "coverage-info"
UNSOLICITED = "unsolicited-determ"
COVERAGE_UPDATE = "insurance"
FORMS = "appropriate-use"


@dataclass(frozen=True, slots=True)
class Option:
    """One option as announced in discovery."""

    code: str
    name: str
    description: str
    default: bool | int

    def announced(self) -> Element:
        kind = "boolean" if isinstance(self.default, bool) else "integer"
        return {
            "code": self.code,
            "type": kind,
            "name": self.name,
            "description": self.description,
            "default": self.default,
        }


OPTIONS: tuple[Option, ...] = (
    Option(
        COVERAGE_INFO,
        "Coverage Information",
        "Whether the service is covered, needs prior authorization or documentation; written to the order",
        True,
    ),
    Option(
        UNSOLICITED,
        "Unsolicited determinations",
        "Set to false for what-if questions: nothing is stored and no authorization is created",
        True,
    ),
    Option(
        "therapy-alternatives-req",
        "Required alternatives",
        "Something else that the plan's policy asks to use first",
        True,
    ),
    Option("therapy-alternatives-opt", "Optional alternatives", "Something else that would also do", True),
    Option("guideline", "Guidelines", "Coverage policies and the guidelines they rest on, as links or text", True),
    Option("off-guideline", "Off guideline", "The order seems to be outside a coverage guideline", True),
    Option("clinical-reminder", "Clinical reminders", "Companion orders that the policy recommends", True),
    Option("limits", "Limits", "Quantity, frequency or visit limits of the plan that the order touches", True),
    Option("network", "Network", "The performer named is not in the member's network", True),
    Option(
        COVERAGE_UPDATE,
        "Coverage update",
        "Corrects the Coverage held by the client; off unless the client does without X12 271",
        False,
    ),
    Option(
        FORMS,
        "Forms as tasks",
        "Asks for documentation with a Task too; off unless the client does without DTR",
        False,
    ),
    Option(MAX_CARDS, "Maximum cards", "The most cards to return; the most important come first", 10),
)

_DEFAULTS = {option.code: option.default for option in OPTIONS}


@dataclass(frozen=True, slots=True)
class Configuration:
    """What the client asked for, over the defaults. ``notes`` are settings that made no sense and were not used."""

    values: dict[str, bool | int] = field(default_factory=lambda: dict(_DEFAULTS))
    notes: tuple[str, ...] = ()
    refused: frozenset[str] = frozenset()  # switched off by the client itself, not by default

    def wants(self, code: str) -> bool:
        """Whether cards of this topic may be sent; topics without an option of their own count as guideline."""
        return bool(self.values.get(code, self.values["guideline"]))

    @property
    def coverage_info(self) -> bool:
        return bool(self.values[COVERAGE_INFO])

    @property
    def what_if(self) -> bool:
        """``unsolicited-determ: false``: answer, but leave no trace (docs/crd.md)."""
        return not self.values[UNSOLICITED]

    @property
    def max_cards(self) -> int:
        return int(self.values[MAX_CARDS])


def configuration(sent: object) -> Configuration:
    """Read ``davinci-crd.configuration``. Unknown codes are ignored (dev-17); what is no setting falls back to the default."""
    values = dict(_DEFAULTS)
    notes: list[str] = []
    if sent is not None and not isinstance(sent, dict):
        notes.append("the configuration is not an object")
    read: Element = {code: _meant(value) for code, value in sent.items()} if isinstance(sent, dict) else {}
    for code, value in read.items():
        if code not in values:
            continue
        if code == MAX_CARDS:
            fits = isinstance(value, int) and not isinstance(value, bool) and value >= 0
        else:
            fits = isinstance(value, bool)
        if fits:
            values[code] = value
        else:
            notes.append(f"{code} is not of its type")
    if not values[COVERAGE_INFO] and not values[MAX_CARDS]:
        notes.append("coverage-info is off and max-cards is 0: nothing can be answered")
    return Configuration(values, tuple(notes), frozenset(code for code, value in read.items() if value is False))


def _meant(value: JsonValue) -> JsonValue:
    """Booleans and numbers that a client writes as text, or as 3.0, are what they say: ``"false"`` must not count as true."""
    if isinstance(value, str):
        written = value.strip().lower()
        if written in ("true", "false"):
            return written == "true"
        return int(written) if written.isascii() and written.isdecimal() and len(written) < 10 else value
    if isinstance(value, Decimal) and abs(value) < 10**9 and value == value.to_integral_value():
        return int(value)
    return value
