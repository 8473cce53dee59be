"""Three hours in one call: every hour its model session is replaced in time.

The hours are short ones: the fake's sessions live for seconds, so that the policy's
times shrink with them; audio, lines and tools around each switch are real.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.server.conftest import (
    FakeModel,
    eventually,
    read_wav,
    running_bridge,
    settings_for,
)
from tests.integration.server.test_recovery import answer_to, calls, items, received
from tests.support.browser import FRAME_SAMPLES, browser
from tests.support.runner import Connection, a_whole_run, scripted_runner

N_HANDOVERS = int(os.environ.get("HANDOVERS", "2"))
"""HANDOVERS=4 is three hours and more of one-hour sessions."""
LIFETIME_S = 8.0
QUIET_LEVEL = 60
"""Peak of the counted frames: far below what turn detection or our gate calls loud."""

# The result's rule comes first: to a session that was just told everything, the old
# question is as new as the result.
SHORT_HOUR = f"""
scenario: 1
service: {{lifetime_s: {LIFETIME_S}}}
rules:
  - on: {{tool_result: send_to_nested}}
    say: "Done."
  - on: {{text: list the files}}
    call: {{name: send_to_nested, arguments: {{text: list the files}}}}
  - on: any
    say: "Yes."
"""


@pytest.fixture
def short_lived(tmp_path: Path) -> Iterator[FakeModel]:
    """A fake whose sessions live for seconds."""
    path = tmp_path / "short-hour.yaml"
    path.write_text(SHORT_HOUR)
    model = FakeModel("--scenario", str(path))
    yield model
    model.close()


def numbered(n: int) -> np.ndarray:
    """A quiet frame that carries its own number, in base QUIET_LEVEL."""
    frame = np.zeros(FRAME_SAMPLES, np.int16)
    frame[0], frame[1] = 1 + n % QUIET_LEVEL, 1 + n // QUIET_LEVEL
    frame[2:] = 1 + (n % 7)
    return frame


def numbers_in(pcm: np.ndarray) -> list[int]:
    """The numbers of the frames that came, in order; silence in between is skipped."""
    frames = pcm[: pcm.size // FRAME_SAMPLES * FRAME_SAMPLES].reshape(-1, FRAME_SAMPLES)
    return [
        int(f[0]) - 1 + (int(f[1]) - 1) * QUIET_LEVEL for f in frames if f[0] and f[1]
    ]


async def heard_by(fake: FakeModel, call: dict[str, Any]) -> list[int]:
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    return numbers_in(read_wav(wav.content))


async def test_every_hand_over_loses_no_frame_no_result_and_no_word(
    short_lived: FakeModel,
) -> None:
    """Numbered frames over a WebSocket, where every sample can be told."""
    go = asyncio.Event()

    async def late(connection: Connection, command: dict[str, Any]) -> None:
        await go.wait()
        await a_whole_run(connection, command)

    tag = "tag-three-hours"
    said: list[tuple[str, str]] = []
    known: list[tuple[str, str]] = []
    """What had been said before the last hand-over."""
    async with scripted_runner(late) as runner:
        settings = settings_for(
            short_lived.url,
            model_transport="websocket",
            nested_runner_url=runner.url,
            run_background_after_s=600,
        )
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open(system_prompt=tag)
            async with browser(bridge.http, session_id) as client:
                speaking = asyncio.create_task(count(client))
                for n in range(N_HANDOVERS):
                    if n == 1:  # a tool runs across this hand-over
                        client.send(type="text", text="Please list the files.")
                        said.append(("user", "Please list the files."))
                        await client.message("tool", lambda m: m["status"] == "started")
                    else:
                        text = f"This is number {n}."
                        said.append(("user", text))
                        said.append(("assistant", await answer_to(client, text)))
                    known = list(said)
                    await eventually(
                        lambda n=n: has_handed_over(client, n + 1),
                        timeout_s=3 * LIFETIME_S,
                    )
                    if n == 1:
                        go.set()
                        await client.message(
                            "tool", lambda m: m["status"] == "finished"
                        )
                        done = await client.message(
                            "transcript", lambda m: m["text"] == "Done." and m["final"]
                        )
                        said.append(("assistant", done["text"]))
                speaking.cancel()
                await asyncio.gather(speaking, return_exceptions=True)
                kinds = [m["type"] for m in client.messages]
                states = [m["state"] for m in client.messages if m["type"] == "session"]
            sessions = await calls(short_lived, tag)
            heard = [await heard_by(short_lived, call) for call in sessions]
            told = [await items(short_lived, call) for call in sessions]
            asked = [await received(short_lived, call) for call in sessions]

    assert len(sessions) >= N_HANDOVERS + 1
    assert "ended" not in kinds
    assert states[: 2 * N_HANDOVERS] == ["handing_over", "live"] * N_HANDOVERS
    for before, after in itertools.pairwise(heard):
        if not before or not after:
            continue
        assert not set(before) & set(after)  # none doubled
        assert 0 <= after[0] - before[-1] - 1 < 1  # and none lost
    outputs = [
        i["call_id"]
        for session in told
        for i in session
        if i["type"] == "function_call_output"
    ]
    delivered = [
        [i["call_id"] for i in session if i["type"] == "function_call_output"]
        for session in told
    ]
    assert len(set(outputs)) == 1
    assert all(len(ids) <= 1 for ids in delivered)  # once in each session that knows it
    assert delivered[0] == delivered[1] == []
    final = [
        (i["role"], i["content"][0]["text"])
        for i in told[N_HANDOVERS]
        if i["type"] == "message"
    ]
    assert final[: len(known)] == known  # context complete, in order
    n_answers = sum(
        e["type"] == "response.create" for session in asked for e in session
    )
    assert n_answers == N_HANDOVERS + 1  # one per text, one for the result


def has_handed_over(client: Any, n_times: int) -> bool:
    live = [m for m in client.messages if m["type"] == "session"]
    return sum(m["state"] == "live" for m in live) >= n_times


async def count(client: Any) -> None:
    """Send numbered frames in real time, until cancelled."""
    loop = asyncio.get_running_loop()
    start_s, n = loop.time(), 0
    while True:
        client.audio.send(numbered(n).tobytes())
        n += 1
        await asyncio.sleep(max(0.0, start_s + n * 0.02 - loop.time()))


def test_numbers_survive_the_wire() -> None:
    frames = [numbered(n) for n in (0, 1, 59, 60, 3_000)]
    data = base64.b64encode(np.concatenate(frames).tobytes())

    pcm = np.frombuffer(base64.b64decode(data), "<i2")

    assert numbers_in(pcm) == [0, 1, 59, 60, 3_000]
