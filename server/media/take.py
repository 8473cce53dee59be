"""The files of one take: one per voice and one of all, on one timeline. For a thread.

Everything here blocks. Ticks come with their number, so that what is missing becomes
silence of the same length: sample n of every file was heard at the same moment, given
where the file begins.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Literal, Protocol, TypeAlias

import numpy as np

from server.audio.format import FRAME_MS, FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm
from server.audio.mixer import mix
from server.audio.ogg import OggOpusWriter
from server.audio.wav import HEADER_BYTES, wav_header
from server.rtc.libopus import Encoder

Format: TypeAlias = Literal["opus", "wav"]
TrackKind: TypeAlias = Literal["mix", "assistant", "client"]
TrackState: TypeAlias = Literal["recording", "finished", "failed"]
TrackId: TypeAlias = tuple[TrackKind, str]
"""(kind, client id); the id is empty for the mix and the assistant."""

MEDIA_TYPES: dict[Format, str] = {"opus": "audio/ogg", "wav": "audio/wav"}
SUFFIXES: dict[Format, str] = {"opus": "ogg", "wav": "wav"}
OPUS_BPS = 32_000
"""Good speech, 14 MB an hour and track."""
OPUS_COMPLEXITY = 3
MAX_GAP_TICKS = 3_000
"""More than a minute missing is not made up for: the machine slept."""


@dataclass(frozen=True, slots=True)
class Tick:
    """What was heard in 20 ms; a voice that is absent was silent."""

    number: int
    """Since the take began."""
    voices: dict[TrackId, Pcm]
    left: tuple[str, ...] = ()
    """Clients that went before it: their files end."""


@dataclass(slots=True)
class TrackReport:
    """How a file is doing."""

    recording_id: str
    kind: TrackKind
    client_id: str
    file: str
    state: TrackState
    first_tick: int
    n_ticks: int = 0
    size_bytes: int = 0

    @property
    def duration_ms(self) -> int:
        """Length of what is in it."""
        return self.n_ticks * FRAME_MS


class Encoding(Protocol):
    """Turns frames into what stands in the file."""

    def begin(self, file: BinaryIO) -> None:
        """Write the head."""

    def add(self, frame: Pcm) -> None:
        """Write one frame, or keep it for a page."""

    def settle(self) -> None:
        """Make the file playable as it is."""

    def finish(self) -> None:
        """Write the end."""


class OpusEncoding:
    """Opus in Ogg."""

    def __init__(self) -> None:
        self._encoder = Encoder(
            "voip", bit_rate_bps=OPUS_BPS, complexity=OPUS_COMPLEXITY
        )
        self._ogg = OggOpusWriter(
            secrets.randbits(32), input_rate_hz=RATE_HZ, vendor="voicebridge"
        )
        self._n_frames = 0

    def begin(self, file: BinaryIO) -> None:
        """Write the head."""
        self._file = file
        file.write(self._ogg.head())

    def add(self, frame: Pcm) -> None:
        """Encode it; a page is written every second."""
        self._n_frames += 1
        self._file.write(self._ogg.add(self._encoder.encode(frame)))

    def settle(self) -> None:
        """Every page is playable."""

    def finish(self) -> None:
        """Push out what the encoder still holds, and cut the file to its length."""
        self._file.write(self._ogg.add(self._encoder.encode(SILENCE)))
        n_ticks = self._n_frames * FRAME_SAMPLES * 48_000 // RATE_HZ
        self._file.write(self._ogg.finish(n_ticks))


class WavEncoding:
    """Samples as they are."""

    def begin(self, file: BinaryIO) -> None:
        """Write a header of nothing."""
        self._file = file
        self._n_samples = 0
        file.write(wav_header(0, RATE_HZ))

    def add(self, frame: Pcm) -> None:
        """Write it."""
        self._n_samples += frame.size
        self._file.write(frame.astype("<i2").tobytes())

    def settle(self) -> None:
        """Tell the header how much there is."""
        self._file.seek(0)
        self._file.write(wav_header(self._n_samples, RATE_HZ))
        self._file.seek(HEADER_BYTES + 2 * self._n_samples)

    def finish(self) -> None:
        """The same; nothing stands at the end."""
        self.settle()


@dataclass(slots=True)
class _Track:
    report: TrackReport
    encoding: Encoding
    file: BinaryIO
    next_tick: int = field(default=0)


class Take:
    """Writes ticks to files. One thread at a time."""

    def __init__(
        self, folder: Path, format: Format, tell: Callable[[TrackReport], None]
    ) -> None:
        """
        Args:
            folder: where the files go.
            format: of all of them.
            tell: gets a report when a file begins, ends, and now and then between.
        """
        self._folder = folder
        self._format = format
        self._tell = tell
        self._tracks: dict[TrackId, _Track] = {}
        self._next_tick = 0
        self.size_bytes = 0

    def write(self, ticks: list[Tick]) -> None:
        """Write ticks in order; gaps in their numbers become silence.

        Raises:
            OSError: the disk does not take it.
        """
        for tick in ticks:
            missing = min(tick.number - self._next_tick, MAX_GAP_TICKS)
            for number in range(tick.number - missing, tick.number):
                self._write_one(Tick(number, {}))
            self._write_one(tick)
            self._next_tick = tick.number + 1
        for track in self._tracks.values():
            track.encoding.settle()
            track.file.flush()
            track.report.size_bytes = track.file.tell()

    def report(self) -> None:
        """Tell how long every file is by now."""
        for track in self._tracks.values():
            self._tell(track.report)

    def finish(self, state: Literal["finished", "failed"]) -> None:
        """End every file."""
        for track_id in list(self._tracks):
            self._end(track_id, state)

    def _write_one(self, tick: Tick) -> None:
        for client_id in tick.left:
            self._end(("client", client_id), "finished")
        voices = tick.voices
        mixed = mix(list(voices.values())) if voices else SILENCE
        self._begin_missing([("mix", ""), ("assistant", ""), *voices], tick.number)
        for (kind, client_id), track in self._tracks.items():
            frame = mixed if kind == "mix" else voices.get((kind, client_id), SILENCE)
            track.encoding.add(np.ascontiguousarray(frame))
            track.report.n_ticks += 1

    def _begin_missing(self, tracks: list[TrackId], number: int) -> None:
        for track_id in tracks:
            if track_id not in self._tracks:
                self._begin(track_id, number)

    def _begin(self, track_id: TrackId, number: int) -> None:
        recording_id = secrets.token_hex(16)
        name = f"{recording_id}.{SUFFIXES[self._format]}"
        encoding: Encoding = OpusEncoding() if self._format == "opus" else WavEncoding()
        file = (self._folder / name).open("xb")
        report = TrackReport(
            recording_id, track_id[0], track_id[1], name, "recording", number
        )
        self._tracks[track_id] = _Track(report, encoding, file)
        encoding.begin(file)
        self._tell(report)

    def _end(self, track_id: TrackId, state: Literal["finished", "failed"]) -> None:
        track = self._tracks.pop(track_id, None)
        if track is None:
            return
        report = track.report
        try:
            with track.file as file:
                track.encoding.finish()
                report.size_bytes = file.tell()
        except OSError:
            state = "failed"
        report.state = state
        self._tell(report)
