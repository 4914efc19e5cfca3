"""Forecasts of sequences without a network: persistence, climatology, linear autoregression, analogs, and the true
equations.

Samples hold `given` (sample, history, variable) and, to learn from, `state` (sample, lead, variable), steps of `dt`.
"""

from __future__ import annotations

from abc import abstractmethod

import numpy as np
import xarray as xr

from dlgd.core import checks
from dlgd.core.contract import DataSource, Method
from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.data.source import Sequences

ADAPTIVE_TOLERANCE = 1e-9  # relative and absolute, of true_ode


class Forecast(Method):
    """Answers with (sample, lead, variable) to `given`, for any number of leads."""

    choice: str  # as typed in baseline=...

    def check(self, data: DataSource) -> None:
        """Refuse data whose task is not a forecast."""
        if isinstance(data, Sequences) and data.attributes["task"] == "assimilate":
            raise Refusal(self._unsuited)

    def fit(self, train: xr.Dataset) -> None:
        """Learn from the training split. Raises Refusal for data whose task is not a forecast."""
        self._refuse(train)
        self._learn(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return (sample, lead, variable), float64. A forecast that explodes may leave the range of numbers."""
        self._refuse(samples)
        known = samples.given.transpose("sample", "history", "variable").values.astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            return self._answer(known, samples)

    def _learn(self, train: xr.Dataset) -> None:
        """Learn; most methods learn nothing."""

    @abstractmethod
    def _answer(self, known: np.ndarray, samples: xr.Dataset) -> np.ndarray:
        """Return (sample, lead, variable) from known steps (sample, history, variable)."""

    def _refuse(self, samples: xr.Dataset) -> None:
        if "lead" not in samples.dims or "given" not in samples:
            raise Refusal(self._unsuited)

    @property
    def _unsuited(self) -> str:
        gives = f"baseline={self.choice} gives forecasts"
        return f"{gives}, which these data do not ask for: type data=lorenz63 data.task=forecast"


class Persistence(Forecast):
    """The last known state, for ever."""

    choice = name = "persistence"

    def _answer(self, known: np.ndarray, samples: xr.Dataset) -> np.ndarray:
        return np.repeat(known[:, -1:], samples.sizes["lead"], axis=1)


class ClimatologyForecast(Forecast):
    """The mean of each variable over the training split; of Lorenz-96, whose variables are alike, one mean of all."""

    choice, name = "climatology_forecast", "climatology"
    learns = True

    def _learn(self, train: xr.Dataset) -> None:
        mean = runs_of(train).mean(axis=(0, 1))
        self._mean = np.full_like(mean, mean.mean()) if train.attrs.get("system") == "lorenz96" else mean

    def _answer(self, known: np.ndarray, samples: xr.Dataset) -> np.ndarray:
        return np.broadcast_to(self._mean, (len(known), samples.sizes["lead"], len(self._mean))).copy()


class LinearAutoregression(Forecast):
    """x(t + 1) = W (x(t), ..., x(t - history + 1)) + b, by least squares over all steps of the training split.

    history: number of known steps in the regression, at least 1 and at most data.history. Later leads apply the
        regression to its own answers.
    """

    choice = "linear_autoregression"
    learns = True

    def __init__(self, *, history: int) -> None:
        checks.whole_number("baseline.history", history, least=1)
        self.history, self.name = history, "linear AR" if history == 1 else f"linear AR {history}"

    def _learn(self, train: xr.Dataset) -> None:
        runs = runs_of(train)
        steps = runs.shape[1] - self.history
        if steps < 1:
            raise Refusal(f"baseline.history={self.history} leaves nothing of windows of {runs.shape[1]} steps")
        past = [runs[:, self.history - 1 - back : self.history - 1 - back + steps] for back in range(self.history)]
        inputs = np.concatenate([*past, np.ones_like(runs[:, :steps, :1])], axis=-1)
        targets = runs[:, self.history :]
        self._weights = np.linalg.lstsq(
            inputs.reshape(-1, inputs.shape[-1]), targets.reshape(-1, targets.shape[-1]), rcond=None
        )[0]  # (history variables + 1, variable), the latest step first

    def _answer(self, known: np.ndarray, samples: xr.Dataset) -> np.ndarray:
        if known.shape[1] < self.history:
            raise Refusal(
                f"baseline.history={self.history} needs as many known steps: type data.history={self.history}"
            )
        past, answers = list(known[:, ::-1][:, : self.history].swapaxes(0, 1)), []
        for _ in range(samples.sizes["lead"]):
            answers.append(np.concatenate(past, axis=-1) @ self._weights[:-1] + self._weights[-1])
            past = [answers[-1], *past[:-1]]
        return np.stack(answers, axis=1)


class Analog(Forecast):
    """The change that followed the most similar states of the training split (Lorenz 1969, J. Atmos. Sci. 26, 636).

    neighbours: number of nearest states, at least 1.
    regression: `constant`, the mean of the neighbours' changes; or `linear` in the state, by least squares over the
        neighbours, of least norm where they are few (Lguensat et al. 2017, Mon. Wea. Rev. 145, 4093).
    library: largest number of states to search, evenly spread over the training split.
    """

    choice = "analog"
    learns = True

    def __init__(self, *, neighbours: int, regression: str, library: int) -> None:
        checks.whole_number("baseline.neighbours", neighbours, least=1)
        checks.whole_number("baseline.library", library, least=1)
        checks.choice("baseline.regression", regression, ("constant", "linear"))
        self.neighbours, self.regression, self.library = neighbours, regression, library
        self.name = f"analog {neighbours}" + (", linear" if regression == "linear" else "")

    def _learn(self, train: xr.Dataset) -> None:
        from sklearn.neighbors import NearestNeighbors

        runs = runs_of(train)
        size = runs.shape[-1]
        pairs = np.concatenate((runs[:, :-1], runs[:, 1:]), axis=-1).reshape(-1, 2 * size)
        pairs = pairs[np.linspace(0, len(pairs) - 1, min(self.library, len(pairs))).round().astype(int)]
        pairs = np.unique(pairs, axis=0)  # windows overlap: no state should count twice
        if len(pairs) < self.neighbours:
            raise Refusal(f"baseline.neighbours={self.neighbours} is more than the {len(pairs)} training states")
        self._states, self._changes = pairs[:, :size], pairs[:, size:] - pairs[:, :size]
        self._search = NearestNeighbors(n_neighbors=self.neighbours).fit(self._states)

    def _answer(self, known: np.ndarray, samples: xr.Dataset) -> np.ndarray:
        state, answers = known[:, -1], []
        bound = 1e3 * np.abs(self._states).max()  # a linear change that goes too far has no neighbours any more
        for _ in range(samples.sizes["lead"]):
            state = np.clip(state + self._change(state), -bound, bound)
            answers.append(state)
        return np.stack(answers, axis=1)

    def _change(self, state: np.ndarray) -> np.ndarray:
        """Return the change of a step, (sample, variable)."""
        nearest = self._search.kneighbors(state, return_distance=False)
        states, changes = self._states[nearest], self._changes[nearest]  # (sample, neighbour, variable)
        centre, change = states.mean(axis=1), changes.mean(axis=1)
        if self.regression == "constant":
            return change
        slope = np.linalg.pinv(states - centre[:, None]) @ (changes - change[:, None])
        return change + ((state - centre)[:, None] @ slope)[:, 0]


class TrueOde(Forecast):
    """The equations that made the truth, from the last known state: no method can be better, but by accident.

    integrator: `rk4`, or `adaptive`, which is a slow loop over samples.
    substeps: of rk4, number of parts of a step of the data, at least 1; each is one step, or several where it is long.
    """

    choice, name = "true_ode", "true ODE"

    def __init__(self, *, integrator: str, substeps: int) -> None:
        checks.choice("baseline.integrator", integrator, ("rk4", "adaptive"))
        checks.whole_number("baseline.substeps", substeps, least=1)
        self.integrator, self.substeps = integrator, substeps

    def _answer(self, known: np.ndarray, samples: xr.Dataset) -> np.ndarray:
        import torch

        from dlgd.physics.integrators import adaptive, say_substeps, trajectory
        from dlgd.physics.systems import dynamics_of

        dynamics, dt, leads = dynamics_of(samples.attrs), float(samples.attrs["dt"]), samples.sizes["lead"]
        start = torch.from_numpy(known[:, -1].copy())
        if self.integrator == "adaptive":
            times = dt * np.arange(leads + 1)
            states = adaptive(dynamics, start, times, rtol=ADAPTIVE_TOLERANCE, atol=ADAPTIVE_TOLERANCE)
        else:
            say_substeps(f"baseline={self.choice}", dynamics, dt / self.substeps)
            states = trajectory(dynamics, start, dt / self.substeps, leads * self.substeps, every=self.substeps)
        return states[1:].movedim(0, 1).numpy()


def runs_of(train: xr.Dataset) -> np.ndarray:
    """Return the known steps and those that follow as one, (sample, step, variable), float64."""
    known = train.given.transpose("sample", "history", "variable").values
    later = train.state.transpose("sample", "lead", "variable").values
    return np.concatenate([known, later], axis=1, dtype=np.float64)
