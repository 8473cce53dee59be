"""Takes a closed peer connection apart, so that its memory goes at once.

The objects of aiortc and aioice hold each other in circles. Left like that they wait
for the garbage collector, which comes every seventy calls or so; until then each keeps
the memory of OpenSSL, libsrtp and libopus, a quarter of a megabyte a connection.

It relies on private parts of aiortc 1.16 and aioice 0.13;
`tests/contract/server/test_aiortc_pins.py` names each of them.
"""

from typing import Any

from aiortc import RTCPeerConnection

OVER = ("new", "closed", "failed")


def take_apart(pc: RTCPeerConnection) -> None:
    """Undo the circles; `pc` was closed. Safe to call twice."""
    transports: list[Any] = [t.receiver.transport for t in pc.getTransceivers()]
    if pc.sctp is not None:
        transports.append(pc.sctp.transport)
    for dtls in transports:
        if dtls.state not in OVER:
            continue  # its tasks still run: closing took too long
        dtls.remove_all_listeners()
        dtls._ssl = dtls._rx_srtp = dtls._tx_srtp = None
        connection = dtls.transport._connection
        connection._check_list.clear()
        connection._early_checks.clear()
