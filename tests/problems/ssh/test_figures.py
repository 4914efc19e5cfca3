"""Figures of sea surface height are written, show something, and say what they show."""

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure
from PIL import Image

from dlgd.plotting import style
from dlgd.problems.ssh import figures as draw
from dlgd.problems.ssh.scores.maps import maps_of, observed_on
from tests.problems.ssh.scores.samples_made import evaluation, guess, made


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(style, "DPI", 50)  # to be quick
    monkeypatch.setattr(draw, "ANIMATION_DPI", 30)
    monkeypatch.setattr(draw, "FRAMES", 3)


def predictions(samples, count=2):
    return {f"method {number}": guess(samples, 0.02 * (number + 1), number) for number in range(count)}


def shows_something(path):
    pixels = image.imread(path)
    return len(np.unique(pixels @ np.array([1.0, 10.0, 100.0, 0.0]))) > 50


@pytest.mark.parametrize(("land", "count"), [(False, 2), (True, 1)])
def test_every_figure_is_written_and_shows_something(tmp_path, land, count):
    samples = made(land)
    evaluation().figures(tmp_path, samples, predictions(samples, count))
    written = sorted(path.name for path in tmp_path.iterdir())
    assert written == ["maps.png", "rmse.png", *([] if land else ["spectra.png"]), "vorticity.png"]
    assert all(shows_something(path) for path in tmp_path.iterdir())


def test_a_second_input_is_drawn_beside_the_heights(tmp_path):
    samples = made()
    sst = np.where(samples.observations.notnull(), np.nan, 15 + 10 * samples.observations.fillna(0.1))
    samples = samples.assign(sst=(samples.observations.dims, sst))
    evaluation().figures(tmp_path, samples, predictions(samples, 1))
    assert shows_something(tmp_path / "sst.png")


def test_few_of_many_methods_have_a_panel():
    samples = made()
    shown = {f"method {number}": one for number in range(7) for one in [days_of(samples, 0)["method 0"]]}
    assert len(draw.height_maps(shown, observed_on(samples)[:1]).axes) == 2 * (draw.PANELS + 1) + 2  # and colour bars
    assert len(draw.vorticity_maps(shown).axes) == draw.PANELS + 1 + 1


def test_no_method_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no prediction"):
        evaluation().figures(tmp_path, made(), {})


def test_an_animation_moves(tmp_path):
    samples = made(land=True)
    evaluation(animation=True).figures(tmp_path, samples, predictions(samples))
    with Image.open(tmp_path / "animation.gif") as moving:
        assert moving.n_frames == 3
        frames = []
        for number in range(3):
            moving.seek(number)
            frames.append(np.asarray(moving.convert("RGB")))
    assert (frames[0] != frames[1]).any()
    assert (frames[1] != frames[2]).any()


def days_of(samples, day):
    return {name: maps_of(samples, each).on(slice(day, day + 1)) for name, each in predictions(samples).items()}


def test_maps_share_symmetric_scales_and_leave_land_out():
    samples = made(land=True)
    figure = draw.height_maps(days_of(samples, 4), observed_on(samples)[4:5])
    titles = [axes.get_title() for axes in figure.axes[:6]]
    assert titles == ["truth", "method 0", "method 1", "observations", "error of method 0", "error of method 1"]
    images = [axes.images[0] for axes in figure.axes[:6]]
    heights, errors = images[:4], images[4:]
    assert len({each.get_clim() for each in heights}) == len({each.get_clim() for each in errors}) == 1
    assert errors[0].norm.vmin == -errors[0].norm.vmax
    assert np.mean(heights[0].get_clim()) == pytest.approx(np.nanmean(samples.ssh.values[4]))
    np.testing.assert_array_equal(np.ma.getmaskarray(heights[1].get_array()), np.isnan(samples.ssh.values[0]))
    np.testing.assert_allclose(heights[0].get_array().filled(np.nan), samples.ssh.values[4])
    labels = {axes.get_ylabel() for axes in figure.axes}
    assert {"sea surface height (m)", "error (m)"} <= labels


def test_vorticity_has_a_symmetric_scale():
    figure = draw.vorticity_maps(days_of(made(), 0))
    limits = {axes.images[0].get_clim() for axes in figure.axes[:3]}
    assert len(limits) == 1
    low, high = limits.pop()
    assert low == -high
    assert "relative vorticity / f" in {axes.get_ylabel() for axes in figure.axes}


def test_gaps_between_days_are_gaps_in_lines():
    time = np.datetime64("2012-10-22", "ns") + np.array([0, 1, 2, 7, 8]) * np.timedelta64(1, "D")
    (axes,) = draw.rmse_in_time(time, {"method": np.full(5, 0.02)}).axes
    np.testing.assert_allclose(axes.lines[0].get_ydata(), [2, 2, 2, np.nan, 2, 2])
    assert axes.get_ylabel() == "RMSE of the day (cm)"


def test_predicted_standard_deviations_are_held_against_errors(tmp_path):
    """Errors of which each has its own standard deviation lie on the line; twice as large ones do not."""
    rng = np.random.default_rng(0)
    stds = rng.uniform(0.01, 0.05, 300_000)
    errors = rng.normal(0, stds)
    figure = draw.calibration({"right": (errors, stds), "timid": (errors, 2 * stds)})
    left, right = figure.axes
    x, y = right.lines[0].get_data()
    np.testing.assert_allclose(y, x, rtol=0.05)
    x, y = right.lines[1].get_data()
    np.testing.assert_allclose(y, x / 2, rtol=0.05)
    across, density = left.lines[1].get_data()
    np.testing.assert_allclose(density, np.exp(-(across**2) / 2) / np.sqrt(2 * np.pi), atol=0.03)
    assert "right: 68 % within 1 std" in left.get_legend_handles_labels()[1]
    samples = made(land=True)
    stds = {"method 1": np.full(samples.ssh.shape, 0.04)}
    evaluation().error_std_figures(tmp_path, samples, predictions(samples), stds)
    assert shows_something(tmp_path / "error_std.png")


def test_only_days_of_which_a_method_expects_errors_are_held_against_them(tmp_path, monkeypatch):
    """Nor days whose truth is unknown."""
    samples, drawn = made(), {}
    monkeypatch.setattr(draw, "calibration", lambda pairs: drawn.update(pairs) or Figure())
    answers = predictions(samples)
    samples["ssh"][3] = np.nan
    stds = {name: np.full(samples.ssh.shape, np.nan) for name in answers}
    few, unknown = stds
    stds[few][[1, 3, 5]] = 0.04
    stds[unknown][3] = 0.04
    evaluation().error_std_figures(tmp_path, samples, answers, stds)
    assert list(drawn) == [few]
    errors, spread = drawn[few]
    np.testing.assert_allclose(errors, (answers[few] - samples.ssh.values)[[1, 5]].ravel())
    assert set(spread.ravel()) == {0.04}


@pytest.mark.parametrize(("value", "letters", "text"), [(-60.5, "EW", "60.5°W"), (300, "EW", "60°W"), (0, "NS", "0°")])
def test_degrees(value, letters, text):
    assert draw._degrees(value, None, letters=letters) == text
