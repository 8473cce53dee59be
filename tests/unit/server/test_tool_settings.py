"""Settings of the tools, as people write them."""

from pathlib import Path

import pytest

from server.errors import StartError
from server.settings import load_settings


def test_policies_and_commands_are_read_as_one_writes_them(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VOICEBRIDGE_TOOL_POLICIES", "pause=deny, files_read=allow")
    monkeypatch.setenv("VOICEBRIDGE_CLAUDE_COMMAND", "claude --model 'a b'")
    monkeypatch.setenv("VOICEBRIDGE_CLAUDE_WORKING_DIR", str(tmp_path))
    monkeypatch.setenv(
        "VOICEBRIDGE_CLAUDE_ALLOWED_TOOLS", "Read, Bash(git log:*,ls), Edit"
    )

    settings = load_settings(env_file=None)

    assert settings.tool_policies == {"pause": "deny", "files_read": "allow"}
    assert settings.claude_command == ("claude", "--model", "a b")
    assert settings.claude_allowed_tools == ("Read", "Bash(git log:*,ls)", "Edit")
    assert settings.claude_permission_mode == "default"


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("TOOL_POLICIES", "pause=perhaps", "VOICEBRIDGE_TOOL_POLICIES"),
        ("TOOL_POLICIES", "pause", "VOICEBRIDGE_TOOL_POLICIES"),
        ("CLAUDE_PERMISSION_MODE", "bypassPermissions", "CLAUDE_PERMISSION_MODE"),
        ("CLAUDE_MAX_PROCESSES", "0", "VOICEBRIDGE_CLAUDE_MAX_PROCESSES"),
        ("RUN_BACKGROUND_AFTER_S", "-1", "VOICEBRIDGE_RUN_BACKGROUND_AFTER_S"),
    ],
)
def test_a_bad_value_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(f"VOICEBRIDGE_{name}", value)

    with pytest.raises(StartError, match=problem):
        load_settings(env_file=None)


def test_claude_code_is_either_a_command_or_a_runner() -> None:
    with pytest.raises(StartError, match="VOICEBRIDGE_CLAUDE_COMMAND: not together"):
        load_settings(
            env_file=None,
            claude_command="claude",
            claude_code_runner_url="ws://127.0.0.1:9/",
        )
    with pytest.raises(StartError, match="CLAUDE_WORKING_DIR: is not a folder"):
        load_settings(
            env_file=None, claude_command="claude", claude_working_dir="/no/such"
        )
