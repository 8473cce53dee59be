"""The OpenAPI document: what the routes say, and what the gate adds to each of them."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from server.http.gate import GUARDED

_GATE_STATUSES = {
    "401": "No credentials, or they open nothing",
    "403": "The credentials, the origin or the host name are not for this",
    "408": "The request did not arrive in time",
    "413": "The request is too large",
    "429": "Too many requests in a short time; see Retry-After",
    "500": "A defect of this server",
    "503": "No room, or the server is about to end; see Retry-After",
}
_ERROR = {"$ref": "#/components/schemas/ErrorBody"}
_DETAIL = {
    "type": "object",
    "description": "What went wrong; match on `code`, show `message`.",
    "required": ["code", "message", "retryable"],
    "additionalProperties": False,
    "properties": {
        "code": {"type": "string"},
        "message": {"type": "string"},
        "retryable": {"type": "boolean"},
    },
}
_BODY = {
    "type": "object",
    "description": "Every response that is not a success.",
    "required": ["error"],
    "additionalProperties": False,
    "properties": {"error": {"$ref": "#/components/schemas/ErrorDetail"}},
}


def install(app: FastAPI) -> None:
    """Let `app` tell the whole truth at /openapi.json."""

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = get_openapi(
                title=app.title,
                version=app.version,
                description=__doc__,
                routes=app.routes,
            )
            app.openapi_schema = _complete(document)
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any]) -> dict[str, Any]:
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemas |= {"ErrorDetail": _DETAIL, "ErrorBody": _BODY}
    schemas.pop("HTTPValidationError", None)
    schemas.pop("ValidationError", None)
    components["securitySchemes"] = {
        "bearer": {
            "type": "http",
            "scheme": "bearer",
            "description": "An API key, or a token of one session. Not needed from "
            "the server's own machine while it has no keys.",
        }
    }
    _hoist(document["paths"], schemas)
    for path, operations in document["paths"].items():
        is_guarded = any(path.startswith(prefix) for prefix in GUARDED)
        for operation in operations.values():
            _complete_operation(operation, is_guarded=is_guarded)
    return document


def _hoist(node: Any, schemas: dict[str, Any]) -> None:
    """Move definitions inside a schema to where references in a document look."""
    if isinstance(node, list):
        for child in node:
            _hoist(child, schemas)
    elif isinstance(node, dict):
        for name, definition in node.pop("$defs", {}).items():
            _hoist(definition, schemas)
            schemas.setdefault(name, definition)
        reference = node.get("$ref")
        if isinstance(reference, str):
            node["$ref"] = reference.replace("#/$defs/", "#/components/schemas/")
        for child in node.values():
            _hoist(child, schemas)


def _complete_operation(operation: dict[str, Any], *, is_guarded: bool) -> None:
    responses = operation["responses"]
    if "422" in responses:
        responses["422"] = _error_response("A field is missing or wrong; it is named")
    if not is_guarded:
        responses.setdefault("403", _error_response(_GATE_STATUSES["403"]))
        return
    operation["security"] = [{"bearer": []}]
    for status, words in _GATE_STATUSES.items():
        responses[status] = _error_response(words) | {
            k: v for k, v in responses.get(status, {}).items() if k == "headers"
        }


def _error_response(words: str) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": _ERROR}}}
