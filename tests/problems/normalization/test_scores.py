import itertools
import math

import numpy as np
import pytest
import xarray as xr

from dlgd.core.contract import Method
from dlgd.core.errors import Refusal
from dlgd.problems.normalization.scores import NormalizationEvaluation, error_by_distance, relative_error
from dlgd.scoring.score import score


def by_hand(samples, prediction, number, keep=lambda distance: True):
    """The sorted |eps| of one sample, cell by cell."""
    errors = []
    for y in range(samples.sizes["y"]):
        for x in range(samples.sizes["x"]):
            if samples["mask"].values[y, x] and keep(samples["distance"].values[y, x]):
                true, guess = float(samples["gamma"].values[number, y, x]), float(prediction[number, y, x])
                errors.append(abs((guess * guess - true * true) / (true * true)))
    return sorted(errors)


def quantile_by_hand(errors, share):
    place = share * (len(errors) - 1)
    low = math.floor(place)
    high = min(low + 1, len(errors) - 1)
    return errors[low] + (place - low) * (errors[high] - errors[low])


def test_scores_agree_with_a_loop_over_cells(samples, prediction):
    scores = NormalizationEvaluation().per_sample(samples, prediction)
    for number in range(3):
        errors = by_hand(samples, prediction, number)
        assert scores["rmse"][number] == pytest.approx(math.sqrt(sum(e * e for e in errors) / len(errors)))
        assert scores["eps_mean"][number] == pytest.approx(sum(errors) / len(errors))
        assert scores["eps_q"][number] == pytest.approx(quantile_by_hand(errors, 0.9999))
        assert scores["eps_max"][number] == pytest.approx(errors[-1])
        near = by_hand(samples, prediction, number, lambda distance: distance <= 3)
        far = by_hand(samples, prediction, number, lambda distance: distance > 3)
        assert scores["eps_mean_within_3"][number] == pytest.approx(sum(near) / len(near))
        assert scores["eps_max_within_3"][number] == pytest.approx(near[-1])
        assert scores["eps_mean_beyond_3"][number] == pytest.approx(sum(far) / len(far))
        assert scores["eps_max_beyond_3"][number] == pytest.approx(far[-1])


def test_the_error_is_of_the_variance_and_signed(samples):
    np.testing.assert_allclose(relative_error(samples, 1.1 * samples["gamma"].values), 0.21)
    np.testing.assert_allclose(relative_error(samples, 0.9 * samples["gamma"].values), -0.19)


def test_the_extreme_quantile_is_the_one_of_ten_thousand_cells():
    gamma = np.ones((1, 100, 101))
    eps = np.arange(10_100.0).reshape(gamma.shape) / 10_099  # 0 to 1 in equal steps, so the quantile is the share
    samples = xr.Dataset(
        {
            "gamma": (("sample", "y", "x"), gamma),
            "mask": (("y", "x"), np.ones((100, 101), bool)),
            "distance": (("y", "x"), np.ones((100, 101))),
        }
    )
    assert NormalizationEvaluation().scores(samples, np.sqrt(1 + eps))["eps_q"] == pytest.approx(0.9999, rel=1e-9)


@pytest.mark.parametrize("land", [0.0, np.nan, np.inf, -1e30])
def test_a_perfect_prediction_scores_exactly_zero_whatever_stands_on_land(samples, land):
    perfect = np.where(samples["mask"].values, samples["gamma"].values, land)
    scores = NormalizationEvaluation().scores(samples, perfect)
    assert set(scores) > {"rmse", "eps_mean", "eps_q", "eps_max"}
    assert set(scores.values()) == {0.0}


def test_what_stands_on_land_changes_no_score(samples, prediction):
    rng = np.random.default_rng(0)
    noisy = np.where(samples["mask"].values, prediction, rng.normal(0, 1e6, prediction.shape))
    evaluation = NormalizationEvaluation()
    assert evaluation.scores(samples, noisy) == evaluation.scores(samples, prediction)


def test_averages_are_taken_per_sample_and_then_over_samples(samples):
    factors = np.array([1.0, 1.01, 1.5])[:, None, None]
    scores = NormalizationEvaluation().scores(samples, factors * samples["gamma"].values)
    eps = np.array([0.0, 0.0201, 1.25])
    for name in ("rmse", "eps_mean", "eps_q", "eps_max"):
        assert scores[name] == pytest.approx(eps.mean())
    assert scores["rmse"] < np.sqrt(np.mean(eps**2))  # which is the RMSE of all cells together


def test_a_band_without_cells_is_left_out(samples, prediction):
    coast = samples.assign(distance=samples["distance"].clip(max=2))
    scores = NormalizationEvaluation().scores(coast, prediction)
    assert "eps_mean_within_3" in scores
    assert "eps_mean_beyond_3" not in scores


def test_float32_is_scored_as_float64(samples, prediction):
    single = NormalizationEvaluation().scores(samples, prediction.astype(np.float32))
    double = NormalizationEvaluation().scores(samples, prediction)
    assert single == pytest.approx(double, rel=1e-4)


