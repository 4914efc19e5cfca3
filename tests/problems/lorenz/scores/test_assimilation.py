"""Scores of estimated trajectories against loops; figures of few variables and of many."""

import numpy as np
import pytest
import xarray as xr
from matplotlib import image

from dlgd.core.errors import Refusal
from dlgd.plotting import style
from dlgd.problems.lorenz.scores.assimilation import AssimilationEvaluation

STEPS = 50


def windows(count=5, names=("x", "y", "z"), burn_in=0.0):
    """Waves of which every sixth step of the first variable is seen, none within 10 steps of an edge."""
    rng = np.random.default_rng(0)
    time = 0.01 * np.arange(STEPS)
    phase = rng.uniform(0, 6, (count, 1, len(names)))
    truth = 10 * np.sin(8 * time[:, None] + phase) + np.arange(len(names))
    seen = np.zeros(truth.shape, bool)
    seen[:, 12:40:6, 0] = True
    noisy = truth + rng.normal(0, 1, truth.shape)
    dims = ("sample", "time", "variable")
    variables = {"state": (dims, truth), "observations": (dims, np.where(seen, noisy, np.nan))}
    attributes = {"system": "lorenz63", "dt": 0.01, "noise_variance": 1.0, "burn_in": burn_in}
    return xr.Dataset(variables, {"time": time, "variable": list(names)}, attributes)


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(style, "DPI", 50)  # to be quick


@pytest.fixture
def samples():
    return windows()


@pytest.fixture
def prediction(samples):
    return samples.state.values + np.random.default_rng(1).normal(0, 0.5, samples.state.shape)


def by_loops(samples, prediction, first=0):
    """Every score, value by value."""
    truth, seen = samples.state.values, np.isfinite(samples.observations.values)
    lists = {name: [] for name in ("mse", "mse_observed", "mse_hidden", "mse_core", "mse_of_x", "mse_of_y", "mse_of_z")}
    for sample, step, variable in np.ndindex(truth.shape):
        square = (truth[sample, step, variable] - prediction[sample, step, variable]) ** 2
        if step < first:
            continue
        lists["mse"].append(square)
        lists["mse_observed" if seen[sample, step, variable] else "mse_hidden"].append(square)
        lists[f"mse_of_{'xyz'[variable]}"].append(square)
        if 10 <= step < STEPS - 10:
            lists["mse_core"].append(square)
    scores = {name: np.mean(values) for name, values in lists.items()}
    departures = [
        (truth[sample, step, variable] - np.mean(truth[:, step, variable])) ** 2
        for sample, step, variable in np.ndindex(truth.shape)
        if step >= first
    ]
    scores["nmse"] = scores["mse"] / np.mean(departures)
    scores["nmse_variance"] = scores["mse"] / np.mean([np.var(truth[:, first:, i]) for i in range(3)])
    means = []
    for sample in range(len(truth)):
        times = [step for step in range(first, STEPS) if seen[sample, step].any()]
        roots = [np.sqrt(np.mean((truth[sample, t] - prediction[sample, t]) ** 2)) for t in times]
        means.append(np.mean(roots))
    return scores | {"rmse_a": np.mean(means)}


def test_scores_agree_with_loops(samples, prediction):
    scores = AssimilationEvaluation().scores(samples, prediction)
    expected = by_loops(samples, prediction)
    assert set(scores) == set(expected)
    assert set(scores) == {score.name for score in AssimilationEvaluation.all_scores if score.in_validation}
    assert scores == pytest.approx(expected)
    assert all(type(value) is float for value in scores.values())


def test_what_burns_in_does_not_count(prediction):
    samples = windows(burn_in=0.15)
    prediction[:, :15] = 1e6
    assert AssimilationEvaluation().scores(samples, prediction) == pytest.approx(
        by_loops(samples, prediction, first=15)
    )


def test_the_courses_normaliser_is_that_of_the_mean_window(samples):
    """The mean window itself has an nmse of 1, whatever it does in time."""
    mean = np.broadcast_to(samples.state.values.mean(axis=0), samples.state.shape)
    assert AssimilationEvaluation().scores(samples, mean)["nmse"] == pytest.approx(1)
    flat = np.broadcast_to(samples.state.values.mean(axis=(0, 1)), samples.state.shape)
    assert AssimilationEvaluation().scores(samples, flat)["nmse_variance"] == pytest.approx(1)


def test_a_filter_is_scored_at_times_with_observations_of_any_window(samples, prediction):
    """A window without observations has no analysis, and counts for nothing."""
    blind = samples.copy(deep=True)
    blind["observations"][2] = np.nan
    others = [0, 1, 3, 4]
    scores = AssimilationEvaluation().scores(blind, prediction)
    expected = AssimilationEvaluation().scores(blind.isel(sample=others), prediction[others])
    assert scores["rmse_a"] == pytest.approx(expected["rmse_a"])


def test_scores_of_nothing_are_left_out(samples, prediction):
    everything = samples.assign(observations=samples.state)
    assert "mse_hidden" not in AssimilationEvaluation().scores(everything, prediction)
    nothing = samples.assign(observations=samples.state * np.nan)
    assert not {"mse_observed", "rmse_a"} & set(AssimilationEvaluation().scores(nothing, prediction))
    assert "nmse" not in AssimilationEvaluation().scores(samples.isel(sample=[1]), prediction[[1]])


