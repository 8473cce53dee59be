"""What was said and done in a conversation, to be told to another model session.

SANS-IO. It follows the service's events, so it has what the service had: typed and
spoken words, the assistant's words as far as they were heard, calls and their outputs.
Item kinds and shapes as the service takes them: realtime-api notes, section 3.
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, TypeAlias

from server.realtime import wire
from server.realtime.config import Json

MS_PER_CHAR = 65
"""Speech at 150 words a minute; says how many words a cut answer got across."""
MIN_HEARD_MS = 300
"""Less of an answer was not heard at all."""
MAX_KEPT = 400
MAX_TEXT_CHARS = 8_000
"""Of one item; longer outputs of tools were cut by the tools already."""
FINISHED_TOLERANCE_MS = 700

Kind: TypeAlias = Literal["user", "assistant", "system", "call", "output"]


@dataclass(frozen=True, slots=True)
class ReplayLimits:
    """How much of a conversation a new session is told, newest first."""

    max_items: int = 100
    max_chars: int = 16_000


@dataclass(slots=True)
class _Entry:
    key: str
    kind: Kind
    text: str = ""
    """Words, arguments or output."""
    call_id: str = ""
    name: str = ""
    response_id: str = ""
    heard_ms: int | None = None
    """None: all of it."""

    def words(self) -> str:
        """The text as far as it was heard, cut between two words."""
        text = self.text.strip()
        if self.heard_ms is None:
            return text
        n_chars = self.heard_ms // MS_PER_CHAR
        if n_chars >= len(text):
            return text
        heard, _, _ = text[: n_chars + 1].rpartition(" ")
        return f"{heard} …" if heard else ""


class History:
    """The items of one conversation, oldest first; bounded."""

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._unwritten: dict[str, None] = {}
        """Spoken items of the user whose words are not known yet."""

    @property
    def awaits_words(self) -> bool:
        """True while something the user said is known to the service only."""
        return bool(self._unwritten)

    def note(self, event: wire.ServerEvent) -> None:
        """Follow one event of the service."""
        match event:
            case wire.ItemAdded(item) if item.type == "message":
                self._added(item)
            case wire.InputTranscriptDone(item_id, text):
                self._unwritten.pop(item_id, None)
                self._entry(item_id, "user").text = text[:MAX_TEXT_CHARS]
            case wire.InputTranscriptFailed(item_id):
                self._unwritten.pop(item_id, None)
            case wire.OutputTranscriptDelta(item_id, response_id, delta):
                entry = self._entry(item_id, "assistant")
                entry.response_id = response_id
                entry.text = (entry.text + delta)[:MAX_TEXT_CHARS]
            case wire.OutputTranscriptDone(item_id, response_id, text) if text:
                entry = self._entry(item_id, "assistant")
                entry.response_id = response_id
                entry.text = text[:MAX_TEXT_CHARS]
            case wire.ItemTruncated(item_id, audio_end_ms):
                self._entry(item_id, "assistant").heard_ms = audio_end_ms

    def text(self, item_id: str, kind: Literal["user", "system"], text: str) -> None:
        """A message of ours: typed by the user, or context from the tools."""
        self._entry(item_id, kind).text = text[:MAX_TEXT_CHARS]

    def call(self, item: wire.Item, response_id: str) -> None:
        """A function call that is being run."""
        entry = self._entry(_call_key(item.call_id), "call")
        entry.call_id, entry.name = item.call_id, item.name
        entry.text, entry.response_id = item.arguments[:MAX_TEXT_CHARS], response_id

    def output(self, call_id: str, output: str) -> None:
        """The output of a call."""
        entry = self._entry(f"output:{call_id}", "output")
        entry.call_id, entry.text = call_id, output[:MAX_TEXT_CHARS]

    def break_off(self, response_id: str, heard_ms: float | None) -> bool:
        """An answer was cut by the loss of its session.

        Args:
            response_id: the response.
            heard_ms: how much of it was played; None when none was.

        Returns:
            Whether the user has not heard it to its end.
        """
        spoken = [
            entry
            for entry in self._entries.values()
            if entry.kind == "assistant" and entry.response_id == response_id
        ]
        if heard_ms is None or heard_ms < MIN_HEARD_MS:
            for entry in spoken:
                del self._entries[entry.key]
            return True
        if not spoken:
            return True
        *_, last = spoken
        estimate_ms = sum(len(e.text) for e in spoken) * MS_PER_CHAR
        if heard_ms + FINISHED_TOLERANCE_MS >= estimate_ms:
            return False
        before_ms = sum(len(e.text) for e in spoken[:-1]) * MS_PER_CHAR
        last.heard_ms = max(0, round(heard_ms - before_ms))
        return True

    def forget_unwritten(self) -> list[str]:
        """Drop what the user said and nobody wrote down; the ids."""
        dropped = list(self._unwritten)
        for item_id in dropped:
            self._entries.pop(item_id, None)
        self._unwritten.clear()
        return dropped

    def replay(
        self, limits: ReplayLimits, *, running: Collection[str] = ()
    ) -> list[Json]:
        """The newest items, oldest first, for `conversation.item.create`.

        A call is never told without its output unless it is `running`, nor an output
        without its call. Running calls are told however old they are.
        """
        chosen: list[Json] = []
        wanted: set[str] = set(running)
        n_chars = 0
        for entry in reversed(self._entries.values()):
            item = _item(entry)
            if item is None:
                continue
            if entry.kind == "call":
                if entry.call_id in wanted:
                    chosen.append(item)
                    n_chars += len(entry.text)
                continue
            is_full = len(chosen) >= limits.max_items
            if is_full or n_chars + len(entry.words()) > limits.max_chars:
                # Nothing older: a conversation with holes makes no sense.
                limits = ReplayLimits(0, 0)
                continue
            if entry.kind == "output":
                if not self._has_call(entry.call_id):
                    continue
                wanted.add(entry.call_id)
            chosen.append(item)
            n_chars += len(entry.words())
        return chosen[::-1]

    def _added(self, item: wire.Item) -> None:
        if item.role == "user":
            is_new = item.id not in self._entries
            entry = self._entry(item.id, "user")
            entry.text = item.text or entry.text
            if is_new and not entry.text:
                self._unwritten[item.id] = None
        elif item.role == "system" and item.text:
            self._entry(item.id, "system").text = item.text[:MAX_TEXT_CHARS]
        elif item.role == "assistant":
            entry = self._entry(item.id, "assistant")
            entry.text = entry.text or item.text

    def _entry(self, key: str, kind: Kind) -> _Entry:
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = _Entry(key, kind)
            while len(self._entries) > MAX_KEPT:
                oldest = next(iter(self._entries))
                del self._entries[oldest]
                self._unwritten.pop(oldest, None)
        return entry

    def _has_call(self, call_id: str) -> bool:
        return _call_key(call_id) in self._entries


def _call_key(call_id: str) -> str:
    return f"call:{call_id}"


def _item(entry: _Entry) -> Json | None:
    match entry.kind:
        case "call":
            return {
                "type": "function_call",
                "call_id": entry.call_id,
                "name": entry.name,
                "arguments": entry.text or "{}",
            }
        case "output":
            return {
                "type": "function_call_output",
                "call_id": entry.call_id,
                "output": entry.text,
            }
    words = entry.words()
    if not words:
        return None
    part = "output_text" if entry.kind == "assistant" else "input_text"
    return {
        "id": entry.key,
        "type": "message",
        "role": entry.kind,
        "content": [{"type": part, "text": words}],
    }
