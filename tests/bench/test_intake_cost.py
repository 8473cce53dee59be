"""What one 20 ms step of framing, jitter buffer, codec and tick costs.

`make bench` measures; `make test` only runs each once.
"""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from server.audio import framing
from server.audio.conceal import PcmDecoder
from server.audio.format import FRAME_SAMPLES, Pcm
from server.audio.intake import Intake
from server.audio.speaking import SpeakingMeter
from server.rtc import libopus
from tests.support.mixing_desk import Desk, tone

FRAMES = [tone(300)(n) for n in range(50)]


def packets() -> list[bytes]:
    encoder = libopus.Encoder()
    return [encoder.encode(frame) for frame in FRAMES]


def test_framing_a_message_and_reading_it(benchmark: BenchmarkFixture) -> None:
    counter = framing.FrameCounter(FRAME_SAMPLES)
    payload = FRAMES[0].tobytes()

    frame = benchmark(lambda: framing.unpack(counter.frame(payload)))

    assert frame.payload == payload


@pytest.mark.parametrize("kind", ["pcm", "opus"])
def test_a_packet_to_the_tick(benchmark: BenchmarkFixture, kind: str) -> None:
    """Order, decoder, jitter buffer, pull."""
    payloads = packets() if kind == "opus" else [f.tobytes() for f in FRAMES]
    decoder = libopus.Decoder if kind == "opus" else PcmDecoder
    intake = Intake(decoder, lead_ms=lambda: 10.0)
    numbers = itertools.count()

    def step() -> Pcm | None:
        n = next(numbers)
        intake.packet(n & 0xFFFF, payloads[n % len(payloads)])
        return intake.pull()

    assert benchmark(step) is not None


def test_a_packet_passed_on(benchmark: BenchmarkFixture) -> None:
    intake = Intake(libopus.Decoder)
    taken: list[bytes | None] = []
    intake.pass_packets(
        lambda payload: taken.append(payload) if len(taken) < 9 else None
    )
    numbers = itertools.count()

    benchmark(lambda: intake.packet(next(numbers) & 0xFFFF, b"payload"))

    assert taken


def test_encoding_with_libopus(benchmark: BenchmarkFixture) -> None:
    encoder, numbers = libopus.Encoder(), itertools.count()

    assert benchmark(lambda: encoder.encode(FRAMES[next(numbers) % 50]))


def test_decoding_with_libopus(benchmark: BenchmarkFixture) -> None:
    decoder, all_packets, numbers = libopus.Decoder(), packets(), itertools.count()

    pcm = benchmark(lambda: decoder.decode(all_packets[next(numbers) % 50]))

    assert pcm is not None


def test_who_is_speaking(benchmark: BenchmarkFixture) -> None:
    meter = SpeakingMeter()

    assert benchmark(lambda: meter.hear(FRAMES[0])) in (True, False)


@pytest.mark.parametrize("n", [2, 6])
async def test_a_whole_tick_of_talkers_on_raw_channels(
    benchmark: BenchmarkFixture, n: int
) -> None:
    """Jitter buffers, mixer, limiter, mix-minus, one encoder for the model."""
    desk = Desk()
    for k in range(n):
        desk.join(str(k), "raw", tone(300 + 100 * k, 4000))
    desk.run(0.2)
    people = desk.people

    def tick() -> None:
        for person in people:
            person.intake.samples(FRAMES[0])
            person.messages.clear()
        desk.model.wire.rtp.clear()
        desk.mixdown.tick(people)  # type: ignore[arg-type]

    benchmark(tick)

    assert np.all([person.messages for person in people])
