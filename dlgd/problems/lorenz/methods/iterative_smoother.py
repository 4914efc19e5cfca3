"""The iterative ensemble Kalman smoother: Gauss-Newton in the space of the members, batched over experiments."""

from __future__ import annotations

import torch

from dlgd.core import checks
from dlgd.problems.lorenz.methods.ensemble import Filter
from dlgd.problems.lorenz.methods.ensemble_run import Run
from dlgd.problems.lorenz.methods.ensemble_updates import combine, gauss_newton


class IEnKS(Filter):
    """The iterative ensemble Kalman smoother (Bocquet and Sakov 2014, Q. J. R. Meteorol. Soc. 140, 1521).

    An analysis looks for the members at an earlier observation time whose forecast fits the newest observations. It
    forecasts them, corrects them by the symmetric square root filter as if the model were linear, and forecasts again
    (the "transform" variant of Sakov, Oliver and Bertino 2012, Mon. Weather Rev. 140, 1988). Members are inflated and
    rotated where they start. Each observation counts once, when it is the newest.

    lag: number of observation times from the members that are sought to the newest observations, at least 1.
    most_iterations: largest number of corrections in an analysis, at least 1; with 1 and a linear model it is the EnKS.
    tolerance: an experiment is done when a correction changes the weights of its mean by less, mean square over members
        (`wtol` of DAPPER).
    """

    model_noise = False  # what is sought is a state from which the forecast is exact

    def __init__(
        self,
        *,
        members: int,
        inflation: float,
        rotated: bool,
        lag: int,
        most_iterations: int,
        tolerance: float,
        seed: int,
        device: str,
    ) -> None:
        super().__init__(kind="iEnKS", members=members, inflation=inflation, seed=seed, device=device)
        checks.whole_number("baseline.lag", lag, least=1)
        checks.whole_number("baseline.most_iterations", most_iterations, least=1)
        checks.number("baseline.tolerance", tolerance, above=0)
        self.rotated, self.lag = rotated, lag
        self.most_iterations, self.tolerance = most_iterations, tolerance

    def analyse(self, run: Run, generator: torch.Generator) -> None:
        """Correct the members `lag` observation times ago, and all later ones, by the latest observations."""
        latest = run.members
        begin, first = run.open()
        weights = torch.eye(self.members).to(first).repeat(len(first), 1, 1)
        rows = torch.arange(len(first), device=first.device)  # of experiments that are not done
        for iteration in range(self.most_iterations):
            if iteration > 0:
                start = combine(weights[rows], first[None, rows])[0]
                latest = run.windows.forecast(start, begin, run.step - begin, rows=rows)[-1]
                self.refuse_infinite(latest, run.step)
            corrected = gauss_newton(weights[rows], *run.seen(latest, rows)[:2])
            change = (corrected - weights[rows]).mean(1).square().mean(1)
            weights[rows] = corrected
            rows = rows[change > self.tolerance]
            if len(rows) == 0:
                break
        observed = run.windows.observed[:, run.step]
        run.redo(self.spread_out(combine(weights, first[None])[0], observed, generator))
