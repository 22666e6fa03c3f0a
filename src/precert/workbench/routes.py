"""Explanations and policies as JSON or, for a browser, as pages."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import APIRouter, Request, Response

from precert.authorization.service import AuthorizationService
from precert.security.identity import Client
from precert.workbench.api import json_response
from precert.workbench.explanations import explanation


@dataclass(frozen=True, slots=True)
class WorkbenchContext:
    """What the pages need."""

    service: AuthorizationService
    identify: Callable[[Request], Client]


def workbench_router(context: WorkbenchContext) -> APIRouter:
    """``/explain/{id}``."""
    router = APIRouter(tags=["explain"])

    @router.get("/explain/{id}", summary="Why a request was answered as it was")
    async def explain(request: Request, id: str) -> Response:
        return json_response(request, await explanation(context.service, id, context.identify(request)))

    return router
