"""Answers spoiled on purpose. PURE."""

import re

from fake_openai.faults import Fault


def spoiled(text: str, fault: Fault | None) -> str:
    """The answer as an `sdp.answer` fault leaves it."""
    match fault.do if fault is not None else "":
        case "malformed":
            return text[: len(text) // 3].replace("=", ":")
        case "no_audio":
            return with_refused_audio(text)
        case "no_candidates":
            return without_candidates(text)
        case "wrong_fingerprint":
            return with_wrong_fingerprint(text)
    return text


def without_candidates(text: str) -> str:
    """An answer that names no address."""
    lines = [
        line
        for line in text.replace("\r\n", "\n").strip("\n").split("\n")
        if not line.startswith(("a=candidate:", "a=end-of-candidates"))
    ]
    return "\r\n".join(lines) + "\r\n"


def with_refused_audio(text: str) -> str:
    """An answer that refuses the audio section: port 0, inactive."""
    text = re.sub(r"(?m)^m=audio \d+", "m=audio 0", text)
    return re.sub(r"(?m)^a=sendrecv", "a=inactive", text)


def with_wrong_fingerprint(text: str) -> str:
    """An answer whose certificate fingerprint is not ours."""

    def wrong(match: re.Match[str]) -> str:
        return match[1] + ":".join(
            "%02X" % (255 - int(b, 16)) for b in match[2].split(":")
        )

    return re.sub(r"(a=fingerprint:\S+ )([0-9A-Fa-f:]+)", wrong, text)
