"""``precert profile compile`` and ``precert validate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import track

from precert.fhir import json
from precert.fhir.json import Limits
from precert.fhir.outcome import FhirError
from precert.fhir.validation import CONTEXTS, Finding, Validator
from precert.fhir.validation.compile import compile_packages
from precert.fhir.validation.package import PackageError
from precert.fhir.validation.validator import DEFAULT_CONTEXT

app = typer.Typer(help="Build profile tables from IG packages.", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)


@app.command("compile")
def compile_(
    packages: Annotated[list[Path], typer.Argument(exists=True, dir_okay=False, help="IG packages (.tgz).")],
    out: Annotated[Path, typer.Option(help="Where the tables go.")] = Path("profiles"),
) -> None:
    """Compile IG packages to compact tables; packages given together lend each other value sets."""
    try:
        written = compile_packages(packages, out, lambda line: _err.print(line, markup=False))
    except PackageError as error:
        _err.print(f"precert: {error}", markup=False)
        raise typer.Exit(2) from error
    for path in written:
        _out.print(f"{path}  {path.stat().st_size} bytes", markup=False)


def validate(
    files: Annotated[list[Path], typer.Argument(exists=True, help="Resources as JSON, or folders of them.")],
    profile: Annotated[list[str] | None, typer.Option(help="Also hold the resource against this profile URL.")] = None,
    guide: Annotated[str, typer.Option(help=f"Package set: {', '.join(CONTEXTS)}.")] = DEFAULT_CONTEXT,
    raw: Annotated[bool, typer.Option("--json", help="Print findings as JSON.")] = False,
) -> None:
    """Check FHIR resources against their profiles. Exit code 1 when there are errors."""
    if guide not in CONTEXTS:
        _err.print(f"--guide must be one of {', '.join(CONTEXTS)}", markup=False)
        raise typer.Exit(2)
    paths = [p for f in files for p in (sorted(f.rglob("*.json")) if f.is_dir() else [f])]
    validator = Validator.load()
    shown = track(paths, description="validating", console=_err, transient=True) if len(paths) > 1 else paths
    errors = 0
    report: list[dict[str, object]] = []
    for path in shown:
        findings = _findings(validator, path, profile or [], guide)
        errors += sum(severity in ("error", "fatal") for severity, *_ in findings)
        report.append({"file": str(path), "findings": [dict(zip(_KEYS, f, strict=True)) for f in findings]})
        if not raw:
            for severity, where, text, rule, _ in findings:
                if severity != "information":
                    _out.print(f"{path}: {severity}: {where}: {text} [{rule}]", markup=False)
    if raw:
        _out.print(json.dumps(report, pretty=True).decode(), markup=False)
    else:
        _out.print(f"{len(paths)} files, {errors} errors")
    if errors:
        raise typer.Exit(1)


_KEYS = ("severity", "expression", "text", "rule", "profile")
_Row = tuple[str, str | None, str, str | None, str | None]


def _findings(validator: Validator, path: Path, profiles: list[str], guide: str) -> list[_Row]:
    try:
        resource = json.load_resource(path.read_bytes(), Limits())
    except FhirError as error:
        return [("fatal", None, issue.text, issue.rule, None) for issue in error.issues]
    found: list[Finding] = validator.validate(resource, profiles=profiles, context=guide)
    return [(f.severity, f.expression, f.text, f.rule, f.profile or None) for f in found]
