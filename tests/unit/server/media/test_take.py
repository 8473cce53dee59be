"""Files of a recording: length, pitch, level and alignment, to the sample."""

from __future__ import annotations

import struct
import wave
from pathlib import Path

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audio.format import FRAME_SAMPLES, RATE_HZ, Pcm
from server.audio.ogg import OggOpusWriter, checksum
from server.media.take import Format, Take, Tick, TrackId, TrackReport

N_TICKS = 150
TONES: dict[TrackId, float] = {
    ("client", "ada"): 400.0,
    ("client", "bob"): 700.0,
    ("assistant", ""): 1_100.0,
}


def tone(hz: float, tick: int, *, peak: int = 6_000) -> Pcm:
    """20 ms of a tone that goes on from tick to tick."""
    samples = np.arange(tick * FRAME_SAMPLES, (tick + 1) * FRAME_SAMPLES)
    wanted = peak * np.sin(2 * np.pi * hz * samples / RATE_HZ)
    return np.rint(wanted).astype(np.int16)


def read(path: Path) -> Pcm:
    """What a player hears, at 24 kHz."""
    if path.suffix == ".wav":
        with wave.open(str(path)) as file:
            assert (file.getframerate(), file.getnchannels()) == (RATE_HZ, 1)
            return np.frombuffer(file.readframes(file.getnframes()), "<i2")
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        frames = [f.to_ndarray() for f in container.decode(stream)]
        assert stream.rate == 48_000
    samples = np.concatenate(frames, axis=1)[0]
    if samples.dtype != np.int16:
        samples = np.rint(samples * 32_767)
    # Every second one: everything in it is far below 12 kHz.
    return np.asarray(samples[::2], np.int16)


def pitch_hz(pcm: Pcm) -> float:
    """The strongest frequency."""
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(pcm.size), 1 << 18))
    return float(np.argmax(spectrum) * RATE_HZ / (1 << 18))


def level_dbfs(pcm: Pcm) -> float:
    """RMS, in dBFS."""
    rms = np.sqrt(np.mean(np.square(pcm, dtype=np.float64)))
    return float(20 * np.log10(rms / 32_768))


class Shelf:
    """A take in a folder, and what it told."""

    def __init__(self, folder: Path, format: Format) -> None:
        self.folder = folder
        self.reports: dict[str, TrackReport] = {}
        self.take = Take(folder, format, self._on_report)

    def _on_report(self, report: TrackReport) -> None:
        self.reports[report.recording_id] = report

    def track(self, kind: str, client_id: str = "") -> TrackReport:
        """The newest report of one file."""
        return [
            r
            for r in self.reports.values()
            if (r.kind, r.client_id) == (kind, client_id)
        ][-1]

    def heard(self, kind: str, client_id: str = "") -> Pcm:
        """What is in it."""
        return read(self.folder / self.track(kind, client_id).file)


