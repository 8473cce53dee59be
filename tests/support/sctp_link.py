"""Two SCTP associations in memory: what one sends the other gets when told to.

Stands where DTLS stands, so that no socket, no handshake and no waiting is needed.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any

from aiortc import RTCDataChannel, RTCSctpTransport
from aiortc.rtcsctptransport import RTCSctpCapabilities

from server.rtc.lean.association import Association
from server.rtc.lean.wire import run_now

Packet = bytes


class End:
    """One end: a DTLS transport to aiortc, a wire to our association."""

    state = "connected"

    def __init__(self, role: str) -> None:
        self._role = role
        self._data_receiver: Any = None
        self.transport: Any = None
        self.on_sctp: Callable[[bytes], None] | None = None
        self.outbox: deque[Packet] = deque()
        self.sctp = RTCSctpTransport(self)  # type: ignore[arg-type]
        self.fast: Association | None = None
        self.channels: list[RTCDataChannel] = []
        self.heard: list[str | bytes] = []
        self.sctp.on("datachannel", self.adopt)

    def quicken(self) -> Association:
        """Put our association beside aiortc's."""
        self.fast = Association(self.sctp, self)  # type: ignore[arg-type]
        self.fast.start()
        return self.fast

    def adopt(self, channel: RTCDataChannel) -> None:
        """Listen to a channel, the fast way too where there is one."""
        self.channels.append(channel)
        channel.on("message", self.heard.append)
        if self.fast is not None and channel.id is not None:
            self.fast.listen(channel, self.heard.append)

    def receive(self, packet: Packet) -> None:
        """As Wire does with a decrypted packet."""
        if self._data_receiver is None:
            return
        if self.on_sctp is not None:
            self.on_sctp(packet)
        else:
            run_now(self._data_receiver._handle_data(packet))

    # What Association asks of its wire.

    def send_record(self, data: bytes) -> None:
        self.outbox.append(data)

    # What aiortc asks of its DTLS transport.

    def _register_data_receiver(self, receiver: Any) -> None:
        self._data_receiver = receiver

    def _unregister_data_receiver(self, receiver: Any) -> None:
        self._data_receiver = None

    async def _send_data(self, data: bytes) -> None:
        self.outbox.append(data)


class Link:
    """Both ends; `ours` has the fast path, `theirs` is aiortc as it comes."""

    def __init__(self) -> None:
        self.ours, self.theirs = End("server"), End("client")
        self.ours.quicken()
        self.lose: Callable[[End, Packet], bool] = lambda end, packet: False
        self.log: list[tuple[End, Packet]] = []

    async def open(self, **channel: Any) -> RTCDataChannel:
        """Connect, and have `theirs` open a channel; ours is returned."""
        capabilities = RTCSctpCapabilities(maxMessageSize=65_536)
        for end in (self.ours, self.theirs):
            await end.sctp.start(capabilities, 5000)
        await self.settle()
        from aiortc.rtcdatachannel import RTCDataChannelParameters

        parameters = RTCDataChannelParameters(label="audio", **channel)
        self.theirs.adopt(RTCDataChannel(self.theirs.sctp, parameters))
        await self.settle()
        return self.ours.channels[-1]

    async def settle(self) -> None:
        """Carry packets until nobody has anything to say."""
        quiet = 0
        while quiet < 3:
            await asyncio.sleep(0)
            quiet = 0 if self.carry() else quiet + 1

    def carry(self) -> bool:
        """Carry what is waiting now; whether there was anything."""
        moved = False
        for end, other in ((self.ours, self.theirs), (self.theirs, self.ours)):
            for _ in range(len(end.outbox)):
                packet = end.outbox.popleft()
                moved = True
                self.log.append((end, packet))
                if not self.lose(end, packet):
                    other.receive(packet)
        return moved

    async def close(self) -> None:
        """End both."""
        if self.ours.fast is not None:
            self.ours.fast.stop()
        for end in (self.ours, self.theirs):
            await end.sctp.stop()
