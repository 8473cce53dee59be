"""How one response comes into being over time: a script of due times.

The model thinks, then text runs ahead of the audio, and audio is generated faster than
it plays (realtime-api.md §7). Cut short by a token budget or by a planned failure.
"""

import heapq
import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from fake_openai.scenario.director import Line, Plan, PlannedCall
from fake_openai.scenario.models import Timing
from fake_openai.session.items import Item
from fake_openai.session.response_stream import ResponseStream
from fake_openai.session.usage import (
    ASSISTANT_AUDIO_PER_S,
    audio_tokens,
    text_tokens,
)
from fake_openai.speech.protocols import Voice
from fake_openai.speech.tone import tone_pcm
from fake_openai.wire.audio import Pcm, samples_of_ms

Steps: TypeAlias = Generator[float, None, tuple[float, "Outcome | None"]]
"""Due times; returns when it ended, and the outcome if the response ends with it."""

_Piece: TypeAlias = tuple[float, int, int, str | Pcm]
"""Due time, order among pieces due together, number, and the piece."""

ARGUMENT_CHARS = 12
"""Characters per `function_call_arguments.delta`."""
TONE_MS = 2_000
"""Length of a tone that names none."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a response ended: `status` and `status_details` of `response.done`."""

    status: Literal["completed", "cancelled", "incomplete", "failed"]
    details: dict[str, Any] | None = None


COMPLETED = Outcome("completed")
OUT_OF_TOKENS = Outcome(
    "incomplete", {"type": "incomplete", "reason": "max_output_tokens"}
)


class Listener(Protocol):
    """Who is told how far a response has come."""

    def on_text(self) -> None: ...

    def on_audio(self, item: Item, pcm: Pcm) -> None: ...

    def on_finished(self, outcome: Outcome) -> None: ...

    def mcp_steps(self, call: PlannedCall, start_s: float) -> Steps: ...


@dataclass(frozen=True, slots=True)
class Manner:
    """How this response is spoken or written."""

    modality: Literal["audio", "text"]
    voice: str
    speed: float
    max_tokens: int | None
    phase: bool


def words_of(text: str) -> list[str]:
    """Word-sized pieces that join to the text again."""
    return re.findall(r"\s*\S+", text)


