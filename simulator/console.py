"""A run in a few lines for a person. Pure."""

from __future__ import annotations

from typing import Any

FIGURES = (
    "connect_ms",
    "mouth_to_model_ms",
    "model_to_client_ms",
    "model_to_ear_ms",
    "mouth_to_ear_ms",
    "response_latency_ms",
    "model_response_ms",
    "barge_in_stop_ms",
    "double_talk_onset_ms",
    "mouth_to_other_ear_ms",
    "gaps_ms",
    "audio_heard_s",
)


ONLY_SOMETIMES = ("barge_in_stop_ms", "double_talk_onset_ms", "mouth_to_other_ear_ms")
"""Not every scenario has them."""


def describe(figures: dict[str, Any]) -> list[str]:
    """The summary as text, one line per figure that says something."""
    lines = [
        f"calls: {figures['calls']}, failed: {figures['failed']}, "
        f"function calls: {figures['function_calls']}"
    ]
    for name in FIGURES:
        found = figures[name]
        if found["n"]:
            values = "  ".join(
                f"{key} {found[key]:9.2f}" for key in ("p50", "p95", "p99", "max")
            )
            lines.append(f"{name:22} {values}  n {found['n']}")
        elif name not in ONLY_SOMETIMES:
            lines.append(f"{name:22} not measured: {found.get('reason', 'no values')}")
    cpu = figures["server_cpu_ms_per_session_s"]
    if cpu is not None:
        lines.append(f"{'server CPU':22} {cpu:.1f} ms per session-second")
    lines += [f"unreliable: {doubt}" for doubt in figures["doubts"]]
    return lines
