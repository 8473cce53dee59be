"""Request bodies: the right type, never longer than their limit."""

import asyncio
from typing import Annotated, TypeVar

from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import ClientDisconnect

from server import foreign_json
from server.errors import (
    BodyTimeoutError,
    BodyTooLargeError,
    InvalidRequestError,
    InvalidSdpError,
    UnsupportedMediaTypeError,
)
from server.http.session_options import SessionOptionsBody

MAX_JSON_BYTES = 128 * 1024
MAX_SDP_BYTES = 64 * 1024
BODY_TIMEOUT_S = 10.0
"""Bodies here are small: one that takes longer is held open on purpose."""

Model = TypeVar("Model", bound=BaseModel)

Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[\w.:@ +-]+$")]


class SessionBody(SessionOptionsBody):
    """The body of `POST /api/realtime/session`; every field is optional."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    conversation_id: Name | None = None
    voice: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    agent_name: Name | None = None
    system_prompt: Annotated[str, Field(max_length=32_000)] | None = None


async def read_body(request: Request, limit_bytes: int) -> bytes:
    """The whole body, read only as far as the limit allows.

    Raises:
        BodyTooLargeError: announced or found to be longer.
        BodyTimeoutError: it does not come to an end.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > limit_bytes:
        raise BodyTooLargeError(limit_bytes)
    body = bytearray()
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            async for chunk in request.stream():
                body += chunk
                if len(body) > limit_bytes:
                    raise BodyTooLargeError(limit_bytes)
    except TimeoutError:
        raise BodyTimeoutError(f"{len(body)} bytes came") from None
    except ClientDisconnect:
        raise InvalidRequestError("The request was cut off.") from None
    return bytes(body)


async def read_json(request: Request, model: type[Model]) -> Model:
    """The body as a model; no body at all is an empty object.

    Raises:
        RequestError: wrong type, too long, not JSON, or a bad field (named).
    """
    expect_type(request, "application/json", may_be_absent=True)
    body = await read_body(request, MAX_JSON_BYTES)
    try:
        # Pydantic takes NaN and infinities, which nobody could be told again.
        foreign_json.loads(body or b"{}")
    except ValueError:
        raise InvalidRequestError("The body is not valid JSON.") from None
    try:
        return model.model_validate_json(body or b"{}", strict=True)
    except ValidationError as exc:
        raise _bad_field(exc) from None


async def read_sdp(request: Request) -> str:
    """The body as SDP text, otherwise unchecked.

    Raises:
        RequestError: wrong type, too long, empty, or not text.
    """
    expect_type(request, "application/sdp")
    body = await read_body(request, MAX_SDP_BYTES)
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidSdpError("not UTF-8") from None
    if not text.strip():
        raise InvalidSdpError("empty")
    return text


def expect_type(
    request: Request, expected: str, *, may_be_absent: bool = False
) -> None:
    """Refuse any other Content-Type.

    Raises:
        UnsupportedMediaTypeError: it is another, or absent and must not be.
    """
    content_type = request.headers.get("content-type", "")
    if not content_type and may_be_absent:
        return
    if content_type.partition(";")[0].strip().lower() != expected:
        raise UnsupportedMediaTypeError(expected, content_type)


def _bad_field(exc: ValidationError) -> InvalidRequestError:
    error = exc.errors(include_url=False, include_context=False, include_input=False)[0]
    if error["type"] == "json_invalid":
        return InvalidRequestError("The body is not valid JSON.")
    field = ".".join(str(part) for part in error["loc"]) or "The body"
    return InvalidRequestError(f"{field}: {error['msg']}.", http_status=422)
