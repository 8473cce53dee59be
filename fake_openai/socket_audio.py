"""Audio of a WebSocket call for the record: what its events carry. PURE.

There is no media clock on a WebSocket: sample i of the input was appended, and sample
i of the output was sent, in the message at its anchor, however long that took.
"""

import json
from collections.abc import Mapping
from typing import Any, Final

from fake_openai.tape import Tape
from fake_openai.wire.audio import decode_base64

_PCM: Final = "audio/pcm"


class SocketAudio:
    """Copies the audio inside events onto a call's two tapes."""

    def __init__(self, heard: Tape, spoken: Tape) -> None:
        self._heard = heard
        self._spoken = spoken
        self._input_format = _PCM
        self._output_format = _PCM

    def received(self, message: str | bytes, t_s: float) -> None:
        """A client event: its audio if it is an append, else nothing."""
        if isinstance(message, bytes) or '"input_audio_buffer.append"' not in message:
            return
        try:
            event = json.loads(message)
            audio = event.get("audio")
            if event.get("type") == "input_audio_buffer.append":
                self._heard.append(decode_base64(audio, self._input_format), t_s)
        except (ValueError, TypeError, AttributeError, RecursionError):
            return  # The session answers it with an error.

    def sent(self, body: Mapping[str, Any], t_s: float) -> None:
        """A server event: audio of a delta, formats of a session."""
        kind = body.get("type")
        if kind == "response.output_audio.delta":
            pcm = decode_base64(str(body.get("delta", "")), self._output_format)
            self._spoken.append(pcm, t_s)
        elif kind in {"session.created", "session.updated"}:
            audio = (body.get("session") or {}).get("audio") or {}
            self._input_format = _format_of(audio.get("input"))
            self._output_format = _format_of(audio.get("output"))


def _format_of(side: Any) -> str:
    kind = ((side or {}).get("format") or {}).get("type")
    return kind if kind in {"audio/pcmu", "audio/pcma"} else _PCM
