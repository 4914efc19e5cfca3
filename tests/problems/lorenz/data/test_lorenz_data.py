"""Lorenz data sets as the contract wants them: samples, attributes, tensors, streams, a user's files."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.physics.systems import dynamics_of
from tests.problems.lorenz.data.lorenz_data import NAMES, TASKS, encoded, make, small

SIZES = {"lorenz63": 3, "lorenz96": 40}


# --- samples and attributes --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", TASKS)
def test_samples(name, task):
    source, size = small(name, task=task), SIZES[name]
    for split, count in (("train", 30), ("valid", 6), ("test", 9)):
        samples = source.samples(split)
        if task == "assimilate":
            assert samples.state.dims == samples.observations.dims == ("sample", "time", "variable")
            assert samples.state.shape == (count, 200, size)
            np.testing.assert_allclose(samples.time, source.spec.dt * np.arange(200))
        else:
            assert samples.given.dims == ("sample", "history", "variable")
            assert samples.given.shape == (count, 1, size)
            assert samples.state.dims == ("sample", "lead", "variable")
            assert samples.state.shape == (count, 29, size)
            assert samples.lead.values.tolist() == list(range(1, 30))
        assert samples.variable.values.tolist() == (["x", "y", "z"] if size == 3 else [f"x{i}" for i in range(40)])
        assert samples.state.dtype == np.float64
        xr.testing.assert_identical(samples, source.samples(split))


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("task", TASKS)
def test_attributes_say_everything(name, task, tmp_path):
    source = small(name, task=task)
    source.samples("test").to_netcdf(tmp_path / "test.nc")
    with xr.open_dataset(tmp_path / "test.nc") as opened:
        attrs = opened.attrs
    assert (attrs["system"], attrs["name"], attrs["task"], attrs["preset"]) == (name, name, task, "none")
    assert (attrs["dt"], attrs["burn_in"]) == (source.spec.dt, 0)
    assert attrs["noise_variance"] == (2.0 if task == "assimilate" else 0.0)
    assert {
        "history",
        "rollout",
        "leads",
        "window",
        "stride",
        "gap",
        "seed",
        "resample_observations",
        "samples_train",
    } <= set(attrs)
    assert {f"observations_{key}" for key in source.options["observations"]} <= set(attrs)
    found, state = dynamics_of(attrs), torch.randn(4, SIZES[name], dtype=torch.float64)
    assert torch.equal(found.tendency(state), source.dynamics.tendency(state))


def test_the_cached_file_says_everything_too(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    few = {"train": 8, "valid": 2, "test": 2}
    source = make(samples=few, in_memory=False)
    source.prepare()
    (file,) = tmp_path.glob("*/series.nc")
    with xr.open_dataset(file) as opened:
        assert {key: opened.attrs[key] for key in source.attributes} == source.attributes
    before = file.stat().st_mtime_ns
    again = make(samples=few, in_memory=False)
    assert again.checksum() == source.checksum() == make(samples=few).checksum()
    assert file.stat().st_mtime_ns == before, "made once"
    xr.testing.assert_identical(again.samples("test"), source.samples("test"))
    make(samples=few, rho=27.0, in_memory=False).prepare()
    assert len(list(tmp_path.glob("*/series.nc"))) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"rho": 27.0},
        {"dt": 0.02},
        {"window": 100},
        {"stride": 50},
        {"gap": 10},
        {"task": "forecast"},
        {"observations": {"noise_variance": 1.0}},
        {"observations": {"hidden_edges": 0}},
    ],
)
def test_checksums_tell_options_apart(changes):
    assert (
        small(**changes).checksum()
        != small().checksum()
        == make(**{"samples": {"train": 30, "valid": 6, "test": 9}}).checksum()
    )


# --- tensors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_encoded_for_assimilation(name):
    source = small(name)
    samples, batch, spec = source.samples("test"), encoded(source), source.spec
    channels = 3 if name == "lorenz63" else 1
    shape = (9, channels, 200, SIZES[name] // channels)
    assert (spec.kind, spec.whole, spec.context_steps, spec.grid) == ("sequence", True, 0, shape[2:])
    assert (len(spec.output_channels), len(spec.input_channels)) == (channels, 3 * channels)
    assert batch.input.shape == (9, 3 * channels, *shape[2:])
    assert batch.target.shape == batch.mask.shape == batch.observed.shape == shape
    assert batch.input.dtype == torch.float32
    assert batch.mask.all()
    guess, observed, flags = batch.input.split(channels, dim=1)
    states = batch.target.permute(0, 2, 1, 3).flatten(2)
    np.testing.assert_allclose(states, (samples.state - spec.scaling.mean) / spec.scaling.std, atol=1e-6)
    assert torch.equal(flags, batch.observed.float())
    seen = ~np.isnan(samples.observations.values)
    assert (batch.observed.permute(0, 2, 1, 3).flatten(2).numpy() == seen).all()
    assert (observed[~batch.observed] == 0).all()
    physical = source.to_physical(observed, samples)
    assert physical.dtype == np.float64
    np.testing.assert_allclose(physical[seen], samples.observations.values[seen], atol=1e-5)
    assert torch.equal(guess[batch.observed], observed[batch.observed])
    np.testing.assert_allclose(source.to_physical(batch.target, samples), samples.state, atol=1e-5)
    if name == "lorenz63":  # y and z are never seen: the training means
        means = source.samples("train").state.mean(("sample", "time")).values
        np.testing.assert_allclose(
            source.to_physical(guess, samples)[..., 1:], np.broadcast_to(means[1:], (9, 200, 2)), atol=1e-5
        )


def test_where_nothing_of_a_variable_of_a_circle_is_seen_stands_the_mean_of_all():
    source = small("lorenz96", observations={"components": ["x3"], "pattern": "regular"})
    guess = source.to_physical(encoded(source).input[:, :1], None)
    np.testing.assert_allclose(np.delete(guess, 3, axis=2), source.statistics["mean"], atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("history", [1, 4])
def test_encoded_for_forecasts(name, history):
    source = small(name, task="forecast", history=history)
    samples, batch, spec = source.samples("test"), encoded(source), source.spec
    assert (spec.context_steps, spec.grid[0]) == (history, history + 29)
    assert batch.input.shape[2] == history + 29
    assert batch.target.shape[2] == 29
    assert batch.observed is None
    assert (batch.input[:, :, history:] == 0).all()
    np.testing.assert_allclose(source.to_physical(batch.input[:, :, :history], samples), samples.given, atol=1e-5)
    np.testing.assert_allclose(source.to_physical(batch.target, samples), samples.state, atol=1e-5)
    one = make(name, task="forecast", history=history, rollout=3, samples={"train": 8, "valid": 2, "test": 2})
    batch = one.stream(halo=0, batch_size=8, seed=0, device="cpu").batch(0)
    assert (batch.input.shape[2], batch.target.shape[2]) == (history + 3, 3)


def test_what_is_known_of_a_forecast_may_be_noisy():
    source = small(task="forecast", history=20, observations={"noise_variance": 0.5})
    samples = source.samples("train")
    truth = source._series[source._starts["train"][:, None] + np.arange(20)]
    assert (samples.given.values - truth).var() == pytest.approx(0.5, rel=0.15)
    np.testing.assert_array_equal(samples.state, source._series[source._starts["train"][:, None] + np.arange(20, 49)])


def test_long_windows_come_a_few_at_a_time(monkeypatch):
    source = small()
    whole = encoded(source)
    monkeypatch.setattr("dlgd.problems.lorenz.data.source.MAX_BATCH_ELEMENTS", 3 * 200 * 4)
    batches = list(source.encode(source.samples("test"), halo=0, device="cpu"))
    assert [len(batch) for batch in batches] == [4, 4, 1]
    assert torch.equal(torch.cat([batch.input for batch in batches]), whole.input)


@pytest.mark.parametrize("task", TASKS)
def test_without_a_truth_the_target_is_zero(task):
    source = small(task=task)
    whole = encoded(source)
    (batch,) = source.encode(source.samples("test").drop_vars("state"), halo=0, device="cpu")
    assert torch.equal(batch.input, whole.input)
    assert batch.target.shape == whole.target.shape
    assert (batch.target == 0).all()


def test_statistics():
    source = small()
    truth = source.samples("train").state.values
    wanted = {"mean": truth.mean(), "std": truth.std()}
    wanted |= {f"mean_{name}": truth[..., k].mean() for k, name in enumerate("xyz")}
    assert source.statistics == pytest.approx(wanted)
    fresh = make(samples={"train": 8, "valid": 2, "test": 2})
    fresh.use_statistics(source.statistics)
    samples = source.samples("test")
    (batch,) = fresh.encode(samples, halo=0, device="cpu")  # not prepared
    assert torch.equal(batch.input, encoded(source).input)
    fresh.prepare()
    assert fresh.statistics == source.statistics
    with pytest.raises(Refusal, match="not trained on data=lorenz63"):
        fresh.use_statistics({"mean": 0.0, "std": 1.0})


# --- streams -----------------------------------------------------------------------------------------------


def equal(one, other) -> bool:
    return torch.equal(one.input, other.input) and torch.equal(one.target, other.target)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("task", ["assimilate", "forecast"])
def test_a_batch_depends_on_the_seed_and_the_step_alone(task, again):
    source = small(task=task, resample_observations=again, observations={"noise_variance": 1.0})
    one, other = (source.stream(halo=0, batch_size=7, seed=3, device="cpu") for _ in range(2))
    assert one.steps_per_epoch == 4
    first = [one.batch(step) for step in range(9)]
    torch.rand(3)
    for step in (8, 0, 5, 5, 1):
        assert equal(other.batch(step), first[step])
    assert not equal(first[0], first[1])
    assert not equal(first[0], source.stream(halo=0, batch_size=7, seed=4, device="cpu").batch(0))


@pytest.mark.parametrize("again", [False, True])
def test_an_epoch_holds_every_window_once_with_noise_that_is_new_or_not(again):
    source = small(resample_observations=again)
    stream = source.stream(halo=0, batch_size=10, seed=0, device="cpu")
    (all_of_them,) = source.encode(source.samples("train"), halo=0, device="cpu")
    for epoch in range(2):
        batches = [stream.batch(3 * epoch + step) for step in range(3)]
        targets = torch.cat([batch.target for batch in batches])
        order = [int((all_of_them.target == target).flatten(1).all(1).nonzero()) for target in targets]
        assert sorted(order) == list(range(30))
        inputs = torch.cat([batch.input for batch in batches])
        assert torch.equal(inputs, all_of_them.input[order]) != again
    noise = (inputs[:, 3] - targets[:, 0])[inputs[:, 6] == 1] * source.statistics["std"]
    assert noise.var().item() == pytest.approx(2.0, rel=0.2)
    assert noise.numel() == 30 * 22


def test_a_batch_that_is_too_large():
    with pytest.raises(Refusal, match=r"training\.batch_size=31 is more than the 30 training samples"):
        small().stream(halo=0, batch_size=31, seed=0, device="cpu")


# --- the small version -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "preset", "task"),
    [
        ("lorenz63", "none", "assimilate"),
        ("lorenz63", "dlgd2021", "assimilate"),
        ("lorenz63", "forecast", "identify"),
        ("lorenz63", "starter", "assimilate"),
        ("lorenz63", "sakov2012", "assimilate"),
        ("lorenz63", "ramgraber2022", "assimilate"),
        ("lorenz96", "none", "forecast"),
        ("lorenz96", "dinae2020", "assimilate"),
        ("lorenz96", "sakov2008", "assimilate"),
    ],
)
def test_the_small_version(name, preset, task):
    source = make(name, preset=preset, task=task)
    tiny = source.tiny()
    tiny.prepare()
    assert [tiny.samples(split).sizes["sample"] for split in SPLITS] == [16, 4, 4]
    assert tiny.stream(halo=0, batch_size=8, seed=0, device="cpu").batch(1).input.isfinite().all()
    for key in ("observations", "dt", "seed", "resample_observations"):
        assert tiny.options[key] == source.options[key]
    assert tiny.spec.input_channels == source.spec.input_channels
    assert ("background_mean" in tiny.attributes) == ("background_mean" in source.attributes)
    if task == "assimilate":
        assert tiny.samples("test").observations.notnull().any(("time", "variable")).all()


# --- a user's own file -------------------------------------------------------------------------------------


@pytest.mark.parametrize("task", ["assimilate", "forecast"])
def test_a_users_file(task, tmp_path):
    source = small(task=task)
    samples = source.samples("test")
    bare = xr.Dataset({name: (variable.dims, variable.values) for name, variable in samples.items()})
    bare.to_netcdf(tmp_path / "mine.nc")
    xr.testing.assert_identical(source.read(tmp_path / "mine.nc"), samples)
    bare.drop_vars("state").to_netcdf(tmp_path / "new.nc")
    assert "state" not in source.read(tmp_path / "new.nc")


def test_windows_of_a_users_file_may_be_longer(tmp_path):
    values = np.full((2, 500, 3), np.nan)
    values[:, ::50] = 1.0
    xr.Dataset({"observations": (("sample", "time", "variable"), values)}).to_netcdf(tmp_path / "long.nc")
    source = small()
    (batch,) = source.encode(source.read(tmp_path / "long.nc"), halo=0, device="cpu")
    assert batch.input.shape == (2, 9, 500, 1)


DIMS, GIVEN = ("sample", "time", "variable"), ("sample", "history", "variable")


@pytest.mark.parametrize(
    ("task", "variables", "attrs", "words"),
    [
        ("assimilate", {"state": (DIMS, np.ones((2, 20, 3)))}, {}, "lacks observations: it has state"),
        (
            "assimilate",
            {"observations": (DIMS, np.ones((2, 20, 4)))},
            {},
            "variable=4: sample, time, variable=3 is need",
        ),
        ("assimilate", {"observations": (("time", "sample", "member"), np.ones((2, 9, 3)))}, {}, "has time=2"),
        ("assimilate", {"observations": (DIMS[1:], np.ones((20, 3)))}, {}, "has time=20, variable=3: sample, time"),
        ("assimilate", {"observations": (DIMS, np.full((2, 20, 3), np.nan))}, {}, "are all NaN: nothing is observed"),
        ("assimilate", {"observations": (DIMS, np.full((2, 20, 3), np.inf))}, {}, "has infinite values"),
        ("assimilate", {"observations": (DIMS, np.ones((0, 20, 3)))}, {}, "holds no sample"),
        ("assimilate", {"observations": (DIMS, np.ones((2, 20, 3)))}, {"dt": 0.05}, "dt=0.05, but .* data.dt=0.01"),
        (
            "assimilate",
            {"observations": (DIMS, np.ones((2, 9, 3))), "state": (DIMS, np.full((2, 9, 3), np.nan))},
            {},
            "state in .* has NaN",
        ),
        ("forecast", {"given": (GIVEN, np.full((2, 1, 3), np.nan))}, {}, "given in .* has NaN: every value must be kn"),
        ("forecast", {"given": (GIVEN, np.ones((2, 2, 3)))}, {}, "history=2, variable=3: sample, history=1"),
    ],
)
def test_a_users_file_that_does_not_fit(task, variables, attrs, words, tmp_path):
    xr.Dataset(variables, attrs=attrs).to_netcdf(tmp_path / "mine.nc")
    with pytest.raises(Refusal, match=words) as caught:
        small(task=task).read(tmp_path / "mine.nc")
    assert "\n" not in str(caught.value)


def test_a_users_file_that_is_none(tmp_path):
    (tmp_path / "text.nc").write_text("text")
    with pytest.raises(Refusal, match=r"cannot read .* as NetCDF"):
        small().read(tmp_path / "text.nc")


# --- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("lorenz63", {"task": "guess"}, "data.task=guess is unknown: choose one of assimilate, forecast, identify"),
        ("lorenz63", {"preset": "sakov2008"}, "data.preset=sakov2008 is unknown: choose one of none"),
        ("lorenz63", {"preset": "forecast"}, "data.preset=forecast is not for data.task=assimilate: type data.task=f"),
        ("lorenz63", {"preset": "dlgd2021", "task": "forecast"}, "not for data.task=forecast: type data.task=assim"),
        ("lorenz63", {"preset": "dlgd2021", "dt": 0.02}, "data.preset=dlgd2021 has data.dt=0.01: leave data.dt out"),
        (
            "lorenz63",
            {"preset": "dlgd2021", "stride": 3},
            "data.preset=dlgd2021 has no data.stride: leave it out.* type data=lorenz63 data.preset=dlgd2021",
        ),
        ("lorenz63", {"dt": 0.0}, "data.dt=0.0 must be a number above 0"),
        ("lorenz63", {"dt": "short"}, "data.dt=short must be a finite number"),
        ("lorenz63", {"window": 0}, "data.window=0 must be a whole number of at least 1"),
        ("lorenz63", {"window": True}, "data.window=true must be a whole number"),
        ("lorenz63", {"stride": -1}, "data.stride=-1 must be a whole number of at least 1"),
        ("lorenz63", {"gap": -1}, "data.gap=-1 must be a whole number of at least 0"),
        ("lorenz63", {"seed": -1}, "data.seed=-1 must be a whole number from 0 to 4294967295"),
        ("lorenz63", {"resample_observations": 1}, "data.resample_observations=1 must be true or false"),
        ("lorenz63", {"samples": {"test": 0}}, "data.samples.test=0 must be a whole number of at least 1"),
        ("lorenz63", {"samples": {"all": 1}}, "data.samples=.* must give some of train, valid, test"),
        ("lorenz63", {"history": 0}, "data.history=0 must be a whole number of at least 1"),
        ("lorenz63", {"rollout": 30}, "data.rollout=30 must be at most data.leads=29"),
        (
            "lorenz96",
            {"observations": {"components": ["x40"]}},
            r"\['x40'\] has unknown .* choose among x0, x1, ..., x39",
        ),
    ],
)
def test_refusals(name, changes, words):
    with pytest.raises(Refusal, match=words) as caught:
        make(name, **changes).check()
    assert "\n" not in str(caught.value)


def test_what_is_typed_wins_over_a_preset():
    source = make(preset="dlgd2021", observations={"components": "all", "noise_variance": 0.0}, window=100)
    assert source.options["observations"]["components"] == "all"
    assert source.options["observations"]["every"] == 8
    assert (source.observing.noise_variance, source.length, source.options["seed"]) == (0.0, 100, 100)
