"""The log's net: whoever logs a secret, nobody reads it."""

import io
import logging
from collections.abc import Sequence
from typing import Any

import pytest

from server.observability.redaction import REPLACEMENT, RedactingFilter

TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJ4In0.c2lnbmF0dXJl"
SDP = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\na=ice-pwd:abcdefghijklmnop\r\n"


def logged(
    message: str,
    *args: object,
    secrets: Sequence[str] = (),
    exc_info: BaseException | None = None,
) -> str:
    """What a log with the filter shows of one record."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.addFilter(RedactingFilter(secrets))
    record = logging.LogRecord(
        "test", logging.WARNING, "", 0, message, args, _exc_info(exc_info)
    )
    handler.handle(record)
    return stream.getvalue()


def _exc_info(exc: BaseException | None) -> Any:
    return (type(exc), exc, exc.__traceback__) if exc is not None else None


@pytest.mark.parametrize(
    ("message", "secret"),
    [
        ("Authorization: Bearer abcdefgh12345678", "abcdefgh12345678"),
        ("('sec-websocket-protocol', 'voicebridge, bearer.abcd1234efgh')", "abcd1234"),
        (f"token {TOKEN} refused", TOKEN),
        ("GET /stream?after=1&ticket=abcdefgh12345678 HTTP/1.1", "abcdefgh12345678"),
        ("key sk-proj-abcdef123456 and ek_abcdef123456", "abcdef123456"),
        (f"offer {SDP!r}", "abcdefghijklmnop"),
        (f"offer {SDP}", "abcdefghijklmnop"),
        ("a=candidate:1 1 udp 2130706431 192.0.2.55 4000 typ host", "192.0.2.55"),
        ("a=fingerprint:sha-256 AB:CD", "AB:CD"),
        ("a=ice-ufrag:abcd", "abcd"),
    ],
)
def test_secrets_are_known_by_their_form(message: str, secret: str) -> None:
    for text in (logged(message), logged("%s", message), logged("x %r", [message])):
        assert secret not in text
        assert REPLACEMENT in text


def test_secrets_of_this_server_are_known_by_their_text() -> None:
    text = logged("using %s", "correct-horse", secrets=["correct-horse"])

    assert "horse" not in text


def test_tracebacks_are_cleaned_too() -> None:
    text = logged("it broke", exc_info=ValueError(f"bad {TOKEN}"))

    assert "ValueError" in text
    assert TOKEN not in text


@pytest.mark.parametrize(
    "message",
    [
        "session 0123456789abcdef ended: reason=closed duration_s=3.2",
        "POST /api/realtime/session: at_capacity: 100 sessions are open",
        "VOICEBRIDGE_TOKEN_SECRET: needs at least 32 characters",
        "a client did not close cleanly",
    ],
)
def test_innocent_lines_stay_as_they_are(message: str) -> None:
    assert logged(message) == f"{message}\n"


def test_a_message_that_cannot_be_formatted_is_still_a_line() -> None:
    assert "unprintable" in logged("%d", "x")
