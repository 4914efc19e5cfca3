"""Lorenz-63 and Lorenz-96: right-hand sides, their derivatives by hand, invariants and climate."""

import numpy as np
import pytest
import torch

from dlgd.physics.integrators import Dynamics, advance, trajectory
from dlgd.physics.lorenz import Lorenz63, Lorenz96

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # by torch's own forward mode

SYSTEMS = [Lorenz63(), Lorenz63(sigma=7, rho=30.5, beta=2), Lorenz96(), Lorenz96(size=4), Lorenz96(size=7, forcing=3)]
names = pytest.mark.parametrize("system", SYSTEMS, ids=lambda system: f"{type(system).__name__}-{system.size}")


def draw(system, *leading, seed=0, dtype=torch.float64):
    """Numbers as large as on the attractors."""
    generator = torch.Generator().manual_seed(seed)
    return 5 * torch.randn(*leading, system.size, generator=generator, dtype=torch.float64).to(dtype)


def test_lorenz63_is_its_three_equations_to_the_last_bit():
    x, y, z = state = np.random.default_rng(0).normal(0, 10, (3, 1000))
    wanted = np.array([10.0 * (y - x), x * (28.0 - z) - y, x * y - 8 / 3 * z])
    np.testing.assert_array_equal(Lorenz63().tendency(torch.from_numpy(state.T)).numpy().T, wanted)


@pytest.mark.parametrize("size", [4, 5, 40])
def test_lorenz96_is_a_loop_over_a_circle(size):
    system = Lorenz96(size=size, forcing=6.5)
    x = draw(system).tolist()
    wanted = [(x[(i + 1) % size] - x[(i - 2) % size]) * x[(i - 1) % size] - x[i] + 6.5 for i in range(size)]
    torch.testing.assert_close(system.tendency(draw(system)), torch.tensor(wanted, dtype=torch.float64))


@names
def test_the_tangent_by_hand_is_that_of_autograd_and_of_finite_differences(system):
    state, perturbation = draw(system, 6), draw(system, 6, seed=1)
    by_hand = system.tangent(state, perturbation)
    torch.testing.assert_close(by_hand, torch.func.jvp(system.tendency, (state,), (perturbation,))[1])
    torch.testing.assert_close(by_hand, Dynamics.tangent(system, state, perturbation))
    # quadratic right-hand sides: central differences are exact but for rounding
    difference = (system.tendency(state + perturbation) - system.tendency(state - perturbation)) / 2
    torch.testing.assert_close(by_hand, difference)


@names
def test_the_adjoint_by_hand_is_the_transpose(system):
    state, p, g = draw(system, 50), draw(system, 50, seed=1), draw(system, 50, seed=2)
    left = (system.tangent(state, p) * g).sum(-1)
    right = (p * system.adjoint(state, g)).sum(-1)
    scale = system.tangent(state, p).norm(dim=-1) * g.norm(dim=-1)
    assert ((left - right).abs() / scale).max() < 1e-14
    torch.testing.assert_close(system.adjoint(state, g), Dynamics.adjoint(system, state, g))


@names
def test_derivatives_broadcast_states_against_perturbations(system):
    state, vectors = draw(system, 5), draw(system, 8, 1, seed=1)
    for derivative in (system.tangent, system.adjoint):
        one_by_one = torch.stack([torch.stack([derivative(x, v[0]) for x in state]) for v in vectors])
        torch.testing.assert_close(derivative(state, vectors), one_by_one)


@names
def test_volumes_shrink_at_the_known_rate(system):
    rate = system.sigma + 1 + system.beta if isinstance(system, Lorenz63) else system.size
    jacobian = torch.func.jacrev(system.tendency)(draw(system))
    assert jacobian.trace().item() == pytest.approx(-rate)


@pytest.mark.parametrize("size", [4, 5, 40])
def test_advection_keeps_the_energy_of_lorenz96(size):
    system = Lorenz96(size=size)
    state = draw(system, 100)
    advection = system.tendency(state) + state - system.forcing
    assert ((state * advection).sum(-1).abs() / (state * advection).abs().sum(-1)).max() < 1e-14


def test_fixed_points():
    side = (8 / 3 * 27) ** 0.5
    points = torch.tensor([[0, 0, 0], [side, side, 27], [-side, -side, 27]], dtype=torch.float64)
    assert Lorenz63().tendency(points).abs().max() < 1e-13
    assert not Lorenz96().tendency(torch.full((40,), 8.0)).any()


