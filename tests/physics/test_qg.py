"""Two-layer quasi-geostrophic flow against linear theory, definitions on the grid in NumPy, and conservation laws."""

import math

import numpy as np
import pytest
import torch

from dlgd.physics.qg import TwoLayerFlow

SIZE, RADIUS, BETA, DAY = 1.0e6, 4.0e4, 1.8e-11, 86400.0


def make(**options) -> TwoLayerFlow:
    settings = {"size": SIZE, "cells": 32, "deformation_radius": RADIUS, "depth_ratio": 0.25, "beta": BETA}
    return TwoLayerFlow(**settings | {"dtype": torch.float64} | options)


def turbulent(flow: TwoLayerFlow, **options) -> torch.Tensor:
    return flow.random_state(**{"speed": 0.5, "seed": 1, "wavelength": 2.5e5} | options)


def wave(flow: TwoLayerFlow, column: int, row: int, layers=(1.0, 1.0)) -> torch.Tensor:
    """The spectrum (2, n, m) of psi = layers * 1e-3 m2/s * cos(k x), one wave (column, row)."""
    psi = torch.zeros(2, flow.cells, flow.columns, dtype=torch.complex128)
    psi[:, row, column] = 0.5e-3 * flow.cells**2 * torch.tensor(layers, dtype=torch.complex128)
    return psi


def phase_matrix(flow: TwoLayerFlow, column: int, row: int, *, depth_ratio: float, drag: float) -> np.ndarray:
    """A of d(psi_1, psi_2)/dt = A (psi_1, psi_2) for one wave: the linear part of the equations in qg.py."""
    kx, ky = 2 * np.pi / SIZE * column, 2 * np.pi / SIZE * row
    k2, f1 = kx**2 + ky**2, 1 / (RADIUS**2 * (1 + depth_ratio))
    f2, (u1, u2) = depth_ratio * f1, flow.mean_flow
    q = np.array([[-(k2 + f1), f1], [f2, -(k2 + f2)]])
    gradient = np.diag([BETA + f1 * (u1 - u2), BETA - f2 * (u1 - u2)])
    slope = -1j * kx * (np.diag([u1, u2]) @ q + gradient) + np.diag([0, drag * k2])
    return np.linalg.solve(q, slope)


# --- linear theory -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("depth_ratio", "drag"), [(1.0, 0.0), (0.25, 0.0), (0.25, 1 / (7 * DAY))])
def test_unstable_waves_grow_as_the_eigenvalues_say(depth_ratio, drag):
    flow = make(cells=16, depth_ratio=depth_ratio, drag=drag, mean_flow=(0.25, 0.02))
    waves = [(2, 0), (2, 1), (3, 0), (3, 1), (3, -1)]
    eigenvalues = [np.linalg.eigvals(phase_matrix(flow, *w, depth_ratio=depth_ratio, drag=drag)) for w in waves]
    rates = np.array([values.real.max() for values in eigenvalues])
    assert (rates > 0.015 / DAY).all()
    frequencies = np.array([values[values.real.argmax()].imag for values in eigenvalues])

    state = flow.potential_vorticity(torch.stack([wave(flow, *w) for w in waves]) * 1e-6)
    places = (torch.arange(len(waves)), 0, torch.tensor([w[1] for w in waves]), torch.tensor([w[0] for w in waves]))
    state = flow.advance(state, 150 * DAY, 150 * 3)  # the other solution dies away
    before = state[places]
    after = flow.advance(state, 5 * DAY, 5 * 12)[places]
    grown = torch.log(after.abs() / before.abs()) / (5 * DAY)
    np.testing.assert_allclose(grown.numpy(), rates, rtol=1e-2)
    turned = np.angle(np.exp(-1j * frequencies * 5 * DAY) * (after / before).numpy())
    np.testing.assert_allclose(turned, 0, atol=0.02)


