"""Server-sent events, as OpenAI streams them."""

import json
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web


async def send_stream(
    request: web.Request, chunks: AsyncIterator[dict[str, Any]], *, end: str = ""
) -> web.StreamResponse:
    """Send each chunk as one `data:` line, then `end`."""
    response = web.StreamResponse(
        headers={
            "Content-Type": "text/event-stream; charset=utf-8",
            "Cache-Control": "no-cache",
            "Access-Control-Allow-Origin": "*",
        }
    )
    await response.prepare(request)
    async for chunk in chunks:
        await response.write(f"data: {json.dumps(chunk)}\n\n".encode())
    if end:
        await response.write(end.encode())
    await response.write_eof()
    return response
