"""Edge: peer connections, data channels, RTP and Opus.

The only room that imports aiortc, aioice and av. Callbacks are plain functions called
on the event loop; they must not block.
"""
