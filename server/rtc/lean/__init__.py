"""The fast way for media: datagram to sample on the loop thread, nothing in between.

aiortc keeps the API, SDP, ICE, the DTLS handshake, RTCP parsing and everything of SCTP
that is not the normal case. After the handshake, datagrams are told apart by their
first byte (RFC 7983) and audio is unpacked and packed here, without tasks, queues,
threads or objects per packet. Whatever is not understood here at once goes to aiortc's
own code unchanged.

Private parts of aiortc 1.16, aioice 0.13 and pyOpenSSL are touched; `pins` names them,
checks them at start, and makes the bridge fall back to `server.rtc.plain` when they
are not what this code was written for.
"""
