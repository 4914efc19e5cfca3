"""Deep currents without a network: the regression is the best linear estimate, and refuses what it cannot use."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.methods.deep_currents import FixedMode, NoCurrents, WavenumberRegression

CELLS, COUNT, HALF = 6, 14, 1


def sea(seed: int = 0, count: int = COUNT) -> xr.Dataset:
    """Samples on a square of 6 x 6 cells: psi is a sum of shifted maps and of noise."""
    rng = np.random.default_rng(seed)
    ssh = rng.standard_normal((count + 2 * HALF, CELLS, CELLS))
    psi = 300 * np.roll(ssh[2:], 1, 2) - 200 * ssh[1:-1] + 100 * rng.standard_normal((count, CELLS, CELLS))
    day = np.datetime64("2001-01-01T12", "ns") + np.arange(len(ssh)) * np.timedelta64(1, "D")
    return xr.Dataset(
        {"ssh": (("day", "lat", "lon"), ssh), "psi_lower": (("sample", "lat", "lon"), psi)},
        {
            "day": day,
            "time": ("sample", day[HALF:-HALF]),
            "lat": 38 + 0.1 * np.arange(CELLS),
            "lon": 0.1 * np.arange(CELLS),
        },
    )


def mirrored(samples: xr.Dataset) -> xr.Dataset:
    """South-north, with the sign changed."""
    return samples.assign({name: (field.dims, -field.values[:, ::-1]) for name, field in samples.items()})


def shifted(samples: xr.Dataset, days: int) -> np.ndarray:
    """The maps of a window at all shifts, as columns: (sample, cell; day, shift)."""
    half, windows = days // 2, []
    for offset in range(HALF - half, HALF + half + 1):
        maps = samples.ssh.values[offset : offset + COUNT]
        windows += [np.roll(maps, (y, x), (1, 2)).ravel() for y in range(CELLS) for x in range(CELLS)]
    return np.stack(windows, axis=1)


@pytest.mark.parametrize("days", [1, 3])
def test_the_regression_is_the_least_squares_of_all_shifts(days):
    """By brute force: a weight for each day and each shift, fitted to the samples and their mirror images."""
    train, test = sea(), sea(seed=1)
    method = WavenumberRegression(days=days)
    method.fit(train)
    both = train, mirrored(train)
    weights = np.linalg.lstsq(
        np.concatenate([shifted(one, days) for one in both]),
        np.concatenate([one.psi_lower.values.ravel() for one in both]),
    )[0]
    expected = (shifted(test, days) @ weights).reshape(test.psi_lower.shape)
    np.testing.assert_allclose(method.predict(test), expected, atol=1e-6 * expected.std())


def test_what_is_left_is_the_noise():
    """Of 400 days; the factors of 3 days and 36 shifts, halved by symmetry, cost little."""
    method, test = WavenumberRegression(days=3), sea(seed=1, count=100)
    method.fit(sea(seed=2, count=400))
    assert (method.predict(test) - test.psi_lower.values).std() == pytest.approx(100, rel=0.05)


def test_a_sea_of_one_mode():
    samples = sea()
    centre = samples.ssh.values[HALF:-HALF]
    samples["psi_lower"] = samples.psi_lower.dims, 250 * centre
    for method in (FixedMode(), WavenumberRegression(days=1)):
        method.fit(samples)
        np.testing.assert_allclose(method.predict(samples), 250 * centre, rtol=1e-9, atol=1e-6)
    assert not NoCurrents().predict(samples).any()


def test_refusals():
    samples = sea()
    with pytest.raises(Refusal, match=r"baseline\.days=5 needs maps of 2 days before and after"):
        WavenumberRegression(days=5).fit(samples)
    method = WavenumberRegression(days=3)
    method.fit(samples)
    with pytest.raises(Refusal, match="fitted to maps of 6 x 6 cells, and these are of 6 x 4"):
        method.predict(samples.isel(lon=slice(4)))
    other = samples.drop_vars("ssh").assign_attrs(name="ssh")
    regression, fixed = "wavenumber_regression", "fixed_mode"
    asked = {"no_currents": NoCurrents().predict, fixed: FixedMode().fit, regression: method.predict}
    for choice, ask in asked.items():
        with pytest.raises(Refusal, match=f"baseline={choice} infers deep currents .* data=ssh does not ask for"):
            ask(other)
