"""Reading the eligibility folder: ``payer.json``, ``plans.yaml``, ``members.json``, ``providers.yaml``, ``history.yaml``,
``crosswalk.csv``, ``codes.csv``.

Members and coverages are FHIR (a Bundle of Patient and Coverage); a Coverage names its plan with the ``plan`` class.
Every fault is an :class:`EligibilityError` that names the file and the entry.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from datetime import date
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, TypeAdapter, ValidationError

from precert.eligibility.code_lists import load_code_lists
from precert.eligibility.crosswalk import load_crosswalk
from precert.eligibility.directory import Directory, Mode
from precert.eligibility.model import CoverageRecord, HistoryEntry, Member, Payer, Plan, Provider
from precert.eligibility.table import TableError
from precert.fhir import json
from precert.fhir.bundle import BundleIndex, Entry
from precert.fhir.coding import NPI, codes
from precert.fhir.dates import parse_date, parse_last_day
from precert.fhir.outcome import FhirError
from precert.fhir.types import Resource, elements, text

M = TypeVar("M", bound=BaseModel)


class EligibilityError(ValueError):
    """The eligibility folder cannot be used; the message says where and why."""


def load_directory(folder: Path, mode: Mode = "presented") -> Directory:
    """Read ``folder``. Raises EligibilityError."""
    payer = _payer(folder / "payer.json")
    plans = _once(folder / "plans.yaml", Plan, "id")
    history: dict[str, list[HistoryEntry]] = {}
    for entry in _once(folder / "history.yaml", HistoryEntry, "id").values():
        history.setdefault(entry.member, []).append(entry)
    members = list(_members(folder / "members.json", plans, history))
    if strangers := history.keys() - {member.id for member in members}:
        raise EligibilityError(f"{folder / 'history.yaml'}: no such member: {', '.join(sorted(strangers))}")
    providers = _once(folder / "providers.yaml", Provider, "npi").values()
    try:
        crosswalk = load_crosswalk(folder / "crosswalk.csv")
        code_lists = load_code_lists(folder / "codes.csv")
    except TableError as error:
        raise EligibilityError(str(error)) from error
    return Directory(payer, members, providers, plans, mode, crosswalk, code_lists)


def _resource(path: Path) -> Resource:
    try:
        return json.load_resource(path.read_bytes())
    except (OSError, FhirError) as error:
        raise EligibilityError(f"{path}: {error}") from error


def _records(path: Path, model: type[M]) -> list[M]:
    if not path.exists():
        return []
    try:
        data: Any = yaml.safe_load(path.read_text("utf-8"))
        return TypeAdapter(list[model]).validate_python(data or [])  # type: ignore[valid-type]
    except (yaml.YAMLError, OSError) as error:
        raise EligibilityError(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise EligibilityError(f"{path}: entry {where}: {first['msg']}") from error


def _once(path: Path, model: type[M], key: str) -> dict[str, M]:
    """The records by ``key``; the same key twice is a fault, for one of the two would silently not count."""
    records: dict[str, M] = {}
    for record in _records(path, model):
        if records.setdefault(getattr(record, key), record) is not record:
            raise EligibilityError(f"{path}: {key} {getattr(record, key)!r} stands there twice")
    return records


def _payer(path: Path) -> Payer:
    resource = _resource(path)
    pairs = [(text(i.get("system")), text(i.get("value"))) for i in elements(resource.get("identifier"))]
    identifiers = tuple((system, value) for system, value in pairs if system and value)
    npi = next((value for system, value in identifiers if system == NPI), None)
    name = text(resource.get("name"))
    if npi is None or name is None:
        raise EligibilityError(f"{path}: the payer needs a name and an NPI ({NPI})")
    return Payer(name=name, npi=npi, identifiers=identifiers, resource=resource)


def _members(path: Path, plans: dict[str, Plan], history: dict[str, list[HistoryEntry]]) -> Iterable[Member]:
    index = BundleIndex(_resource(path))
    coverages: dict[int, list[CoverageRecord]] = {}
    for entry in index.of_type("Coverage"):
        beneficiary = index.resolve(entry.resource.get("beneficiary"), entry)
        if beneficiary is None:
            raise EligibilityError(f"{path}: {entry.path}: the beneficiary is not in the file")
        coverages.setdefault(beneficiary.index, []).append(_coverage(path, entry.path, entry.resource, plans))
    numbers = {number for entry in index.of_type("Patient") if (number := _member_number(entry.resource)[1])}
    for entry in index.of_type("Patient"):
        system, number = _member_number(entry.resource)
        if number is None:
            raise EligibilityError(f"{path}: {entry.path}: no identifier of type MB")
        _check_person(path, entry)
        own = tuple(coverages.get(entry.index, ()))
        subscriber, dependent = _insured_under(path, entry.path, number, own, numbers)
        yield Member(
            id=number,
            system=system,
            patient=entry.resource,
            coverages=own,
            history=tuple(history.get(number, ())),
            subscriber=subscriber,
            dependent=dependent,
        )


def _check_person(path: Path, entry: Entry) -> None:
    """What members are confirmed by must be readable: a birth date that is none would confirm nobody, in silence."""
    for element in ("birthDate", "deceasedDateTime"):
        written = entry.resource.get(element)
        if written is not None and parse_date(written) is None:
            raise EligibilityError(f"{path}: {entry.path}: {element} {written!r} is not a date")


def _insured_under(
    path: Path, where: str, number: str, coverages: Iterable[CoverageRecord], known: Container[str]
) -> tuple[str | None, str | None]:
    """The subscriber's number, for a dependent, and the suffix on the card. Both are the same on all coverages."""
    subscribers = {text(record.resource.get("subscriberId")) for record in coverages} - {None, number}
    suffixes = {text(record.resource.get("dependent")) for record in coverages} - {None}
    if len(subscribers) > 1 or len(suffixes) > 1:
        raise EligibilityError(f"{path}: {where}: the coverages name several subscribers or dependent suffixes")
    subscriber, dependent = next(iter(subscribers), None), next(iter(suffixes), None)
    if subscriber is not None and subscriber not in known:
        raise EligibilityError(f"{path}: {where}: the subscriber {subscriber!r} is not in the file")
    return subscriber, dependent


