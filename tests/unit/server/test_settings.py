"""Settings: typed, from the environment and .env; a bad one names itself."""

import re
from pathlib import Path

import pytest

from server import __version__, cli
from server.__main__ import main
from server.errors import StartError
from server.settings import is_loopback, load_settings, unknown_names

TOP = Path(__file__).resolve().parents[3]
INSTRUMENTS = tuple(
    f"VOICEBRIDGE_{name}" for name in ("TEST_", "LOAD_", "FUZZ_", "HISTORY", "API_KEY")
)
"""What tests, load and reports read; the server does not."""


@pytest.mark.parametrize("bad", ["proxy.example", "10.0.0.0/33", "*"])
def test_a_proxy_is_an_address_or_a_network(bad: str) -> None:
    """Told in one line, before anything is started."""
    with pytest.raises(StartError, match="VOICEBRIDGE_TRUSTED_PROXIES"):
        load_settings(None, trusted_proxies=f"127.0.0.1, {bad}")


def test_the_defaults_need_nothing() -> None:
    settings = load_settings(env_file=None)

    assert settings.host == "127.0.0.1"
    assert settings.port == 8000
    assert settings.openai_realtime_model == "gpt-realtime-2.1"
    assert settings.enable_backend_webrtc is True
    assert settings.uses_embedded_fake


def test_the_environment_wins_over_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    env = tmp_path / ".env"
    env.write_text("OPENAI_API_KEY=sk-file\nVOICEBRIDGE_PORT=9000\nOTHER=1\n")
    monkeypatch.setenv("VOICEBRIDGE_PORT", "9001")

    settings = load_settings(env_file=env)

    assert settings.port == 9001
    assert settings.openai_api_key is not None
    assert settings.openai_api_key.get_secret_value() == "sk-file"
    assert not settings.uses_embedded_fake


def test_the_key_is_in_no_representation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret")
    settings = load_settings(env_file=None)

    assert "very-secret" not in repr(settings)
    assert "very-secret" not in str(settings.model_dump())


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOICEBRIDGE_PORT", "eighty"),
        ("VOICEBRIDGE_PORT", "70000"),
        ("VOICEBRIDGE_LOG_LEVEL", "LOUD"),
        ("VOICEBRIDGE_SESSION_GRACE_S", "-1"),
        ("VOICEBRIDGE_ICE_ADDRESSES", "10.0.0.1,localhost"),
        ("VOICEBRIDGE_NESTED_RUNNER_URL", "http://x"),
        ("VOICEBRIDGE_STUN_URL", "http://x"),
        ("OPENAI_BASE_URL", "ftp://x"),
        ("OPENAI_BASE_URL", "http://user@x/v1"),
        ("ENABLE_BACKEND_WEBRTC", "perhaps"),
    ],
)
def test_a_bad_value_names_its_variable(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)

    with pytest.raises(StartError, match=name):
        load_settings(env_file=None)


