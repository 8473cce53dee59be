"""What one 20 ms step of each part costs. `make bench` measures; `make test` only runs
each once, so that a benchmark never rots.
"""

from __future__ import annotations

import numpy as np
import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from server.audio.format import FRAME_SAMPLES, Pcm
from server.audio.mixer import add_up, limit, mix_minus
from server.audio.pcm import bytes_to_pcm, pcm_to_bytes
from server.audio.playout import PlayoutBuffer
from server.audio.reorder import ReorderWindow
from server.rtc.opus import OpusDecoder, OpusEncoder


def voices(n: int) -> list[Pcm]:
    rng = np.random.default_rng(1)
    return [rng.normal(0, 2000, FRAME_SAMPLES).astype(np.int16) for _ in range(n)]


@pytest.mark.parametrize("n", [1, 2, 6, 8])
def test_mixing_a_tick_with_mix_minus(benchmark: BenchmarkFixture, n: int) -> None:
    frames = voices(n)
    assistant = voices(1)[0]

    def tick() -> list[Pcm]:
        total = add_up(frames)
        return [limit(total), *(mix_minus(total, own, assistant) for own in frames)]

    assert len(benchmark(tick)) == n + 1


def test_bytes_to_samples_and_back(benchmark: BenchmarkFixture) -> None:
    message = voices(1)[0].tobytes()

    assert benchmark(lambda: pcm_to_bytes(bytes_to_pcm(message))) == message


def test_a_frame_through_the_playout_buffer(benchmark: BenchmarkFixture) -> None:
    buffer = PlayoutBuffer()
    frame = voices(1)[0]

    def through() -> Pcm | None:
        buffer.push(frame, lead_ms=10)
        return buffer.pull()

    assert benchmark(through) is not None


def test_a_packet_through_the_reorder_window(benchmark: BenchmarkFixture) -> None:
    window = ReorderWindow()
    numbers = iter(range(1 << 40))

    released = benchmark(lambda: window.push(next(numbers) & 0xFFFF, b"payload"))

    assert released == [b"payload"]


def test_opus_encoding_a_frame(benchmark: BenchmarkFixture) -> None:
    encoder = OpusEncoder()
    frame = voices(1)[0]

    assert benchmark(lambda: encoder.encode(frame)) is not None


def test_opus_decoding_a_packet(benchmark: BenchmarkFixture) -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    packets = [bytes(p) for f in voices(50) for p in encoder.encode(f)]
    numbers = iter(range(1 << 40))

    pcm = benchmark(lambda: decoder.decode(packets[next(numbers) % len(packets)]))

    assert pcm is not None
