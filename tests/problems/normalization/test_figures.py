import numpy as np
import pytest
from matplotlib import image

from dlgd.plotting import style
from dlgd.problems.normalization import figures as draw
from dlgd.problems.normalization import scores
from dlgd.problems.normalization.scores import NormalizationEvaluation, error_by_distance

DRAW = draw.mean_error


@pytest.fixture
def maps(samples, prediction):
    error = np.abs(prediction / samples["gamma"].values - 1).mean(axis=0)
    return {"network": error, "homogeneous": 10 * error}


@pytest.fixture
def curves(samples, prediction):
    return {"network": error_by_distance(samples, prediction), "homogeneous": error_by_distance(samples, prediction)}


def labels(figure):
    """Every text of the axes of a figure, colour bars included."""
    found = set()
    for axes in figure.axes:
        found |= {axes.get_xlabel(), axes.get_ylabel(), axes.get_title()}
    return found


def test_every_figure_is_written_and_shows_something(samples, prediction, tmp_path):
    predictions = {"network": prediction, "homogeneous": 1.3 * prediction, "exact": samples["gamma"].values}
    NormalizationEvaluation().figures(tmp_path / "figures", samples, predictions)
    written = sorted((tmp_path / "figures").iterdir())
    assert [path.name for path in written] == ["distance.png", "mean_error.png", "overview.png", "sample.png"]
    for path in written:
        pixels = image.imread(path)
        assert min(pixels.shape[:2]) > 500
        assert len(np.unique(pixels @ np.array([1.0, 10.0, 100.0, 0.0]))) > 100  # colours


@pytest.mark.parametrize("count", [1, 4])
def test_any_number_of_methods_can_be_drawn(samples, prediction, tmp_path, count, monkeypatch):
    monkeypatch.setattr(style, "DPI", 40)  # to be quick
    NormalizationEvaluation().figures(tmp_path, samples, {f"method {n}": (1 + n) * prediction for n in range(count)})
    assert len(list(tmp_path.glob("*.png"))) == 4


def test_maps_of_large_grids_show_means_over_blocks(samples, prediction, tmp_path, monkeypatch):
    monkeypatch.setattr(style, "DPI", 40)
    monkeypatch.setattr(scores, "DRAWN", 5)
    ny, nx = samples.mask.shape
    block, drawn = -(-max(ny, nx) // 5), {}
    monkeypatch.setattr(draw, "mean_error", lambda maps, **given: drawn.update(maps) or DRAW(maps, **given))
    NormalizationEvaluation().figures(tmp_path, samples, {"network": prediction})
    error = np.full((ny, nx), np.nan)
    error[samples.mask.values.astype(bool)] = np.abs(scores.relative_error(samples, prediction)).mean(axis=0)
    assert drawn["network"].shape == (-(-ny // block), -(-nx // block))
    for y, x in np.ndindex(drawn["network"].shape):
        cells = error[y * block : (y + 1) * block, x * block : (x + 1) * block]
        expected = np.nan if np.isnan(cells).all() else np.nanmean(cells)
        assert drawn["network"][y, x] == pytest.approx(expected, nan_ok=True)


def test_a_map_of_blocks_has_the_axes_of_the_grid(maps):
    figure = draw.mean_error(maps, samples=1, block=3)
    ny, nx = maps["network"].shape
    (picture,) = figure.axes[0].images
    assert tuple(picture.get_extent()) == (-0.5, 3 * nx - 0.5, -0.5, 3 * ny - 0.5)


def test_no_method_is_refused(samples, tmp_path):
    with pytest.raises(ValueError, match="no prediction"):
        NormalizationEvaluation().figures(tmp_path, samples, {})


def test_a_sample_shows_truth_prediction_and_a_symmetric_error(samples, prediction):
    truth, guess = samples["gamma"].values[0], prediction[0]
    figure = draw.sample(truth, guess, (guess**2 - truth**2) / truth**2, method="network")
    texts = labels(figure)
    assert {r"exact $\gamma$", r"$\hat\gamma$ of network", "error of network", r"$\gamma$ (m)"} <= texts
    assert {"column (west to east)", "row (south to north)", draw.SIGNED_ERROR} <= texts
    exact, predicted, error = (axes.images[0] for axes in figure.axes[:3])
    assert exact.get_clim() == predicted.get_clim()
    assert error.norm.vmin == -error.norm.vmax
    np.testing.assert_array_equal(np.ma.getmaskarray(exact.get_array()), ~samples["mask"].values)  # land is left out


def test_the_maps_of_all_methods_share_one_scale(maps):
    figure = draw.mean_error(maps, samples=3)
    first, second = (axes.images[0] for axes in figure.axes[:2])
    assert first.get_clim() == second.get_clim()
    assert {"network", "homogeneous", f"{draw.MEAN_ERROR} over 3 samples"} <= labels(figure)


def test_one_perfect_method_does_not_flatten_the_scale(maps):
    figure = draw.mean_error({**maps, "exact": 0 * maps["network"]}, samples=3)
    low, high = figure.axes[0].images[0].get_clim()
    assert high / low == pytest.approx(10**draw.DECADES)


def test_distance_shows_mean_and_extreme_of_every_method_over_the_number_of_cells(samples, curves):
    figure = draw.distance(curves)
    above, below = figure.axes
    assert above.get_yscale() == "log"
    assert len(above.lines) == 4
    assert {"network", "homogeneous", "mean", "99 % quantile"} == {t.get_text() for t in above.get_legend().texts}
    np.testing.assert_allclose(above.lines[0].get_ydata(), curves["network"].mean)
    np.testing.assert_allclose(above.lines[1].get_ydata(), curves["network"].q99)
    assert sum(bar.get_height() for bar in below.patches) == samples["mask"].values.sum()
    assert below.patches[0].get_center()[0] == 0.5  # the first bin holds distances in (0, 1]
    assert {"distance to the coast (cells)", "sea cells", r"$|\varepsilon|$"} <= labels(figure)


def test_overview_has_four_panels(samples, maps, curves):
    figure = draw.overview(samples["gamma"].values[0], maps, curves, samples=3)
    assert {"exact coefficients, one sample", "error of network", "error of homogeneous"} <= labels(figure)
    assert {r"$\gamma$ (m)", f"{draw.MEAN_ERROR} over 3 samples", "distance to the coast (cells)"} <= labels(figure)


def test_drawing_leaves_the_styles_of_others_alone(maps):
    import matplotlib

    before = dict(matplotlib.rcParams)
    draw.mean_error(maps, samples=3)
    assert dict(matplotlib.rcParams) == before
