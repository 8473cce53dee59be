"""The recogniser's child process: it answers, and its death hurts nobody."""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fake_openai import utterances
from fake_openai.speech.free_speech import free_speech_worker
from fake_openai.speech.worker import WorkerRecogniser

# It imports nothing of ours: where CPU is short, that alone takes seconds.
CHILD = """
import json, os, struct, sys, time
def receive(stream):
    head = stream.read(4)
    return stream.read(struct.unpack("<I", head)[0]) if head else None
phrases = json.loads(receive(sys.stdin.buffer))
while (turn := receive(sys.stdin.buffer)) is not None:
    n = len(turn) // 2
    if n == 13: os._exit(1)
    if n == 14: time.sleep(60)
    if n == 15: print("nonsense", flush=True); continue
    if n == 17: print('{"word": "unknown"}', flush=True); continue
    if n == 18 and not os.path.exists("died"):
        open("died", "w").close()
        os._exit(1)
    if n == 16:
        open("begun", "w").close()
        while not os.path.exists("go on"): time.sleep(0.01)
    answer = {"text": f"{n} {os.getpid()} {len(phrases)}", "utterance_id": None,
              "confidence": 1.0, "recognised": True}
    print(json.dumps(answer), flush=True)
"""
COMMAND = (sys.executable, "-S", "-c", CHILD)


def turn(n_samples: int) -> np.ndarray[tuple[int], np.dtype[np.int16]]:
    return np.zeros(n_samples, np.int16)


@pytest.fixture
def worker() -> Iterator[WorkerRecogniser]:
    with WorkerRecogniser(
        {"Stop!": "stop"}, command=COMMAND, turn_timeout_s=30.0, queue_timeout_s=0.1
    ) as worker:
        yield worker


def pid_of(worker: WorkerRecogniser) -> str:
    return worker.recognise(turn(10)).text.split()[1]


def test_the_child_hears_every_sample_and_knows_the_phrases(
    worker: WorkerRecogniser,
) -> None:
    assert worker.recognise(turn(24_000)).text.startswith("24000 ")
    assert worker.recognise(turn(0)).text.startswith("0 ")
    assert worker.recognise(turn(1)).text.endswith(" 1")


def test_one_child_serves_all_turns(worker: WorkerRecogniser) -> None:
    assert pid_of(worker) == pid_of(worker)


@pytest.mark.parametrize(
    "n_samples", [13, 15, 17], ids=["dies", "talks nonsense", "is another version"]
)
def test_a_child_that_fails_always_costs_one_turn_and_says_so(
    worker: WorkerRecogniser, n_samples: int
) -> None:
    before = pid_of(worker)

    found = worker.recognise(turn(n_samples))

    assert (found.recognised, found.failed) == (False, True)
    assert pid_of(worker) != before


def test_a_child_that_dies_over_a_turn_is_replaced_and_asked_again(
    worker: WorkerRecogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = pid_of(worker)

    found = worker.recognise(turn(18))

    assert found.recognised
    assert found.text.split()[1] != before


def test_a_child_that_was_killed_while_it_listened_costs_nothing(
    worker: WorkerRecogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    before = int(pid_of(worker))
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(worker.recognise, turn(16))
        while not Path("begun").exists():
            time.sleep(0.01)
        os.kill(before, signal.SIGKILL)
        Path("go on").touch()
        found = asked.result()

    assert found.recognised
    assert int(found.text.split()[1]) != before


def test_a_child_that_hangs_is_replaced_in_time() -> None:
    """It would hang for a minute."""
    with WorkerRecogniser({}, command=COMMAND, turn_timeout_s=1.5) as worker:
        before = pid_of(worker)
        started_s = time.monotonic()

        assert worker.recognise(turn(14)).failed

        assert time.monotonic() - started_s < 50
        assert pid_of(worker) != before


def test_turns_that_wait_too_long_go_unrecognised(
    worker: WorkerRecogniser, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(worker.recognise, turn(16))
        while not Path("begun").exists():
            time.sleep(0.01)
        second = worker.recognise(turn(10))
        Path("go on").touch()

    assert second.failed
    assert first.result().recognised


def test_a_command_that_does_not_exist_recognises_nothing() -> None:
    with WorkerRecogniser({}, command=("/nonexistent",)) as worker:
        assert worker.recognise(turn(10)).failed


def test_closing_ends_the_child_and_may_be_repeated(worker: WorkerRecogniser) -> None:
    pid = int(pid_of(worker))
    worker.close()
    worker.close()

    assert not Path(f"/proc/{pid}").exists()


def test_the_real_child_understands_a_phrase() -> None:
    worker = free_speech_worker()
    if worker is None:
        pytest.skip("the extra `speech` is not installed")
    with worker:
        result = worker.recognise(utterances.load("tell_joke").pcm)

    assert result.text == "Tell me a joke."
    assert result.utterance_id == "tell_joke"
