"""A house full of talk for the page's stand-in bridge: for screenshots and for axe."""

from __future__ import annotations

import asyncio
import json
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.support.page_double import PageClient, PageDouble
from tests.support.page_rest import SESSION, iso
from tests.support.sounds import RATE_HZ

Json = dict[str, Any]

HEALTH: Json = {
    "status": "ok",
    "version": "0.5.0",
    "model": {"kind": "fake"},
    "sessions": 3,
    "clients": 5,
    "process": {"cpu_s": 100.0, "rss_bytes": 204_000_000},
    "processes": [
        {"role": role, "pid": pid, "cpu_s": 33.0, "rss_bytes": 68_000_000}
        for role, pid in [("front", 4_000), ("media 1", 4_001), ("media 2", 4_002)]
    ],
    "workers": [
        {"index": n, "pid": 4_001 + n, "is_up": True, "restarts": n, "sessions": 2 - n}
        for n in range(2)
    ],
}
CPU_SHARES = (0.006, 0.031, 0.014)
"""Cores that the front and the media processes use."""
HOPS = {"network": (9, 30, 90, 99), "uplink": (12, 88, 99, 100)}
HOPS["downlink"] = (30, 96, 99, 100)
STAGES = {
    "transcript": (0, 60, 98, 100),
    "silence": (0, 20, 98, 100),
    "answer": (0, 2, 70, 100),
}
TOOLS = {"send_to_nested": (0, 9, 22, 24), "get_weather": (31, 33, 33, 33)}


def _histogram(name: str, label: str, rows: dict[str, Any], *bounds: str) -> list[str]:
    lines = [f"# TYPE voicebridge_{name} histogram"]
    for key, counts in rows.items():
        lines += [
            f'voicebridge_{name}_bucket{{{label}="{key}",le="{le}"}} {count}'
            for le, count in zip((*bounds, "+Inf"), counts, strict=True)
        ]
    return lines


METRICS = "\n".join(
    [
        *_histogram("hop_delay_seconds", "hop", HOPS, "0.005", "0.01", "0.02"),
        *_histogram("turn_stage_seconds", "stage", STAGES, "0.05", "0.3", "1"),
        *_histogram(
            "barge_in_stop_seconds", "x", {"": (12, 40, 41, 41)}, "0.02", "0.05", "0.1"
        ),
        *_histogram("tool_seconds", "tool", TOOLS, "0.5", "2", "10"),
        "# TYPE voicebridge_audio_concealed_seconds_total counter",
        "voicebridge_audio_concealed_seconds_total 0.34",
        "# TYPE voicebridge_audio_lost_seconds_total counter",
        "voicebridge_audio_lost_seconds_total 0.12",
        "# TYPE voicebridge_tool_calls_total counter",
        'voicebridge_tool_calls_total{tool="send_to_nested",end="finished"} 22',
        'voicebridge_tool_calls_total{tool="send_to_nested",end="failed"} 2',
        "# TYPE voicebridge_errors_total counter",
        'voicebridge_errors_total{code="model_timeout",where="call"} 2',
        "",
    ]
)
TALK: list[tuple[str, str]] = [
    ("user", "What is the weather like in Oslo?"),
    ("assistant", "In Oslo it is four degrees and raining."),
    ("user", "And over the weekend?"),
    ("assistant", "It clears up on Saturday, with six degrees and light wind."),
    ("user", "Ask the team to list the files in the project."),
    ("assistant", "The team found four folders: server, web, simulator, and tests."),
    ("user", "Thank you very much."),
    ("assistant", "You are welcome. Shall I keep the list for tomorrow?"),
]


