"""What each exchange leaves for the metrics (PAS PASMetricData logical model): who, when, what came of every line.

Stored in the same commit as the exchange it describes, so that the numbers can never disagree with the records. No
clinical content: codes of services, results, numbers and times only.
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from precert.authorization.record.case import Case
from precert.authorization.record.codes import code_table
from precert.authorization.usecases.dependencies import Rejection
from precert.authorization.usecases.submission import Submission
from precert.fhir import json
from precert.fhir.dates import instant
from precert.fhir.extension import extension_value
from precert.fhir.types import Element
from precert.store.port import Put

Kind = Literal["initial", "update", "cancel", "subsequent", "query"]
TYPE = "Exchange"
_TRACE = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-itemTraceNumber"


def exchange(
    id: str,
    kind: Kind,
    case: Case,
    submission: Submission,
    requested: datetime,
    answered: datetime,
    rejection: Rejection | None = None,
) -> Put:
    """One exchange about ``case`` as a document of type ``Exchange``."""
    opened = case.opened
    record: Element = {
        "source": "payer-src",
        "case": case.number,
        "providerId": opened.requester.npi,
        "groupId": submission.requester_npis[-1] if submission.requester_npis else None,
        "payer": opened.plan,
        "businessLine": opened.lob,
        "exchange": {
            "type": kind,
            "method": "restful",
            "requestTime": instant(requested),
            "responseTime": instant(answered),
            "httpResponse": 200,
        },
        "aaaCodes": [rejection.entry.code] if rejection else [],
        "itemDetail": [_item(case, sequence) for sequence in sorted(case.lines)],
    }
    tokens: dict[str, list[str]] = {"case": [case.id], "kind": [str(kind)], "day": [answered.date().isoformat()]}
    return Put(TYPE, id, json.dumps(record), tokens, expect=0)


def _item(case: Case, sequence: int) -> Element:
    line = case.lines[sequence]
    review = code_table().review.get(line.state)
    events = [event for event in case.events if event.line == sequence and event.determination is not None]
    trace = extension_value(line.requested.item, _TRACE)
    return {  # "repeats": no authorization of its own, so that nobody counts it twice
        "trn": trace.get("value") if isinstance(trace, dict) else None,
        "item": line.requested.code,
        "sequence": sequence,
        "result": review.result if review else "error",
        "denialReason": review.reason if review and review.result == "denied" else None,
        "initialSubmissionTime": instant(case.opened.received),
        "finalResponseTime": instant(events[-1].at) if events and review and review.result != "pended" else None,
        "responsesRequired": len(events),
        "human": bool(line.determination and line.determination.human),
        **({"repeats": line.authorization.number} if line.rests_on and line.authorization else {}),
    }
