"""Transcription over HTTP, where the recogniser itself is the trouble."""

from __future__ import annotations

import io
import wave
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from fake_openai.api_error import ApiError
from fake_openai.http_audio import _hear
from fake_openai.speech.protocols import Pcm, Recognition


class Deaf:
    def recognise(self, pcm: Pcm) -> Recognition:
        return Recognition.failure()


async def test_a_recogniser_that_failed_is_an_error_and_no_empty_text() -> None:
    server: Any = SimpleNamespace(speech=SimpleNamespace(recogniser=Deaf()))
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 24_000, 0, "NONE", ""))
        out.writeframes(np.zeros(2_400, np.int16).tobytes())

    with pytest.raises(ApiError) as caught:
        await _hear(server, file.getvalue())

    assert (caught.value.status, caught.value.kind) == (500, "server_error")
