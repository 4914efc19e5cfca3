"""data=series: what a file may look like, where windows lie, what each method makes of it."""

from __future__ import annotations

import re

import hydra
import numpy as np
import pandas as pd
import pytest
import torch
import xarray as xr
from omegaconf import OmegaConf

from dlgd import build
from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.problems.lorenz.data import recorded
from dlgd.problems.lorenz.scores.forecast import ForecastEvaluation

STEPS = 1000


def oscillation():
    """Two oscillations in different units: degrees, and a pressure in Pa, (steps, 2)."""
    time = np.arange(STEPS)
    return np.stack((15 + 3 * np.sin(0.2 * time), 1e5 + 800 * np.cos(0.2 * time)), axis=-1)


def table(**columns):
    values = oscillation()
    dates = pd.date_range("2020-01-01", periods=STEPS, freq="6h")
    return pd.DataFrame({"time": dates, "temperature": values[:, 0], "pressure": values[:, 1]} | columns)


def make(path, **changes):
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / "series.yaml"))["data"]
    options = {key: value for key, value in config.items() if key not in ("defaults", "_target_")}
    return hydra.utils.get_class(config["_target_"])(
        **(options | {"path": None if path is None else str(path)} | changes)
    )


@pytest.fixture
def csv(tmp_path):
    table().to_csv(tmp_path / "own.csv", index=False)
    return tmp_path / "own.csv"


# --- the file ------------------------------------------------------------------------------------------------------


def test_csv_and_netcdf_are_the_same_series(csv, tmp_path):
    data = table().set_index("time").to_xarray()
    data.to_netcdf(tmp_path / "own.nc")
    array = xr.DataArray(
        oscillation(), {"time": data.time, "variable": ["temperature", "pressure"]}, ("time", "variable")
    )
    array.to_dataset(name="values").to_netcdf(tmp_path / "table.nc")
    for path in (csv, tmp_path / "own.nc", tmp_path / "table.nc"):
        found = recorded.read(path, None)
        assert found.names == ("temperature", "pressure")
        assert found.dt == 0.25  # days
        np.testing.assert_allclose(found.values, oscillation())
    assert recorded.read(csv, ["pressure"]).names == ("pressure",)


def test_rows_that_are_left_out_are_gaps(tmp_path):
    some = table()
    some.loc[5, "pressure"] = np.nan
    some.drop(index=range(10, 20)).to_csv(tmp_path / "own.csv", index=False)
    values = recorded.read(tmp_path / "own.csv", None).values
    expected = oscillation()
    expected[5, 1], expected[10:20] = np.nan, np.nan
    np.testing.assert_allclose(values, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.assign(pressure="low"), "has no numbers in pressure"),
        (lambda t: t.assign(time=t.time[::-1].values), "must increase: that of row 1"),
        (lambda t: t.assign(time=np.arange(STEPS) ** 1.1), "are not at equal steps of"),
        (lambda t: t.assign(time="noon"), "holds neither numbers nor dates"),
        (lambda t: t.assign(pressure=t.pressure.where(t.index > 9, -9999)), "10 values such as -9999, which look like"),
        (lambda t: t[["time"]], "holds no series"),
        (lambda t: t.assign(pressure=np.inf), "has infinite values"),
        (
            lambda t: t.assign(time=np.arange(STEPS)).rename(columns={"time": "Time (h)"}),
            r"Time \(h\) of .* increases by equal steps, as times do: call it time",
        ),
        (lambda t: t.assign(pressure=0.1), "pressure of .* does not change in the steps for train: leave it out"),
    ],
)
def test_files_that_do_not_fit(change, words, tmp_path):
    change(table()).to_csv(tmp_path / "own.csv", index=False)
    with pytest.raises(Refusal, match=words) as caught:
        make(tmp_path / "own.csv").check()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty: give a row for each step"),
        ("température\n1\n2\n".encode("latin-1"), "is not in UTF-8: save it so"),
        (b"time;x;y\n0;1,5;2\n1;2,5;3\n", "stand between ';': separate them by commas, with points in numbers"),
        (b"time\tx\n0\t1\n1\t2\n", r"stand between '\\t': separate them by commas"),
    ],
)
def test_files_that_are_no_csv(content, words, tmp_path):
    (tmp_path / "own.csv").write_bytes(content)
    with pytest.raises(Refusal, match=words):
        recorded.read(tmp_path / "own.csv", None)


