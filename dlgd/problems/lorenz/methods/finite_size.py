"""The finite-size ensemble Kalman filter: that its members' covariance is uncertain takes the place of inflation."""

from __future__ import annotations

import torch
from torch import Tensor

from dlgd.core import checks
from dlgd.problems.lorenz.methods.ensemble import Filter
from dlgd.problems.lorenz.methods.ensemble_updates import square_root

SCAN = 65  # values of zeta, between 1e-4 of its largest one and that, among which the minimum is bracketed
STEPS = 5  # of Newton, within the bracket


class EnKFN(Filter):
    """EnKF-N (Bocquet 2011, Nonlin. Processes Geophys. 18, 735; dual form: Bocquet and Sakov 2012, ibid. 19, 383).

    At each analysis the departures are multiplied by sqrt((N - 1) / zeta), where zeta minimizes the `DualCost`; then
    follows the symmetric square root filter. Nothing has to be tuned.

    certainty: of the prior of zeta, 1 from the theory for any system; larger values inflate less, where the analysis is
        nearly linear (`xN` of DAPPER).
    rotated: whether members are rotated at random after each analysis, which keeps their mean and covariance.
    """

    remedy = "more baseline.members or baseline=enks"

    def __init__(self, *, members: int, certainty: float, rotated: bool, seed: int, device: str) -> None:
        super().__init__(kind="EnKF-N", members=members, seed=seed, device=device)
        checks.number("baseline.certainty", certainty, above=0, hint="1 is that of the theory")
        self.rotated, self.certainty = rotated, certainty

    def update(self, departures: Tensor, innovation: Tensor, observed: Tensor, generator: torch.Generator) -> Tensor:
        """Return the weights of the square root filter for inflated departures; none without an observation."""
        return finite_size(departures, innovation, self.certainty)


def finite_size(departures: Tensor, innovation: Tensor, certainty: float = 1.0) -> Tensor:
    """Return weights (E, N, N) from Y (E, N, n) and d (E, n): see `EnKFN`."""
    members = departures.shape[1]
    products, pull = departures @ departures.mT, (departures @ innovation[..., None])[..., 0]
    values, vectors = torch.linalg.eigh(products)
    values = values.clamp_min(0)
    seen = values > 1e-12 * values[:, -1:].clamp_min(1e-300)  # d outside the range of Y has no part in the minimum
    squares = torch.where(seen, (pull[:, None] @ vectors)[:, 0] ** 2 / values, 0.0)
    zeta = DualCost(values, squares, members, certainty).minimum()
    factor = torch.where(seen.any(1), (members - 1) / zeta, 1.0)[:, None]  # of the variance
    weights = square_root(products * factor[..., None], pull * factor.sqrt())
    return 1 / members + factor[..., None].sqrt() * (weights - 1 / members)


class DualCost:
    """The cost of zeta, whose minimum is the effective inverse of the variance's inflation, for E analyses at once.

        D(zeta) = sum_i c_i / (1 + l_i / zeta) / 2 + e zeta / 2 - (N / 2) ln zeta

    l_i are the eigenvalues of Y Y^T (N - 1), c_i the squares of d along them. The prior has e = 1 + 1 / N and its mode
    at zeta = N / e, which deflates, even where nothing is observed. So the mode is moved towards N - 1 where the
    observations tell little, as in DAPPER 1.7.1: by the power of the mean share of the variance that is left.
    """

    def __init__(self, values: Tensor, squares: Tensor, members: int, certainty: float = 1.0) -> None:
        """values (E, N): eigenvalues of Y Y^T, Y with a factor 1 / sqrt(N - 1). squares (E, N): c_i."""
        scaled = values * (members - 1)
        slope, count = 1 + 1 / members, members / (members - 1)  # of DAPPER: prior of zeta / (N - 1), a power of it
        mode = slope / count
        left = ((members - 1) / (mode * scaled + members - 1)).mean(1, keepdim=True)
        correction = mode ** (left / 2)
        self.slope = certainty * slope / correction
        self.count = certainty * count * correction * (members - 1)
        self.scaled, self.squares = scaled, squares

    def __call__(self, zeta: Tensor) -> Tensor:
        """D of zeta (E, K), (E, K)."""
        fit = (self.squares[:, None] / (1 + self.scaled[:, None] / zeta[..., None])).sum(-1)
        return (fit + self.slope * zeta - self.count * zeta.log()) / 2

    def minimum(self) -> Tensor:
        """Return the zeta (E,) of the lowest D: by a scan, since D may have two minima, then Newton in ln zeta."""
        most = self.count / self.slope  # D has no minimum beyond
        grid = most * torch.logspace(-4, 0, SCAN).to(most)
        best = self(grid).argmin(1, keepdim=True)
        low, high = (grid.gather(1, (best + side).clamp(0, SCAN - 1)).log() for side in (-1, 1))
        log = grid.gather(1, best).log()
        for _ in range(STEPS):
            ratio = self.scaled / log.exp()
            term = self.squares * ratio / (1 + ratio) ** 2
            first = (term.sum(1, keepdim=True) + self.slope * log.exp() - self.count) / 2
            second = ((term * (ratio - 1) / (1 + ratio)).sum(1, keepdim=True) + self.slope * log.exp()) / 2
            step = torch.where(second > 0, first / second, 0.0)
            log = (log - step).clamp(low, high)
        return log.exp()[:, 0]