@pytest.fixture(params=["opus", "wav"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Shelf:
    """An empty take in either format."""
    return Shelf(tmp_path, request.param)


def test_every_voice_has_its_pitch_level_and_length_and_the_mix_has_all(
    shelf: Shelf,
) -> None:
    ticks = [
        Tick(n, {track: tone(hz, n) for track, hz in TONES.items()})
        for n in range(N_TICKS)
    ]
    for start in range(0, N_TICKS, 25):
        shelf.take.write(ticks[start : start + 25])
    shelf.take.finish("finished")

    for (kind, client_id), hz in TONES.items():
        heard = shelf.heard(kind, client_id)
        assert heard.size == N_TICKS * FRAME_SAMPLES
        middle = heard[4_800:-4_800]
        assert pitch_hz(middle) == pytest.approx(hz, rel=0.002)
        assert level_dbfs(middle) == pytest.approx(-17.76, abs=1.0)
    mix = shelf.heard("mix")
    assert mix.size == N_TICKS * FRAME_SAMPLES
    spectrum = np.abs(np.fft.rfft(mix[: RATE_HZ * 2] * np.hanning(RATE_HZ * 2)))
    loudest = np.max(spectrum)
    for hz in TONES.values():
        assert spectrum[int(hz * 2)] > loudest / 3
    for report in shelf.reports.values():
        assert report.state == "finished"
        assert report.duration_ms == N_TICKS * 20
        assert report.size_bytes == (shelf.folder / report.file).stat().st_size


def test_a_click_stands_at_the_same_sample_in_every_file_and_format(
    shelf: Shelf,
) -> None:
    at_tick = 60
    click = np.zeros(FRAME_SAMPLES, np.int16)
    click[240:264] = 20_000
    voices: dict[TrackId, Pcm] = {("client", "ada"): click, ("assistant", ""): click}
    shelf.take.write([Tick(n, voices if n == at_tick else {}) for n in range(N_TICKS)])
    shelf.take.finish("finished")

    for kind, client_id in (("mix", ""), ("assistant", ""), ("client", "ada")):
        heard = shelf.heard(kind, client_id)
        first = shelf.track(kind, client_id).first_tick
        peak = int(np.argmax(np.abs(heard.astype(int)))) + first * FRAME_SAMPLES
        expected = at_tick * FRAME_SAMPLES + 252
        assert abs(peak - expected) <= 36, "more than 1.5 ms off"


def test_ticks_that_were_skipped_become_silence_of_their_length(shelf: Shelf) -> None:
    ada: TrackId = ("client", "ada")
    shelf.take.write([Tick(n, {ada: tone(400, n)}) for n in range(50)])
    shelf.take.write([Tick(n, {ada: tone(400, n)}) for n in range(100, 150)])
    shelf.take.finish("finished")

    heard = shelf.heard("client", "ada")
    assert heard.size == 150 * FRAME_SAMPLES
    gap = heard[52 * FRAME_SAMPLES : 98 * FRAME_SAMPLES]
    assert level_dbfs(gap + 0.001) < -60
    assert level_dbfs(heard[102 * FRAME_SAMPLES : 148 * FRAME_SAMPLES]) > -20


def test_who_comes_later_has_a_file_that_says_where_it_begins(shelf: Shelf) -> None:
    ada: TrackId = ("client", "ada")
    shelf.take.write([Tick(n, {}) for n in range(30)])
    shelf.take.write([Tick(n, {ada: tone(400, n)}) for n in range(30, 60)])
    shelf.take.write([Tick(60, {}, left=("ada",))])
    left = shelf.track("client", "ada")
    shelf.take.write([Tick(n, {ada: tone(400, n)}) for n in range(61, 90)])
    shelf.take.finish("finished")

    assert (left.first_tick, left.n_ticks, left.state) == (30, 30, "finished")
    back = shelf.track("client", "ada")
    assert (back.first_tick, back.n_ticks) == (61, 29)
    assert shelf.track("mix").n_ticks == 90
    assert read(shelf.folder / back.file).size == 29 * FRAME_SAMPLES


def test_a_file_can_be_played_while_it_is_written_and_after_a_crash(
    shelf: Shelf,
) -> None:
    """Nothing is finished here: all but the last second is there."""
    ada: TrackId = ("client", "ada")
    for start in range(0, N_TICKS, 25):
        shelf.take.write(
            [Tick(n, {ada: tone(400, n)}) for n in range(start, start + 25)]
        )
    heard = shelf.heard("client", "ada")
    assert N_TICKS - 51 <= heard.size / FRAME_SAMPLES <= N_TICKS
    assert pitch_hz(heard[4_800:-4_800]) == pytest.approx(400, rel=0.01)
    shelf.take.finish("failed")
    assert shelf.track("client", "ada").state == "failed"


def test_the_checksum_is_the_one_of_the_ogg_specification() -> None:
    """RFC 3533: polynomial 0x04c11db7, beginning at 0, nothing turned around."""

    def by_hand(data: bytes) -> int:
        crc = 0
        for byte in data:
            crc ^= byte << 24
            for _ in range(8):
                crc = (crc << 1) ^ (0x04C11DB7 if crc & 0x80000000 else 0)
                crc &= 0xFFFFFFFF
        return crc

    for data in (b"", b"OggS", bytes(range(256)) * 3):
        assert checksum(data) == by_hand(data)


@given(st.lists(st.binary(min_size=1, max_size=1_275), max_size=120))
def test_any_packets_make_pages_that_hold_them_all(packets: list[bytes]) -> None:
    ogg = OggOpusWriter(7, input_rate_hz=24_000, vendor="test")
    data = ogg.head() + b"".join(map(ogg.add, packets)) + ogg.finish(960 * len(packets))

    found: list[bytes] = []
    rest, number, position = b"", 0, 0
    while position < len(data):
        magic, _, flags, granule, serial, sequence, crc = struct.unpack_from(
            "<4sBBqIII", data, position
        )
        n_segments = data[position + 26]
        lacing = data[position + 27 : position + 27 + n_segments]
        body = position + 27 + n_segments
        end = body + sum(lacing)
        page = data[position : position + 22] + bytes(4) + data[position + 26 : end]
        assert (magic, serial, sequence) == (b"OggS", 7, number)
        assert crc == checksum(page)
        for size in lacing:
            rest += data[body : body + size]
            body += size
            if size < 255:
                found.append(rest)
                rest = b""
        position, number = end, number + 1
        assert bool(flags & 4) == (position == len(data))
    assert found[2:] == packets
    assert granule == (min(960 * len(packets), 960 * len(packets) + 312))
