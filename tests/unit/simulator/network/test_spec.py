"""Descriptions of networks: presets, plain data, command-line text."""

from __future__ import annotations

import json

import pytest

from simulator.network import (
    PRESETS,
    Blackout,
    Burst,
    Conditions,
    NetworkPath,
    Profile,
    Rebind,
    Replace,
    SpecError,
    profile,
    profile_from_mapping,
    profile_to_mapping,
)
from simulator.network.spec import change_from_text, conditions_from_text


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_survives_the_way_through_json(name: str) -> None:
    text = json.dumps(profile_to_mapping(PRESETS[name]))

    assert profile_from_mapping(json.loads(text)) == PRESETS[name]


def test_a_change_of_conditions_survives_too() -> None:
    lossy = Replace(at_s=10.0, for_s=5.0, up=Conditions(loss=0.1))
    custom = Profile(name="x", up=Conditions(delay_ms=9.0), changes=(lossy,))

    assert profile_from_mapping(profile_to_mapping(custom)) == custom


def test_the_six_named_networks_exist_and_a_seventh_is_refused_with_their_names() -> (
    None
):
    for name in ("lan", "wifi", "wifi-bad", "4g", "3g", "train", "satellite"):
        assert profile(name).name == name
    with pytest.raises(KeyError, match="wifi-bad"):
        profile("5g")


# One-way delay p50 in ms and loss ratio, up, in three minutes of 20 ms audio.
EXPECTED = {
    "clean": (0.0, 0.0),
    "lan": (0.3, 0.0),
    "wifi": (3.5, 0.001),
    "wifi-bad": (18.0, 0.03),
    "4g": (37.0, 0.002),
    "3g": (165.0, 0.005),
    "train": (62.0, 0.07),
    "satellite": (303.0, 0.005),
    "satellite-leo": (22.0, 0.01),
}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_does_to_audio_what_its_table_says(name: str) -> None:
    network: NetworkPath[None] = NetworkPath(PRESETS[name], seed=3)
    for i in range(9_000):
        network.submit("up", 1_000, i * 0.02, None)
        network.due(i * 0.02)
    network.due(1e6)

    counters, (p50_ms, loss) = network.counters("up"), EXPECTED[name]
    assert counters.delay_ms.percentile_ms(50) == pytest.approx(
        p50_ms, rel=0.2, abs=0.1
    )
    assert counters.lost / counters.received == pytest.approx(loss, rel=0.5, abs=2e-3)


def test_fields_change_on_top_of_a_preset_for_one_direction() -> None:
    got = profile_from_mapping({"preset": "wifi", "up": {"delay_ms": 33.0}})

    assert got.name == "wifi, changed"
    assert got.up.delay_ms == 33.0
    assert got.up.rate_kbps == profile("wifi").up.rate_kbps
    assert got.down == profile("wifi").down


def test_changes_are_read_on_top_of_the_profile_around_them() -> None:
    got = profile_from_mapping(
        {
            "both": {"delay_ms": 20.0},
            "changes": [
                {
                    "at_s": 10,
                    "for_s": 5,
                    "up": {"burst": {"loss": 0.1, "mean_packets": 4}},
                },
                {"at_s": 20, "for_s": 2, "preset": "3g"},
                {
                    "at_s": 30,
                    "for_s": 0.5,
                    "every_s": 9,
                    "blackout": "up",
                    "hold": True,
                },
                {"at_s": 40, "rebind": True},
            ],
        }
    )

    slow = Conditions(delay_ms=20.0)
    assert (got.up, got.down) == (slow, slow)
    assert got.changes == (
        Replace(
            at_s=10, for_s=5, up=Conditions(delay_ms=20.0, burst=Burst.of(0.1, 4.0))
        ),
        Replace(at_s=20, for_s=2, up=profile("3g").up, down=profile("3g").down),
        Blackout(at_s=30, for_s=0.5, every_s=9, directions=("up",), hold=True),
        Rebind(at_s=40),
    )


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ({"presett": "wifi"}, "presett"),
        ({"preset": "5g"}, "preset: no network '5g'"),
        ({"up": {"delay": 3}}, "up: unknown delay"),
        ({"up": {"loss": 3}}, "up: loss must be a ratio"),
        ({"up": {"loss": "much"}}, "up"),
        ({"up": {"burst": {"loss": 0.9, "mean_packets": 1}}}, "up"),
        ({"both": {"jitter_ms": 3}}, "both: uniform jitter"),
        ({"changes": {}}, "changes"),
        ({"changes": [{"blackout": "both"}]}, r"changes\[0\]: at_s is missing"),
        ({"changes": [{"at_s": 1}]}, r"changes\[0\]: one of"),
        ({"changes": [{"at_s": "1", "rebind": True}]}, r"changes\[0\].at_s"),
        ({"changes": [{"at_s": 1, "rebind": True, "preset": "3g"}]}, "one of"),
        ({"changes": [{"at_s": 1, "blackout": "left"}]}, "directions"),
        ({"changes": [{"at_s": 1, "blackout": "up", "hold": True}]}, "needs an end"),
        ({"changes": [{"at_s": -1, "rebind": True}]}, "at_s"),
    ],
)
def test_a_bad_description_is_refused_with_its_place(
    spec: dict[str, object], place: str
) -> None:
    with pytest.raises(SpecError, match=place):
        profile_from_mapping(spec)


def test_conditions_are_read_from_the_command_line() -> None:
    assert conditions_from_text(
        "delay_ms=50,jitter_shape=normal,keep_order=false,burst=0.03x4"
    ) == {
        "delay_ms": 50.0,
        "jitter_shape": "normal",
        "keep_order": False,
        "burst": {"loss": 0.03, "mean_packets": 4.0},
    }


@pytest.mark.parametrize(
    ("text", "change"),
    [
        ("10+5=wifi-bad", {"at_s": 10.0, "for_s": 5.0, "preset": "wifi-bad"}),
        ("20+2=blackout", {"at_s": 20.0, "for_s": 2.0, "blackout": "both"}),
        (
            "2+.3/9=hold",
            {
                "at_s": 2.0,
                "for_s": 0.3,
                "every_s": 9.0,
                "blackout": "both",
                "hold": True,
            },
        ),
        ("1+1=blackout-up", {"at_s": 1.0, "for_s": 1.0, "blackout": "up"}),
        ("30/60=rebind", {"at_s": 30.0, "every_s": 60.0, "rebind": True}),
    ],
)
def test_changes_are_read_from_the_command_line(
    text: str, change: dict[str, object]
) -> None:
    assert change_from_text(text) == change


@pytest.mark.parametrize("text", ["wifi", "x=wifi", "1+=3g", "1..2=3g", "=3g"])
def test_a_change_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SpecError):
        change_from_text(text)
