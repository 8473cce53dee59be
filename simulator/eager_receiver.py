"""A track's packets as they arrive: without aiortc's 80 ms jitter buffer. EDGE.

aiortc holds four frames before it decodes the first (`prefetch=4`) and does not come
back from a loss. A browser's buffer starts near 30-40 ms; here that is the playout
buffer's work, the same for both legs. This is the one place that touches aiortc's
internals (aiortc 1.16, pyproject pins the minor);
tests/unit/simulator/test_eager_receiver.py fails when they change.
"""

from __future__ import annotations

from aiortc import RTCRtpReceiver
from aiortc.jitterbuffer import JitterFrame
from aiortc.rtp import RtpPacket

ATTRIBUTE = "_RTCRtpReceiver__jitter_buffer"


class ArrivalOrder:
    """Stands in for aiortc's JitterBuffer: one Opus packet in, one frame out.

    A packet older than the newest one given out is dropped: its time has passed.
    """

    def __init__(self) -> None:
        self._newest: int | None = None
        self.n_late = 0

    def add(self, packet: RtpPacket) -> tuple[bool, JitterFrame | None]:
        """(never a key frame request, the frame to decode or None)."""
        if self._newest is not None:
            ahead = (packet.sequence_number - self._newest) & 0xFFFF
            if ahead == 0 or ahead >= 0x8000:
                self.n_late += 1
                return False, None
        self._newest = packet.sequence_number
        data = packet._data  # type: ignore[attr-defined]  # set by the receiver
        return False, JitterFrame(data=data, timestamp=packet.timestamp)


def receive_eagerly(receiver: RTCRtpReceiver) -> None:
    """Replace a receiver's jitter buffer before its first packet.

    Raises:
        AttributeError: aiortc keeps it elsewhere now.
    """
    if not hasattr(receiver, ATTRIBUTE):
        raise AttributeError(f"aiortc's receiver has no {ATTRIBUTE}")
    setattr(receiver, ATTRIBUTE, ArrivalOrder())
