from copy import deepcopy
from typing import Any

import pytest
import yaml

from loadtests.budget.kernels import KERNELS, KernelTime
from loadtests.budget.profile import (
    FOLDER,
    ProfileError,
    names,
    parse,
    read,
    read_work,
)
from loadtests.load.options import LEGS
from simulator.peer import LEGS as SIMULATOR_LEGS

REFERENCE = {name: KernelTime(10.0, 11.0) for name in KERNELS}


def data() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((FOLDER / "jetson-nano.yaml").read_text())
    return deepcopy(found)


def test_there_is_a_profile_of_every_promised_device() -> None:
    assert set(names()) >= {
        "jetson-nano",
        "jetson-orin-nano",
        "raspberry-pi-4",
        "raspberry-pi-5",
        "generic-x86",
    }


@pytest.mark.parametrize("name", names())
def test_every_figure_of_every_profile_has_a_source(name: str) -> None:
    profile = read(name)

    assert set(profile.speeds) == set(KERNELS)
    for kernel, note in profile.notes.items():
        assert len(note.source) > 10, kernel
        if note.basis == "estimate":
            us = profile.speeds[kernel].us
            assert us.high / us.low >= 1.5, "an estimate is not that precise"
            assert note.source.startswith("estimate"), kernel


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("NVIDIA Jetson Nano Developer Kit", "jetson-nano"),
        ("NVIDIA Jetson Orin Nano Developer Kit", "jetson-orin-nano"),
        ("Raspberry Pi 4 Model B Rev 1.4", "raspberry-pi-4"),
        ("Raspberry Pi 5 Model B Rev 1.0", "raspberry-pi-5"),
        ("Something Else", None),
    ],
)
def test_a_board_is_known_by_its_device_tree(model: str, name: str | None) -> None:
    found = [p for p in names() if read(p).is_here(model, "aarch64")]

    assert found == ([name] if name else [])


def test_an_x86_machine_is_its_own_truth() -> None:
    assert [p for p in names() if read(p).is_here(None, "x86_64")] == ["generic-x86"]


def test_a_measured_kernel_replaces_an_estimate() -> None:
    given = data()
    given["kernels"]["python"] = {"us": [90.0, 95.0], "source": "measured on a board"}

    profile = parse(given, REFERENCE)

    assert profile.notes["python"].basis == "measured"
    assert (profile.speeds["python"].us.low, profile.speeds["python"].us.high) == (
        90.0,
        95.0,
    )


def test_an_estimate_is_a_multiple_of_the_reference() -> None:
    profile = parse(data(), REFERENCE)

    assert profile.speeds["python"].us.high == pytest.approx(100.0)


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        (("budget",), 2, "budget: 1"),
        (("kind",), "calls", "kind"),
        (("title",), "", "title"),
        (("match",), "Nano", "match"),
        (("cores",), -1, "cores"),
        (("kernels", "python"), None, "kernels.python"),
        (("kernels", "python", "source"), "", "kernels.python.source"),
        (("kernels", "python", "times_reference"), [3], "times_reference"),
        (("kernels", "python", "times_reference"), [9, 3], "times_reference"),
        (("kernels", "python", "times_reference"), [0, 3], "times_reference"),
        (("kernels", "python", "likely"), 99, "likely"),
        (("kernels", "python"), {"us": [9, 3], "source": "a board"}, "low above high"),
        (("kernels", "gpu"), {}, "gpu"),
        (("limits", "source"), None, "limits.source"),
        (("limits", "percent_of_device"), {"one": 20}, "percent_of_device"),
        (("limits", "percent_of_device"), {1: "20"}, "percent_of_device"),
        (("limits", "memory_mb_per_session"), True, "memory_mb_per_session"),
        (("beyond_kernels", "times"), 1.0, "times"),
    ],
)
def test_a_profile_that_makes_no_sense_is_refused_by_name(
    path: tuple[str, ...], value: object, word: str
) -> None:
    given = data()
    place = given
    for field in path[:-1]:
        place = place[field]
    place[path[-1]] = value

    with pytest.raises(ProfileError, match=word):
        parse(given, REFERENCE)


@pytest.mark.parametrize("given", [None, [], "text", {}])
def test_a_file_that_is_no_profile_is_refused(given: object) -> None:
    with pytest.raises(ProfileError):
        parse(given, REFERENCE)


def test_a_profile_that_is_not_there_is_refused() -> None:
    with pytest.raises(ProfileError, match="nowhere"):
        read("nowhere")


def test_the_work_of_every_leg_is_known() -> None:
    assert set(read_work().by_leg) == set(SIMULATOR_LEGS)


def test_locust_offers_the_legs_of_the_simulator() -> None:
    assert LEGS == SIMULATOR_LEGS
