"""The ruler against lines whose delays and faults are known, over real aiortc peers.

Lines are called at the same time, each by its own run, so that the module costs the
time of a few calls. Those read in milliseconds are called apart from the others.
"""

from __future__ import annotations

import asyncio
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

SECONDS = 8.0
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
    "track": Line(),
    "tone": Line(),
    "tone answer": Line(),
}
Results = dict[str, RunResult]


async def call(name: str, line: Line) -> RunResult:
    leg: Leg = "track" if name == "track" else "datachannel"
    answer = tone(330, 1.5, dbfs=-18) if name == "tone answer" else None
    async with EchoBridge(line, answer).running() as bridge:
        plan = RunPlan(
            bridge.url,
            sessions=1,
            seconds=SECONDS,
            scenario=lambda _: (
                tones("tone:440:2:-12")
                if name == "tone"
                else conversation(["like:1:1.5"])
            ),
            leg=leg,
            detail=True,
        )
        return await run(plan, lambda line: None)


ATTEMPTS = 2


TIMED = [
    "plain",
    "uplink +10",
    "downlink +10",
    "stall 100",
    "blank 100",
    "track",
    "tone answer",
]
"""Read in milliseconds: called together, and again if the machine disturbed them."""


async def call_all(lines: dict[str, Line]) -> Results:
    async with asyncio.TaskGroup() as group:
        tasks = {
            name: group.create_task(call(name, line)) for name, line in lines.items()
        }
    return {name: task.result() for name, task in tasks.items()}


@pytest.fixture(scope="module")
def results() -> Results:
    gc.collect()
    gc.freeze()  # as the command does: a full collection stands still for 100 ms
    timed = {name: LINES[name] for name in TIMED}
    done = asyncio.run(call_all({n: x for n, x in LINES.items() if n not in timed}))
    for _ in range(ATTEMPTS):
        if timed:
            done |= asyncio.run(call_all(timed))
        timed = {n: x for n, x in timed.items() if not done[n].summary["reliable"]}
    gc.unfreeze()
    return done


@pytest.fixture
def measured(results: Results) -> Results:
    """For figures in milliseconds: a result that doubts itself proves nothing."""
    doubtful = [name for name in TIMED if not results[name].summary["reliable"]]
    if doubtful:
        worst = results[doubtful[0]].summary["doubts"][0]
        pytest.skip(f"inconclusive, the machine was too busy: {worst}")
    return results


def p50(result: RunResult, figure: str) -> float:
    value = result.summary[figure]["p50"]
    assert value is not None, f"{figure} was not measured: {result.summary[figure]}"
    return float(value)


def test_a_plain_line_is_good_and_measured_as_it_is(measured: Results) -> None:
    plain = measured["plain"]

    assert plain.is_good
    assert p50(plain, "mouth_to_model_ms") == pytest.approx(5, abs=3)
    assert p50(plain, "gaps_ms") <= 5
    assert plain.calls[0].measures.uplink[0].confidence > 0.99


def test_ten_more_milliseconds_up_are_measured_as_ten(measured: Results) -> None:
    added_ms = p50(measured["uplink +10"], "mouth_to_model_ms") - p50(
        measured["plain"], "mouth_to_model_ms"
    )

    assert added_ms == pytest.approx(10, abs=2)


def test_ten_more_milliseconds_down_are_measured_as_ten(measured: Results) -> None:
    """Before the playout buffer, which rounds to its own frames and quanta."""
    added_ms = p50(measured["downlink +10"], "model_to_client_ms") - p50(
        measured["plain"], "model_to_client_ms"
    )

    assert added_ms == pytest.approx(10, abs=2)


def test_a_stall_of_100_ms_is_found(measured: Results) -> None:
    assert p50(measured["stall 100"], "gaps_ms") == pytest.approx(100, abs=15)


