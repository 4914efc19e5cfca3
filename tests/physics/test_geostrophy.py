"""Geostrophic velocity and vorticity against fields whose derivatives are known."""

import numpy as np
import pytest
import torch

from dlgd.core.constants import EARTH_RADIUS_M, EARTH_RATE, GRAVITY
from dlgd.physics.geostrophy import coriolis, velocity, vorticity

LAT, LON = np.linspace(33, 43, 101), np.linspace(-65, -55, 121)
PHI, LAM = np.deg2rad(LAT)[:, None], np.deg2rad(LON)
INNER = (slice(1, -1), slice(1, -1))


def test_the_coriolis_parameter():
    assert coriolis(np.array([30.0])) == pytest.approx(EARTH_RATE)
    assert coriolis(np.array([-90.0])) == pytest.approx(-2 * EARTH_RATE)
    assert np.isnan(coriolis(np.array([-2.0, 0.0, 2.9]))).all()


@pytest.mark.parametrize("hemisphere", [1, -1])
def test_a_wave_on_the_sphere(hemisphere):
    """eta = a sin(m lambda) cos(n phi), differentiated by hand; second order in the spacing, which is 0.1 degree."""
    lat, phi = (LAT, PHI) if hemisphere == 1 else (-LAT[::-1], -PHI[::-1])
    a, m, n = 0.3, 120.0, 90.0
    ssh = a * np.sin(m * LAM) * np.cos(n * phi)
    f = 2 * EARTH_RATE * np.sin(phi)
    u_true = GRAVITY / (f * EARTH_RADIUS_M) * a * n * np.sin(m * LAM) * np.sin(n * phi)
    v_true = GRAVITY / (f * EARTH_RADIUS_M * np.cos(phi)) * a * m * np.cos(m * LAM) * np.cos(n * phi)
    u, v = velocity(ssh, lat=lat, lon=LON)
    assert np.abs(u - u_true)[INNER].max() < 0.01 * np.abs(u_true).max()
    assert np.abs(v - v_true)[INNER].max() < 0.01 * np.abs(v_true).max()
    # d(u cos phi)/d phi, with u cos phi = c sin(n phi) cot(phi)
    c = GRAVITY * a * n * np.sin(m * LAM) / (2 * EARTH_RATE * EARTH_RADIUS_M)
    slope = c * (n * np.cos(n * phi) / np.tan(phi) - np.sin(n * phi) / np.sin(phi) ** 2)
    turning = -GRAVITY / (f * EARTH_RADIUS_M * np.cos(phi)) * a * m**2 * np.sin(m * LAM) * np.cos(n * phi)
    zeta_true = (turning - slope) / (EARTH_RADIUS_M * np.cos(phi)) / f
    zeta = vorticity(ssh, lat=lat, lon=LON)
    assert np.abs(zeta - zeta_true)[INNER].max() < 0.01 * np.abs(zeta_true).max()


def test_the_error_is_of_second_order():
    def error(cells):
        lat, lon = np.linspace(30, 40, cells), np.linspace(0, 10, cells)
        ssh = np.sin(90 * np.deg2rad(lon)) * np.ones((cells, 1))
        f = 2 * EARTH_RATE * np.sin(np.deg2rad(lat))[:, None]
        scale = GRAVITY / (f * EARTH_RADIUS_M * np.cos(np.deg2rad(lat))[:, None])
        v_true = scale * 90 * np.cos(90 * np.deg2rad(lon))
        return np.nanmax(np.abs(velocity(ssh, lat=lat, lon=lon)[1] - v_true))

    assert error(101) / error(201) == pytest.approx(4, rel=0.05)


def test_solid_rotation_has_the_vorticity_of_twice_its_rate():
    """eta = W Omega R^2 sin(phi)^2 / g gives u = -W R cos(phi), and so zeta = -2 W sin(phi) = -f W / Omega."""
    rate = 1e-6
    ssh = np.broadcast_to(rate * EARTH_RADIUS_M**2 * EARTH_RATE / GRAVITY * np.sin(PHI) ** 2, (len(LAT), len(LON)))
    u, v = velocity(ssh, lat=LAT, lon=LON)
    np.testing.assert_allclose(
        u[INNER], np.broadcast_to(-rate * EARTH_RADIUS_M * np.cos(PHI), u.shape)[INNER], rtol=1e-4
    )
    np.testing.assert_array_equal(v[INNER], 0)
    np.testing.assert_allclose(vorticity(ssh, lat=LAT, lon=LON)[INNER], -rate / EARTH_RATE, rtol=1e-4)


def test_land_spreads_to_its_neighbours_and_no_further():
    ssh = np.random.default_rng(0).normal(size=(2, 9, 11))
    ssh[:, 4, 5] = np.nan
    u, v = velocity(ssh, lat=LAT[:9], lon=LON[:11])
    zeta = vorticity(ssh, lat=LAT[:9], lon=LON[:11])
    boundary = np.ones((9, 11), bool)
    boundary[INNER] = False
    for field, beside in ((u, [(4, 5), (3, 5), (5, 5)]), (v, [(4, 5), (4, 4), (4, 6)])):
        expected = boundary.copy()
        for place in beside:
            expected[place] = True
        np.testing.assert_array_equal(np.isnan(field), np.broadcast_to(expected, field.shape))
    expected = boundary.copy()
    for place in ((4, 5), (3, 5), (5, 5), (4, 4), (4, 6)):
        expected[place] = True
    np.testing.assert_array_equal(np.isnan(zeta), np.broadcast_to(expected, zeta.shape))


def test_tensors_give_the_same_and_pass_gradients():
    ssh = np.random.default_rng(1).normal(size=(3, 12, 14))
    tensor = torch.tensor(ssh, requires_grad=True)
    place = {"lat": LAT[:12], "lon": LON[:14]}
    fields = [*velocity(tensor, **place), vorticity(tensor, **place)]
    for field, expected in zip(fields, [*velocity(ssh, **place), vorticity(ssh, **place)], strict=True):
        np.testing.assert_allclose(field.detach().numpy(), expected, rtol=1e-12)
    torch.stack(fields)[..., 1:-1, 1:-1].square().sum().backward()
    assert torch.isfinite(tensor.grad).all()
    assert vorticity(tensor.detach().float(), **place).dtype == torch.float32


def test_too_few_cells_are_refused():
    with pytest.raises(ValueError, match=r"not of shape \(2, 12\)"):
        velocity(np.zeros((2, 12)), lat=LAT[:2], lon=LON[:12])
    with pytest.raises(ValueError, match="with 12 latitudes and 14 longitudes"):
        vorticity(np.zeros((14, 12)), lat=LAT[:12], lon=LON[:14])
