"""Learning curves of trainings, with one player or two, and of validations with many scores."""

import numpy as np
import pytest
from matplotlib import image

from dlgd.core.score import Score
from dlgd.plotting.curves import MOST, draw_learning_curves, learning_curves

HIGH = {"accuracy": True, "share": None}


def described(name):
    """All but these should be low."""
    return Score(name, name, higher_is_better=HIGH.get(name, False))


def gan_history():
    """As a run records a GAN: two players, each with a learning rate, and no loss of the validation."""
    rows = []
    for step in range(10, 310, 10):
        players = {"discriminator/loss": 1 / step, "discriminator/d_real": 1.0, "discriminator/d_fake": -1.0}
        players |= {"generator/loss": -0.5, "generator/lr": 1e-4, "discriminator/lr": 1e-4}
        row = {f"train/{name}": value for name, value in players.items()}
        rows.append({"step": step, "epoch": 0, "seconds": 1.0, **row, "train/samples_per_second": 9.0})
    return [*rows, {"step": 300, "valid/frechet_pca": 3.0}]


def texts(axes):
    return [text.get_text() for text in axes.get_legend().texts]


def test_both_players_have_their_losses_and_the_discriminator_its_answers():
    losses, players, scores = draw_learning_curves(gan_history(), score_of=described).axes
    assert texts(losses) == ["train/discriminator/loss", "train/generator/loss"]
    assert texts(players) == ["train/discriminator/d_real", "train/discriminator/d_fake"]
    assert texts(scores) == ["valid/frechet_pca: 3.00e+00 at 300"]
    assert (losses.get_ylabel(), players.get_ylabel(), scores.get_ylabel()) == ("loss", "players", "validation score")
    assert losses.get_yscale() == players.get_yscale() == "linear", "some are negative"
    np.testing.assert_allclose(losses.lines[1].get_ydata(), -0.5)
    assert losses.get_legend().get_title().get_text() == ""


def test_of_many_scores_the_first_are_drawn():
    rows = [{"step": step, **{f"valid/score_{n}": n + step for n in range(20)}} for step in (1, 2)]
    (axes,) = draw_learning_curves(rows, score_of=described).axes
    assert [text.split(":")[0] for text in texts(axes)] == [f"valid/score_{n}" for n in range(MOST)]
    assert "not drawn: 12 more" in axes.get_legend().get_title().get_text()


def test_scores_of_each_class_are_left_out():
    row = {"step": 1, "valid/accuracy": 90.0, "valid/accuracy_of_7": 80.0, "valid/mean_of_all": 1.0}
    (axes,) = draw_learning_curves([row], score_of=described).axes
    assert [text.split(":")[0] for text in texts(axes)] == ["valid/accuracy", "valid/mean_of_all"]


def test_a_star_stands_where_a_score_was_best():
    rows = [
        {"step": n, "valid/accuracy": value, "valid/error": 100 - value, "valid/share": value}
        for n, value in ((1, 70), (2, 90), (3, 80))
    ]
    (axes,) = draw_learning_curves(rows, score_of=described).axes
    assert texts(axes) == ["valid/accuracy: 9.00e+01 at 2", "valid/error: 1.00e+01 at 2", "valid/share"]
    (unknown,) = draw_learning_curves(rows, score_of=lambda name: None).axes
    assert texts(unknown)[0] == "valid/accuracy", "nobody knows what is best"


def history(steps):
    rows = [{"step": step, "train/loss": 1 / step, "lr": 1e-3} for step in range(1, steps + 1)]
    for step in (10, 20, 30):
        rows.append({"step": step, "valid/loss": 2 / step, "valid/eps_q": abs(step - 20) + 1.0})
    return rows


def test_learning_curves_show_every_record_against_step(tmp_path):
    figure = draw_learning_curves(history(50), score_of=described)
    losses, scores = figure.axes
    assert (losses.get_xlabel(), losses.get_ylabel(), losses.get_yscale()) == ("step", "loss", "log")
    assert (scores.get_xlabel(), scores.get_ylabel()) == ("step", "validation score")
    np.testing.assert_allclose(losses.lines[0].get_xydata(), [(step, 1 / step) for step in range(1, 51)])
    assert losses.get_legend().texts[0].get_text() == "train/loss"
    assert scores.get_legend().texts[0].get_text() == "valid/eps_q: 1.00e+00 at 20"
    learning_curves(history(50), tmp_path / "figures" / "learning_curves.png", score_of=described)
    assert image.imread(tmp_path / "figures" / "learning_curves.png").shape[1] > 1500


def test_a_long_training_curve_gets_its_running_mean():
    losses = draw_learning_curves(history(1000), score_of=described).axes[0]
    pale, mean = losses.lines[:2]
    assert pale.get_alpha() < 1
    np.testing.assert_allclose(mean.get_ydata()[0], np.mean([1 / step for step in range(1, 21)]))
    assert mean.get_xdata()[0] == 20


def test_learning_curves_leave_out_what_is_not_finite_and_draw_zero():
    rows = [{"step": 1, "train/loss": 1.0}, {"step": 2, "train/loss": float("nan")}, {"step": 3, "train/loss": 0.0}]
    axes = draw_learning_curves(rows, score_of=described).axes[0]
    assert axes.lines[0].get_xdata().tolist() == [1, 3]
    assert axes.get_yscale() == "linear"


@pytest.mark.parametrize("rows", [[], [{"step": 1, "lr": 0.1}]])
def test_nothing_to_draw_is_refused(rows, tmp_path):
    with pytest.raises(ValueError, match=r"no train/loss and no valid/"):
        learning_curves(rows, tmp_path / "curves.png", score_of=described)