def test_what_cannot_be_scored_is_refused(samples, prediction):
    scores = AssimilationEvaluation().scores
    with pytest.raises(ValueError, match=r"where \(sample, time, variable\) = \(5, 50, 3\)"):
        scores(samples, prediction[:, :-1])
    with pytest.raises(ValueError, match="no sample"):
        scores(samples.isel(sample=[]), prediction[:0])
    with pytest.raises(ValueError, match="burn-in of 9 time units leaves nothing"):
        scores(samples.assign_attrs(burn_in=9.0), prediction)
    prediction[3, 2, 1] = np.inf
    with pytest.raises(ValueError, match="not finite in 1 values, first in sample 3"):
        scores(samples, prediction)


def test_published_rows_may_have_the_scores_of_filters():
    rows = [{"name": "ETKF", "source": "somewhere", "rmse_f": 1, "rmse_a": 0.5}]
    assert AssimilationEvaluation(published=rows).published[0]["rmse_f"] == 1.0
    with pytest.raises(Refusal, match="this one has"):
        AssimilationEvaluation(published=[{"name": "ETKF", "source": "somewhere", "skill": 1}])


def test_predictions_survive_netcdf(samples, prediction, tmp_path):
    AssimilationEvaluation().dataset(samples, prediction).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        np.testing.assert_array_equal(read.state_predicted, prediction)
        np.testing.assert_array_equal(read.observations, samples.observations)
        assert read.state.dims == ("sample", "time", "variable")
        assert read.attrs["dt"] == 0.01
    blind = AssimilationEvaluation().dataset(samples.drop_vars("state"), prediction)
    assert set(blind.data_vars) == {"state_predicted", "observations"}


def test_every_figure_is_written(samples, prediction, tmp_path):
    AssimilationEvaluation().figures(tmp_path, samples, {"cnn": prediction, "truth itself": samples.state.values})
    assert {path.name for path in tmp_path.iterdir()} == {"window.png", "across_window.png", "attractor.png"}
    assert all(min(image.imread(path).shape[:2]) > 150 for path in tmp_path.iterdir())
    with pytest.raises(ValueError, match="no prediction"):
        AssimilationEvaluation().figures(tmp_path, samples, {})


def test_a_film_if_asked_for(samples, prediction, tmp_path):
    AssimilationEvaluation(animation=True).figures(tmp_path, samples, {"cnn": prediction})
    assert (tmp_path / "animation.gif").is_file()


def test_figures_of_own_series_are_in_standard_deviations(samples, prediction, tmp_path, monkeypatch):
    """The film, too, and its observations."""
    drawn = {}
    monkeypatch.setattr("dlgd.problems.lorenz.figures.animation.animation", lambda *_, **given: drawn.update(given))
    scaled = samples.assign_attrs(scale=[2.0, 4.0, 8.0])
    AssimilationEvaluation(animation=True).figures(tmp_path, scaled, {"cnn": prediction})
    steps = drawn["truth"].shape[1]
    assert drawn["names"] == ["x / std", "y / std", "z / std"]
    for name, values in (("truth", samples.state), ("observations", samples.observations)):
        expected = values.values / scaled.attrs["scale"]
        assert any(
            np.array_equal(drawn[name], expected[:, first : first + steps], equal_nan=True)
            for first in range(expected.shape[1] - steps + 1)
        )


def test_rounding_errors_do_not_stretch_the_axis_of_errors():
    from dlgd.problems.lorenz.figures.assimilation import across_window

    time = np.arange(10.0)
    axes = across_window(time, {"linear": np.where(time == 5, 1e-17, 1.0)}, time, burn_in=0.0).axes[0]
    assert axes.get_ylim()[0] > 1e-6
    assert len(axes.yaxis.get_major_locator()()) > 1


def test_many_variables_are_drawn_as_fields(tmp_path):
    ring = windows(names=[f"x{i}" for i in range(8)], burn_in=0.1)
    noisy = ring.state.values + np.random.default_rng(0).normal(size=ring.state.shape)
    scores = AssimilationEvaluation().scores(ring, noisy)
    assert not [name for name in scores if name.startswith("mse_of")]
    AssimilationEvaluation().figures(tmp_path, ring, {"letkf": noisy})
    assert {path.name for path in tmp_path.iterdir()} == {"window.png", "across_window.png"}


def test_the_error_across_the_window_is_that_of_each_step(samples, prediction):
    from dlgd.problems.lorenz.figures.assimilation import across_window

    curve = np.sqrt(((prediction - samples.state.values) ** 2).mean(axis=(0, 2)))
    time = samples.time.values
    axes = across_window(time, {"cnn": curve}, time[12:40:6], burn_in=0.0).axes[0]
    np.testing.assert_allclose(axes.lines[0].get_ydata(), curve)
    long = across_window(np.arange(1000.0), {"cnn": np.arange(1000.0)}, np.arange(3.0), burn_in=20.0).axes[0]
    np.testing.assert_allclose(long.lines[0].get_ydata()[:2], [1.5, 5.5])  # means of four steps
