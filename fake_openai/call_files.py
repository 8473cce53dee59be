"""A finished call as a directory: events, timeline, both WAV files."""

import json
from pathlib import Path
from typing import Any

from fake_openai.call import Call
from fake_openai.tape import wav_bytes


def write_call(call: Call, directory: Path) -> Path:
    """Write the record of a call; returns its own directory below `directory`.

    `call.json` (ids, times, session), `events.jsonl` (one event a line, with t_s and
    direction), `timeline.json` (sample anchors and turns), `input.wav`, `output.wav`.
    Blocks: call it in a thread.

    Raises:
        OSError: the directory cannot be written.
    """
    place = directory / call.call_id
    place.mkdir(parents=True, exist_ok=True)
    recorder = call.recorder
    facts: dict[str, Any] = {
        "call_id": call.call_id,
        "transport": call.transport,
        "created_at": call.created_at,
        "created_s": call.created_s,
        "ended_s": call.ended_s,
        "end_reason": call.end_reason,
        "session": call.config,
    }
    (place / "call.json").write_text(json.dumps(facts, indent=1) + "\n")
    with (place / "events.jsonl").open("w", encoding="utf-8") as file:
        for event in tuple(recorder.events):
            file.write(json.dumps(event.as_json(), ensure_ascii=False) + "\n")
    timeline = json.dumps(recorder.timeline())
    (place / "timeline.json").write_text(timeline + "\n")
    (place / "input.wav").write_bytes(wav_bytes(recorder.input.pcm()))
    (place / "output.wav").write_bytes(wav_bytes(recorder.output.pcm()))
    return place
