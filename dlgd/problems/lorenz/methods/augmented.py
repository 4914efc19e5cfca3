"""Smoothers that estimate parameters of the model together with its states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import DataSource
from dlgd.core.errors import Refusal
from dlgd.core.score import Score
from dlgd.physics.stochastic_lorenz import PARAMETERS
from dlgd.problems.lorenz.data.stochastic import StochasticLorenz63
from dlgd.problems.lorenz.methods.ensemble import EnKS
from dlgd.problems.lorenz.methods.windows import ForcedWindows, Windows

UNSUITED = "baseline=augmented_enks is for data=stochastic_lorenz63: type baseline=enks"


class AugmentedEnKS(EnKS):
    """The ensemble smoother whose members have parameters of their own behind their states (Anderson 2001, Mon. Weather
    Rev. 129, 2884): each analysis corrects both by their covariance with the observations.

    Parameters do not change in time but by analyses. Where the model is wrong in several ways, they take what they can
    of its error, so that they need not tend to the true ones.

    spread: of each parameter that is estimated, by its name, the standard deviation before the first observation: of
        the logarithm of sigma, rho, beta and strength, and of the exponent itself.
    members, inflation, lag, update, seed, device, model_noise: as of `EnKS`; the inflation acts on parameters, too.
    """

    scores_given = tuple(
        Score(f"rmse_of_{name}", f"RMSE of {name}", higher_is_better=False, in_table=False) for name in PARAMETERS
    )

    def __init__(
        self,
        *,
        spread: Mapping[str, float],
        update: str,
        members: int,
        inflation: float,
        lag: int,
        seed: int,
        device: str,
        model_noise: bool,
    ) -> None:
        super().__init__(
            update=update,
            members=members,
            inflation=inflation,
            lag=lag,
            seed=seed,
            device=device,
            model_noise=model_noise,
        )
        if not isinstance(spread, Mapping) or not spread or not set(spread) <= set(PARAMETERS):
            raise Refusal(
                f"baseline.spread={spread} must give some of {', '.join(PARAMETERS)}, such as {{sigma: 0.15}}"
            )
        for name, std in spread.items():
            checks.number(f"baseline.spread.{name}", std, above=0)
        self.spread = {name: spread[name] for name in PARAMETERS if name in spread}
        self.name = f"EnKS {members} with parameters, inflation {inflation:g}"

    def check(self, data: DataSource) -> None:
        """Refuse systems whose parameters are known."""
        if not isinstance(data, StochasticLorenz63):
            raise Refusal(UNSUITED)

    def windows(self, samples: xr.Dataset) -> Windows:
        """Return the observations and the model; refuses systems whose parameters are known."""
        windows = super().windows(samples)
        if not isinstance(windows, ForcedWindows):
            raise Refusal(UNSUITED)
        return replace(windows, free=tuple(self.spread))

    def first_ensemble(self, samples: xr.Dataset, windows: Windows, generator: torch.Generator) -> Tensor:
        """Draw members (E, N, n + parameters); parameters are normal about those that the window is said to have."""
        assert isinstance(windows, ForcedWindows)
        states = super().first_ensemble(samples, windows, generator)
        std = torch.tensor(list(self.spread.values()), dtype=torch.float64)
        drawn = std * torch.randn(*states.shape[:2], len(std), generator=generator, dtype=torch.float64)
        return torch.cat((states, windows.own_of_windows()[:, None] + drawn.to(states)), -1)

    def parameters(self, samples: xr.Dataset) -> np.ndarray:
        """Return the estimates (sample, estimated parameter) after the last observation, in the order of PARAMETERS."""
        own = self.diagnostics(samples).own
        assert own is not None, "members have parameters"
        positive = torch.tensor([name != "exponent" for name in self.spread], device=own.device)
        return torch.where(positive, own.exp(), own).cpu().numpy()

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return those of `EnKS`, and rmse_of_<parameter> over the samples, where these hold the true ones."""
        scores = super().scores(samples)
        if "true_parameters" in samples:
            true = samples.true_parameters.sel(parameter=list(self.spread)).values
            errors = np.sqrt(((self.parameters(samples) - true) ** 2).mean(axis=0))
            scores |= {f"rmse_of_{name}": float(error) for name, error in zip(self.spread, errors, strict=True)}
        return scores
