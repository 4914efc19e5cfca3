"""Scores of deep currents: waves of a periodic square are told apart by their length; answers that are known."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from dlgd.core.constants import KM_PER_DEGREE
from dlgd.core.errors import Refusal
from dlgd.problems.ssh.scores.deep_currents import DeepEvaluation
from dlgd.problems.ssh.scores.periodic_spectra import periodic_spectra, velocity

CELLS, SIZE, DAYS = 32, 640.0, 5
KM = SIZE / CELLS * np.arange(CELLS)


def wave(across: int, along: int, *, phase: float = 0.0) -> np.ndarray:
    """(y, x): so many waves west-east and south-north, of variance 1/2."""
    angle = 2 * np.pi / SIZE * (across * KM[None] + along * KM[:, None])
    return np.cos(angle + phase)


def samples_of(psi: np.ndarray) -> xr.Dataset:
    day = np.datetime64("2001-01-01T12", "ns") + np.arange(len(psi)) * np.timedelta64(1, "D")
    degrees = KM / KM_PER_DEGREE
    lat = 38 + degrees - degrees.mean()
    return xr.Dataset(
        {"ssh": (("day", "lat", "lon"), psi / 1e5), "psi_lower": (("sample", "lat", "lon"), psi)},
        {"day": day, "time": ("sample", day), "lat": lat, "lon": degrees / np.cos(np.deg2rad(38))},
        {"name": "deep_currents"},
    )


@pytest.fixture
def random() -> np.ndarray:
    maps = np.random.default_rng(0).standard_normal((DAYS, CELLS, CELLS))
    return 1e4 * (maps - maps.mean((1, 2), keepdims=True))


@pytest.mark.parametrize("cells", [16, 15])
def test_variances_and_covariances_are_those_of_the_maps(cells):
    first, second = np.random.default_rng(1).standard_normal((2, 3, cells, cells))
    first, second = (maps - maps.mean((1, 2), keepdims=True) for maps in (first, second))
    found = periodic_spectra(first, second, SIZE)
    assert found.truth.sum() == pytest.approx(first.var())
    assert found.predicted.sum() == pytest.approx(second.var())
    assert found.product.sum() == pytest.approx((first * second).mean())
    assert found.error.sum() == pytest.approx((first - second).var())
    assert found.correlation() == pytest.approx(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def test_a_wave_stands_at_its_length():
    found = periodic_spectra(wave(3, 4)[None], wave(3, 4, phase=0.5)[None], SIZE)
    assert found.wavelength[found.truth > 1e-9] == pytest.approx([SIZE / 5])
    assert found.correlations[4] == pytest.approx(np.cos(0.5))


def test_velocities_of_a_wave_and_of_any_map(random):
    k, m = 2 * np.pi / SIZE / 1000 * np.array([3, 2])
    u, v = velocity(1e4 * wave(3, 2), SIZE)
    sine = -1e4 * wave(3, 2, phase=-np.pi / 2)  # -sin
    np.testing.assert_allclose(u, -m * sine, atol=1e-9)
    np.testing.assert_allclose(v, k * sine, atol=1e-9)
    smooth = sum(random[0, i, j] * wave(i, j, phase=i + j) for i in range(3) for j in range(3))
    u, v = velocity(smooth, SIZE)
    spacing = 1000 * SIZE / CELLS
    x = (np.roll(smooth, -1, 1) - np.roll(smooth, 1, 1)) / 2 / spacing
    y = (np.roll(smooth, -1, 0) - np.roll(smooth, 1, 0)) / 2 / spacing
    np.testing.assert_allclose(v, x, atol=0.06 * x.std())
    np.testing.assert_allclose(u, -y, atol=0.06 * y.std())


def test_the_bands_hold_waves_of_their_length():
    """640 / 2 = 320 km, 640 / 4 = 160 km and 640 / 8 = 80 km; the one in the middle is wrong."""
    truth = np.stack([1e4 * (wave(2, 0) + wave(0, 4) + wave(8, 0))] * DAYS)
    predicted = np.stack([1e4 * (wave(2, 0) + wave(0, 4, phase=np.pi / 2) + 0.5 * wave(8, 0))] * DAYS)
    scores = DeepEvaluation().scores(samples_of(truth), predicted)
    assert scores["correlation_above_200_km"] == pytest.approx(1)
    assert scores["correlation_100_to_200_km"] == pytest.approx(0, abs=1e-9)
    assert scores["correlation_50_to_100_km"] == pytest.approx(1)
    assert 160 < scores["resolved_wavelength"] < 320
    assert scores["rmse"] == pytest.approx(1e4 * np.sqrt(1 + 0.25 / 2))
    assert scores["explained_variance"] == pytest.approx(1 - 1.125 / 1.5)


def test_known_answers(random):
    samples, evaluation = samples_of(random), DeepEvaluation()
    perfect = evaluation.scores(samples, random)
    assert perfect["rmse"] == perfect["rmse_u"] == 0
    assert perfect["correlation"] == pytest.approx(1)
    nothing = evaluation.scores(samples, 0 * random)
    assert set(nothing) == {"rmse", "explained_variance", "rmse_u"}, "nothing has no correlation"
    assert nothing["explained_variance"] == pytest.approx(0)
    u, v = velocity(random, SIZE)
    assert nothing["rmse_u"] == pytest.approx(np.sqrt((u**2 + v**2).mean()))
    half = evaluation.scores(samples, 0.5 * random)
    assert half["correlation"] == pytest.approx(1)
    assert half["resolved_wavelength"] == pytest.approx(SIZE / np.rint(np.hypot(16, 16)), rel=1e-6)


def test_refusals(random):
    samples, evaluation = samples_of(random), DeepEvaluation()
    with pytest.raises(Refusal, match="not finite in 5 values"):
        evaluation.scores(samples, np.where(np.arange(CELLS) + CELLS * np.arange(CELLS)[:, None] > 0, random, np.nan))
    with pytest.raises(Refusal, match="never changes"):
        evaluation.scores(samples_of(0 * random), random)
    with pytest.raises(Refusal, match="shape"):
        evaluation.scores(samples, random[:, 0])


def test_the_file_of_predictions(random, tmp_path):
    samples = samples_of(random)
    DeepEvaluation().dataset(samples, 2 * random).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as found:
        np.testing.assert_allclose(found.psi_lower, 2 * random, rtol=1e-6)
        np.testing.assert_allclose(found.psi_lower_truth, random, rtol=1e-6)
        np.testing.assert_allclose(found.u_lower, velocity(2 * random, SIZE)[0], atol=1e-6)
        assert found.psi_lower.attrs["units"] == "m2 s-1"
        assert found.v_lower.attrs["units"] == "m s-1"
        np.testing.assert_array_equal(found.time, samples.time)
    assert "psi_lower_truth" not in DeepEvaluation().dataset(samples.drop_vars("psi_lower"), random)


def test_figures(random, tmp_path):
    DeepEvaluation().figures(tmp_path, samples_of(random), {"half": 0.5 * random, "none": 0 * random})
    assert {file.name for file in tmp_path.iterdir()} == {"maps.png", "spectra.png"}
