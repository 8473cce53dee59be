"""What routes have in common in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel


class ErrorDetail(BaseModel):
    """What went wrong."""

    code: str
    message: str
    retryable: bool


class ErrorBody(BaseModel):
    """Every response that is not a success."""

    error: ErrorDetail


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """`responses=` of a route: these statuses, and those of the gate."""
    every = {*statuses, 401, 403, 429, 500}
    return {status: {"model": ErrorBody} for status in sorted(every)}


def body(
    content_type: str, schema: dict[str, Any], *, required: bool = True
) -> dict[str, Any]:
    """`openapi_extra=` of a route that reads its body itself."""
    content = {content_type: {"schema": schema}}
    return {"requestBody": {"content": content, "required": required}}


def header(description: str) -> dict[str, Any]:
    """A header of a response."""
    return {"description": description, "schema": {"type": "string"}}
