"""What happened when in each turn: the fake's own times, to be subtracted."""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(slots=True)
class TurnRecord:
    """One response and what led to it. Times are seconds of the session's clock."""

    index: int
    item_id: str | None = None
    """The user's item; None when the response was asked for without one."""
    response_id: str | None = None
    trigger: str = "request"
    """`speech`, `silence`, or `request`."""
    rule: str | None = None
    """The scenario rule that decided."""
    text: str | None = None
    utterance_id: str | None = None
    recognised: bool | None = None
    speech_start_sample: int | None = None
    """First sample of the speech in the session's input audio (24 kHz)."""
    speech_end_sample: int | None = None
    """One after its last sample, the silence not counted."""
    speech_started_s: float | None = None
    """When `speech_started` was emitted."""
    speech_stopped_s: float | None = None
    committed_s: float | None = None
    recognised_s: float | None = None
    """When the words were known; a part of the thinking time."""
    response_created_s: float | None = None
    thinking_from_s: float | None = None
    think_ms: float | None = None
    """Thinking time this turn was given: the first audio is there at thinking_from_s
    + think_ms, unless recognition took longer than that."""
    first_text_s: float | None = None
    first_audio_s: float | None = None
    """When the first audio was in the output buffer."""
    playout_started_s: float | None = None
    """When the edge pulled the first of it."""
    response_done_s: float | None = None
    playout_stopped_s: float | None = None
    cut_s: float | None = None
    """When the output buffer was cleared, by barge-in or by the client."""
    played_ms: int | None = None
    """What had been played when it was cut."""
    status: str | None = None
    function_calls: int = 0

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
