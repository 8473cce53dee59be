"""What the fake model recorded of our calls, through its control API. EDGE."""

from __future__ import annotations

import io
import wave
from typing import Any

import aiohttp
import numpy as np

from simulator.record import LateSpell, ModelRecord
from simulator.timeline import RATE_HZ, Pcm, Recording, Timeline, joined

CLOCK = "CLOCK_MONOTONIC"


class FakeUnavailableError(Exception):
    """The fake cannot tell us; the text becomes the reason beside empty figures."""


class FakeControl:
    """Reads `/fake/v1` of the fake. Does not own the HTTP session."""

    def __init__(
        self, http: aiohttp.ClientSession, url: str, *, timeout_s: float = 20.0
    ) -> None:
        self._http = http
        self._url = url.rstrip("/") + "/fake/v1"
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)

    async def reset_lateness(self) -> None:
        """Let the fake's account of its lateness begin now, if it can do that."""
        try:
            async with self._http.post(
                self._url + "/lateness/reset", timeout=self._timeout
            ) as response:
                await response.read()
        except (aiohttp.ClientError, TimeoutError):
            return  # who cannot be reached will be noticed when asked for records

    async def lateness(self) -> dict[str, Any] | None:
        """How late the fake itself was, percentiles in ms; None if it does not say."""
        try:
            found = (await self._json("/health")).get("lateness_ms")
        except (FakeUnavailableError, AttributeError):
            return None
        return found if isinstance(found, dict) else None

    async def find(self, tag: str) -> list[str]:
        """Ids of the calls whose instructions carry the tag, oldest first.

        More than one, where the bridge replaced a model session.
        """
        calls = await self._json("/calls", params={"tag": tag})
        if not isinstance(calls, list) or not calls:
            raise FakeUnavailableError("the fake saw no call with this tag")
        return [str(call["call_id"]) for call in calls]

    async def record(self, tag: str) -> ModelRecord:
        """Sound and times of the conversation with this tag.

        Raises:
            FakeUnavailableError: unreachable, unknown call, or another clock or rate.
        """
        records = [await self._record(call_id) for call_id in await self.find(tag)]
        if len(records) == 1:
            return records[0]
        return ModelRecord(
            joined([r.heard for r in records]),
            joined([r.spoken for r in records]),
            [turn for r in records for turn in r.turns],
            [spell for r in records for spell in r.late],
        )

    async def newest(self) -> ModelRecord:
        """Sound and times of the newest call, whoever called.

        Raises:
            FakeUnavailableError: as `record`.
        """
        return await self._record((await self.find(""))[-1])

    async def _record(self, call_id: str) -> ModelRecord:
        timeline = await self._json(f"/calls/{call_id}/timeline")
        if timeline.get("clock") != CLOCK or timeline.get("rate_hz") != RATE_HZ:
            raise FakeUnavailableError(
                f"clock {timeline.get('clock')}, rate {timeline.get('rate_hz')}"
            )
        heard, spoken = [
            Recording(
                read_wav(await self._bytes(f"/calls/{call_id}/audio/{side}.wav")),
                Timeline.from_anchors(
                    [(int(i), float(t)) for i, t in timeline[side]["anchors"]]
                ),
            )
            for side in ("input", "output")
        ]
        late = [
            LateSpell(spell["began_s"], spell["ended_s"], spell["worst_ms"])
            for spell in timeline.get("late", [])
        ]
        return ModelRecord(heard, spoken, list(timeline.get("turns", [])), late)

    async def _json(self, path: str, **given: Any) -> Any:
        try:
            async with self._get(path, **given) as response:
                response.raise_for_status()
                return await response.json()
        except (aiohttp.ClientError, TimeoutError, ValueError) as exc:
            raise FakeUnavailableError(f"the fake's {path}: {exc!r}") from exc

    async def _bytes(self, path: str) -> bytes:
        try:
            async with self._get(path) as response:
                response.raise_for_status()
                return await response.read()
        except (aiohttp.ClientError, TimeoutError) as exc:
            raise FakeUnavailableError(f"the fake's {path}: {exc!r}") from exc

    def _get(self, path: str, **given: Any) -> aiohttp.client._RequestContextManager:
        return self._http.get(self._url + path, timeout=self._timeout, **given)


def read_wav(data: bytes) -> Pcm:
    """Samples of a WAV file, int16, shape (n_samples,).

    Raises:
        FakeUnavailableError: not PCM16 mono at 24 kHz.
    """
    try:
        with wave.open(io.BytesIO(data)) as file:
            form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
            if form != (1, 2, RATE_HZ):
                raise FakeUnavailableError(f"WAV of (channels, bytes, Hz) {form}")
            return np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
    except (wave.Error, EOFError) as exc:
        raise FakeUnavailableError(f"not a WAV file: {exc}") from exc


def write_wav(pcm: Pcm) -> bytes:
    """A WAV file of PCM16 mono 24 kHz."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(pcm.astype("<i2").tobytes())
    return out.getvalue()
