"""HTTP errors in the service's shape (realtime-api.md 1.4). PURE."""

from typing import Any


class ApiError(Exception):
    """A request that is refused: `{"error":{"message","type","param","code"}}`."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        kind: str = "invalid_request_error",
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.kind = kind
        self.param = param
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        """The JSON object of the response."""
        return {
            "error": {
                "message": self.message,
                "type": self.kind,
                "param": self.param,
                "code": self.code,
            }
        }


def invalid_offer() -> ApiError:
    """The offer is not SDP, or has no audio section."""
    return ApiError(
        400,
        "Invalid SDP offer. Please try again with a WHIP-compliant offer.",
        code="invalid_offer",
    )


def unknown_call(call_id: str) -> ApiError:
    """No live call has this id."""
    return ApiError(
        404, f"No session found for call_id: {call_id}", code="call_id_not_found"
    )


def beta_disabled() -> ApiError:
    """A request of the beta API, which the service has switched off."""
    return ApiError(
        400,
        "The Realtime Beta API is no longer supported. Please use /v1/realtime for "
        "the GA API.",
        code="beta_api_shape_disabled",
    )
