"""What counts beside a line under limits and maxima: the other lines of its request and the member's lines on record.

The rules read it in two ways: as evidence of the payer's own (a visit limit adds up units), and as
:class:`precert.policy.types.Counted` (a grant's maximum). An authorization on record is a ``PayerAuth``; what is merely
asked for, or was free of authorization, is ``PayerUnits``: it shows that units count, never that anything was authorized. Source: docs/policies.md ("saying yes").
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date

from precert.authorization.deciding.given import Given, given
from precert.authorization.deciding.request import Ask
from precert.authorization.deciding.service import kept
from precert.authorization.deciding.standing import service_day
from precert.authorization.record.case import Case, Line, LineRequest
from precert.fhir import json
from precert.fhir.bundle import Entry
from precert.fhir.coverage_information import COVERAGE_INFORMATION
from precert.fhir.types import Element, JsonValue, Resource, as_list
from precert.policy.amounts import read
from precert.policy.types import Counted, EvidenceItem

MOST_BESIDE = 100
"""How many lines of one request are counted beside each other: each is held against all, so the work grows as a square."""


@dataclass(frozen=True, slots=True)
class CountedLines:
    """``complete`` is false when more is on record than was read; then nothing may be said to be within a maximum.

    ``numbers`` are the authorization numbers among them.
    """

    lines: tuple[Counted, ...] = ()
    complete: bool = True
    numbers: frozenset[str] = frozenset()

    def evidence(self) -> list[EvidenceItem]:
        """The lines as the payer's own data. One without a readable amount has none, so that no sum is made."""
        return [EvidenceItem(_payer_data(each, n), each.reference, "payer") for n, each in enumerate(self.lines, 1)]

    def without(self, order: str | None) -> CountedLines:
        """The same without what was given for this very order: it does not count beside itself."""
        return replace(self, lines=tuple(line for line in self.lines if not same_order(line.order, order)))

    def and_(self, more: CountedLines) -> CountedLines:
        """Both together."""
        complete = self.complete and more.complete
        if not more.lines and complete is self.complete:
            return self
        return CountedLines((*self.lines, *more.lines), complete, self.numbers | more.numbers)

    def beside(self, others: Sequence[Counted]) -> CountedLines:
        """The same with the other lines of the request, or the other orders of the call (:func:`asked`). Of more than
        ``MOST_BESIDE`` nothing can be said to be within a maximum, and a person counts."""
        if not others:
            return self
        complete = self.complete and len(others) <= MOST_BESIDE
        return CountedLines((*self.lines, *others[:MOST_BESIDE]), complete, self.numbers)


NOTHING_COUNTED = CountedLines()


def order_key(submitter: str, member: str | None, reference: str | None) -> str | None:
    """The key of a client's order; ``None`` for an order or member without a name.

    ``reference`` is its ``Type/id``, or :func:`order_name` where a hook says on which server it is. Ids are the client's own,
    and those of one server: what another calls so is another order.
    """
    if reference is None or member is None:
        return None
    server, at, name = reference.rpartition(_AT)
    key = _hashed(f"order|{submitter}|{member}|{name}")
    return f"{key[:_NAME]}.{_hashed(server)[:_SERVER]}" if at else key


def order_name(entry: Entry, server: str | None, copies: int = 0) -> str:
    """An order of a call, as :func:`order_key` takes it: ``server`` (``fhirServer``; ``None``: not sent) and ``Type/id``.

    Without an id it is named by its content, so that it is the same order only when the very same is sent; ``copies`` are those
    that stand before it in the call, as each is an order of its own.
    """
    if entry.id and entry.container is None:
        return f"{server or ''}{_AT}{entry.type}/{entry.id}"
    said = {key: value for key, value in entry.resource.items() if key not in _NOT_SAID}
    told = [e for e in as_list(said.pop("extension", None)) if not _is_ours(e)]
    content = _hashed(json.dumps(_sorted({**said, "told": told})).decode())
    return f"{server or ''}{_AT}{entry.type}?{content}.{copies}"


def same_order(one: str | None, other: str | None) -> bool:
    """Whether two keys are of one order. A request does not say on which server its order is: then it may be any."""
    if one is None or other is None:
        return False
    if one == other:
        return True
    return one[:_NAME] == other[:_NAME] and ("." not in one or "." not in other)


_AT = "|"
_NAME, _SERVER = 40, 20
"""How much of the hashes is kept in the key of an order on a known server; together as long as any key may be."""
_NOT_SAID = ("id", "meta", "text")


def _hashed(written: str) -> str:
    return hashlib.sha256(written.encode()).hexdigest()


def _is_ours(extension: JsonValue) -> bool:
    """Whether an extension is what CRD wrote on the order: so it is no other order."""
    return isinstance(extension, dict) and extension.get("url") == COVERAGE_INFORMATION


