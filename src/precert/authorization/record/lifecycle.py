"""The life of one line, as data (``lifecycle.yaml``): which event leads from which state to which, who may cause it.

State is never stored; it is a fold over the line's events. An event that no rule allows is refused.
"""

from __future__ import annotations

from functools import cache
from importlib import resources
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Actor = Literal["system", "nurse", "physician", "provider"]


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Transition(BaseModel):
    """One rule: ``ev`` by ``by`` takes a line from any of ``sources`` to ``to``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ev: str
    sources: Annotated[tuple[str, ...], BeforeValidator(_listed)] = Field(alias="from")
    to: str
    by: Actor


class Lifecycle(BaseModel):
    """The whole table.

    ``open``: a person may decide. ``in_force``: what was authorized may be used, an approval in part as any other.
    ``adverse``: less than was asked, on clinical grounds; ``adverse_admin``: for want of coverage.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    initial: str
    open: frozenset[str]
    in_force: frozenset[str]
    adverse: frozenset[str]
    adverse_admin: frozenset[str]
    transitions: tuple[Transition, ...]

    @property
    def states(self) -> frozenset[str]:
        named = {state for t in self.transitions for state in (*t.sources, t.to)}
        return frozenset({self.initial, *named})


class NotAllowed(ValueError):
    """No rule lets this event happen in this state, or not to this actor."""

    def __init__(self, state: str, event: str, actor: str) -> None:
        super().__init__(f"{event} by {actor} is not allowed while the line is {state}")
        self.state, self.event, self.actor = state, event, actor


@cache
def lifecycle() -> Lifecycle:
    """The table shipped with precert."""
    raw = resources.files("precert.authorization.record").joinpath("lifecycle.yaml").read_text("utf-8")
    return Lifecycle.model_validate(yaml.safe_load(raw))


@cache
def _rules() -> dict[tuple[str, str], Transition]:
    return {(source, t.ev): t for t in lifecycle().transitions for source in t.sources}


def advance(state: str, event: str, actor: str) -> Transition:
    """The rule by which ``actor`` causes ``event`` in ``state``. Raises NotAllowed."""
    rule = _rules().get((state, event))
    if rule is None or rule.by != actor:
        raise NotAllowed(state, event, actor)
    return rule