def test_growth_against_the_closed_form_for_equal_depths():
    """Vallis 2017, equation 9.101, of the phase speed where U_1 = -U_2 = U, with k_d^2 = 1 / L_d^2."""
    speed = 0.1
    flow = make(depth_ratio=1.0, mean_flow=(speed, -speed))
    kd2, kb2 = 1 / RADIUS**2, BETA / speed
    for column in (2, 3, 4):
        k2 = (2 * np.pi / SIZE * column) ** 2
        root = np.sqrt(complex(1 + 4 * k2**2 * (k2**2 - kd2**2) / (kb2**2 * kd2**2)))
        c = -BETA / (k2 + kd2) * (1 + kd2 / (2 * k2) * (1 + root))
        matrix = phase_matrix(flow, column, 0, depth_ratio=1.0, drag=0.0)
        rate = np.linalg.eigvals(matrix).real.max()
        np.testing.assert_allclose(rate, abs(c.imag) * np.sqrt(k2), rtol=1e-9, atol=1e-18)
        # and our equations are those of the matrix
        psi = wave(flow, column, 0, (1.0, 0.3 - 0.4j))
        slope = flow.streamfunction(flow.tendency(flow.potential_vorticity(psi)))
        np.testing.assert_allclose(slope[:, 0, column], matrix @ psi[:, 0, column].numpy(), rtol=1e-9)


@pytest.mark.parametrize(("column", "row"), [(1, 0), (2, 3), (3, -1)])
@pytest.mark.parametrize("mode", ["barotropic", "baroclinic"])
def test_a_plane_rossby_wave_travels_at_its_phase_speed(column, row, mode):
    """A solution of the full equations at any amplitude, without mean flow: c = -beta / (k^2 [+ 1 / L_d^2])."""
    flow = make(cells=16)
    # the baroclinic mode carries no transport: H_1 psi_1 + H_2 psi_2 = 0
    layers, stretching = {"barotropic": ((1.0, 1.0), 0.0), "baroclinic": ((1.0, -0.25), RADIUS**-2)}[mode]
    state = flow.potential_vorticity(3e7 * wave(flow, column, row, layers))  # 3e4 m2/s, about 1 m/s
    days = 10
    later = flow.advance(state, days * DAY, days * 12)
    k = 2 * np.pi / SIZE * np.array([column, row])
    turned = BETA * k[0] / (k @ k + stretching) * days * DAY  # psi goes as exp(i (k x - omega t)), omega < 0
    np.testing.assert_allclose(later, state * np.exp(1j * turned), rtol=0, atol=1e-6 * state.abs().max())


# --- definitions ---------------------------------------------------------------------------------------------------