def test_the_path_is_typed_as_that_of_other_files():
    config = OmegaConf.load(CONF / "data" / "series.yaml")
    config.path = "own.csv"
    assert config.data.path == "own.csv"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"variables": ["wind"]}, "has no wind: it has temperature, pressure"),
        ({"shares": {"train": 0.9, "valid": 0.15, "test": 0.15}}, "data.shares are 1.2 together: choose 1 at most"),
        ({"leads": 200}, "has no window of 201 steps without a gap among the 141 steps for valid"),
        ({"task": "classify"}, "data.task=classify is unknown"),
        ({"dt": 0}, "data.dt=0 must be a number above 0"),
    ],
)
def test_options_that_do_not_fit(changes, words, csv):
    with pytest.raises(Refusal, match=words):
        make(csv, **changes).check()


def test_a_file_is_needed():
    make(None).check()  # as long as nothing is asked of it
    with pytest.raises(Refusal, match=r"data=series needs a file: type data.path=<a NetCDF or CSV file>"):
        make(None).prepare()


def test_a_file_that_has_moved_is_asked_for(tmp_path):
    with pytest.raises(Refusal, match=r"gone.csv is not there: type data.path=<a NetCDF or CSV file>, where it lies"):
        make(tmp_path / "gone.csv").check()


def test_a_run_knows_the_whole_path(csv, monkeypatch):
    monkeypatch.chdir(csv.parent)
    assert make("own.csv").found_options == {"path": str(csv)}


def test_a_table_is_no_netcdf(csv):
    with pytest.raises(Refusal, match=r"cannot read .*own.csv as NetCDF.*: its content has no format of NetCDF"):
        netcdf.read(csv)


def test_the_small_version_needs_no_file():
    tiny = make(None).tiny()
    assert tiny.samples("test").sizes["variable"] == 2


# --- windows -------------------------------------------------------------------------------------------------------


def test_windows_lie_in_their_part_and_have_no_gap(tmp_path):
    some = table(number=np.arange(STEPS, dtype=float))
    some.loc[300, "pressure"] = np.nan
    some.to_csv(tmp_path / "own.csv", index=False)
    source = make(tmp_path / "own.csv", history=3)
    steps = {}
    for split in ("train", "valid", "test"):
        samples = source.samples(split)
        runs = np.concatenate((samples.given.values, samples.state.values), axis=1)
        assert not np.isnan(runs).any()
        steps[split] = runs[..., 2]
        assert (np.diff(steps[split], axis=1) == 1).all()
    assert not (steps["train"] == 300).any()
    assert steps["train"].max() + 30 < steps["valid"].min()
    assert steps["valid"].max() + 30 < steps["test"].min()
    assert len(np.unique(steps["test"])) == steps["test"].size


def test_each_variable_is_scaled_by_itself(csv):
    source = make(csv)
    (batch,) = source.encode(source.samples("train"), halo=0, device="cpu")
    torch.testing.assert_close(batch.target.mean((0, 2, 3)), torch.zeros(2), atol=0.1, rtol=0)
    torch.testing.assert_close(batch.target.std((0, 2, 3)), torch.ones(2), atol=0.1, rtol=0)
    np.testing.assert_allclose(source.to_physical(batch.target, None), source.samples("train").state, rtol=1e-5)


def test_scores_count_standard_deviations(csv):
    source = make(csv)
    samples = source.samples("test")
    off = samples.state.values + np.array([1.0, 0.0])
    expected = (1 / source.statistics["std_temperature"]) ** 2 / 2
    scores = ForecastEvaluation().scores(samples, off)
    assert scores["mse"] == pytest.approx(expected)
    assert "valid_time" not in scores
    np.testing.assert_allclose(ForecastEvaluation().dataset(samples, off).state_predicted, off)


