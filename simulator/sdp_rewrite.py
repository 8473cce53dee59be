"""Point a session description at a relay. PURE text work on RFC 8866 / RFC 8839 lines.

The offer loses its candidates, or the server's checks would go round the relay straight
to the client. The answer keeps one UDP candidate, whose address becomes the relay's.
The server then knows the client, and the client the server, by the relay alone.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass

MAX_SDP_BYTES = 64 * 1024
MAX_SECTIONS = 16

Address = tuple[str, int]


class SdpError(ValueError):
    """A description that cannot be led over a relay."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One `a=candidate` line, as far as a relay cares."""

    foundation: str
    component: int
    transport: str
    priority: int
    address: str
    port: int
    kind: str

    @classmethod
    def parse(cls, line: str) -> Candidate:
        """From a line with or without `a=`; raises SdpError."""
        words = line.removeprefix("a=").removeprefix("candidate:").split()
        try:
            foundation, component, transport, priority, address, port, typ, kind = (
                words[:8]
            )
            if typ != "typ":
                raise ValueError(typ)
            return cls(
                foundation,
                int(component),
                transport.lower(),
                int(priority),
                address,
                int(port),
                kind,
            )
        except ValueError as exc:
            raise SdpError("malformed a=candidate line") from exc

    @property
    def ip(self) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
        """The address, or None when it is a name (mDNS)."""
        try:
            return ipaddress.ip_address(self.address)
        except ValueError:
            return None


def strip_offer(sdp: str) -> str:
    """The offer without candidates and without any address of the client.

    `end-of-candidates` goes too: the server must go on listening for a peer that only
    shows itself by its checks (peer-reflexive, RFC 8445 §7.3.1.3).
    """
    out = []
    for line in _lines(sdp):
        if line.startswith(("a=candidate:", "a=end-of-candidates", "a=rtcp:")):
            continue
        if line.startswith("c="):
            line = "c=IN IP4 0.0.0.0"
        elif line.startswith("m="):
            line = _with_port(line, 9)
        out.append(line)
    return _join(out)


def server_addresses(sdp: str, *, allow_remote: bool = False) -> dict[int, Address]:
    """Where the server listens: m-section number -> address of its best candidate.

    Only loopback addresses count unless `allow_remote`; IPv4 comes before IPv6. Raises
    SdpError when no section has a usable candidate.
    """
    chosen: dict[int, Address] = {}
    for number, lines in _sections(sdp):
        found = [
            candidate
            for line in lines
            if line.startswith("a=candidate:")
            and _is_usable(candidate := Candidate.parse(line), allow_remote)
        ]
        if found:
            best = max(found, key=_preference)
            chosen[number] = (best.address, best.port)
    if not chosen:
        kind = "UDP" if allow_remote else "loopback UDP"
        raise SdpError(f"the answer has no {kind} candidate")
    return chosen


def point_answer(sdp: str, fronts: dict[int, Address]) -> str:
    """The answer with one candidate in each section of `fronts`: that address.

    Sections which are not named lose their candidates (in a bundle, the first speaks
    for all). A rejected section (port 0) stays rejected.
    """
    out: list[str] = []
    number, is_done = -1, False
    for line in _lines(sdp):
        if line.startswith("m="):
            number, is_done = number + 1, False
        front = fronts.get(number)
        if line.startswith("a=rtcp:"):
            continue
        if line.startswith("a=candidate:"):
            if front is None or is_done:
                continue
            is_done = True
            line = f"a=candidate:1 1 udp 2130706431 {front[0]} {front[1]} typ host"
        elif line.startswith("m=") and front is not None:
            line = _with_port(line, front[1])
        elif line.startswith("c=") and front is not None:
            line = f"c=IN IP{6 if ':' in front[0] else 4} {front[0]}"
        out.append(line)
    return _join(out)


def _is_usable(candidate: Candidate, allow_remote: bool) -> bool:
    if candidate.transport != "udp" or candidate.component != 1 or not candidate.port:
        return False
    ip = candidate.ip
    return ip is not None and (ip.is_loopback or allow_remote)


def _preference(candidate: Candidate) -> tuple[bool, bool, int]:
    ip = candidate.ip
    is_loopback = ip is not None and ip.is_loopback
    return is_loopback, ip is not None and ip.version == 4, candidate.priority


def _lines(sdp: str) -> Iterator[str]:
    if len(sdp) > MAX_SDP_BYTES:
        raise SdpError(f"description of more than {MAX_SDP_BYTES} bytes")
    # Not str.splitlines: it also splits at characters that a value may contain.
    return (line.rstrip("\r") for line in sdp.split("\n") if line.rstrip("\r"))


def _sections(sdp: str) -> Iterator[tuple[int, list[str]]]:
    sections: list[list[str]] = []
    for line in _lines(sdp):
        if line.startswith("m="):
            sections.append([])
        if sections:
            sections[-1].append(line)
    if len(sections) > MAX_SECTIONS:
        raise SdpError(f"description of more than {MAX_SECTIONS} sections")
    return enumerate(sections)


def _with_port(line: str, port: int) -> str:
    words = line.split(" ")
    if len(words) < 3:
        raise SdpError("malformed m= line")
    if words[1] != "0":
        words[1] = str(port)
    return " ".join(words)


def _join(lines: list[str]) -> str:
    return "".join(f"{line}\r\n" for line in lines)
