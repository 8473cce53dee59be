"""One sender's packets on their way to a tick, or to whoever takes them at once."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.audio.conceal import PcmDecoder
from server.audio.format import FRAME_MS, FRAME_SAMPLES, RATE_HZ, Pcm
from server.audio.intake import Intake
from server.rtc import libopus


def tone(n_frame: int, hz: float = 250.0, peak: float = 8000.0) -> Pcm:
    t = (n_frame * FRAME_SAMPLES + np.arange(FRAME_SAMPLES)) / RATE_HZ
    return np.rint(peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


class Line:
    """A sender, a network on a virtual clock, and the tick at the far end."""

    def __init__(self, *, delay_ms: float = 8.0) -> None:
        self.now_ms = 0.0
        self.intake = Intake(PcmDecoder, lead_ms=self._lead_ms)
        self.delay_ms = delay_ms
        self._queue: list[tuple[float, int, bytes]] = []
        self.heard: list[Pcm | None] = []

    def _lead_ms(self) -> float:
        return (FRAME_MS - self.now_ms % FRAME_MS) % FRAME_MS  # 0 at a tick

    def run(
        self, n_frames: int, *, delay_ms=lambda n: 0.0, lost=lambda n: False
    ) -> None:
        start = len(self.heard)
        for n in range(start, start + n_frames):
            if not lost(n):
                due = n * FRAME_MS + self.delay_ms + delay_ms(n)
                self._queue.append((due, n, tone(n).tobytes()))
        self._queue.sort()
        for n in range(start, start + n_frames):
            while self._queue and self._queue[0][0] <= (n + 1) * FRAME_MS:
                self.now_ms, sequence, payload = self._queue.pop(0)
                self.intake.packet(sequence & 0xFFFF, payload)
            self.now_ms = (n + 1) * FRAME_MS
            self.heard.append(self.intake.pull())

    def delay_now_ms(self) -> float:
        """How much sound waits, after the tick."""
        return len(self.intake.buffer) / RATE_HZ * 1000

    def sound(self) -> Pcm:
        silence = np.zeros(FRAME_SAMPLES, np.int16)
        return np.concatenate([silence if f is None else f for f in self.heard])


def level_db(pcm: Pcm) -> float:
    return 20 * float(np.log10(np.sqrt(np.mean(pcm.astype(float) ** 2)) / 5657))


def test_without_trouble_every_sample_comes_through_at_the_next_tick() -> None:
    line = Line()
    line.run(100)

    assert np.array_equal(line.sound(), np.concatenate([tone(n) for n in range(100)]))
    assert line.intake.concealed_frames == 0


def test_one_lost_packet_is_one_made_up_frame_and_no_delay() -> None:
    line = Line()
    line.run(100, lost=lambda n: n == 50)

    sound = line.sound().reshape(-1, FRAME_SAMPLES)
    for n in (*range(50), *range(51, 100)):
        assert np.array_equal(sound[n], tone(n)), n
    assert level_db(sound[50]) == pytest.approx(-2.5, abs=2)
    assert line.intake.lost_packets == 1
    assert line.intake.concealed_frames == 1
    assert line.delay_now_ms() == 0


def test_swapped_packets_cost_nothing_when_one_frame_waits() -> None:
    line = Line()
    line.run(20, delay_ms=lambda n: 0)
    line.run(1, delay_ms=lambda n: 19)  # late: buys a frame of delay
    line.run(20)
    before = line.intake.concealed_frames

    line.run(20, delay_ms=lambda n: 22 if n == 50 else 0)  # comes after 51

    assert line.intake.concealed_frames == before
    assert line.intake.lost_packets == 0


def test_what_comes_after_its_time_or_twice_is_dropped_and_counted() -> None:
    line = Line()
    line.run(10, lost=lambda n: n == 5)
    line.intake.packet(5, tone(5).tobytes())
    line.intake.packet(8, tone(8).tobytes())

    assert line.intake.late_packets == 2
    assert line.delay_now_ms() == 0


@pytest.mark.parametrize("seed", range(5))
def test_after_5_percent_loss_for_10_s_the_delay_is_what_it_was(seed: int) -> None:
    rng = random.Random(seed)
    line = Line()
    line.run(250)
    before = line.delay_now_ms()

    line.run(
        500,
        lost=lambda n: rng.random() < 0.05,
        delay_ms=lambda n: rng.uniform(0, 30),
    )
    line.run(250)

    assert line.delay_now_ms() <= before + 20
    assert len(line.heard) == 1000
    assert sum(f is None for f in line.heard) < 5
    assert line.intake.buffer.counters.dropped == 0


def test_loss_neither_stretches_nor_shortens() -> None:
    rng = random.Random(3)
    line = Line()
    line.run(1000, lost=lambda n: 0 < n < 990 and rng.random() < 0.1)

    counters = line.intake.buffer.counters
    assert np.array_equal(line.heard[-1], tone(999))
    assert counters.trimmed == counters.stretched == 0


def test_a_pause_is_silence_and_no_loss() -> None:
    line = Line()
    line.run(10)
    line.intake.packet(10, bytes(960), is_pause=True)
    for _ in range(50):
        line.intake.pull()
    line.intake.packet(11, tone(11).tobytes())

    assert np.array_equal(line.intake.pull(), tone(11))
    assert line.intake.lost_packets == 0
    assert line.intake.concealed_frames == 0


def test_frames_pass_as_they_come_with_losses_filled_in() -> None:
    intake = Intake(PcmDecoder)
    passed: list[Pcm] = []
    assert intake.pass_frames(passed.append) == []

    for n in range(10):
        if n != 4:
            intake.packet(n, tone(n).tobytes())

    assert len(passed) == 10
    assert np.array_equal(passed[9], tone(9))
    assert intake.concealed_frames == 1


def test_packets_pass_undecoded_and_losses_are_told() -> None:
    def refuse() -> PcmDecoder:
        decoder = PcmDecoder()
        decoder.decode = None  # type: ignore[method-assign,assignment]
        return decoder

    intake = Intake(refuse)
    passed: list[bytes | None] = []
    intake.pass_packets(passed.append)

    for n in (0, 1, 3, 4, 5):
        intake.packet(n, bytes([n]))

    assert passed == [b"\0", b"\1", None, b"\3", b"\4", b"\5"]


def test_what_waits_for_the_tick_is_handed_out_when_frames_pass_again() -> None:
    intake = Intake(PcmDecoder, lead_ms=lambda: 10.0)
    intake.keep_frames()
    for n in range(3):
        intake.packet(n, tone(n).tobytes())
    intake.pull()

    waiting = intake.pass_frames(lambda pcm: None)

    assert np.array_equal(np.concatenate(waiting), np.concatenate([tone(1), tone(2)]))


@pytest.mark.parametrize("application", ["voip", "lowdelay"])
def test_a_decoder_that_slept_goes_on_at_the_level_and_without_a_gap(
    application: libopus.Application,
) -> None:
    encoder = libopus.Encoder(application, bit_rate_bps=32_000)
    intake = Intake(libopus.Decoder)
    awake: list[Pcm] = []
    intake.pass_packets(lambda payload: None)
    for n in range(40):
        intake.packet(n, encoder.encode(tone(n)))

    intake.pass_frames(awake.append)
    for n in range(40, 60):
        intake.packet(n, encoder.encode(tone(n)))

    assert len(awake) == 20
    for frame in awake:
        assert level_db(frame) == pytest.approx(0, abs=0.6)


@settings(max_examples=50, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(0, 40), st.sampled_from(["packet", "pull", "switch"])),
        max_size=80,
    ),
    st.randoms(),
)
def test_whatever_comes_the_buffer_is_bounded_and_the_books_are_right(
    steps: list[tuple[int, str]], rng: random.Random
) -> None:
    intake = Intake(PcmDecoder, lead_ms=lambda: rng.uniform(0, 20))
    ways = (
        intake.keep_frames,
        lambda: intake.pass_frames(lambda pcm: None),
        lambda: intake.pass_packets(lambda payload: None),
    )
    for n, kind in steps:
        if kind == "packet":
            intake.packet(n, tone(n).tobytes(), is_pause=rng.random() < 0.1)
        elif kind == "pull":
            intake.pull()
        else:
            rng.choice(ways)()
        c = intake.buffer.counters
        out = c.pulled + c.dropped + c.trimmed + c.flushed + len(intake.buffer)
        assert len(intake.buffer) <= RATE_HZ // 5
        assert c.pushed + c.stretched == out
