"""One side of a comparison: a bridge of a revision, its load, what it used. EDGE."""

from __future__ import annotations

import json
import sys
import urllib.error
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from loadtests.compare.revisions import TOP, Built
from loadtests.engine.programs import Child, cpu_s
from loadtests.processes import (
    ADMIT_ALL,
    BridgeProcess,
    ProcessError,
    get_json,
    with_model,
)

BURNING = Path(__file__).parent / "burning"
ONE_WORKER = {"VOICEBRIDGE_WORKERS": "1"}
"""What is compared is the code, not how many processes this machine's number of cores
makes of it."""


@dataclass(frozen=True, slots=True)
class Load:
    """What every side carries."""

    sessions: int = 4
    leg: str = "datachannel"
    warm_up_s: float = 1.0
    seconds: float = 5.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A side before it runs."""

    name: str
    built: Built
    environment: Mapping[str, str] = field(default_factory=dict)
    burn_share: float = 0.0
    """Calibration: so much more CPU."""
    network: tuple[str, ...] | None = None
    """Calibration: arguments of `voicebridge relay` for a relay in front of it; empty:
    a relay that does nothing; None: no relay."""


@dataclass(slots=True)
class Measured:
    """What one side came to in one round."""

    cpu_s: list[float] = field(default_factory=list)
    """CPU of all its processes in each window."""
    window_s: list[float] = field(default_factory=list)
    figures: dict[str, Any] = field(default_factory=dict)
    """The far ends' account."""
    counters: dict[str, int] = field(default_factory=dict)
    """Exact: what can be counted while it carries its calls."""
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    """Exact: what there is, by name."""
    rss_bytes: int = 0


class FarEnds(Child):
    """Browsers and model of one side, in a process that serves any number of rounds."""

    def __init__(self, *, log: Path) -> None:
        command = [sys.executable, "-m", "loadtests.engine"]
        super().__init__(command, log=log, cwd=TOP)
        self.model_url = str(self.hear()["model_url"])


class Side(AbstractContextManager["Side"]):
    """A fresh bridge, ready to take calls from its far ends."""

    def __init__(self, plan: Plan, far_ends: FarEnds, *, log: Path) -> None:
        self.plan = plan
        self._far_ends = far_ends
        self.measured = Measured()
        self._log = log
        self._stack = ExitStack()
        self._url = ""
        self._bridge: BridgeProcess | None = None

    def __enter__(self) -> Side:
        with self._stack as stack:
            self._bridge = stack.enter_context(
                BridgeProcess(
                    environment=self._environment(self._far_ends.model_url),
                    log=self._log.with_suffix(".bridge.log"),
                    python=self.plan.built.python,
                    top=self.plan.built.top,
                )
            )
            self._url = self._bridge.url
            if self.plan.network is not None:
                self._url = self._relay(stack, self._bridge.url)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def close(self) -> None:
        """End bridge and relay. Idempotent."""
        self._stack.close()

    def _environment(self, model_url: str) -> dict[str, str]:
        found = {**ADMIT_ALL, **with_model(model_url), **ONE_WORKER}
        found |= self.plan.environment
        if self.plan.burn_share:
            found["PYTHONPATH"] = str(BURNING)
            found["CALIBRATE_BURN_SHARE"] = str(self.plan.burn_share)
        return found

    def _relay(self, stack: ExitStack, target: str) -> str:
        command = [sys.executable, "-m", "simulator.relay_cli", "--target", target]
        command += ["--listen", "127.0.0.1:0", "--announce", "--exit-with-parent"]
        command += list(self.plan.network or ())
        relay = stack.enter_context(Child(command, log=self._log, cwd=TOP))
        return str(relay.hear()["url"]).rstrip("/")

    def order(self, load: Load) -> None:
        """Tell the far ends to call and talk."""
        self._far_ends.tell(
            {
                "bridge_url": self._url,
                "leg": load.leg,
                "sessions": load.sessions,
                "warm_up_s": load.warm_up_s,
                "seconds": load.seconds,
            }
        )

    def hear(self, wanted: str) -> dict[str, Any]:
        """Wait for an event of the far ends; those before it are passed over.

        Raises:
            ProcessError: the load did not get there.
        """
        while (event := self._far_ends.hear())["event"] != wanted:
            # Before its time "closed" is followed by why.
            if event["event"] == "failed":
                raise ProcessError(f"{self.plan.name}: {event['reason']}")
        return event

    def processes(self) -> list[int]:
        """The bridge's first process and everything it has started."""
        assert self._bridge is not None
        children = psutil.Process(self._bridge.pid).children(recursive=True)
        return [self._bridge.pid, *sorted(child.pid for child in children)]

    def cpu_s(self, processes: list[int]) -> float:
        """CPU seconds they have used so far."""
        try:
            return sum(cpu_s(pid) for pid in processes)
        except OSError as exc:
            raise ProcessError(f"{self.plan.name}: a process ended: {exc}") from exc

    def count(self, processes: list[int]) -> None:
        """Take stock while the calls are up."""
        measured = self.measured
        found = [psutil.Process(pid) for pid in processes]
        measured.rss_bytes = sum(process.memory_info().rss for process in found)
        measured.counters = {
            "processes": len(found),
            "threads": sum(process.num_threads() for process in found),
            "open files": sum(process.num_fds() for process in found),
        }
        assert self._bridge is not None
        measured.names["dependencies"] = self.plan.built.dependencies
        try:
            paths = get_json(f"{self._bridge.url}/openapi.json")["paths"]
        except (urllib.error.URLError, OSError, KeyError, json.JSONDecodeError):
            return
        measured.names["HTTP routes"] = frozenset(
            f"{method.upper()} {path}"
            for path, ways in paths.items()
            for method in ways
        )
