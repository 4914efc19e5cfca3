"""Rows over seeds beside printed figures: verdicts by hand, the table, and the figures."""

import numpy as np
import pytest

from dlgd.evaluation import comparison_figures as draw
from dlgd.evaluation.comparison import (
    CONFIRMED,
    ONE_SEED,
    REVERSED,
    WITHIN,
    Row,
    in_words,
    markdown,
    pairs,
    print_table,
    verdict,
)


def row(name, values, printed=None, **more):
    return Row(f"model.skip={name}", {"eps": values}, {} if printed is None else {"eps": printed}, **more)


GOOD = row("good", [1.0, 1.2], 0.1)  # 1.1 with a spread of 0.141
BAD = row("bad", [2.0, 2.2], 0.2)


@pytest.mark.parametrize(
    ("printed", "values", "expected"),
    [
        (0.2, [2.0, 2.2], CONFIRMED),
        (0.05, [2.0, 2.2], REVERSED),
        (0.2, [1.15, 1.35], WITHIN),  # 0.15 apart, where the two spreads make 0.2
        (0.05, [1.15, 1.35], WITHIN),
        (0.2, [1.25, 1.45], CONFIRMED),  # 0.25 apart
        (0.2, [2.0], ONE_SEED),
    ],
)
def test_a_pair_is_judged_by_its_spread(printed, values, expected):
    other = row("other", values, printed)
    assert [pair.verdict for pair in pairs([GOOD, other], "eps")] == [expected]
    assert verdict([other, GOOD], "eps") == expected, "the order of rows does not matter"


def test_pairs_know_which_one_is_printed_as_better():
    (pair,) = pairs([BAD, GOOD], "eps")
    assert (pair.better, pair.worse) == ("model.skip=good", "model.skip=bad")


def test_what_cannot_be_compared_is_left_out():
    unprinted, absent, equal = row("unprinted", [1.0, 1.1]), row("absent", [], 0.3), row("equal", [5.0, 5.1], 0.1)
    assert pairs([GOOD, unprinted, absent, equal], "eps") == []
    assert verdict([GOOD, unprinted, absent, equal], "eps") == "-"


def test_a_method_without_seeds_has_no_spread():
    method = row("method", [1.3], 0.2, seeded=False)
    assert method.spread("eps") == 0
    assert verdict([GOOD, method], "eps") == CONFIRMED


def test_one_reversed_pair_spoils_the_order_and_is_named():
    rows = [GOOD, BAD, row("worst", [0.5, 0.51], 0.3)]
    assert verdict(rows, "eps") == REVERSED
    (sentence,) = in_words(rows, ["eps"])
    assert sentence.startswith("eps: of the pairs in print 1 confirmed, 2 not confirmed: ")
    assert "model.skip=worst before model.skip=good" in sentence


def test_markdown():
    lines = markdown([GOOD, BAD, row("absent", [], 0.3)], ["eps"]).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["model.skip", "seeds", "eps", "printed"]
    assert cells[2] == ["good", "2", "1.1 ± 1e-1", "1.00e-1"]
    assert cells[4] == ["absent", "0", "not run", "3.00e-1"]
    assert cells[5] == ["printed order", "", "confirmed", ""]


def test_without_printed_figures_there_is_no_column_for_them():
    cells = [line.strip("|").split("|") for line in markdown([row("a", [1.0, 2.0])], ["eps"]).splitlines()]
    assert [cell.strip() for cell in cells[0]] == ["model.skip", "seeds", "eps"]
    assert len(cells) == 3


def test_rows_that_differ_in_more_keep_their_names(capsys):
    rows = [Row("model.skip=none loss=mse", {"eps": [1.0]}), Row("randomization 10", {"eps": [2.0]}, seeded=False)]
    assert "| model.skip=none loss=mse |" in markdown(rows, ["eps"])
    print_table(rows, ["eps"], "Which?")
    out = capsys.readouterr().out
    assert out.startswith("Which?")
    assert "randomization 10" in out


def test_the_figure_shows_means_spreads_seeds_and_print():
    figure = draw.scores([GOOD, BAD, row("absent", [], 0.3)], ["eps"], source="Somebody 2022")
    (axes,) = figure.axes
    means, first, second, printed = (line.get_xydata().tolist() for line in axes.lines if line.get_marker() != "_")
    np.testing.assert_allclose(means, [[0, 1.1], [1, 2.1]])
    assert first == [[0, 1.0], [0, 1.2]]
    assert second == [[1, 2.0], [1, 2.2]]
    assert printed == [[0, 0.1], [1, 0.2], [2, 0.3]]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["good", "bad", "absent"]
    assert (axes.get_yscale(), axes.get_xlabel(), axes.get_title()) == ("log", "model.skip", "eps")
    texts = {text.get_text() for text in figure.legends[0].texts}
    assert texts == {"printed (Somebody 2022)", "here: mean and spread over seeds"}


def test_numbers_stand_at_their_place():
    rows = [Row(f"data.samples.train={n}", {"eps": [1 / n, 1.1 / n]}) for n in (1, 3, 90)]
    figure = draw.scores(rows, ["eps"], source=None)
    (axes,) = figure.axes
    assert axes.lines[0].get_xdata().tolist() == [1, 3, 90]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].texts] == ["here: mean and spread over seeds"]


def test_convergence_draws_each_seed_and_their_mean(tmp_path):
    seeds = [[(10, 1.0), (20, 0.5)], [(10, 3.0), (20, 1.5), (30, 1.0)]]
    figure = draw.convergence({"eps": {"model.skip=none": seeds}})
    first, second, mean = figure.axes[0].lines
    assert (len(first.get_xdata()), len(second.get_xdata())) == (2, 3)
    assert mean.get_xydata().tolist() == [[10, 2.0], [20, 1.0]]
    draw.save(tmp_path / "convergence.png", figure)
    assert (tmp_path / "convergence.png").stat().st_size > 10_000
