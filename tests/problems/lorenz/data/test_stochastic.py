"""data=stochastic_lorenz63: its windows, what methods are told of them, and what networks see."""

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.physics.stochastic_lorenz import PARAMETERS, USUAL, simulate
from tests.problems.lorenz.data.lorenz_data import encoded, make, ready

FEW = {"samples": {"train": 8, "valid": 3, "test": 12}, "spin_up": 500}


def of_model(model, **changes):
    return ready("stochastic_lorenz63", **(FEW | {"model": model} | changes))


def test_each_window_is_the_simulation_of_its_own_seed_and_parameters():
    source = of_model("right", seed=4)
    test, rng = source.samples("test"), np.random.default_rng((4, 0, 2, 5))
    own = np.array(USUAL)
    own[:3] *= rng.uniform(0.8, 1.2, 3)
    path = simulate(own, rng, dt=0.01, steps=300, spin_up=500)
    np.testing.assert_array_equal(test.state[5], path[:, :3])
    np.testing.assert_array_equal(test.forcing[5], path[:, 3])
    np.testing.assert_array_equal(test.parameters[5], own)
    more = of_model("right", seed=4, samples={"train": 11, "valid": 3, "test": 12})
    np.testing.assert_array_equal(more.samples("test").state, test.state)


def test_all_variables_are_observed_every_twenty_steps_from_the_first_on_with_noise():
    test = of_model("right", samples={"train": 2, "valid": 1, "test": 100}).samples("test")
    seen = test.observations.notnull()
    assert seen[:, ::20].all()
    assert int(seen.sum()) == 100 * 15 * 3
    assert float((test.observations - test.state).var()) == pytest.approx(0.5, rel=0.06)


def test_the_biased_model_is_told_what_the_reference_says():
    right, biased, unknown = (of_model(model).samples("test") for model in ("right", "biased", "unknown"))
    for other in (biased, unknown):
        xr.testing.assert_equal(other[["state", "observations"]], right[["state", "observations"]])
        np.testing.assert_array_equal(other.true_parameters, right.parameters)
    true = right.parameters.sel(parameter=["sigma", "rho", "beta", "strength"])
    told = biased.parameters.sel(parameter=true.parameter)
    np.testing.assert_allclose(told / true, np.broadcast_to([0.85, 0.85, 1.15, 0.85], true.shape))
    assert (biased.parameters.sel(parameter="exponent") == 1).all()
    assert (unknown.parameters.values == USUAL).all()
    assert (unknown.forcing == right.forcing).all()


def test_the_error_of_the_biased_forcing_has_the_variance_that_is_asked():
    error = of_model("biased", samples={"train": 400, "valid": 1, "test": 1}).samples("train")
    right = of_model("right", samples={"train": 400, "valid": 1, "test": 1}).samples("train")
    noise = error.forcing - right.forcing - 0.1 * right.state.sel(variable="x", drop=True)
    assert float(noise.var()) == pytest.approx(0.5, rel=0.1)
    lagged = float((noise[:, 100:].values * noise[:, :-100].values).mean()) / float(noise.var())
    assert lagged == pytest.approx(np.exp(-0.2), abs=0.05)


@pytest.mark.parametrize("model", ["right", "biased"])
def test_training_batches_have_the_channels_of_their_own_windows(model):
    source = of_model(model)
    stream = source.stream(halo=0, batch_size=4, seed=0, device="cpu")
    batch, spec, train = stream.batch(1), source.spec, source.samples("train")
    assert batch.input.shape == (4, len(spec.input_channels), 300, 1)
    whole = encoded(source, "train")
    for row in range(4):
        (number,) = np.flatnonzero([torch.equal(batch.target[row], target) for target in whole.target])
        for group in ("forcing", "parameters"):
            channels = spec.input_slice(group)
            assert torch.equal(batch.input[row, channels], whole.input[number, channels])
        forcing = batch.input[row, spec.input_slice("forcing")].flatten()
        np.testing.assert_allclose(3 * forcing, train.forcing[number], atol=1e-5)
    told = whole.input[:, spec.input_slice("parameters"), 0, 0] * 0.1 + 1
    np.testing.assert_allclose(told * torch.tensor(USUAL[:3]), train.parameters[:, :3], rtol=1e-5)


def test_the_exported_graph_gives_the_channels_of_batches():
    source = of_model("biased")
    test = source.samples("test")
    graph = source.physical_graph(halo=0, samples=None)
    assert [field.name for field in graph.inputs] == ["observations", "forcing", "parameters"]
    torch.testing.assert_close(graph.encode(*graph.tensors(test)), encoded(source).input)


def test_own_windows_need_the_forcing_and_the_parameters(tmp_path):
    source = of_model("right")
    given = source.samples("test")[["observations", "forcing", "parameters"]].isel(sample=slice(0, 2))
    given.to_netcdf(tmp_path / "own.nc")
    read = source.read(tmp_path / "own.nc")
    np.testing.assert_array_equal(read.forcing, given.forcing)
    assert list(read.parameter.values) == list(PARAMETERS)
    assert len(next(iter(source.encode(read, halo=0, device="cpu")))) == 2
    given.drop_vars("forcing").to_netcdf(tmp_path / "less.nc")
    with pytest.raises(Refusal, match=r"needs forcing \(sample=2, time=300\)"):
        source.read(tmp_path / "less.nc")


def test_a_second_run_finds_the_windows_in_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    first = make("stochastic_lorenz63", in_memory=False, **FEW)
    first.prepare()
    monkeypatch.setattr("dlgd.problems.lorenz.data.stochastic.simulate", None)
    second = make("stochastic_lorenz63", in_memory=False, model="biased", **FEW)
    second.prepare()
    xr.testing.assert_equal(first.samples("train").state, second.samples("train").state)
    assert first.checksum() != second.checksum()


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"model": "wrong"}, "data.model=wrong"),
        ({"spread": 1.0}, "data.spread=1"),
        ({"spin_up": -1}, "data.spin_up=-1"),
        ({"task": "forecast"}, "data.task=forecast"),
        ({"observations": {"noise_per": "series"}}, "data.observations.noise_per=series"),
        ({"samples": {"test": 0}}, "data.samples.test=0"),
    ],
)
def test_options_that_cannot_work_are_refused(changed, sentence):
    with pytest.raises(Refusal, match=sentence):
        make("stochastic_lorenz63", **changed).check()


def test_steps_that_are_too_long_are_refused():
    with pytest.raises(Refusal, match=r"data.dt=0.2 is too long"):
        make("stochastic_lorenz63", dt=0.2, **FEW).prepare()
