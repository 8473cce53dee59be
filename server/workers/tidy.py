"""Gives memory back while a media process has no call: nobody hears the pause.

What a call leaves in circles waits for the garbage collector, and between what is freed
stand the few things that last, so that the heap stays as large as it ever was. A full
collection takes 5 to 30 ms, which is no moment for a tick; so it is done when the last
call has ended.
"""

import ctypes
import gc
from functools import cache
from typing import Any


class IdleTidy:
    """Asked twice a second; tidies once when calls were there and are gone."""

    def __init__(self) -> None:
        self._was_busy = False

    def look(self, n_sessions: int) -> bool:
        """Whether it tidied.

        Args:
            n_sessions: conversations now.
        """
        was_busy, self._was_busy = self._was_busy, n_sessions > 0
        if self._was_busy or not was_busy:
            return False
        gc.collect()
        trim = _trim()
        if trim is not None:
            trim(0)
        return True


@cache
def _trim() -> Any:
    """glibc's malloc_trim; None where there is none."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