def test_symmetries():
    mirror = torch.tensor([-1.0, -1.0, 1.0], dtype=torch.float64)
    state = draw(SYSTEMS[0], 9)
    assert torch.equal(SYSTEMS[0].tendency(mirror * state), mirror * SYSTEMS[0].tendency(state))
    circle = draw(SYSTEMS[2], 9)
    assert torch.equal(SYSTEMS[2].tendency(circle.roll(3, -1)), SYSTEMS[2].tendency(circle).roll(3, -1))


@names
def test_a_batch_is_a_loop_and_float32_is_close(system):
    states = draw(system, 2, 3)
    batch = system.tendency(states)
    loop = torch.stack([torch.stack([system.tendency(state) for state in row]) for row in states])
    assert torch.equal(batch, loop)
    single = system.tendency(states.float())
    assert single.dtype == torch.float32
    torch.testing.assert_close(single.double(), batch, rtol=1e-5, atol=1e-4)


def test_parameters_may_be_learned_and_differ_between_states():
    state = draw(SYSTEMS[0], 4)
    rho = torch.tensor([20.0, 25.0, 28.0, 30.0], dtype=torch.float64, requires_grad=True)
    ends = advance(Lorenz63(rho=rho), state, 0.01, 5)
    one_by_one = torch.stack([advance(Lorenz63(rho=r), x, 0.01, 5) for r, x in zip(rho.tolist(), state, strict=True)])
    torch.testing.assert_close(ends, one_by_one, rtol=1e-12, atol=1e-12)
    ends[:, 1].sum().backward()
    shifted = [advance(Lorenz63(rho=rho.detach() + step), state, 0.01, 5)[:, 1] for step in (1e-4, -1e-4)]
    torch.testing.assert_close(rho.grad, (shifted[0] - shifted[1]) / 2e-4, rtol=1e-6, atol=1e-8)

    circle, forcing = draw(SYSTEMS[2], 2), torch.tensor([[4.0], [8.0]], dtype=torch.float64)
    both = Lorenz96(forcing=forcing).tendency(circle)
    torch.testing.assert_close(both[0], Lorenz96(forcing=4.0).tendency(circle[0]))
    torch.testing.assert_close(both[1], Lorenz96(forcing=8.0).tendency(circle[1]))


def test_a_circle_of_three_is_refused():
    with pytest.raises(ValueError, match="four variables"):
        Lorenz96(size=3)


def test_the_climate_of_lorenz63():
    """32,000 units of time; published: mean z 23.55, std 7.92, 9.01, 8.63; dz/dt averages to zero."""
    system = Lorenz63()
    start = torch.tensor([1.509, -1.531, 25.46], dtype=torch.float64) + 0.2 * draw(system, 64)
    start = advance(system, start, 0.01, 2000)
    states = trajectory(system, start, 0.01, 50_000, every=10)[1:].reshape(-1, 3)
    x, y, z = mean = states.mean(0)
    assert abs(x) < 0.15
    assert abs(y - x) < 2e-3  # dx/dt averages to zero
    assert mean[2].item() == pytest.approx(23.55, abs=0.02)
    torch.testing.assert_close(states.std(0), torch.tensor([7.924, 9.012, 8.63]).double(), rtol=0, atol=0.02)
    assert (states[:, 0] * states[:, 1]).mean().item() == pytest.approx(8 / 3 * z.item(), rel=1e-3)


def test_the_climate_of_lorenz96():
    """16,000 units of time; reference: mean 2.342, std 3.640; the forcing's work balances the damping."""
    system = Lorenz96()
    start = advance(system, 8 + 0.2 * draw(system, 64), 0.05, 1000)
    states = trajectory(system, start, 0.05, 5000, every=5)[1:]
    assert states.mean().item() == pytest.approx(2.342, abs=0.006)
    assert states.std().item() == pytest.approx(3.640, abs=0.006)
    assert states.square().mean().item() == pytest.approx(8 * states.mean().item(), rel=2e-3)


@pytest.mark.gpu
@names
def test_a_device_computes_the_same(system):
    state = draw(system, 100)
    there = trajectory(system, state.cuda(), 0.01, 50)
    torch.testing.assert_close(there.cpu(), trajectory(system, state, 0.01, 50), rtol=1e-9, atol=1e-9)
