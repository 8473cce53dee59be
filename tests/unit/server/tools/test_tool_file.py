"""The tools file: what is good, and where exactly it is bad."""

from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from server.errors import StartError
from server.tools import tool_file
from server.tools.config import PythonToolConfig, ToolsConfig
from server.tools.entry_points import load_python_tools
from server.tools.registry import Tool

GOOD_YAML = """\
http:
  - name: set_light
    description: Switch a light.
    method: POST
    url: "http://127.0.0.1:9/lights/{room}"
    headers: {Authorization: "Bearer ${env:LIGHTS_TOKEN}"}
    parameters:
      type: object
      properties: {room: {type: string}, on: {type: boolean}}
      required: [room, on]
mcp:
  - name: files
    command: [server-of-files, --root, /tmp]
    policy: allow
    tools: {read: {}, write: {policy: confirm}}
  - {name: web, url: "http://127.0.0.1:9/mcp"}
python:
  - {name: calendar, policy: deny}
"""
GOOD_TOML = """\
[[http]]
name = "time"
description = "What time it is."
url = "http://127.0.0.1:9/time"
policy = "allow"

[[mcp]]
name = "files"
command = ["server-of-files"]
[mcp.tools.read]
policy = "allow"
"""


def load(tmp_path: Path, text: str, name: str = "tools.yaml", **env: str) -> object:
    path = tmp_path / name
    path.write_text(text)
    return tool_file.load(path, {"LIGHTS_TOKEN": "s3cret", **env})


def problem_of(tmp_path: Path, text: str, name: str = "tools.yaml") -> str:
    with pytest.raises(StartError) as bad:
        load(tmp_path, text, name)
    return str(bad.value).replace(f"{tmp_path}/", "")


def test_both_formats_are_read(tmp_path: Path) -> None:
    config = tool_file.ToolsConfig.model_validate(load(tmp_path, GOOD_YAML))
    assert [t.name for t in config.http] == ["set_light"]
    assert config.http[0].policy == "confirm", "what may change things is not allowed"
    assert config.mcp[0].tools["write"].policy == "confirm"

    config = tool_file.ToolsConfig.model_validate(
        load(tmp_path, GOOD_TOML, "tools.toml")
    )
    assert config.http[0].policy == "allow"
    assert config.mcp[0].tools["read"].policy == "allow"


def test_a_schema_is_what_was_written(tmp_path: Path) -> None:
    """YAML 1.1 reads `on` and `2024-01-01` as something that is no JSON."""
    text = """\
http:
  - name: set_light
    description: Switch a light.
    url: "http://127.0.0.1:9/lights"
    parameters:
      type: object
      properties: {on: {type: boolean, default: true}, day: {enum: [2024-01-01, no]}}
      required: [on]
"""
    config = load(tmp_path, text)
    assert isinstance(config, ToolsConfig)

    assert config.http[0].parameters == {
        "type": "object",
        "properties": {
            "on": {"type": "boolean", "default": True},
            "day": {"enum": ["2024-01-01", "no"]},
        },
        "required": ["on"],
    }


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (
            "tools.yaml",
            "http:\n  - {name: t, description: d, url: 'http://h/', parameters: "
            "{type: object, properties: {x: {type: number, maximum: .inf}}}}\n",
        ),
        (
            "tools.toml",
            '[[http]]\nname = "t"\ndescription = "d"\nurl = "http://h/"\n'
            '[http.parameters]\ntype = "object"\ndefault = 2024-01-01\n',
        ),
    ],
)
def test_a_schema_that_is_no_json_stops_the_start(
    tmp_path: Path, name: str, text: str
) -> None:
    """Else no session could be opened at all, and nobody would know why."""
    assert "http.0.parameters: is no JSON" in problem_of(tmp_path, text, name)


