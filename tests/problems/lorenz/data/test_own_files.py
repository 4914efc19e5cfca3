"""What a user's own file says of itself: names, times, noise, missing values."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import xarray as xr

from dlgd.core.errors import Refusal
from tests.problems.lorenz.data.lorenz_data import small

DIMS = ("sample", "time", "variable")


def bare(task="assimilate", name="lorenz63", **coordinates):
    """Test samples of the data set as a person would write them, with these coordinates."""
    samples = small(name, task=task).samples("test")
    fields = {key: (variable.dims, variable.values) for key, variable in samples.items()}
    return xr.Dataset(fields, coordinates), samples


@pytest.mark.parametrize(("name", "labels"), [("lorenz63", list("xyz")), ("lorenz96", [f"x{i}" for i in range(40)])])
@pytest.mark.parametrize("numbered", [False, True])
def test_variables_are_put_in_order_by_name(name, labels, numbered, tmp_path):
    mine, samples = bare(name=name, variable=np.arange(1, len(labels) + 1) if numbered else labels)
    mine.isel(variable=slice(None, None, -1)).to_netcdf(tmp_path / "mine.nc")
    xr.testing.assert_identical(small(name).read(tmp_path / "mine.nc"), samples)


def test_dimensions_are_put_in_order(tmp_path):
    mine, samples = bare(variable=list("xyz"))
    mine.transpose("time", "variable", "sample").to_netcdf(tmp_path / "mine.nc")
    xr.testing.assert_identical(small().read(tmp_path / "mine.nc"), samples)


@pytest.mark.parametrize("labels", [["x", "y", "w"], ["x", "x", "z"], [3, 4, 5], [0.5, 1.5, 2.5]])
def test_names_of_another_system_are_refused(labels, tmp_path):
    bare(variable=labels)[0].to_netcdf(tmp_path / "mine.nc")
    with pytest.raises(Refusal, match=r"names .*, but the run has x, y, z: name them so, or leave the coordinate out"):
        small().read(tmp_path / "mine.nc")


@pytest.mark.parametrize("task", ["assimilate", "forecast"])
@pytest.mark.parametrize("first", [0.0, 1000.0])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_times_at_the_steps_of_the_run(task, first, dtype, tmp_path):
    axis = "time" if task == "assimilate" else "lead"
    steps = bare(task)[0].sizes[axis]
    mine, samples = bare(task, **{axis: (first + 0.01 * np.arange(steps)).astype(dtype)})
    mine.to_netcdf(tmp_path / "mine.nc")
    xr.testing.assert_identical(small(task=task).read(tmp_path / "mine.nc"), samples)


@pytest.mark.parametrize(
    ("times", "attrs", "words"),
    [
        (0.02 * np.arange(200), {}, "time in .* has steps of 0.02, but the run has data.dt=0.01"),
        (0.01 * np.arange(200)[::-1], {}, "has steps of -0.01"),
        (np.delete(0.01 * np.arange(201), 100), {}, "has steps of 0.01 to 0.02"),
        (np.arange(200), {}, "has steps of 1, but"),
        (0.01 * np.arange(200), {"units": "days since 2000-01-01"}, "must be numbers in time units .* not days since"),
        (0.01 * np.arange(200), {"units": "s"}, "must be numbers in time units of the equations, not s"),
        (np.array(["a"] * 200), {}, "must be numbers in time units"),
    ],
)
def test_other_times_are_refused(times, attrs, words, tmp_path):
    bare(time=("time", times, attrs))[0].to_netcdf(tmp_path / "mine.nc")
    with pytest.raises(Refusal, match=words) as caught:
        small().read(tmp_path / "mine.nc")
    assert "\n" not in str(caught.value)


def test_leads_of_a_forecast_may_count_steps(tmp_path):
    mine, samples = bare("forecast", lead=np.arange(1, 30))
    mine.to_netcdf(tmp_path / "mine.nc")
    xr.testing.assert_identical(small(task="forecast").read(tmp_path / "mine.nc"), samples)
    bare("forecast", lead=2 * np.arange(29))[0].to_netcdf(tmp_path / "other.nc")
    with pytest.raises(Refusal, match=r"lead in .* has steps of 2, but"):
        small(task="forecast").read(tmp_path / "other.nc")


@pytest.mark.parametrize("as_variable", [False, True])
def test_the_noise_of_the_file_is_taken(as_variable, tmp_path, caplog):
    mine = bare()[0]
    mine = mine.assign(noise_variance=0.5) if as_variable else mine.assign_attrs(noise_variance=0.5)
    mine.to_netcdf(tmp_path / "mine.nc")
    with caplog.at_level(logging.INFO):
        assert small().read(tmp_path / "mine.nc").attrs["noise_variance"] == 0.5
    assert "noise_variance is 0.5, which is taken instead of the run's 2" in caplog.text


@pytest.mark.parametrize("noise", [-1.0, "two", [1.0, 2.0], np.nan])
def test_a_noise_that_is_no_variance_is_refused(noise, tmp_path):
    bare()[0].assign_attrs(noise_variance=noise).to_netcdf(tmp_path / "mine.nc")
    with pytest.raises(Refusal, match=r"noise_variance of .* must be one number of at least 0"):
        small().read(tmp_path / "mine.nc")


@pytest.mark.parametrize("fill", [-9999.0, 1e20, 9.96921e36, -32768.0])
@pytest.mark.parametrize("declared", [None, "_FillValue", "missing_value"])
def test_fill_values(fill, declared, tmp_path):
    mine, samples = bare()
    values = np.where(np.isnan(samples.observations.values), fill, samples.observations.values)
    mine["observations"] = (DIMS, values, {} if declared is None else {declared: fill})
    mine.to_netcdf(tmp_path / "mine.nc")
    if declared is None:
        with pytest.raises(Refusal, match="which look like a fill value: write NaN there, or name it in the attribute"):
            small().read(tmp_path / "mine.nc")
    else:
        xr.testing.assert_identical(small().read(tmp_path / "mine.nc"), samples)


def test_samples_without_observation_are_named(tmp_path, caplog):
    mine = bare()[0].copy(deep=True)  # the samples are shared by all tests
    mine.observations[[2, 5]] = np.nan
    mine.to_netcdf(tmp_path / "mine.nc")
    small().read(tmp_path / "mine.nc")
    assert "2 of 9 samples have no observation, and nothing but the climate is known of them: 2, 5" in caplog.text
