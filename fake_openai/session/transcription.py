"""Input transcription: what the user said, as events beside the response."""

from collections.abc import Iterator
from typing import Any

from fake_openai.scenario.director import Situation
from fake_openai.session.agenda import Script
from fake_openai.session.generation import words_of
from fake_openai.session.items import Item
from fake_openai.session.parts import Parts
from fake_openai.session.usage import USER_AUDIO_PER_S, audio_tokens, text_tokens
from fake_openai.wire.audio import RATE_HZ

KIND = "conversation.item.input_audio_transcription"
SINGLE_DELTA_MODEL = "whisper-1"
"""Sends the whole text as one delta, and bills by duration."""
DIARIZING_MODEL = "gpt-4o-transcribe-diarize"
"""Says who spoke when, as segments; the fake's users are one speaker each."""
SPEAKER = "A"
HEARING_FAILED = (
    "recogniser_failed",
    "The fake's recogniser failed, so the audio was not transcribed.",
)
"""Code and message of what no scenario asked for."""
_LOGPROB = -0.01


class Transcription:
    """Transcribes committed user audio when the session asks for it."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def begin(self, item: Item, committed_s: float) -> None:
        """Transcribe an item whose words are known. The time it takes counts from the
        commit: what the recogniser used of it is not added."""
        settings = self._parts.config.transcription
        if settings is None:
            return
        model = str(settings.get("model") or SINGLE_DELTA_MODEL)
        Script(self._parts.agenda, self._steps(item, model, committed_s)).resume()

    def _steps(self, item: Item, model: str, committed_s: float) -> Iterator[float]:
        parts = self._parts
        total_s = parts.delay_s(parts.timing.transcribe)
        situation = Situation(
            text=item.text or "",
            spoken=True,
            recognised=item.recognised,
            utterance_id=item.utterance_id,
        )
        scripted = parts.director.transcript(situation)
        failure = None
        if scripted is not None and scripted.fail:
            failure = scripted.code, scripted.message
        elif scripted is None and item.hearing_failed:
            failure = HEARING_FAILED
        if failure is not None:
            yield committed_s + total_s
            self._fail(item, *failure)
            return
        text = item.text or ""
        if scripted is not None and scripted.text is not None:
            text = scripted.text
        pieces = [text] if model == SINGLE_DELTA_MODEL else words_of(text)
        pieces = [piece for piece in pieces if piece]
        for number, piece in enumerate(pieces, 1):
            yield committed_s + total_s * number / (len(pieces) + 1)
            self._delta(item, piece)
        yield committed_s + total_s
        if model == DIARIZING_MODEL and text:
            self._segment(item, text)
        self._complete(item, text, model)

    def _delta(self, item: Item, piece: str) -> None:
        fields: dict[str, Any] = {"delta": piece}
        if self._parts.config.wants_logprobs:
            fields["logprobs"] = [_logprob(piece)]
        if self._parts.options.obfuscation:
            fields["obfuscation"] = self._parts.outbox.padding()
        self._parts.outbox.emit(
            f"{KIND}.delta", item_id=item.id, content_index=0, **fields
        )

    def _segment(self, item: Item, text: str) -> None:
        self._parts.outbox.emit(
            f"{KIND}.segment",
            item_id=item.id,
            content_index=0,
            id=self._parts.outbox.new_id("seg"),
            speaker=SPEAKER,
            start=0.0,
            end=item.audio_ms(0) / 1000,
            text=text,
        )

    def _complete(self, item: Item, text: str, model: str) -> None:
        if item.content:
            item.content[0]["transcript"] = text
        fields: dict[str, Any] = {"transcript": text}
        if self._parts.config.wants_logprobs:
            fields["logprobs"] = [_logprob(piece) for piece in words_of(text)]
        self._parts.outbox.emit(
            f"{KIND}.completed",
            item_id=item.id,
            content_index=0,
            **fields,
            usage=_usage(item, text, model),
        )

    def _fail(self, item: Item, code: str, message: str) -> None:
        error = {
            "type": "transcription_error",
            "code": code,
            "message": message,
            "param": "",
        }
        self._parts.outbox.emit(
            f"{KIND}.failed", item_id=item.id, content_index=0, error=error
        )


def _usage(item: Item, text: str, model: str) -> dict[str, Any]:
    n_samples = item.heard_samples.get(0, 0)
    if model == SINGLE_DELTA_MODEL:
        return {"type": "duration", "seconds": -(-n_samples // RATE_HZ)}
    heard, written = audio_tokens(n_samples, USER_AUDIO_PER_S), text_tokens(text)
    return {
        "type": "tokens",
        "total_tokens": heard + written,
        "input_tokens": heard,
        "input_token_details": {"text_tokens": 0, "audio_tokens": heard},
        "output_tokens": written,
    }


def _logprob(piece: str) -> dict[str, Any]:
    return {"token": piece, "logprob": _LOGPROB, "bytes": list(piece.encode())}
