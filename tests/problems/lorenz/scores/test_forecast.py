"""Scores of forecasts and free runs by hand, by scipy and by what is known of them; figures."""

import numpy as np
import pytest
import torch
import xarray as xr
from matplotlib import image
from scipy import signal, stats

from dlgd.physics.integrators import RK4
from dlgd.physics.lorenz import Lorenz63
from dlgd.plotting import style
from dlgd.problems.lorenz.scores import forecast_scores
from dlgd.problems.lorenz.scores.forecast import ForecastEvaluation, skill_text
from dlgd.problems.lorenz.scores.free_run import BINS, FreeRun, climate_scores, longer, spectrum
from dlgd.problems.lorenz.scores.identification import IdentificationEvaluation
from dlgd.problems.lorenz.scores.sequences import FAR, Climate

DISTANCES = ("wasserstein", "histogram_distance", "spectrum_distance", "mean_error", "std_error")
SYSTEM = {"system": "lorenz63", "sigma": 10.0, "rho": 28.0, "beta": 8 / 3, "dt": 0.01, "task": "forecast"}


def lorenz(count=30, leads=29, history=2, seed=0):
    """Windows of Lorenz-63, step by step."""
    state = torch.from_numpy(np.random.default_rng(seed).normal([0, 0, 25], 5, (count, 3)))
    states = []
    for step in range(400 + history + leads):
        state = RK4.step(Lorenz63(), state, 0.01)
        if step >= 400:
            states.append(state.numpy())
    states = np.stack(states, axis=1)
    fields = {
        "given": (("sample", "history", "variable"), states[:, :history]),
        "state": (("sample", "lead", "variable"), states[:, history:]),
    }
    return xr.Dataset(fields, {"lead": np.arange(1, leads + 1), "variable": ["x", "y", "z"]}, dict(SYSTEM))


@pytest.fixture(scope="module")
def samples():
    return lorenz()


@pytest.fixture
def prediction(samples):
    grown = np.random.default_rng(1).normal(size=samples.state.shape) * 0.02 * samples.lead.values[:, None]
    return samples.state.values + grown


@pytest.fixture(autouse=True)
def _coarse(monkeypatch):
    monkeypatch.setattr(style, "DPI", 50)  # to be quick


# --- forecasts ---------------------------------------------------------------------------------------------


def test_skill_and_errors_are_the_formulas_of_the_course(samples, prediction):
    scores = ForecastEvaluation().scores(samples, prediction)
    truth, last = samples.state.values, samples.given.values[:, -1]
    for lead in (1, 2, 5, 10, 15, 20, 25, 28):
        error = change = 0.0
        for sample in range(len(truth)):
            error += np.linalg.norm(truth[sample, lead - 1] - prediction[sample, lead - 1]) ** 2
            change += np.linalg.norm(truth[sample, lead - 1] - last[sample]) ** 2
        assert scores[f"skill_{lead}"] == pytest.approx(1 - error / change)
        assert scores[f"rmse_{lead}"] == pytest.approx(np.sqrt(error / (3 * len(truth))))
    assert scores["mse"] == pytest.approx(np.mean((truth - prediction) ** 2))
    assert "exploded" not in scores
    assert all(type(value) is float for value in scores.values())


def test_the_truth_has_skill_one_and_persistence_none(samples):
    perfect = ForecastEvaluation().scores(samples, samples.state.values)
    still = ForecastEvaluation().scores(samples, np.repeat(samples.given.values[:, -1:], 29, axis=1))
    assert {perfect[f"skill_{lead}"] for lead in (1, 10, 28)} == {1.0}
    assert [still[f"skill_{lead}"] for lead in (1, 10, 28)] == [0, 0, 0]


def test_leads_that_are_not_there_have_no_score(samples):
    few = samples.isel(lead=slice(12))
    scores = ForecastEvaluation().scores(few, few.state.values + 0.1)
    assert {name for name in scores if name.startswith("skill")} == {"skill_1", "skill_2", "skill_5", "skill_10"}


def test_an_exponential_error_is_valid_until_it_reaches_the_threshold(samples):
    """Error e0 exp(t) in one variable, in root mean square over three: 0.4 of the spread after log(...) time units."""
    truth, spread = samples.state.values, np.sqrt(samples.state.values.var(axis=(0, 1)).mean())
    time = 0.01 * samples.lead.values
    wrong = truth.copy()
    wrong[..., 1] += 0.4 * spread * np.sqrt(3) * np.exp(10 * (time - 0.155))
    score = ForecastEvaluation(exponent=2.0).scores(samples, wrong)["valid_time"]
    assert score == pytest.approx(2.0 * 0.15)  # 15 leads are below
    assert ForecastEvaluation(exponent=2.0).scores(samples, truth)["valid_time"] == pytest.approx(2.0 * 0.29)


