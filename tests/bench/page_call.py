"""One call through the real page in Chromium, in the simulator's own terms.

The page's microphone and loudspeaker are recorded on one audio clock, the model's side
by the fake on another. What was asked first is found in both, which tells how the
clocks lie to each other up to the unknown delay of the way up. So the two ways have no
figures of their own here, but everything that begins and ends on one clock has: the way
there and back, response latency, gaps, level, intelligibility.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import aiohttp
import numpy as np
from numpy.typing import NDArray
from playwright.async_api import Browser

from fake_openai import utterances
from simulator.analysis import active_spans
from simulator.fake_control import FakeControl
from simulator.markers import locate
from simulator.measures import CallMeasures, measure
from simulator.mouth import Said
from simulator.passage import JOIN_MS
from simulator.record import CallRecord, EarTrack, ModelRecord, MouthTrack
from simulator.speech import to_pcm
from simulator.timeline import (
    FRAME_S,
    FRAME_SAMPLES,
    RATE_HZ,
    Pcm,
    Recording,
    Timeline,
)
from tests.support.voice_page import FakeMicrophone, open_page

NOMINAL_UP_S = 0.03
"""Stands for the way up, which two clocks cannot tell; no figure depends on it."""
LEAD_S = 3.0
"""Silence before the first word, while the call connects."""

_CONNECT = """() => new Promise((resolve) => {
  const began = performance.now();
  document.querySelector("#call").click();
  const look = () => {
    if (["listening", "hearing", "speaking"].includes(voicebridge.state)) {
      const requests = performance.getEntriesByType("resource")
        .filter((entry) => entry.name.includes("/api/realtime/session"));
      const first = Math.min(...requests.map((entry) => entry.startTime));
      const now = performance.now();
      resolve({ request: now - first, click: now - began });
    } else setTimeout(look, 2);
  };
  look();
})"""


@dataclass(frozen=True, slots=True)
class PageCall:
    """What a call through the page was like."""

    record: CallRecord
    measures: CallMeasures
    connect_ms: float
    """From the page's first request until it says that one may speak."""
    click_ms: float
    """From the click: microphone and audio graph are opened too."""
    concealed_ms: float
    skipped_ms: float
    underruns: int


async def call_by_page(
    browser: Browser,
    microphone: FakeMicrophone,
    url: str,
    fake_url: str,
    questions: Sequence[str],
    *,
    pause_s: float,
) -> PageCall:
    """Ask each question through the page, wait, hang up, and measure.

    Args:
        browser: whose microphone is `microphone`.
        microphone: what the page hears.
        url: where the page is.
        fake_url: the fake behind the bridge.
        questions: ids of prepared utterances.
        pause_s: from the end of a question to the next one.
    """
    sounds = [utterances.load(name).pcm for name in questions]
    said: list[NDArray[np.int16] | float] = [LEAD_S]
    for sound in sounds:
        said += [sound, pause_s]
    microphone.say(*said)
    seconds = LEAD_S + sum(s.size / RATE_HZ + pause_s for s in sounds)
    async with open_page(browser, url, locale="en-US") as page:
        took_ms = await page.page.evaluate(_CONNECT)
        await page.record()
        began_s = time.monotonic()
        await asyncio.sleep(seconds - LEAD_S / 2)
        talk_s = time.monotonic() - began_s
        sides = await page.recording()
        playout = (await page.stats())["playout"]
        await page.page.click("#call")
        await page.wait_for_state("ended")
    async with aiohttp.ClientSession() as http:
        model = await FakeControl(http, fake_url).newest()
    mouth, ear = _pcm(sides.microphone), _pcm(sides.speaker)
    record = _record(mouth, ear, questions, model, talk_s)
    record.steps_ms = {"hello": took_ms["request"]}
    return PageCall(
        record=record,
        measures=measure(record, model),
        connect_ms=took_ms["request"],
        click_ms=took_ms["click"],
        concealed_ms=playout["concealed"] * 1000 / RATE_HZ,
        skipped_ms=playout["skipped"] * 1000 / RATE_HZ,
        underruns=playout["underruns"],
    )


def _pcm(floats: NDArray[np.float32]) -> Pcm:
    return to_pcm(floats.astype(np.float64))


def _record(
    mouth: Pcm, ear: Pcm, questions: Sequence[str], model: ModelRecord, talk_s: float
) -> CallRecord:
    spans = active_spans(mouth, join_ms=JOIN_MS, least_ms=200.0)
    said = [
        Said(name, span.start, span.end)
        for name, span in zip(questions, spans, strict=False)
    ]
    start_s = _start_s(mouth, said[0], model) if said else 0.0
    record = CallRecord(0, "page", "", "", caller="page", said=said)
    record.mouth = _frames(mouth, start_s)
    record.ear = EarTrack(
        Recording(ear, Timeline(np.array([0]), np.array([start_s]))), waits_ms=[]
    )
    record.talk_s = min(talk_s, ear.size / RATE_HZ)
    record.hung_up_s = start_s + record.talk_s
    return record


def _start_s(mouth: Pcm, first: Said, model: ModelRecord) -> float:
    """When the page's recording began, on the model's clock, but for NOMINAL_UP_S.

    Raises:
        RuntimeError: the model never heard the first question.
    """
    found = locate(mouth[first.start : first.end], model.heard.pcm)
    if found is None:
        raise RuntimeError("the model did not hear the page's first question")
    heard_s = model.heard.timeline.time_at(found.at)
    return heard_s - NOMINAL_UP_S - first.start / RATE_HZ - FRAME_S


def _frames(pcm: Pcm, start_s: float) -> MouthTrack:
    track = MouthTrack()
    for number in range(pcm.size // FRAME_SAMPLES):
        at = number * FRAME_SAMPLES
        due_s = start_s + at / RATE_HZ + FRAME_S
        track.add(pcm[at : at + FRAME_SAMPLES], due_s, due_s)
    return track


def figures(call: PageCall) -> dict[str, Any]:
    """The figures both ways of calling have, by name; None where nothing was found."""
    measures = call.measures

    def middle(values: Sequence[float]) -> float | None:
        return float(np.median(values)) if values else None

    def gain(passages: Sequence[Any]) -> float | None:
        return middle(
            [p.continuity.gain_db for p in passages if p.continuity and p.found]
        )

    return {
        "connect_ms": call.connect_ms,
        "click_ms": call.click_ms,
        "mouth_to_ear_ms": middle(measures.mouth_to_ear_ms),
        "response_latency_ms": middle(measures.response_latency_ms),
        "model_response_ms": middle(measures.model_response_ms),
        "gaps_ms": sum(measures.gaps_ms) if measures.downlink else None,
        "uplink_gaps_ms": sum(
            p.continuity.gap_ms for p in measures.uplink if p.continuity
        ),
        "concealed_ms": call.concealed_ms,
        "skipped_ms": call.skipped_ms,
        "ear_level_dbfs": measures.ear_level_dbfs,
        "uplink_gain_db": gain(measures.uplink),
        "downlink_gain_db": gain(measures.downlink),
        "question_stoi": middle([p.stoi for p in measures.uplink if p.stoi]),
        "answer_stoi": middle([p.stoi for p in measures.downlink if p.stoi]),
    }
