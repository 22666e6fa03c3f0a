"""``precert store check|backup|export|import``."""

from __future__ import annotations

import typer

app = typer.Typer(help="Move and verify data.", no_args_is_help=True)
