"""What is particular to DTR STU 2.2 (2.2.0)."""

from __future__ import annotations

from precert.dtr import urls
from precert.dtr.form import Questions, Who
from precert.fhir.coverage_information import CoverageInfo, rendered
from precert.fhir.types import Element, Resource
from precert.fhir.versions import STU_2_2

VERSION = STU_2_2.name
PREFIX = STU_2_2.prefix
CONTEXT = STU_2_2.tables("dtr")
PACKAGE_PARAMETER = "packagebundle"
OUTCOME_PARAMETER = "outcome"
ALTERNATIVE = urls.ALTERNATIVE
TERMINOLOGY_SERVER = urls.TERMINOLOGY_SERVER_CORE
AUTO = "auto-server"
EXPANDS_ALL = False
ASKS_IN_WAVES = False
SHELL_ASKS = False

_USES = "http://hl7.org/fhir/us/davinci-crd/CodeSystem/coverage-information-codes"
_PERFORMERS: dict[Who, str] = {"clinical": "Practitioner", "admin": "Practitioner", "patient": "Patient"}
_TIMES = ((5, "under-1min"), (15, "under-3min"), (25, "under-5min"))
_CONTEXT_TYPES = (
    "DeviceRequest",
    "MedicationRequest",
    "NutritionOrder",
    "ServiceRequest",
    "Encounter",
    "Appointment",
)


def version_algorithm() -> list[Element]:
    """By their numbers, part for part; demanded wherever there is a version (sdc-2)."""
    return [{"url": urls.VERSION_ALGORITHM, "valueCoding": {"system": urls.VERSION_ALGORITHMS, "code": "natural"}}]


def root_extensions(form: Questions) -> list[Element]:
    """How long it takes, who answers, that it is about one request, how versions compare."""
    questions = len(form.items)
    clinical = sum(len(group.items) for group in form.groups if group.who == "clinical")
    times: list[Element] = [{"url": "totalTime", "valueCode": _time(questions)}]
    if any(group.who != "admin" for group in form.groups):
        times.insert(0, {"url": "clinicalTime", "valueCode": _time(clinical)})
    return [
        *version_algorithm(),
        *(
            {"url": urls.PERFORMER, "valueCode": code}
            for code in dict.fromkeys(_PERFORMERS[g.who] for g in form.groups)
        ),
        {"extension": times, "url": urls.COMPLETION_TIME},
        *({"url": urls.AUDIENCE, "valueCode": group.who} for group in form.groups),
        {"url": urls.REQUEST_SPECIFIC, "valueBoolean": True},
    ]


def _time(questions: int) -> str:
    return next((code for most, code in _TIMES if questions <= most), "over-5min")


def library(url: str, version: str) -> str:
    """2.2.0 wants every reference to be of one version (oper-16)."""
    return f"{url}|{version}"


def support_link(url: str) -> Element:
    """2.2.0 follows the newer extension, which is complex."""
    return {
        "extension": [{"url": "label", "valueString": "Coverage criteria"}, {"url": "link", "valueUri": url}],
        "url": urls.SUPPORT_HYPERLINK,
    }


def contained_identity(canonical: str, version: str, new_id: str) -> Element:
    """The asked form is one of its own (``url``), derived from the published one."""
    return {"url": f"urn:uuid:{new_id}", "version": version, "derivedFrom": [f"{canonical}|{version}"]}


def response_extensions(coverage: Element, orders: list[Element]) -> list[Element]:
    """Coverage and orders have an extension each; only some types of order may be named."""
    named = [
        order for order in orders if str(order.get("reference", "")).split("/")[-2:-1] in ([t] for t in _CONTEXT_TYPES)
    ]
    return [
        {"url": urls.QR_COVERAGE, "valueReference": coverage},
        *({"url": urls.QR_CONTEXT, "valueReference": order} for order in named),
    ]


def intended_use(code: str) -> Element:
    """CRD 2.2.1 moved the codes to a code system of their own."""
    return {"coding": [{"system": _USES, "code": code}]}


def coverage_information(info: CoverageInfo) -> Element:
    """As CRD 2.2.1 spells it."""
    return rendered(info, VERSION)


def closing(text: str) -> Resource | None:
    """spec-39: say that there is nothing left to do."""
    return {"linkId": "closing", "text": text, "type": "display"}
