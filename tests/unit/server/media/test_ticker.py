"""The 20 ms tick, on a clock that only moves when told."""

import asyncio
from collections.abc import Callable

import pytest

from server.media.assistant import AssistantVoice
from server.media.ticker import MAX_CATCH_UP, PERIOD_S, Ticker


class FakeLoop:
    """call_at and time, nothing else."""

    def __init__(self) -> None:
        self.now_s = 100.0
        self.timers: list[tuple[float, Callable[[], None]]] = []

    def time(self) -> float:
        return self.now_s

    def call_at(self, when_s: float, call: Callable[[], None]) -> asyncio.TimerHandle:
        entry = (when_s, call)
        self.timers.append(entry)
        loop = self

        class Handle:
            def cancel(self) -> None:
                if entry in loop.timers:
                    loop.timers.remove(entry)

        return Handle()  # type: ignore[return-value]

    def run_until(self, end_s: float, late_s: float = 0.0) -> None:
        """Fire timers in order, each late_s after it was due."""
        while self.timers and min(t for t, _ in self.timers) <= end_s:
            entry = min(self.timers, key=lambda e: e[0])
            self.timers.remove(entry)
            self.now_s = max(self.now_s, entry[0] + late_s)
            entry[1]()


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def ticker(loop: FakeLoop) -> Ticker:
    return Ticker(loop)  # type: ignore[arg-type]


@pytest.mark.parametrize("now_s", [100.0, 100.0001, 100.0134, 100.01999, 7.26])
def test_ticks_lie_on_the_grid_of_the_clock(
    loop: FakeLoop, ticker: Ticker, now_s: float
) -> None:
    """Where the sockets are read too: server/rtc/lean/sockets.py."""
    loop.now_s = now_s

    ticker.subscribe(lambda due_s: None)

    ((when_s, _),) = loop.timers
    assert 0 < when_s - now_s <= PERIOD_S + 1e-6
    assert when_s / PERIOD_S == pytest.approx(round(when_s / PERIOD_S), abs=1e-5)


def test_three_seconds_are_150_ticks_however_late_each_one_is(
    loop: FakeLoop, ticker: Ticker
) -> None:
    due: list[float] = []
    ticker.subscribe(due.append)

    loop.run_until(103.0001, late_s=0.007)

    assert len(due) == 150
    assert due[0] == pytest.approx(100 + PERIOD_S)
    assert due[-1] == pytest.approx(103.0)
    assert ticker.counters.worst_lateness_ms == pytest.approx(7, abs=0.1)


def test_after_a_pause_it_catches_up_a_little_and_skips_the_rest(
    loop: FakeLoop, ticker: Ticker
) -> None:
    due: list[float] = []
    ticker.subscribe(due.append)
    loop.run_until(100.021)
    loop.now_s = 101.0
    loop.run_until(100.05)
    assert len(due) == 1  # the sockets come first
    loop.run_until(101.005)

    assert len(due) == 1 + 1 + MAX_CATCH_UP
    assert ticker.counters.skipped > 0
    assert due[-1] == pytest.approx(101.0, abs=PERIOD_S)


def test_without_subscribers_the_clock_stands_still(
    loop: FakeLoop, ticker: Ticker
) -> None:
    def tick(due_s: float) -> None:
        pass

    ticker.subscribe(tick)
    ticker.unsubscribe(tick)

    assert loop.timers == []
    ticker.unsubscribe(tick)  # twice is fine


def test_one_broken_conversation_does_not_silence_the_others(
    loop: FakeLoop, ticker: Ticker, caplog: pytest.LogCaptureFixture
) -> None:
    due: list[float] = []

    def broken(due_s: float) -> None:
        raise RuntimeError("boom")

    ticker.subscribe(broken)
    ticker.subscribe(due.append)
    loop.run_until(100.1001)

    assert len(due) == 5
    assert caplog.text.count("a tick failed") == 1


def test_a_subscriber_may_leave_during_a_tick(loop: FakeLoop, ticker: Ticker) -> None:
    seen: list[float] = []

    def once(due_s: float) -> None:
        seen.append(due_s)
        ticker.unsubscribe(once)

    ticker.subscribe(once)
    loop.run_until(101)

    assert len(seen) == 1
    assert loop.timers == []


def test_the_lead_is_the_time_to_the_next_tick(loop: FakeLoop, ticker: Ticker) -> None:
    ticker.subscribe(lambda due_s: None)
    loop.now_s += 0.005

    assert ticker.lead_ms() == pytest.approx(15)
    loop.now_s += 0.02
    assert ticker.lead_ms() == 0


def test_who_comes_after_the_loop_stood_still_was_not_late(
    loop: FakeLoop, ticker: Ticker
) -> None:
    ticker.subscribe(lambda due_s: None)
    loop.now_s += 0.15

    assert ticker.lead_ms() == pytest.approx(20)


def test_audio_of_any_length_leaves_as_whole_frames() -> None:
    import numpy as np

    voice = AssistantVoice()
    pcm = np.arange(2000, dtype=np.int16)

    frames = voice.frames_of(pcm[:700], 0) + voice.frames_of(pcm[700:], 0)

    assert [f.size for f in frames] == [480] * 4
    assert np.array_equal(np.concatenate(frames), pcm[:1920])


def test_after_a_flush_the_rest_of_the_old_answer_is_silent() -> None:
    import numpy as np

    voice = AssistantVoice()
    loud = np.full(480, 5000, np.int16)
    voice.keep(loud, lead_ms=10)
    voice.flush(10.0)

    assert voice.pull() is None
    assert not voice.frames_of(loud, 10.1)[0].any()
    assert voice.frames_of(loud, 10.21)[0].all()
