# ruff: noqa: T201 -- the console is its interface
"""Make the prepared recordings in fake_openai/utterances from texts.toml.

    python scripts/make_speech.py            # all of them; needs flite on the PATH
    python scripts/make_speech.py --check    # are audio and index in step with texts?
    python scripts/make_speech.py --folder tests/support/other_speech

flite (apt install flite) speaks; PyAV encodes; pocketsphinx, when installed, finds the
words' times (else they are shared out by length). Only recordings whose text or
speaker changed are made again; `--all` makes every one.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import tomllib
import wave
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from fake_openai.speech.level import (  # noqa: E402
    SPEECH_LEVEL_DBFS,
    SPEECH_THRESHOLD_DBFS,
    SpeechExtent,
    from_pcm,
    normalise,
    speech_extent,
    to_pcm,
)
from fake_openai.speech.resample import resample  # noqa: E402
from fake_openai.utterances.model import SAMPLE_RATE_HZ  # noqa: E402
from fake_openai.utterances.opus_file import decode_opus_file, encode_opus_file  # noqa: E402
from fake_openai.utterances.store import INDEX_FORMAT  # noqa: E402

FOLDER = ROOT / "fake_openai" / "utterances"
DEFAULT_BIT_RATE_BPS = 26_000
LEAD_MS = 60
TAIL_MS = 100
FADE_MS = 15
ASSISTANT_SPEAKER = "slt"
CUT_DBFS = -36.0
"""Edges quieter than this are faded out, so that every detector whose threshold lies
between about -50 and -38 dBFS sees the same edges."""
LONGEST_PAUSE_MS, PAUSE_DBFS = 100, -34.0
"""Pauses inside a user's sentence are cut to this, so that server_vad with its default
200 ms of silence hears one turn, even with a packet or two lost beside the pause."""
RECIPE = "7"
"""Part of every entry's digest: raise it when the steps below change."""


@dataclass(frozen=True)
class Line:
    """One recording to be made."""

    id: str
    role: str
    text: str
    speaker: str
    extra: dict[str, str]

    @property
    def sha256(self) -> str:
        source = "\n".join((RECIPE, self.speaker, self.text))
        return hashlib.sha256(source.encode()).hexdigest()


def lines(texts: dict[str, Any]) -> Iterator[Line]:
    """Recordings that texts.toml asks for, in its order."""
    for entry in texts["user"]:
        for number, speaker in enumerate(entry["speakers"]):
            id_ = entry["id"] if number == 0 else f"{entry['id']}.{speaker}"
            yield Line(id_, "user", entry["text"], speaker, {})
    for entry in texts.get("assistant", ()):
        extra = {key: entry[key] for key in ("answers", "after") if key in entry}
        yield Line(entry["id"], "assistant", entry["text"], ASSISTANT_SPEAKER, extra)


