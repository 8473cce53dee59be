"""What both legs need from a peer connection: building it, and ending it in time."""

import asyncio
import logging
from collections.abc import Callable

from aiortc import RTCDataChannel, RTCPeerConnection
from aiortc.exceptions import InvalidStateError

from server.rtc.ice import IcePolicy
from server.rtc.liveness import ice_connections
from server.rtc.path import MediaPath
from server.rtc.remains import take_apart

logger = logging.getLogger(__name__)

CLOSE_TIMEOUT_S = 2.0


def new_connection(
    policy: IcePolicy, on_lost: Callable[[str], None]
) -> RTCPeerConnection:
    """A peer connection that reports its end once, with a reason for the log."""
    pc = RTCPeerConnection(policy.configuration())

    @pc.on("connectionstatechange")
    def on_state() -> None:
        if pc.connectionState in ("failed", "closed"):
            on_lost(f"peer connection {pc.connectionState}")

    return pc


async def close_connection(pc: RTCPeerConnection, path: MediaPath) -> None:
    """Close for good. aiortc's close can wait for ever; then only sockets are freed."""
    path.stop()
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await pc.close()
    except TimeoutError:
        logger.warning("peer connection still closing after %.1f s", CLOSE_TIMEOUT_S)
        for connection in ice_connections(pc):
            await connection.close()
    path.free()
    take_apart(pc)


def try_send(channel: RTCDataChannel | None, data: str | bytes) -> bool:
    """Send if the channel is open and the message fits; False otherwise."""
    if channel is None or channel.readyState != "open":
        return False
    try:
        channel.send(data)
    except (InvalidStateError, ValueError) as exc:
        # A message longer than the peer takes, or a channel closed just now.
        logger.debug("message not sent: %s", type(exc).__name__)
        return False
    return True
