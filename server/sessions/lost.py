"""Sessions whose media process died, for their clients who ask about them. PURE."""

from collections import OrderedDict

MOST = 1_000
"""Remembered; the oldest are forgotten."""


class LostSessions:
    """Ids of sessions that were not ended by anybody, and whose they were."""

    def __init__(self) -> None:
        self._owners: OrderedDict[str, str] = OrderedDict()

    def add(self, session_id: str, owner: str) -> None:
        """It is gone, with its media process."""
        self._owners[session_id] = owner
        if len(self._owners) > MOST:
            self._owners.popitem(last=False)

    def has(self, session_id: str, owner: str) -> bool:
        """Whether it was lost, for those who may know that it existed."""
        return self._owners.get(session_id) == owner
