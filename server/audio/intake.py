"""What one sender sends, put in order, decoded, and given on as it is wanted. SANS-IO.

Three ways out: packets as they come (nothing is decoded), frames as they come, or one
frame per tick through a bounded buffer. Changing from one to another loses nothing and
leaves no gap: what waited is handed out, and a decoder that has slept is woken with the
last packets.
"""

from collections import deque
from collections.abc import Callable
from typing import Protocol, TypeAlias

from server.audio.format import FRAME_MS, FRAME_SAMPLES, SILENCE, Pcm
from server.audio.playout import PlayoutBuffer
from server.audio.reorder import LOST, ReorderWindow

WAKING_PACKETS = 6
"""Packets after which a decoder that joins a stream has caught up with it."""
TICK_DEPTH = 4
"""Packets held behind a gap when the tick decides how long it is waited for."""
PASSING_DEPTH = 2
DTX_BYTES = 3
"""An Opus encoder that says no more than this is silent, and may stop for a while."""

OnFrame: TypeAlias = Callable[[Pcm], None]
OnPacket: TypeAlias = Callable[[bytes | None], None]
"""A payload, or None for one that was lost."""


class FrameDecoder(Protocol):
    """Payloads of one stream to samples at 24 kHz mono."""

    def decode(self, payload: bytes) -> Pcm | None:
        """The samples of a payload, or None when it is damaged."""

    def conceal(self, following: bytes | None = None) -> Pcm:
        """One frame in place of a lost one; `following` comes next, if known."""


