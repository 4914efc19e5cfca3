"""The particle filter: a linear model against the Kalman filter, a posterior with two peaks against a grid."""

import numpy as np
import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.physics.integrators import Dynamics, advance
from dlgd.problems.lorenz.methods.particle_filter import ParticleFilter
from dlgd.problems.lorenz.methods.windows import Windows
from tests.problems.lorenz.methods.linear_windows import conditional, prior, system, windows_of_linear

STEPS = 8


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def particles(members=4000, **changed):
    options = {"jitter": 0.0, "resample_below": 0.5, "seed": 0, "device": "cpu"}
    return ParticleFilter(members=members, **options | changed)


@pytest.mark.parametrize(("resample_below", "jitter"), [(1e-9, 0.0), (0.5, 0.0), (0.5, 0.2)])
def test_with_a_linear_model_it_tends_to_the_kalman_filter(resample_below, jitter):
    """With resampling and without."""
    members, size = 200_000, 2
    windows, background = windows_of_linear(system(size), count=2, steps=STEPS, noise=1.0, share=0.6), prior(size)
    method = particles(members, resample_below=resample_below, jitter=jitter)
    record = method.cycles(windows, background.draw(2, members, generator(1)), generator())
    for number in range(2):
        for t in range(STEPS):
            mean, covariance = conditional(windows, number, background, until=t + 1)
            variance = np.trace(covariance.reshape(STEPS, size, STEPS, size)[t, :, t]) / size
            np.testing.assert_allclose(record.estimate[number, t], mean[t], atol=0.06)
            if windows.observed[number, t].any():
                assert record.analysis_spread[number, t].item() == pytest.approx(variance**0.5, rel=0.04)
                np.testing.assert_allclose(record.analysis_mean[number, t], mean[t], atol=0.06)


class TwoWells(Dynamics):
    """dx/dt = x - x^3, and dy/dt = |x|, which alone is observed: it does not tell the sign of x."""

    size = 2

    def tendency(self, state):
        x, _ = state.unbind(-1)
        return torch.stack((x - x**3, x.abs()), -1)


def test_a_posterior_with_two_peaks_is_that_of_a_grid():
    """Exact: cells of a grid of first states, weighted by prior and likelihood. No Gaussian filter has it."""
    observed = torch.zeros(1, 13, 2, dtype=torch.bool)
    observed[:, 4::4, 1] = True
    values = torch.zeros(1, 13, 2, dtype=torch.float64)
    values[0, 4::4, 1] = torch.tensor([0.2, 0.7, 1.1])
    windows = Windows(TwoWells(), 0.1, 0.05, values, observed)
    axis = torch.linspace(-4, 4, 401, dtype=torch.float64)
    cells = torch.cartesian_prod(axis, axis)
    log, first = -cells.square().sum(1) / 2, cells
    for step in (4, 8, 12):
        cells = advance(windows.dynamics, cells, 0.1, 4)
        log = log - (cells[:, 1] - values[0, step, 1]) ** 2 / (2 * windows.noise_variance)
    weights = log.softmax(0)
    mean = weights @ cells
    spread = (weights @ (cells - mean) ** 2).mean().sqrt()
    drawn = torch.randn(1, 30_000, 2, generator=generator(2), dtype=torch.float64)
    record = particles(30_000, resample_below=0.3).cycles(windows, drawn, generator())
    torch.testing.assert_close(record.estimate[0, -1], mean, rtol=0, atol=0.02)
    torch.testing.assert_close(record.analysis_spread[0, -1], spread, rtol=0.02, atol=0)
    assert weights[first[:, 0] > 0].sum().item() == pytest.approx(0.5, abs=0.01), "two peaks of the same mass"
    assert spread > 0.5


def test_resampling_keeps_the_distribution_and_moves_copies_alone():
    ensemble = torch.randn(2, 20_000, 3, generator=generator(3), dtype=torch.float64)
    weights = (2 * ensemble[..., 0]).softmax(1)
    kept = particles(20_000).resampled(ensemble[None], weights, generator())[0]
    wanted = weights[:, None] @ ensemble
    torch.testing.assert_close(kept.mean(1), wanted[:, 0], rtol=0, atol=0.02)
    moved = particles(20_000, jitter=1.0).resampled(ensemble[None], weights, generator())[0]
    assert len(kept[0].unique(dim=0)) < 10_000 < 19_990 < len(moved[0].unique(dim=0))
    still = (moved == kept).all(2).sum(1)
    assert [len(each.unique(dim=0)) for each in kept] == still.tolist(), "one of each stays where it was"
    width = 20_000 ** (-1 / 7)
    spread = (moved - kept)[0][(moved != kept)[0].all(1)].std(0) / kept[0].std(0)
    torch.testing.assert_close(spread, torch.full((3,), width, dtype=torch.float64), rtol=0.05, atol=0)


def test_one_particle_with_all_the_weight_does_not_stay_alone():
    ensemble = torch.randn(1, 100, 3, generator=generator(3), dtype=torch.float64)
    weights = torch.zeros(1, 100, dtype=torch.float64)
    weights[0, 7] = 1.0
    moved = particles(100, jitter=1.0).resampled(ensemble[None], weights, generator())[0]
    assert len(moved[0].unique(dim=0)) == 100


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"members": 1}, "baseline.members=1"),
        ({"jitter": -0.1}, "baseline.jitter=-0.1"),
        ({"resample_below": 0.0}, "baseline.resample_below=0"),
        ({"resample_below": 1.5}, "baseline.resample_below=1.5"),
    ],
)
def test_options_that_cannot_work_are_refused(changed, sentence):
    with pytest.raises(Refusal, match=sentence):
        particles(**changed)