def babble(seconds: float, pitch_hz: float) -> NDArray[np.int16]:
    """Something with the rhythm of speech, int16, 24 kHz."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * pitch_hz * k * time_s) / k for k in range(1, 12))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * time_s)
    phrases = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time_s + 1)
    return np.asarray(5000 * voice * syllables * phrases, np.int16)


def transcript_event(n: int, role: str, text: str, session_ms: int) -> Json:
    """One finished utterance, as the store gives it."""
    payload = {"role": role, "item_id": f"item-{n}", "text": text, "final": True}
    return {
        "source": role,
        "type": "transcript",
        "session_ms": session_ms,
        "payload": payload,
    }


def furnish(double: PageDouble) -> None:
    """Fill the store, the sessions and the figures."""
    rest = double.rest
    rest.sessions = [
        {
            "session_id": "s-7",
            "conversation_id": "harbour",
            "agent_name": "",
            "voice": "marin",
            "state": "live",
            "started_at": iso(12),
            "clients": 2,
        },
        {
            "session_id": "s-8",
            "conversation_id": "standup",
            "agent_name": "team",
            "voice": "marin",
            "state": "live",
            "started_at": iso(3),
            "clients": 1,
        },
    ]
    events = [
        transcript_event(n, role, text, 1_000 + 3_500 * n)
        for n, (role, text) in enumerate(TALK)
    ]
    tool: Json = {"call_id": "c1", "name": "get_weather", "status": "finished"}
    tool |= {"arguments": '{"city":"Oslo"}', "output": "4 °C, rain, wind 5 m/s"}
    events.insert(
        1, {"source": "tool", "type": "tool", "session_ms": 2_400, "payload": tool}
    )
    rest.remember("weather", "The weekend in Oslo", *events, minutes_ago=35)
    rest.remember("harbour", "Harbour shift handover", minutes_ago=12)
    rest.remember("standup", "Stand-up of the bridge team", minutes_ago=180)
    rest.remember("deploy", "Rolling out the new board", minutes_ago=1_500)
    rest.remember("c-71f0", None, minutes_ago=3_100)
    recording: Json = {
        "session_id": SESSION,
        "take": "t1",
        "media_type": "audio/wav",
        "state": "done",
        "started_at": iso(35),
        "session_ms": 0,
        "duration_ms": 31_000,
        "size_bytes": 1_488_000,
        "client_id": None,
    }
    rest.recordings["weather"] = [
        {**recording, "id": "r1", "track": "mix", "name": None},
        {**recording, "id": "r2", "track": "assistant", "name": None},
    ]
    rest.sound = np.concatenate(
        [babble(2.4, 130 if n % 2 else 190) for n in range(13)]
    )[: 31 * RATE_HZ]
    rest.health = deepcopy(HEALTH)
    rest.metrics = METRICS
    rest.reports = [
        {
            "name": "20261120T121500Z-bench",
            "kind": "bench",
            "title": "1, 5 and 10 calls",
            "started_at": iso(200),
            "outcome": "pass",
            "words": "All three loads stayed inside their budgets.",
            "headlines": [
                {"label": "mouth to model, p95", "value": "7.7", "unit": "ms"},
                {"label": "model to ear, p95", "value": "28", "unit": "ms"},
                {"label": "CPU of 10 calls", "value": "21", "unit": "%"},
            ],
            "has_page": True,
        },
        {
            "name": "20261119T220300Z-compare",
            "kind": "compare",
            "title": "main against the release",
            "started_at": iso(1_000),
            "outcome": "undecided",
            "words": "The machine was busy: nothing can be said of the delay.",
            "headlines": [],
            "has_page": True,
        },
    ]


def people(client: PageClient, *, speaking: str = "c-2") -> None:
    """Three in the conversation, one of them on a phone that only listens."""
    everybody: list[Json] = [
        {"client_id": "c-1", "name": "Ada", "leg": "pcm16.v1", "mode": "both"},
        {"client_id": "c-2", "name": "Konrad", "leg": "opus.v1", "mode": "both"},
        {"client_id": "c-3", "name": "", "leg": "track", "mode": "listen"},
    ]
    client.send(
        {
            "type": "participants",
            "participants": [
                {
                    **it,
                    "muted": it["client_id"] == "c-3",
                    "volume": 1.0,
                    "speaking": it["client_id"] == speaking,
                }
                for it in everybody
            ],
        }
    )


async def talk(client: PageClient) -> None:
    """A conversation in the middle of its second answer."""
    people(client)
    client.state("hearing")
    client.transcript("user", "u1", TALK[0][1], final=True)
    tool = {"type": "tool", "call_id": "c1", "name": "get_weather"}
    arguments = json.dumps({"city": "Oslo"})
    client.send(tool | {"status": "started", "arguments": arguments})
    client.send(tool | {"status": "finished", "detail": "4 °C, rain, wind 5 m/s"})
    client.transcript("assistant", "a1", TALK[1][1], final=True)
    client.transcript("user", "u2", TALK[4][1], final=True)
    tool = {"type": "tool", "call_id": "c2", "name": "send_to_nested"}
    arguments = json.dumps({"text": "List the files in the project"})
    client.send(tool | {"status": "started", "arguments": arguments})
    client.send(tool | {"status": "progress", "detail": "scout: reading the tree"})
    client.send(tool | {"status": "progress", "detail": "scout: 4 folders, 212 files"})
    quality(client)
    client.state("speaking")
    client.transcript("assistant", "a2", "One moment, I am asking the", final=False)
    await client.play(babble(1.8, 190))


def quality(client: PageClient) -> None:
    """What the bridge measures of this leg."""
    client.send(
        {
            "type": "quality",
            "rtt_ms": 18.0,
            "jitter_ms": 3.2,
            "lost_ms": 20,
            "concealed_ms": 20,
            "late_ms": 0,
            "buffer_ms": 12.4,
            "uplink_added_ms": 4.1,
            "downlink_added_ms": 3.6,
        }
    )


def ask_to_confirm(client: PageClient, *, expires_s: float = 45) -> None:
    """A tool that changes something waits for a yes."""
    arguments = json.dumps(
        {"text": "Remove the old release from the board and restart the service"}
    )
    client.send(
        {
            "type": "tool",
            "call_id": "c9",
            "name": "send_to_claude_code",
            "status": "awaiting_confirmation",
            "arguments": arguments,
            "expires_s": expires_s,
        }
    )


async def use_cpu(double: PageDouble) -> None:
    """Let the processes' clocks run, for ever, so that there are rates to show."""
    loop = asyncio.get_running_loop()
    before_s = loop.time()
    while True:
        await asyncio.sleep(0.1)
        now_s = loop.time()
        health = double.rest.health
        for process, share in zip(health["processes"], CPU_SHARES, strict=True):
            process["cpu_s"] += share * (now_s - before_s)
        health["process"]["cpu_s"] += sum(CPU_SHARES) * (now_s - before_s)
        before_s = now_s
