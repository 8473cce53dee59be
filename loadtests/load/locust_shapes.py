"""Our shapes as Locust's shape classes. EDGE (gevent)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from locust import LoadTestShape

from loadtests.callers.pool import PoolError
from loadtests.load.hooks import load_run_of
from loadtests.load.locust_names import shape_in
from loadtests.load.shapes import SHAPES, Ramp, Shape

BROKEN_SHARE = 0.2
"""So many of the latest calls failed: the bridge is broken (a ramp ends)."""


class _Shape(LoadTestShape):  # type: ignore[misc]
    """Asks the pure shape of its name."""

    abstract = True
    use_common_options: ClassVar[bool] = True
    shape_name: ClassVar[str] = ""

    def __init__(self) -> None:
        super().__init__()
        self._shape: Shape | None = None
        self._users = 0

    def reset_time(self) -> None:
        super().reset_time()
        self._shape = None

    def tick(self) -> tuple[int, float] | None:
        """What Locust asks once a second."""
        run = load_run_of(self.runner.environment)
        if self._shape is None:
            self._shape = SHAPES[self.shape_name](run.shape_options)
        collector = run.collector
        is_broken = (
            collector is not None
            and collector.tally.recent_failed_share >= BROKEN_SHARE
        )
        try:
            crowd = self._shape.at(run.calling_s(), is_broken=is_broken)
        except PoolError as exc:
            if collector is not None:
                collector.doubt(str(exc))
            return None
        if crowd is None:
            return None
        if crowd.users != self._users and collector is not None:
            collector.tally.clear_recent()
            self._users = crowd.users
        return crowd.users, crowd.per_s

    @property
    def note(self) -> str | None:
        """What the shape itself found out, in words."""
        if not isinstance(self._shape, Ramp):
            return None
        carried = f"{self._shape.last_good} users were carried for a whole step"
        if self._shape.broke_at is None:
            return f"{carried}; it did not break."
        return f"{carried}; at {self._shape.broke_at} calls failed."


def _class(name: str) -> type[_Shape]:
    title = name.capitalize()
    return type(title, (_Shape,), {"shape_name": name, "abstract": False})


SHAPE_CLASSES = {name: _class(name) for name in SHAPES}


def chosen_shapes(argv: Sequence[str]) -> dict[str, type[_Shape]]:
    """The shape classes Locust is to see: the one of `--shape`, or all of them for
    `--class-picker`, by class name."""
    if "--class-picker" in argv:
        return {cls.__name__: cls for cls in SHAPE_CLASSES.values()}
    name = shape_in(argv)
    return {} if name is None else {SHAPE_CLASSES[name].__name__: SHAPE_CLASSES[name]}
