"""EnKF-N: the minimum of its dual cost against a fine scan, its analysis against the primal cost in all weights."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.methods.ensemble_updates import combine, symmetric
from dlgd.problems.lorenz.methods.finite_size import DualCost, EnKFN, finite_size


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def departures_and_innovation(members=5, size=3, pull=1.0, count=6):
    departures = draw(count, members, size)
    departures = (departures - departures.mean(1, keepdim=True)) / (members - 1) ** 0.5
    return departures * draw(count, 1, 1, seed=2).exp(), pull * draw(count, size, seed=1)


@pytest.mark.parametrize("certainty", [1.0, 2.0])
def test_zeta_is_the_minimum_of_a_fine_scan(certainty):
    scale = torch.logspace(-2, 2, 40, dtype=torch.float64)[:, None]
    cost = DualCost(draw(40, 5).square() * scale, 50 * draw(40, 5, seed=1).square(), 5, certainty)
    zeta = cost.minimum()
    fine = cost.count / cost.slope * torch.logspace(-4, 0, 100_001).double()  # as far as it is looked for
    values = cost(fine)
    torch.testing.assert_close(zeta, fine.gather(1, values.argmin(1, keepdim=True))[:, 0], rtol=1e-4, atol=0)
    assert (cost(zeta[:, None])[:, 0] <= values.min(1).values + 1e-12).all()


@pytest.mark.parametrize("pull", [0.3, 3.0])
def test_the_mean_minimizes_the_primal_cost(pull):
    """|d - Y^T w|^2 / 2 + c / 2 ln(e + |w|^2) (Bocquet 2011), whose minimum the dual cost has in one variable."""
    members = 5
    departures, innovation = departures_and_innovation(members, pull=pull)
    weights = finite_size(departures, innovation)
    for number in range(len(innovation)):
        y, d = departures[number].numpy() * (members - 1) ** 0.5, innovation[number].numpy()
        values = torch.linalg.eigvalsh(departures[number : number + 1] @ departures[number : number + 1].mT)
        prior = DualCost(values.clamp_min(0), values, members)

        def cost(w, y=y, d=d, e=float(prior.slope), c=float(prior.count)):
            return ((d - w @ y) ** 2).sum() / 2 + c / 2 * np.log(e + (w**2).sum())

        w = min((minimize(cost, start, tol=1e-14) for start in np.eye(members)), key=lambda found: found.fun).x
        np.testing.assert_allclose(weights[number].mean(0) - 1 / members, w, atol=1e-5)


def test_the_departures_are_inflated_before_they_are_analysed():
    departures, innovation = departures_and_innovation(pull=5.0)
    weights = finite_size(departures, innovation)
    raw = draw(6, 5, 4, seed=5)
    mean = raw.mean(1, keepdim=True)
    # the inflation itself, from how the departures shrink
    plain = symmetric(departures, innovation)
    for number in range(6):
        values = torch.linalg.eigvalsh(departures[number] @ departures[number].T)[-1]
        centred = weights[number] - weights[number].mean(0)
        shrunk = torch.linalg.eigvalsh(centred @ centred.T)
        factors = shrunk[shrunk > 1e-9]
        inflation = factors.max()  # of the directions that Y does not see
        torch.testing.assert_close(factors.min(), inflation / (1 + inflation * values))
        wanted = symmetric(departures[number : number + 1] * inflation.sqrt(), innovation[number : number + 1])
        inflated = mean[number] + inflation.sqrt() * (raw[number] - mean[number])
        torch.testing.assert_close(combine(weights, raw[None])[0, number], combine(wanted, inflated[None, None])[0, 0])
    assert not torch.allclose(weights, plain)


def test_what_is_not_observed_is_not_changed():
    departures, innovation = departures_and_innovation()
    weights = finite_size(0 * departures, 0 * innovation)
    torch.testing.assert_close(weights, torch.eye(5, dtype=torch.float64).expand(6, 5, 5))


def test_no_certainty_is_refused():
    with pytest.raises(Refusal, match=r"baseline\.certainty=0"):
        EnKFN(members=5, certainty=0.0, rotated=True, seed=0, device="cpu")
