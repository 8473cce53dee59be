"""The ruler against lines whose delays and faults are known, over real aiortc peers.

Every line is called on a clock that jumps (`tests.support.wire_time`): the machine may
be as busy as it likes, and what is read in milliseconds is the ruler's own doing. Only
the track leg, whose decoder is a thread, is called in real time.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import json
import re

import pytest

from reports import page
from reports.calls import Circumstances, lines_at_load, run_of_calls
from reports.machine import this_machine
from simulator.__main__ import main
from simulator.bridge_api import CallFailedError
from simulator.peer import Leg
from simulator.run import RunPlan, RunResult, run
from simulator.scenario import conversation, tones
from simulator.speech import tone
from tests.support.echo_bridge import EchoBridge, Line
from tests.support.wire_time import run_on_wire_time

SECONDS = 7.0
ATTEMPTS = 2
"""In real time: called again if the machine disturbed it."""
LINES: dict[str, Line] = {
    "plain": Line(),
    "uplink +10": Line(uplink_ms=15),
    "downlink +10": Line(downlink_ms=15),
    "stall 100": Line(stall_ms=100),
    "blank 100": Line(blank_ms=100),
    "quiet": Line(uplink_gain=0.5, downlink_gain=0.5),
    "uplink muted": Line(uplink_muted=True),
    "downlink muted": Line(downlink_muted=True),
    "half speed": Line(is_half_speed=True),
    "silent model": Line(silent_model=True),
    "dies": Line(dies_after_s=1.0),
    "no fake": Line(has_fake=False),
    "tone": Line(),
    "tone answer": Line(),
}


async def call(
    name: str, line: Line, *, leg: Leg = "datachannel", seconds: float = SECONDS
) -> RunResult:
    answer = tone(330, 1.5, dbfs=-18) if name == "tone answer" else None
    async with EchoBridge(line, answer).running() as bridge:
        plan = RunPlan(
            bridge.url,
            sessions=1,
            seconds=seconds,
            scenario=lambda _: (
                tones("tone:440:2:-12")
                if name == "tone"
                else conversation(["like:1:1.5"])
            ),
            leg=leg,
            detail=True,
        )
        return await run(plan, lambda line: None)


@functools.cache
def called(name: str) -> RunResult:
    """The call over a line; each is called once."""
    return run_on_wire_time(call(name, LINES[name]))


def p50(result: RunResult, figure: str) -> float:
    value = result.summary[figure]["p50"]
    assert value is not None, f"{figure} was not measured: {result.summary[figure]}"
    return float(value)


def test_a_plain_line_is_good_and_measured_as_it_is() -> None:
    plain = called("plain")

    assert plain.is_good
    assert p50(plain, "mouth_to_model_ms") == pytest.approx(5, abs=0.5)
    assert p50(plain, "gaps_ms") == 0
    assert plain.calls[0].measures.uplink[0].confidence > 0.99


def test_ten_more_milliseconds_up_are_measured_as_ten() -> None:
    added_ms = p50(called("uplink +10"), "mouth_to_model_ms") - p50(
        called("plain"), "mouth_to_model_ms"
    )

    assert added_ms == pytest.approx(10, abs=0.5)


def test_ten_more_milliseconds_down_are_measured_as_ten() -> None:
    """Before the playout buffer, which rounds to its own frames and quanta."""
    added_ms = p50(called("downlink +10"), "model_to_client_ms") - p50(
        called("plain"), "model_to_client_ms"
    )

    assert added_ms == pytest.approx(10, abs=0.5)


def test_a_stall_of_100_ms_is_found() -> None:
    assert p50(called("stall 100"), "gaps_ms") == pytest.approx(100, abs=3)


def test_100_ms_of_silence_in_an_answer_are_found() -> None:
    """Of them some fall into the answer's own pauses, which nobody misses."""
    assert p50(called("blank 100"), "gaps_ms") == pytest.approx(80, abs=20)


def test_half_the_amplitude_reads_six_decibels_less_both_ways() -> None:
    line = called("quiet").calls[0].to_json()

    assert line["uplink_gain_db"]["p50"] == pytest.approx(-6.02, abs=0.2)
    assert line["downlink_gain_db"]["p50"] == pytest.approx(-6.02, abs=0.5)


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ("uplink muted", "uplink muted: silence instead of"),
        ("downlink muted", "downlink muted: silence instead of"),
        ("half speed", "downlink runs at half speed"),
    ],
)
def test_what_is_wrong_with_a_line_is_named_in_the_report(
    line: str, named: str
) -> None:
    assert named in reported(called(line))


@pytest.mark.parametrize("leg", ["uplink", "downlink"])
def test_a_line_6_db_too_quiet_is_named_in_the_report(leg: str) -> None:
    assert f"{leg} 6.0 dB too quiet" in reported(called("quiet"))


