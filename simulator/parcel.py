"""A finished call on its way to whoever analyses it, perhaps in another process."""

from __future__ import annotations

import pickle
from dataclasses import dataclass
from typing import Any

import numpy as np

from simulator.playout import Arrivals, render
from simulator.playout_buffer import PlayoutConfig
from simulator.record import CallRecord
from simulator.timeline import Pcm


@dataclass(frozen=True, slots=True)
class Parcel:
    """What one call left behind; the ear has not been rendered yet."""

    record: CallRecord
    arrivals: Arrivals
    playout: PlayoutConfig

    def hear(self) -> CallRecord:
        """Play what arrived to the ear; the whole record. For when no call is under
        way in this process: it takes about 2 ms per second of sound."""
        record = self.record
        if record.talk_s > 0:
            record.ear = render(
                self.arrivals,
                start_s=record.hung_up_s - record.talk_s,
                end_s=record.hung_up_s,
                config=self.playout,
            )
        return record


def pack(parcels: list[Parcel]) -> bytes:
    """The parcels of one conversation as bytes, for `unpack` of the same version.

    Thousands of small frames would keep the interpreter busy for so long that it is
    heard in the calls still under way; they are joined first.
    """
    return pickle.dumps([_packed(p) for p in parcels], protocol=5)


def unpack(data: bytes) -> list[Parcel]:
    """The parcels again. Only for what this project's own processes have packed:
    a pickle from elsewhere can run code."""
    return [_unpacked(*parts) for parts in pickle.loads(data)]


def _packed(parcel: Parcel) -> tuple[Any, ...]:
    record, arrivals = parcel.record, parcel.arrivals
    frames = record.mouth.frames
    record.mouth.frames = []
    try:
        body = pickle.dumps(record, protocol=5)
    finally:
        record.mouth.frames = frames
    heard = [pcm for _, pcm in arrivals.frames]
    times_s = np.array([at_s for at_s, _ in arrivals.frames])
    rest = (times_s, arrivals.flushes_s, parcel.playout)
    return (body, _joined(frames), _joined(heard), *rest)


def _unpacked(
    body: bytes,
    mouth: tuple[Pcm, list[int]],
    heard: tuple[Pcm, list[int]],
    times_s: Any,
    flushes_s: list[float],
    playout: PlayoutConfig,
) -> Parcel:
    record: CallRecord = pickle.loads(body)
    record.mouth.frames = _split(*mouth)
    frames = list(zip(times_s.tolist(), _split(*heard), strict=True))
    return Parcel(record, Arrivals(frames, flushes_s), playout)


def _joined(frames: list[Pcm]) -> tuple[Pcm, list[int]]:
    whole = np.concatenate(frames) if frames else np.zeros(0, np.int16)
    return whole, [frame.size for frame in frames]


def _split(whole: Pcm, sizes: list[int]) -> list[Pcm]:
    return np.split(whole, np.cumsum(sizes)[:-1]) if sizes else []
