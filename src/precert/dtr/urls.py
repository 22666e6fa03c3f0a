"""Canonical URLs of Da Vinci DTR 2.2.0 and 2.0.1, of SDC and of our own forms."""

from __future__ import annotations

import hashlib
import re
from urllib.parse import quote, unquote

from precert.fhir.versions import CURRENT, PREFIXES

_DTR = "http://hl7.org/fhir/us/davinci-dtr/StructureDefinition/"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
_EXT = "http://hl7.org/fhir/StructureDefinition/"

STANDARD = _DTR + "dtr-std-questionnaire"
ADAPTIVE = _DTR + "dtr-questionnaire-adapt"
ADAPTIVE_SHELL = _DTR + "dtr-questionnaire-adapt-search"
RESPONSE = _DTR + "dtr-questionnaireresponse"
RESPONSE_ADAPTIVE = _DTR + "dtr-questionnaireresponse-adapt"
PACKAGE = _DTR + "DTR-QPackageBundle"
PACKAGE_OUTPUT = _DTR + "dtr-qpackage-output-parameters"

COMPLETION_TIME = _DTR + "estimated-completion-time"
AUDIENCE = _DTR + "questionnaireAudience"
REQUEST_SPECIFIC = _DTR + "request-specific"
ALTERNATIVE = _DTR + "alternativeExpression"
ALTERNATIVE_20 = "http://hl7.org/fhir/us/ph-library/StructureDefinition/us-ph-alternative-expression-extension"
ORIGIN = _DTR + "information-origin"
INTENDED_USE = _DTR + "intendedUse"
QR_CONTEXT = _DTR + "qr-context"
QR_COVERAGE = _DTR + "qr-coverage"

ADAPTIVE_AT = _SDC + "sdc-questionnaire-questionnaireAdaptive"
LAUNCH_CONTEXT = _SDC + "sdc-questionnaire-launchContext"
ENTRY_MODE = _SDC + "sdc-questionnaire-entryMode"
INITIAL = _SDC + "sdc-questionnaire-initialExpression"
ENABLE_WHEN_EXPRESSION = _SDC + "sdc-questionnaire-enableWhenExpression"
MIN_QUANTITY = _SDC + "sdc-questionnaire-minQuantity"
MIN_VALUE = "http://hl7.org/fhir/StructureDefinition/minValue"
MAX_VALUE = "http://hl7.org/fhir/StructureDefinition/maxValue"
MAX_QUANTITY = _SDC + "sdc-questionnaire-maxQuantity"
TERMINOLOGY_SERVER = _SDC + "sdc-questionnaire-preferredTerminologyServer"
TERMINOLOGY_SERVER_CORE = _EXT + "preferredTerminologyServer"
"""The same extension as DTR 2.2.0 wants it: it moved from SDC to the extensions pack."""
PERFORMER = _SDC + "sdc-questionnaire-performerType"

CQF_LIBRARY = _EXT + "cqf-library"
ITEM_CONTROL = _EXT + "questionnaire-itemControl"
UNIT_OPTION = _EXT + "questionnaire-unitOption"
UNIT_VALUE_SET = _EXT + "questionnaire-unitValueSet"
SUPPORT_LINK = _EXT + "questionnaire-supportLink"
SUPPORT_HYPERLINK = _EXT + "questionnaire-supportHyperlink"
VERSION_ALGORITHM = _EXT + "artifact-versionAlgorithm"

UCUM = "http://unitsofmeasure.org"
ITEM_CONTROLS = "http://hl7.org/fhir/questionnaire-item-control"
LAUNCH_CONTEXTS = "http://hl7.org/fhir/uv/sdc/CodeSystem/launchContext"
VERSION_ALGORITHMS = "http://hl7.org/fhir/version-algorithm"
LIBRARY_TYPES = "http://terminology.hl7.org/CodeSystem/library-type"

SERVICE_IDENTIFIER = "urn:precert:dtr-service"
"""System of the identifier by which an adaptive form remembers the service it was opened for."""

_MOST = 64
_LOCAL = re.compile(r"^https?://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?$")
_PATH = re.compile(r"^.*/(Questionnaire|Library|ValueSet)/([^/|?#]+)$")


def fhir_id(name: str) -> str:
    """``name`` as a FHIR id: itself, or cut and told apart by a hash when it is longer than an id may be."""
    if len(name) <= _MOST:
        return name
    return f"{name[: _MOST - 13]}-{hashlib.sha256(name.encode()).hexdigest()[:12]}"


def canonical(root: str, kind: str, name: str, version: str | None = None) -> str:
    """The canonical of one of our forms, libraries or value sets; the same on both bases."""
    url = f"{root}{CURRENT.prefix}/{kind}/{quote(name)}"
    return f"{url}|{version}" if version else url


def split(written: str) -> tuple[str, str | None]:
    """``url|version`` taken apart."""
    url, bar, version = written.strip().partition("|")
    return url, (version.strip() or None) if bar else None


def named(url: str, root: str, kind: str) -> str | None:
    """The name in one of our canonicals; ``None`` for anything that is not served under ``root``.

    The base of either version is accepted, since clients build such addresses from the base they talk to; and on a
    development machine any of its names and ports, since a server without a public URL is known by the one it is called by.
    """
    match = _PATH.match(url)
    if match is None or match[1] != kind:
        return None
    base = url[: match.start(1)]
    for prefix in PREFIXES:
        if base.endswith(f"{prefix}/"):
            there = base.removesuffix(f"{prefix}/")
            return unquote(match[2]) if there == root or (_LOCAL.match(there) and _LOCAL.match(root)) else None
    return None
