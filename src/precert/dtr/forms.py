"""All forms that are served: one per policy version that has questions, found by canonical, kept once issued.

A form is worked out once per policy as loaded. What was issued is stored as it went out, so that it can
still be read, and answers to it still be understood, after its policy has left the library.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from precert.authorization.deciding.answers import ADAPTIVE_SUFFIX, form_named
from precert.dtr import urls
from precert.dtr.form import Form
from precert.policy.catalogue import Catalogue

Manner = Literal["standard", "adaptive"]


@dataclass(frozen=True, slots=True)
class Served:
    """One form in one manner of asking."""

    form: Form
    manner: Manner

    @property
    def id(self) -> str:
        return self.form.id if self.manner == "standard" else self.form.adaptive_id


@dataclass(slots=True)
class Forms:
    """The forms of a catalogue that is asked for at each use, so that policies can be reloaded."""

    catalogue: Callable[[], Catalogue]
    _made: dict[tuple[str, str], Form] = field(default_factory=dict)

    def form(self, policy: str, version: str | None, day: date) -> Form | None:
        """The form of one policy version, or of the one in effect on ``day``; ``None`` if there is none, or no question."""
        catalogue = self.catalogue()
        if version is None:
            compiled = catalogue.current(policy, day) or catalogue.get(policy)
        else:
            compiled = catalogue.get(policy, version)
        if compiled is None:
            return None
        made = self._made.get((compiled.id, compiled.version))
        if made is None or made.policy is not compiled:  # a reload may bring the same version with other code sets
            made = self._made[compiled.id, compiled.version] = Form(compiled, catalogue.value_sets)
        return made if made.items else None

    def by_name(self, name: str, version: str | None, day: date) -> Served | None:
        """A form by the last part of its canonical: a policy's id, or that with ``-adaptive``."""
        form = self.form(name, version, day)
        if form is not None:
            return Served(form, "standard")
        if name.endswith(ADAPTIVE_SUFFIX):
            form = self.form(name.removesuffix(ADAPTIVE_SUFFIX), version, day)
            return Served(form, "adaptive") if form is not None else None
        return self._by_short_id(name, version, day)

    def _by_short_id(self, name: str, version: str | None, day: date) -> Served | None:
        """A name too long for a FHIR id is also known by its shortened one."""
        for policy in {compiled.id for compiled in self.catalogue()}:
            for full in (policy, policy + ADAPTIVE_SUFFIX):
                if full != name and urls.fhir_id(full) == name:
                    return self.by_name(full, version, day)
        return None

    def by_canonical(self, canonical: str, root: str, day: date) -> Served | None:
        """A form by ``url|version`` or ``url`` as a client writes it."""
        url, version = urls.split(canonical)
        name = urls.named(url, root, "Questionnaire")
        return self.by_name(name, version, day) if name is not None else None

    def answered(self, canonical: str, day: date) -> Served | None:
        """The form that a response names, at whatever address this server had then.

        Of a version that is not here any more the present one: its questions are those that the rules can still ask.
        """
        name, version = form_named(canonical)
        return self.by_name(name, version, day) or self.by_name(name, None, day)

    def warm(self, day: date) -> None:
        """Work out the forms of all policies in effect ahead of the first call (about 0.1 s each; call it in a thread)."""
        for form in self.current(day):
            len(form.population.definitions)

    def current(self, day: date) -> list[Form]:
        """The forms of all policies in effect."""
        found = (self.form(policy.id, policy.version, day) for policy in self.catalogue().in_effect(day))
        return [form for form in found if form is not None]
