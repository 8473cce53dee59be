"""The fake's own API, `/fake/v1`: what was received, inject an event, force a fault.

Not part of OpenAI's API. JSON, no key; it listens where the fake listens.
"""

import time
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from fake_openai.api_error import ApiError
from fake_openai.call import Call
from fake_openai.faults import Fault
from fake_openai.http_edge import json_body
from fake_openai.process_facts import process_facts
from fake_openai.server import SERVER, FakeServer
from fake_openai.tape import wav_bytes


def add_routes(app: web.Application) -> None:
    """Register the endpoints under /fake/v1."""
    prefix = "/fake/v1"
    app.router.add_get(f"{prefix}/health", health)
    app.router.add_get(f"{prefix}/calls", list_calls)
    app.router.add_get(f"{prefix}/calls/{{call_id}}", show_call)
    app.router.add_delete(f"{prefix}/calls/{{call_id}}", end_call)
    app.router.add_get(f"{prefix}/calls/{{call_id}}/events", events)
    app.router.add_get(f"{prefix}/calls/{{call_id}}/timeline", timeline)
    app.router.add_get(
        f"{prefix}/calls/{{call_id}}/audio/{{side:input|output}}.wav", audio
    )
    app.router.add_post(f"{prefix}/calls/{{call_id}}/inject", inject)
    app.router.add_post(f"{prefix}/calls/{{call_id}}/fault", call_fault)
    app.router.add_get(f"{prefix}/faults", list_faults)
    app.router.add_post(f"{prefix}/faults", add_fault)
    app.router.add_post(f"{prefix}/reset", reset)
    app.router.add_post(f"{prefix}/lateness/reset", reset_lateness)


async def health(request: web.Request) -> web.Response:
    """GET health: alive, and whether it kept time."""
    server = request.app[SERVER]
    return web.json_response(health_facts(server))


def health_facts(server: FakeServer) -> dict[str, Any]:
    """`late` true means: measurements made against this fake are unreliable."""
    lateness = server.lateness()
    return {
        "status": "ok",
        "uptime_s": round(time.monotonic() - server.started_s, 3),
        "lateness_ms": {
            "p50": lateness.p50,
            "p95": lateness.p95,
            "p99": lateness.p99,
            "max": lateness.max,
        },
        "late": lateness.late,
        "frames": lateness.n_frames,
        "frames_late": lateness.n_late,
        "frames_skipped": lateness.n_skipped,
        "calls": len(server.live_calls),
        "scenario": server.scenario.name,
        **process_facts(),
    }


async def list_calls(request: web.Request) -> web.Response:
    """GET calls?tag=T: live and recent calls, newest last."""
    server = request.app[SERVER]
    tag = request.query.get("tag", "")
    found = [
        summary(server, call)
        for call in server.calls.values()
        if tag in str(call.config.get("instructions") or "")
    ]
    return web.json_response(found)


def summary(server: FakeServer, call: Call) -> dict[str, Any]:
    """One call in a list."""
    media = server.media_of(call.call_id)
    return {
        "call_id": call.call_id,
        "session_id": call.config.get("id"),
        "transport": call.transport,
        "state": call.state,
        "connected": media.peer.connected
        if media is not None
        else call.state == "live",
        "created_at": call.created_at,
        "created_s": call.created_s,
        "ended_s": call.ended_s,
        "end_reason": call.end_reason,
        "model": call.config.get("model"),
        "voice": _voice(call.config),
        "instructions": call.config.get("instructions"),
        "input_samples": call.recorder.input.end_index,
        "output_samples": call.recorder.output.end_index,
        "events": len(call.recorder.events),
    }


async def show_call(request: web.Request) -> web.Response:
    """GET calls/{id}: the summary, the session and the packet counters."""
    server, call = _call(request)
    found = server.packets_of(call.call_id)
    counters: dict[str, int] = {}
    if found is not None:
        counters = {name: getattr(found, name) for name in found.__slots__}
    detail = {"session": call.config, "packets": counters}
    return web.json_response({**summary(server, call), **detail})


