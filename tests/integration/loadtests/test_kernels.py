import pytest
import yaml

from loadtests.budget import kernels
from loadtests.budget.cli import calibration_text
from loadtests.budget.kernels import KERNELS, measure_kernels
from loadtests.budget.profile import FOLDER, parse, read_reference


@pytest.fixture(scope="module")
def measured() -> dict[str, kernels.KernelTime]:
    patch = pytest.MonkeyPatch()
    patch.setattr(kernels, "ROUNDS", 3)
    patch.setattr(kernels, "ROUND_S", 0.01)
    try:
        return measure_kernels()
    finally:
        patch.undo()


def test_every_kernel_runs_here(measured: dict[str, kernels.KernelTime]) -> None:
    assert tuple(measured) == KERNELS
    for time in measured.values():
        assert 0 < time.fast_us <= time.typical_us < 10_000


def test_what_calibration_prints_fits_into_a_profile(
    measured: dict[str, kernels.KernelTime],
) -> None:
    data = yaml.safe_load((FOLDER / "jetson-nano.yaml").read_text())
    data["kernels"] = yaml.safe_load(calibration_text(measured))["kernels"]

    profile = parse(data, read_reference())

    assert not profile.is_estimated
