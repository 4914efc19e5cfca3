"""Learning curves of trainings with two players, and of validations with many scores."""

import numpy as np

from dlgd.core.score import Score
from dlgd.plotting.curves import MOST, draw_learning_curves

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
