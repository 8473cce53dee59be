"""Client events as a confused or hostile client might send them. Seeded."""

from __future__ import annotations

import base64
import json
import random
from typing import Any

TYPES = (
    "session.update",
    "input_audio_buffer.append",
    "input_audio_buffer.commit",
    "input_audio_buffer.clear",
    "output_audio_buffer.clear",
    "conversation.item.create",
    "conversation.item.retrieve",
    "conversation.item.delete",
    "conversation.item.truncate",
    "response.create",
    "response.cancel",
)
_SCALARS: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 10**12, 0.5, float("inf"), "", "x" * 600, "é\u0000",
    "item_x", "realtime", "transcription", "audio", "text", "auto", [], {}, "none",
)  # fmt: skip
_KEYS = (
    "type", "session", "audio", "item", "item_id", "content", "content_index",
    "audio_end_ms", "response", "event_id", "previous_item_id", "input", "output",
    "turn_detection", "format", "voice", "tools", "instructions", "role", "text",
    "metadata", "conversation", "output_modalities", "name", "call_id", "arguments",
)  # fmt: skip


class RandomEvents:
    """An endless supply of messages, the same for the same seed."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def message(self) -> str | bytes:
        """One message: mostly a known type with odd fields, at times no event."""
        choose = self._random.random()
        if choose < 0.02:
            return self._random.randbytes(self._random.randint(0, 200))
        if choose < 0.06:
            return self._broken_text()
        if choose < 0.25:
            return json.dumps(self._sensible())
        event = self._value(0)
        if not isinstance(event, dict):
            event = {}
        if self._random.random() < 0.95:
            event["type"] = self._random.choice(TYPES)
        return json.dumps(event)

    def _broken_text(self) -> str:
        pick = self._random.choice
        return pick(
            ["", "{", "null", "[]", '"x"', "[" * 500, '{"type":', "NaN", "{}{}"]
        )

    def _sensible(self) -> dict[str, Any]:
        """A valid event, so that the session also gets into its deeper states."""
        pcm = self._random.randbytes(2 * self._random.randint(0, 4_800))
        words = self._random.choice(
            ["hello", "tell me a joke", "ask the team to count"]
        )
        message = {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": words}],
        }
        detection = self._random.choice(
            [
                None,
                {"type": "server_vad"},
                {"type": "semantic_vad", "eagerness": "high"},
            ]
        )
        audio = {"input": {"turn_detection": detection}}
        return self._random.choice(
            [
                {
                    "type": "input_audio_buffer.append",
                    "audio": base64.b64encode(pcm).decode(),
                },
                {"type": "input_audio_buffer.commit"},
                {"type": "conversation.item.create", "item": message},
                {"type": "response.create"},
                {"type": "response.cancel"},
                {
                    "type": "session.update",
                    "session": {"type": "realtime", "audio": audio},
                },
            ]
        )

    def _value(self, depth: int) -> Any:
        choose = self._random.random()
        if depth < 4 and (depth == 0 or choose < 0.35):
            n_keys = self._random.randint(0, 5)
            return {
                self._random.choice(_KEYS): self._value(depth + 1)
                for _ in range(n_keys)
            }
        if depth < 4 and choose < 0.45:
            return [self._value(depth + 1) for _ in range(self._random.randint(0, 3))]
        return self._random.choice(_SCALARS)
