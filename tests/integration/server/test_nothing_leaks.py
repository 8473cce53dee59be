"""A whole call with the log at DEBUG: no key, token or word of it in any line."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from server.settings import load_settings
from server.workers import codec
from server.workers.config import config_for
from tests.integration.server.conftest import FakeModel, eventually
from tests.support.browser import browser

ANN = "ann-key-0123456789abcdef"
MODEL_KEY = "sk-model-key-0123456789abcdef"
SECRET = "token-secret-0123456789abcdef0123456789"
TYPED = "violet hippopotamus seventeen"
AGENT = "AgentNameNobodyLogs"


@pytest.fixture(params=[0, 1])
def serving(
    fake: FakeModel, tmp_path: Path, request: pytest.FixtureRequest
) -> Iterator[tuple[str, Path]]:
    """A bridge that logs all it can, with and without a media process; URL and log."""
    log = tmp_path / "log"
    with log.open("w") as output:
        process = subprocess.Popen(
            [
                *(sys.executable, "-m", "server.cli", "serve"),
                *("--port", "0", "--announce", "--log-level", "DEBUG"),
            ],
            stdout=subprocess.PIPE,
            stderr=output,
            env={
                **os.environ,
                "OPENAI_API_KEY": MODEL_KEY,
                "OPENAI_BASE_URL": f"{fake.url}/v1",
                "VOICEBRIDGE_API_KEYS": f"ann:{ANN}",
                "VOICEBRIDGE_TOKEN_SECRET": SECRET,
                "VOICEBRIDGE_WORKERS": str(request.param),
            },
        )
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"], log
        finally:
            process.terminate()
            process.communicate(timeout=30)


class Exchange:
    """Every response of the bridge, to be searched later."""

    def __init__(self) -> None:
        self.bodies: list[tuple[str, str]] = []

    async def note(self, response: httpx.Response) -> None:
        await response.aread()
        self.bodies.append((response.request.url.path, response.text))


async def test_nothing_of_a_call_is_in_a_log_or_in_the_wrong_response(
    serving: tuple[str, Path],
) -> None:
    url, log = serving
    exchange = Exchange()
    tokens: list[str] = []
    async with httpx.AsyncClient(
        base_url=url, timeout=30, event_hooks={"response": [exchange.note]}
    ) as http:
        key = {"Authorization": f"Bearer {ANN}"}

        async def is_ready() -> bool:
            return (await http.get("/readyz")).status_code == 200

        await eventually(is_ready)
        opened = await http.post(
            "/api/realtime/session",
            headers=key,
            json={"agent_name": AGENT, "conversation_id": "c"},
        )
        assert opened.status_code == 200, opened.text
        session_id = opened.json()["session_id"]
        path = f"/api/realtime/session/{session_id}"
        tokens.append(opened.headers["X-Voicebridge-Session-Token"])
        invited = await http.post(f"{path}/invite", json={}, headers=key)
        tokens.append(invited.json()["token"])
        ticket = await http.post("/api/auth/ticket", headers=key)
        tokens.append(ticket.json()["ticket"])
        async with browser(http, session_id, bearer=tokens[0], name="Ann") as one:
            tokens.append(one.client_token)
            one.send(type="text", text=TYPED)
            said = await one.message(
                "transcript", lambda m: m["role"] == "assistant" and m["final"]
            )
            offer = one.pc.localDescription.sdp
            answer = one.pc.remoteDescription.sdp
            # Errors of every kind, each with something that should not be repeated.
            for wrong in (ANN + "x", tokens[0][:-4] + "AAAA", f"eyJ.{ANN}.x"):
                headers = {"Authorization": f"Bearer {wrong}"}
                await http.get(path, headers=headers)
            await http.get(f"/api/auth/me?key={ANN}&ticket={tokens[2]}")
            await http.post(
                f"/api/realtime/sdp/{session_id}",
                content=offer.replace("m=application", "m=nonsense"),
                headers={"Content-Type": "application/sdp", **key},
            )
            await http.post(
                "/api/realtime/session", content=f'{{"voice": "{ANN} "}}', headers=key
            )
            await http.get(path, headers=key)
        await http.delete(path, headers=key)

    lines = log.read_text()
    secrets: dict[str, list[str]] = {
        "keys": [ANN, MODEL_KEY, SECRET],
        "tokens": tokens,
        "descriptions": lines_of(offer) + lines_of(answer),
        "words": [TYPED, "hippopotamus", said["text"]],
    }
    for kind, texts in secrets.items():
        for text in texts:
            assert text not in lines, kind
    assert not re.search(r"\bek_\w{6,}", lines)
    assert "session ended" in lines  # it did log
    check_responses(exchange, tokens)


def lines_of(sdp: str) -> list[str]:
    """The lines of a description that are secret, or name somebody's address."""
    return re.findall(r"a=((?:ice-pwd|ice-ufrag|fingerprint|candidate):.+?)\r?\n", sdp)


def check_responses(exchange: Exchange, tokens: list[str]) -> None:
    """Tokens only where they are handed out, descriptions only as an answer."""
    for path, body in exchange.bodies:
        for secret in (ANN, MODEL_KEY, SECRET, "ek_"):
            assert secret not in body, path
        if not path.startswith("/api/realtime/sdp/"):
            assert "ice-pwd" not in body, path
        if not path.endswith(("/invite", "/ticket")):
            for token in tokens:
                assert token not in body, path


def test_the_search_would_find_them() -> None:
    offer = "v=0\r\na=ice-pwd:abc\r\na=candidate:1 1 udp 1 192.0.2.1 9 typ host\r\n"
    found: list[Any] = lines_of(offer)

    assert found == ["ice-pwd:abc", "candidate:1 1 udp 1 192.0.2.1 9 typ host"]


MEDIA_PROCESS = """
import asyncio, logging, sys
from server.workers.serve import serve
asyncio.run(serve(int(sys.argv[1])))
logging.getLogger("a library").warning("the secret is " + "quite-innocent")
"""


def test_a_media_process_knows_its_secrets_by_their_text() -> None:
    """Its front's filter does not reach it, and this one has no form of a secret."""
    ours, theirs = socket.socketpair()
    settings = load_settings(env_file=None, turn_secret="quite-innocent", workers=1)
    with ours, theirs:
        ours.sendall(codec.to_line({"config": config_for(settings)}))
        ours.sendall(codec.to_line({"stop": True}))
        child = subprocess.run(
            [sys.executable, "-c", MEDIA_PROCESS, str(theirs.fileno())],
            pass_fds=(theirs.fileno(),),
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
            check=True,
        )

    assert "the secret is [redacted]" in child.stderr
    assert "innocent" not in child.stderr
