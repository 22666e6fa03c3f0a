"""``precert policy check|test|explain|replay``."""

from __future__ import annotations

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Annotated

import httpx
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import track
from rich.table import Table

from precert.app import create_app
from precert.authorization.deciding.decide import Rules, decide, line_context
from precert.authorization.record.case import Case
from precert.authorization.record.chain import decode, fold
from precert.authorization.usecases.dependencies import who_asks
from precert.eligibility.directory import Directory
from precert.eligibility.load import load_directory
from precert.fhir import json
from precert.fhir.json import load_resource
from precert.fhir.outcome import FhirError
from precert.fhir.types import Element, elements
from precert.pas.intake import read_request
from precert.policy.catalogue import Catalogue
from precert.policy.compiled import CompiledPolicy
from precert.policy.explain import explain as as_json
from precert.policy.folder import VALUE_SET_FOLDER, listing
from precert.policy.library import PolicyLibrary
from precert.policy.lint import Finding, lint_files
from precert.policy.load import PolicyFileError, load_file
from precert.policy.trials import mutate, replay, run_tests
from precert.policy.types import Decision, LineContext, Outcome
from precert.rooms import TENANT
from precert.runtime import Runtime
from precert.settings import Settings
from precert.store.embedded import EmbeddedStore
from precert.store.port import Store, StoreError

app = typer.Typer(help="Check, test and explain coverage policies.", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)

Paths = Annotated[
    list[Path] | None, typer.Argument(exists=True, help="Policy files or folders (default: the server's).")
]


def _files(paths: list[Path] | None) -> list[Path]:
    found: list[Path] = []
    for path in paths or [Settings().policies]:
        found += sorted(listing(path).policies) if path.is_dir() else [path]
    if not found:
        _err.print("No policy files there.")
        raise typer.Exit(2)
    return found


def _load(path: Path) -> CompiledPolicy:
    try:
        return CompiledPolicy(load_file(path), PolicyLibrary(path.parent, Runtime().now()).current.value_sets)
    except PolicyFileError as error:
        _err.print(str(error), markup=False)
        raise typer.Exit(1) from error


@app.command()
def check(
    paths: Paths = None,
    today: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Judge dates as of this day (YYYY-MM-DD).")
    ] = None,
    mutation: Annotated[bool, typer.Option(help="Also look for leaves that no embedded test guards.")] = True,
) -> None:
    """Lint policies: format, sources, unknown-is-never-false, dates, overlap, readability."""
    files = _files(paths)
    day = today.date() if today else Runtime().now().date()
    library = PolicyLibrary(files[0].parent, Runtime().now())
    sets = [problem for problem in library.problems if Path(problem.file).parent.name == VALUE_SET_FOLDER]
    linted = lint_files(files, day, value_sets=library.current.value_sets, mutation=mutation)
    findings = (*(Finding.of(problem, "format", "error") for problem in sets), *linted)
    for finding in findings:
        _out.print(str(finding), markup=False)
    errors = sum(finding.severity == "error" for finding in findings)
    _out.print(f"{len(files)} files, {errors} errors, {len(findings) - errors} warnings")
    if errors:
        raise typer.Exit(1)


@app.command("test")
def run(
    paths: Paths = None,
    mutation: Annotated[bool, typer.Option(help="Replace each leaf and see whether some test notices.")] = True,
) -> None:
    """Run the tests inside the policies, with mutation coverage."""
    table = Table("policy", "tests", "mutants killed")
    failed = 0
    for path in track(_files(paths), description="testing", console=_err, transient=True):
        policy = _load(path)
        results = run_tests(policy)
        bad = [result for result in results if not result.passed]
        mutants = mutate(policy) if mutation else ()
        alive = [mutant for mutant in mutants if mutant.killed_by is None]
        failed += len(bad) + len(alive)
        killed = f"{len(mutants) - len(alive)}/{len(mutants)}" if mutation else "-"
        table.add_row(f"{policy.id} {policy.version}", f"{len(results) - len(bad)}/{len(results)}", killed)
        for result in bad:
            _out.print(f"{path}:{result.line}: {result.name}: {'; '.join(result.differences)}", markup=False)
        for mutant in alive:
            _out.print(f"{path}: no test notices {mutant.leaf} := {mutant.replacement}", markup=False)
    _out.print(table)
    if failed:
        raise typer.Exit(1)


@app.command()
def explain(
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A PAS request bundle or a CDS Hooks request.")
    ],
    raw: Annotated[bool, typer.Option("--json", help="Print the whole trace.")] = False,
) -> None:
    """Decide a request without sending it, and say why. Nothing is stored."""
    settings = Settings()
    body = file.read_bytes()
    if b'"hookInstance"' in body:
        for explained in asyncio.run(_hook_lines(file, body, settings)):
            _out.print(json.dumps(explained, pretty=True).decode(), markup=False) if raw else _print_line(explained)
        return
    for line, decision in _decide(file, settings):
        if raw:
            _out.print(json.dumps({"sequence": line, **as_json(decision)}, pretty=True).decode(), markup=False)
            continue
        governing = decision.governing
        _out.print(f"[bold]line {line}: {decision.outcome.value}[/]  {escape(decision.reason)}")
        if governing is not None:
            _out.print(f"  policy {governing.policy} {governing.version}: {governing.title}", markup=False)
            names = {True: "met", False: "NOT MET", None: "unknown"}
            for criterion in governing.criteria:
                _out.print(f"  {names[criterion.result]:8} {criterion.id}  {criterion.text}", markup=False)
            for question in decision.questions:
                _out.print(f"  ask      {question.link_id}  {question.text}", markup=False)


