"""``precert store check|backup|export|import``: verify and move data. The server must not be running on the folder."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from precert.settings import Settings
from precert.store.embedded import EmbeddedStore
from precert.store.port import StoreError

app = typer.Typer(help="Move and verify data (with the server stopped).", no_args_is_help=True)
_out = Console(highlight=False, soft_wrap=True)
_err = Console(stderr=True, highlight=False, soft_wrap=True)
T = TypeVar("T")

Data = Annotated[Path | None, typer.Option("--data", help="The server's data folder (default: as `precert serve`).")]


def _with_store(data: Path | None, work: Callable[[EmbeddedStore], Awaitable[T]], *, create: bool = False) -> T:
    """What ``work`` answers of the store; exit status 2 if there is none (unless ``create``) or it cannot be used."""
    settings = Settings() if data is None else Settings(data=data)

    async def run() -> T:
        store = EmbeddedStore.open(settings.store_directory, create=create)
        try:
            return await work(store)
        finally:
            await store.close()

    try:
        with _err.status("working ..."):
            return asyncio.run(run())
    except (StoreError, OSError) as error:
        _err.print(f"precert: {error}", markup=False)
        raise typer.Exit(2) from error


@app.command()
def check(data: Data = None) -> None:
    """Check every stored body and the audit chain."""
    problems = _with_store(data, lambda store: store.verify())
    for problem in problems:
        _out.print(problem, markup=False)
    if problems:
        raise typer.Exit(1)
    _out.print("Everything is as it was written.")


@app.command()
def backup(target: Annotated[Path, typer.Argument(help="The file to write.")], data: Data = None) -> None:
    """Write a consistent copy of the store."""
    _with_store(data, lambda store: store.backup(str(target)))
    _out.print(f"Copied to {target}.", markup=False)


@app.command("export")
def export(target: Annotated[Path, typer.Argument(help="The JSON-lines file to write.")], data: Data = None) -> None:
    """Write everything as JSON lines, for another store."""

    async def work(store: EmbeddedStore) -> int:
        target.touch(mode=0o600)  # for our eyes only: it holds clinical data, as the store does
        with target.open("wb") as out:
            return await store.export(out)

    _out.print(f"{_with_store(data, work)} lines to {target}.", markup=False)


@app.command("import")
def import_(
    source: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="An export.")], data: Data = None
) -> None:
    """Fill an empty store from an export: all of it or nothing."""

    async def work(store: EmbeddedStore) -> dict[str, int]:
        with source.open("rb") as lines:
            return await store.load(lines)

    counted = _with_store(data, work, create=True)
    _out.print(", ".join(f"{count} {kind}" for kind, count in counted.items()), markup=False)