class Intake:
    """The receiving end of one stream."""

    def __init__(
        self,
        new_decoder: Callable[[], FrameDecoder],
        *,
        lead_ms: Callable[[], float] = lambda: 0.0,
    ) -> None:
        """
        Args:
            new_decoder: makes the decoder of a stream that begins.
            lead_ms: time until the next `pull`.
        """
        self._new_decoder = new_decoder
        self.lead_ms = lead_ms
        self._lead_at_tick_ms: float | None = None
        self._on_frame: OnFrame | None = None
        self._on_packet: OnPacket | None = None
        self._lost_before = self._late_before = 0
        self.passing_concealed_frames = 0
        self.rests = False
        """The sender has said that it pauses."""
        self.woken: list[Pcm] = []
        """What the decoder was woken with when packets last passed undecoded."""
        self.begin()

    def begin(self) -> None:
        """A new stream: another numbering, another encoder."""
        if hasattr(self, "_window"):
            self._lost_before += self._window.counters.lost
            self._late_before += self._window.counters.late
        self._window: ReorderWindow[tuple[bytes, bool]] = ReorderWindow(PASSING_DEPTH)
        self._decoder: FrameDecoder = self._new_decoder()
        self._recent: deque[bytes] = deque(maxlen=WAKING_PACKETS)
        self._is_asleep = False
        if not hasattr(self, "buffer"):
            self.buffer = PlayoutBuffer(conceal=self._conceal)

    def close(self) -> None:
        """Free the decoder, and forget who wanted what comes; the counts stay."""
        self._on_frame = self._on_packet = None
        self._decoder = _NO_DECODER
        self.buffer.close()

    @property
    def lost_packets(self) -> int:
        """Packets that never came."""
        return self._lost_before + self._window.counters.lost

    @property
    def late_packets(self) -> int:
        """Packets that came after they had been given up, or twice."""
        return self._late_before + self._window.counters.late

    @property
    def concealed_frames(self) -> int:
        """Frames made up, on every way out."""
        in_buffer = self.buffer.counters.concealed // FRAME_SAMPLES
        return self.passing_concealed_frames + in_buffer

    # --- ways out

    @property
    def passes_packets(self) -> bool:
        """Whether packets go on undecoded."""
        return self._on_packet is not None

    @property
    def is_passing(self) -> bool:
        """Whether nothing waits for a tick."""
        return self._on_packet is not None or self._on_frame is not None

    def pass_packets(self, on_packet: OnPacket) -> None:
        """From now on packets, as they come; call when nothing waits for the tick."""
        self._on_frame, self._on_packet = None, on_packet
        self._window.depth = PASSING_DEPTH
        self._recent.clear()

    def pass_frames(self, on_frame: OnFrame) -> list[Pcm]:
        """From now on frames, as they come; what waited comes back."""
        self._wake_up()
        self._on_frame, self._on_packet = on_frame, None
        self._window.depth = PASSING_DEPTH
        waiting = []
        while len(self.buffer):
            if (frame := self.buffer.pull()) is None:
                break
            waiting.append(frame)
        self.buffer.flush()
        return waiting

    def keep_frames(self) -> None:
        """From now on one frame per `pull`."""
        self._wake_up()
        self._on_frame = self._on_packet = None
        self._window.depth = TICK_DEPTH

    # --- in

    def packet(self, sequence: int, payload: bytes, *, is_pause: bool = False) -> None:
        """One packet; `is_pause` says that none follows for now."""
        if self._window.take_next(sequence):
            self._deliver_one(payload, is_pause)
            return
        self._deliver(self._window.push(sequence, (payload, is_pause)))
        if self._on_packet is None and self._on_frame is None:
            dry = self.buffer.dry_frames
            if dry and 0 < self._window.missing <= dry:
                # Their time has passed already, with something made up.
                self._deliver(self._window.give_up())

    def samples(self, pcm: Pcm) -> None:
        """Samples of a stream without numbers."""
        if self._on_frame is not None:
            self._on_frame(pcm)
        elif self._on_packet is None:
            self.buffer.push(pcm, lead_ms=self.lead_ms())

    def pull(self) -> Pcm | None:
        """The frame for this tick, or None: silence."""
        if len(self.buffer) < FRAME_SAMPLES and self._window.missing:
            # What waited behind the gap came early enough: it says nothing of delay.
            self._lead_at_tick_ms = float(FRAME_MS)
            self._deliver(self._window.give_up())
            self._lead_at_tick_ms = None
        return self.buffer.pull()

    def give_up_gap(self) -> None:
        """Do not wait any longer for a packet that others wait behind."""
        self._deliver(self._window.give_up())

    def flush(self) -> None:
        """Forget what waits for the tick."""
        self.buffer.flush()

    # --- inside

    def _deliver(self, released: list[tuple[bytes, bool] | None]) -> None:
        for n, entry in enumerate(released):
            if entry is not LOST:
                self._deliver_one(*entry)
            elif self._on_packet is not None:
                self._on_packet(None)
            else:
                following = released[n + 1] if n + 1 < len(released) else None
                self._lose(following[0] if following else None)

    def _deliver_one(self, payload: bytes, is_pause: bool) -> None:
        self.rests = is_pause or len(payload) <= DTX_BYTES
        if self._on_packet is None:
            self._hand_on(payload)
            return
        self._recent.append(payload)
        self._is_asleep = True
        self._on_packet(payload)

    def _lose(self, following: bytes | None) -> None:
        if self._on_frame is not None:
            self.passing_concealed_frames += 1
            self._on_frame(self._decoder.conceal(following))
        elif self.buffer.dry_frames:
            self.buffer.dry_frames -= 1  # the tick has had something in its place
        else:
            self.buffer.counters.concealed += FRAME_SAMPLES
            self._push(self._decoder.conceal(following))

    def _hand_on(self, payload: bytes) -> None:
        pcm = self._decoder.decode(payload)
        if pcm is None or not pcm.size:
            return
        if self._on_frame is not None:
            self._on_frame(pcm)
            return
        self._push(pcm)
        if self.rests:
            self.buffer.rest()

    def _push(self, pcm: Pcm) -> None:
        lead_ms = self._lead_at_tick_ms
        self.buffer.push(pcm, lead_ms=self.lead_ms() if lead_ms is None else lead_ms)

    def _conceal(self) -> Pcm:
        return self._decoder.conceal()

    def _wake_up(self) -> None:
        """Let the decoder hear what it slept through, and nobody else."""
        if not self._is_asleep:
            return
        self._is_asleep = False
        self._decoder = self._new_decoder()
        decoded = [self._decoder.decode(payload) for payload in self._recent]
        self.woken = [pcm for pcm in decoded if pcm is not None]
        self._recent.clear()


class _NoDecoder:
    """Of a stream that is over."""

    def decode(self, payload: bytes) -> Pcm | None:
        return None

    def conceal(self, following: bytes | None = None) -> Pcm:
        return SILENCE


_NO_DECODER = _NoDecoder()
