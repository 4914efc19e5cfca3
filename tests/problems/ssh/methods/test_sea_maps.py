"""Maps without covariances, cell by cell with NumPy."""

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.problems.ssh.methods.maps import LastMap, LinearMaps, MeanMap
from tests.problems.ssh.methods.small_seas import MEAN, samples

DAYS, NY, NX, MARGIN = 12, 5, 7, 4


def days(share=0.2, seed=0, land=None):
    """Observations of four more days on either side."""
    rng = np.random.default_rng(seed)
    ssh = rng.normal(MEAN, 0.3, (DAYS, NY, NX))
    observed = rng.random((DAYS + 2 * MARGIN, NY, NX)) < share
    observations = np.where(observed, rng.normal(MEAN, 0.3, observed.shape), np.nan)
    if land is not None:
        ssh[:, land], observations[:, land] = np.nan, np.nan
    return samples(ssh, observations, lat=30 + 0.5 * np.arange(NY), lon=-60 + 0.5 * np.arange(NX), margin=MARGIN)


def series(given, row, column):
    """Steps, counted from the first sample, and values."""
    values = given.observations.values[:, row, column].astype(float)
    (steps,) = np.nonzero(np.isfinite(values))
    return steps - MARGIN, values[steps]


def test_linear_in_time_is_numpy_interp_of_each_cell():
    given = days()
    answer = LinearMaps().predict(given)
    for row in range(NY):
        for column in range(NX):
            steps, values = series(given, row, column)
            assert len(steps) > 0
            np.testing.assert_allclose(answer[:, row, column], np.interp(np.arange(DAYS), steps, values), atol=1e-12)


def test_the_last_map_looks_back_only():
    given = days(share=0.4)
    answer = LastMap().predict(given)
    for row in range(NY):
        for column in range(NX):
            steps, values = series(given, row, column)
            for day in range(steps[0], DAYS) if steps[0] >= 0 else range(DAYS):
                assert answer[day, row, column] == values[steps <= day][-1]
    future = given.copy(deep=True)
    future["observations"][MARGIN + 7 :] = 9.0
    np.testing.assert_array_equal(LastMap().predict(future)[:7], answer[:7])
    assert (LastMap().predict(future)[7] == 9.0).all()


@pytest.mark.parametrize("method", [LinearMaps(), LastMap()])
def test_cells_without_observations_get_those_of_the_nearest_cell(method):
    given = days(share=0.0)
    given["observations"][0, 0, 0], given["observations"][0, 4, 6] = 1.0, 2.0
    row, column = np.meshgrid(np.arange(NY), np.arange(NX), indexing="ij")
    first, second = row**2 + column**2, (row - 4) ** 2 + (column - 6) ** 2
    for one in method.predict(given):
        np.testing.assert_array_equal(one[first < second], 1.0)
        np.testing.assert_array_equal(one[first > second], 2.0)
    given["observations"] = given.observations * np.nan
    np.testing.assert_array_equal(method.predict(given), MEAN)


@pytest.mark.parametrize("method", [LinearMaps(), LastMap(), MeanMap()])
def test_land_and_other_orders(method):
    land = np.zeros((NY, NX), dtype=bool)
    land[1:3, 2:] = True
    given = days(land=land)
    method.fit(given)
    answer = method.predict(given)
    assert (answer.shape, answer.dtype) == ((DAYS, NY, NX), np.float64)
    np.testing.assert_array_equal(np.isnan(answer), np.broadcast_to(land, answer.shape))
    turned = given.isel(sample=[7, 3, 3], day=slice(None, None, -1)).transpose("lon", "lat", ...)
    np.testing.assert_array_equal(method.predict(turned), answer[[7, 3, 3]])


def test_mean():
    train, given = days(seed=1), days()
    with pytest.raises(ValueError, match="only after fit"):
        MeanMap().predict(given)
    train["ssh"][3] = np.nan  # a missing day
    train["ssh"][:, 2, 2] = np.nan
    method = MeanMap()
    method.fit(train)
    wanted = np.delete(train.ssh.values, 3, axis=0).astype(float).mean(0)
    wanted[2, 2] = MEAN
    np.testing.assert_allclose(method.predict(given), np.broadcast_to(wanted, (DAYS, NY, NX)), atol=1e-6)


def test_mean_on_another_grid_is_that_of_all_cells():
    method = MeanMap()
    method.fit(days(seed=1))
    for other in (days().isel(lat=slice(3)), days().assign_coords(lon=10 + 0.5 * np.arange(NX))):
        np.testing.assert_array_equal(method.predict(other), np.full(other.ssh.shape, MEAN))


@pytest.mark.parametrize(
    ("method", "choice"), [(LinearMaps(), "linear_maps"), (LastMap(), "last_map"), (MeanMap(), "mean_map")]
)
def test_other_data_are_refused(method, choice):
    other = xr.Dataset({"observations": (("sample", "time"), np.zeros((1, 2)))}, attrs={"name": "lorenz63"})
    with pytest.raises(Refusal, match=rf"baseline={choice} .* data=lorenz63 does not give: type data=ssh"):
        (method.fit if method.learns else method.predict)(other)
