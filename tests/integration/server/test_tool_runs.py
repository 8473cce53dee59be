"""Long runs, confirmations, typed text and further tools, through a whole bridge."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from server.tools import kit
from tests.integration.server.conftest import (
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.integration.server.test_recovery import break_off
from tests.integration.server.test_workers import all_up
from tests.support import claude_stand_in, mcp_stand_in
from tests.support.browser import browser
from tests.support.runner import Connection, a_whole_run, scripted_runner

ASK_TEAM = "Ask the team to list the files."
ASK_CLAUDE = "Ask Claude Code to work on the button."


async def sent_items(fake: FakeModel, tag: str) -> list[dict[str, Any]]:
    """What the bridge put into the model's conversation, oldest first."""
    sent = await fake.events(tag, "in")
    return [e["item"] for e in sent if e["type"] == "conversation.item.create"]


async def n_requests(fake: FakeModel, tag: str) -> int:
    sent = await fake.events(tag, "in")
    return [e["type"] for e in sent].count("response.create")


async def errors(fake: FakeModel, tag: str) -> list[dict[str, Any]]:
    return [e for e in await fake.events(tag, "out") if e["type"] == "error"]


def notes(items: list[dict[str, Any]]) -> list[str]:
    return [i["content"][0]["text"] for i in items if i.get("role") == "system"]


async def test_a_long_run_is_narrated_and_its_end_told_exactly_once(
    fake: FakeModel,
) -> None:
    go_on = asyncio.Event()

    async def slow_run(c: Connection, command: dict[str, Any]) -> None:
        if command["type"] != "user_message":
            return
        await c.event("system", message="Initiating agent run with task: x…")
        call = {"id": "1", "name": "web_search", "arguments": "{}"}
        await c.event("toolcallrequestevent", source="Researcher", content=[call])
        done = {"call_id": "1", "name": "web_search", "content": "r" * 900}
        await c.event("toolcallexecutionevent", source="Researcher", content=[done])
        await go_on.wait()
        await c.event("textmessage", source="Researcher", content="Rain in Oslo.")
        await c.event("taskresult", messages=[], stop_reason="done")
        await c.event("system", message="Agent run finished.")

    async with scripted_runner(slow_run) as runner:
        settings = settings_for(
            fake.url,
            nested_runner_url=runner.url,
            run_background_after_s=0.4,
            run_narration_interval_s=0.2,
            run_update_after_s=0,
        )
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open(system_prompt="tag-long-run")
            async with browser(bridge.http, session_id) as client:
                client.send(type="text", text=ASK_TEAM)
                progress = await client.message(
                    "tool",
                    lambda m: "background" in m.get("detail", ""),
                )
                assert progress["status"] == "progress"
                await client.message(
                    "transcript", lambda m: "background" in m["text"] and m["final"]
                )
                # The conversation goes on while the run does.
                client.send(type="text", text="What time is it?")
                await client.message(
                    "transcript", lambda m: m["role"] == "assistant" and m["final"]
                )
                go_on.set()
                end = await client.message("tool", lambda m: m["status"] == "finished")
                await client.message(
                    "transcript",
                    lambda m: m["role"] == "assistant" and "Rain" in m["text"],
                )
            items = await sent_items(fake, "tag-long-run")
            asked = await n_requests(fake, "tag-long-run")
            refused = await errors(fake, "tag-long-run")

    assert end["detail"] == "Rain in Oslo."
    outputs = [json.loads(i["output"]) for i in items if "output" in i]
    assert [o["status"] for o in outputs] == ["running"]
    told = notes(items)
    assert told[0].splitlines() == [
        "[RUN_PROGRESS] send_to_nested, run 1",
        "Researcher uses web_search",
        "web_search returned: " + "r" * 199 + "…",
    ]
    assert told[-1] == "[RUN_FINISHED] send_to_nested, run 1: Rain in Oslo."
    assert len([t for t in told if t.startswith("[RUN_FINISHED]")]) == 1
    # The wish, "it goes on", the other question, the end: one each, none refused.
    assert asked == 4
    assert refused == []