def test_the_first_passage_counts(samples):
    truth = samples.state.values
    wrong = truth.copy()
    wrong[:, 4] += 30.0  # and back again
    assert forecast_scores.valid_steps(truth, wrong, Climate.of(truth)).tolist() == [4] * len(truth)


def test_known_exponents_are_published_ones_and_others_are_computed(monkeypatch):
    assert forecast_scores.leading_exponent(SYSTEM) == 0.9056
    assert forecast_scores.leading_exponent({"system": "lorenz96", "size": 40, "forcing": 8.0}) == 1.68
    stable = SYSTEM | {"rho": 0.5}  # the origin attracts: the exponents are those of its matrix, the leading one real
    matrix = np.array([[-10, 10, 0], [0.5, -1, 0], [0, 0, -8 / 3]])
    monkeypatch.setattr(forecast_scores, "GROWTH_TIME", 20.0)
    computed = forecast_scores.leading_exponent(stable)
    assert computed == pytest.approx(np.linalg.eigvals(matrix).real.max(), abs=1e-3)


@pytest.mark.slow
def test_a_computed_exponent_is_the_published_one(monkeypatch):
    monkeypatch.setattr(forecast_scores, "KNOWN", {})
    assert forecast_scores.leading_exponent(SYSTEM | {"beta": 2.66667}) == pytest.approx(0.9056, abs=0.03)


def test_a_forecast_that_explodes_is_held_and_said(samples, prediction):
    prediction[3, 5:] = np.inf
    prediction[4, 7:, 0] = np.nan
    prediction[5, 9:, 1] = -1e30
    scores = ForecastEvaluation().scores(samples, prediction)
    assert scores["exploded"] == pytest.approx(100 * 3 / 30)
    assert np.isfinite(list(scores.values())).all()
    truth = samples.state.values
    climate = Climate.of(truth)
    held, _ = climate.held(prediction)
    np.testing.assert_allclose(held[3, 5], climate.mean + FAR * climate.std)
    np.testing.assert_allclose(held[5, 9, 1], climate.mean[1] - FAR * climate.std[1])
    np.testing.assert_array_equal(held[6:], prediction[6:])


def test_what_cannot_be_scored_is_refused(samples, prediction):
    scores = ForecastEvaluation().scores
    with pytest.raises(ValueError, match=r"where \(sample, lead, variable\) = \(30, 29, 3\)"):
        scores(samples, prediction[:, 1:])
    with pytest.raises(ValueError, match="does not change"):
        scores(samples.assign(state=0 * samples.state), prediction)
    prediction[2, 0, 0] = np.nan
    with pytest.raises(ValueError, match="not finite in 1 values, first in sample 2"):
        scores(samples, prediction)
    with pytest.raises(ValueError, match=r"exponent=-1"):
        ForecastEvaluation(exponent=-1)
    with pytest.raises(ValueError, match=r"free_runs=-1"):
        ForecastEvaluation(free_runs=-1)


def test_skill_is_written_with_the_digits_that_matter():
    written = [skill_text(value) for value in (0.994502, 1.0, 1 - 3.25e-8, -123456.7)]
    assert written == ["0.994502", "1.000000", "1-3.25e-8", "-1.23e5"]


def test_predictions_survive_netcdf(samples, prediction, tmp_path):
    ForecastEvaluation().dataset(samples, prediction).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        np.testing.assert_array_equal(read.state_predicted, prediction)
        assert read.given.dims == ("sample", "history", "variable")


def test_every_figure_is_written(samples, prediction, tmp_path):
    methods = {"gru": prediction, "truth itself": samples.state.values}
    ForecastEvaluation().figures(tmp_path, samples, methods)
    assert {path.name for path in tmp_path.iterdir()} == {"error_by_lead.png", "trajectories.png"}
    assert all(min(image.imread(path).shape[:2]) > 150 for path in tmp_path.iterdir())


def test_a_film_if_asked_for(samples, prediction, tmp_path):
    ForecastEvaluation(animation=True).figures(tmp_path, samples, {"gru": prediction})
    assert (tmp_path / "animation.gif").is_file()


# --- free runs ---------------------------------------------------------------------------------------------


def test_the_truth_goes_on(samples):
    evaluation, run = ForecastEvaluation(free_runs=3, free_time=0.6).further(samples)
    assert run.sizes == {"sample": 3, "history": 2, "lead": 60, "variable": 3}
    assert run.lead.values.tolist() == list(range(1, 61))
    np.testing.assert_array_equal(run.given, samples.given[[0, 14, 29]])  # rounded to even
    expected = lorenz(leads=60).state.values[[0, 14, 29]]
    np.testing.assert_allclose(run.state, expected, rtol=1e-9)
    scores = evaluation.scores(run, expected)
    assert scores["valid_time"] == pytest.approx(0.6 * 0.9056)
    assert ForecastEvaluation().further(samples) is None


