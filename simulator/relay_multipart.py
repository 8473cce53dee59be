"""Change one part of a multipart/form-data body, byte for byte the rest. PURE.

A proxy must not re-encode what it forwards, so the body is cut at its boundary lines
(RFC 2046 §5.1.1) and only the content of the named part is replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from email.message import Message
from email.parser import BytesHeaderParser
from email.policy import HTTP
from typing import Final

MAX_PARTS: Final = 64


class MultipartError(ValueError):
    """Not a multipart/form-data body, or one without the part."""


def replace_part(
    body: bytes, content_type: str, name: str, change: Callable[[str], str]
) -> bytes:
    """The body with `change` applied to the (first) part called `name`, as UTF-8 text.

    Raises MultipartError; what `change` raises comes through.
    """
    delimiter = b"--" + _boundary(content_type).encode()
    pieces = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if not 3 <= len(pieces) <= MAX_PARTS + 2:
        raise MultipartError("no parts, or too many")
    for i, piece in enumerate(pieces[1:-1], start=1):
        head, blank, content = piece.partition(b"\r\n\r\n")
        if blank and _name(head) == name:
            try:
                text = content.decode()
            except UnicodeDecodeError as exc:
                raise MultipartError(f"part {name!r} is not UTF-8") from exc
            # A part that gives its length would now lie.
            lines = [x for x in head.split(b"\r\n") if not _is_length(x)]
            pieces[i] = b"\r\n".join(lines) + blank + change(text).encode()
            return (b"\r\n" + delimiter).join(pieces)[2:]
    raise MultipartError(f"no part called {name!r}")


def _boundary(content_type: str) -> str:
    message = Message()
    message["Content-Type"] = content_type
    boundary = message.get_param("boundary")
    if message.get_content_type() != "multipart/form-data" or not boundary:
        raise MultipartError("not multipart/form-data with a boundary")
    return str(boundary)


def _name(head: bytes) -> str | None:
    headers = BytesHeaderParser(policy=HTTP).parsebytes(head.lstrip(b"\r\n"))
    disposition = headers["Content-Disposition"]
    return None if disposition is None else disposition.params.get("name")


def _is_length(line: bytes) -> bool:
    return line.lower().startswith(b"content-length:")
