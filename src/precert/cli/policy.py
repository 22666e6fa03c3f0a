"""``precert policy check|test|explain|replay``."""

from __future__ import annotations

import typer

app = typer.Typer(help="Check, test and explain coverage policies.", no_args_is_help=True)