async def test_claude_code_runs_as_a_child_process_after_a_yes(
    fake: FakeModel, tmp_path: Path
) -> None:
    settings = settings_for(
        fake.url,
        claude_command=f"{sys.executable} {claude_stand_in.__file__}",
        claude_working_dir=tmp_path,
    )
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open(system_prompt="tag-claude")
        async with browser(bridge.http, session_id, name="Ann") as client:
            client.send(type="text", text=ASK_CLAUDE)
            asked = await client.message(
                "tool", lambda m: m["status"] == "awaiting_confirmation"
            )
            assert asked["name"] == "send_to_claude_code"
            assert json.loads(asked["arguments"])["text"].startswith("work")
            assert asked["expires_s"] == 60
            client.send(type="confirm", call_id=asked["call_id"], approve=True)
            approved = await client.message(
                "tool", lambda m: m.get("detail", "").startswith("Approved")
            )
            assert approved["detail"] == "Approved by Ann."
            await client.message("tool", lambda m: m["status"] == "finished")
        items = await sent_items(fake, "tag-claude")

    (output,) = [json.loads(i["output"]) for i in items if "output" in i]
    assert output["success"]
    assert output["result"].startswith("Done: work")
    assert notes(items)[0].startswith("[CONFIRMATION_NEEDED] send_to_claude_code")


async def test_a_no_over_rest_is_told_the_model(fake: FakeModel) -> None:
    settings = settings_for(fake.url, tool_policies="send_to_nested=confirm")
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open(system_prompt="tag-no")
        async with browser(bridge.http, session_id) as client:
            client.send(type="text", text=ASK_TEAM)
            asked = await client.message(
                "tool", lambda m: m["status"] == "awaiting_confirmation"
            )
            url = f"/api/realtime/session/{session_id}/tools/{asked['call_id']}"
            answer = await bridge.http.post(url, json={"approve": False})
            assert answer.status_code < 300, answer.text
            await client.message("tool", lambda m: m["status"] == "denied")
            late = await bridge.http.post(url, json={"approve": True})
            assert late.status_code == 404
            assert late.json()["error"]["code"] == "tool_call_not_found"
        items = await sent_items(fake, "tag-no")

    (output,) = [json.loads(i["output"]) for i in items if "output" in i]
    assert output["denied"] is True


@pytest.mark.parametrize(("way", "workers"), [("control", 1), ("rest", 0)])
async def test_typed_text_reaches_the_team_and_its_answer_is_spoken(
    fake: FakeModel, way: str, workers: int
) -> None:
    """Also with the media in a process of its own."""
    tag = f"tag-typed-{way}"
    async with scripted_runner(a_whole_run) as runner:
        settings = settings_for(fake.url, nested_runner_url=runner.url, workers=workers)
        async with running_bridge(settings) as bridge:
            await eventually(lambda: all_up(bridge))
            session_id = await bridge.open(system_prompt=tag)
            async with browser(bridge.http, session_id) as client:
                if way == "control":
                    client.send(type="text", text="list the folders", target="team")
                else:
                    answer = await bridge.http.post(
                        f"/api/realtime/session/{session_id}/text",
                        json={"text": "list the folders", "target": "team"},
                    )
                    assert answer.status_code < 300, answer.text
                await client.message("tool", lambda m: m["status"] == "finished")
                await client.message(
                    "transcript",
                    lambda m: m["role"] == "assistant" and "Four" in m["text"],
                )
            items = await sent_items(fake, tag)
            asked = await n_requests(fake, tag)

    assert runner.commands[0]["data"] == "list the folders"
    assert notes(items) == [
        "[TYPED] send_to_nested, run 1: list the folders",
        "[RUN_FINISHED] send_to_nested, run 1: Four folders.",
    ]
    assert asked == 1


