"""Named networks. Where each figure comes from is told in docs/relay.md.

They describe the access network up to a near server, one way, for one client.
"""

from __future__ import annotations

from types import MappingProxyType

from simulator.network.conditions import Burst, Conditions
from simulator.network.profile import Blackout, Profile

CLEAN = Profile(name="clean")

LAN = Profile(
    name="lan",
    up=Conditions(delay_ms=0.3, jitter_ms=0.2),
    down=Conditions(delay_ms=0.3, jitter_ms=0.2),
)

_WIFI = Conditions(
    delay_ms=2.0,
    jitter_ms=2.0,
    jitter_shape="exponential",
    loss=0.001,
    rate_kbps=50_000.0,
    queue_ms=100.0,
)
WIFI = Profile(name="wifi", up=_WIFI, down=_WIFI)

WIFI_BAD = Profile(
    name="wifi-bad",
    up=Conditions(
        delay_ms=6.0,
        jitter_ms=14.0,
        jitter_shape="pareto",
        jitter_correlation=0.5,
        burst=Burst.of(0.03, 3.0),
        rate_kbps=2_000.0,
        queue_ms=300.0,
    ),
    down=Conditions(
        delay_ms=6.0,
        jitter_ms=10.0,
        jitter_shape="pareto",
        jitter_correlation=0.5,
        burst=Burst.of(0.02, 3.0),
        rate_kbps=5_000.0,
        queue_ms=300.0,
    ),
    # The radio leaves its channel to look for a better access point.
    changes=(Blackout(at_s=8.0, for_s=0.12, every_s=10.0, hold=True),),
)

MOBILE_4G = Profile(
    name="4g",
    up=Conditions(
        delay_ms=28.0,
        jitter_ms=10.0,
        jitter_shape="exponential",
        jitter_correlation=0.3,
        burst=Burst.of(0.002, 2.0),
        rate_kbps=5_000.0,
        queue_ms=300.0,
    ),
    down=Conditions(
        delay_ms=27.0,
        jitter_ms=5.0,
        jitter_shape="exponential",
        jitter_correlation=0.3,
        burst=Burst.of(0.002, 2.0),
        rate_kbps=12_000.0,
        queue_ms=300.0,
    ),
)

MOBILE_3G = Profile(
    name="3g",
    up=Conditions(
        delay_ms=120.0,
        jitter_ms=30.0,
        jitter_shape="exponential",
        jitter_correlation=0.5,
        burst=Burst.of(0.005, 2.0),
        rate_kbps=768.0,
        queue_ms=1_000.0,
    ),
    down=Conditions(
        delay_ms=120.0,
        jitter_ms=30.0,
        jitter_shape="exponential",
        jitter_correlation=0.5,
        burst=Burst.of(0.005, 2.0),
        rate_kbps=1_600.0,
        queue_ms=1_000.0,
    ),
)

_TRAIN = Conditions(
    delay_ms=40.0,
    jitter_ms=20.0,
    jitter_shape="pareto",
    jitter_correlation=0.6,
    burst=Burst.of(0.03, 8.0),
    rate_kbps=2_000.0,
    queue_ms=600.0,
)
TRAIN = Profile(
    name="train",
    up=_TRAIN,
    down=_TRAIN,
    changes=(
        Blackout(at_s=12.0, for_s=0.25, every_s=20.0, hold=True),  # cell to cell
        Blackout(at_s=38.0, for_s=3.0, every_s=90.0),  # tunnel
    ),
)

SATELLITE = Profile(
    name="satellite",
    up=Conditions(
        delay_ms=280.0,
        jitter_ms=15.0,
        jitter_shape="exponential",
        jitter_correlation=0.5,
        burst=Burst.of(0.005, 4.0),
        rate_kbps=1_000.0,
        queue_ms=1_000.0,
    ),
    down=Conditions(
        delay_ms=280.0,
        jitter_ms=8.0,
        jitter_shape="exponential",
        jitter_correlation=0.5,
        burst=Burst.of(0.005, 4.0),
        rate_kbps=10_000.0,
        queue_ms=1_000.0,
    ),
)

_LEO = Conditions(
    delay_ms=16.0,
    jitter_ms=6.0,
    jitter_shape="exponential",
    jitter_correlation=0.3,
    loss=0.003,
    rate_kbps=10_000.0,
    queue_ms=200.0,
)
SATELLITE_LEO = Profile(
    name="satellite-leo",
    up=_LEO,
    down=_LEO,
    # The dish is given another satellite on a grid of 15 s.
    changes=(Blackout(at_s=15.0, for_s=0.1, every_s=15.0),),
)

PRESETS = MappingProxyType(
    {
        preset.name: preset
        for preset in (
            CLEAN,
            LAN,
            WIFI,
            WIFI_BAD,
            MOBILE_4G,
            MOBILE_3G,
            TRAIN,
            SATELLITE,
            SATELLITE_LEO,
        )
    }
)


def profile(name: str) -> Profile:
    """The preset of that name; KeyError lists the names there are."""
    try:
        return PRESETS[name]
    except KeyError:
        names = " ".join(PRESETS)
        raise KeyError(f"no network called {name!r}; there are: {names}") from None