def test_a_bad_value_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key pasted into the wrong variable must not land in a log."""
    monkeypatch.setenv("VOICEBRIDGE_PORT", "sk-pasted-wrongly")

    with pytest.raises(StartError) as refused:
        load_settings(env_file=None)
    assert "sk-pasted" not in str(refused.value)


def test_a_remote_service_needs_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.example.com/v1")

    with pytest.raises(StartError, match="OPENAI_API_KEY"):
        load_settings(env_file=None)


def test_a_local_service_needs_no_key_and_replaces_the_fake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:8089/")
    settings = load_settings(env_file=None)

    assert settings.openai_base_url == "http://127.0.0.1:8089/v1"
    assert not settings.uses_embedded_fake


def test_a_list_of_addresses_is_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VOICEBRIDGE_ICE_ADDRESSES", "10.0.0.1, ::1")

    assert load_settings(env_file=None).ice_addresses == ("10.0.0.1", "::1")


def test_a_mistyped_name_is_found_in_the_environment_and_in_the_file(
    tmp_path: Path,
) -> None:
    env = tmp_path / ".env"
    env.write_text(
        "VOICEBRIDGE_OPENAI_API_KEY=sk-1\nOTHER=1\nVOICEBRIDGE_DRAIN_S=1\n"
        "VOICEBRIDGE_ENABLE_BACKEND_WEBRTC=false\n"
    )
    environ = {
        "VOICEBRIDGE_PROT": "1",
        "voicebridge_port": "1",
        "voicebridge_max_session": "1",
        "VOICEBRIDGE_QZXQZX": "1",
        "PATH": "",
    }

    assert unknown_names(env, environ) == {
        "VOICEBRIDGE_PROT": "VOICEBRIDGE_PORT",
        "voicebridge_max_session": "VOICEBRIDGE_MAX_SESSIONS",
        "VOICEBRIDGE_QZXQZX": "",
        "VOICEBRIDGE_OPENAI_API_KEY": "OPENAI_API_KEY",
        "VOICEBRIDGE_ENABLE_BACKEND_WEBRTC": "ENABLE_BACKEND_WEBRTC",
    }


def test_every_variable_of_the_documents_is_a_setting() -> None:
    """And none is there that a user would set in vain."""
    texts = [*TOP.glob("*.md"), *TOP.glob("docs/*.md"), *TOP.glob("deploy/*")]
    named = {
        name: ""
        for text in texts
        for name in re.findall(r"VOICEBRIDGE_[A-Z0-9_]+[A-Z0-9]", text.read_text())
    }

    unknown = set(unknown_names(None, named))
    assert {n for n in unknown if not n.startswith(INSTRUMENTS)} == set()


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("example.com", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, expected: bool) -> None:
    assert is_loopback(host) is expected


def test_serve_refuses_a_bad_setting_with_status_2_and_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VOICEBRIDGE_PORT", "eighty")

    assert main([]) == 2
    err = capsys.readouterr().err
    assert "VOICEBRIDGE_PORT" in err
    assert err.count("\n") == 1


def test_serve_says_when_the_port_is_taken(capsys: pytest.CaptureFixture[str]) -> None:
    import socket

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert main(["--port", str(taken.getsockname()[1])]) == 1
    assert "cannot listen on 127.0.0.1" in capsys.readouterr().err


def test_the_cli_knows_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["--version"])

    assert done.value.code == 0
    assert capsys.readouterr().out.strip() == __version__


@pytest.mark.parametrize("command", ["serve", "fake-openai", "simulate", "bench"])
def test_each_command_explains_itself(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main([command, "--help"])

    assert done.value.code == 0
    assert "usage:" in capsys.readouterr().out


def test_an_unknown_command_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as done:
        cli.main(["fly"])

    assert done.value.code == 2


def test_a_network_address_needs_keys() -> None:
    with pytest.raises(StartError, match="VOICEBRIDGE_API_KEYS"):
        load_settings(env_file=None, host="0.0.0.0")

    settings = load_settings(
        env_file=None, host="0.0.0.0", api_keys="ann:0123456789abcdef, bob:" + "b" * 16
    )
    assert settings.key_ring.owners == {"ann", "bob"}
    assert "0123456789abcdef" in settings.secrets
    assert "0123456789abcdef" not in repr(settings)


def test_the_password_in_an_address_is_a_secret_by_itself() -> None:
    settings = load_settings(
        env_file=None, database_url="postgresql://ann:p%40ssw0rd@db/x"
    )

    assert {"p@ssw0rd", "p%40ssw0rd"} <= {*settings.secrets}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("VOICEBRIDGE_API_KEYS", "ann:weak-one"),
        ("VOICEBRIDGE_API_KEYS", "no-owner-0123456789"),
        ("VOICEBRIDGE_TOKEN_SECRET", "weak-one"),
        ("VOICEBRIDGE_ALLOWED_ORIGINS", "https://a.example, b.example"),
        ("VOICEBRIDGE_PUBLIC_URL", "voice.example"),
    ],
)
def test_a_bad_credential_or_origin_is_named_and_not_printed(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(StartError, match=name) as caught:
        load_settings(env_file=None)

    assert value not in str(caught.value)
