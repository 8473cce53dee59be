"""The audio endpoints: transcriptions and speech."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator
from typing import Any, Final

from aiohttp import BodyPartReader, web

from fake_openai.api_error import ApiError
from fake_openai.audio_file import FORMATS, AudioFileError, read_audio, write_audio
from fake_openai.event_stream import send_stream
from fake_openai.http_edge import json_body, token_of
from fake_openai.server import SERVER, FakeServer
from fake_openai.tape import RATE_HZ

MAX_FILE_BYTES: Final = 25 * 1024 * 1024
"""OpenAI's limit for a transcription upload."""
MAX_INPUT_CHARACTERS: Final = 4_096
_CHUNK_BYTES: Final = 16_384
_WORD_S: Final = 0.005
"""Between two streamed words."""


def add_routes(app: web.Application) -> None:
    """Register the endpoints under /v1."""
    app.router.add_post("/v1/audio/transcriptions", transcribe)
    app.router.add_post("/v1/audio/speech", speak)


async def transcribe(request: web.Request) -> web.StreamResponse:
    """POST /v1/audio/transcriptions: a multipart form with file and model."""
    server = request.app[SERVER]
    server.credentials.require_api_key(token_of(request), time.time())
    fields, data = await _read_form(request)
    if data is None or "model" not in fields:
        missing = "file" if data is None else "model"
        raise ApiError(
            400,
            f"Missing required parameter: '{missing}'.",
            code="missing_required_parameter",
            param=missing,
        )
    wanted = fields.get("response_format", "json")
    if wanted not in {"json", "text", "verbose_json", "srt", "vtt"}:
        raise ApiError(
            400,
            f"Invalid value: '{wanted}'. Supported values are: 'json', 'text', "
            "'srt', 'verbose_json', and 'vtt'.",
            code="invalid_value",
            param="response_format",
        )
    text, seconds = await _hear(server, data)
    if fields.get("stream") == "true":
        return await send_stream(request, _transcript_events(text))
    return _transcript_response(wanted, text, seconds, fields.get("language", "en"))


async def _hear(server: FakeServer, data: bytes) -> tuple[str, float]:
    """Text and length in seconds; decoding and recognition off the loop's thread."""
    try:
        pcm = await asyncio.to_thread(read_audio, data)
    except AudioFileError as exc:
        raise ApiError(
            400,
            "Invalid file format. Supported formats: ['flac', 'm4a', 'mp3', 'mp4', "
            "'mpeg', 'mpga', 'oga', 'ogg', 'wav', 'webm']",
            param="file",
        ) from exc
    heard = await asyncio.to_thread(server.speech.recogniser.recognise, pcm)
    if heard.failed:
        raise ApiError(
            500,
            "The fake's recogniser failed, so the audio was not transcribed.",
            kind="server_error",
        )
    return heard.text, len(pcm) / RATE_HZ


def _transcript_response(
    wanted: str, text: str, seconds: float, language: str
) -> web.Response:
    if wanted == "text":
        return web.Response(text=text + "\n", content_type="text/plain")
    if wanted in {"srt", "vtt"}:
        return web.Response(text=_subtitles(wanted, text, seconds))
    body: dict[str, Any] = {"text": text}
    if wanted == "json":
        # Audio is billed at ten tokens a second.
        audio, said = int(seconds * 10), len(text.split())
        body["usage"] = {
            "type": "tokens",
            "total_tokens": audio + said,
            "input_tokens": audio,
            "input_token_details": {"text_tokens": 0, "audio_tokens": audio},
            "output_tokens": said,
        }
        return web.json_response(body)
    segment = {
        "id": 0,
        "seek": 0,
        "start": 0.0,
        "end": seconds,
        "text": text,
        "tokens": [],
        "temperature": 0.0,
        "avg_logprob": -0.1,
        "compression_ratio": 1.0,
        "no_speech_prob": 0.0,
    }
    return web.json_response(
        {
            "task": "transcribe",
            "language": language,
            "duration": seconds,
            "segments": [segment] if text else [],
            **body,
        }
    )


