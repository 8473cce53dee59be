"""Keeps a call to listen to: both sides on one time axis, and what happened. EDGE."""

from __future__ import annotations

import io
import json
import wave
from pathlib import Path
from typing import Any

import numpy as np

from simulator.measures import CallMeasures
from simulator.passage import Passage
from simulator.record import CallRecord, ModelRecord
from simulator.timeline import RATE_HZ, Pcm

LANE_STEP_S = 0.02


def keep_call(
    folder: Path, call: CallRecord, model: ModelRecord | None, measures: CallMeasures
) -> None:
    """Write `call-N.wav` (left mouth, right ear), `call-N-model.wav` (left what the
    model heard, right what it spoke) and `call-N.json`, all from the same moment.

    Raises:
        OSError: the folder cannot be written to.
    """
    if call.ear is None:
        return
    start_s = call.hung_up_s - call.talk_s
    n_samples = int(call.talk_s * RATE_HZ)
    name = f"call-{call.index}"
    mouth = call.mouth.recording().on_axis(start_s, n_samples)
    ear = call.ear.sound.on_axis(start_s, n_samples)
    (folder / f"{name}.wav").write_bytes(wav(mouth, ear))
    if model is not None:
        heard = model.heard.on_axis(start_s, n_samples)
        spoken = model.spoken.on_axis(start_s, n_samples)
        (folder / f"{name}-model.wav").write_bytes(wav(heard, spoken))
    text = json.dumps(timeline_json(call, measures, start_s), indent=1)
    (folder / f"{name}.json").write_text(text, encoding="utf-8")


def timeline_json(
    call: CallRecord, measures: CallMeasures, start_s: float
) -> dict[str, Any]:
    """What happened when, in seconds from the start of the recordings."""

    def at(time_s: float) -> float:
        return round(time_s - start_s, 4)

    def passage(p: Passage) -> dict[str, Any]:
        return {
            "what": p.what,
            "found": p.found,
            "confidence": round(p.confidence, 3),
            "left_s": [at(t) for t in p.left_s],
            "came_s": [at(t) for t in p.came_s] if p.found else None,
            "missing_ms": p.continuity and round(p.continuity.missing_ms, 1),
            "stalled_ms": p.continuity and round(p.continuity.stalled_ms, 1),
        }

    return {
        "call": call.index,
        "monotonic_start_s": start_s,
        "rate_hz": RATE_HZ,
        "said": [
            {"what": s.what, "start": s.start, "end": s.end, "over": s.over_answer}
            for s in call.said
        ],
        "uplink": [passage(p) for p in measures.uplink],
        "downlink": [passage(p) for p in measures.downlink],
        "states": [[at(time_s), state] for time_s, state in call.states],
        "flushes_s": [at(time_s) for time_s in call.flushes_s],
        "defects": [
            {
                "kind": d.kind,
                "leg": d.leg,
                "words": d.words,
                "size": d.size,
                "at_s": None if d.at_s is None else at(d.at_s),
            }
            for d in measures.defects
        ],
    }


def drawn_timeline(
    call: CallRecord, model: ModelRecord | None, measures: CallMeasures
) -> dict[str, Any] | None:
    """The timeline with what a plot needs besides: length and envelopes. None for a
    call that never began."""
    if call.ear is None:
        return None
    start_s = call.hung_up_s - call.talk_s
    return {
        **timeline_json(call, measures, start_s),
        "seconds": round(call.talk_s, 3),
        "lane_step_s": LANE_STEP_S,
        "lanes": lanes(call, model, start_s),
    }


def lanes(
    call: CallRecord, model: ModelRecord | None, start_s: float
) -> dict[str, list[int]]:
    """Envelopes of all sides on the call's axis: the peak of each LANE_STEP_S, in per
    cent of full scale."""
    if call.ear is None:
        return {}
    n_samples = int(call.talk_s * RATE_HZ)
    sides = {"mouth": call.mouth.recording()}
    if model is not None:
        sides |= {"model_heard": model.heard, "model_spoken": model.spoken}
    sides["ear"] = call.ear.sound
    return {
        name: _peaks(side.on_axis(start_s, n_samples))
        for name, side in sides.items()
        if not side.timeline.is_empty
    }


def _peaks(pcm: Pcm) -> list[int]:
    step = int(LANE_STEP_S * RATE_HZ)
    whole = np.abs(pcm[: pcm.size // step * step].astype(np.int32)).reshape(-1, step)
    # Below half a per cent (-46 dBFS) is a codec's floor, not sound.
    return [int(p) for p in np.rint(whole.max(axis=1, initial=0) * 100 / 32768)]


def wav(*channels: Pcm) -> bytes:
    """A WAV file of PCM16 channels of equal length at 24 kHz."""
    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(len(channels))
        file.setsampwidth(2)
        file.setframerate(RATE_HZ)
        file.writeframes(np.stack(channels, axis=1).astype("<i2").tobytes())
    return out.getvalue()
