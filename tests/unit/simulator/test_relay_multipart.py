"""One part of a form is changed; every other byte stays."""

from __future__ import annotations

import pytest

from simulator.relay_multipart import MultipartError, replace_part

TYPE = 'multipart/form-data; boundary="x-y"'
BODY = (
    b"preamble\r\n--x-y\r\n"
    b'Content-Disposition: form-data; name="session"\r\n'
    b'Content-Type: application/json\r\n\r\n{"a": "\xc3\xa4"}\r\n'
    b"--x-y\r\n"
    b"content-disposition: form-data; name=sdp; filename=offer.sdp\r\n"
    b"Content-Length: 7\r\n"
    b"Content-Type: application/sdp\r\n\r\nv=0\r\n\r\n\r\n"
    b"--x-y--\r\nepilogue"
)


def test_only_the_named_part_changes_and_loses_its_length() -> None:
    seen = []

    def change(text: str) -> str:
        seen.append(text)
        return "NEW"

    got = replace_part(BODY, TYPE, "sdp", change)

    assert seen == ["v=0\r\n\r\n"]
    assert got == BODY.replace(b"v=0\r\n\r\n", b"NEW").replace(
        b"Content-Length: 7\r\n", b""
    )


def test_a_change_to_the_same_text_is_no_change() -> None:
    assert replace_part(BODY, TYPE, "session", lambda text: text) == BODY


@pytest.mark.parametrize(
    ("body", "content_type", "name"),
    [
        (BODY, "application/json", "sdp"),
        (BODY, "multipart/form-data", "sdp"),
        (BODY, 'multipart/form-data; boundary="other"', "sdp"),
        (BODY, TYPE, "missing"),
        (b"", TYPE, "sdp"),
        (b"--x-y\r\n\r\n" * 100, TYPE, "sdp"),
        (BODY.replace(b"\xc3\xa4", b"\xff"), TYPE, "session"),
    ],
)
def test_a_body_without_the_part_is_refused(
    body: bytes, content_type: str, name: str
) -> None:
    with pytest.raises(MultipartError):
        replace_part(body, content_type, name, str)
