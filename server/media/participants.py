"""Who is in a conversation: profiles that outlive connections, and the list of all."""

from collections import OrderedDict
from collections.abc import Iterable

from server.media.client import Client
from server.media.profile import Profile
from server.media.protocol import Participant

MAX_REMEMBERED = 64
"""Participants of one session whose settings are kept after they left."""


class Profiles:
    """Profiles by client id; the longest unused go first."""

    def __init__(self) -> None:
        self._profiles: OrderedDict[str, Profile] = OrderedDict()

    def __contains__(self, client_id: str) -> bool:
        return client_id in self._profiles

    def of(self, client_id: str, name: str = "") -> Profile:
        """The profile of a client, made when there is none."""
        profile = self._profiles.pop(client_id, None)
        if profile is None:
            profile = Profile(name=name)
        elif name:
            profile.name = name
        self._profiles[client_id] = profile
        while len(self._profiles) > MAX_REMEMBERED:
            self._profiles.popitem(last=False)
        return profile


def participants(clients: Iterable[Client]) -> tuple[Participant, ...]:
    """Those whose audio flows, in the order in which they came."""
    return tuple(
        Participant(
            client_id=client.client_id,
            name=client.profile.name,
            leg=client.leg,
            muted=client.profile.muted,
            volume=client.profile.volume,
            mode=client.profile.mode,
            speaking=client.is_speaking,
        )
        for client in clients
        if client.is_ready
    )