def test_error_by_distance_agrees_with_a_loop(samples, prediction):
    result = error_by_distance(samples, prediction)
    assert result.cells.sum() == samples["mask"].values.sum()
    assert result.distance[0] == 1
    assert len(result.distance) > 5
    for upper, cells, mean, q99 in zip(result.distance, result.cells, result.mean, result.q99, strict=True):
        inside = [by_hand(samples, prediction, n, lambda d, u=upper: u - 1 < d <= u) for n in range(3)]
        together = sorted(itertools.chain(*inside))
        assert cells == len(inside[0])
        assert mean == pytest.approx(sum(together) / len(together))
        assert q99 == pytest.approx(quantile_by_hand(together, 0.99))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prediction_that_is_not_finite_at_sea_is_refused(samples, prediction, bad):
    prediction[1, 20, 20] = bad
    with pytest.raises(ValueError, match="not finite at 1 sea cells, first in sample 1"):
        NormalizationEvaluation().scores(samples, prediction)


def test_a_prediction_too_large_to_square_is_refused(samples, prediction):
    prediction[0, 20, 20] = 1e200
    with pytest.raises(ValueError, match="overflows"):
        NormalizationEvaluation().scores(samples, prediction)


@pytest.mark.parametrize("shape", [(24, 36), (2, 24, 36), (3, 36, 24), (3, 1, 24, 36)])
def test_a_prediction_of_another_shape_is_refused(samples, shape):
    with pytest.raises(ValueError, match=r"where \(sample, y, x\) = \(3, 24, 36\)"):
        NormalizationEvaluation().scores(samples, np.ones(shape))


def test_no_sample_is_refused(samples, prediction):
    with pytest.raises(ValueError, match="no sample"):
        NormalizationEvaluation().scores(samples.isel(sample=[]), prediction[:0])


def test_land_everywhere_is_refused(samples, prediction):
    with pytest.raises(ValueError, match="no sea cell"):
        NormalizationEvaluation().scores(samples.assign(mask=samples["mask"] & False), prediction)


@pytest.mark.parametrize("bad", [np.nan, 0.0, -1.0])
def test_a_truth_that_cannot_be_divided_by_is_refused(samples, prediction, bad):
    samples["gamma"][0, 20, 20] = bad
    with pytest.raises(ValueError, match="true gamma"):
        NormalizationEvaluation().scores(samples, prediction)


def test_published_rows_become_rows_of_the_table():
    row = {"name": "skip", "source": "table 6", "eps_q": 1.87e-2, "rmse": None}
    assert NormalizationEvaluation(published=[row]).published == [
        {"method": "skip", "source": "table 6", "eps_q": 1.87e-2}
    ]


@pytest.mark.parametrize("row", [{"name": "skip"}, {"source": "table 6"}, {"name": "a", "source": "b", "eps": 1}])
def test_a_published_row_that_cannot_be_read_is_refused(row):
    with pytest.raises(Refusal, match="published needs name and source"):
        NormalizationEvaluation(published=[row])


def test_predictions_survive_netcdf(samples, prediction, tmp_path):
    attributes = dict(samples["lat"].attrs)
    NormalizationEvaluation().dataset(samples, prediction).to_netcdf(tmp_path / "predictions.nc")
    with xr.open_dataset(tmp_path / "predictions.nc") as read:
        sea = samples["mask"].values
        assert set(read.data_vars) == {"gamma_predicted", "gamma", "relative_error"}
        for name in read.data_vars:
            assert read[name].dims == ("sample", "y", "x")
            assert read[name].dtype == np.float32
            assert read[name].attrs["units"] == ("1" if name == "relative_error" else "m")
            assert read[name].attrs["long_name"]
            assert np.isnan(read[name].values[:, ~sea]).all()
        np.testing.assert_allclose(read["gamma_predicted"].values[:, sea], prediction[:, sea], rtol=1e-6)
        np.testing.assert_allclose(read["gamma"].values[:, sea], samples["gamma"].values[:, sea], rtol=1e-6)
        expected = relative_error(samples, prediction)
        np.testing.assert_allclose(read["relative_error"].values[:, sea], expected, rtol=1e-6, atol=1e-9)
        np.testing.assert_array_equal(read["lat"], samples["lat"])
        assert read["sample"].values.tolist() == [4, 5, 6]
        assert read["lat"].attrs["units"] == "degrees_north"
        assert read["lon"].attrs["standard_name"] == "longitude"
        assert read.attrs["Conventions"].startswith("CF-")
    assert samples["lat"].attrs == attributes  # the samples given are left as they were


def test_fields_without_a_truth_keep_their_prediction(samples, prediction):
    dataset = NormalizationEvaluation().dataset(samples.drop_vars("gamma"), prediction)
    assert list(dataset.data_vars) == ["gamma_predicted"]


def test_large_predictions_are_kept_in_single_precision_once_they_are_scored(samples, prediction, monkeypatch):
    class Given(Method):
        name = "given"

        def fit(self, train):
            pass

        def predict(self, samples):
            return prediction

    exact, kept = score([Given()], samples, NormalizationEvaluation())
    assert kept["given"].dtype == prediction.dtype
    monkeypatch.setattr("dlgd.scoring.score.LARGE", prediction.size)
    rows, kept = score([Given()], samples, NormalizationEvaluation())
    assert kept["given"].dtype == np.float32
    np.testing.assert_array_equal(kept["given"], prediction.astype(np.float32))
    del exact[0]["seconds_per_sample"], rows[0]["seconds_per_sample"]
    assert rows == exact