def test_100_ms_of_silence_in_an_answer_are_found(measured: Results) -> None:
    """Of them some fall into the answer's own pauses, which nobody misses."""
    assert 50 <= p50(measured["blank 100"], "gaps_ms") <= 110


def test_half_the_amplitude_reads_six_decibels_less_both_ways(
    results: Results,
) -> None:
    line = results["quiet"].calls[0].to_json()

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
    results: Results, line: str, named: str
) -> None:
    assert named in reported(results[line])


@pytest.mark.parametrize("leg", ["uplink", "downlink"])
def test_a_line_6_db_too_quiet_is_named_in_the_report(
    results: Results, leg: str
) -> None:
    assert f"{leg} 6.0 dB too quiet" in reported(results["quiet"])


def test_a_gap_of_100_ms_is_named_in_the_report(measured: Results) -> None:
    html = reported(measured["stall 100"])

    sizes_ms = [int(ms) for ms in re.findall(r"downlink gap of (\d+) ms", html)]
    assert any(85 <= ms <= 115 for ms in sizes_ms), sizes_ms


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
def test_a_call_without_its_audio_is_a_failed_call(
    results: Results, line: str, reason: str
) -> None:
    result = results[line]

    assert not result.is_good
    assert result.summary["failed"] == 1
    assert any(reason in text for text in result.calls[0].failures)


def test_without_a_fake_only_the_ears_figures_are_there(results: Results) -> None:
    figures = results["no fake"].summary

    assert results["no fake"].is_good
    assert figures["mouth_to_model_ms"]["p50"] is None
    assert "no fake to ask" in figures["mouth_to_model_ms"]["reason"]
    assert figures["response_latency_ms"]["n"] == 1


def test_the_track_leg_is_measured_through_its_codec(measured: Results) -> None:
    """aiortc's receivers hold 80 ms at both ends; the codec and filters 8 ms."""
    track = measured["track"]

    assert p50(track, "mouth_to_model_ms") == pytest.approx(95, abs=25)
    assert track.calls[0].measures.uplink[0].confidence > 0.8
    assert p50(track, "uplink_gaps_ms") <= 20


def test_a_tone_arrives_with_its_pitch_length_and_level(results: Results) -> None:
    (read,) = results["tone"].calls[0].to_json()["tones"]

    assert read["at_model"]["hz"] == pytest.approx(440, abs=0.5)
    assert read["at_model"]["seconds"] == pytest.approx(2, rel=0.02)
    assert read["at_model"]["dbfs"] == pytest.approx(-12, abs=0.2)


def test_a_tone_in_an_answer_is_read_at_the_ear(measured: Results) -> None:
    (read,) = measured["tone answer"].calls[0].to_json()["answer_tones"]

    assert read["at_ear"]["hz"] == pytest.approx(330, abs=0.5)
    assert read["at_ear"]["seconds"] == pytest.approx(1.5, rel=0.02)
    assert read["at_ear"]["dbfs"] == pytest.approx(-18, abs=0.2)


def test_the_steps_of_connecting_add_up(results: Results) -> None:
    line = results["plain"].calls[0].to_json()

    steps = line["connect_steps_ms"]
    assert list(steps) == ["session", "gather", "sdp", "ice_dtls_sctp", "hello"]
    assert sum(steps.values()) == pytest.approx(line["connect_ms"], abs=0.5)


async def test_many_calls_in_one_process_leave_nothing_behind() -> None:
    before = asyncio.all_tasks()
    async with EchoBridge(Line()).running() as bridge:
        plan = RunPlan(
            bridge.url, 6, 3.0, lambda _: conversation(["like:3:0.8"]), stagger_s=0.03
        )
        result = await run(plan, lambda line: None)

    assert result.is_good
    assert len({c.call.tag for c in result.calls}) == 6
    assert asyncio.all_tasks() == before


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


def test_lines_of_a_run_are_json(results: Results) -> None:
    for result in results.values():
        json.dumps(result.summary, allow_nan=False)
