"""The model leg over a WebSocket: events and audio as JSON, playback on our side.

To the rest of the bridge it behaves as WebRTC does: a voice in real time, playback
events, and answers that are cut at what was heard.
"""

import asyncio
import base64
import binascii
import contextlib
import logging
from collections import deque
from urllib.parse import quote

import aiohttp
import numpy as np

from server.audio.format import FRAME_MS, Pcm
from server.errors import (
    ModelRejectedError,
    ModelTimeoutError,
    ModelUnavailableError,
    ModelUnreachableError,
)
from server.realtime import wire
from server.realtime.config import Json, SessionConfig
from server.realtime.messages import encode
from server.realtime.playback import Began, Playback
from server.realtime.signalling import ModelEndpoint
from server.realtime.transport import TransportEvents

logger = logging.getLogger(__name__)

BATCH_FRAMES = 2
"""40 ms an event: half the overhead of 20 ms, and still below what a turn notices."""
MAX_MESSAGE_BYTES = 8 << 20
MAX_WAITING_AUDIO = 15_000 // (BATCH_FRAMES * FRAME_MS)
"""Appends that may wait for the socket; then the oldest go."""
MAX_WAITING_EVENTS = 1_024
"""More events than this waiting: the service does not read; the leg is lost."""
CLOSE_TIMEOUT_S = 2.0
DRAIN_S = 0.5
"""So long may the last of what was said take to leave."""
PING_INTERVAL_S = 1.0


