"""``precert submit``, ``precert hook``, ``precert inquire``: a small client that prints answers readably."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import httpx
import typer
from rich.console import Console
from rich.table import Column, Table

from precert.fhir import json
from precert.fhir.coding import codes
from precert.fhir.coverage_information import COVERAGE_INFORMATION
from precert.fhir.extension import extension, extension_value
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element, elements
from precert.fhir.versions import CURRENT, VERSIONS
from precert.pas import urls

_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

_BASES = " or ".join(f"{version.prefix} ({version.label})" for version in VERSIONS)

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The request, as JSON.")]
Url = Annotated[str, typer.Option("--url", envvar="PRECERT_URL", help="The server.")]
Json = Annotated[bool, typer.Option("--json", help="Print the raw answer.")]
Version = Annotated[str, typer.Option("--fhir-base", help=f"{_BASES}.")]

_DEFAULT_URL = "http://127.0.0.1:8000"


def submit(file: File, url: Url = _DEFAULT_URL, base: Version = CURRENT.prefix, raw: Json = False) -> None:
    """Send a PAS request bundle to Claim/$submit and print the decision."""
    _show(_post(f"{url.rstrip('/')}{base}/Claim/$submit", file, "application/fhir+json"), raw, _print_bundle)


def inquire(file: File, url: Url = _DEFAULT_URL, base: Version = CURRENT.prefix, raw: Json = False) -> None:
    """Send a PAS inquiry bundle to Claim/$inquire and print what is known."""
    _show(_post(f"{url.rstrip('/')}{base}/Claim/$inquire", file, "application/fhir+json"), raw, _print_inquiry)


def hook(
    file: File,
    url: Url = _DEFAULT_URL,
    service: Annotated[str | None, typer.Option(help="Service id; default: crd-<hook of the file>.")] = None,
    raw: Json = False,
) -> None:
    """Send a CDS Hooks request and print coverage information and cards."""
    try:
        name = service or f"crd-{json.loads(file.read_bytes())['hook']}"
    except (FhirError, KeyError, TypeError) as error:
        _err.print(f"{file}: not a CDS Hooks request: {error}")
        raise typer.Exit(2) from error
    _show(_post(f"{url.rstrip('/')}/cds-services/{name}", file, "application/json"), raw, _print_hook)


def _post(url: str, file: Path, content_type: str) -> httpx.Response:
    try:
        return httpx.post(
            url, content=file.read_bytes(), headers={"Content-Type": content_type, "Accept": content_type}, timeout=30
        )
    except httpx.HTTPError as error:
        _err.print(f"No answer from {url}: {error or type(error).__name__}. Is the server running (make serve)?")
        raise typer.Exit(1) from error


def _show(response: httpx.Response, raw: bool, printer: Any) -> None:
    body = json.loads(response.content) if response.content else {}
    if raw:
        _out.print(json.dumps(body, pretty=True).decode(), markup=False)
    elif response.is_success:
        printer(body)
    else:
        _out.print(f"HTTP {response.status_code}", style="bold red")
        print_outcome(body)
    if not response.is_success:
        raise typer.Exit(1)


def print_outcome(outcome: Element) -> None:
    """The issues of an OperationOutcome, a line each."""
    for issue in elements(outcome.get("issue")):
        where = ", ".join(issue.get("expression") or [])
        text = (issue.get("details") or {}).get("text") or issue.get("diagnostics") or issue.get("code")
        _out.print(f"  {issue.get('severity')}: {text}" + (f"  [{where}]" if where else ""), markup=False)


def _print_inquiry(body: Element) -> None:
    bundles = [p.get("resource") or {} for p in elements(body.get("parameter"))] if "parameter" in body else [body]
    if not any(elements(b.get("entry")) for b in bundles):
        _out.print("Nothing matches.")
    for bundle in bundles:
        _print_bundle(bundle)


def _print_bundle(bundle: Element) -> None:
    for entry in elements(bundle.get("entry")):
        resource = entry.get("resource") or {}
        if resource.get("resourceType") == "ClaimResponse":
            _print_claim_response(resource)
        elif resource.get("resourceType") == "OperationOutcome":
            print_outcome(resource)


def _print_claim_response(response: Element) -> None:
    _out.print(f"[bold]{response.get('outcome')}[/]  {response.get('disposition', '')}")
    notes = {note.get("number"): note.get("text") for note in elements(response.get("processNote"))}
    table = Table("item", "decision", "number", Column("notes", overflow="fold"), show_lines=True)
    for item in elements(response.get("item")):
        action = extension((elements(item.get("adjudication")) or [{}])[0], urls.REVIEW_ACTION)
        code = next(codes(extension_value(action, urls.REVIEW_ACTION_CODE)), None)
        number = extension_value(action, "number") or extension_value(item, urls.ADMIN_REFERENCE) or ""
        text = "\n".join(str(notes.get(n, n)) for n in item.get("noteNumber") or [])
        table.add_row(str(item.get("itemSequence")), code.code if code else "", str(number), text)
    if table.row_count:
        _out.print(table)
    for error in elements(response.get("error")):
        code = next(codes(error.get("code")), None)
        path = extension_value(error, urls.ERROR_PATH)
        _out.print(f"  error {code.code if code else ''} at {path}", markup=False)


def _print_hook(answer: Element) -> None:
    for action in elements(answer.get("systemActions")):
        resource = action.get("resource") or {}
        _out.print(f"[bold]{resource.get('resourceType')}/{resource.get('id')}[/]  {action.get('description', '')}")
        for information in elements(resource.get("extension")):
            if information.get("url") == COVERAGE_INFORMATION:
                for part in elements(information.get("extension")):
                    _out.print(f"  {part.get('url')}: {_shown(part) or _nested(part)}", markup=False)
    for card in elements(answer.get("cards")):
        _out.print(f"[bold]card[/] ({card.get('indicator')}): {card.get('summary')}")
        if card.get("detail"):
            _out.print(f"  {card['detail']}", markup=False)
    if not answer.get("systemActions") and not answer.get("cards"):
        _out.print("Nothing to say about this.")


def _shown(part: Element) -> str:
    """The value of an extension: as it is, as its first code, or as JSON."""
    value = next((v for k, v in part.items() if k.startswith("value")), "")
    coding = elements(value.get("coding")) if isinstance(value, dict) else []
    if coding:
        return str(coding[0].get("code"))
    return value if isinstance(value, str) else json.dumps(value).decode()


def _nested(part: Element) -> str:
    return "; ".join(f"{p.get('url')} {_shown(p)}" for p in elements(part.get("extension")))
