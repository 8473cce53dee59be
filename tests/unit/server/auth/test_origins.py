"""Origins and host names: whose page it is, and who we are."""

import pytest

from server.auth.origins import (
    is_allowed_origin,
    is_loopback_name,
    is_same_origin,
    normal_origin,
)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1:8000"),
        ("http://localhost", "localhost"),
        ("http://localhost:80", "localhost"),
        ("https://voice.example", "voice.example"),
        ("https://voice.example", "voice.example:443"),
        ("https://Voice.Example", "voice.example"),
        ("http://[::1]:8000", "[::1]:8000"),
    ],
)
def test_the_same_origin_by_whatever_spelling(origin: str, host: str) -> None:
    assert is_same_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("null", "null"),
        ("", ""),
        ("http://127.0.0.1:8000", "127.0.0.1:8001"),
        ("http://evil.example", "voice.example"),
        ("http://voice.example.evil.example", "voice.example"),
        ("https://voice.example", "voice.example:80"),
        ("http://voice.example@evil.example", "voice.example"),
        ("http://evil.example/voice.example", "voice.example"),
        ("http://evil.example#voice.example", "voice.example"),
        ("file://", ""),
        ("chrome-extension://voice.example", "voice.example"),
        ("http://voice.example:x", "voice.example"),
        ("http://", ""),
        ("http://voice.example\t", "voice.example"),
    ],
)
def test_everything_else_is_foreign(origin: str, host: str) -> None:
    assert not is_same_origin(origin, host)


def test_configured_origins_are_allowed_whatever_the_host() -> None:
    allowed = [normal_origin("https://App.example:443")]

    assert is_allowed_origin("https://app.example", "voice.example", allowed)
    assert not is_allowed_origin("http://app.example", "voice.example", allowed)
    assert not is_allowed_origin("null", "voice.example", allowed)


@pytest.mark.parametrize("text", ["app.example", "ftp://x", "https://x/path", "*", ""])
def test_what_is_no_origin_cannot_be_configured(text: str) -> None:
    with pytest.raises(ValueError, match="origin"):
        normal_origin(text)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        ("localhost", True),
        ("localhost:8000", True),
        ("voice.localhost:1", True),
        ("127.0.0.1:8000", True),
        ("127.1.2.3", True),
        ("[::1]:8000", True),
        ("evil.example", False),
        ("localhost.evil.example", False),
        ("127.0.0.1.evil.example", False),
        ("192.168.1.2", False),
        ("", False),
        ("localhost:port", False),
        ("evil.example@localhost", False),
    ],
)
def test_names_of_this_machine(host: str, loopback: bool) -> None:
    assert is_loopback_name(host) is loopback
