"""The process stands still for a while: what came meanwhile is heard, all of it.

Virtual clock. A loop in the order of libuv: timers that are due, then the sockets.
While it stands still, what browsers and model send waits in the sockets.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, cast

import numpy as np
import pytest

from server.audio.conceal import PcmDecoder
from server.audio.format import FRAME_MS, FRAME_SAMPLES, Pcm, samples_to_ms
from server.audio.intake import Intake
from server.media.client import Client
from server.media.mixdown import Mixdown
from server.media.profile import Profile
from server.media.ticker import MAX_CATCH_UP, Ticker
from tests.support.mixing_desk import silence, tone

FIRST_S = 100.0
BUFFER_MS = MAX_CATCH_UP * FRAME_MS


class Loop:
    """Timers and sockets, in libuv's order. One socket per sender, 20 ms apart."""

    def __init__(self) -> None:
        self.now_s = FIRST_S
        self._timers: dict[int, tuple[float, Callable[[], None]]] = {}
        self._ids = itertools.count()
        self._senders: list[tuple[float, Callable[[], None]]] = []
        self._sent: dict[int, int] = {}

    def time(self) -> float:
        return self.now_s

    def call_at(self, when_s: float, call: Callable[[], None]) -> Any:
        handle = _Handle(self, next(self._ids))
        self._timers[handle.id] = (when_s, call)
        return handle

    def add_sender(self, phase_ms: float, deliver: Callable[[], None]) -> None:
        """`deliver` one packet per 20 ms, from `phase_ms` after the beginning."""
        self._sent[len(self._senders)] = 0
        self._senders.append((FIRST_S + phase_ms / 1000, deliver))

    def cancel(self, timer: int) -> None:
        self._timers.pop(timer, None)

    def run(self, ms: float) -> None:
        """Let time pass in steps of 1 ms."""
        for _ in range(round(ms)):
            self.now_s += 0.001
            self._turn()

    def stand_still(self, ms: float) -> None:
        """Nothing runs; afterwards timers are first."""
        self.now_s += ms / 1000
        self._turn()

    def _turn(self) -> None:
        due = [(at, n) for n, (at, _) in self._timers.items() if at <= self.now_s]
        for _, n in sorted(due):
            timer = self._timers.pop(n, None)
            if timer is not None:
                timer[1]()
        for n, (first_s, deliver) in enumerate(self._senders):
            while first_s + self._sent[n] * FRAME_MS / 1000 <= self.now_s + 1e-9:
                self._sent[n] += 1
                deliver()


class _Handle:
    def __init__(self, loop: Loop, n: int) -> None:
        self._loop, self.id = loop, n

    def cancel(self) -> None:
        self._loop.cancel(self.id)


class Model:
    """Hears samples, and speaks samples."""

    takes_packets = passes_packets = False

    def __init__(self) -> None:
        self.heard: list[Pcm] = []

    def send_audio(self, pcm: Pcm) -> None:
        self.heard.append(pcm)

    def pass_packets(self, on: bool) -> list[Pcm]:
        return []

    def prime(self, frames: list[Pcm]) -> None:
        pass


class Line:
    """A data channel with raw samples."""

    takes_packets = False

    def __init__(self) -> None:
        self.intake = Intake(PcmDecoder)


class Person:
    """A browser, as the mixdown knows it."""

    has_track = False
    is_ready = True

    def __init__(self, name: str, sound: Callable[[int], Pcm]) -> None:
        self.client_id, self.profile = name, Profile(name=name)
        self.is_speaking = False
        self.line = Line()
        self.intake = self.line.intake
        self.played: list[Pcm] = []
        self._sound, self._n = sound, 0

    def send_audio(self, pcm: Pcm) -> None:
        self.played.append(pcm)

    def speak(self) -> None:
        self.intake.samples(self._sound(self._n))
        self._n += 1


