"""STUN and TURN: credentials that expire, and what browsers are given."""

import pytest

from server.errors import StartError
from server.ice_servers import CREDENTIALS_TTL_S, TurnServer, for_browsers
from server.settings import load_settings


def test_a_shared_secret_makes_credentials_that_expire() -> None:
    turn = TurnServer("turn:relay.example:3478", secret="s3cr3t")
    name, password = turn.credentials(1_000.0, user="ann")
    assert name == f"{1_000 + CREDENTIALS_TTL_S}:ann"
    # openssl: printf 22600:ann | openssl dgst -sha1 -hmac s3cr3t -binary | base64
    assert password == "yuDeD7KhUsB2e2HftT+wbfQL2oc="


def test_without_a_secret_name_and_password_are_used() -> None:
    assert TurnServer("turn:r", "u", "p").credentials(0.0) == ("u", "p")


def test_its_repr_shows_no_secret() -> None:
    assert repr(TurnServer("turn:r", "u", "hidden", "hidden")) == "TurnServer(turn:r)"


def test_browsers_get_what_rtcconfiguration_takes() -> None:
    servers = for_browsers("stun:s:3478", TurnServer("turn:r", "u", "p"), 0.0, user="x")
    assert servers == [
        {"urls": "stun:s:3478"},
        {"urls": "turn:r", "username": "u", "credential": "p"},
    ]
    assert for_browsers(None, None, 0.0, user="x") == []


def test_settings_make_the_relay() -> None:
    settings = load_settings(
        env_file=None, turn_url="turn:r", turn_username="u", turn_password="p"
    )
    assert settings.turn_server() == TurnServer("turn:r", "u", "p")
    assert load_settings(env_file=None).turn_server() is None


def test_a_port_range_is_read() -> None:
    settings = load_settings(env_file=None, udp_ports="40000-40100")
    assert settings.udp_port_range() == (40_000, 40_100)


@pytest.mark.parametrize("text", ["40100-40000", "80-90", "1-2-3", "x", "60000-70000"])
def test_a_range_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(StartError, match="UDP_PORTS"):
        load_settings(env_file=None, udp_ports=text)
