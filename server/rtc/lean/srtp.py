"""SRTP without an object per packet: libsrtp on one buffer that stays.

pylibsrtp makes a length pointer and checks types for every packet, which costs more
than the cipher. Everything here runs on the loop's thread, so one buffer will do.
"""

from typing import Any

import pylibsrtp

BUFFER_BYTES = 2048
TRAILER_BYTES = 16 + 128
"""What libsrtp may append: tag and master key index (SRTP_MAX_TRAILER_LEN)."""

_ffi: Any = pylibsrtp.ffi  # type: ignore[attr-defined]
_lib: Any = pylibsrtp.lib  # type: ignore[attr-defined]
_data = _ffi.new("char[]", BUFFER_BYTES)
_view = _ffi.buffer(_data)
_length = _ffi.new("int *")


class Cipher:
    """One direction of one connection, by the keys of a pylibsrtp Session."""

    def __init__(self, session: pylibsrtp.Session) -> None:
        self._session = session
        """Kept, because it frees the keys when it goes."""
        self._keys: Any = session._srtp[0]

    def protect(self, packet: bytes) -> bytes | None:
        """One RTP packet, encrypted; None when it cannot be."""
        size = len(packet)
        if size > BUFFER_BYTES - TRAILER_BYTES:
            return None
        _length[0] = size
        _view[0:size] = packet
        if _lib.srtp_protect(self._keys, _data, _length):
            return None
        return _view[0 : _length[0]]  # type: ignore[no-any-return]

    def unprotect(self, datagram: bytes) -> bytes | None:
        """One RTP packet, decrypted; None when it is forged, repeated or too long."""
        size = len(datagram)
        if size > BUFFER_BYTES:
            return None
        _length[0] = size
        _view[0:size] = datagram
        if _lib.srtp_unprotect(self._keys, _data, _length):
            return None
        return _view[0 : _length[0]]  # type: ignore[no-any-return]
