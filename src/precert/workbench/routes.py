"""The workbench's one entrance for the composition: every page, and the JSON of explanations and policies behind them."""

from __future__ import annotations

from fastapi import APIRouter

from precert.workbench.pages import PagesContext as WorkbenchContext
from precert.workbench.pages import pages_router


def workbench_router(context: WorkbenchContext) -> APIRouter:
    """``/``, ``/explain/{id}``, ``/policies``, ``/workbench``, ``/api`` and the files that they load."""
    return pages_router(context)


__all__ = ["WorkbenchContext", "workbench_router"]
