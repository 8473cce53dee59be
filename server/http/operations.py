"""Probes: is it alive, can it serve calls."""

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel

from server.auth.principal import is_owner

router = APIRouter(tags=["operations"])


class Ready(BaseModel):
    """Whether calls are taken; to those who have a key also what they depend on."""

    ready: bool
    checks: dict[str, str] | None = None


@router.get("/healthz")
async def healthz(request: Request) -> dict[str, Any]:
    """Whether the bridge is well; to those who have a key also what it uses."""
    health: dict[str, Any] = request.app.state.bridge.health()
    return health if is_owner(request) else {"status": health["status"]}


@router.get(
    "/readyz",
    response_model_exclude_none=True,
    responses={503: {"model": Ready, "description": "No calls are taken now"}},
)
async def readyz(request: Request, response: Response) -> Ready:
    """Whether new calls can be served: 503 while draining, or something is missing."""
    readiness = await request.app.state.bridge.readiness()
    if not readiness.is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = "2"
    checks = dict(readiness.checks) if is_owner(request) else None
    return Ready(ready=readiness.is_ready, checks=checks)
