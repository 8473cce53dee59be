"""What is set about one browser, and survives its reconnecting."""

from dataclasses import dataclass

from server.media.protocol import ClientChange, Mode

MAX_VOLUME = 2.0


@dataclass(slots=True)
class Profile:
    """Name and settings of one participant."""

    name: str = ""
    muted: bool = False
    volume: float = 1.0
    """Gain of its microphone in the mix, 0 to MAX_VOLUME."""
    mode: Mode = "both"

    @property
    def talks(self) -> bool:
        """Whether its microphone is listened to."""
        return not self.muted and self.mode != "listen"

    @property
    def hears(self) -> bool:
        """Whether anything is played to it."""
        return self.mode != "speak"

    def apply(self, change: ClientChange) -> bool:
        """Take over what is not None; True when something is different now."""
        before = (self.name, self.muted, self.volume, self.mode)
        if change.name is not None:
            self.name = change.name
        if change.muted is not None:
            self.muted = change.muted
        if change.volume is not None:
            self.volume = min(MAX_VOLUME, max(0.0, change.volume))
        if change.mode is not None:
            self.mode = change.mode
        return before != (self.name, self.muted, self.volume, self.mode)
