"""The REST side of the page's stand-in bridge: everything it answers is in plain lists.

What the page changes is noted in `requests` and, where a person would see it, done.
"""

from __future__ import annotations

import io
import wave
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from aiohttp import web
from numpy.typing import NDArray

RATE_HZ = 24_000
SESSION = "s-1"
INVITATION = "eyJ.invitation.token"

Json = dict[str, Any]


def iso(minutes_ago: float = 0.0) -> str:
    """A moment before now, as the bridge writes it."""
    moment = datetime.now(UTC) - timedelta(minutes=minutes_ago)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass
class PageRest:
    """Answers of the bridge. An `api_key` makes it refuse whoever has none."""

    api_key: str | None = None
    lost_session: bool = False
    """Whether the process that carried the session has died."""
    sessions: list[Json] = field(default_factory=list)
    conversations: list[Json] = field(default_factory=list)
    events: dict[str, list[Json]] = field(default_factory=dict)
    recordings: dict[str, list[Json]] = field(default_factory=dict)
    sound: NDArray[np.int16] = field(
        default_factory=lambda: np.zeros(RATE_HZ, np.int16)
    )
    health: Json = field(default_factory=lambda: {"status": "ok"})
    metrics: str = ""
    reports: list[Json] = field(default_factory=list)
    report_page: str = "<!doctype html><title>report</title>"
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    """Method, path and JSON body of everything that is not a GET."""
    bearers: list[str] = field(default_factory=list)
    """The credentials of every request, "" for none, in order."""

    def begin_anew(self) -> None:
        """As if nothing had been asked, kept or changed."""
        vars(self).update(vars(PageRest()))

    def add_routes(self, app: web.Application) -> None:
        """Before the page's own catch-all."""
        session = "/api/realtime/session/{id}"
        talk = "/api/conversations/{id}"
        app.middlewares.append(self._gate)
        app.add_routes(
            [
                web.get("/healthz", self._answer("health")),
                web.get("/metrics", self._metrics),
                web.get("/api/reports", self._listed("reports")),
                web.get("/api/reports/{name}/page", self._report),
                web.get("/api/realtime/sessions", self._listed("sessions")),
                web.get("/api/realtime/ice-servers", self._ice_servers),
                web.post(f"{session}/invite", self._invite),
                web.post(f"{session}/recording", self._accept),
                web.get(session, self._session),
                web.patch(session, self._accept),
                web.delete(session, self._end_session),
                web.patch(f"{session}/clients/{{client}}", self._accept),
                web.delete(f"{session}/clients/{{client}}", self._accept),
                web.get("/api/conversations", self._listed("conversations")),
                web.get(talk, self._conversation),
                web.patch(talk, self._rename),
                web.delete(talk, self._delete_conversation),
                web.get(f"{talk}/events", self._events),
                web.get(f"{talk}/export", self._export),
                web.get(f"{talk}/recordings", self._recordings),
                web.get("/api/recordings/{id}", self._sound),
                web.delete("/api/recordings/{id}", self._accept),
            ]
        )

    def remember(
        self, conversation_id: str, title: str | None, *events: Json, minutes_ago: float
    ) -> None:
        """Keep a conversation, its events numbered in order."""
        self.conversations.append(
            {
                "id": conversation_id,
                "title": title,
                "created_at": iso(minutes_ago),
                "updated_at": iso(minutes_ago),
                "last_seq": len(events),
            }
        )
        self.events[conversation_id] = [
            {"seq": n, "timestamp": iso(minutes_ago), "session_id": SESSION} | event
            for n, event in enumerate(events, start=1)
        ]

    # --- answers

    @web.middleware
    async def _gate(self, request: web.Request, handler: Any) -> web.StreamResponse:
        is_api = request.path.startswith(("/api/", "/healthz", "/metrics"))
        if is_api:
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            self.bearers.append(given)
            if self.api_key is not None and given not in (self.api_key, INVITATION):
                return _error(401, "unauthorized", "An access key is needed.")
        response: web.StreamResponse = await handler(request)
        return response

    def _answer(self, name: str) -> Any:
        async def answer(_request: web.Request) -> web.Response:
            return web.json_response(getattr(self, name))

        return answer

    def _listed(self, name: str) -> Any:
        async def answer(_request: web.Request) -> web.Response:
            return web.json_response({name: getattr(self, name)})

        return answer

    async def _note(self, request: web.Request) -> Any:
        body = await request.json() if request.can_read_body else None
        self.requests.append((request.method, request.path, body))
        return body

    async def _accept(self, request: web.Request) -> web.Response:
        await self._note(request)
        if request.method == "DELETE":
            return web.Response(status=204)
        return web.json_response({"status": "accepted"})

    async def _ice_servers(self, _request: web.Request) -> web.Response:
        return web.json_response({"iceServers": []})

    async def _invite(self, request: web.Request) -> web.Response:
        await self._note(request)
        return web.json_response(
            {
                "token": INVITATION,
                "expires_at": iso(-60),
                "path": f"/#session={SESSION}&invite={INVITATION}",
            }
        )

    async def _session(self, request: web.Request) -> web.Response:
        if self.lost_session:
            return _error(410, "worker_lost", "The session's process has died.")
        return web.json_response({"session_id": request.match_info["id"]})

    async def _end_session(self, request: web.Request) -> web.Response:
        await self._note(request)
        gone = request.match_info["id"]
        self.sessions = [s for s in self.sessions if s["session_id"] != gone]
        return web.json_response({"status": "closed"})

    def _find(self, request: web.Request) -> Json:
        wanted = request.match_info["id"]
        for conversation in self.conversations:
            if conversation["id"] == wanted:
                return conversation
        raise web.HTTPNotFound(
            text='{"error":{"code":"conversation_not_found","message":"There is no '
            'such conversation.","retryable":false}}',
            content_type="application/json",
        )

    async def _conversation(self, request: web.Request) -> web.Response:
        return web.json_response(self._find(request))

    async def _rename(self, request: web.Request) -> web.Response:
        found = self._find(request)
        found["title"] = (await self._note(request))["title"]
        return web.json_response(found)

    async def _delete_conversation(self, request: web.Request) -> web.Response:
        await self._note(request)
        self.conversations.remove(self._find(request))
        return web.Response(status=204)

    async def _events(self, request: web.Request) -> web.Response:
        # Of a talk that has only just begun nothing is kept yet: no 404 for that.
        every = self.events.get(request.match_info["id"], [])
        before = int(request.query.get("before", 2**53))
        limit = int(request.query.get("limit", 100))
        after = int(request.query.get("after", -1))
        if after >= 0:
            page = [event for event in every if event["seq"] > after][:limit]
            return web.json_response({"events": page, "has_older": after > 0})
        older = [event for event in every if event["seq"] < before]
        page = older[-limit:]
        return web.json_response({"events": page, "has_older": len(older) > len(page)})

    async def _export(self, request: web.Request) -> web.Response:
        self._find(request)
        return web.Response(text=f"as {request.query['format']}")

    async def _recordings(self, request: web.Request) -> web.Response:
        found = self.recordings.get(request.match_info["id"], [])
        return web.json_response({"recordings": found})

    async def _sound(self, _request: web.Request) -> web.Response:
        buffer = io.BytesIO()
        with wave.open(buffer, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(self.sound.astype("<i2").tobytes())
        return web.Response(body=buffer.getvalue(), content_type="audio/wav")

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.metrics)

    async def _report(self, _request: web.Request) -> web.Response:
        return web.Response(text=self.report_page, content_type="text/html")


def _error(status: int, code: str, message: str) -> web.Response:
    error = {"code": code, "message": message, "retryable": False}
    return web.json_response({"error": error}, status=status)
