"""What the start page lists: where things are, what the console can send, who the demo members are."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any

from fastapi import FastAPI
from starlette.routing import Match

from precert.eligibility.directory import Directory
from precert.fhir.types import elements
from precert.fhir.versions import CURRENT, VERSIONS, at
from precert.workbench import labels
from precert.workbench.element_text import person_name

DEMO_SYSTEM = "urn:precert:demo:member"
"""Only members of the demo world are ever listed on a page."""


@dataclass(frozen=True, slots=True)
class Link:
    path: str
    text: str


@dataclass(frozen=True, slots=True)
class Operation:
    """Something the console can send. ``path`` follows the FHIR base when ``based``."""

    key: str
    label: str
    path: str
    based: bool


_LINKS = (
    Link("/workbench", "Reviewers' worklist: decide by hand what the rules hand over"),
    Link("/policies", "Coverage policies: what is covered, with sources"),
    *(
        Link(f"{v.prefix}/metadata", f"FHIR base {v.prefix}, PAS and DTR {v.label}: CapabilityStatement")
        for v in VERSIONS
    ),
    Link(f"{CURRENT.prefix}/.well-known/smart-configuration", "How clients log in (SMART)"),
    Link("/cds-services", "CDS Hooks services (CRD)"),
    Link("/api", "Every endpoint, for reading"),
    Link("/openapi.json", "OpenAPI description"),
    Link("/api/cases", "The worklist as JSON"),
    Link("/healthz", "Is it alive?"),
    Link("/readyz", "Is it ready?"),
    Link("/metrics", "Metrics for Prometheus"),
)
_HOOKS = ("order-sign", "order-select", "order-dispatch", "appointment-book", "encounter-start", "encounter-discharge")
_OPERATIONS = (
    Operation("submit", "$submit: ask for authorization", "/Claim/$submit", True),
    Operation("inquire", "$inquire: what became of it?", "/Claim/$inquire", True),
    Operation("attach", "$submit-attachment: send documents", "/$submit-attachment", True),
    Operation("package", "$questionnaire-package: fetch the form", "/Questionnaire/$questionnaire-package", True),
    Operation("next", "$next-question: the next question of a form", "/Questionnaire/$next-question", True),
    Operation(
        "form-errors",
        "$log-questionnaire-errors: tell of a faulty form",
        "/Questionnaire/$log-questionnaire-errors",
        True,
    ),
    Operation("expand", "$expand: the codes of a value set", "/ValueSet/$expand", True),
    *(Operation(f"hook-{hook}", f"{hook} hook", f"/cds-services/crd-{hook}", False) for hook in _HOOKS),
)


def serves(app: FastAPI, method: str, path: str) -> bool:
    """Whether the app answers this; links and operations are shown only when it does.

    What is not in the OpenAPI description (pages, health) is looked up among the routes, except below the FHIR bases:
    there ``{type}/{id}`` would fit many places that do not exist.
    """
    if method.lower() in _schema(app).get("paths", {}).get(path, {}):
        return True
    if at(path):
        return False
    scope = {"type": "http", "method": method, "path": path, "headers": [], "root_path": "", "app": app}
    return any(route.matches(scope)[0] is Match.FULL for route in app.router.routes)


def _schema(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI description; FastAPI makes it once and keeps it."""
    with warnings.catch_warnings():  # an operation with two methods under one id is no fault of the pages
        warnings.simplefilter("ignore")
        return app.openapi()


def links(app: FastAPI) -> list[Link]:
    """The places that exist."""
    return [link for link in _LINKS if serves(app, "GET", link.path)]


def operations(app: FastAPI) -> list[Operation]:
    """What the console offers to send."""
    return [o for o in _OPERATIONS if serves(app, "POST", f"{CURRENT.prefix}{o.path}" if o.based else o.path)]


def demo_members(directory: Directory, today: date) -> list[tuple[str, str, str, str]]:
    """Number, name, plan and standing of each demo member."""
    found = []
    for member in directory.members:
        if member.system != DEMO_SYSTEM:
            continue
        record = member.coverage_on(today) or member.last_coverage
        name = next((person_name(name) for name in elements(member.patient.get("name"))), "")
        standing = (
            "active" if record and record.active_on(today) else f"ended {labels.day(record.end) if record else ''}"
        )
        found.append((member.id, name, record.plan.name if record else "", standing))
    return found


def api_operations(app: FastAPI) -> list[tuple[str, list[tuple[str, str, str]]]]:
    """(method, path, summary) of every endpoint, by tag."""
    grouped: dict[str, list[tuple[str, str, str]]] = {}
    for path, method, operation in _operations(_schema(app)):
        tag = next(iter(operation.get("tags", ())), "operations")
        grouped.setdefault(str(tag), []).append((method.upper(), path, str(operation.get("summary", ""))))
    return sorted(grouped.items())


def _operations(schema: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in schema.get("paths", {}).items():
        for method, operation in methods.items():
            yield path, method, operation
