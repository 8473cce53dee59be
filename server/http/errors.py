"""Every error leaves as `{"error": {"code", "message", "retryable"}}`, from here."""

import logging
import math
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from server.errors import (
    BridgeError,
    CapacityError,
    InvalidRequestError,
    RateLimitedError,
)

logger = logging.getLogger(__name__)

_WORDS = {
    404: ("not_found", "There is nothing at this address."),
    405: ("method_not_allowed", "This address does not take that method."),
    408: ("body_timeout", "The request body did not arrive in time."),
    413: ("body_too_large", "The request body is too large."),
}


def install(app: FastAPI) -> None:
    """Make `app` answer every failure in the one shape."""
    app.add_exception_handler(BridgeError, _on_bridge_error)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_bad_address)
    app.add_exception_handler(Exception, _on_bug)


def error_response(error: BridgeError) -> JSONResponse:
    """One of our errors as a response."""
    return JSONResponse(
        {"error": error.as_json()},
        status_code=error.http_status,
        headers=_headers_of(error),
    )


def count(app: Any, code: str) -> None:
    """Count an answer with this error, once there is somebody who counts."""
    on_error = getattr(getattr(app, "state", None), "on_error", None)
    if on_error is not None:
        on_error(code)


def _headers_of(error: BridgeError) -> dict[str, str] | None:
    if isinstance(error, (RateLimitedError, CapacityError)):
        return {"Retry-After": str(max(1, math.ceil(error.retry_after_s)))}
    if error.http_status == 503:
        return {"Retry-After": "2"}
    if error.http_status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return None


async def _on_bridge_error(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, BridgeError)
    if exc.http_status >= 500:
        logger.warning("%s %s: %s: %s", request.method, _route(request), exc.code, exc)
    count(request.app, exc.code)
    return error_response(exc)


async def _on_http_exception(request: Request, exc: Exception) -> JSONResponse:
    assert isinstance(exc, HTTPException)
    code, message = _WORDS.get(exc.status_code, ("invalid_request", str(exc.detail)))
    count(request.app, code)
    body = {"code": code, "message": message, "retryable": False}
    return JSONResponse(
        {"error": body}, status_code=exc.status_code, headers=exc.headers
    )


async def _on_bad_address(request: Request, exc: Exception) -> JSONResponse:
    """Something in the path or the query; the message names it, never its value."""
    assert isinstance(exc, RequestValidationError)
    error = exc.errors()[0]
    name = error["loc"][-1] if error.get("loc") else "The request"
    message = f"{name}: {error.get('msg', 'is not valid')}."
    count(request.app, InvalidRequestError.code)
    return error_response(InvalidRequestError(message, http_status=422))


async def _on_bug(request: Request, exc: Exception) -> JSONResponse:
    logger.error("%s %s broke", request.method, _route(request), exc_info=exc)
    count(request.app, BridgeError.code)
    return error_response(BridgeError())


def _route(request: Request) -> str:
    """The route's pattern: an address may contain a session id."""
    route = request.scope.get("route")
    return str(getattr(route, "path", "unknown"))
