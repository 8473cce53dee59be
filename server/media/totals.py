"""Counts over all browsers of a conversation."""

from dataclasses import dataclass, fields

from server.audio.format import FRAME_MS, samples_to_ms
from server.media.client import Client


@dataclass(slots=True)
class ClientTotals:
    """Counts of all browsers of a conversation, gone ones included."""

    mic_ms: int = 0
    mic_dropped_ms: int = 0
    mic_underruns: int = 0
    mic_lost_ms: int = 0
    mic_concealed_ms: int = 0
    sent_frames: int = 0
    dropped_frames: int = 0

    def include(self, other: "ClientTotals") -> None:
        """Include what was counted elsewhere."""
        for field in fields(self):
            name = field.name
            setattr(self, name, getattr(self, name) + getattr(other, name))

    def add(self, client: Client) -> None:
        """Include one browser."""
        if not client.has_audio:
            return
        intake = client.intake
        counters = intake.buffer.counters
        self.mic_ms += round(samples_to_ms(counters.pulled))
        self.mic_dropped_ms += round(samples_to_ms(counters.dropped + counters.trimmed))
        self.mic_underruns += counters.underruns
        self.mic_lost_ms += intake.lost_packets * FRAME_MS
        self.mic_concealed_ms += intake.concealed_frames * FRAME_MS
        self.sent_frames += client.sent_frames
        self.dropped_frames += client.dropped_frames
