"""What a bridge under test is started with. No process is started."""

from __future__ import annotations

import pytest

from fake_openai.__main__ import FREE_SPEECH_VARIABLE, build_parser
from loadtests.processes import OF_THE_USER, BridgeProcess


def test_a_bench_never_uses_anybodys_account_or_conversations(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in OF_THE_USER:
        monkeypatch.setenv(name, "mine")

    found = BridgeProcess().child_environment("/tmp/a-folder")

    assert not set(OF_THE_USER) & set(found)
    assert found["XDG_DATA_HOME"] == "/tmp/a-folder"


def test_settings_of_the_bench_come_on_top() -> None:
    bridge = BridgeProcess(environment={"OPENAI_API_KEY": "sk-bench"})

    assert bridge.child_environment("/tmp")["OPENAI_API_KEY"] == "sk-bench"


def test_its_fake_recognises_no_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """The recogniser took more CPU than the bridge under test."""
    assert build_parser().parse_args([]).free_speech

    given = BridgeProcess().child_environment("/tmp")[FREE_SPEECH_VARIABLE]

    monkeypatch.setenv(FREE_SPEECH_VARIABLE, given)
    assert not build_parser().parse_args([]).free_speech