async def test_the_model_is_offered_the_tools_of_the_file(
    fake: FakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kit, "LISTING_PATIENCE_S", 30)
    tools = tmp_path / "tools.yaml"
    command = json.dumps([sys.executable, mcp_stand_in.__file__, "good"])
    tools.write_text(
        "http:\n"
        "  - {name: time, description: The time., url: 'http://127.0.0.1:9/'}\n"
        "  - {name: pause, description: A thief., url: 'http://127.0.0.1:9/'}\n"
        f"mcp:\n  - {{name: files, command: {command}}}\n"
    )
    settings = settings_for(fake.url, tools_file=tools, tool_policies="time=deny")
    async with running_bridge(settings) as bridge:
        await bridge.open(system_prompt="tag-tools-file")
        sent = await fake.events("tag-tools-file", "in")

    (update,) = [e["session"] for e in sent if e["type"] == "session.update"]
    offered = {tool["name"]: tool["description"] for tool in update["tools"]}
    assert "files_echo" in offered
    assert "time" not in offered, "denied"
    assert offered["pause"] != "A thief."
    assert "[RUN_FINISHED]" in update["instructions"]


async def test_a_result_that_comes_while_the_model_is_away_is_told_once(
    fake: FakeModel,
) -> None:
    """Run in the background; the model session breaks; the run ends; it comes back."""
    go_on = asyncio.Event()

    async def slow_run(c: Connection, command: dict[str, Any]) -> None:
        if command["type"] == "user_message":
            await go_on.wait()
            await a_whole_run(c, command)

    async with scripted_runner(slow_run) as runner:
        settings = settings_for(
            fake.url, nested_runner_url=runner.url, run_background_after_s=0.2
        )
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open(system_prompt="tag-away")
            async with browser(bridge.http, session_id) as client:
                client.send(type="text", text=ASK_TEAM)
                await client.message(
                    "tool", lambda m: "background" in m.get("detail", "")
                )
                call = await fake.call("tag-away")
                await break_off(fake, "tag-away")
                await client.message("session", lambda m: m["state"] == "recovering")
                go_on.set()
                await client.message("tool", lambda m: m["status"] == "finished")
                await client.message(
                    "transcript",
                    lambda m: m["role"] == "assistant" and "Four" in m["text"],
                    timeout_s=30,
                )
            second = await fake.call("tag-away")
            items = await sent_items(fake, "tag-away")
            refused = await errors(fake, "tag-away")

    assert second["call_id"] != call["call_id"]
    ends = [t for t in notes(items) if t.startswith("[RUN_FINISHED]")]
    assert ends == ["[RUN_FINISHED] send_to_nested, run 1: Four folders."]
    outputs = [json.loads(i["output"]) for i in items if "output" in i]
    assert [o["status"] for o in outputs] == ["running"]
    assert refused == []


async def test_the_end_of_a_session_ends_the_child_process(
    fake: FakeModel, tmp_path: Path
) -> None:
    import psutil

    settings = settings_for(
        fake.url,
        claude_command=f"{sys.executable} {claude_stand_in.__file__}",
        claude_working_dir=tmp_path,
        tool_policies="send_to_claude_code=allow",
    )

    def working() -> int:
        children = psutil.Process().children(recursive=True)
        return sum("claude_stand_in" in " ".join(_cmdline(c)) for c in children)

    async with running_bridge(settings) as bridge:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id) as client:
            client.send(type="text", text="Ask Claude Code to hang around.")
            await client.message("tool", lambda m: m["status"] == "progress")
            assert working() == 1
            await bridge.http.delete(f"/api/realtime/session/{session_id}")
        await eventually(lambda: working() == 0)


def _cmdline(process: Any) -> list[str]:
    import psutil

    try:
        return list(process.cmdline())
    except psutil.Error:
        return []
