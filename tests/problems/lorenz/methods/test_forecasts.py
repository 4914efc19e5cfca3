"""Forecasts without a network against numpy, brute force and the truth itself."""

import hydra
import numpy as np
import pytest
import torch
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.physics.integrators import RK4, adaptive
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.systems import attributes_of
from dlgd.problems.lorenz.methods.forecasts import (
    Analog,
    ClimatologyForecast,
    LinearAutoregression,
    Persistence,
    TrueOde,
)


def windows(count, *, dynamics=None, dt=0.01, history=2, leads=6, seed=0, task="forecast"):
    """Windows of a system, by RK4 at dt."""
    dynamics = Lorenz63() if dynamics is None else dynamics
    state = torch.from_numpy(np.random.default_rng(seed).normal(3, 5, (count, dynamics.size)))
    states = []
    for _ in range(200 + history + leads):
        state = RK4.step(dynamics, state, dt)
        states.append(state.numpy())
    states = np.stack(states[200:], axis=1)
    fields = {
        "given": (("sample", "history", "variable"), states[:, :history]),
        "state": (("sample", "lead", "variable"), states[:, history:]),
    }
    return xr.Dataset(fields, {"lead": np.arange(1, leads + 1)}, attributes_of(dynamics) | {"dt": dt, "task": task})


TRAIN, TEST = windows(200), windows(20, seed=1)

METHODS = {
    "persistence": Persistence,
    "climatology_forecast": ClimatologyForecast,
    "linear_autoregression": lambda: LinearAutoregression(history=1),
    "analog": lambda: Analog(neighbours=20, regression="linear", library=100000),
    "true_ode": lambda: TrueOde(integrator="rk4", substeps=1),
}


@pytest.mark.parametrize("name", METHODS)
def test_every_method_answers_for_any_number_of_leads(name):
    method = METHODS[name]()
    method.fit(TRAIN)
    answer = method.predict(TEST)
    assert answer.shape == TEST.state.shape
    assert answer.dtype == np.float64
    longer = TEST.drop_dims("lead").assign_coords(lead=np.arange(1, 41))  # and the truth is not looked at
    np.testing.assert_allclose(method.predict(longer)[:, :6], answer, rtol=1e-12)


@pytest.mark.parametrize("name", METHODS)
def test_the_yaml_files_build(name):
    built = hydra.utils.instantiate(OmegaConf.load(CONF / "baseline" / f"{name}.yaml"))
    assert vars(built) == vars(METHODS[name]())
    assert type(built) is type(METHODS[name]())


@pytest.mark.parametrize("name", METHODS)
def test_other_tasks_are_refused(name):
    windows_of_assimilation = TRAIN.rename(lead="time").drop_vars("given")
    with pytest.raises(Refusal, match=rf"baseline={name} gives forecasts.* data.task=forecast"):
        METHODS[name]().fit(windows_of_assimilation)


def test_persistence_is_the_last_known_state():
    answer = Persistence().predict(TEST)
    for lead in range(6):
        np.testing.assert_array_equal(answer[:, lead], TEST.given.values[:, 1])


def test_the_climate_is_that_of_the_training_part():
    method = ClimatologyForecast()
    method.fit(TRAIN)
    everything = np.concatenate((TRAIN.given.values, TRAIN.state.values), axis=1)
    np.testing.assert_allclose(method.predict(TEST)[4, 3], everything.mean(axis=(0, 1)))
    ring = windows(30, dynamics=Lorenz96(size=6), dt=0.02)
    method.fit(ring)
    everything = np.concatenate((ring.given.values, ring.state.values), axis=1)
    np.testing.assert_allclose(method.predict(ring)[4, 3], np.full(6, everything.mean()))


@pytest.mark.parametrize("history", [1, 2])
def test_linear_autoregression_is_numpys_least_squares(history):
    method = LinearAutoregression(history=history)
    method.fit(TRAIN)
    runs = np.concatenate((TRAIN.given.values, TRAIN.state.values), axis=1)
    rows, targets = [], []
    for run in runs:
        for step in range(history - 1, len(run) - 1):
            rows.append(np.concatenate([*(run[step - back] for back in range(history)), [1.0]]))
            targets.append(run[step + 1])
    weights = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
    answer = method.predict(TEST)
    for sample, known in enumerate(TEST.given.values):
        past = list(known)
        for _ in range(6):
            past.append(np.concatenate([*(past[-1 - back] for back in range(history)), [1.0]]) @ weights)
        np.testing.assert_allclose(answer[sample], past[2:], rtol=1e-6)


