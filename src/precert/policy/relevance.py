"""Which open facts of one policy still matter, worked out once for every state of its facts that criteria can tell apart.

The search (:mod:`precert.policy.questions`) takes milliseconds, more than all the rest of a decision, and most charts
are alike to a policy: a saturation of 84 % and one of 86 % are both below 88 %. So the answer is remembered under what
the criteria's comparisons say about each known fact, not under its value.
"""

from __future__ import annotations

from collections.abc import Sequence

from precert.policy.logic import Tree
from precert.policy.questions import Env, Probe, relevant, signature

_MOST = 2_000
"""States remembered for one policy, of about 0.5 KB each. With one more than that all are forgotten."""


class Relevance:
    """:func:`relevant` for one tree, remembered. ``probe`` was made from trees that include this one's leaves.

    May be shared between threads: whoever comes second works the same answer out again.
    """

    def __init__(self, tree: Tree, probe: Probe) -> None:
        self._tree = tree
        self._probe = probe
        self._known: dict[tuple[object, ...], tuple[str, ...]] = {}

    def of(self, env: Env, free: Sequence[str]) -> tuple[str, ...]:
        """Those of the unknown facts ``free`` whose value can change the result, in the given order."""
        told = (signature(env[name], literals) for name, literals in self._probe.literals.items() if name not in free)
        key = (*free, None, *told)
        found = self._known.get(key)
        if found is None:
            found = relevant(self._tree, env, free, self._probe)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[key] = found
        return found
