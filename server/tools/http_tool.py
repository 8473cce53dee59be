"""A tool that is one HTTP request, as configured."""

import json
import logging
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

import aiohttp

from server import foreign_json
from server.errors import ToolError
from server.tools.config import PLACEHOLDER, HttpToolConfig
from server.tools.registry import Arguments, Report, Tool
from server.tools.tool_file import resolve

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 256 << 10
"""More of an answer is not read."""


def http_tool(
    config: HttpToolConfig, client: aiohttp.ClientSession, *, timeout_s: float
) -> Tool:
    """The tool of one entry.

    Args:
        config: the entry.
        client: shared, the caller's to close; it must not keep cookies.
        timeout_s: when the entry has none.
    """
    headers = {name: resolve(value) for name, value in config.headers.items()}
    url_template = resolve(config.url)
    in_url = frozenset(PLACEHOLDER.findall(config.url))

    async def run(arguments: Arguments, _: Report) -> str:
        url = _filled(url_template, arguments)
        rest = {k: v for k, v in arguments.items() if k not in in_url}
        as_query = config.method in ("GET", "DELETE")
        try:
            async with client.request(
                config.method,
                url,
                headers=headers,
                params=_query(rest) if as_query and rest else None,
                json=None if as_query else rest,
                allow_redirects=False,  # they could lead anywhere, with our headers
                # Who runs the tool keeps its time; aiohttp would give up by itself.
                timeout=aiohttp.ClientTimeout(total=None),
            ) as response:
                body = await _read(response)
        except (aiohttp.ClientError, OSError, ValueError) as exc:
            logger.info("http tool %s: %s", config.name, type(exc).__name__)
            message = f"{config.name}: the service cannot be reached."
            raise ToolError(repr(exc), user_message=message) from exc
        if response.status >= 300:
            message = f"{config.name}: the service answered {response.status}."
            raise ToolError(message, user_message=f"{message} {body[:200]}".strip())
        return _picked(body, config.result)

    return Tool(
        config.name,
        config.description,
        run,
        config.parameters,
        config.policy,
        config.timeout_s or timeout_s,
        config.background_after_s,
        config.max_result_chars,
        config.max_running,
    )


def _filled(template: str, arguments: Arguments) -> str:
    def value_of(name: str) -> str:
        if name not in arguments:
            message = f"The argument {name!r} is needed."
            raise ToolError(message, user_message=message)
        text = _plain(arguments[name])
        if text in ("", ".", ".."):
            message = f"The argument {name!r} cannot be {text!r}."
            raise ToolError(message, user_message=message)
        return quote(text, safe="")

    return PLACEHOLDER.sub(lambda match: value_of(match[1]), template)


def _query(arguments: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs = []
    for name, value in arguments.items():
        values = value if isinstance(value, list) else [value]
        pairs += [(name, _plain(entry)) for entry in values if entry is not None]
    return pairs


def _plain(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


async def _read(response: aiohttp.ClientResponse) -> str:
    body = b""
    async for chunk in response.content.iter_chunked(16 << 10):
        body += chunk
        if len(body) >= MAX_BODY_BYTES:
            response.close()  # the rest is not worth reading
            break
    return body[:MAX_BODY_BYTES].decode("utf-8", "replace").strip()


def _picked(body: str, pointer: str) -> str:
    """The part of a JSON answer that is wanted; what is not JSON stays as it is."""
    try:
        value: Any = foreign_json.loads(body)
    except ValueError:
        return body or "Done."
    for step in pointer.split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(value, dict) and name in value:
            value = value[name]
        elif isinstance(value, list) and name.isdecimal() and int(name) < len(value):
            value = value[int(name)]
        else:
            message = "The service's answer has not the expected shape."
            raise ToolError(message, user_message=message)
    return _plain(value)