def test_the_tendency_is_that_of_the_equations_on_a_finer_grid():
    """J(psi, q) from derivatives on a grid twice as fine, by NumPy; nothing of it is aliased there."""
    flow = make(cells=24, mean_flow=(0.2, 0.05), drag=1e-6)
    state = turbulent(flow)
    psi, n, fine = flow.streamfunction(state), 24, 48
    kx = 2 * np.pi / SIZE * np.arange(flow.columns)[None]
    ky = 2 * np.pi / SIZE * np.fft.fftfreq(n, 1 / n)[:, None]

    def on_grid(spectrum):
        wide = np.zeros((fine, fine // 2 + 1), complex)
        wide[np.ix_(np.fft.fftfreq(n, 1 / n).astype(int), range(flow.columns))] = spectrum * (fine / n) ** 2
        return np.fft.irfft2(wide)

    f1 = 1 / (RADIUS**2 * 1.25)
    f2 = 0.25 * f1
    kept = (kx**2 + ky**2 > 0) & (kx**2 + ky**2 <= (flow.largest_wavenumber * 1.0001) ** 2)
    tendency = flow.tendency(state)
    for layer, mean, gradient in ((0, 0.2, BETA + f1 * 0.15), (1, 0.05, BETA - f2 * 0.15)):
        p, q = psi[layer].numpy(), state[layer].numpy()
        u, v = on_grid(-1j * ky * p), on_grid(1j * kx * p)
        slope = -(u + mean) * on_grid(1j * kx * q) - v * (on_grid(1j * ky * q) + gradient)
        slope -= layer * 1e-6 * on_grid(-(kx**2 + ky**2) * p)
        expected = np.fft.rfft2(slope)[np.ix_(np.fft.fftfreq(n, 1 / n).astype(int), range(flow.columns))] / 4 * kept
        np.testing.assert_allclose(tendency[layer], expected, rtol=0, atol=1e-11 * np.abs(expected).max())


def test_potential_vorticity_and_energy_by_derivatives_on_the_grid():
    flow = make(cells=48, depth_ratio=0.4)
    state = turbulent(flow)
    psi, q, step = flow.streamfunction(state), flow.maps(state), 2 * np.pi / SIZE
    torch.testing.assert_close(flow.potential_vorticity(psi), state)
    one, two = flow.maps(psi).numpy()
    k = step * np.fft.fftfreq(48, 1 / 48)

    def d(field, axis):
        return np.fft.ifft2(1j * (k[:, None] if axis == 0 else k[None]) * np.fft.fft2(field)).real

    f1, f2, h1, h2 = RADIUS**-2 / 1.4, RADIUS**-2 * 0.4 / 1.4, 0.4 / 1.4, 1 / 1.4
    for mine, other, f, found in ((one, two, f1, q[0]), (two, one, f2, q[1])):
        expected = d(d(mine, 0), 0) + d(d(mine, 1), 1) + f * (other - mine)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10 * np.abs(expected).max())
    kinetic = [(d(layer, 0) ** 2 + d(layer, 1) ** 2).mean() for layer in (one, two)]
    energy = 0.5 * (h1 * kinetic[0] + h2 * kinetic[1] + h1 * f1 * ((one - two) ** 2).mean())
    assert float(flow.energy(state)) == pytest.approx(energy, rel=1e-10)
    enstrophy = 0.5 * (h1 * (q[0] ** 2).mean() + h2 * (q[1] ** 2).mean())
    assert float(flow.potential_enstrophy(state)) == pytest.approx(float(enstrophy), rel=1e-10)
    np.testing.assert_allclose(flow.rms_speed(state), np.sqrt(kinetic), rtol=1e-10)
    assert float(flow.rms_speed(state).max()) == pytest.approx(0.5, rel=1e-10)
    velocity = flow.velocity(state).numpy()
    for found, expected in zip(velocity, (-d(one, 0), -d(two, 0), d(one, 1), d(two, 1)), strict=True):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-10)


# --- in time -------------------------------------------------------------------------------------------------------


def test_energy_and_potential_enstrophy_are_conserved():
    flow = make(cells=48)
    start = turbulent(flow)
    steps = 4 * flow.steps(start, 10 * DAY)
    end = flow.advance(start, 10 * DAY, steps)
    assert float((end - start).abs().max() / start.abs().max()) > 0.5  # it has moved
    for conserved in (flow.energy, flow.potential_enstrophy):
        assert float(conserved(end)) == pytest.approx(float(conserved(start)), rel=1e-6)
    # steps in time aside they are conserved to rounding: neither changes at first order along dq/dt
    along = flow.tendency(start) * DAY
    for conserved in (flow.energy, flow.potential_enstrophy):
        change = (conserved(start + along) - conserved(start - along)) / 2
        assert abs(float(change)) < 1e-11 * float(conserved(start))


def test_the_error_of_a_step_is_of_fourth_order():
    flow = make(mean_flow=(0.2, 0.0), drag=1e-6)
    start = turbulent(flow)
    ends = [flow.advance(start, DAY, steps) for steps in (8, 16, 256)]
    errors = [float((end - ends[2]).abs().max()) for end in ends[:2]]
    assert 12 < errors[0] / errors[1] < 20


