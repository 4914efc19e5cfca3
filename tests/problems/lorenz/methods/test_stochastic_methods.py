"""Methods that know a stochastic model: one step by hand, members that are calibrated, parameters that are found."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import EULER, unit_perturbations
from dlgd.physics.stochastic_lorenz import pushed
from dlgd.problems.lorenz.methods.augmented import AugmentedEnKS
from dlgd.problems.lorenz.methods.cycled_variational import CycledFourDVar
from dlgd.problems.lorenz.methods.ensemble import ETKF, EnKS
from dlgd.problems.lorenz.methods.ensemble_scores import fair_crps
from dlgd.problems.lorenz.methods.iterative_smoother import IEnKS
from dlgd.problems.lorenz.methods.library import Library
from dlgd.problems.lorenz.methods.particle_filter import ParticleFilter
from dlgd.problems.lorenz.methods.variational import WeakFourDVar
from dlgd.problems.lorenz.methods.windows import ForcedWindows, windows_of
from tests.problems.lorenz.data.lorenz_data import ready

COUNTS = {"train": 100, "valid": 2, "test": 40}
SPREAD = {"sigma": 0.15, "rho": 0.15, "beta": 0.15, "strength": 0.15, "exponent": 0.3}
COMMON = {"seed": 0, "device": "cpu"}


def data(model="right"):
    return ready("stochastic_lorenz63", model=model, samples=COUNTS, spin_up=3000)


def enks(**changed):
    return EnKS(**{"update": "square_root", "members": 30, "inflation": 1.0, "lag": 3} | COMMON | changed)


def augmented(**changed):
    options = {"spread": SPREAD, "update": "square_root", "members": 50, "inflation": 1.02, "lag": 3}
    options |= {"model_noise": True}
    return AugmentedEnKS(**options | COMMON | changed)


def answer(method, model="right"):
    """Its root mean square error by window and variable, and its own scores."""
    method.fit(data(model).samples("train"))
    test = data(model).samples("test")
    squares = (method.predict(test) - test.state.values) ** 2
    return np.sqrt(squares.mean(axis=1)).mean(), method.scores(test)


def windows(model="right", count=3):
    found = windows_of(data(model).samples("test"))
    assert isinstance(found, ForcedWindows)
    return found.take(slice(0, count))


def test_the_model_of_windows_is_their_own_step_of_euler_at_each_step():
    some = windows()
    states = torch.from_numpy(data().samples("test").state.values[:3])
    found, jacobians = some.successors(states[:, :-1]), some.jacobians(states[:, :-1])
    for window, step in ((0, 0), (1, 150), (2, 298)):
        equations = pushed(some.parameters[window], some.forcing[window, step])
        here = states[window, step]
        torch.testing.assert_close(found[window, step], EULER.step(equations, here, some.dt))
        columns = [
            EULER.step(equations, here + 1e-5 * e, some.dt) - EULER.step(equations, here - 1e-5 * e, some.dt)
            for e in unit_perturbations(here)
        ]
        torch.testing.assert_close(jacobians[window, step], torch.stack(columns, -1) / 2e-5, rtol=1e-6, atol=1e-8)
    path = some.forecast(states[:, 100], 100, 1)
    torch.testing.assert_close(path[1], found[:, 100])
    x_is_exact = found[..., 0] - states[:, 1:, 0]  # it has no noise of its own
    assert x_is_exact.abs().max() < 1e-10
    noise = (states[:, 1:, 1:] - found[..., 1:]) / states[:, :-1, 1:]
    assert noise.std().item() == pytest.approx(0.08 * 0.1, rel=0.05)


def test_windows_that_begin_later_have_the_forcing_of_their_steps():
    some, members = windows(), torch.randn(3, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    later = some.only(60, 40)
    torch.testing.assert_close(later.forecast(members, 0, 20), some.forecast(members, 40, 20))
    rows = torch.tensor([2, 0])
    torch.testing.assert_close(
        some.take(rows).forecast(members[rows], 40, 20), some.forecast(members[rows], 40, 20, rows=rows)
    )


def test_members_own_parameters_are_those_of_their_model():
    some = replace(windows(), free=("rho", "exponent"))
    own = some.own_of_windows()[:, None].expand(-1, 4, -1)
    members = torch.cat((torch.ones(3, 4, 3, dtype=torch.float64), own), -1)
    torch.testing.assert_close(some.forecast(members, 0, 9)[..., :3], windows().forecast(members[..., :3], 0, 9))
    members[1, 2, 3] += 0.1
    changed = some.forecast(members, 0, 9)
    assert torch.equal(changed[9, ..., 3:], members[..., 3:])
    before = windows().forecast(members[..., :3], 0, 9)[9]
    different = ((changed[9, ..., :3] - before).abs() > 1e-6).any(-1)
    assert different.nonzero().tolist() == [[1, 2]]


def test_with_the_models_noise_the_smoother_is_calibrated_and_better():
    error, scores = answer(enks())
    assert 0.36 < error < 0.48
    assert scores["spread_skill"] == pytest.approx(1.0, abs=0.12)
    assert scores["crps"] == pytest.approx(0.55 * error, rel=0.15)
    without, overconfident = answer(enks(model_noise=False))
    assert without > 1.15 * error
    assert overconfident["spread_skill"] < 0.6
    filtered, _ = answer(ETKF(members=30, inflation=1.0, rotated=False, **COMMON))
    assert filtered > 1.4 * error


def test_particles_with_a_past_come_to_the_smoothers_answer():
    filter_error, _ = answer(ParticleFilter(members=600, jitter=0.6, resample_below=0.5, **COMMON))
    error, scores = answer(ParticleFilter(members=600, jitter=0.6, resample_below=0.5, lag=3, **COMMON))
    assert error < 0.49 < 0.65 < filter_error
    assert scores["spread_skill"] == pytest.approx(1.0, abs=0.2)


def test_weak_4dvar_knows_the_forcing():
    method = WeakFourDVar(
        annealing=[1, 0.01], start="ensemble", background=True, starts=1, tolerance=1e-3, most_steps=100, **COMMON
    )
    assert answer(method)[0] < 0.5


@pytest.mark.parametrize(
    "method",
    [
        IEnKS(members=10, inflation=1.05, rotated=True, lag=1, most_iterations=3, tolerance=1e-5, **COMMON),
        CycledFourDVar(members=2, background_scale=0.05, lag=1, tolerance=1e-2, most_steps=10, **COMMON),
    ],
)
def test_iterative_methods_know_the_forcing_of_each_window(method):
    """Their model is exact, so they are no better than a filter; without the forcing they are far worse."""
    assert answer(method)[0] < 1.2


def test_a_wrong_model_is_mended_by_its_parameters():
    wrong, _ = answer(enks(), "biased")
    error, scores = answer(augmented(), "biased")
    assert error < 0.56 < 1.3 < wrong
    assert scores["spread_skill"] == pytest.approx(1.0, abs=0.15)
    unknown, joint = answer(augmented(spread={"sigma": 0.115, "rho": 0.115, "beta": 0.115}), "unknown")
    assert unknown < 0.53
    usual = {"sigma": 10 * 0.115, "rho": 28 * 0.115, "beta": 8 / 3 * 0.115}
    assert joint["rmse_of_sigma"] < 0.7 * usual["sigma"]
    assert joint["rmse_of_rho"] < 0.2 * usual["rho"]
    assert joint["rmse_of_beta"] < 0.6 * usual["beta"]


def test_the_answer_follows_from_what_methods_are_told_alone():
    """Not from the truth, nor from true parameters."""
    method, test = augmented(members=20), data("biased").samples("test").isel(sample=slice(0, 4))
    method.fit(data("biased").samples("train"))
    seen = method.predict(test)
    blind = method.predict(test.drop_vars(["state", "true_parameters"]))
    np.testing.assert_allclose(blind, seen)


def test_the_fair_crps_of_members_by_hand():
    members = torch.tensor([0.0, 1.0, 2.0, 4.0])[:, None]
    for truth, wanted in ((1.5, 1 / 6), (5.0, 13 / 6), (0.0, 2 / 3)):
        assert fair_crps(members, torch.tensor([truth])).item() == pytest.approx(wanted)
    drawn = torch.randn(3, 20_000, generator=torch.Generator().manual_seed(0)).mT
    calibrated = fair_crps(drawn.reshape(2000, 10, 3), torch.randn(2000, 3, generator=torch.Generator().manual_seed(1)))
    assert calibrated.mean().item() == pytest.approx(np.pi**-0.5, rel=0.03), "whatever the number of members"


def test_ranks_of_calibrated_members_are_even():
    method, test = enks(), data().samples("test")
    method.fit(data().samples("train"))
    counts = method.ranks(test)
    assert counts is not None
    assert counts.shape == (31,)
    assert counts.sum() == test.state.size
    assert counts[[0, -1]].sum() < 0.16 * counts.sum(), "where members are too close, the truth is outside them"


def test_what_cannot_work_is_refused():
    with pytest.raises(Refusal, match="knows no noise"):
        Library(states=10, best=5, **COMMON).predict(data().samples("test"))
    with pytest.raises(Refusal, match=r"baseline\.spread"):
        augmented(spread={"r": 0.1})
    lorenz63 = ready("lorenz63", samples={"train": 5, "valid": 2, "test": 2})
    method = augmented()
    method.fit(lorenz63.samples("train"))
    with pytest.raises(Refusal, match="baseline=enks"):
        method.predict(lorenz63.samples("test"))
