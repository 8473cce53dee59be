"""Where sessions wait their turn when many are asked for at once."""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from server.errors import CapacityError
from server.workers.placement import START_S

PATIENCE_S = 5.0
"""So long a session waits for a place; its caller has a person in front of it."""
MOST_WAITING = 256
FULL_RETRY_S = 5.0
"""When all is taken: somebody has to leave first."""

Place = TypeVar("Place")


class Entrance(Generic[Place]):
    """First come, first served. `look` whenever there may be room."""

    def __init__(
        self, take: Callable[[], Place | None], *, patience_s: float = PATIENCE_S
    ) -> None:
        """
        Args:
            take: takes a place and returns it; None when it may be worth waiting.
                Raises CapacityError when it is not.
            patience_s: how long that is.
        """
        self._take = take
        self._patience_s = patience_s
        self._line: deque[asyncio.Event] = deque()
        self._is_closed = False

    @property
    def n_waiting(self) -> int:
        """Sessions that stand in the line."""
        return len(self._line)

    async def enter(self) -> Place:
        """A place; it is the caller's from now on, also if that is cancelled.

        Raises:
            CapacityError: there is none, and when to ask again.
        """
        if len(self._line) >= MOST_WAITING:
            raise CapacityError("too many wait", retry_after_s=self._patience_s)
        turn = asyncio.Event()
        self._line.append(turn)
        try:
            async with asyncio.timeout(self._patience_s):
                while not self._is_closed:
                    if self._line[0] is turn:
                        place = self._take()
                        if place is not None:
                            return place
                    turn.clear()
                    await turn.wait()
        except TimeoutError:
            raise CapacityError(
                f"no place after {self._patience_s:g} s, {self.n_waiting} waited",
                retry_after_s=math.ceil(START_S),
            ) from None
        finally:
            self._line.remove(turn)
            self.look()
        raise CapacityError(user_message="The server is shutting down.")

    def look(self) -> None:
        """There may be room: the first in the line tries."""
        if self._line:
            self._line[0].set()

    def close(self) -> None:
        """Nobody gets in any more; who waits is told."""
        self._is_closed = True
        for turn in self._line:
            turn.set()