def test_an_empty_file_is_no_tools(tmp_path: Path) -> None:
    assert load(tmp_path, "") == tool_file.ToolsConfig()


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (
            "method: POST",
            "method: SHOUT",
            "tools.yaml:4: http.0.method: Input should be 'GET', 'POST', 'PUT', "
            "'PATCH' or 'DELETE'",
        ),
        (
            "    method: POST",
            "    metod: POST",
            "tools.yaml:4: http.0.metod: Extra inputs are not permitted",
        ),
        (
            "/lights/{room}",
            "/lights/{rom}",
            "tools.yaml:2: http.0: url: {rom} is not among the parameters",
        ),
        (
            "http://127.0.0.1:9/lights",
            "http://{room}/lights",
            "tools.yaml:5: http.0.url: an argument must not choose the host",
        ),
        (
            "LIGHTS_TOKEN",
            "NO_TOKEN",
            "tools.yaml:6: http.0.headers.Authorization: the variable NO_TOKEN is not "
            "set",
        ),
        (
            "type: object\n",
            "type: array\n",
            'tools.yaml:7: http.0.parameters: must be a JSON Schema of type "object"',
        ),
        (
            "    command: [server-of-files, --root, /tmp]\n",
            "",
            "tools.yaml:12: mcp.0: needs either a command or a url",
        ),
        (
            "write: {policy: confirm}",
            "write: {policy: perhaps}",
            "tools.yaml:15: mcp.0.tools.write.policy: Input should be 'allow', "
            "'confirm' or 'deny'",
        ),
        ("name: web", "name: files", "tools.yaml:1: file: the name 'files' is used"),
        ("name: set_light", "name: 'set light'", "tools.yaml:2: http.0.name: String"),
        ("http:\n", "http: [\n", "tools.yaml:2: not valid YAML"),
    ],
)
def test_every_problem_names_its_line(
    tmp_path: Path, old: str, new: str, problem: str
) -> None:
    assert old in GOOD_YAML

    found = problem_of(tmp_path, GOOD_YAML.replace(old, new, 1))

    assert found.startswith(problem), found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ('"allow"\n\n', '"perhaps"\n\n', "tools.toml:5: http.0.policy: Input should"),
        (
            '[mcp.tools.read]\npolicy = "allow"',
            "[mcp.tools.read]\nx = 1",
            "tools.toml:11",
        ),
        ("[[mcp]]", "[[mcp]", "tools.toml:7: not valid TOML"),
    ],
)
def test_toml_has_lines_too(tmp_path: Path, old: str, new: str, problem: str) -> None:
    found = problem_of(tmp_path, GOOD_TOML.replace(old, new, 1), "tools.toml")

    assert found.startswith(problem), found


def test_all_problems_are_told_at_once_and_no_value_is_repeated(tmp_path: Path) -> None:
    text = GOOD_YAML.replace("method: POST", "method: hunter2").replace(
        "policy: allow", "policy: hunter2"
    )

    found = problem_of(tmp_path, text)

    assert len(found.splitlines()) == 2
    assert "hunter2" not in found


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="cannot be read"):
        tool_file.load(tmp_path / "none.yaml")


# --- entry points


async def _run(*_: object) -> str:
    return "ok"


ONE = Tool("one", "", _run)


def two() -> list[Tool]:
    return [Tool("two", "", _run, policy="allow"), ONE]


def broken() -> Tool:
    raise RuntimeError("no network")


NOT_A_TOOL = [1, 2]
NO_JSON = Tool("odd", "", _run, {"type": "object", "maxProperties": float("inf")})
"""No session with it in its configuration would be taken."""


def installed(*names: str) -> list[EntryPoint]:
    # By path: this module has no importable name under --import-mode=importlib.
    return [_Here(name, f"here:{name}", "voicebridge.tools") for name in names]


class _Here(EntryPoint):
    def load(self) -> object:
        return globals()[self.name]


def test_entry_points_give_tools_lists_and_functions() -> None:
    tools = load_python_tools(
        [PythonToolConfig(name="two"), PythonToolConfig(name="ONE", policy="deny")],
        installed("two", "ONE", "broken"),
    )

    assert [(t.name, t.policy) for t in tools] == [
        ("two", "allow"),
        ("one", "confirm"),
        ("one", "deny"),
    ]


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("nothing", "not installed; installed: NOT_A_TOOL, NO_JSON, broken"),
        ("broken", "no network"),
        ("NOT_A_TOOL", "is not a Tool"),
        ("NO_JSON", "parameters of 'odd' are no JSON"),
    ],
)
def test_an_entry_point_that_cannot_be_used_stops_the_start(
    name: str, problem: str
) -> None:
    with pytest.raises(StartError, match=problem):
        load_python_tools(
            [PythonToolConfig(name=name)],
            installed("broken", "NOT_A_TOOL", "NO_JSON"),
        )


def test_what_is_installed_is_not_used_unasked() -> None:
    assert load_python_tools([], installed("broken")) == []
