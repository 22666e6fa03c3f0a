"""Templates and how pages leave: escaped, with a policy that lets the browser load nothing but our own files."""

from __future__ import annotations

from importlib import resources
from typing import Any

import jinja2
from fastapi import Request, Response

from precert import __version__
from precert.workbench import labels

CONTENT_SECURITY_POLICY = "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Vary": "Accept",
}
_ASKING = {
    "html": ("text/html", "application/xhtml+xml"),
    "json": ("application/json", "application/fhir+json"),
}
_TYPES = {".css": "text/css", ".mjs": "text/javascript", ".svg": "image/svg+xml"}


def environment() -> jinja2.Environment:
    """The templates of this package. Everything is escaped; a misspelt name is an error, not an empty string."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("precert.workbench", "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"version": __version__}
    made.filters |= {
        "code": labels.code,
        "lob": labels.lob,
        "outcome": labels.outcome,
        "value": labels.value,
        "day": labels.day,
        "when": labels.when,
        "anchor": labels.anchor,
        "clipped": labels.clipped,
        "who": lambda name: labels.WHO.get(name, name),
        "role": lambda name: labels.ROLES.get(name, name),
    }
    return made


class Pages:
    """Renders templates to responses."""

    def __init__(self) -> None:
        self._environment = environment()

    def render(
        self, request: Request, template: str, status: int = 200, *, private: bool = False, **given: Any
    ) -> Response:
        """``template`` as a page. ``private`` pages hold patients and are never kept by a cache."""
        body = self._environment.get_template(template).render(path=request.url.path, **given)
        headers = {**_HEADERS, "Cache-Control": "no-store" if private else "no-cache"}
        return Response(body, status, headers, media_type="text/html; charset=utf-8")


def static_file(name: str) -> Response | None:
    """One of our own style sheets, scripts or images; ``None`` when there is none of this name."""
    suffix = name[name.rfind(".") :] if "." in name else ""
    if suffix not in _TYPES or "/" in name or "\\" in name or name.startswith("."):
        return None
    file = resources.files("precert.workbench").joinpath("static", name)
    if not file.is_file():
        return None
    headers = {**_HEADERS, "Cache-Control": "no-cache"}
    return Response(file.read_bytes(), 200, headers, media_type=f"{_TYPES[suffix]}; charset=utf-8")


def wants_html(request: Request) -> bool:
    """Whether HTML is asked for by name and not less than JSON. ``_format`` outranks Accept, as everywhere here."""
    wanted = request.query_params.get("_format")
    if wanted is not None:
        return "html" in wanted.lower()
    weights = {"html": -1.0, "json": -1.0}
    for part in request.headers.get("accept", "").lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        weight = _weight(parameters)
        for name, kinds in _ASKING.items():
            if kind in kinds:
                weights[name] = max(weights[name], weight)
    return weights["html"] > 0 and weights["html"] >= weights["json"]


def _weight(parameters: list[str]) -> float:
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return float(parameter[2:])
            except ValueError:
                return 0.0
    return 1.0