def test_climates_are_compared_as_scipy_does():
    rng = np.random.default_rng(0)
    truth, run = rng.normal(0, [1, 2], (4, 300, 2)), rng.normal([0.5, 0], [1, 3], (4, 300, 2))
    scores = climate_scores(truth, run)
    distances, histograms, spectra = [], [], []
    for i in range(2):
        one, other = truth[..., i], run[..., i]
        distances.append(stats.wasserstein_distance(one.ravel(), other.ravel()) / one.std())
        edges = np.linspace(one.min(), one.max(), BINS + 1)
        first, second = (np.histogram(each, edges)[0] / each.size for each in (one, other))
        outside = np.array([(other < edges[0]).mean(), (other > edges[-1]).mean()])
        histograms.append((np.abs(first - second).sum() + outside.sum()) / 2)
        power = [np.mean([signal.welch(each, nperseg=256)[1] for each in runs], axis=0)[1:] for runs in (one, other)]
        spectra.append(np.abs(power[0] - power[1]).sum() / power[0].sum())
    assert scores["wasserstein"] == pytest.approx(np.mean(distances))
    assert scores["histogram_distance"] == pytest.approx(np.mean(histograms))
    assert scores["spectrum_distance"] == pytest.approx(np.mean(spectra))
    moved = [(run[..., i].mean() - truth[..., i].mean()) / truth[..., i].std() for i in range(2)]
    assert scores["mean_error"] == pytest.approx(np.sqrt(np.mean(np.square(moved))))
    wider = [run[..., i].std() / truth[..., i].std() - 1 for i in range(2)]
    assert scores["std_error"] == pytest.approx(np.sqrt(np.mean(np.square(wider))))


def test_what_is_the_same_has_no_distance_and_what_stands_still_no_spectrum():
    truth = np.random.default_rng(0).normal(size=(3, 500, 2))
    assert max(climate_scores(truth, truth).values()) == 0
    still = climate_scores(truth, np.zeros_like(truth))
    assert still["spectrum_distance"] == pytest.approx(1)
    assert still["std_error"] == pytest.approx(1)
    assert 0.9 < still["histogram_distance"] < 1


def test_a_spectrum_peaks_where_the_wave_is():
    time = 0.01 * np.arange(1024)
    wave = np.sin(2 * np.pi * 6.25 * time)[None, :, None]  # 16 periods in a segment of 256 steps
    power = spectrum(wave)
    assert power.shape == (128, 1)
    assert power.argmax() + 1 == 16


def test_free_runs_are_scored_by_their_second_half_and_drawn(samples, tmp_path):
    run = longer(samples, 4, 4.0)
    truth = run.state.values
    late = truth.copy()
    late[:, :200] += 10.0  # no climate: it is the first half
    scores = FreeRun(exponent=1.0).scores(run, late)
    assert max(scores[name] for name in DISTANCES) == 0
    assert scores["valid_time"] == 0
    late[0, 300:] = np.nan
    assert FreeRun(exponent=1.0).scores(run, late)["free_exploded"] == 25
    methods = {"gru": late, "still": np.repeat(truth[:, :1], 400, axis=1)}
    FreeRun(exponent=1.0).figures(tmp_path, run, methods)
    assert {path.stem for path in tmp_path.iterdir()} == {"free_run", "free_distributions", "free_spectra"}


def test_rings_are_drawn_as_fields(samples, tmp_path):
    names = [f"x{i}" for i in range(9)]
    wide = xr.concat([samples.assign_coords(variable=names[i : i + 3]) for i in (0, 3, 6)], "variable")
    ForecastEvaluation().figures(tmp_path, wide, {"gru": wide.state.values + 0.1})
    FreeRun(exponent=1.0).figures(tmp_path, wide, {"gru": wide.state.values + 0.1})
    assert len(list(tmp_path.iterdir())) == 5


def test_identification_has_the_scores_of_forecasts(samples, prediction):
    ours = IdentificationEvaluation(
        exponent=1.0, free_runs=2, free_time=0.5, published=[{"name": "a", "source": "b", "coefficient_error": 1}]
    )
    assert ours.scores(samples, prediction) == ForecastEvaluation(exponent=1.0).scores(samples, prediction)
    assert ours.further(samples)[1].sizes["sample"] == 2
    assert ours.published[0]["coefficient_error"] == 1.0


def test_a_variable_that_does_not_change_does_not_make_forecasts_explode():
    truth = np.random.default_rng(0).normal(size=(4, 30, 2))
    truth[..., 1] = 0.1
    held, exploded = Climate.of(truth).held(truth + 0.01)
    assert exploded == 0
    np.testing.assert_allclose(held, truth + 0.01)
