"""What the rules say of the orders of a package call: the same question as CRD asks, without the chart, which is not sent here.

So the policies that may apply, the member, the amount and the days are those of CRD; only what the chart could answer stays open.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from precert.authorization.deciding.counted import CountedLines, order_key
from precert.authorization.deciding.counted import asked as counted_of
from precert.authorization.deciding.orders import about_another, numbered
from precert.authorization.deciding.request import Ask, Subject
from precert.authorization.usecases.ask import Consulted, ConsultService, Identified
from precert.dtr.asked import Order
from precert.dtr.coverages import Insured
from precert.fhir.bundle import BundleIndex, type_and_id
from precert.policy.types import Counted


@dataclass(slots=True)
class Consulting:
    """Asks about the ``orders`` of one call of ``client`` under its coverages. :meth:`look_up` first."""

    consult: ConsultService
    orders: tuple[Order, ...]
    insured: list[Insured]
    client: str
    index: BundleIndex
    _asks: dict[str, Ask] = field(default_factory=dict)
    _beside: dict[str, Counted | None] = field(default_factory=dict)
    _counted: dict[int, CountedLines] = field(default_factory=dict)

    async def look_up(self) -> None:
        """Read what is on record for the members, which counts under limits and maxima. Raises the store's errors."""
        crosswalk = self.consult.directory().crosswalk
        for order in self.orders:
            line = order.read.asked.line
            self._asks[order.path] = numbered(order.read, line.sequence, crosswalk).asked
            self._beside[order.path] = counted_of(self._asks[order.path], self.consult.today())
        for insured in self.insured:
            record = await self.consult.record(insured.identified.who, self._asks.values())
            self._counted[id(insured)] = record.counted

    def under(self, order: Order) -> list[Insured]:
        """The coverages that the order names, else all of them."""
        named = {type_and_id(reference) for reference in order.read.insurance}
        return [i for i in self.insured if ("Coverage", str(i.coverage.get("id"))) in named] or self.insured

    def asked(self, order: Order, insured: Insured) -> tuple[Ask, Subject, CountedLines]:
        """The question: what is asked, whom for, and what counts beside it. The diagnoses of the order go with it."""
        others = [beside for path, beside in self._beside.items() if path != order.path and beside is not None]
        who = insured.identified.who
        member = who.member.id if who is not None and who.member is not None else None
        key = order_key(self.client, member, order.read.reference)
        counted = self._counted[id(insured)].without(key).beside(others)
        return self._asks[order.path], replace(insured.subject, evidence=order.read.evidence), counted

    def of_another(self, order: Order, insured: Insured) -> str | None:
        """Why an order is not for the member of a coverage, in a sentence."""
        mine = insured.whose is None or not about_another(order.read.entry, insured.whose, self.index)
        return None if mine else "The order is for another patient than the coverage."

    def ask(self, order: Order, insured: Insured) -> Consulted:
        """What the rules say of one order under one coverage."""
        ask, subject, counted = self.asked(order, insured)
        return self.consult.ask(ask, subject, self.whoever(insured), counted)

    @staticmethod
    def whoever(insured: Insured) -> Identified:
        """Without a Patient nobody is certain; which questions there are does not hang on that, as answers are held to the
        person. What was said of a Patient who did come along stays in doubt."""
        identified = insured.identified
        if insured.certain or identified.who is None:
            return identified
        return replace(identified, who=replace(identified.who, doubts=()))
