from __future__ import annotations

import io
import json
import wave
from pathlib import Path

import numpy as np

from simulator.keep import keep_call, wav
from simulator.measures import measure
from simulator.record import CallRecord
from simulator.speech import tone
from tests.unit.simulator.calls import KnownCall
from tests.unit.simulator.sounds import sentence


def channels(data: bytes) -> np.ndarray:
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getframerate(), file.getsampwidth()) == (24_000, 2)
        pcm = np.frombuffer(file.readframes(file.getnframes()), dtype="<i2")
        return pcm.reshape(-1, file.getnchannels())


def test_channels_stay_apart() -> None:
    left, right = tone(440, 0.1), tone(880, 0.1)

    found = channels(wav(left, right))

    assert np.array_equal(found[:, 0], left)
    assert np.array_equal(found[:, 1], right)


def test_a_call_is_kept_on_one_axis(tmp_path: Path) -> None:
    call, model = KnownCall(uplink_ms=12, thinking_ms=600).record()

    keep_call(tmp_path, call, model, measure(call, model))

    sides = channels((tmp_path / "call-0.wav").read_bytes())
    model_sides = channels((tmp_path / "call-0-model.wav").read_bytes())
    assert sides.shape == model_sides.shape == (int(9.0 * 24_000), 2)
    question = sentence(31, 1.5)
    handed_over = 24_000 + 480  # the capture frame
    at_model = handed_over + round(0.012 * 24_000)
    for side, at in ((sides, handed_over), (model_sides, at_model)):
        assert np.array_equal(side[at : at + question.size, 0], question)
    happened = json.loads((tmp_path / "call-0.json").read_text())
    assert [p["found"] for p in happened["uplink"]] == [True]
    assert [p["what"] for p in happened["downlink"]] == ["answer 1"]


def test_a_call_that_never_began_leaves_nothing(tmp_path: Path) -> None:
    call = CallRecord(0, "datachannel", "tag", "conversation")

    keep_call(tmp_path, call, None, measure(call, None))

    assert list(tmp_path.iterdir()) == []