class Generation:
    """Generates one response; `script` is its process."""

    def __init__(
        self,
        plan: Plan,
        stream: ResponseStream,
        listener: Listener,
        *,
        voice: Voice,
        manner: Manner,
        timing: Timing,
    ) -> None:
        self._plan = plan
        self._stream = stream
        self._listener = listener
        self._voice = voice
        self._manner = manner
        self._timing = timing
        self._written_tokens = 0
        self._said_ms = 0.0

    def script(self, start_s: float) -> Iterator[float]:
        """Due times; ends after telling the listener how it finished."""
        outcome = yield from self._run(start_s)
        self._listener.on_finished(outcome)

    def _run(self, start_s: float) -> Generator[float, None, Outcome]:
        at_s = start_s + self._plan.think_ms / 1000
        fail = self._plan.fail
        if fail is not None and (fail.after_ms == 0 or not self._plan.lines):
            yield at_s + fail.after_ms / 1000
            return self._failed()
        text_s = start_s + self._plan.think_ms / 1000 * self._timing.text_lead
        for line in self._plan.lines:
            at_s, cut = yield from self._say(line, text_s, at_s)
            if cut is not None:
                return cut
            text_s = at_s
        for call in self._plan.calls:
            yield at_s
            at_s, cut = yield from self._call(call, at_s)
            if cut is not None:
                return cut
        yield at_s
        return COMPLETED

    def _say(self, line: Line, text_s: float, audio_s: float) -> Steps:
        spoken = self._manner.modality == "audio"
        pcm = self._speech(line) if spoken else None
        words = words_of(line.text)
        is_last = line is self._plan.lines[-1]
        pcm, words, cut = self._fitted(pcm, words, line_is_last=is_last)
        yield text_s
        phase = line.phase or ("final_answer" if self._manner.phase else None)
        item = self._stream.open_message(self._manner.modality, phase)
        step_s = self._timing.text_delta_ms / 1000
        texts: list[_Piece] = [
            (text_s + number * step_s, 0, number, word)
            for number, word in enumerate(words)
        ]
        sounds = list(self._chunks(pcm, audio_s)) if pcm is not None else []
        end_s = max([audio_s, *(entry[0] for entry in (*texts[-1:], *sounds[-1:]))])
        for due_s, _, _, piece in heapq.merge(texts, sounds, key=lambda e: e[:3]):
            yield due_s
            if isinstance(piece, str):
                self._stream.text(piece)
                self._listener.on_text()
            else:
                self._stream.audio(piece)
                self._listener.on_audio(item, piece)
        yield end_s
        self._stream.close("completed" if cut is None else "incomplete")
        return end_s, cut

    def _call(self, call: PlannedCall, at_s: float) -> Steps:
        if call.mcp is not None:
            return (yield from self._listener.mcp_steps(call, at_s))
        text, cut = call.arguments, None
        left = self._tokens_left()
        if left is not None and text_tokens(text) > left:
            text, cut = text[: max(0, left) * 4], OUT_OF_TOKENS
        self._written_tokens += text_tokens(text)
        self._stream.open_call(call.name)
        self._listener.on_text()
        for start in range(0, len(text), ARGUMENT_CHARS):
            yield at_s
            self._stream.arguments(text[start : start + ARGUMENT_CHARS])
            at_s += self._timing.text_delta_ms / 1000
        yield at_s
        self._stream.close("completed" if cut is None else "incomplete")
        return at_s, cut

    def _speech(self, line: Line) -> Pcm:
        voice = line.voice or self._manner.voice
        duration_ms = line.duration_ms
        if line.tone is not None:
            return tone_pcm(
                line.tone.hz,
                duration_ms=duration_ms or TONE_MS,
                dbfs=line.tone.dbfs,
            )
        speech = self._voice.speak(line.text, voice, duration_ms=duration_ms)
        if duration_ms is None and self._manner.speed != 1:
            wanted = round(speech.duration_ms / self._manner.speed)
            speech = self._voice.speak(line.text, voice, duration_ms=wanted)
        return speech.pcm

    def _chunks(self, pcm: Pcm, start_s: float) -> Iterator[_Piece]:
        n = samples_of_ms(self._timing.chunk_ms)
        step_s = self._timing.chunk_ms / 1000 / self._timing.speed
        for index, at in enumerate(range(0, pcm.size, n)):
            yield start_s + index * step_s, 1, index, pcm[at : at + n]

    def _fitted(
        self, pcm: Pcm | None, words: list[str], *, line_is_last: bool
    ) -> tuple[Pcm | None, list[str], Outcome | None]:
        """Audio and words cut to what the budget or a planned failure lets out."""
        size = pcm.size if pcm is not None else 0
        needed = text_tokens("".join(words)) + audio_tokens(size, ASSISTANT_AUDIO_PER_S)
        kept, cut = 1.0, None
        left = self._tokens_left()
        if left is not None and needed > left:
            kept, cut = max(0, left) / needed, OUT_OF_TOKENS
        fail = self._plan.fail
        if fail is not None:
            whole_ms = size / 24 if size else len(words) * self._timing.text_delta_ms
            left_ms = fail.after_ms - self._said_ms
            part = min(1.0, left_ms / whole_ms) if whole_ms else 1.0
            self._said_ms += whole_ms
            if part < kept or (part == kept and line_is_last):
                kept, cut = part, self._failed()
        self._written_tokens += round(needed * kept)
        if cut is None:
            return pcm, words, None
        n_words = int(len(words) * kept)
        return (
            pcm[: int(size * kept)] if pcm is not None else None,
            words[:n_words],
            cut,
        )

    def _tokens_left(self) -> int | None:
        limit = self._manner.max_tokens
        return None if limit is None else limit - self._written_tokens

    def _failed(self) -> Outcome:
        fail = self._plan.fail
        assert fail is not None
        if fail.status == "failed":
            error = {"type": fail.type, "code": fail.code, "message": fail.message}
            return Outcome("failed", {"type": "failed", "error": error})
        if fail.status == "incomplete":
            return Outcome("incomplete", {"type": "incomplete", "reason": fail.reason})
        return Outcome("cancelled", {"type": "cancelled", "reason": "client_cancelled"})
