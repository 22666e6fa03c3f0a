"""Codes under which services are billed: is it one, and how is it written alike whoever sends it?

A code is *well-formed* when it has the shape that its system's maintainer publishes; whether it is in use, only a licensed
table could say. Sources: CMS HCPCS, AMA CPT and ADA CDT code structures; CMS ICD-10-PCS Reference Manual (seven characters,
without I and O); 21 CFR 207.33 and the HIPAA 5-4-2 form of an NDC; NUBC UB-04 revenue codes; X12 data element 1365.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import NamedTuple

from precert.fhir.coding import Code, procedure
from precert.fhir.systems import CDT, CPT, HCPCS, ICD10PCS, NDC, REVENUE, X12_SERVICE_TYPE

SYSTEMS_READ = {
    HCPCS: "HCPCS",
    CPT: "CPT",
    CDT: "CDT",
    ICD10PCS: "ICD-10-PCS",
    NDC: "NDC",
    REVENUE: "NUBC revenue codes",
    X12_SERVICE_TYPE: "X12 service types",
}
"""The systems whose codes plans are paid by, with the names that people know them by."""

_PCS = re.compile(r"[0-9B-DF-HX][0-9A-HJ-NP-Z]{6}", re.ASCII)
_REVENUE = re.compile(r"0?[0-9]{3}", re.ASCII)
_SERVICE_TYPE = re.compile(r"[1-9][0-9]?|[A-Z][0-9A-Z]", re.ASCII)
_NDC = re.compile(r"(\d{4,5})-(\d{3,4})-(\d{1,2})", re.ASCII)
_DIGITS = re.compile(r"\d{10,11}", re.ASCII)
_ELEVEN = 11


class Billed(NamedTuple):
    """A well-formed billing code under its one spelling, and the modifiers that were written into it."""

    code: Code
    modifiers: tuple[str, ...] = ()


def billed(code: Code) -> Billed | None:
    """``code`` as it is billed; ``None`` if its system is none that services are billed in, or if it is malformed."""
    reader = _READERS.get(code.system)
    return reader(code) if reader is not None and code.code.isascii() else None


def ndc_forms(code: str) -> tuple[str, ...]:
    """The 11 digits (5-4-2) that an NDC may stand for: one, or three for 10 digits without hyphens; empty: not an NDC."""
    parts = _NDC.fullmatch(code)
    if parts is not None:
        labeler, product, package = parts.groups()
        short = (len(labeler) < 5) + (len(product) < 4) + (len(package) < 2)
        return (labeler.zfill(5) + product.zfill(4) + package.zfill(2),) if short < 2 else ()  # one part may be short
    if _DIGITS.fullmatch(code) is None:
        return ()
    if len(code) == _ELEVEN:
        return (code,)
    return (f"0{code}", f"{code[:5]}0{code[5:]}", f"{code[:9]}0{code[9:]}")


def _procedure(code: Code) -> Billed | None:
    found = procedure(code)
    return Billed(*found) if found is not None else None


def _shaped(shape: re.Pattern[str]) -> Callable[[Code], Billed | None]:
    def read(code: Code) -> Billed | None:
        written = code.code.upper()
        return Billed(Code(code.system, written)) if shape.fullmatch(written) else None

    return read


def _ndc(code: Code) -> Billed | None:
    forms = ndc_forms(code.code)
    if not forms:
        return None
    return Billed(Code(NDC, forms[0] if len(forms) == 1 else code.code))  # 10 bare digits can be told by a table only


def _revenue(code: Code) -> Billed | None:
    return Billed(Code(REVENUE, code.code.zfill(4))) if _REVENUE.fullmatch(code.code) else None


_READERS: dict[str, Callable[[Code], Billed | None]] = {
    HCPCS: _procedure,
    CPT: _procedure,
    CDT: _procedure,
    ICD10PCS: _shaped(_PCS),
    NDC: _ndc,
    REVENUE: _revenue,
    X12_SERVICE_TYPE: _shaped(_SERVICE_TYPE),
}
