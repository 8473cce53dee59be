"""The slowest hop of a direction: a rate and a bounded drop-tail queue."""

from __future__ import annotations

from collections import deque

from simulator.network.conditions import Conditions
from simulator.network.counters import DropReason

HEADER_BYTES = 28
"""IPv4 (20) and UDP (8): what the link carries besides the datagram."""


class Bottleneck:
    """When does a packet leave the slowest hop, if it gets in at all?

    Departures are promised on entry: a later change of the rate does not move what
    already waits. The queue is never longer than `queue_bytes` (and is bounded in
    packets by the link's own limit).
    """

    def __init__(self) -> None:
        self._free_s = float("-inf")
        self._waiting: deque[tuple[float, int]] = deque()
        self._waiting_bytes = 0

    @property
    def waiting_bytes(self) -> int:
        """Bytes inside when the last packet was admitted, that one included."""
        return self._waiting_bytes

    def admit(
        self, conditions: Conditions, size: int, at_s: float
    ) -> float | DropReason:
        """Time in s at which the packet has left, or why it is not let in.

        `at_s` must not decrease from call to call. An empty queue takes any packet.
        """
        while self._waiting and self._waiting[0][0] <= at_s:
            self._waiting_bytes -= self._waiting.popleft()[1]
        if conditions.rate_kbps is None:
            return max(at_s, self._free_s) if conditions.keep_order else at_s
        on_wire = size + HEADER_BYTES
        start_s = max(at_s, self._free_s)
        if self._waiting:
            if self._waiting_bytes + on_wire > conditions.queue_bytes:
                return DropReason.QUEUE_FULL
            if (start_s - at_s) * 1e3 > conditions.queue_ms:
                return DropReason.QUEUE_WAIT
        self._free_s = start_s + on_wire * 8.0 / (conditions.rate_kbps * 1e3)
        self._waiting.append((self._free_s, on_wire))
        self._waiting_bytes += on_wire
        return self._free_s
