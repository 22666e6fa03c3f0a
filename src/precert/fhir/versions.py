"""The published versions of the Da Vinci guides that precert speaks: the one place that knows their names, FHIR bases
and validation tables. What a version spells differently stands in the shape modules of PAS, CRD and DTR.

The three guides are published together: STU 2.2 is PAS 2.2.1, CRD 2.2.1 and DTR 2.2.0, STU 2.0 is 2.0.1 of each
(https://hl7.org/fhir/us/davinci-pas/history.html, https://hl7.org/fhir/us/davinci-crd/history.html,
https://hl7.org/fhir/us/davinci-dtr/history.html).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Literal

VersionName = Literal["2.2", "2.0"]
"""What stored records, the decision-code table and CRD's ``requestedVersion`` call a version."""
Guide = Literal["pas", "crd", "dtr"]


@dataclass(frozen=True, slots=True)
class IgVersion:
    """One set of guides that belong together.

    ``label`` is for people; ``prefix`` is the path of the FHIR base that speaks the version, without a slash at its end;
    ``published`` is each guide's own version number.
    """

    name: VersionName
    label: str
    prefix: str
    published: Mapping[Guide, str] = field(hash=False)

    def tables(self, guide: Guide) -> str:
        """The set of profile tables to check what follows ``guide`` against: a key of ``validation.CONTEXTS``."""
        return f"{guide}-{self.published[guide]}"

    def package(self, guide: Guide) -> str:
        """The published FHIR package of ``guide``, as its compiled table is called."""
        return f"hl7.fhir.us.davinci-{guide}-{self.published[guide]}"


STU_2_2 = IgVersion("2.2", "STU 2.2", "/fhir", MappingProxyType({"pas": "2.2.1", "crd": "2.2.1", "dtr": "2.2.0"}))
STU_2_0 = IgVersion(
    "2.0", "STU 2.0.1", "/fhir/v2.0", MappingProxyType({"pas": "2.0.1", "crd": "2.0.1", "dtr": "2.0.1"})
)

VERSIONS = (STU_2_2, STU_2_0)
"""All of them, the newest first."""
CURRENT = STU_2_2
"""The version of whatever names none; canonicals of ours are built on its base, for clients of all versions."""
PREFIXES = tuple(sorted((version.prefix for version in VERSIONS), key=len, reverse=True))
"""The FHIR bases, the longest first: one base lies below another, so the first that fits a path is the right one."""
CDEX_PUBLISHED = "2.1.0"
"""CDex has one version, which both bases speak."""
CDEX_PACKAGE = f"hl7.fhir.us.davinci-cdex-{CDEX_PUBLISHED}"
CDEX_TABLES = f"cdex-{CDEX_PUBLISHED}"

_BY_NAME: Mapping[str, IgVersion] = {version.name: version for version in VERSIONS}
_BY_PREFIX: Mapping[str, IgVersion] = {version.prefix: version for version in VERSIONS}


def named(name: str) -> IgVersion:
    """The version called ``name`` (``2.2``, ``2.0``). Raises KeyError for any other."""
    return _BY_NAME[name]


def at(path: str) -> IgVersion | None:
    """The version that the FHIR base speaks on which ``path``, a URL's path, lies; ``None`` outside the bases."""
    for prefix in PREFIXES:
        if path == prefix or path.startswith(f"{prefix}/"):
            return _BY_PREFIX[prefix]
    return None
