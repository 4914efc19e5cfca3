"""Euler, RK4 and the adaptive integrator: order, derivatives, the compiled loop against autograd's path."""

import numpy as np
import pytest
import torch
from scipy.integrate import solve_ivp
from torch import nn
from torch.autograd import forward_ad

from dlgd.physics.integrators import (
    EULER,
    RK4,
    Dynamics,
    adaptive,
    adjoint_trajectory,
    advance,
    tangent_trajectory,
    trajectory,
)
from dlgd.physics.lorenz import Lorenz63, Lorenz96

pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script`:DeprecationWarning")  # by torch's own forward mode


class Learned(nn.Module, Dynamics):
    """A network as a right-hand side; its derivatives are autograd's."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.size = size
        self.layers = nn.Sequential(nn.Linear(size, 16), nn.Tanh(), nn.Linear(16, size)).double()

    def tendency(self, state):
        return self.layers(state)


class Explosion(Dynamics):
    """dx/dt = x^2, infinite at t = 1 from x = 1."""

    size = 1

    def tendency(self, state):
        return state.square()


torch.manual_seed(0)
SYSTEMS = {"63": Lorenz63(), "96": Lorenz96(), "96-odd": Lorenz96(size=5, forcing=7.5), "learned": Learned(6)}
systems = pytest.mark.parametrize("system", SYSTEMS.values(), ids=SYSTEMS)
lorenz = pytest.mark.parametrize(
    "system", [SYSTEMS["63"], SYSTEMS["96"], SYSTEMS["96-odd"]], ids=["63", "96", "96-odd"]
)
schemes = pytest.mark.parametrize("scheme", [EULER, RK4], ids=["euler", "rk4"])


def draw(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def states_of(system, *leading):
    """States on the attractor, or anywhere for a network."""
    if isinstance(system, Learned):
        return draw(*leading, system.size)
    return advance(system, 2 + draw(*leading, system.size), 0.01, 1000)


@pytest.mark.parametrize(("scheme", "order"), [(EULER, 1), (RK4, 4)], ids=["euler", "rk4"])
@lorenz
def test_the_order_of_convergence(system, scheme, order):
    state = states_of(system)
    truth = adaptive(system, state, [0.0, 0.5], rtol=1e-12, atol=1e-12)[-1]
    counts = (800, 1600) if scheme is EULER else (50, 100)
    coarse, fine = ((advance(system, state, 0.5 / n, n, scheme=scheme) - truth).norm().item() for n in counts)
    assert np.log2(coarse / fine) == pytest.approx(order, abs=0.15)


@lorenz
def test_rk4_is_a_tight_adaptive_integration(system):
    state = states_of(system, 3)
    times = np.arange(0, 2.01, 0.5)
    tight = adaptive(system, state, times, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(trajectory(system, state, 0.001, 2000, every=500), tight, rtol=0, atol=1e-6)


@schemes
@systems
def test_one_step_of_a_hundred_and_their_adjoints_are_transposes(system, scheme):
    """<M p, g> = <p, M^T g>: one step, and a hundred."""
    state = states_of(system, 4)
    p, g = draw(4, system.size, seed=1), draw(4, system.size, seed=2)
    for steps in (1, 100):
        states = trajectory(system, state, 0.01, steps, scheme=scheme)
        grown = tangent_trajectory(system, states, p, 0.01, scheme=scheme)[-1]
        forcing = torch.zeros_like(states)
        forcing[-1] = g
        back = adjoint_trajectory(system, states, forcing, 0.01, scheme=scheme)[0]
        left, right = (grown * g).sum(-1), (p * back).sum(-1)
        assert ((left - right).abs() / (grown.norm(dim=-1) * g.norm(dim=-1))).max() < 1e-12
        torch.testing.assert_close(left, right, rtol=1e-10, atol=0)


@schemes
@systems
def test_the_tangent_is_the_limit_of_finite_differences(system, scheme):
    state, p = states_of(system, 4), draw(4, system.size, seed=1)
    states = trajectory(system, state, 0.01, 50, scheme=scheme)
    tangent = tangent_trajectory(system, states, p, 0.01, scheme=scheme)
    errors = []
    for size in (1e-2, 1e-3):
        ahead, behind = (trajectory(system, state + sign * size * p, 0.01, 50, scheme=scheme) for sign in (1, -1))
        errors.append(((ahead - behind) / (2 * size) - tangent).norm().item())
    assert errors[0] < 1e-3 * tangent.norm()
    assert errors[0] / errors[1] == pytest.approx(100, rel=0.05)  # central differences: the error is of second order


@schemes
@systems
def test_the_adjoint_gives_the_gradients_of_autograd(system, scheme):
    """Of a sum of squared misfits at all times, with respect to increments at all times."""
    start, wanted = states_of(system, 3), draw(21, 3, system.size, seed=3)
    increments = torch.zeros_like(wanted, requires_grad=True)
    states = [start + increments[0]]
    for increment in increments[1:]:
        states.append(scheme.step(system, states[-1], 0.01) + increment)
    states = torch.stack(states)
    (states - wanted).square().sum().div(2).backward()
    with torch.no_grad():
        gradients = adjoint_trajectory(system, states, states - wanted, 0.01, scheme=scheme)
    torch.testing.assert_close(gradients, increments.grad, rtol=1e-10, atol=1e-10)


@schemes
@systems
def test_jacobians(system, scheme):
    state = states_of(system, 2, 3)
    jacobians = scheme.jacobian(system, state, 0.05)
    assert jacobians.shape == (2, 3, system.size, system.size)
    wanted = torch.func.jacrev(lambda x: scheme.step(system, x, 0.05))(state[1, 2])
    torch.testing.assert_close(jacobians[1, 2], wanted)


def test_jacobians_with_a_parameter_for_each_state():
    rho = torch.tensor([20.0, 28.0, 40.0], dtype=torch.float64)
    state = states_of(Lorenz63(), 3)
    batch = RK4.jacobian(Lorenz63(rho=rho), state, 0.05)
    for one, r, x in zip(batch, rho.tolist(), state, strict=True):
        torch.testing.assert_close(one, RK4.jacobian(Lorenz63(rho=r), x, 0.05))


def eager(system, state, dt, steps, every, scheme):
    """The path of autograd."""
    return trajectory(system, state.clone().requires_grad_(), dt, steps, every, scheme).detach()


@schemes
@lorenz
@pytest.mark.parametrize("leading", [(), (1,), (3, 700)], ids=str)
def test_the_compiled_loop_is_the_path_of_autograd(system, scheme, leading):
    state = states_of(system, *leading)
    compiled = trajectory(system, state, 0.005, 20, 4, scheme)
    assert compiled.shape == (6, *leading, system.size)
    torch.testing.assert_close(compiled, eager(system, state, 0.005, 20, 4, scheme), rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(compiled[-1], advance(system, state, 0.005, 20, scheme), rtol=1e-12, atol=1e-12)
    single = trajectory(system, state.float(), 0.005, 20, 4, scheme)
    assert single.dtype == torch.float32
    torch.testing.assert_close(single, eager(system, state.float(), 0.005, 20, 4, scheme), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(single.double(), compiled, rtol=1e-3, atol=1e-3)


@lorenz
def test_a_batch_is_a_loop_whatever_its_layout(system):
    state = states_of(system, 5, 7).transpose(0, 1)  # not contiguous
    batch = trajectory(system, state, 0.01, 30)
    loop = torch.stack([torch.stack([trajectory(system, x, 0.01, 30) for x in row], 1) for row in state], 1)
    torch.testing.assert_close(batch, loop, rtol=1e-12, atol=1e-12)
    assert torch.equal(batch[0], state)
    assert trajectory(system, state[:0], 0.01, 30).shape == (31, 0, 5, system.size)
    assert torch.equal(advance(system, state, 0.01, 0), state)


@lorenz
def test_a_trajectory_that_explodes_says_so(system):
    state = 100 * states_of(system, 5)
    assert not advance(system, state, 0.5, 50, scheme=EULER).isfinite().any()


@lorenz
def test_every_way_of_asking_for_derivatives_gets_them(system):
    state, p = states_of(system, 3), draw(3, system.size, seed=1)
    tangent = tangent_trajectory(system, trajectory(system, state, 0.01, 10), p, 0.01)[-1]

    def end(x):
        return advance(system, x, 0.01, 10)

    torch.testing.assert_close(torch.func.jvp(end, (state,), (p,))[1], tangent)
    torch.testing.assert_close(torch.func.vmap(end)(state), end(state))
    with forward_ad.dual_level():
        dual = forward_ad.unpack_dual(end(forward_ad.make_dual(state, p)))
    torch.testing.assert_close(dual.tangent, tangent)
    gradient = torch.func.grad(lambda x: (end(x) * p).sum())(state)
    leaf = state.clone().requires_grad_()
    (end(leaf) * p).sum().backward()
    torch.testing.assert_close(gradient, leaf.grad)


def test_a_network_learns_through_the_integrator():
    """A step of descent on the loss of a roll-out lowers it."""
    truth = trajectory(Lorenz63(), states_of(Lorenz63(), 20), 0.01, 5) / 10
    torch.manual_seed(0)
    network = Learned(3)
    optimizer = torch.optim.SGD(network.parameters(), lr=1e-2)
    losses = []
    for _ in range(2):
        loss = (trajectory(network, truth[0], 0.01, 5) - truth).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[1] < losses[0]


def test_adaptive_is_solve_ivp_to_the_last_bit():
    """At the default tolerances, with a first step: another recipe's trajectory can be made again."""

    def slope(t, s):
        return np.array([10.0 * (s[1] - s[0]), s[0] * (28.0 - s[2]) - s[1], s[0] * s[1] - 8 / 3 * s[2]])

    start, times = np.array([8.0, 0.0, 30.0]), np.arange(0, 20, 0.01)
    options = {"method": "RK45", "first_step": 0.01, "rtol": 1e-3, "atol": 1e-6}
    wanted = solve_ivp(slope, (times[0], times[-1]), start, t_eval=times, **options).y.T
    ours = adaptive(Lorenz63(), torch.from_numpy(start), times, **options)
    np.testing.assert_array_equal(ours.numpy(), wanted)


def test_adaptive_batches_are_loops_and_tolerances_count():
    system, state = Lorenz63(), states_of(Lorenz63(), 2, 2)
    times = [0.0, 0.3, 1.0]
    batch = adaptive(system, state, times)
    assert torch.equal(batch[0], state)
    loop = torch.stack([torch.stack([adaptive(system, x, times) for x in row], 1) for row in state], 1)
    assert torch.equal(batch, loop)
    loose = adaptive(system, state, times, rtol=1e-3, atol=1e-3)
    assert 1e-5 < (loose - batch).abs().max() < 1
    single = adaptive(system, state.float(), times, rtol=1e-4, atol=1e-4)
    assert single.dtype == torch.float32


def test_what_cannot_be_integrated_is_said():
    system = Lorenz63()
    with pytest.raises(ValueError, match=r"are \(\.\.\., 3\), not \(5, 4\)"):
        trajectory(system, torch.zeros(5, 4), 0.01, 3)
    with pytest.raises(ValueError, match="floating point"):
        advance(system, torch.zeros(3, dtype=torch.int64), 0.01)
    with pytest.raises(ValueError, match="a divisor of 10"):
        trajectory(system, torch.zeros(3), 0.01, 10, every=4)
    with pytest.raises(ValueError, match="negative"):
        advance(system, torch.zeros(3), 0.01, -1)
    with pytest.raises(ValueError, match="must increase"):
        adaptive(system, torch.zeros(3), [0.0, 2.0, 1.0])
    with pytest.raises(ValueError, match="out of reach"):
        adaptive(system, torch.zeros(3), [0.0, 1.0])
    with pytest.raises(ArithmeticError, match="stopped at t ="):
        adaptive(Explosion(), torch.ones(1, dtype=torch.float64), [0.0, 0.5, 2.0])
