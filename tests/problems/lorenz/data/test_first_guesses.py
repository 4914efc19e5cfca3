"""data.first_guess: networks start from the answers of a classical method."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.methods.interpolation import Interpolation
from tests.problems.lorenz.data.lorenz_data import encoded, make, small

FEW = {"train": 30, "valid": 6, "test": 9}


class Doubled(Method):
    """Twice the observations, 7 elsewhere. It refuses to see a truth."""

    name, learns = "doubled", True

    def __init__(self):
        self.learnt_from = None

    def fit(self, train):
        assert "state" in train
        self.learnt_from = train.sizes["sample"]

    def predict(self, samples: xr.Dataset):
        assert "state" not in samples
        return samples.observations.fillna(3.5).values * 2


def guessing(method, draws=1, **changes):
    source = make(first_guess={"method": method, "observation_draws": draws}, samples=FEW, **changes)
    source.check()
    source.prepare()
    return source


def batch(source, step=0):
    return source.stream(halo=0, batch_size=10, seed=3, device="cpu").batch(step)


def test_interpolation_as_a_method_is_the_usual_first_guess():
    """Observations that the training does not draw anew."""
    method = Interpolation(kind="linear")
    source, usual = guessing(method, resample_observations=False), small(resample_observations=False)
    torch.testing.assert_close(encoded(source).input, encoded(usual).input, rtol=0, atol=1e-6)
    torch.testing.assert_close(batch(source).input, batch(usual).input, rtol=0, atol=1e-6)
    assert torch.equal(batch(source).target, batch(usual).target)


def test_the_guess_is_the_answer_of_the_method_scaled():
    source = guessing(Doubled())
    samples, known = source.samples("test"), source.statistics
    found = encoded(source).input[:, source.spec.input_slice("first_guess")]
    expected = (samples.observations.fillna(3.5).values * 2 - known["mean"]) / known["std"]
    np.testing.assert_allclose(found[..., 0].numpy().transpose(0, 2, 1), expected, rtol=1e-5, atol=1e-5)
    assert source.typed.first_guess["method"].learnt_from == 30


@pytest.mark.parametrize("draws", [1, 3])
def test_training_windows_have_as_many_observations_as_draws(draws):
    source = guessing(Doubled(), draws=draws)
    stream = source.stream(halo=0, batch_size=30, seed=3, device="cpu")
    guess, seen, mask = (source.spec.input_slice(name) for name in ("first_guess", "observations", "observed"))
    found: dict[bytes, set[bytes]] = {}
    for epoch in range(12):
        made = stream.batch(epoch)
        for target, input in zip(made.target, made.input, strict=True):
            found.setdefault(target.numpy().tobytes(), set()).add(input[seen].numpy().tobytes())
            scale = source.statistics
            where = input[mask] == 1  # the guess is twice the observation that the network sees
            twice = 2 * (input[seen] * scale["std"] + scale["mean"])
            torch.testing.assert_close((input[guess] * scale["std"] + scale["mean"])[where], twice[where])
    assert len(found) == 30
    assert max(map(len, found.values())) == draws
    if draws > 1:
        assert min(map(len, found.values())) > 1


def test_draws_have_noise_of_the_variance_asked_for():
    source = guessing(Doubled(), draws=4)
    errors = [one.observations.values - one.state.values for one in source._draws()]
    for one in errors:
        assert np.nanvar(one) == pytest.approx(2.0, rel=0.15)
    assert abs(np.corrcoef(*(one[np.isfinite(one)] for one in errors[1:3]))[0, 1]) < 0.15


def test_the_exported_graph_takes_the_guess():
    source = guessing(Doubled())
    samples = source.samples("test")
    graph = source.physical_graph(halo=0, samples=samples)
    assert [field.name for field in graph.inputs] == ["observations", "first_guess"]
    torch.testing.assert_close(graph.encode(*graph.tensors(samples)), encoded(source).input)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"first_guess": {"method": "weak_4dvar"}}, "must be a classical method: type "),
        ({"first_guess": {"method": Doubled()}, "task": "forecast"}, "for data.task=assimilate, not forecast"),
        ({"first_guess": {"observation_draws": 2}}, "counts the answers of a method"),
        ({"first_guess": {"method": Doubled(), "observation_draws": 0}}, "observation_draws=0 must be"),
        (
            {"first_guess": {"method": Doubled(), "observation_draws": 2}, "resample_observations": False},
            "resample_observations=false keeps their observations",
        ),
        ({"first_guess": {"km": 3}}, "has km: it may give method and observation_draws"),
    ],
)
def test_refusals(changes, sentence):
    with pytest.raises(Refusal, match=sentence):
        make(**changes).check()
