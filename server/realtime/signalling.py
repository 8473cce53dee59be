"""HTTP towards the model service: mint a secret, exchange SDP, hang up.

Every failure becomes one of our errors with its cause in words; bodies of the service
may quote keys and are never shown or logged.
"""

import json
import logging
import re
from dataclasses import dataclass
from typing import Any, Literal

import httpx

from server.errors import (
    BridgeError,
    InvalidRequestError,
    ModelRejectedError,
    ModelTimeoutError,
    ModelUnavailableError,
    ModelUnreachableError,
)
from server.realtime.config import SessionConfig

logger = logging.getLogger(__name__)

MAX_RESPONSE_BYTES = 1 << 20
HANGUP_TIMEOUT_S = 2.0
_CALL_ID = re.compile(r"/([A-Za-z0-9_-]{1,128})/?$")

ModelKind = Literal["fake", "openai"]


@dataclass(frozen=True, slots=True)
class ModelEndpoint:
    """Where the model service is and how we may use it."""

    kind: ModelKind
    base_url: str
    """Without a trailing slash, e.g. `https://api.openai.com/v1`."""
    api_key: str

    def __repr__(self) -> str:
        return f"ModelEndpoint({self.kind}, {self.base_url})"


@dataclass(frozen=True, slots=True)
class Accepted:
    """The service's answer to an offer."""

    sdp: str
    call_id: str | None


class Signalling:
    """The three requests of a WebRTC call. The client is the caller's to close."""

    def __init__(
        self, client: httpx.AsyncClient, endpoint: ModelEndpoint, *, timeout_s: float
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._timeout_s = timeout_s

    async def mint_secret(self, config: SessionConfig) -> str:
        """A short-lived secret that already carries the session's configuration.

        Raises:
            ModelError: or InvalidRequestError, when the service names the voice.
        """
        content, _ = await self._post(
            "/realtime/client_secrets",
            self._endpoint.api_key,
            "application/json",
            json.dumps(config.secret_request()).encode(),
        )
        value = _json_object(content).get("value")
        if not isinstance(value, str) or not value:
            raise _nonsense("client_secrets: no value in the response")
        return value

    async def exchange(self, offer_sdp: str, secret: str) -> Accepted:
        """Post the offer, get the answer.

        Raises:
            ModelError: whatever stood in the way.
        """
        content, headers = await self._post(
            "/realtime/calls", secret, "application/sdp", offer_sdp.encode()
        )
        sdp = content.decode("utf-8", "replace")
        if not sdp.startswith("v=0"):
            raise _nonsense("calls: the response is not SDP")
        found = _CALL_ID.search(headers.get("location", ""))
        return Accepted(sdp, found.group(1) if found else None)

    async def hang_up(self, call_id: str) -> None:
        """End a call at the service, as far as it can be reached. Never raises."""
        url = f"{self._endpoint.base_url}/realtime/calls/{call_id}/hangup"
        headers = {"Authorization": f"Bearer {self._endpoint.api_key}"}
        try:
            await self._client.post(url, headers=headers, timeout=HANGUP_TIMEOUT_S)
        except httpx.HTTPError as exc:
            logger.debug("hang-up not delivered: %s", type(exc).__name__)

    async def _post(
        self, path: str, bearer: str, content_type: str, body: bytes
    ) -> tuple[bytes, httpx.Headers]:
        url = self._endpoint.base_url + path
        headers = {"Authorization": f"Bearer {bearer}", "Content-Type": content_type}
        try:
            async with self._client.stream(
                "POST", url, headers=headers, content=body, timeout=self._timeout_s
            ) as response:
                content = await _read_limited(response)
        except httpx.TimeoutException as exc:
            raise ModelTimeoutError(f"{path}: nothing in {self._timeout_s} s") from exc
        except httpx.HTTPError as exc:
            raise ModelUnreachableError(f"{path}: {type(exc).__name__}") from exc
        if not response.is_success:
            raise _refusal(path, response.status_code, _error_of(content))
        return content, response.headers


async def _read_limited(response: httpx.Response) -> bytes:
    content = b""
    async for chunk in response.aiter_bytes():
        content += chunk
        if len(content) > MAX_RESPONSE_BYTES:
            raise _nonsense("the response is longer than any answer")
    return content


def _json_object(content: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(content)
    except ValueError as exc:
        raise _nonsense("the response is not JSON") from exc
    return parsed if isinstance(parsed, dict) else {}


def _nonsense(detail: str) -> ModelUnreachableError:
    message = "The voice service sent an answer that makes no sense."
    return ModelUnreachableError(detail, user_message=message)


def _error_of(content: bytes) -> dict[str, Any]:
    try:
        error = json.loads(content).get("error")
    except (ValueError, AttributeError):
        return {}
    return error if isinstance(error, dict) else {}


def _refusal(path: str, status: int, error: dict[str, Any]) -> BridgeError:
    """The service answered, but not with what we asked for."""
    code = str(error.get("code") or error.get("type") or "")
    param = str(error.get("param") or "")
    detail = f"{path}: HTTP {status} {code} {param}".rstrip()
    if status in (401, 403):
        return ModelRejectedError(
            detail,
            user_message="The voice service does not accept this server's API key.",
        )
    if status == 400 and param.endswith("voice"):
        return InvalidRequestError("voice: the voice service does not know this voice.")
    if code == "model_not_found":
        return ModelRejectedError(
            detail,
            user_message="The voice service does not offer the configured model.",
        )
    if code in ("insufficient_quota", "billing_hard_limit_reached"):
        return ModelRejectedError(
            detail, user_message="The voice service's quota is used up."
        )
    if status in (408, 504):
        return ModelTimeoutError(detail)
    if status == 429 or status >= 500:
        return ModelUnavailableError(detail)
    if status == 404:
        return ModelUnreachableError(
            detail, user_message="There is no voice service at the configured address."
        )
    return ModelRejectedError(detail)
