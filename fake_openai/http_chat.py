"""Chat completions, streamed or not: what the scenario's model says to messages."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import web

from fake_openai import chat
from fake_openai.event_stream import send_stream
from fake_openai.http_edge import json_body, token_of
from fake_openai.server import SERVER

_WORD_S: Final = 0.005
"""Between two streamed words."""


def add_routes(app: web.Application) -> None:
    """Register the endpoints under /v1."""
    app.router.add_get("/v1/models", list_models)
    app.router.add_post("/v1/chat/completions", complete)


async def list_models(request: web.Request) -> web.Response:
    """GET /v1/models"""
    server = request.app[SERVER]
    server.credentials.require_api_key(token_of(request), time.time())
    names = ("gpt-realtime-2.1", "gpt-4o-mini", "gpt-4o-transcribe", "gpt-4o-mini-tts")
    data = [
        {"id": name, "object": "model", "created": 1_780_000_000, "owned_by": "system"}
        for name in names
    ]
    return web.json_response({"object": "list", "data": data})


async def complete(request: web.Request) -> web.StreamResponse:
    """POST /v1/chat/completions, streamed or not."""
    server = request.app[SERVER]
    server.credentials.require_api_key(token_of(request), time.time())
    body = await json_body(request)
    answer = chat.answer(body, server.scenario, seed=server.settings.seed)
    await asyncio.sleep(answer.think_ms / 1000)
    head = {
        "id": server.ids.make("chatcmpl", time.time()).replace("_", "-"),
        "created": int(time.time()),
        "model": body["model"],
    }
    calls = [
        {
            "id": server.ids.call(),
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }
        for name, arguments in answer.tool_calls
    ]
    if not body.get("stream"):
        return web.json_response(_completion(head, answer, calls))
    options = body.get("stream_options") or {}
    chunks = _chunks(head, answer, calls, usage=bool(options.get("include_usage")))
    return await send_stream(request, chunks, end="data: [DONE]\n\n")


def _completion(
    head: dict[str, Any], answer: chat.ChatAnswer, calls: list[dict[str, Any]]
) -> dict[str, Any]:
    message: dict[str, Any] = {
        "role": "assistant",
        "content": answer.text,
        "refusal": None,
    }
    if calls:
        message["tool_calls"] = calls
    choice = {
        "index": 0,
        "message": message,
        "logprobs": None,
        "finish_reason": answer.finish_reason,
    }
    return {
        **head,
        "object": "chat.completion",
        "choices": [choice],
        "usage": answer.usage,
    }


async def _chunks(
    head: dict[str, Any],
    answer: chat.ChatAnswer,
    calls: list[dict[str, Any]],
    *,
    usage: bool,
) -> AsyncIterator[dict[str, Any]]:
    """A completion as server-sent events: role, words, calls, the end, usage."""
    chunk = {**head, "object": "chat.completion.chunk"}

    def delta(content: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
        choice = {"index": 0, "delta": content, "finish_reason": finish}
        return {**chunk, "choices": [choice]}

    yield delta({"role": "assistant", "content": ""})
    for index, word in enumerate((answer.text or "").split()):
        await asyncio.sleep(_WORD_S)
        yield delta({"content": word if index == 0 else f" {word}"})
    for index, call in enumerate(calls):
        yield delta({"tool_calls": [{"index": index, **call}]})
    yield delta({}, answer.finish_reason)
    if usage:
        yield {**chunk, "choices": [], "usage": answer.usage}
