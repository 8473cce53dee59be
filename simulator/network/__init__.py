"""An impaired network as a pure, seeded model: no socket, no clock, no task.

Two questions are answered here: *what happens to this packet* and *when must the
caller look again*. Everything that touches a socket is in `simulator.relay`.

    path = NetworkPath(profile("wifi-bad"), seed=7)
    decision = path.submit("up", len(datagram), now_s, datagram)
    for arrival in path.due(now_s): ...          # in order of arrival
    timer.set(path.next_deadline())              # None: nothing under way

The same seed and the same packets give the same decisions: packet *n* of a
direction always consumes the same random numbers, whatever happened to the others,
so two runs which differ in one effect still share all the others.
"""

from __future__ import annotations

from simulator.network.conditions import Burst, Conditions
from simulator.network.counters import DirectionCounters, DropReason, Histogram
from simulator.network.link import Decision, Link, LinkLimits
from simulator.network.path import Arrival, NetworkPath, Rebinding
from simulator.network.presets import PRESETS, profile
from simulator.network.profile import (
    Blackout,
    Direction,
    Profile,
    Rebind,
    Replace,
)
from simulator.network.spec import SpecError, profile_from_mapping, profile_to_mapping

__all__ = [
    "PRESETS",
    "Arrival",
    "Blackout",
    "Burst",
    "Conditions",
    "Decision",
    "Direction",
    "DirectionCounters",
    "DropReason",
    "Histogram",
    "Link",
    "LinkLimits",
    "NetworkPath",
    "Profile",
    "Rebind",
    "Rebinding",
    "Replace",
    "SpecError",
    "profile",
    "profile_from_mapping",
    "profile_to_mapping",
]
