"""4D-Var with the true equations: the trajectory that fits the observations of a window best.

Levenberg-Marquardt minimizes the costs of all windows at once. Costs that are not convex have local minima:
weak-constraint 4D-Var trusts the model little at first and more and more afterwards, strong-constraint 4D-Var lengthens
the window step by step (Pires et al. 1996, Tellus A 48, 96). Both may start several times, and keep the lowest cost.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterator, Sequence
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
START_NOISE = 1.0  # least variance of the noise for so few members, which else follow the observations too closely
# numbers in the Jacobians of the windows that are minimized together
MAX_BATCH_ELEMENTS = {"cpu": 2**20, "cuda": 2**28}
ON_THE_WAY = 0.1  # tolerance of minimizations that another one follows


class FourDVar(Method):
    """What both share.

    background: whether the distribution of the initial state counts: that of the samples, or else of the climate.
    starts: number of minimizations of a window, at least 1; the lowest cost stays. Windows start again only if their
        cost is at least a standard deviation above the mean that the true trajectory would have: half of chi squared
        with a degree of freedom for each observation.
    tolerance: a window is done when a step promises to lower its cost, half of chi squared, by less.
    most_steps: largest number of steps of each minimization, at least 1.
    seed: of the ensembles and of the initial states from which windows start.
    device: cpu or cuda.
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
        """Learn the climate."""
        self._climate = Background.learnt(train)

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return trajectories (sample, time, variable)."""
        windows, prior = self.given(samples)
        solved = [self.solve(chunk, prior) for chunk in self.chunks(windows)]
        left = sum(int((~solution.converged).sum()) for solution in solved)
        if left > 0:
            log.warning("%s: %d windows had not converged after %d steps", self.name, left, self.most_steps)
        return torch.cat([solution.x for solution in solved]).cpu().numpy()

    def given(self, samples: xr.Dataset) -> tuple[Windows, Background]:
        """Return what is minimized: the observations, and the distribution of the first state."""
        if self._climate is None:
            raise ValueError(f"{self.name} answers only after fit")
        windows = windows_of(samples, self.device)
        return windows, (Background.of_samples(samples) or self._climate).to(windows.values)

    def chunks(self, windows: Windows) -> Iterator[Windows]:
        """Yield as many windows as are minimized together."""
        return windows.chunks(MAX_BATCH_ELEMENTS[windows.values.device.type] // windows.dynamics.size)

    def solve(self, windows: Windows, prior: Background) -> Solution:
        """Return the trajectories (B, T, n) of a few windows."""
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
        """Minimize from the start of this number."""


class WeakFourDVar(FourDVar):
    """The model may err at each step (Tremolet 2006, Q. J. R. Meteorol. Soc. 132, 2483).

    Its expected errors are those of a Gaussian posterior, the inverse of the cost's Gauss-Newton Hessian (Laplace).
    They know nothing of other minima.

    annealing: variances q of the model's errors in a step, one after the other, in squared units of the state.
    start: the first guess, "interpolation" in time or an "ensemble" smoother; all further starts take the smoother.
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
        self._solved: tuple[xr.Dataset, np.ndarray] | None = None

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return trajectories (sample, time, variable)."""
        estimate = super().predict(samples)
        self._solved = (samples, estimate)
        return estimate

    def error_std(self, samples: xr.Dataset) -> np.ndarray:
        """Return the standard deviations (sample, time, variable) that the errors are expected to have."""
        solved = self._solved[1] if self._solved and self._solved[0] is samples else self.predict(samples)
        windows, prior = self.given(samples)
        found, first = [], 0
        for chunk in self.chunks(windows):
            x = torch.from_numpy(solved[first : first + len(chunk.values)]).to(chunk.values)
            cost = WeakConstraint(chunk, prior if self.background else None, self.annealing[-1])
            found.append(cost.variances(x).sqrt())
            first += len(x)
        return torch.cat(found).cpu().numpy()

    def attempt(self, windows: Windows, prior: Background, number: int) -> Solution:
        """Minimize with each variance of the model's errors in turn."""
        x, cost = self.guess(windows, prior, number), WeakConstraint(windows, prior if self.background else None)
        solution: Solution | None = None
        for variance in self.annealing:
            last = variance == self.annealing[-1]
            solution = minimize(
                replace(cost, model_variance=variance),
                x,
                tolerance=self.tolerance if last else ON_THE_WAY,
                most_steps=self.most_steps,
            )
            x = solution.x
        assert solution is not None  # annealing has a variance at least
        return solution

    def guess(self, windows: Windows, prior: Background, number: int) -> Tensor:
        """Return the trajectories (B, T, n) from which the minimization starts."""
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

    extension: number of steps by which the window grows, at least 1. A start is drawn from the background and fits the
        first `extension` steps, then as many more at a time. The second start grows twice as fast, the third three
        times, and so on.
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
        """Minimize from a state of the background, in windows that grow."""
        generator, steps = torch.Generator().manual_seed(self.seed + number), windows.values.shape[1]
        x = prior.draw(len(windows.values), 1, generator)[:, 0]
        longer = self.extension * (number + 1)
        solution: Solution | None = None
        for end in range(longer, steps + longer, longer):
            solution = minimize(
                StrongConstraint(windows.until(end), prior if self.background else None),
                x,
                tolerance=self.tolerance if end >= steps else ON_THE_WAY,
                most_steps=self.most_steps,
            )
            x = solution.x
        assert solution is not None  # a window has a step at least
        return replace(solution, x=StrongConstraint(windows).states(x))