def flite(text: str, speaker: str) -> tuple[NDArray[np.float64], int]:
    """What flite makes of a text: float samples and their rate."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "speech.wav"
        subprocess.run(
            ["flite", "-voice", speaker, "-t", text, "-o", str(path)], check=True
        )
        with wave.open(str(path)) as file:
            data = np.frombuffer(file.readframes(file.getnframes()), np.int16)
            return data / 32768.0, file.getframerate()


def record(line: Line) -> NDArray[np.int16]:
    """A line spoken, at level, with LEAD_MS and TAIL_MS of silence around it."""
    spoken, rate_hz = flite(line.text, line.speaker)
    samples = normalise(resample(spoken, rate_hz, SAMPLE_RATE_HZ))
    extent = speech_extent(samples, CUT_DBFS)
    if extent is None:
        raise SystemExit(f"{line.id}: flite said nothing")
    ms = SAMPLE_RATE_HZ // 1000
    start = max(0, (extent.start_ms - FADE_MS) * ms)
    core = samples[start : (extent.end_ms + FADE_MS) * ms].copy()
    if line.role == "user":
        core = shorten_pauses(core)
    ramp = 0.5 - 0.5 * np.cos(np.pi * np.arange(FADE_MS * ms) / (FADE_MS * ms))
    core[: ramp.size] *= ramp
    core[-ramp.size :] *= ramp[::-1]
    pad = ((LEAD_MS - FADE_MS) * ms, (TAIL_MS - FADE_MS) * ms)
    return to_pcm(np.pad(core, pad))


def shorten_pauses(samples: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same speech with no pause longer than LONGEST_PAUSE_MS."""
    ms = SAMPLE_RATE_HZ // 1000
    powers = np.square(samples[: samples.size // ms * ms]).reshape(-1, ms).mean(axis=1)
    smooth = np.convolve(powers, np.full(15, 1 / 15), "same")
    loud = np.flatnonzero(smooth >= 10 ** (PAUSE_DBFS / 10))
    fade = np.linspace(0, 1, 10 * ms)
    for before, after in reversed(list(pairwise(loud.tolist()))):
        pause_ms = after - before - 1
        if pause_ms > LONGEST_PAUSE_MS:
            half = (LONGEST_PAUSE_MS // 2) * ms
            left = samples[: before * ms + half + fade.size // 2].copy()
            right = samples[after * ms - half - fade.size // 2 :].copy()
            joint = left[-fade.size :] * fade[::-1] + right[: fade.size] * fade
            samples = np.concatenate([left[: -fade.size], joint, right[fade.size :]])
    return samples


def word_times(
    line: Line, pcm: NDArray[np.int16], extent: SpeechExtent
) -> list[tuple[str, int, int]]:
    """The words of a line with start and end in milliseconds."""
    words = line.text.split()
    aligned = _aligned(words, pcm)
    if aligned is None:
        print(f"  {line.id}: words shared out by length", file=sys.stderr)
        aligned = _shared_out(words, extent)
    return [
        (word, max(extent.start_ms, start), min(extent.end_ms, end))
        for word, (start, end) in zip(words, aligned, strict=True)
    ]


def _aligned(words: list[str], pcm: NDArray[np.int16]) -> list[tuple[int, int]] | None:
    """Forced alignment by pocketsphinx; None when it is missing or fails."""
    try:
        from pocketsphinx import Config, Decoder
    except ImportError:
        return None
    plain = ["".join(c for c in w.lower() if c.isalnum() or c == "'") for w in words]
    low = to_pcm(resample(pcm / 32768.0, SAMPLE_RATE_HZ, 16_000)).tobytes()
    decoder = Decoder(Config(samprate=16_000, lm=None, loglevel="FATAL"))
    try:
        decoder.set_align_text(" ".join(plain))
        decoder.start_utt()
        decoder.process_raw(low, full_utt=True)
        decoder.end_utt()
        segments = [
            (s.word.split("(")[0], s.start_frame * 10, (s.end_frame + 1) * 10)
            for s in decoder.seg()
            if s.word[0] not in "<["
        ]
    except (RuntimeError, TypeError):
        return None
    if [word for word, _, _ in segments] != plain:
        return None
    return [(start, end) for _, start, end in segments]


def _shared_out(words: list[str], extent: SpeechExtent) -> list[tuple[int, int]]:
    weights = np.array([len(word) + 1 for word in words], dtype=float)
    edges = np.concatenate([[0], np.cumsum(weights)]) / weights.sum()
    times = np.rint(extent.start_ms + edges * (extent.end_ms - extent.start_ms))
    return [(int(a), int(b)) for a, b in pairwise(times)]


def entry(line: Line, bit_rate_bps: int) -> tuple[dict[str, Any], bytes]:
    """A line's index entry and its audio file."""
    pcm = record(line)
    data = encode_opus_file(pcm, bit_rate_bps=bit_rate_bps)
    # What is measured is what will be heard: the recording after Opus.
    extent = speech_extent(from_pcm(decode_opus_file(data, n_samples=pcm.size)))
    assert extent is not None
    return {
        "id": line.id,
        "role": line.role,
        "text": line.text,
        "speaker": line.speaker,
        **line.extra,
        "duration_ms": pcm.size * 1000 // SAMPLE_RATE_HZ,
        "n_samples": int(pcm.size),
        "speech_start_ms": extent.start_ms,
        "speech_end_ms": extent.end_ms,
        "longest_pause_ms": extent.longest_pause_ms,
        "source_sha256": line.sha256,
        "words": word_times(line, pcm, extent),
    }, data


def index_text(entries: list[dict[str, Any]]) -> str:
    """The index as JSON with one utterance per line: it diffs and greps well."""
    rows = ",\n".join("  " + json.dumps(e, ensure_ascii=False) for e in entries)
    head = {
        "format": INDEX_FORMAT,
        "rate_hz": SAMPLE_RATE_HZ,
        "level_dbfs": SPEECH_LEVEL_DBFS,
        "speech_threshold_dbfs": SPEECH_THRESHOLD_DBFS,
    }
    return json.dumps(head)[:-1] + ', "utterances": [\n' + rows + "\n]}\n"


def main(argv: Sequence[str] | None = None) -> int:
    """Make or check the recordings; 1 when --check finds them out of step."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--check", action="store_true", help="change nothing")
    parser.add_argument(
        "--folder", type=Path, default=FOLDER, help="where texts.toml lies"
    )
    parser.add_argument("--all", action="store_true", help="make every one again")
    args = parser.parse_args(argv)

    audio = args.folder / "audio"
    index_path = args.folder / "index.json"
    texts = tomllib.loads((args.folder / "texts.toml").read_text("utf-8"))
    bit_rate_bps = texts.get("bit_rate_bps", DEFAULT_BIT_RATE_BPS)
    wanted = list(lines(texts))
    old = json.loads(index_path.read_text("utf-8")) if index_path.exists() else {}
    made = {e["id"]: e for e in old.get("utterances", [])}

    def is_current(line: Line) -> bool:
        found = made.get(line.id, {}).get("source_sha256") == line.sha256
        return found and (audio / f"{line.id}.opus").exists()

    stale = [line for line in wanted if args.all or not is_current(line)]
    extra = {p.stem for p in audio.glob("*.opus")} - {line.id for line in wanted}
    if args.check:
        for name in [*(line.id for line in stale), *sorted(extra)]:
            print(f"out of step: {name}")
        return 1 if stale or extra else 0

    if stale and shutil.which("flite") is None:
        print("flite is not installed (apt install flite)", file=sys.stderr)
        return 2
    audio.mkdir(exist_ok=True)
    for line in stale:
        made[line.id], data = entry(line, bit_rate_bps)
        (audio / f"{line.id}.opus").write_bytes(data)
    for name in extra:
        (audio / f"{name}.opus").unlink()
    entries = [made[line.id] | line.extra | {"role": line.role} for line in wanted]
    index_path.write_text(index_text(entries), encoding="utf-8")
    size = sum(p.stat().st_size for p in audio.glob("*.opus"))
    print(f"{len(stale)} made, {len(wanted)} in all, {size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
