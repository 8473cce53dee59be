"""One round: every side fresh, all carrying the same calls at the same time. EDGE.

Side by side and not one after the other: what the machine does meanwhile (other work,
clock frequency, stolen time) then hits all sides in the same second, and the ratio
within a second is what counts. Fresh processes each round, started in random order:
where a process lands in memory and on which core is luck, and only many average it.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from loadtests.compare.side import FarEnds, Load, Measured, Plan, Side
from loadtests.processes import ProcessError

WINDOW_S = 0.5


class Arena(AbstractContextManager["Arena"]):
    """Where rounds take place: owns the far ends, which last from round to round, and
    runs a round again when something in it breaks."""

    def __init__(
        self,
        load: Load,
        *,
        seed: int,
        out: Path,
        say: Callable[[str], None],
        most_failures: int = 3,
    ) -> None:
        """Args:
        load: what every side carries.
        seed: of the order in which sides start and are read.
        out: folder for the processes' output.
        say: gets a line when a round has to be run again.
        most_failures: rounds that may break before it is given up.
        """
        self.load = load
        self._rng = random.Random(seed)
        self._out, self._say = out, say
        self._failures_left = most_failures
        self._ends: dict[str, FarEnds] = {}

    def __exit__(self, *exc: object) -> None:
        self._close()

    def round(self, plans: Sequence[Plan], label: str) -> dict[str, Measured]:
        """Run every side once, next to each other; what each came to, by its name.

        Raises:
            ProcessError: sides break again and again; their output is in the folder.
        """
        while True:
            try:
                found = self._round(plans, label)
            except ProcessError as exc:
                self._close()
                self._failures_left -= 1
                if self._failures_left < 0:
                    raise
                self._say(f"{label} broke and is run again: {exc}")
                continue
            for path in self._out.glob(f"{label}-*.log"):
                path.unlink()  # only what broke is worth reading
            return found

    def _round(self, plans: Sequence[Plan], label: str) -> dict[str, Measured]:
        order = self._rng.sample(list(plans), len(plans))
        with ExitStack() as stack:
            sides = [self._side(plan, label) for plan in order]
            # Together: what starting costs the machine hits all of them too.
            with ThreadPoolExecutor(max_workers=len(sides)) as threads:
                starts = [threads.submit(stack.enter_context, side) for side in sides]
            for start in starts:
                start.result()
            for side in sides:
                side.order(self.load)
            for side in sides:
                side.hear("start")
            trees = [side.processes() for side in sides]
            _watch(sides, trees, self.load.seconds, self._rng)
            for side, tree in zip(sides, trees, strict=True):
                side.count(tree)
            for side in sides:
                side.measured.figures = side.hear("figures")
                side.hear("closed")
            with ThreadPoolExecutor(max_workers=len(sides)) as threads:
                list(threads.map(Side.close, sides))  # else one waits for the other
            return {side.plan.name: side.measured for side in sides}

    def _side(self, plan: Plan, label: str) -> Side:
        if plan.name not in self._ends:
            log = self._out / f"far-ends-{plan.name}.log"
            self._ends[plan.name] = FarEnds(log=log)
        log = self._out / f"{label}-{plan.name}.log"
        return Side(plan, self._ends[plan.name], log=log)

    def _close(self) -> None:
        with ExitStack() as stack:
            for ends in self._ends.values():
                stack.push(ends)
        self._ends = {}


def _watch(
    sides: Sequence[Side], trees: list[list[int]], seconds: float, rng: random.Random
) -> None:
    """Read every side's CPU once a window, until just before the load ends."""
    began_s = time.monotonic()
    last = [
        (time.monotonic(), side.cpu_s(tree))
        for side, tree in zip(sides, trees, strict=True)
    ]
    numbers = list(range(len(sides)))
    for window in range(1, int(seconds / WINDOW_S)):
        time.sleep(max(0.0, began_s + window * WINDOW_S - time.monotonic()))
        rng.shuffle(numbers)
        for n in numbers:
            now = (time.monotonic(), sides[n].cpu_s(trees[n]))
            sides[n].measured.window_s.append(now[0] - last[n][0])
            sides[n].measured.cpu_s.append(now[1] - last[n][1])
            last[n] = now
