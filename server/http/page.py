"""The voice page, and the headers every response carries."""

import os
from pathlib import Path

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_SECURITY_POLICY = (
    "default-src 'self'; media-src 'self' blob:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'; object-src 'none'"
)
HEADERS = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "microphone=(self), camera=()",
}
"""Only what comes from here may run, and nothing inline. A recording is fetched with
the reader's key, which an <audio> cannot send, and then played from a blob."""


class SecurityHeaders:
    """Adds HEADERS to every response, and keeps caches from serving an old page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers)


def mount_page(app: FastAPI, root: Path) -> None:
    """Serve the files below `root` at `/`; mount last, it takes every address left."""
    if root.is_dir():
        app.mount("/", _PageFiles(directory=root, html=True), name="page")


class _PageFiles(StaticFiles):
    """Files of the page; names that begin with a dot are nobody's business."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """As the base class, but hidden files do not exist."""
        if any(part.startswith(".") and part != "." for part in Path(path).parts):
            return "", None
        return super().lookup_path(path)