async def end_call(request: web.Request) -> web.Response:
    """DELETE calls/{id}: the service hangs up."""
    _, call = _call(request)
    call.end("control_api")
    return web.json_response({"status": "ended"})


async def events(request: web.Request) -> web.Response:
    """GET calls/{id}/events?type=T"""
    _, call = _call(request)
    wanted = request.query.get("type")
    return web.json_response(
        [
            event.as_json()
            for event in call.recorder.events
            if wanted is None or event.type == wanted
        ]
    )


async def timeline(request: web.Request) -> web.Response:
    """GET calls/{id}/timeline: sample anchors and turns on CLOCK_MONOTONIC, and when
    this process was late meanwhile."""
    server, call = _call(request)
    end_s = call.ended_s or time.monotonic()
    spells = server.ticker.meter.spells(call.created_s, end_s)
    late = [
        {"began_s": s.began_s, "ended_s": s.ended_s, "worst_ms": s.worst_s * 1000}
        for s in spells
    ]
    return web.json_response({**call.recorder.timeline(), "late": late})


async def audio(request: web.Request) -> web.Response:
    """GET calls/{id}/audio/input.wav and output.wav"""
    _, call = _call(request)
    recorder = call.recorder
    tape = recorder.input if request.match_info["side"] == "input" else recorder.output
    return web.Response(body=wav_bytes(tape.pcm()), content_type="audio/wav")


async def inject(request: web.Request) -> web.Response:
    """POST calls/{id}/inject {"event": {...}}: send a server event as it is."""
    _, call = _call(request)
    body = await json_body(request)
    event = body.get("event")
    if not isinstance(event, dict) or not isinstance(event.get("type"), str):
        raise ApiError(400, "'event' must be an object with a 'type'.", param="event")
    if call.state != "live":
        raise _not_live()
    call.inject(event)
    return web.json_response({"status": "sent"})


async def call_fault(request: web.Request) -> web.Response:
    """POST calls/{id}/fault {...}: arm a fault in one live call."""
    _, call = _call(request)
    fault = _read_fault(await json_body(request))
    if call.state == "ended":
        raise _not_live()
    call.add_fault(fault)
    return web.json_response({"status": "armed", "fault": fault.model_dump()})


async def list_faults(request: web.Request) -> web.Response:
    """GET faults: what can still strike in requests and calls to come."""
    server = request.app[SERVER]
    return web.json_response([fault.model_dump() for fault in server.faults.faults])


async def add_fault(request: web.Request) -> web.Response:
    """POST faults {...} or {"faults": [...]}: arm for requests and calls to come."""
    server = request.app[SERVER]
    body = await json_body(request)
    several = body.get("faults")
    wanted = several if isinstance(several, list) else [body]
    armed = [_read_fault(entry) for entry in wanted]
    for fault in armed:
        server.add_fault(fault)
    return web.json_response(
        {"status": "armed", "faults": [fault.model_dump() for fault in armed]}
    )


async def reset(request: web.Request) -> web.Response:
    """POST reset: end every call, forget everything."""
    await request.app[SERVER].reset()
    return web.json_response({"status": "reset"})


async def reset_lateness(request: web.Request) -> web.Response:
    """POST lateness/reset: measure lateness from now on."""
    request.app[SERVER].ticker.meter.reset()
    return web.json_response({"status": "reset"})


def _call(request: web.Request) -> tuple[FakeServer, Call]:
    server = request.app[SERVER]
    call = server.calls.get(request.match_info["call_id"])
    if call is None:
        raise ApiError(404, "No such call.", code="call_id_not_found")
    return server, call


def _not_live() -> ApiError:
    return ApiError(409, "The call is not live.", code="call_not_live")


def _read_fault(value: object) -> Fault:
    try:
        return Fault.model_validate(value)
    except ValidationError as problem:
        first = problem.errors()[0]
        where = ".".join(str(step) for step in first["loc"]) or "fault"
        raise ApiError(
            400, f"{where}: {first['msg']}", code="invalid_fault", param=where
        ) from problem


def _voice(config: Mapping[str, Any]) -> Any:
    return ((config.get("audio") or {}).get("output") or {}).get("voice")
