"""How the OpenAI voice names sound here: pitch and speaker, as data."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VoiceProfile:
    """One voice."""

    pitch: float
    """Pitch relative to the plain voice of a speaker, 1.0 = as it is."""
    espeak: str
    """espeak-ng voice and variant."""


PROFILES: dict[str, VoiceProfile] = {
    # The two defaults of the API play the prepared recordings untouched, so that a
    # test may look for those very samples.
    "alloy": VoiceProfile(1.00, "en-us+f2"),
    "marin": VoiceProfile(1.00, "en-us+f3"),
    "ash": VoiceProfile(0.86, "en-us+m3"),
    "ballad": VoiceProfile(0.90, "en+m2"),
    "cedar": VoiceProfile(0.83, "en-us+m7"),
    "coral": VoiceProfile(1.08, "en-us+f4"),
    "echo": VoiceProfile(0.88, "en-us+m1"),
    "sage": VoiceProfile(1.04, "en+f2"),
    "shimmer": VoiceProfile(1.12, "en-us+f5"),
    "verse": VoiceProfile(0.93, "en-us+m4"),
}
"""The voices of the Realtime API (realtime-api.md section 0.1)."""

_ESPEAK_OF_STRANGERS = ("en-us+f2", "en-us+f4", "en-us+m3", "en-us+m7")


def profile(voice: str) -> VoiceProfile:
    """The profile of a voice name; an unknown name always gets the same stranger's."""
    known = PROFILES.get(voice.lower())
    if known is not None:
        return known
    digest = hashlib.sha256(voice.encode()).digest()
    espeak = _ESPEAK_OF_STRANGERS[digest[0] % len(_ESPEAK_OF_STRANGERS)]
    return VoiceProfile(0.85 + 0.3 * digest[1] / 255, espeak)
