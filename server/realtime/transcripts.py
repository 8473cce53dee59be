"""Collects transcript pieces into whole texts. SANS-IO."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Literal

from server.realtime import wire

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
        self._roles: dict[str, Role] = {}

    def note(self, event: wire.ServerEvent) -> Transcript | None:
        """Follow one event of the service; the text it changes, if any."""
        match event:
            case wire.InputTranscriptDelta(item_id, delta):
                return self.add("user", item_id, delta)
            case wire.InputTranscriptDone(item_id, text):
                return self.finish("user", item_id, text)
            case wire.OutputTranscriptDelta(item_id, _, delta):
                return self.add("assistant", item_id, delta)
            case wire.OutputTranscriptDone(item_id, _, text):
                return self.finish("assistant", item_id, text)
        return None

    def add(self, role: Role, item_id: str, delta: str) -> Transcript:
        """One more piece; the whole text so far comes back."""
        text = (self._texts.pop(item_id, "") + delta)[:MAX_TEXT_CHARS]
        self._texts[item_id] = text
        self._roles[item_id] = role
        while len(self._texts) > MAX_ITEMS:
            oldest, _ = self._texts.popitem(last=False)
            del self._roles[oldest]
        return Transcript(role, item_id, text, final=False)

    def finish(self, role: Role, item_id: str, text: str) -> Transcript:
        """The final text; an empty one keeps what was collected."""
        collected = self._texts.pop(item_id, "")
        self._roles.pop(item_id, None)
        final = (text or collected).strip()[:MAX_TEXT_CHARS]
        return Transcript(role, item_id, final, final=True)

    def finish_all(self) -> list[Transcript]:
        """Nothing more comes: the texts as far as they got."""
        return [
            self.finish(self._roles[item_id], item_id, "") for item_id in [*self._texts]
        ]

    def forget(self, item_id: str) -> bool:
        """Drop what was collected of an item; whether there was anything."""
        self._roles.pop(item_id, None)
        return self._texts.pop(item_id, None) is not None
