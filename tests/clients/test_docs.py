"""docs/fake-openai.md cannot lie: its examples run, its tables are compared."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import shlex
import subprocess
import sys
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from playwright.async_api import Browser

from fake_openai import utterances
from fake_openai.__main__ import build_parser
from fake_openai.app import create_app, create_server
from fake_openai.faults import ACTIONS, Fault
from fake_openai.scenario import load_text, names
from fake_openai.scenario.models import Behaviour
from fake_openai.settings import FakeSettings
from fake_openai.threaded import ThreadedFake
from tests.clients.pages import serving
from tests.support.voice_page import PATIENCE_MS, FakeMicrophone, open_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs" / "fake-openai.md"
TEXT = DOCS.read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
ADDRESS = "http://127.0.0.1:8089"
RUN_TIMEOUT_S = 110
# Only this plugin: the entry point may not be installed here, others take seconds.
PLUGIN = ("-p", "fake_openai.pytest_plugin")
NO_OTHERS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


def block(name: str) -> str:
    """The block of code whose first line is its file's name in a comment."""
    (found,) = [b for _, b in BLOCKS if b.startswith((f"# {name}\n", f"<!-- {name} "))]
    return str(found)


def section(title: str) -> str:
    """From one heading of the second level to the next."""
    return TEXT.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def in_code(text: str) -> set[str]:
    return set(re.findall(r"`([^`\n]+)`", text))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A reader's folder: every named file of the page in it."""
    for file in ("weather.yaml", "talk.py", "test_my_app.py", "page.html"):
        (tmp_path / file).write_text(block(file), encoding="utf-8")
    return tmp_path


@contextmanager
def command_of_the_page(folder: Path) -> Iterator[str]:
    """The page's `voicebridge fake-openai … weather.yaml`, on a free port."""
    (line,) = [
        line
        for language, body in BLOCKS
        for line in body.splitlines()
        if language == "sh" and line.endswith("--scenario weather.yaml")
    ]
    program, *arguments = shlex.split(line)
    arguments[arguments.index("8089")] = "0"
    quick = ["--announce", "--exit-with-parent", "--no-free-speech"]
    with subprocess.Popen(
        [Path(sys.executable).with_name(program), *arguments, *quick],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield str(json.loads(process.stdout.readline())["url"])
        finally:
            process.stdin.close()  # its parent is gone: it ends


@pytest.mark.timeout(RUN_TIMEOUT_S + 10)
def test_the_python_example_prints_what_the_page_says(folder: Path) -> None:
    with command_of_the_page(folder) as url:
        run = subprocess.run(
            [sys.executable, "talk.py"],
            cwd=folder,
            env={**os.environ, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_API_KEY": "sk"},
            capture_output=True,
            text=True,
            timeout=RUN_TIMEOUT_S,
            check=False,
        )

    assert run.stderr == ""
    assert [body for language, body in BLOCKS if language == "text"] == [run.stdout]
    with wave.open(str(folder / "answer.wav")) as file:
        answer = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    assert np.abs(answer).max() > 2_000


@pytest.mark.browser
@pytest.mark.asyncio(loop_scope="session")
async def test_the_browser_example_holds_a_conversation(
    browser: Browser, microphone: FakeMicrophone, folder: Path
) -> None:
    microphone.say(1.5, utterances.load("weather_oslo").pcm, 20.0)
    with ThreadedFake(scenario=folder / "weather.yaml") as fake:
        page = folder / "page.html"
        page.write_text(page.read_text().replace(ADDRESS, fake.url))
        async with serving(folder) as url, open_page(browser, f"{url}/page.html") as it:
            await it.page.click("#talk")
            await it.page.wait_for_function(
                "document.querySelector('#log').textContent.includes('assistant:')",
                timeout=PATIENCE_MS,
            )
            log = await it.text("#log")
            assert await it.page.evaluate("speaker.srcObject.active")
            complaints = it.complaints
        fake.call.assert_no_errors()

    assert log.splitlines() == [
        "connected",
        "you: What is the weather in Oslo?",
        'tool: get_weather {"city": "Oslo"}',
        "assistant: It is 4 degrees and raining.",
    ]
    assert complaints == []


@pytest.mark.timeout(RUN_TIMEOUT_S + 10)
def test_the_pytest_example_passes(folder: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *PLUGIN, "--strict-markers", "."],
        cwd=folder,
        env={**os.environ, **NO_OTHERS, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=RUN_TIMEOUT_S,
        check=False,
    )

    assert "3 passed" in run.stdout, run.stdout + run.stderr


def test_snippets_of_python_run() -> None:
    snippets = [b for language, b in BLOCKS if language == "python" and b[0] != "#"]

    for snippet in snippets:
        exec(compile(snippet, "snippet", "exec"), {})

    assert len(snippets) == 1


@pytest.mark.parametrize("body", [b for language, b in BLOCKS if language == "yaml"])
def test_every_scenario_on_the_page_is_one(body: str) -> None:
    assert load_text(body).rules


async def test_every_endpoint_is_on_the_page_and_no_other() -> None:
    server = create_server(FakeSettings())
    try:
        served = {
            (route.method, route.resource.canonical)
            for route in create_app(server).router.routes()
            if route.method != "HEAD" and route.resource is not None
        }
    finally:
        await server.stop()

    told = re.findall(r"`(GET|POST|DELETE|WS) (/[^`?]+)[^`]*`", TEXT)

    assert {("GET" if m == "WS" else m, path) for m, path in told} == served


def test_every_fault_is_on_the_page_and_no_other() -> None:
    told: dict[str, set[str]] = {}
    for points, actions in re.findall(
        r"^\| (`.+`) \| (`.+`) \|$", section("Faults"), re.M
    ):
        told |= {point: in_code(actions) for point in in_code(points) - {"at"}}

    points = Fault.model_json_schema()["properties"]["at"]["enum"]
    known = {p: set(ACTIONS["http" if p[:5] == "http." else p]) for p in points}
    fields = set(Fault.model_fields) - {"at", "do"}
    assert told == known
    assert fields == set(" ".join(re.findall(r"How \w+: `(.+?)`", TEXT)).split())


def test_every_setting_and_option_is_on_the_page_and_no_other() -> None:
    code = in_code(section("Settings"))
    fields = {field.name for field in dataclasses.fields(FakeSettings)}
    options = {
        action.option_strings[0]
        for action in build_parser()._actions
        if action.dest != "help"
    }

    assert {word for word in code if word.startswith("--")} == options
    assert fields <= code


def test_every_open_question_is_on_the_page_with_its_values() -> None:
    part = section("Where the real service is unknown")
    switches = {c.removeprefix("service.") for c in in_code(part) if "service." in c}

    assert switches == set(Behaviour.model_fields)
    for switch in switches:
        schema = json.dumps(Behaviour.model_json_schema()["properties"][switch])
        values = re.search(rf"`service.{switch}` \| (.+) \|", part)
        for value in in_code(values[1]) - {"true", "false"} if values else ():
            assert f'"{value}"' in schema


def test_every_ready_made_scenario_is_on_the_page() -> None:
    (line,) = re.findall(r"^- Ready-made.*$", TEXT, re.MULTILINE)

    assert in_code(line) == set(names())


def test_every_link_of_the_page_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)]+)\)", TEXT)
    headings = re.findall(r"^#+ (.+)$", TEXT, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}

    for link in links:
        if link.startswith("#"):
            assert link[1:] in anchors
        else:
            assert (DOCS.parent / link).exists(), link
