"""Browsers, model and mixdown on a virtual clock: real codecs, no sockets, no waiting.

Every end has an encoder and a decoder of its own. What the mixdown sends is kept as it
would be on the wire, so that numbering and times can be looked at as well as sound.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, cast

import numpy as np

from server.audio import framing as fr
from server.audio.format import FRAME_MS, FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm
from server.audio.intake import Intake
from server.media.client import Client
from server.media.mixdown import Mixdown
from server.media.profile import Profile
from server.media.ticker import Ticker
from server.rtc import libopus
from server.rtc.channel_line import ChannelLine, new_line
from server.rtc.lean import rtp
from server.rtc.lean.sender import LeanSender

TICKS = 960


def tone(hz: float, peak: float = 8000.0) -> Callable[[int], Pcm]:
    """Frame n of an endless tone."""

    def frame(n: int) -> Pcm:
        t = (n * FRAME_SAMPLES + np.arange(FRAME_SAMPLES)) / RATE_HZ
        return np.rint(peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)

    return frame


def silence(n: int) -> Pcm:
    """Frame n of silence."""
    del n
    return SILENCE


class KeptPackets:
    """A wire that keeps every RTP packet, in the clear."""

    def __init__(self) -> None:
        self.rtp: list[bytes] = []

    def send_rtp(self, packet: bytes) -> None:
        self.rtp.append(packet)


def lean_sender(*, dtx: bool) -> tuple[LeanSender, KeptPackets]:
    """A sender that was negotiated, without a network."""
    wire = KeptPackets()
    sender = LeanSender(cast(Any, _Dtls()), cast(Any, None), dtx=dtx)
    sender.connect(cast(Any, wire))
    sender._payload_type = 96
    return sender, wire


class _Dtls:
    state = "connected"


class Desk:
    """The clock, the mixdown and both sides."""

    def __init__(self, *, model_takes_packets: bool = True) -> None:
        self.now_ms = 0.0
        self.model = Model(self, takes_packets=model_takes_packets)
        self.mixdown = Mixdown(
            self.model,
            ticker=cast(Ticker, self),
            clock=lambda: self.now_ms / 1000,
        )
        self.people: list[Person] = []

    def lead_ms(self) -> float:
        """Time until the next tick."""
        return FRAME_MS - self.now_ms % FRAME_MS

    def join(self, name: str, framing: fr.Framing, sound: Callable[[int], Pcm]) -> Any:
        """Somebody comes."""
        person = Person(self, name, framing, sound)
        self.people.append(person)
        return person

    def leave(self, person: Person) -> None:
        """Somebody goes."""
        self.people.remove(person)

    def run(self, seconds: float) -> None:
        """Let time pass: everybody sends a frame per 20 ms, then the tick comes."""
        for _ in range(round(seconds * 50)):
            begin_ms = self.now_ms
            sources = sorted(
                [(p.phase_ms, p.send_frame) for p in self.people]
                + [(self.model.phase_ms, self.model.send_frame)],
                key=lambda source: source[0],
            )
            for phase_ms, send in sources:
                self.now_ms = begin_ms + phase_ms
                send()
            self.now_ms = begin_ms + FRAME_MS
            self.mixdown.tick(cast("list[Client]", self.people))


@dataclass
class Heard:
    """A decoded stream, 20 ms at a time."""

    frames: list[Pcm] = field(default_factory=list)
    times_ms: list[float] = field(default_factory=list)

    def sound(self) -> Pcm:
        return np.concatenate(self.frames) if self.frames else SILENCE[:0]

    def levels_db(self, hz: float, peak: float = 8000.0) -> np.ndarray:
        """Level of one tone in every 20 ms, 0 dB is `peak`."""
        phase = np.exp(-2j * np.pi * hz * np.arange(FRAME_SAMPLES) / RATE_HZ)
        frames = np.array(self.frames, dtype=float)
        strength = 2 * np.abs((frames * phase).mean(axis=1))
        return np.asarray(20 * np.log10(np.maximum(strength, 1) / peak))


class Model:
    """The model leg: Opus over RTP both ways."""

    phase_ms = 13.0

    def __init__(self, desk: Desk, *, takes_packets: bool) -> None:
        self.takes_packets = takes_packets
        self._desk = desk
        self._sender, self.wire = lean_sender(dtx=False)
        self._intake = Intake(libopus.Decoder)
        self._intake.pass_frames(lambda pcm: desk.mixdown.on_model_audio(pcm))
        self._encoder = libopus.Encoder("voip", bit_rate_bps=32_000, complexity=5)
        self.says: Callable[[int], Pcm] = silence
        self._n = 0
        self.n_passed = self.n_encoded = 0
        self.times_ms: list[float] = []

    # --- as the mixdown sees it

    @property
    def passes_packets(self) -> bool:
        return self._intake.passes_packets

    def pass_packets(self, on: bool) -> list[Pcm]:
        if on:
            self._intake.pass_packets(self._desk.mixdown.on_model_packet)
            return []
        self._intake.pass_frames(lambda pcm: self._desk.mixdown.on_model_audio(pcm))
        return self._intake.woken

    def send_audio(self, pcm: Pcm) -> None:
        self.n_encoded += 1
        self.times_ms.append(self._desk.now_ms)
        self._sender.push(pcm)

    def send_packet(self, payload: bytes) -> None:
        self.n_passed += 1
        self.times_ms.append(self._desk.now_ms)
        if payload:
            self._sender.push_packet(payload)
        else:
            self._sender.rest()

    def prime(self, frames: list[Pcm]) -> None:
        self._sender.prime(frames)

    # --- as the service

    def send_frame(self) -> None:
        """20 ms of its voice, or of silence, as the service sends them."""
        self._intake.packet(self._n & 0xFFFF, self._encoder.encode(self.says(self._n)))
        self._n += 1

    def heard(self) -> Heard:
        """What the service heard; the numbering must be without a gap."""
        decoder, heard = libopus.Decoder(), Heard()
        headers = [rtp.read_header(packet) for packet in self.wire.rtp]
        for (_, s0, t0, _), (_, s1, t1, _) in itertools.pairwise(headers):
            assert (s1 - s0) % (1 << 16) == 1, "a sequence number is missing"
            assert (t1 - t0) % (1 << 32) == TICKS, "the time stood still or jumped"
        for packet in self.wire.rtp:
            pcm = decoder.decode(rtp.payload_of(packet))
            assert pcm is not None
            heard.frames.append(pcm)
        heard.times_ms = self.times_ms
        return heard


class Person:
    """A browser on a data channel, as far as the mixdown knows it."""

    has_track = False
    is_ready = True

    def __init__(
        self, desk: Desk, name: str, framing: fr.Framing, sound: Callable[[int], Pcm]
    ) -> None:
        self.client_id = name
        self.profile = Profile(name=name)
        self.is_speaking = False
        self.sound = sound
        self.phase_ms = 7.0 + len(desk.people)
        self.messages: list[bytes] = []
        self.line: ChannelLine = new_line(framing, self._keep)
        self.intake.lead_ms = desk.lead_ms
        self._far_end = new_line(framing, self._to_bridge)
        self._n = 0

    @property
    def intake(self) -> Intake:
        return self.line.intake

    def send_audio(self, pcm: Pcm) -> None:
        if self.profile.hears:
            self.line.push(pcm)

    def send_packet(self, payload: bytes) -> None:
        if not self.profile.hears:
            return
        if payload:
            self.line.push_packet(payload)
        else:
            self.line.rest()

    def send_frame(self) -> None:
        """20 ms of the microphone."""
        self._far_end.push(self.sound(self._n))
        self._n += 1

    def heard(self) -> Heard:
        """What came out of the loudspeaker, packet after packet."""
        heard = Heard()
        ear = new_line(self.line.framing, self._keep)
        ear.intake.pass_frames(heard.frames.append)
        for message in self.messages:
            ear.receive(message)
        return heard

    def _keep(self, message: bytes) -> bool:
        self.messages.append(message)
        return True

    def _to_bridge(self, message: bytes) -> bool:
        self.line.receive(message)
        return True