class Room:
    """Some browsers and a model on one clock."""

    def __init__(self, n_people: int) -> None:
        self.loop = Loop()
        self.ticker = Ticker(cast(Any, self.loop))
        self.model = Model()
        self.mixdown = Mixdown(
            cast(Any, self.model), ticker=self.ticker, clock=self.loop.time
        )
        self.people = [
            Person(str(n), tone(410) if n == 0 else silence) for n in range(n_people)
        ]
        for n, person in enumerate(self.people):
            person.intake.lead_ms = self.ticker.lead_ms
            self.loop.add_sender(7.0 + n, person.speak)
        voice, count = tone(710), itertools.count()
        self.loop.add_sender(
            13.0, lambda: self.mixdown.on_model_audio(voice(next(count)))
        )
        ready = cast("list[Client]", self.people)
        self.ticker.subscribe(lambda due_s: self.mixdown.tick(ready))


def speech(frames: list[Pcm], hz: float) -> list[int]:
    """Which frame of the tone each frame is; silent ones are left out."""
    wanted = {tone(hz)(n).tobytes(): n for n in range(FRAMES_OF_A_PERIOD)}
    return [wanted[f.tobytes()] for f in frames if f.any()]


FRAMES_OF_A_PERIOD = 5
"""A tone of a multiple of 10 Hz is the same again after 100 ms."""


def is_whole(numbers: list[int]) -> bool:
    """Whether every frame follows the one before it."""
    return all(
        (b - a) % FRAMES_OF_A_PERIOD == 1 for a, b in itertools.pairwise(numbers)
    )


@pytest.mark.parametrize("still_ms", [45, 100, 180, BUFFER_MS - 5])
@pytest.mark.parametrize("n_people", [1, 2])
def test_a_stall_within_the_buffers_loses_no_sample(
    n_people: int, still_ms: int
) -> None:
    """Microphone and assistant: bit for bit, and no later than before."""
    room = Room(n_people)
    room.loop.run(1000)
    before = len(room.model.heard)
    waiting = len(room.people[0].intake.buffer)

    room.loop.stand_still(still_ms)
    room.loop.run(1000 - still_ms)

    assert room.ticker.counters.skipped == 0
    assert len(room.model.heard) - before == pytest.approx(50, abs=1)
    up = speech(room.model.heard, 410)
    down = speech(room.people[0].played, 710)
    assert len(up) >= 97, "a frame of the microphone is missing"
    assert is_whole(up), up
    assert len(down) >= 97, "a frame of the assistant is missing"
    assert is_whole(down), down
    assert len(room.people[0].intake.buffer) == pytest.approx(waiting, abs=1)
    counters = room.people[0].intake.buffer.counters
    assert (counters.dropped, counters.trimmed) == (0, 0)
    assert (counters.concealed, counters.stretched) == (0, 0)


def test_a_longer_stall_drops_the_oldest_and_counts_it() -> None:
    room = Room(2)
    room.loop.run(1000)
    before = len(room.model.heard)

    room.loop.stand_still(500)
    room.loop.run(500)

    counters = room.people[0].intake.buffer.counters
    skipped = room.ticker.counters.skipped
    assert skipped == pytest.approx((500 - BUFFER_MS) // FRAME_MS, abs=1)
    assert samples_to_ms(counters.dropped) == pytest.approx(
        500 - BUFFER_MS, abs=2 * FRAME_MS
    )
    # What is kept is the newest, and nothing else is missing or made up.
    up = speech(room.model.heard, 410)
    breaks = [
        n
        for n, (a, b) in enumerate(itertools.pairwise(up))
        if (b - a) % FRAMES_OF_A_PERIOD != 1
    ]
    assert len(breaks) <= 1
    assert len(room.model.heard) - before == pytest.approx(50 - skipped, abs=1)
    assert counters.concealed <= FRAME_SAMPLES
    assert len(room.people[0].intake.buffer) <= 2 * FRAME_SAMPLES


def test_packets_that_wait_in_the_socket_come_before_the_ticks() -> None:
    """After a stall the loop reads once before anything is caught up."""
    room = Room(2)
    room.loop.run(1000)
    n = len(room.model.heard)

    room.loop.stand_still(100)

    assert len(room.model.heard) == n
    assert len(room.people[0].intake.buffer) >= 4 * FRAME_SAMPLES
    room.loop.run(1)
    assert len(room.model.heard) == n + 5
    assert not np.array_equal(room.model.heard[-1], room.model.heard[-2])
