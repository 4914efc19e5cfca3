"""First guesses by a classical method: networks start from its trajectories and not from interpolated observations.

A method such as 4D-Var takes long for what a training step needs, so training windows are observed a certain number of
times before the training, and the method answers for each of these observations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.problems.lorenz.data.tensors import on_device

OPTIONS = ("method", "observation_draws")
TOGETHER = 2000  # windows whose first guesses are made, and kept in the cache, together


def check(first_guess: Mapping[str, Any], *, task: str, resampled: bool) -> None:
    """Refuse options of data.first_guess that cannot work, in one sentence each.

    resampled: whether training windows may be observed otherwise than in their samples.
    """
    if unknown := set(first_guess) - set(OPTIONS):
        raise Refusal(f"data.first_guess has {', '.join(sorted(unknown))}: it may give {' and '.join(OPTIONS)}")
    method, draws = first_guess.get("method"), first_guess.get("observation_draws", 1)
    checks.whole_number("data.first_guess.observation_draws", draws, least=1)
    if method is None:
        if draws > 1:
            raise Refusal(
                f"data.first_guess.observation_draws={draws} counts the answers of a method: type "
                "+baseline@data.first_guess.method=weak_4dvar too, or leave it out"
            )
        return
    if not isinstance(method, Method):
        raise Refusal(
            f"data.first_guess.method={method} must be a classical method: type "
            "+baseline@data.first_guess.method=weak_4dvar, or null for interpolation in time"
        )
    if task != "assimilate":
        raise Refusal(
            f"data.first_guess.method is for data.task=assimilate, not {task}, whose known steps are no guess: leave "
            "it out"
        )
    if draws > 1 and not resampled:
        raise Refusal(
            f"data.first_guess.observation_draws={draws} observes training windows anew, but "
            "data.resample_observations=false keeps their observations: choose one"
        )


class FirstGuesses:
    """The first guesses of data.first_guess.method; none without a method.

    options: those of data.first_guess, checked. name: of the data set.
    train: returns the training split, from which a method learns that does.
    """

    def __init__(self, options: Mapping[str, Any], *, name: str, train: Callable[[], xr.Dataset]) -> None:
        self.method, self.draws = options.get("method"), options.get("observation_draws", 1)
        self.name, self.train = name, train
        self._learnt = False

    def of(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the trajectories (sample, time, variable) for the observations of samples, or None.

        Where samples have a noise_variance (sample) each, the method answers for those of each variance together.
        """
        if self.method is None:
            return None
        if self.method.learns and not self._learnt:
            self.method.fit(self.train())
            self._learnt = True
        asked = samples.drop_vars("state", errors="ignore")  # the method never sees the truth
        if "noise_variance" not in asked:
            return self._answers(asked)
        variances, answers = asked.noise_variance.values, np.empty(asked.observations.shape)
        for variance in np.unique(variances):
            those = asked.isel(sample=variances == variance).drop_vars("noise_variance")
            answers[variances == variance] = self._answers(those.assign_attrs(noise_variance=float(variance)))
        return answers

    def _answers(self, asked: xr.Dataset) -> np.ndarray:
        assert self.method is not None
        firsts = range(0, asked.sizes["sample"], TOGETHER)
        title = f"data={self.name}: first guesses by {self.method.name}"
        answers = [
            self.method.predict(asked.isel(sample=slice(first, first + TOGETHER)))
            for first in (progress(firsts, title) if len(firsts) > 1 else firsts)
        ]
        return np.concatenate(answers)

    def with_observations(self, draws: Iterable[xr.Dataset], device: torch.device | str) -> dict[str, Tensor | None]:
        """Return what `training_batches.with_known_observations` takes of several draws of the observations of windows:
        `known` and `guesses`, (draw, window, time, variable) each."""
        found = [(on_device(draw.observations.values, device), self.of(draw)) for draw in draws]
        guesses = [on_device(guess, device) for _, guess in found if guess is not None]
        known = torch.stack([observations for observations, _ in found])
        return {"known": known, "guesses": torch.stack(guesses) if guesses else None}
