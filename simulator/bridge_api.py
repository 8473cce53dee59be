"""The bridge's HTTP routes as a browser uses them. EDGE."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import aiohttp


class CallFailedError(Exception):
    """A call that cannot go on; the text is for the person reading the result."""


class SessionGoneError(CallFailedError):
    """The bridge knows the session no more: only a new one can go on."""


GONE = (404, 410)


@dataclass(frozen=True, slots=True)
class Deadlines:
    """How long to wait for the bridge before giving a call up, in seconds."""

    request_s: float = 20.0
    """One HTTP request: the bridge may itself wait for the model."""
    connect_s: float = 20.0
    """ICE, DTLS, SCTP and `hello` together; impaired networks need several flights."""
    close_s: float = 5.0
    """Everything done after the call."""


@dataclass(frozen=True, slots=True)
class Admission:
    """The bridge's answer to an offer."""

    answer: str
    client_id: str | None
    client_token: str | None = field(repr=False)
    """Brings this client back, as the same one."""


class BridgeApi:
    """Signalling of any number of calls over one HTTP session it does not own."""

    def __init__(
        self,
        http: aiohttp.ClientSession,
        url: str,
        deadlines: Deadlines,
        *,
        api_key: str | None = None,
    ) -> None:
        """Args:
        http: who closes it is the caller.
        url: the bridge, `http://host:port`.
        deadlines: how long to wait for it.
        api_key: one of the bridge's keys, where it has any.
        """
        self._http = http
        self._authorization = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._url = url.rstrip("/")
        self._timeout = aiohttp.ClientTimeout(total=deadlines.request_s)

    async def health(self) -> dict[str, Any]:
        """What `GET /healthz` says.

        Raises:
            CallFailedError: nobody answers there, or not with JSON.
        """
        return await self._json("GET", "/healthz")

    async def open_session(
        self, *, conversation_id: str, system_prompt: str, voice: str | None
    ) -> str:
        """Create or join the conversation's session; its id."""
        body = {"conversation_id": conversation_id, "system_prompt": system_prompt}
        if voice is not None:
            body["voice"] = voice
        answer = await self._json("POST", "/api/realtime/session", json=body)
        if answer.get("status") != "connected" or "session_id" not in answer:
            raise CallFailedError(f"session answered with the keys {sorted(answer)}")
        return str(answer["session_id"])

    async def exchange_sdp(
        self, session_id: str, offer: str, *, client_token: str | None = None
    ) -> Admission:
        """The answer to an offer, of a new client or of one that comes back.

        Raises:
            SessionGoneError: there is no such session, or no longer.
            CallFailedError: anything else.
        """
        path = f"/api/realtime/sdp/{session_id}"
        headers = {"Content-Type": "application/sdp"}
        if client_token is not None:
            headers["Authorization"] = f"Bearer {client_token}"
        try:
            async with self._request(
                "POST", path, data=offer, headers=headers
            ) as response:
                await self._check(response, path)
                return Admission(
                    await response.text(),
                    response.headers.get("X-Voicebridge-Client"),
                    response.headers.get("X-Voicebridge-Client-Token"),
                )
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise CallFailedError(_words("POST", path, exc)) from exc

    async def close_session(self, session_id: str) -> None:
        """End the session for everybody in it."""
        answer = await self._json("DELETE", f"/api/realtime/session/{session_id}")
        if answer.get("status") != "closed":
            raise CallFailedError(f"DELETE session answered {answer}")

    async def _json(self, method: str, path: str, **given: Any) -> dict[str, Any]:
        try:
            async with self._request(method, path, **given) as response:
                await self._check(response, path)
                answer = await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise CallFailedError(_words(method, path, exc)) from exc
        if not isinstance(answer, dict):
            raise CallFailedError(f"{method} {path} answered no JSON object")
        return answer

    def _request(
        self, method: str, path: str, **given: Any
    ) -> aiohttp.client._RequestContextManager:
        given["headers"] = {**self._authorization, **given.get("headers", {})}
        return self._http.request(
            method, self._url + path, timeout=self._timeout, **given
        )

    async def _check(self, response: aiohttp.ClientResponse, path: str) -> None:
        if response.status == 200:
            return
        code = ""
        if response.content_type == "application/json":
            error = (await response.json()).get("error")
            if isinstance(error, dict):
                code = f" {error.get('code')}: {error.get('message')}"
        kind = SessionGoneError if response.status in GONE else CallFailedError
        raise kind(f"{response.method} {_route(path)} answered {response.status}{code}")


def _words(method: str, path: str, exc: Exception) -> str:
    kind = "no answer in time" if isinstance(exc, TimeoutError) else str(exc)
    return f"{method} {_route(path)}: {kind}"


def _route(path: str) -> str:
    """The path without its identifiers."""
    parts = path.strip("/").split("/")
    return "/" + "/".join(parts[:3])