def _subtitles(wanted: str, text: str, seconds: float) -> str:
    minutes, rest = divmod(seconds, 60)
    point = "," if wanted == "srt" else "."
    end = f"00:{int(minutes):02d}:{rest:06.3f}".replace(".", point)
    cue = f"00:00:00{point}000 --> {end}\n{text}\n"
    return f"1\n{cue}\n" if wanted == "srt" else f"WEBVTT\n\n{cue}\n"


async def _transcript_events(text: str) -> AsyncIterator[dict[str, Any]]:
    for index, word in enumerate(text.split()):
        await asyncio.sleep(_WORD_S)
        delta = word if index == 0 else f" {word}"
        yield {"type": "transcript.text.delta", "delta": delta}
    yield {"type": "transcript.text.done", "text": text}


async def speak(request: web.Request) -> web.StreamResponse:
    """POST /v1/audio/speech {model, input, voice, response_format}"""
    server = request.app[SERVER]
    server.credentials.require_api_key(token_of(request), time.time())
    body = await json_body(request)
    for name in ("model", "input", "voice"):
        if not body.get(name):
            raise ApiError(
                400,
                f"Missing required parameter: '{name}'.",
                code="missing_required_parameter",
                param=name,
            )
    text, wanted = str(body["input"]), str(body.get("response_format") or "mp3")
    if wanted not in FORMATS:
        known = ", ".join(f"'{name}'" for name in FORMATS)
        raise ApiError(
            400,
            f"Invalid value: '{wanted}'. Supported values are: {known}.",
            code="invalid_value",
            param="response_format",
        )
    if len(text) > MAX_INPUT_CHARACTERS:
        raise ApiError(
            400,
            "Invalid 'input': string too long. Expected a string with maximum "
            f"length {MAX_INPUT_CHARACTERS}, but got a string with length "
            f"{len(text)} instead.",
            code="string_above_max_length",
            param="input",
        )
    data = await asyncio.to_thread(_spoken, server, text, str(body["voice"]), wanted)
    if body.get("stream_format") == "sse":
        return await send_stream(request, _speech_events(data))
    response = web.StreamResponse(headers={"Content-Type": FORMATS[wanted][2]})
    response.enable_chunked_encoding()
    await response.prepare(request)
    for start in range(0, len(data), _CHUNK_BYTES):
        await response.write(data[start : start + _CHUNK_BYTES])
    await response.write_eof()
    return response


def _spoken(server: FakeServer, text: str, voice: str, wanted: str) -> bytes:
    return write_audio(server.speech.voice.speak(text, voice).pcm, wanted)


async def _speech_events(data: bytes) -> AsyncIterator[dict[str, Any]]:
    for start in range(0, len(data), _CHUNK_BYTES):
        chunk = base64.b64encode(data[start : start + _CHUNK_BYTES]).decode()
        yield {"type": "speech.audio.delta", "audio": chunk}
    usage = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    yield {"type": "speech.audio.done", "usage": usage}


async def _read_form(request: web.Request) -> tuple[dict[str, str], bytes | None]:
    """The text fields and the file of a multipart form."""
    if request.content_type != "multipart/form-data":
        raise ApiError(400, "Could not parse multipart form.")
    fields: dict[str, str] = {}
    data: bytes | None = None
    try:
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader) or part.name is None:
                continue
            content = bytes(await part.read())
            if part.name == "file":
                data = content
            else:
                fields[part.name] = content.decode("utf-8", errors="replace")
    except ValueError as exc:
        raise ApiError(400, "Could not parse multipart form.") from exc
    if data is not None and len(data) > MAX_FILE_BYTES:
        raise ApiError(
            413,
            f"Maximum content size limit ({MAX_FILE_BYTES}) exceeded.",
            param="file",
        )
    return fields, data
