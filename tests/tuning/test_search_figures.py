"""The axes of a search's figures: what is drawn, not how it looks."""

from __future__ import annotations

from pathlib import Path

import matplotlib.style
import optuna
import pytest
from matplotlib.figure import Figure
from optuna.distributions import CategoricalDistribution, FloatDistribution

from dlgd.tuning import outcomes

SPACE = {"x": FloatDistribution(0.0, 1.0), "kind": CategoricalDistribution(("round_one", "square_one"))}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """{name of a figure: its panels} of a study whose trials have these losses."""

    def draw(losses: list[float]) -> dict[str, list]:
        study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
        for number, loss in enumerate(losses):
            params = {"x": number / len(losses), "kind": SPACE["kind"].choices[number % 2]}
            study.add_trial(optuna.create_trial(params=params, distributions=SPACE, value=loss))
        panels, save = {}, Figure.savefig

        def saved(figure: Figure, path: Path, **options: object) -> None:
            panels[Path(path).stem] = figure.axes
            save(figure, path, **options)

        monkeypatch.setattr(Figure, "savefig", saved)
        outcomes.draw(study, {"loss": "minimize"}, tmp_path)
        return panels

    return draw


@pytest.mark.parametrize(
    ("losses", "scale", "name"),
    [
        ([1.0, 2.0, 4.0, 9.0, 3.0], "linear", "loss"),
        ([1e-3, 2.0, 0.04, 0.9, 3.0], "log", "log10 of loss"),
        ([-1e-3, 2.0, 0.04, 0.9, 3.0], "linear", "loss"),
    ],
)
def test_losses_of_several_orders_of_magnitude_are_drawn_on_logarithmic_scales(drawn, losses, scale, name):
    figures = drawn(losses)
    assert set(figures) == {"history", "slice", "parallel", "importances"}
    for figure in ("history", "slice"):
        panels = [axis for axis in figures[figure] if axis.get_label() != "<colorbar>"]
        assert {axis.get_yscale() for axis in panels} == {scale}, figure
    words = {axis.get_ylabel() for axis in figures["parallel"]} | {axis.get_xlabel() for axis in figures["importances"]}
    words |= {
        text.get_text()
        for figure in ("parallel", "importances")
        for axis in figures[figure]
        for text in (*axis.get_xticklabels(), *(axis.get_legend().get_texts() if axis.get_legend() else ()), axis.title)
    }
    assert any(name in word for word in words), words
    assert scale == "log" or not any("log10" in word for word in words)


def test_names_of_choices_are_turned_where_they_would_be_over_one_another(drawn):
    labels = {axis.get_xlabel(): axis.get_xticklabels() for axis in drawn([1.0, 2.0, 3.0])["slice"]}
    assert {label.get_rotation() for label in labels["kind"]} == {30.0}
    assert {label.get_rotation() for label in labels["x"]} == {0.0}


def test_figures_that_are_drawn_later_keep_their_style(drawn):
    with matplotlib.rc_context():
        matplotlib.style.use("default")
        before = matplotlib.rcParams.copy()
        assert len(drawn([1.0, 2.0, 3.0])) == 4
        assert matplotlib.rcParams == before, "Optuna's figures have a style of their own"


def test_values_of_parallel_axes_stand_out_from_the_lines(drawn):
    panels = [axis for axis in drawn([1.0, 2.0, 3.0])["parallel"] if axis.get_label() != "<colorbar>"]
    assert all(label.get_bbox_patch() is not None for axis in panels for label in axis.get_yticklabels())