# --- methods -------------------------------------------------------------------------------------------------------


def answer(source, name, samples=None):
    (method,) = build.fitted([build.method(OmegaConf.load(CONF / "baseline" / f"{name}.yaml"))], source)
    return method.inner.predict(source.samples("test") if samples is None else samples)


def test_a_linear_oscillation_is_forecast_by_autoregression(csv):
    """x(t + 1) is a rotation of x(t)."""
    source = make(csv)
    np.testing.assert_allclose(answer(source, "linear_autoregression"), source.samples("test").state, rtol=1e-6)


@pytest.mark.parametrize("name", ["true_ode", "weak_4dvar", "enks"])
def test_methods_that_need_equations_are_refused(name, csv):
    source = make(csv, task="forecast" if name == "true_ode" else "assimilate", window=40)
    with pytest.raises(Refusal, match="data=series are without known equations, which this method or score needs"):
        answer(source, name)


def test_the_end_of_a_series_is_continued_and_its_gaps_are_filled(csv, tmp_path):
    source = make(csv)
    given = source.read(csv)
    assert answer(source, "linear_autoregression", given).shape == (1, 29, 2)
    np.testing.assert_allclose(given.given.values[0, 0], oscillation()[-1])
    some = table()
    some.loc[5:9, "pressure"] = np.nan
    some.to_csv(tmp_path / "gaps.csv", index=False)
    restoring = make(csv, task="assimilate", window=40)
    filled = answer(restoring, "cubic_in_time", restoring.read(tmp_path / "gaps.csv"))
    np.testing.assert_allclose(filled[0], oscillation(), rtol=1e-3)


def test_a_network_trains_on_it_and_a_person_has_windows_of_it(csv, tmp_path):
    source = make(csv)
    batch = source.stream(halo=0, batch_size=8, seed=0, device="cpu").batch(0)
    assert batch.target.shape == (8, 2, 5, 1)
    samples = source.samples("test")
    bare = xr.Dataset({name: (variable.dims, variable.values) for name, variable in samples.items()})
    bare.to_netcdf(tmp_path / "windows.nc")
    np.testing.assert_array_equal(source.read(tmp_path / "windows.nc").state, samples.state)


def test_delays_are_variables_of_their_own(tmp_path):
    """The value of 3 and of 10 steps before, from the tenth step on."""
    values = np.random.default_rng(0).normal(size=(400, 2))
    path = tmp_path / "own.csv"
    pd.DataFrame(values, columns=["u", "v"]).to_csv(path, index=False)
    source = make(path, delays=[3, 10], gap=0)
    source.prepare()
    assert source.names == ("u", "v", "u_3_before", "v_3_before", "u_10_before", "v_10_before")
    first = source.samples("train").isel(sample=0)
    series = np.concatenate([first.given.values, first.state.values])
    past = [np.roll(values, delay, axis=0)[10 : 10 + len(series)] for delay in (0, 3, 10)]
    expected = np.concatenate(past, axis=1)
    np.testing.assert_array_equal(series, expected)
    asked = source.read(path).given.values[0, -1]  # continued from its end
    np.testing.assert_array_equal(asked, np.concatenate([values[-1], values[-4], values[-11]]))


@pytest.mark.parametrize(
    ("delays", "message"),
    [
        (3, "data.delays=3 must be a list"),
        ([0], "data.delays"),
        ([1.5], "data.delays"),
        ([5, 5], "data.delays=[5, 5] has a number twice"),
        ([500], "looks further back than the series, of 400 steps"),
    ],
)
def test_delays_that_cannot_be(tmp_path, delays, message):
    path = tmp_path / "own.csv"
    pd.DataFrame({"u": np.sin(np.arange(400.0))}).to_csv(path, index=False)
    with pytest.raises(Refusal, match=re.escape(message)):
        make(path, delays=delays).check()


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = tmp_path / "own.csv"
    path.write_text("time,u,u\n" + "".join(f"{n},{n % 7},{n % 5}\n" for n in range(400)))
    with pytest.raises(Refusal, match="has several columns called u: give each a name of its own"):
        make(path).check()