def _sorted(value: JsonValue) -> JsonValue:
    """The same content in one order of members."""
    if isinstance(value, dict):
        return {key: _sorted(value[key]) for key in sorted(value)}
    return [_sorted(member) for member in value] if isinstance(value, list) else value


def on_record(cases: Iterable[tuple[Case, Line]], complete: bool = True) -> CountedLines:
    """What the lines of ``cases`` were given, and is in force or may have been used. Lines that only repeat another's
    authorization are not counted twice."""
    counted: list[Counted] = []
    numbers: set[str] = set()
    for case, line in cases:
        received = case.opened.received.date()
        kept = [one for one in given(case, line) if one.until is None or one.begun(received, one.until)]
        counted += together(_recorded(case, line, one) for one in kept)
        numbers |= {one.authorization.number for one in kept if one.authorization is not None}
    return CountedLines(tuple(counted), complete, frozenset(numbers))


def used(case: Case, line: Line, today: date) -> list[Counted]:
    """What ``line`` was given and may have used by ``today``: it counts beside what is asked for in its place."""
    received = case.opened.received.date()
    begun = [one for one in given(case, line) if one.begun(received, today)]
    return together(replace(_recorded(case, line, one), same_line=True) for one in begun)


def together(several: Iterable[Counted]) -> list[Counted]:
    """What one line was given, in this order. Of two that begin on one day for the same service, the one was changed into the
    other: the greater amount counts. Amounts that cannot be compared are both counted."""
    kept: list[Counted] = []
    for each in several:
        merged = _merged(kept[-1], each) if kept else None
        kept[-1 if merged is not None else len(kept) :] = [merged or each]
    return kept


def _merged(before: Counted, after: Counted) -> Counted | None:
    same = (before.start, before.codes, before.modifiers) == (after.start, after.codes, after.modifiers)
    if not same or (before.quantity is None) is not (after.quantity is None):
        return None
    ends = [before.end, after.end]
    last = None if None in ends else max(end for end in ends if end is not None)
    authorized = before.granted or before.was_granted
    after = replace(after, end=last, was_granted=after.was_granted or (authorized and not after.granted))
    if before.quantity is None:
        return after
    one, other = read(before.quantity), read(after.quantity)
    if one is None or other is None:
        return None
    if one.within(other):
        return after
    return replace(after, quantity=before.quantity) if other.within(one) else None


def _recorded(case: Case, line: Line, one: Given) -> Counted:
    granted, requested = one.authorization, one.requested
    service = kept(requested)
    received = case.opened.received.date()
    quantity = _amount(requested)
    if granted is not None:
        quantity = _quantity(granted.quantity, granted.unit)
    name = f"authorization {granted.number}" if granted is not None else f"case {case.number} line {line.sequence}"
    if one.until is not None:
        name += f" (until {one.until.isoformat()})"
    return Counted(
        reference=name,
        codes=service.codes,
        modifiers=service.modifiers,
        since=granted.issued if granted is not None else received,
        start=one.start(received),
        end=granted.end if granted is not None else requested.service_end,
        quantity=quantity,
        granted=granted is not None and one.until is None,
        was_granted=granted is not None and one.until is not None,
        order=order_key(case.opened.submitter, case.opened.member, line.order),
    )


def asked(ask: Ask, received: date) -> Counted | None:
    """A line of the request, or an order of the call, as it counts beside the others: ``None`` for one that is given up."""
    if ask.line.request == "cancel":
        return None
    return of_ask(ask, received, f"line {ask.line.sequence} of this request", same_request=True)


def of_ask(
    ask: Ask, received: date, reference: str, *, same_request: bool = False, order: str | None = None
) -> Counted:
    """What is asked for, as it counts beside others; ``reference`` names it for people, ``order`` is its key."""
    service = kept(ask.line)
    return Counted(
        reference=reference,
        codes=service.codes,
        modifiers=service.modifiers,
        since=received,
        start=service_day(ask.line, received),
        end=ask.line.service_end,
        quantity=_amount(ask.line),
        same_request=same_request,
        order=order,
    )


def _amount(line: LineRequest) -> Element | None:
    quantity = line.item.get("quantity")
    return quantity if isinstance(quantity, dict) else _quantity(line.quantity, line.unit)


def _quantity(value: object, unit: str | None) -> Element | None:
    return None if value is None else {"value": value, **({"unit": unit} if unit else {})}


def _payer_data(counted: Counted, position: int) -> Resource:
    amount = read(counted.quantity) if counted.quantity is not None else None
    resource: Resource = {
        "resourceType": "PayerAuth" if counted.granted else "PayerUnits",
        "id": f"own-{position}",
        "code": {"coding": [{"system": code.system, "code": code.code} for code in counted.codes]},
        "start": counted.since.isoformat(),
    }
    if amount is not None:
        resource["units"] = amount.value
    return resource