def _print_line(line: Element) -> None:
    """One line of an ``/explain`` answer."""
    _out.print(f"[bold]line {line.get('sequence')}: {line.get('outcome')}[/]  {escape(str(line.get('reason') or ''))}")
    if line.get("policy"):
        _out.print(f"  policy {line['policy']} {line.get('version')}", markup=False)
    names = {True: "met", False: "NOT MET", None: "unknown"}
    for criterion in elements(line.get("criteria")):
        _out.print(f"  {names[criterion.get('result')]:8} {criterion.get('id')}  {criterion.get('text')}", markup=False)
    for name in line.get("missing") or ():
        _out.print(f"  ask      {name}", markup=False)


async def _hook_lines(file: Path, body: bytes, settings: Settings) -> list[Element]:
    """What the server would explain of a hook call: asked of an app in this process, with a store that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        app_ = create_app(settings.model_copy(update={"data": Path(folder), "store": "", "security": "open"}))
        transport = httpx.ASGITransport(app_)
        async with (
            app_.router.lifespan_context(app_),
            httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1:8000") as http,
        ):
            answer = await http.post(f"/cds-services/crd-{json.loads(body)['hook']}", content=body)
            if not answer.is_success:
                _err.print(f"{file}: HTTP {answer.status_code}: {answer.text[:500]}", markup=False)
                raise typer.Exit(1)
            found: list[Element] = []
            for id in dict.fromkeys(_ASSERTION.findall(answer.text)):
                explained = await http.get(f"/explain/{id}", headers={"Accept": "application/json"})
                found += explained.json()["lines"]
            return found


_ASSERTION = re.compile(r'"coverage-assertion-id","valueString":"([^"]+)"')


def _decide(file: Path, settings: Settings) -> Iterator[tuple[int, Decision]]:
    directory = load_directory(settings.eligibility, settings.eligibility_mode)
    library = PolicyLibrary(settings.policies, Runtime().now())
    try:
        body = file.read_bytes()
        submission = read_request(body, load_resource(body), "explain", directory)
    except FhirError as error:
        _err.print(f"{file}: {error}", markup=False)
        raise typer.Exit(1) from error
    now = Runtime().now()
    who = who_asks(directory, submission, now)
    for line in submission.lines:
        rules = Rules(directory, library.current)
        decided = decide(submission.ask(line), submission.subject, who, rules, now.date(), at=now)
        if decided.decision is None:
            _err.print(f"line {line.sequence}: {decided.inactive}", markup=False)
        else:
            yield line.sequence, decided.decision


@app.command("replay")
def replay_(
    draft: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="The draft policy.")],
    data: Annotated[Path | None, typer.Option(help="The server's data folder; the server must be stopped.")] = None,
) -> None:
    """Run stored cases through a draft and list the lines that it would decide differently."""
    policy = _load(draft)
    settings = Settings() if data is None else Settings(data=data)
    try:
        flips = replay(asyncio.run(_stored_lines(settings, policy)), policy)
    except StoreError as error:
        _err.print(f"precert: {error}", markup=False)
        raise typer.Exit(2) from error
    table = Table("case / line", "was", "would be", "for the member")
    for flip in flips:
        table.add_row(flip.case, flip.before.value, flip.after.value, "better" if flip.gains else "worse")
    _out.print(table if flips else "No stored line would be decided differently.")
    if flips:
        raise typer.Exit(1)


async def _stored_lines(settings: Settings, policy: CompiledPolicy) -> list[tuple[str, LineContext, Outcome]]:
    """Every line that this policy (any version) decided, as it was presented then."""
    directory = load_directory(settings.eligibility, settings.eligibility_mode)
    store = EmbeddedStore.open(settings.store_directory, create=False)
    found: list[tuple[str, LineContext, Outcome]] = []
    try:
        page: str | None = None
        while True:
            documents = await store.search(TENANT, "Case", limit=200, page=page)
            for document in documents.documents:
                case = fold(decode(document.body))
                found += [entry async for entry in _lines_of(store, directory, case, policy)]
            page = documents.next
            if page is None:
                return found
    finally:
        await store.close()


async def _lines_of(
    store: Store, directory: Directory, case: Case, draft: CompiledPolicy
) -> AsyncIterator[tuple[str, LineContext, Outcome]]:
    decided = (event for event in case.events if event.determination and not event.determination.human)
    # what was answered with an authorization on record ("satisfied") was not decided by the rules
    engine = {e.line: e.determination for e in decided if e.determination and e.determination.outcome in set(Outcome)}
    if not any(d.policy == draft.id for d in engine.values()):
        return
    stored = await store.get(TENANT, "Bundle", case.submission)
    if stored is None:
        return
    submission = read_request(stored.body, load_resource(stored.body), case.opened.submitter, directory)
    who = who_asks(directory, submission, case.opened.received)
    for line in case.ordered:
        determination = engine.get(line.sequence)
        if determination is not None and determination.policy == draft.id:
            ask, received = submission.ask(line.requested), case.opened.received.date()
            # decided as a renewal, unless it is on record that there was nothing to renew
            renews = not determination.trace.get("remarks")
            rules = Rules(directory, Catalogue([draft]))
            context = line_context(ask, submission.subject, who, rules, received, renews=renews)
            yield f"{case.number} / {line.sequence}", context, Outcome(determination.outcome)