def test_a_linear_system_is_learnt_exactly():
    matrix = np.array([[0.9, -0.3], [0.2, 0.95]])
    states = [np.random.default_rng(0).normal(size=(30, 2))]
    for _ in range(7):
        states.append(states[-1] @ matrix.T + [0.1, -0.2])
    states = np.stack(states, axis=1)
    dims = ("variable",)
    samples = xr.Dataset({"given": (("sample", "history", *dims), states[:, :1])}, {"lead": range(1, 8)})
    samples["state"] = (("sample", "lead", *dims), states[:, 1:])
    method = LinearAutoregression(history=1)
    method.fit(samples)
    np.testing.assert_allclose(method.predict(samples), states[:, 1:], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("regression", ["constant", "linear"])
def test_analogs_are_those_of_brute_force(regression):
    method = Analog(neighbours=8, regression=regression, library=100000)
    method.fit(TRAIN)
    runs = np.concatenate((TRAIN.given.values, TRAIN.state.values), axis=1)
    states, changes = runs[:, :-1].reshape(-1, 3), np.diff(runs, axis=1).reshape(-1, 3)
    answer = method.predict(TEST)
    for sample, state in enumerate(TEST.given.values[:, -1]):
        for lead in range(6):
            nearest = np.argsort(((states - state) ** 2).sum(axis=1))[:8]
            if regression == "constant":
                state = state + changes[nearest].mean(axis=0)
            else:
                design = np.column_stack((np.ones(8), states[nearest]))
                state = state + np.array([1, *state]) @ np.linalg.lstsq(design, changes[nearest], rcond=None)[0]
            np.testing.assert_allclose(answer[sample, lead], state, rtol=1e-6, atol=1e-8)


def test_states_that_overlap_count_once_and_a_library_may_be_smaller():
    twice = xr.concat([TRAIN, TRAIN], "sample")
    once, both = (Analog(neighbours=5, regression="constant", library=100000) for _ in range(2))
    once.fit(TRAIN)
    both.fit(twice)
    np.testing.assert_allclose(both.predict(TEST), once.predict(TEST))
    few = Analog(neighbours=5, regression="constant", library=50)
    few.fit(TRAIN)
    assert len(few._states) == 50
    with pytest.raises(Refusal, match="more than the 50 training states"):
        Analog(neighbours=51, regression="constant", library=50).fit(TRAIN)


def test_an_analog_of_itself_repeats_what_happened():
    method = Analog(neighbours=1, regression="linear", library=100000)
    method.fit(TRAIN)
    np.testing.assert_allclose(method.predict(TRAIN), TRAIN.state, rtol=1e-12)


@pytest.mark.parametrize("dynamics", [Lorenz63(rho=30.0), Lorenz96(size=5, forcing=7.0)])
def test_the_true_equations_give_the_truth(dynamics):
    samples = windows(10, dynamics=dynamics)
    answer = TrueOde(integrator="rk4", substeps=1).predict(samples)
    np.testing.assert_allclose(answer, samples.state, rtol=1e-11)
    exact = adaptive(dynamics, torch.from_numpy(samples.given.values[:, -1]), 0.01 * np.arange(7), rtol=1e-12)[1:]
    finer = TrueOde(integrator="rk4", substeps=10).predict(samples)
    np.testing.assert_allclose(finer, exact.movedim(0, 1), rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(TrueOde(integrator="adaptive", substeps=1).predict(samples), finer, atol=1e-6)
    assert np.abs(answer - exact.movedim(0, 1).numpy()).max() > 3 * np.abs(finer - exact.movedim(0, 1).numpy()).max()


def test_impossible_options_are_refused():
    with pytest.raises(ValueError, match=r"baseline.history=0"):
        LinearAutoregression(history=0)
    with pytest.raises(ValueError, match=r"baseline.regression=cubic is unknown: choose one of constant, linear"):
        Analog(neighbours=3, regression="cubic", library=10)
    with pytest.raises(ValueError, match=r"baseline.neighbours=0"):
        Analog(neighbours=0, regression="linear", library=10)
    with pytest.raises(ValueError, match=r"baseline.integrator=euler is unknown"):
        TrueOde(integrator="euler", substeps=1)
    with pytest.raises(ValueError, match=r"baseline.substeps=0"):
        TrueOde(integrator="rk4", substeps=0)
    method = LinearAutoregression(history=3)
    method.fit(TRAIN)
    with pytest.raises(Refusal, match=r"type data.history=3"):
        method.predict(TEST)
    with pytest.raises(Refusal, match=r"history=9 leaves nothing of windows of 8 steps"):
        LinearAutoregression(history=9).fit(TRAIN)