def test_dissipation_of_a_single_wave_is_exact_at_any_step():
    flow = make(beta=0.0, dissipation=1 / DAY)
    state = flow.potential_vorticity(wave(flow, 0, 8))
    for steps in (1, 7):
        decay = flow.advance(state, 3 * DAY, steps)[:, 8, 0] / state[:, 8, 0]
        np.testing.assert_allclose(decay, np.exp(-3 * (8 / 10) ** 8), rtol=1e-12)  # 10 is the largest kept of 32 points


def test_drag_slows_the_lower_layer_only():
    flow = make(beta=0.0, drag=1 / DAY, deformation_radius=1e9)  # layers without coupling
    state = flow.potential_vorticity(wave(flow, 2, 1))
    decay = (flow.advance(state, DAY, 20) / state)[:, 1, 2].real
    np.testing.assert_allclose(decay, [1, math.exp(-1)], rtol=1e-4)


def test_steps_follow_the_fastest_sea():
    flow = make(mean_flow=(0.3, 0.0))
    calm, fast = turbulent(flow, speed=1e-9), turbulent(flow, speed=2.0)
    number = DAY * 0.3 * flow.largest_wavenumber / 2.0
    assert flow.steps(calm, DAY) == math.ceil(number)
    assert flow.steps(torch.stack((calm, fast)), DAY) == flow.steps(fast, DAY) > 5 * number
    with pytest.raises(ArithmeticError, match="raise the drag or the dissipation"):
        flow.steps(torch.full_like(calm, torch.nan), DAY)


def test_the_largest_wavenumber_is_two_thirds_of_the_grids():
    for cells, kept in ((30, 9), (31, 10), (32, 10), (128, 42)):
        flow = make(cells=cells)
        assert flow.columns - 1 == kept
        assert 3 * kept < cells  # a product's alias never falls on a kept wave
        moved = flow.tendency(turbulent(flow))
        row = torch.fft.fftfreq(cells, 1 / cells)[:, None]
        assert not moved[:, (row**2 + torch.arange(kept + 1) ** 2) > kept**2 + 1e-6].any()


# --- many seas, precision, seeds -----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_many_seas_are_each_as_alone(dtype):
    flow = make(mean_flow=(0.2, 0.0), drag=1e-6, dissipation=1e-4, dtype=dtype)
    seas = turbulent(flow, count=(2, 3))
    assert seas.shape == (2, 3, 2, 32, 11)
    together = flow.advance(seas, 2 * DAY, 20)
    for i, j in ((0, 0), (1, 2)):
        alone = flow.advance(seas[i, j], 2 * DAY, 20)
        tolerance = (1e-5 if dtype == torch.float32 else 1e-13) * float(alone.abs().max())
        torch.testing.assert_close(together[i, j], alone, rtol=0, atol=tolerance)
    assert flow.energy(together).shape == (2, 3)


def test_same_seed_same_sea():
    flow, single = make(), make(dtype=torch.float32)
    assert torch.equal(turbulent(flow), turbulent(flow))
    assert not torch.allclose(turbulent(flow), turbulent(flow, seed=2))
    start = turbulent(single)
    assert torch.equal(single.advance(start, DAY, 9), single.advance(start, DAY, 9))
    end = single.advance(start, DAY, 9)
    assert end.dtype == torch.complex64
    exact = flow.advance(turbulent(flow), DAY, 9)
    assert float((end - exact).abs().max()) < 1e-5 * float(exact.abs().max())


@pytest.mark.gpu
def test_the_same_on_a_gpu():
    flow, there = make(cells=64), make(cells=64, device="cuda")
    end = there.advance(turbulent(there), DAY, 12)
    assert end.is_cuda
    torch.testing.assert_close(end.cpu(), flow.advance(turbulent(flow), DAY, 12), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("options", [{"cells": 4}, {"size": 0.0}, {"depth_ratio": -1.0}, {"drag": -1e-6}])
def test_what_cannot_be_is_refused(options):
    with pytest.raises(ValueError, match="take 8 points at least, positive lengths and depths"):
        make(**options)
