"""A bench run as Markdown, for a terminal, a file or a pull request. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

DISTRIBUTIONS = (
    ("connect_ms", "connect"),
    ("mouth_to_model_ms", "mouth to model"),
    ("model_to_ear_ms", "model to ear"),
    ("response_latency_ms", "response latency"),
    ("gaps_ms", "gaps per answer"),
)
ABSENT = "–"


def render(run: Mapping[str, Any]) -> str:
    """The report of one bench run.

    Args:
        run: ``{"machine", "command", "started_at", "results": [{"sessions",
            "seconds", "exit_status", "summary"}, …]}`` as ``bench`` writes it.

    Returns:
        Markdown: the machine, then one row per number of sessions; percentiles are
        p50 / p95 in milliseconds. What was not measured shows a dash, never a zero.
    """
    results: Sequence[Mapping[str, Any]] = run["results"]
    head = ["sessions", "calls ok", *(title for _, title in DISTRIBUTIONS)]
    head += ["heard s", "tool calls", "bridge CPU"]
    rows = [_row(result) for result in results]
    return "\n".join(
        [
            "# Calls through the bridge",
            "",
            f"- machine: {run['machine']}",
            f"- command: `{run['command']}`",
            f"- started: {run['started_at']}",
            "- figures: p50 / p95 in ms; bridge CPU in ms per session-second",
            "",
            _line(head),
            _line(["---"] * len(head)),
            *(_line(row) for row in rows),
            "",
        ]
    )


def _row(result: Mapping[str, Any]) -> list[str]:
    summary: Mapping[str, Any] = result["summary"]
    calls, failed = int(summary["calls"]), int(summary["failed"])
    return [
        str(result["sessions"]),
        f"{calls - failed} of {calls}",
        *(_pair(summary.get(name)) for name, _ in DISTRIBUTIONS),
        _middle(summary.get("audio_heard_s")),
        _number(summary.get("function_calls"), digits=0),
        _number(summary.get("server_cpu_ms_per_session_s")),
    ]


def _pair(distribution: Mapping[str, Any] | None) -> str:
    if not distribution or distribution.get("p50") is None:
        return ABSENT
    return f"{distribution['p50']:.0f} / {distribution['p95']:.0f}"


def _middle(value: Any) -> str:
    return _number(value.get("p50") if isinstance(value, Mapping) else value)


def _number(value: Any, *, digits: int = 1) -> str:
    return ABSENT if value is None else f"{float(value):.{digits}f}"


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
