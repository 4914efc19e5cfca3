"""4D-Var with the true equations: the trajectory that fits the observations of a window best.

Levenberg-Marquardt for all windows at once. Costs that are not convex have local minima: weak-constraint 4D-Var trusts
the model little at first and more and more afterwards, the strong-constraint one lengthens the window step by step
(Pires et al. 1996, Tellus A 48, 96); both may start several times, and keep the lowest cost.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import checks
from dlgd.core.contract import Method
from dlgd.problems.lorenz.methods.ensemble import EnKS
from dlgd.problems.lorenz.methods.interpolation import interpolated
from dlgd.problems.lorenz.methods.least_squares import Solution, minimize
from dlgd.problems.lorenz.methods.variational_costs import StrongConstraint, WeakConstraint
from dlgd.problems.lorenz.methods.windows import Background, Windows, windows_of
from dlgd.training.device import check_method_device

log = logging.getLogger(__name__)

STARTS = ("interpolation", "ensemble")
MEMBERS = 3  # per variable, of the smoother from which a window may start
INFLATION, LAG = 1.05, 10  # of the same; the lag in observation times
START_NOISE = 1.0  # variance below which so few members would follow the observations too closely
MAX_BATCH_ELEMENTS = {
    "cpu": 2**20,
    "cuda": 2**28,
}  # numbers in the Jacobians of the windows that are minimized together
ON_THE_WAY = 0.1  # tolerance of minimizations that another one follows


class FourDVar(Method):
    """What both share.

    tolerance: a window is done when a step promises to lower its cost, a half of chi squared, by less. background:
    whether the distribution of the initial state counts, that of the samples or else of the climate. starts: those
    after the first are of windows only whose cost is a standard deviation above its mean or more, were the trajectory
    the best one (a half of chi squared with a degree of freedom for each observation); the lowest cost stays.
    """

    learns = True  # the climate

    def __init__(
        self, *, name: str, background: bool, starts: int, tolerance: float, most_steps: int, seed: int, device: str
    ) -> None:
        checks.whole_number("baseline.starts", starts, least=1)
        checks.number("baseline.tolerance", tolerance, above=0)
        checks.whole_number("baseline.most_steps", most_steps, least=1)
        check_method_device(device)
        self.name, self.background, self.starts = name, background, starts
        self.tolerance, self.most_steps, self.seed, self.device = tolerance, most_steps, seed, device
        self._climate: Background | None = None

    def fit(self, train: xr.Dataset) -> None:
        """The climate."""
        self._climate = Background.learnt(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """(sample, time, variable)."""
        if self._climate is None:
            raise ValueError(f"{self.name} answers only after fit")
        windows = windows_of(samples, self.device)
        prior = (Background.given(samples) or self._climate).to(windows.values)
        numbers = MAX_BATCH_ELEMENTS[windows.values.device.type] // windows.dynamics.size
        solved = [self.solve(chunk, prior) for chunk in windows.chunks(numbers)]
        left = sum(int((~solution.converged).sum()) for solution in solved)
        if left > 0:
            log.warning("%s: %d windows had not converged after %d steps", self.name, left, self.most_steps)
        return torch.cat([solution.x for solution in solved]).cpu().numpy()

    def solve(self, windows: Windows, prior: Background) -> Solution:
        """Trajectories (B, T, n) of a few windows."""
        best = self.attempt(windows, prior, 0)
        for number in range(1, self.starts):
            half = windows.observed.sum((1, 2)) / 2
            (rows,) = torch.nonzero(best.cost > half + half.sqrt(), as_tuple=True)
            if len(rows) == 0:
                break
            best.keep_lower(rows, self.attempt(windows.take(rows), prior, number))
        return best

    @abstractmethod
    def attempt(self, windows: Windows, prior: Background, number: int) -> Solution:
        """One start."""


class WeakFourDVar(FourDVar):
    """The model may err at each step (Tremolet 2006, Q. J. R. Meteorol. Soc. 132, 2483).

    annealing: the variances q of the model's errors, one after the other, in squared units of the state. start: the
    first guess, "interpolation" in time or an "ensemble" smoother, as of all further starts.
    """

    def __init__(
        self,
        *,
        annealing: Sequence[float],
        start: str,
        background: bool,
        starts: int,
        tolerance: float,
        most_steps: int,
        seed: int,
        device: str,
    ) -> None:
        super().__init__(
            name="weak 4D-Var",
            background=background,
            starts=starts,
            tolerance=tolerance,
            most_steps=most_steps,
            seed=seed,
            device=device,
        )
        checks.numbers("baseline.annealing", annealing, above=0, example="[10,1]")
        checks.choice("baseline.start", start, STARTS)
        self.annealing, self.start = tuple(annealing), start

    def attempt(self, windows: Windows, prior: Background, number: int) -> Solution:
        """Through all variances of the model's errors."""
        x, cost = self.guess(windows, prior, number), WeakConstraint(windows, prior if self.background else None)
        for variance in self.annealing:
            last = variance == self.annealing[-1]
            solution = minimize(
                replace(cost, model_variance=variance),
                x,
                tolerance=self.tolerance if last else ON_THE_WAY,
                most_steps=self.most_steps,
            )
            x = solution.x
        return solution

    def guess(self, windows: Windows, prior: Background, number: int) -> Tensor:
        """(B, T, n)."""
        if number == 0 and self.start == "interpolation":
            observations = torch.where(windows.observed, windows.values, torch.nan).cpu().numpy()
            return torch.from_numpy(interpolated(observations, prior.mean.cpu().numpy(), 1)).to(windows.values)
        members = MEMBERS * windows.dynamics.size
        smoother = EnKS(
            update="stochastic", members=members, inflation=INFLATION, lag=LAG, seed=self.seed, device=self.device
        )
        generator = torch.Generator().manual_seed(self.seed + number)
        ensemble = prior.draw(len(windows.values), members, generator)
        noisier = replace(windows, noise_variance=max(windows.noise_variance, START_NOISE))
        return smoother.cycles(noisier, ensemble, generator).estimate


class StrongFourDVar(FourDVar):
    """The model is exact: only the initial state is sought (Talagrand and Courtier 1987).

    A start is drawn from the background; it fits the first `extension` steps of the window, then as many more at a
    time. The second start goes twice as far at a time, the third three times, and so on.
    """

    def __init__(
        self,
        *,
        extension: int,
        background: bool,
        starts: int,
        tolerance: float,
        most_steps: int,
        seed: int,
        device: str,
    ) -> None:
        super().__init__(
            name="strong 4D-Var",
            background=background,
            starts=starts,
            tolerance=tolerance,
            most_steps=most_steps,
            seed=seed,
            device=device,
        )
        checks.whole_number("baseline.extension", extension, least=1)
        self.extension = extension

    def attempt(self, windows: Windows, prior: Background, number: int) -> Solution:
        """From the climate, through windows that grow."""
        generator, steps = torch.Generator().manual_seed(self.seed + number), windows.values.shape[1]
        x = prior.draw(len(windows.values), 1, generator)[:, 0]
        longer = self.extension * (number + 1)
        for end in range(longer, steps + longer, longer):
            solution = minimize(
                StrongConstraint(windows.until(end), prior if self.background else None),
                x,
                tolerance=self.tolerance if end >= steps else ON_THE_WAY,
                most_steps=self.most_steps,
            )
            x = solution.x
        return replace(solution, x=StrongConstraint(windows).states(x))