def test_a_gap_of_100_ms_is_named_in_the_report() -> None:
    html = reported(called("stall 100"))

    (size_ms,) = set(re.findall(r"downlink gap of (\d+) ms", html))
    assert int(size_ms) == pytest.approx(100, abs=5)


def reported(result: RunResult) -> str:
    """The page of a run, as `simulate --report` has it drawn."""
    lines = [call.to_json() | call.detail() for call in result.calls]
    about = Circumstances(
        kind="simulate",
        title="A known line",
        command="",
        started_at="2026-11-20T15:00:00+00:00",
        machine=this_machine(),
    )
    load = lines_at_load([*lines, {"summary": result.summary}])
    return page.render(run_of_calls([load], about))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("uplink muted", "the model did not hear"),
        ("downlink muted", "answers did not reach the ear"),
        ("silent model", "nothing was heard"),
        ("dies", "the peer connection is closed"),
    ],
)
def test_a_call_without_its_audio_is_a_failed_call(line: str, reason: str) -> None:
    result = called(line)

    assert not result.is_good
    assert result.summary["failed"] == 1
    assert any(reason in text for text in result.calls[0].failures)


def test_without_a_fake_only_the_ears_figures_are_there() -> None:
    figures = called("no fake").summary

    assert called("no fake").is_good
    assert figures["mouth_to_model_ms"]["p50"] is None
    assert "no fake to ask" in figures["mouth_to_model_ms"]["reason"]
    assert figures["response_latency_ms"]["n"] == 1


def test_the_track_leg_is_measured_through_its_codec() -> None:
    """aiortc's receivers hold 80 ms at both ends; the codec and filters 8 ms."""
    gc.collect()
    gc.freeze()  # as the command does: a full collection stands still for 100 ms
    for _ in range(ATTEMPTS):
        track = asyncio.run(call("track", Line(), leg="track", seconds=6.0))
        if track.summary["reliable"]:
            break
    gc.unfreeze()
    # What a busy machine adds, it only adds.
    assert p50(track, "mouth_to_model_ms") > 70
    if track.summary["reliable"]:
        assert p50(track, "mouth_to_model_ms") < 120
        assert track.calls[0].measures.uplink[0].confidence > 0.8
        assert p50(track, "uplink_gaps_ms") <= 20


def test_a_tone_arrives_with_its_pitch_length_and_level() -> None:
    (read,) = called("tone").calls[0].to_json()["tones"]

    assert read["at_model"]["hz"] == pytest.approx(440, abs=0.5)
    assert read["at_model"]["seconds"] == pytest.approx(2, rel=0.02)
    assert read["at_model"]["dbfs"] == pytest.approx(-12, abs=0.2)


def test_a_tone_in_an_answer_is_read_at_the_ear() -> None:
    (read,) = called("tone answer").calls[0].to_json()["answer_tones"]

    assert read["at_ear"]["hz"] == pytest.approx(330, abs=0.5)
    assert read["at_ear"]["seconds"] == pytest.approx(1.5, rel=0.02)
    assert read["at_ear"]["dbfs"] == pytest.approx(-18, abs=0.2)


def test_the_steps_of_connecting_add_up() -> None:
    line = called("plain").calls[0].to_json()

    steps = line["connect_steps_ms"]
    assert list(steps) == ["session", "gather", "sdp", "ice_dtls_sctp", "hello"]
    assert sum(steps.values()) == pytest.approx(line["connect_ms"], abs=0.5)


def test_many_calls_in_one_process_leave_nothing_behind() -> None:
    async def many() -> tuple[RunResult, set[asyncio.Task[object]]]:
        before = asyncio.all_tasks()
        async with EchoBridge(Line()).running() as bridge:
            plan = RunPlan(
                *(bridge.url, 6, 3.0, lambda _: conversation(["like:3:0.8"])),
                stagger_s=0.03,
            )
            result = await run(plan, lambda line: None)
        return result, asyncio.all_tasks() - before

    result, left = run_on_wire_time(many())

    assert result.is_good
    assert len({c.call.tag for c in result.calls}) == 6
    assert left == set()


async def test_no_bridge_at_the_address_is_said_in_words() -> None:
    plan = RunPlan("http://127.0.0.1:9", 1, 1.0, lambda _: conversation(["like:1"]))

    with pytest.raises(CallFailedError, match="GET /healthz"):
        await run(plan, lambda line: None)


def test_the_command_exits_with_2_when_there_is_no_bridge(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--url", "http://127.0.0.1:9", "--speak", "tone:440"]) == 2
    assert "healthz" in capsys.readouterr().err


def test_a_sound_nobody_prepared_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--speak", "no_such_sentence"]) == 2
    assert "no_such_sentence" in capsys.readouterr().err


def test_lines_of_a_run_are_json() -> None:
    for name in LINES:
        json.dumps(called(name).summary, allow_nan=False)
