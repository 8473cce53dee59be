"""What every HTTP answer of the fake has in common: errors, CORS, request ids."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web

from fake_openai.api_error import ApiError
from fake_openai.credentials import bearer
from fake_openai.faults import Fault, Point
from fake_openai.server import SERVER
from fake_openai.wire.problem import ClientEventError

logger = logging.getLogger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# What OpenAI's browser SDK sends with an SDP offer, and what others add.
ALLOWED_HEADERS: Final = (
    "Authorization, Content-Type, X-OpenAI-Agents-SDK, OpenAI-Safety-Identifier, "
    "OpenAI-Organization, OpenAI-Project, OpenAI-Beta, Accept, User-Agent"
)
EXPOSED_HEADERS: Final = "Location, x-request-id, openai-processing-ms"
HANG_S: Final = 3_600.0


def json_error(error: ApiError) -> web.Response:
    """An error as the service words it."""
    return web.json_response(error.body(), status=error.status, headers=error.headers)


@web.middleware
async def envelope(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answers preflights, turns errors into JSON, adds the common headers."""
    started_s = time.monotonic()
    if (
        request.method == "OPTIONS"
        and "Access-Control-Request-Method" in request.headers
    ):
        response: web.StreamResponse = web.Response(status=204)
    else:
        response = await _answer(request, handler)
    if not response.prepared:
        _add_headers(request, response, time.monotonic() - started_s)
    return response


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return json_error(error)
    except ClientEventError as problem:
        return json_error(
            ApiError(
                400,
                problem.message,
                code=problem.code,
                kind=problem.kind,
                param=problem.param,
            )
        )
    except web.HTTPException as problem:
        if problem.status < 400:
            raise
        return json_error(ApiError(problem.status, _http_message(request, problem)))
    except Exception:  # the request ends here; the client gets the service's 500
        logger.exception("%s %s failed", request.method, request.path)
        return json_error(
            ApiError(
                500,
                "The server had an error while processing your request. Sorry about "
                "that!",
                kind="server_error",
            )
        )


def _http_message(request: web.Request, problem: web.HTTPException) -> str:
    if problem.status == 404:
        return f"Invalid URL ({request.method} {request.path})"
    if problem.status == 405:
        return f"Not allowed to {request.method} on {request.path}."
    return problem.reason


def _add_headers(
    request: web.Request, response: web.StreamResponse, took_s: float
) -> None:
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = "*"
    headers["Access-Control-Expose-Headers"] = EXPOSED_HEADERS
    if request.method == "OPTIONS":
        asked = request.headers.get("Access-Control-Request-Headers")
        headers["Access-Control-Allow-Methods"] = "GET, POST, DELETE, OPTIONS"
        headers["Access-Control-Allow-Headers"] = asked or ALLOWED_HEADERS
        headers["Access-Control-Max-Age"] = "600"
        return
    headers["x-request-id"] = f"req_{time.monotonic_ns():032x}"
    headers["openai-processing-ms"] = str(int(took_s * 1000))
    headers["openai-version"] = "2020-10-01"


def token_of(request: web.Request) -> str | None:
    """The bearer token of a request."""
    return bearer(request.headers.get("Authorization"))


async def json_body(request: web.Request) -> dict[str, Any]:
    """The JSON object in a request's body; nothing counts as {}.

    Raises:
        ApiError: 400, not a JSON object.
    """
    raw = await request.read()
    if not raw:
        return {}
    try:
        body = await request.json()
    except (ValueError, RecursionError) as exc:
        raise ApiError(
            400,
            "We could not parse the JSON body of your request. (HINT: This likely "
            "means you aren't using your HTTP library correctly.)",
        ) from exc
    if not isinstance(body, dict):
        raise ApiError(400, "The body of your request must be a JSON object.")
    return body


@web.middleware
async def http_faults(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Does what an armed `http.…` fault says instead of, or before, answering."""
    point = point_of(request.path)
    fault = request.app[SERVER].faults.strike(point) if point is not None else None
    if fault is None:
        return await handler(request)
    match fault.do:
        case "status":
            raise status_error(fault)
        case "delay":
            await asyncio.sleep(fault.ms / 1000)
            return await handler(request)
        case "hang":
            await asyncio.sleep(HANG_S)
        case "disconnect":
            drop_connection(request)
    return web.Response(text="<html><h1>502 Bad Gateway</h1>", content_type="text/html")


def drop_connection(request: web.Request) -> None:
    """Reset the TCP connection under a request."""
    if request.transport is not None:
        request.transport.abort()


STATUS_ERRORS: Final[dict[int, tuple[str, str, str]]] = {
    400: ("invalid_request_error", "bad_request", "Your request was malformed."),
    401: ("invalid_request_error", "invalid_api_key", "Incorrect API key provided."),
    403: (
        "invalid_request_error",
        "unsupported_country_region_territory",
        "Country, region, or territory not supported",
    ),
    404: ("invalid_request_error", "model_not_found", "The model does not exist."),
    429: ("requests", "rate_limit_exceeded", "Rate limit reached for requests."),
    500: (
        "server_error",
        "server_error",
        "The server had an error while processing your request. Sorry about that!",
    ),
    503: (
        "service_unavailable_error",
        "server_overloaded",
        "The engine is currently overloaded, please try again later.",
    ),
}


def status_error(fault: Fault) -> ApiError:
    """The error a `status` fault asks for, in the service's words."""
    kind, code, message = STATUS_ERRORS.get(fault.status, STATUS_ERRORS[500])
    headers = {"retry-after": "1"} if fault.status in {429, 503} else {}
    return ApiError(
        fault.status,
        fault.message or message,
        code=fault.code or code,
        kind=kind,
        headers=headers,
    )


def point_of(path: str) -> Point | None:
    """The fault point of a path, if it has one."""
    points: tuple[tuple[str, Point], ...] = (
        ("/hangup", "http.hangup"),
        ("/realtime/client_secrets", "http.client_secrets"),
        ("/realtime/calls", "http.calls"),
        ("/chat/completions", "http.chat"),
        ("/audio/transcriptions", "http.transcriptions"),
        ("/audio/speech", "http.speech"),
    )
    return next((point for end, point in points if path.endswith(end)), None)
