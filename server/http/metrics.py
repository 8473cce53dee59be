"""What Prometheus reads."""

from fastapi import APIRouter, Request, Response

from server.auth.principal import ApiPrincipal
from server.observability.exposition import CONTENT_TYPE

router = APIRouter(tags=["operations"])


@router.get("/metrics", response_class=Response)
async def metrics(request: Request, principal: ApiPrincipal) -> Response:
    """All metrics in Prometheus's text format; for owners, because they tell much."""
    body: bytes = request.app.state.bridge.metrics()
    return Response(body, media_type=CONTENT_TYPE)
