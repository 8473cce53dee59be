"""A non-blocking UDP socket on an event loop. EDGE.

Smaller than an asyncio datagram transport on purpose: it opens without awaiting (a NAT
maps on the first packet), and never queues: what the kernel will not take is dropped.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Final

from simulator.sdp_rewrite import Address

logger = logging.getLogger(__name__)

BUFFER_BYTES: Final = 1 << 20
MAX_DATAGRAM_BYTES: Final = 65_535
MAX_READS: Final = 64
"""Datagrams taken per wake-up, so that one flood does not starve the timers."""


class UdpSocket:
    """Bound to `host` on a free port; `on_datagram` gets data and sender."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        host: str,
        on_datagram: Callable[[bytes, Address], None],
    ) -> None:
        self._loop = loop
        self._on_datagram = on_datagram
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER_BYTES)
            self._socket.bind((host, 0))
            name = self._socket.getsockname()
            self.address: Address = (name[0], name[1])
            loop.add_reader(self._socket, self._read)
        except BaseException:
            self._socket.close()
            raise
        self.is_closed = False

    def send(self, data: bytes, to: Address) -> bool:
        """Send now or not at all; False when the kernel would not take it."""
        if self.is_closed:
            return False
        try:
            self._socket.sendto(data, to)
        except OSError as exc:  # full buffer, unreachable, too long
            logger.debug("datagram not sent", extra={"error": type(exc).__name__})
            return False
        return True

    def close(self) -> None:
        """Idempotent."""
        if not self.is_closed:
            self.is_closed = True
            self._loop.remove_reader(self._socket)
            self._socket.close()

    def _read(self) -> None:
        for _ in range(MAX_READS):
            if self.is_closed:
                return
            try:
                data, sender = self._socket.recvfrom(MAX_DATAGRAM_BYTES)
            except BlockingIOError:
                return
            except OSError as exc:
                # Loopback tells of the other side's closed port; a path would not.
                logger.debug("socket error", extra={"error": type(exc).__name__})
                continue
            self._on_datagram(data, (sender[0], sender[1]))
