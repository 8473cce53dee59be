"""Tools that are HTTP requests, against a real server."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.errors import ToolError
from server.tools.config import HttpToolConfig
from server.tools.http_tool import MAX_BODY_BYTES, http_tool
from tests.support.waiting import eventually

PARAMETERS = {
    "type": "object",
    "properties": {"room": {"type": "string"}, "on": {"type": "boolean"}, "tags": {}},
}


class Service:
    """Remembers requests; answers by path."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.sent_bytes = 0
        self.gate = asyncio.Event()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(
            {
                "method": request.method,
                "path": request.raw_path,
                "auth": request.headers.get("Authorization"),
                "body": await request.text(),
            }
        )
        match request.path.split("/")[1]:
            case "json":
                return web.json_response({"data": {"lights": ["a", "b"]}})
            case "error":
                return web.Response(status=418, text="I am a teapot")
            case "redirect":
                return web.Response(status=302, headers={"Location": "/json"})
            case "slow":
                await asyncio.sleep(30)
            case "gated":
                await self.gate.wait()
            case "endless":
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(b"x" * 65_536)
                    self.sent_bytes += 65_536
        return web.Response(text="plain words")


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", service.handle)
    server = TestServer(app)
    await server.start_server()
    service.url = f"http://127.0.0.1:{server.port}"
    yield service
    await server.close()


@asynccontextmanager
async def tool_at(
    url: str, *, client_total_s: float = 300.0, **options: Any
) -> AsyncIterator[Any]:
    config = HttpToolConfig(
        name="light", description="x", url=url, parameters=PARAMETERS, **options
    )
    async with aiohttp.ClientSession(
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=client_total_s),
    ) as client:
        tool = http_tool(config, client, timeout_s=5)

        async def call(**arguments: Any) -> str:
            async with asyncio.timeout(tool.timeout_s):
                return await tool.run(arguments, lambda _: None)

        yield call


async def test_arguments_go_into_the_path_and_the_body(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIGHTS_TOKEN", "s3cret")
    options: dict[str, Any] = {
        "method": "POST",
        "headers": {"Authorization": "Bearer ${env:LIGHTS_TOKEN}"},
    }
    async with tool_at(f"{service.url}/lights/{{room}}", **options) as call:
        assert await call(room="a/b c?", on=True) == "plain words"

    (request,) = service.requests
    assert request["path"] == "/lights/a%2Fb%20c%3F"
    assert request["auth"] == "Bearer s3cret"
    assert json.loads(request["body"]) == {"on": True}


async def test_the_time_of_the_tool_counts_and_not_that_of_the_client(
    service: Service,
) -> None:
    """aiohttp's own is five minutes, whatever `timeout_s` says."""
    async with tool_at(f"{service.url}/gated", client_total_s=1e-3) as call:
        asking = asyncio.create_task(call())
        await eventually(lambda: bool(service.requests) or asking.done())
        service.gate.set()

        assert await asking == "plain words"


async def test_arguments_of_a_get_go_into_the_query(service: Service) -> None:
    async with tool_at(f"{service.url}/x?fixed=1") as call:
        await call(room="a&b", tags=["x", "y"], on=None)

    assert service.requests[0]["path"] == "/x?fixed=1&room=a%26b&tags=x&tags=y"


async def test_a_pointer_picks_a_part_of_the_answer(service: Service) -> None:
    async with tool_at(f"{service.url}/json", result="/data/lights/1") as call:
        assert await call() == "b"
    async with tool_at(f"{service.url}/json", result="/data/lamps") as call:
        with pytest.raises(ToolError, match="shape"):
            await call()


@pytest.mark.parametrize("room", ["..", ".", ""])
async def test_an_argument_cannot_climb_out_of_the_path(
    service: Service, room: str
) -> None:
    async with tool_at(f"{service.url}/lights/{{room}}") as call:
        with pytest.raises(ToolError, match="cannot be"):
            await call(room=room)

    assert service.requests == []


@pytest.mark.parametrize(
    ("path", "words"),
    [("error", "answered 418. I am a teapot"), ("redirect", "answered 302")],
)
async def test_an_error_of_the_service_is_said(
    service: Service, path: str, words: str
) -> None:
    async with tool_at(f"{service.url}/{path}") as call:
        with pytest.raises(ToolError) as failed:
            await call()

    assert words in failed.value.user_message
    assert len(service.requests) == 1


async def test_an_endless_answer_is_cut(service: Service) -> None:
    async with tool_at(f"{service.url}/endless") as call:
        assert len(await call()) == MAX_BODY_BYTES


async def test_a_service_that_is_not_there_is_said_without_its_address() -> None:
    async with tool_at("http://127.0.0.1:9/secret-path") as call:
        with pytest.raises(ToolError) as failed:
            await call()

    assert failed.value.user_message == "light: the service cannot be reached."


async def test_a_slow_service_ends_with_the_tools_time(service: Service) -> None:
    async with tool_at(f"{service.url}/slow", timeout_s=0.1) as call:
        with pytest.raises(TimeoutError):
            await call()
