"""What a session will do later: timers without a clock."""

import heapq
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field


@dataclass(order=True, slots=True)
class Appointment:
    """Something due; `cancel` it and it will not happen."""

    due_s: float
    order: int
    action: Callable[[], None] = field(compare=False)
    cancelled: bool = field(default=False, compare=False)

    def cancel(self) -> None:
        self.cancelled = True


class Agenda:
    """Appointments in order of time, then of making."""

    def __init__(self) -> None:
        self._heap: list[Appointment] = []
        self._order = itertools.count()

    def at(self, due_s: float, action: Callable[[], None]) -> Appointment:
        """Do `action` when `run` is called with a time at or after `due_s`."""
        appointment = Appointment(due_s, next(self._order), action)
        heapq.heappush(self._heap, appointment)
        return appointment

    def next_s(self) -> float | None:
        """When the next appointment is due, or None."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0].due_s if self._heap else None

    def run(self, now_s: float) -> Iterator[float]:
        """Do everything due, in order; yields each due time before its action."""
        while (due_s := self.next_s()) is not None and due_s <= now_s:
            appointment = heapq.heappop(self._heap)
            yield due_s
            if not appointment.cancelled:
                appointment.action()

    def clear(self) -> None:
        """Forget everything."""
        self._heap.clear()


class Script:
    """A generator of due times, driven by an agenda: a process without a task.

    The generator yields the time at which it wants to go on; between two yields it does
    its work. `stop` closes it, so `finally` blocks run.
    """

    def __init__(self, agenda: Agenda, steps: Iterator[float]) -> None:
        self._agenda = agenda
        self._steps = steps
        self._next: Appointment | None = None
        self.running = True

    def resume(self) -> None:
        """Run to the next yield."""
        if not self.running:
            return
        due_s = next(self._steps, None)
        if due_s is None:
            self.running = False
            return
        self._next = self._agenda.at(due_s, self.resume)

    def stop(self) -> None:
        """Never go on."""
        self.running = False
        if self._next is not None:
            self._next.cancel()