def _member_number(patient: Resource) -> tuple[str, str | None]:
    for identifier in elements(patient.get("identifier")):
        if any(code.code == "MB" for code in codes(identifier.get("type"))):
            return text(identifier.get("system")) or "", text(identifier.get("value"))
    return "", None


def _coverage(path: Path, where: str, resource: Resource, plans: dict[str, Plan]) -> CoverageRecord:
    for class_ in elements(resource.get("class")):
        if any(code.code == "plan" for code in codes(class_.get("type"))):
            plan = plans.get(str(class_.get("value")))
            if plan is None:
                raise EligibilityError(f"{path}: {where}: plan {class_.get('value')!r} is not in plans.yaml")
            return CoverageRecord(
                id=str(resource.get("id", "")),
                plan=plan,
                start=_bound(path, where, resource, "start"),
                end=_bound(path, where, resource, "end"),
                resource=resource,
            )
    raise EligibilityError(f"{path}: {where}: no class of type plan")


def _bound(path: Path, where: str, coverage: Resource, side: Literal["start", "end"]) -> date | None:
    """One end of the enrolment. An unreadable one must not pass for an open one."""
    period = coverage.get("period", {})
    if not isinstance(period, dict):
        raise EligibilityError(f"{path}: {where}: the period is not an object")
    day = parse_last_day(period.get(side)) if side == "end" else parse_date(period.get(side))
    if day is None and side in period:
        raise EligibilityError(f"{path}: {where}: period.{side} {period[side]!r} is not a date")
    return day
