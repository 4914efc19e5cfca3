"""data.dt is the time between two states, whatever step the equations need: truth and methods against DOP853."""

from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from dlgd import build
from dlgd.core.paths import CONF
from dlgd.physics.integrators import adaptive
from tests.problems.lorenz.data.lorenz_data import make, small

FEW = {"train": 20, "valid": 2, "test": 4}


def states(source, split="train"):
    samples = source.samples(split)
    return samples.state.values if "given" not in samples else np.concatenate([samples.given, samples.state], axis=1)


@pytest.mark.parametrize(("name", "dt"), [("lorenz63", 0.1), ("lorenz63", 0.2), ("lorenz96", 0.2), ("lorenz96", 0.5)])
def test_each_state_follows_from_the_one_before_it(name, dt):
    windows = states(small(name, task="forecast", dt=dt, samples=FEW, gap=10))
    pairs = (torch.from_numpy(each.reshape(-1, windows.shape[-1])) for each in (windows[:, :-1], windows[:, 1:]))
    before, after = pairs
    exact = adaptive(small(name).dynamics, before[:60], [0, dt], rtol=1e-10, atol=1e-10)[1]
    assert (exact - after[:60]).abs().max() < 2e-3


def fitted(name, source, **options):
    config = OmegaConf.create(OmegaConf.to_container(OmegaConf.load(CONF / "baseline" / f"{name}.yaml")) | options)
    (method,) = build.fitted([build.method(config)], source)
    return method


def test_true_ode_says_its_steps_and_equals_dop853(caplog):
    source = small(task="identify", dt=0.2, samples=FEW, gap=10, leads=2, rollout=1)
    with caplog.at_level(logging.INFO):
        answer = fitted("true_ode", source).inner.predict(source.samples("test"))
    assert "baseline=true_ode: 20 steps of RK4 in each step of 0.2 time units" in caplog.text
    exact = fitted("true_ode", source, integrator="adaptive").inner.predict(source.samples("test"))
    assert np.abs(answer - exact).max() < 5e-3
    assert np.abs(exact - source.samples("test").state.values).max() < 5e-3


@pytest.mark.parametrize(("name", "options"), [("weak_4dvar", {}), ("strong_4dvar", {"extension": 1}), ("enks", {})])
def test_methods_of_assimilation_take_long_steps(name, options):
    seen = {"components": "all", "every": 1, "hidden_edges": 0, "noise_variance": 0.01}
    counts = {"train": 30, "valid": 2, "test": 3}
    source = small(dt=0.1, samples=counts, gap=10, window=30, stride=30, observations=seen)
    samples = source.samples("test")
    answer = fitted(name, source, **options).inner.predict(samples)
    assert ((answer - samples.state.values) ** 2).mean() < 0.01  # better than the observations


def test_a_cached_series_of_single_long_steps_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.setenv("DLGD_CACHE", str(tmp_path))
    folders = []
    for dt in (0.01, 0.2):
        make(task="forecast", dt=dt, samples=FEW, gap=10, in_memory=False).prepare()
        folders.append(sorted(path.name for path in tmp_path.rglob("series.nc")))
    assert len(folders[1]) == 2
