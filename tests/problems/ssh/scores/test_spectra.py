"""Spectra over time and longitude against sums written out; wavelengths down to which made fields are resolved."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from dlgd.problems.ssh.scores.spectra import FEWEST, Spectra, resolved_down_to, spectra

DAYS, ROWS, COLUMNS = 128, 12, 256
LAT, LON = np.linspace(33, 43, ROWS), -70 + 0.1 * np.arange(COLUMNS)
TIME = np.datetime64("2012-10-01T12", "ns") + np.arange(DAYS) * np.timedelta64(1, "D")
PLACE = {"time": TIME, "lat": LAT, "lon": LON}


def white(seed=0, shape=(DAYS, ROWS, COLUMNS)):
    return np.random.default_rng(seed).normal(0.3, 0.2, shape)


def filtered(field, gain, axis, spacing):
    """The field, each wave of which is multiplied by gain(wavenumber)."""
    shape = [1, 1, 1]
    shape[axis] = -1
    wavenumber = np.abs(np.fft.fftfreq(field.shape[axis], spacing))
    return np.fft.ifft(np.fft.fft(field, axis=axis) * gain(wavenumber).reshape(shape), axis=axis).real


def test_a_psd_agrees_with_sums_written_out():
    days, rows, columns, step, width = 9, 3, 10, 1.0, 0.25
    truth, error = white(1, (days, rows, columns)), white(2, (days, rows, columns))
    found = spectra(truth, error, time=TIME[:days], lat=LAT[:rows], lon=width * np.arange(columns))
    np.testing.assert_allclose(found.frequency, np.arange(1, 5) / 9)
    np.testing.assert_allclose(found.wavenumber, np.arange(1, 5) / 2.5)
    for field, psd in ((truth, found.truth), (error, found.error)):
        for p, q in np.ndindex(psd.shape):
            total = 0.0
            for row in range(rows):
                mean, wave = field[:, row].mean(), 0j
                for t, x in np.ndindex(days, columns):
                    window = np.sin(np.pi * t / days) ** 2 * np.sin(np.pi * x / columns) ** 2
                    phase = 2 * np.pi * ((p + 1) * t / days + (q + 1) * x / columns)
                    wave += window * (field[t, row, x] - mean) * np.exp(-1j * phase)
                total += abs(wave) ** 2
            assert psd[p, q] == pytest.approx(total / rows * step * width / (days * columns))
    np.testing.assert_allclose(found.score, 1 - found.error / found.truth)


def test_a_degree_of_longitude_shrinks_with_latitude():
    found = spectra(white(), white(1), **PLACE)
    assert found.km_per_degree == pytest.approx(111.19 * np.cos(np.deg2rad(38)), rel=1e-4)


@pytest.mark.parametrize("wavelength", [0.71, 1.3])
def test_an_error_that_grows_with_the_wavenumber_gives_the_wavelength_where_it_is_half_the_signal(wavelength):
    """PSD(error) / PSD(truth) = (wavelength k)^2 / 2 at all periods; to 2 %, by either rule."""
    truth = white()
    found = spectra(truth, filtered(truth - 0.3, lambda k: k * wavelength / 2**0.5, 2, 0.1), **PLACE)
    in_space, in_time = found.minima()
    assert in_space == pytest.approx(wavelength, rel=0.02)
    assert in_time == pytest.approx(1 / found.frequency[-1], rel=0.02)
    assert found.crossings()[0] == pytest.approx(wavelength, rel=0.02)


@pytest.mark.parametrize("period", [4.3, 9.0])
def test_the_same_in_time(period):
    truth = white()
    found = spectra(truth, filtered(truth - 0.3, lambda k: k * period / 2**0.5, 0, 1.0), **PLACE)
    assert found.minima()[1] == pytest.approx(period, rel=0.02)
    assert found.crossings()[1] == pytest.approx(period, rel=0.02)


def test_what_lacks_all_shorter_waves_is_resolved_down_to_the_first_that_it_lacks():
    """The error is the signal below a wavelength, and nothing above."""
    wave, period = 20.5 / 25.6, 25.5 / 128
    truth = white()
    found = spectra(truth, filtered(truth, lambda k: k > wave, 2, 0.1), **PLACE)
    assert found.crossings()[0] == pytest.approx(1 / wave, rel=0.02)
    assert found.minima()[0] == pytest.approx(1 / wave, rel=0.02)
    found = spectra(truth, filtered(truth, lambda k: k > period, 0, 1.0), **PLACE)
    assert found.crossings()[1] == pytest.approx(1 / period, rel=0.02)
    assert found.minima()[1] == pytest.approx(1 / period, rel=0.02)


def test_the_crossing_does_not_mind_what_is_resolved_by_chance_among_shorter_waves():
    truth = white()
    usual = filtered(truth, lambda k: k > 0.8, 2, 0.1)
    lucky = filtered(truth, lambda k: (k > 0.8) & ~((k > 3) & (k < 3.5)), 2, 0.1)
    first, second = (spectra(truth, error, **PLACE) for error in (usual, lucky))
    assert len(second.contour()) > len(first.contour())
    assert second.crossings()[0] == pytest.approx(first.crossings()[0], rel=1e-3)


def test_the_contour_is_that_which_matplotlib_draws():
    truth = white()
    found = spectra(truth, filtered(truth, lambda k: k / 2, 2, 0.1) + 0.1 * white(1), **PLACE)
    drawn = Figure().subplots().contour(1 / found.wavenumber, 1 / found.frequency, found.score, [0.5])
    assert len(drawn.allsegs[0]) == len(found.contour())
    np.testing.assert_allclose(drawn.allsegs[0][0], found.contour()[0], rtol=1e-12)
    assert found.minima() == pytest.approx(drawn.allsegs[0][0].min(axis=0))


def test_nothing_resolved_has_no_wavelength_and_everything_the_shortest():
    truth = white()
    nothing = spectra(truth, truth, **PLACE)
    assert nothing.minima() is None
    assert nothing.crossings() == (None, None)
    everything = spectra(truth, 0 * truth, **PLACE)
    shortest = (1 / everything.wavenumber[-1], 1 / everything.frequency[-1])
    assert everything.minima() == everything.crossings() == shortest


def test_a_crossing_by_hand():
    wavenumber = np.array([1.0, 2.0, 3.0, 4.0])
    assert resolved_down_to(wavenumber, np.array([0.9, 0.7, 0.3, 0.8])) == pytest.approx(1 / 2.5)
    assert resolved_down_to(wavenumber, np.array([0.4, 0.7, 0.3, 0.8])) is None
    assert resolved_down_to(wavenumber, np.array([0.9, 0.7, 0.6, 0.8])) == 0.25
    assert resolved_down_to(wavenumber, np.array([0.9, 0.5, 0.6, 0.8])) == pytest.approx(0.5)


def test_marginal_scores_are_of_summed_spectra():
    truth, error = np.array([[4.0, 1.0], [2.0, 1.0]]), np.array([[1.0, 1.0], [1.0, 0.1]])
    found = Spectra(np.array([0.1, 0.2]), np.array([1.0, 2.0]), truth, error, 100.0)
    # in space 1 - 2/6 and 1 - 1.1/2; in time 1 - 2/5 and 1 - 1.1/3
    space = (2 / 3 - 0.5) / (2 / 3 - 0.45)
    assert found.crossings() == (pytest.approx(1 / (1 + space)), 5.0)


def test_what_has_no_spectrum_is_refused(monkeypatch):
    truth, error = white(), white(1)
    torn = error.copy()
    torn[3, 2, 1] = np.nan
    with pytest.raises(ValueError, match=r"prediction is not finite in 1 of the 393216 values .* 1 of 3072 cells"):
        spectra(truth, torn, **PLACE)
    torn = truth.copy()
    torn[:, 2, 1] = np.nan
    with pytest.raises(ValueError, match="truth is not finite in 128"):
        spectra(torn, error, **PLACE)
    few = FEWEST - 1
    with pytest.raises(ValueError, match="needs 8 days or more, and these are 7"):
        spectra(truth[:few], error[:few], time=TIME[:few], lat=LAT, lon=LON)
    kept = np.r_[0:20, 21:DAYS]
    with pytest.raises(ValueError, match="without a gap, and there is a gap after 2012-10-20"):
        spectra(truth[kept], error[kept], time=TIME[kept], lat=LAT, lon=LON)
    with pytest.raises(ValueError, match="8 longitudes or more, and these are 4"):
        spectra(truth[..., :4], error[..., :4], time=TIME, lat=LAT, lon=LON[:4])
    with pytest.raises(ValueError, match="evenly spaced"):
        spectra(truth, error, time=TIME, lat=LAT, lon=LON**3)
    with pytest.raises(ValueError, match="without any energy"):
        spectra(0 * truth, error, **PLACE)
