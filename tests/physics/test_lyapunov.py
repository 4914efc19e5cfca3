"""Lyapunov spectra and Kaplan-Yorke dimensions: linear systems, exact sums, published values."""

import numpy as np
import pytest
import torch

from dlgd.physics.integrators import RK4, Dynamics, advance
from dlgd.physics.lorenz import Lorenz63, Lorenz96
from dlgd.physics.lyapunov import kaplan_yorke_dimension, lyapunov_exponents

# Lorenz-96, 40 variables, forcing 8: variational RK4 with QR over 4,000 units of time, standard error at most 0.013
SPECTRUM_96 = """
1.685 1.484 1.296 1.142 0.998 0.879 0.743 0.622 0.492 0.376 0.261 0.144 0.035 -0.001 -0.075 -0.203 -0.318 -0.438
-0.549 -0.669 -0.788 -0.889 -1.006 -1.111 -1.233 -1.344 -1.481 -1.605 -1.765 -1.928 -2.113 -2.323 -2.580 -2.875
-3.245 -3.676 -4.061 -4.373 -4.615 -4.901
"""


class Linear(Dynamics):
    """dx/dt = A x, A triangular and far from normal."""

    size = 3
    matrix = torch.tensor([[0.5, 3.0, -2.0], [0.0, -0.2, 4.0], [0.0, 0.0, -1.5]], dtype=torch.float64)

    def tendency(self, state):
        return state @ self.matrix.mT


def on_the_attractor(system, members, dt):
    noise = torch.randn(members, system.size, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return advance(system, 2 + noise, dt, 2000)


def test_a_linear_system_has_its_eigenvalues():
    exponents = lyapunov_exponents(Linear(), torch.ones(3, dtype=torch.float64), 0.1, 100, spin_up=300, every=4)
    np.testing.assert_allclose(exponents, [0.5, -0.2, -1.5], atol=2e-5)


def test_the_spectrum_of_lorenz63():
    """Published: 0.906, 0, -14.572, dimension 2.062; the sum is exact but for the scheme's error."""
    start = on_the_attractor(Lorenz63(), 300, 0.01)
    exponents = lyapunov_exponents(Lorenz63(), start, 0.01, 500, spin_up=600, every=5)
    assert exponents.shape == (300, 3)
    sums = exponents.sum(-1)
    torch.testing.assert_close(sums, torch.full_like(sums, -(10 + 1 + 8 / 3)), rtol=0, atol=1e-3)
    mean, error = exponents.mean(0), exponents.std(0) / 300**0.5
    np.testing.assert_allclose(mean, [0.906, 0.0, -14.572], atol=0.02)
    assert (error < 0.02).all()
    assert kaplan_yorke_dimension(mean) == pytest.approx(2.062, abs=0.003)


def test_the_spectrum_of_lorenz96():
    start = on_the_attractor(Lorenz96(), 16, 0.05)
    exponents = lyapunov_exponents(Lorenz96(), start, 0.05, 400, spin_up=100, every=2).mean(0)
    assert exponents.sum().item() == pytest.approx(-40, abs=0.02)
    assert exponents[0].item() == pytest.approx(1.685, abs=0.1)
    assert abs(int((exponents > 0.01).sum()) - 13) <= 1
    assert kaplan_yorke_dimension(exponents) == pytest.approx(27.0, abs=0.3)


def test_the_leading_exponents_alone_are_the_same():
    start = on_the_attractor(Lorenz96(size=8), 2, 0.05)
    every, leading = (lyapunov_exponents(Lorenz96(size=8), start, 0.05, 50, count=count) for count in (None, 3))
    torch.testing.assert_close(leading, every[:, :3])


def test_a_growth_is_a_product_of_jacobians():
    """All exponents together: the determinant of the product of the steps' Jacobians."""
    system, state = Lorenz96(size=6), on_the_attractor(Lorenz96(size=6), 1, 0.05)[0]
    exponents = lyapunov_exponents(system, state, 0.05, 20, every=4)
    logarithm = 0.0
    for _ in range(20):
        logarithm += torch.linalg.slogdet(RK4.jacobian(system, state, 0.05)).logabsdet.item()
        state = RK4.step(system, state, 0.05)
    assert exponents.sum().item() == pytest.approx(logarithm / 1.0, rel=1e-10)


def test_kaplan_yorke_dimensions():
    assert kaplan_yorke_dimension([0.906, 0.0, -14.572]) == pytest.approx(2 + 0.906 / 14.572)
    assert kaplan_yorke_dimension([-14.572, 0.906, 0.0]) == pytest.approx(2 + 0.906 / 14.572)  # in any order
    assert kaplan_yorke_dimension([float(word) for word in SPECTRUM_96.split()]) == pytest.approx(27.032, abs=0.005)
    assert kaplan_yorke_dimension([-1.0, -2.0]) == 0  # a fixed point
    assert kaplan_yorke_dimension([0.0, -2.0]) == 1  # a cycle
    assert kaplan_yorke_dimension([1.0, -1.0]) == 2  # volumes are kept


def test_steps_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="multiples of every=3"):
        lyapunov_exponents(Lorenz63(), torch.ones(3), 0.01, 10, every=3)


@pytest.mark.slow
def test_the_whole_spectrum_of_lorenz96():
    start = on_the_attractor(Lorenz96(), 64, 0.05)
    exponents = lyapunov_exponents(Lorenz96(), start, 0.05, 1200, spin_up=200, every=2)
    mean, error = exponents.mean(0), exponents.std(0) / 8
    wanted = torch.tensor([float(word) for word in SPECTRUM_96.split()], dtype=torch.float64)
    assert ((mean - wanted).abs() < 4 * (error.square() + 0.013**2).sqrt()).all()
    assert mean.sum().item() == pytest.approx(-40.009, abs=0.003)
    assert kaplan_yorke_dimension(mean) == pytest.approx(27.0, abs=0.1)


@pytest.mark.slow
def test_the_spectrum_of_lorenz63_to_three_digits():
    start = on_the_attractor(Lorenz63(), 2000, 0.01)
    mean = lyapunov_exponents(Lorenz63(), start, 0.01, 1000, spin_up=800, every=5).mean(0)
    np.testing.assert_allclose(mean, [0.906, 0.0, -14.572], atol=5e-3)
    assert kaplan_yorke_dimension(mean) == pytest.approx(2.062, abs=5e-4)
