"""What a reviewer asks of the worklist: which queue, track and age, in which order, which page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from precert.authorization.deciding.determination_rules import OPEN_STATES
from precert.authorization.record.case import EVIDENCE_CHANGED
from precert.authorization.record.lifecycle import lifecycle

StateFilter = Literal["open", "info", "nurse", "physician", "changed", "decided", "all"]
TrackFilter = Literal["all", "standard", "expedited"]
AgeFilter = Literal["any", "1", "3", "7"]
Sort = Literal["due", "oldest", "newest", "member"]

# a case stands in the queues of its lines' states, and in "evidence_changed" (Case.queues)
STATES: dict[StateFilter, frozenset[str]] = {
    "open": OPEN_STATES | {EVIDENCE_CHANGED},
    "info": frozenset({"pended_info"}),
    "nurse": frozenset({"nurse_review"}),
    "physician": frozenset({"md_review"}),
    "changed": frozenset({EVIDENCE_CHANGED}),
    "decided": lifecycle().states - OPEN_STATES - {"dismissed"},
    "all": lifecycle().states,
}
STATE_LABELS: dict[StateFilter, str] = {
    "open": "Open (all queues)",
    "info": "Waiting for information",
    "nurse": "With a nurse",
    "physician": "With a physician",
    "changed": "Approved, and the evidence changed",
    "decided": "Decided",
    "all": "Everything",
}
TRACK_LABELS: dict[TrackFilter, str] = {"all": "All", "expedited": "Expedited", "standard": "Standard"}
AGE_LABELS: dict[AgeFilter, str] = {"any": "Any", "1": "Over 1 day", "3": "Over 3 days", "7": "Over 7 days"}
SORT_LABELS: dict[Sort, str] = {
    "due": "Decide first",
    "oldest": "Received, oldest first",
    "newest": "Received, newest first",
    "member": "Member",
}


@dataclass(frozen=True, slots=True)
class Query:
    """What the reviewer asked to see. Unknown values from the URL fall back to the first choice."""

    state: StateFilter = "open"
    track: TrackFilter = "all"
    age: AgeFilter = "any"
    sort: Sort = "due"
    find: str = ""
    page: int = 1

    @classmethod
    def read(cls, given: dict[str, str]) -> Query:
        """The query in URL parameters; ``queue`` is another name of ``state``."""
        given = {"state": given.get("queue", ""), **given}
        state, track, age, sort = given.get("state"), given.get("track"), given.get("age"), given.get("sort")
        page = given.get("page", "1")
        return cls(
            state=state if state in get_args(StateFilter) else "open",  # type: ignore[arg-type]
            track=track if track in get_args(TrackFilter) else "all",  # type: ignore[arg-type]
            age=age if age in get_args(AgeFilter) else "any",  # type: ignore[arg-type]
            sort=sort if sort in get_args(Sort) else "due",  # type: ignore[arg-type]
            find=given.get("find", "").strip()[:80],
            page=min(int(page), 10_000) if page.isascii() and page.isdigit() and page != "0" else 1,
        )

    def parameters(self, page: int) -> dict[str, str]:
        """The same query for another page, for a link."""
        return {
            "state": self.state,
            "track": self.track,
            "age": self.age,
            "sort": self.sort,
            **({"find": self.find} if self.find else {}),
            "page": str(page),
        }
