"""Collects transcript pieces into whole texts. SANS-IO."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

Role = Literal["user", "assistant"]

MAX_ITEMS = 64
"""Items still being written at one time; older ones are forgotten."""
MAX_TEXT_CHARS = 16_000
"""More than any spoken turn; keeps a message below the data channel's limit."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was said so far in one item."""

    role: Role
    item_id: str
    text: str
    final: bool


class Transcripts:
    """Cumulative text per item."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, str] = OrderedDict()

    def add(self, role: Role, item_id: str, delta: str) -> Transcript:
        """One more piece; the whole text so far comes back."""
        text = (self._texts.pop(item_id, "") + delta)[:MAX_TEXT_CHARS]
        self._texts[item_id] = text
        while len(self._texts) > MAX_ITEMS:
            self._texts.popitem(last=False)
        return Transcript(role, item_id, text, final=False)

    def finish(self, role: Role, item_id: str, text: str) -> Transcript:
        """The final text; an empty one keeps what was collected."""
        collected = self._texts.pop(item_id, "")
        final = (text or collected).strip()[:MAX_TEXT_CHARS]
        return Transcript(role, item_id, final, final=True)
