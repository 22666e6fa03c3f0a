"""``precert submit``, ``precert hook``, ``precert inquire``: a small client that prints answers readably."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table
from rich.text import Text

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
        _err.print(f"{file}: not a CDS Hooks request: {error}", markup=False)
        raise typer.Exit(2) from error
    _show(_post(f"{url.rstrip('/')}/cds-services/{name}", file, "application/json"), raw, _print_hook)


def _post(url: str, file: Path, content_type: str) -> httpx.Response:
    try:
        return httpx.post(
            url, content=file.read_bytes(), headers={"Content-Type": content_type, "Accept": content_type}, timeout=30
        )
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        said = f"No answer from {url}: {error or type(error).__name__}. Is the server running (make serve)?"
        _err.print(said, markup=False)
        raise typer.Exit(1) from error


def _show(response: httpx.Response, raw: bool, printer: Callable[[Element], None]) -> None:
    """Print an answer. Exit status 1, and what is wrong on standard error, when it is a refusal or an error."""
    try:
        body = json.loads(response.content) if response.content else {}
    except FhirError as error:
        kind = response.headers.get("content-type") or "no content type"
        said = f"HTTP {response.status_code}: {response.url} answered {kind} and not JSON. Is it a precert server?"
        _err.print(said, markup=False)
        raise typer.Exit(1) from error
    if not isinstance(body, dict):
        _err.print(f"HTTP {response.status_code}: {response.url} answered JSON that is not an object.", markup=False)
        raise typer.Exit(1)
    if raw:
        _out.print(json.dumps(body, pretty=True).decode(), markup=False)
    elif response.is_success:
        printer(body)
    wrong = list(_errors(body))
    if not response.is_success:
        _err.print(f"HTTP {response.status_code}", style="bold red")
    for line in wrong:
        _err.print(line, markup=False)
    if wrong or not response.is_success:
        raise typer.Exit(1)


def _errors(body: Element) -> Iterator[str]:
    """What says, anywhere in an answer, that the request was not processed: a line each."""
    if body.get("resourceType") == "OperationOutcome":
        yield from (_issue(issue) for issue in elements(body.get("issue")) if issue.get("severity") in _ERROR)
    elif body.get("resourceType") == "ClaimResponse" and body.get("outcome") == "error":
        yield f"  error: {body.get('disposition') or 'the request was not processed'}"
        for error in elements(body.get("error")):
            code = next(codes(error.get("code")), None)
            path = extension_value(error, urls.ERROR_PATH)
            yield f"  error {code.code if code else ''} at {path}"
    for part in (*elements(body.get("entry")), *elements(body.get("parameter"))):
        yield from _errors(part.get("resource") or {})


_ERROR = ("error", "fatal")


def _issue(issue: Element) -> str:
    where = ", ".join(issue.get("expression") or [])
    text = (issue.get("details") or {}).get("text") or issue.get("diagnostics") or issue.get("code")
    return f"  {issue.get('severity')}: {text}" + (f"  [{where}]" if where else "")


def _print_remarks(outcome: Element) -> None:
    """The issues of an OperationOutcome that are no errors, a line each; errors are told on standard error."""
    for issue in elements(outcome.get("issue")):
        if issue.get("severity") not in _ERROR:
            _out.print(_issue(issue), markup=False)


def _print_inquiry(body: Element) -> None:
    bundles = [p.get("resource") or {} for p in elements(body.get("parameter"))] if "parameter" in body else [body]
    if not any(elements(b.get("entry")) for b in bundles):
        _out.print("Nothing matches.")
    for bundle in bundles:
        _print_bundle(bundle)


def _print_bundle(bundle: Element) -> None:
    if bundle.get("resourceType") == "OperationOutcome":
        _print_remarks(bundle)
    for entry in elements(bundle.get("entry")):
        resource = entry.get("resource") or {}
        if resource.get("resourceType") == "ClaimResponse":
            _print_claim_response(resource)
        elif resource.get("resourceType") == "OperationOutcome":
            _print_remarks(resource)


def _print_claim_response(response: Element) -> None:
    if response.get("outcome") == "error":
        return  # told with the errors
    _out.print(f"[bold]{escape(str(response.get('outcome')))}[/]  {escape(str(response.get('disposition', '')))}")
    notes = {note.get("number"): note.get("text") for note in elements(response.get("processNote"))}
    table = Table("item", "decision", "number", Column("notes", overflow="fold"), show_lines=True)
    for item in elements(response.get("item")):
        action = extension((elements(item.get("adjudication")) or [{}])[0], urls.REVIEW_ACTION)
        code = next(codes(extension_value(action, urls.REVIEW_ACTION_CODE)), None)
        number = extension_value(action, "number") or extension_value(item, urls.ADMIN_REFERENCE) or ""
        text = "\n".join(str(notes.get(n, n)) for n in item.get("noteNumber") or [])
        cells = (item.get("itemSequence"), code.code if code else "", number, text)
        table.add_row(*(Text(str(cell)) for cell in cells))
    if table.row_count:
        _out.print(table)


def _print_hook(answer: Element) -> None:
    for action in elements(answer.get("systemActions")):
        resource = action.get("resource") or {}
        name = escape(f"{resource.get('resourceType')}/{resource.get('id')}")
        _out.print(f"[bold]{name}[/]  {escape(str(action.get('description', '')))}")
        for information in elements(resource.get("extension")):
            if information.get("url") == COVERAGE_INFORMATION:
                for part in elements(information.get("extension")):
                    _out.print(f"  {part.get('url')}: {_shown(part) or _nested(part)}", markup=False)
    for card in elements(answer.get("cards")):
        _out.print(f"[bold]card[/] ({escape(str(card.get('indicator')))}): {escape(str(card.get('summary')))}")
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
