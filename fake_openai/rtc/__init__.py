"""WebRTC edge of the fake: the only place here that imports aiortc and av.

A call costs one UDP socket, one 20 ms visit of the shared ticker and no thread:
`ticker` paces, `opus` and `rtp_input` turn packets into session audio time,
`aiortc_seam` is the one door into aiortc's internals, `peer` joins them.
"""
