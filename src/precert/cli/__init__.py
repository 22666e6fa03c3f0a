"""The ``precert`` command. Exit codes: 0 fine, 1 findings, 2 usage."""

from __future__ import annotations

from typing import Annotated

import typer

from precert import __version__
from precert.cli import client, policy, profile, serve, store
from precert.web import logging

app = typer.Typer(
    name="precert",
    help="The payer's side of prior authorization: PAS, CRD and DTR over one set of coverage rules.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)
app.command("serve")(serve.serve)
app.command("submit")(client.submit)
app.command("hook")(client.hook)
app.command("inquire")(client.inquire)
app.command("validate")(profile.validate)
app.add_typer(policy.app, name="policy")
app.add_typer(profile.app, name="profile")
app.add_typer(store.app, name="store")


def _tell_version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def quiet(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Commands answer on standard output; the log speaks up only when something is wrong (``serve`` sets its own level)."""
    logging.configure("error")


@app.command()
def version() -> None:
    """Print the version."""
    typer.echo(__version__)


def main() -> None:
    """The entry point."""
    app()