class WebSocketTransport:
    """A ModelTransport. `open` it; the events then flow to the owner."""

    def __init__(
        self,
        events: TransportEvents,
        endpoint: ModelEndpoint,
        *,
        timeout_s: float,
        may_use_proxy: bool,
    ) -> None:
        self._events = events
        self._sockets = aiohttp.ClientSession(trust_env=may_use_proxy)
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._loop = asyncio.get_running_loop()
        self._socket: aiohttp.ClientWebSocketResponse | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._playback = Playback()
        self._batch: list[bytes] = []
        self._waiting: deque[str] = deque()
        self._audio: deque[str] = deque(maxlen=MAX_WAITING_AUDIO)
        self._news = asyncio.Event()
        self._drained = asyncio.Event()
        """The writer has nothing left."""
        self._wants_ping = False
        self._pinged_at_s = 0.0
        self._heard_at_s: float | None = None
        self._is_closing = False
        self.dropped_appends = 0

    async def open(self, config: SessionConfig) -> None:
        """Connect; the session itself is there once `session.created` arrives.

        Raises:
            ModelError: what stood in the way. The caller still closes.
        """
        base = self._endpoint.base_url.replace("http", "ws", 1)
        url = f"{base}/realtime?model={quote(config.model, safe='')}"
        headers = {"Authorization": f"Bearer {self._endpoint.api_key}"}
        try:
            async with asyncio.timeout(self._timeout_s):
                self._socket = await self._sockets.ws_connect(
                    url, headers=headers, autoping=False, max_msg_size=MAX_MESSAGE_BYTES
                )
        except TimeoutError as exc:
            raise ModelTimeoutError(f"no WebSocket in {self._timeout_s} s") from exc
        except aiohttp.WSServerHandshakeError as exc:
            raise _refusal(exc.status) from exc
        except (aiohttp.ClientError, OSError) as exc:
            raise ModelUnreachableError(type(exc).__name__) from exc
        self._heard_at_s = self._loop.time()
        self._tasks = [
            self._loop.create_task(self._read(self._socket), name="model socket in"),
            self._loop.create_task(self._write(self._socket), name="model socket out"),
        ]

    def send_event(self, event: Json) -> bool:
        """Send one client event; False when the leg cannot."""
        if self._socket is None or self._is_closing:
            return False
        if event["type"] == "output_audio_buffer.clear":
            self._cut()  # the service has no such buffer here: it is ours
            return True
        self._flush_batch()  # what was said before the event goes before it
        if len(self._waiting) >= MAX_WAITING_EVENTS:
            self._lost("the service does not read")
            return False
        # Order between audio and events matters to `commit` only.
        while self._audio and event["type"].startswith("input_audio_buffer."):
            self._waiting.append(self._audio.popleft())
        self._waiting.append(encode(event))
        self._news.set()
        return True

    def send_audio(self, pcm: Pcm) -> None:
        """Send one 20 ms frame."""
        if self._socket is None or self._is_closing:
            return
        self._batch.append(pcm.astype("<i2", copy=False).tobytes())
        if len(self._batch) >= BATCH_FRAMES:
            self._flush_batch()

    @property
    def takes_packets(self) -> bool:
        """It carries PCM."""
        return False

    @property
    def passes_packets(self) -> bool:
        """Never."""
        return False

    def pass_packets(self, on: bool) -> list[Pcm]:
        """Nothing to change."""
        return []

    def send_packet(self, payload: bytes) -> None:
        """Never called: it takes no packets."""

    def prime(self, frames: list[Pcm]) -> None:
        """PCM needs no predecessor."""

    @property
    def takes_bursts(self) -> bool:
        """The service counts samples, not time."""
        return True

    def tick(self) -> None:
        """Every 20 ms: one frame of the voice."""
        if self._socket is None or self._is_closing:
            return
        frame, changes = self._playback.pull()
        for change in changes:
            self._events.on_model_event(
                wire.PlaybackStarted(change.response_id)
                if isinstance(change, Began)
                else wire.PlaybackStopped(change.response_id)
            )
        self._events.on_model_audio(frame)

    def probe(self) -> None:
        """Ask the service for a sign of life."""
        now_s = self._loop.time()
        if now_s - self._pinged_at_s >= PING_INTERVAL_S:
            self._pinged_at_s = now_s
            self._wants_ping = True
            self._news.set()

    @property
    def lost_packets(self) -> int:
        """None: TCP loses nothing."""
        return 0

    def silent_s(self) -> float:
        """Seconds since anything at all was heard from the service."""
        if self._heard_at_s is None:
            return 0.0
        return self._loop.time() - self._heard_at_s

    async def close(self) -> None:
        """End the session and free everything. Safe to call twice.

        What was said until now still goes to the service, if it takes it in time.
        """
        if not self._is_closing and self._socket is not None:
            await self._drain()
        self._is_closing = True
        socket, self._socket = self._socket, None
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if socket is not None:
            try:
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await socket.close()
            except (TimeoutError, aiohttp.ClientError, OSError) as exc:
                logger.debug("the model socket closed hard: %s", type(exc).__name__)
        await self._sockets.close()

    async def _drain(self) -> None:
        self._flush_batch()
        self._drained.clear()
        self._news.set()
        writer = self._tasks[1] if self._tasks else None
        if writer is None or writer.done():
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await self._drained.wait()

    async def _read(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        while True:
            message = await socket.receive()
            self._heard_at_s = self._loop.time()
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    self._on_text(message.data)
                case aiohttp.WSMsgType.PING:
                    await socket.pong(message.data)
                case aiohttp.WSMsgType.PONG | aiohttp.WSMsgType.BINARY:
                    pass
                case _:
                    self._lost(f"socket closed with {socket.close_code}")
                    return

    async def _write(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        try:
            while True:
                await self._news.wait()
                self._news.clear()
                if self._wants_ping:
                    self._wants_ping = False
                    await socket.ping()
                while self._waiting or self._audio:
                    queue = self._waiting or self._audio
                    await socket.send_str(queue.popleft())
                self._drained.set()
        except (aiohttp.ClientError, OSError) as exc:
            self._lost(f"{type(exc).__name__} while sending")

    def _on_text(self, text: str) -> None:
        event = wire.decode(text)
        match event:
            case wire.OutputAudioDelta():
                self._on_audio(event)
                return
            case wire.ResponseDone(response_id):
                self._playback.response_done(response_id)
        self._events.on_model_event(event)
        if isinstance(event, wire.SpeechStarted):
            self._cut()

    def _on_audio(self, delta: wire.OutputAudioDelta) -> None:
        try:
            data = base64.b64decode(delta.audio, validate=True)
        except (binascii.Error, ValueError):
            logger.debug("an audio delta is not base64")
            return
        pcm = np.frombuffer(data[: len(data) // 2 * 2], "<i2").astype(np.int16)
        self._playback.add(delta.response_id, delta.item_id, delta.content_index, pcm)

    def _cut(self) -> None:
        """Stop the voice; the service must know what was heard of it."""
        cut = self._playback.cut()
        if cut is None:
            return
        self.send_event(
            {
                "type": "conversation.item.truncate",
                "item_id": cut.item_id,
                "content_index": cut.content_index,
                "audio_end_ms": cut.audio_end_ms,
            }
        )
        self._events.on_model_event(wire.PlaybackCleared(cut.response_id))

    def _flush_batch(self) -> None:
        if not self._batch:
            return
        audio = base64.b64encode(b"".join(self._batch)).decode("ascii")
        self._batch.clear()
        if len(self._audio) == MAX_WAITING_AUDIO:
            self.dropped_appends += 1
        self._audio.append(f'{{"type":"input_audio_buffer.append","audio":"{audio}"}}')
        self._news.set()

    def _lost(self, reason: str) -> None:
        if not self._is_closing:
            self._events.on_model_lost(reason)


def _refusal(status: int) -> Exception:
    detail = f"WebSocket: HTTP {status}"
    if status in (401, 403):
        return ModelRejectedError(
            detail,
            user_message="The voice service does not accept this server's API key.",
        )
    if status == 429 or status >= 500:
        return ModelUnavailableError(detail)
    if status == 404:
        return ModelUnreachableError(
            detail, user_message="There is no voice service at the configured address."
        )
    return ModelRejectedError(detail)
