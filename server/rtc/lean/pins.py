"""What this package relies on in other people's private parts, and whether it is there.

`tests/contract/server/test_lean_pins.py` holds every line of it against the installed
versions; at run time a mismatch costs speed, never a call.
"""

import logging
from functools import cache
from importlib.metadata import PackageNotFoundError, version

import aioice.ice
import pylibsrtp
from aiortc import RTCRtpReceiver, RTCRtpSender, RTCSctpTransport
from aiortc.rtcdtlstransport import RTCDtlsTransport, RtpRouter
from OpenSSL import SSL

from server.rtc import libopus

logger = logging.getLogger(__name__)

VERSIONS = {"aiortc": "1.16.", "aioice": "0.13."}
METHODS: dict[type, tuple[str, ...]] = {
    RTCSctpTransport: (
        "_handle_data",
        "_receive_sack_chunk",
        "_flight_size_decrease",
        "_get_inbound_stream",
        "_update_rto",
        "_t3_start",
        "_t3_restart",
        "_t3_cancel",
        "_t3_expired",
    ),
    RTCDtlsTransport: (
        "_register_rtp_receiver",
        "_register_rtp_sender",
        "_unregister_rtp_receiver",
        "_unregister_rtp_sender",
    ),
    RTCRtpReceiver: ("_set_rtcp_ssrc", "_handle_rtcp_packet", "receive", "stop"),
    RTCRtpSender: ("_handle_rtcp_packet", "send", "stop"),
    RtpRouter: ("route_rtcp",),
    aioice.ice.StunProtocol: ("datagram_received",),
    aioice.ice.Connection: ("data_received",),
}
OPENSSL = (
    "BIO_read",
    "BIO_write",
    "ERR_clear_error",
    "SSL_ERROR_ZERO_RETURN",
    "SSL_get_error",
    "SSL_read",
    "SSL_write",
)
SRTP = ("srtp_protect", "srtp_unprotect")


def problem() -> str | None:
    """Why the lean path cannot be used here, or None when it can."""
    for package, wanted in VERSIONS.items():
        try:
            found = version(package)
        except PackageNotFoundError:
            return f"{package} is not installed"
        if not found.startswith(wanted):
            return f"{package} {found} is not {wanted}x"
    for owner, names in METHODS.items():
        for name in names:
            if not callable(getattr(owner, name, None)):
                return f"{owner.__name__} has no {name}"
    library = getattr(SSL, "_lib", None)
    for name in OPENSSL:
        if not hasattr(library, name):
            return f"pyOpenSSL does not show {name}"
    srtp = getattr(pylibsrtp, "lib", None)
    for name in SRTP:
        if not hasattr(srtp, name):
            return f"pylibsrtp does not show {name}"
    return None if libopus.load() is not None else "there is no libopus"


@cache
def fit() -> bool:
    """Whether the lean path can be used; says so once if not."""
    found = problem()
    if found is not None:
        logger.warning("media takes the slower way of aiortc: %s", found)
    return found is None
