"""What the tools file and the policies name is there, or the server does not start."""

from pathlib import Path

import pytest

from server.errors import StartError
from server.tools.further import read_further_tools

FILE = """
http:
  - {name: set_light, description: Switch a light., url: "http://127.0.0.1:9/"}
mcp:
  - {name: files, command: [x]}
  - {name: mail, command: [x], tools: {send: {}, "read all": {}}}
"""


@pytest.fixture
def tools_file(tmp_path: Path) -> Path:
    path = tmp_path / "tools.yaml"
    path.write_text(FILE)
    return path


@pytest.mark.parametrize(
    "name",
    ["pause", "send_to_claude_code", "set_light", "files_whatever", "mail_read_all"],
)
def test_a_policy_of_a_tool_there_may_be_is_taken(name: str, tools_file: Path) -> None:
    tools = read_further_tools(tools_file, {name: "deny"})

    assert [entry.name for entry in tools.config.http] == ["set_light"]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("send_to_nestd", r"unknown_tool: .*'send_to_nestd'; did you mean send_to_n"),
        ("set_lights", "did you mean set_light?"),
        ("mail_delete", "did you mean mail_"),
        ("file_read", "there is no tool 'file_read'"),
        ("files_", "there is no tool 'files_'"),
        ("files_a b", "there is no tool"),
        ("x" * 5_000, "VOICEBRIDGE_TOOL_POLICIES: unknown_tool"),
    ],
)
def test_a_policy_of_no_tool_stops_the_start(
    name: str, words: str, tools_file: Path
) -> None:
    """Who denies a tool by a wrong name believes that it is denied."""
    with pytest.raises(StartError, match=words) as refused:
        read_further_tools(tools_file, {"pause": "allow", name: "deny"})

    assert len(str(refused.value)) < 300


def test_without_a_file_there_are_the_five() -> None:
    assert read_further_tools(None, {"reset": "deny"}).python == ()
    with pytest.raises(StartError, match="there are pause, pause_claude_code, reset"):
        read_further_tools(None, {"zzz": "deny"})
