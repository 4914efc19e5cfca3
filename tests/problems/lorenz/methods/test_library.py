"""The posterior mean over a library of states: against sums over all members, and calibrated against the truth."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import RK4, advance
from dlgd.physics.lorenz import MIRROR, Lorenz63, Lorenz96
from dlgd.problems.lorenz.methods.library import MEMBERS, Library, _Members
from tests.problems.lorenz.data.lorenz_data import small
from tests.problems.lorenz.methods.test_variational import DT, STEPS, answer, lorenz63, mse, weak


def library(**changed):
    return Library(**{"states": 3000, "best": 3000, "seed": 0, "device": "cpu", **changed})


@pytest.fixture
def patterned():
    """Four windows, each with observations of its own."""
    samples = lorenz63(4, seed=5)
    hidden = np.random.default_rng(0).random(samples.observations.shape) < 0.4
    return samples.assign(observations=samples.observations.where(~hidden))


@pytest.mark.parametrize("same_pattern", [False, True])
def test_all_members_weighted_by_hand(same_pattern, patterned, caplog):
    samples = lorenz63(4, seed=5) if same_pattern else patterned
    method = library()
    members = (
        _Members.simulated(Lorenz63(), DT, STEPS, method.states, method.seed).of(torch.arange(3000)).double().numpy()
    )
    found = method.predict(samples)
    std, weights = method.error_std(samples), []
    for number, observations in enumerate(samples.observations.values):
        chi2 = np.nansum((members - observations) ** 2, axis=(1, 2)) / 2.0
        weight = np.exp(-(chi2 - chi2.min()) / 2)
        weight /= weight.sum()
        weights.append(weight)
        mean = np.tensordot(weight, members, 1)
        np.testing.assert_allclose(found[number], mean, atol=2e-3)
        np.testing.assert_allclose(std[number], np.tensordot(weight, (members - mean) ** 2, 1) ** 0.5, atol=2e-3)
    effective = np.median([1 / (weight**2).sum() for weight in weights])
    assert method.scores(samples)["effective_members"] == pytest.approx(effective, rel=1e-2)
    assert "have less than 30 effective members" in caplog.text


def test_the_best_members_are_enough(patterned):
    """Those that are left out have no weight to speak of."""
    np.testing.assert_allclose(library(best=300).predict(patterned), library().predict(patterned), atol=1e-3)


@pytest.mark.parametrize("dynamics", [Lorenz63(), Lorenz96(size=8)])
def test_members_are_trajectories_and_half_of_them_mirror_images(dynamics):
    members = _Members.simulated(dynamics, 0.01, 30, 501, seed=1)
    paths = members.of(torch.arange(501)).double()
    assert paths.shape == (501, 30, dynamics.size)
    torch.testing.assert_close(advance(dynamics, paths[:, :-1], 0.01, scheme=RK4), paths[:, 1:], rtol=1e-5, atol=1e-4)
    assert len(torch.unique(paths[:, 0], dim=0)) == 501
    if dynamics.size == 3:
        torch.testing.assert_close(paths[251:], paths[:250] * torch.tensor(MIRROR, dtype=torch.float64))


def test_below_4dvar_with_the_right_spread():
    samples = lorenz63(150, seed=6, components=(0,))
    method = library(states=40_000, best=1000)
    found = mse(method.predict(samples), samples)
    assert found < 0.97 * mse(answer(weak(), samples), samples)
    assert (method.error_std(samples) ** 2).mean() == pytest.approx(found, rel=0.15)
    counts = method.ranks(samples)
    assert counts.sum() == samples.state.size
    fifths = counts.reshape(5, -1).sum(1) / counts.sum()
    assert len(counts) == MEMBERS + 1
    np.testing.assert_allclose(fifths, 0.2, atol=0.03)


def test_refusals():
    with pytest.raises(Refusal, match=r"baseline\.best=11 must be .* 10"):
        library(states=10, best=11)
    with pytest.raises(Refusal, match="knows the attractor alone"):
        library().predict(small(preset="sakov2012", samples={"train": 1, "valid": 1, "test": 2}).samples("test"))
