"""Rows over seeds beside printed figures: verdicts by hand, the table, and the figures."""

import csv
import io
import re

import numpy as np
import pytest
from matplotlib.mathtext import MathTextParser

from dlgd.plotting.style import save
from dlgd.results.comparison import (
    CONFIRMED,
    ONE_SEED,
    REVERSED,
    WITHIN,
    Comparison,
    Row,
    in_words,
    pairs,
    verdict,
)
from dlgd.results.figures import draw_convergence, draw_scores
from dlgd.results.table_formats import as_csv, latex, markdown, print_table


def seeds(values):
    return {str(seed): value for seed, value in enumerate(values)}


def row(name, values, printed=None, **more):
    return Row(f"model.skip={name}", {"eps": seeds(values)}, {} if printed is None else {"eps": printed}, **more)


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
    (sentence,) = in_words(Comparison(rows, ["eps"]))
    assert sentence.startswith("eps: of the pairs in print 1 confirmed, 2 not confirmed: ")
    assert "model.skip=worst before model.skip=good" in sentence


def test_markdown():
    lines = markdown(Comparison([GOOD, BAD, row("absent", [], 0.3)], ["eps"])).splitlines()
    assert len({len(line) for line in lines}) == 1
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert cells[0] == ["model.skip", "seeds", "eps", "printed"]
    assert cells[2] == ["good", "2", "**1.1 ± 1e-1**", "1.00e-1"]
    assert cells[4] == ["absent", "0", "not run", "3.00e-1"]
    assert cells[5] == ["printed order", "", "confirmed", ""]


def test_without_printed_figures_there_is_no_column_for_them():
    cells = [line.strip("|").split("|") for line in markdown(Comparison([row("a", [1.0, 2.0])], ["eps"])).splitlines()]
    assert [cell.strip() for cell in cells[0]] == ["model.skip", "seeds", "eps"]
    assert len(cells) == 3


def test_rows_that_differ_in_more_keep_their_names(capsys):
    once = Row("randomization 10", {"eps": seeds([2.0])}, seeded=False)
    table = Comparison([Row("model.skip=none loss=mse", {"eps": seeds([1.0])}), once], ["eps"])
    assert "| model.skip=none loss=mse |" in markdown(table)
    print_table(table, "Which?")
    out = capsys.readouterr().out
    assert out.startswith("Which?")
    assert "randomization 10" in out


def test_the_figure_shows_means_spreads_seeds_and_print():
    figure = draw_scores([GOOD, BAD, row("absent", [], 0.3)], ["eps"], source="Somebody 2022")
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
    rows = [Row(f"data.samples.train={n}", {"eps": seeds([1 / n, 1.1 / n])}) for n in (1, 3, 90)]
    figure = draw_scores(rows, ["eps"], source=None)
    (axes,) = figure.axes
    assert axes.lines[0].get_xdata().tolist() == [1, 3, 90]
    assert axes.get_xscale() == "log"
    assert [text.get_text() for text in figure.legends[0].texts] == ["here: mean and spread over seeds"]


def test_convergence_draws_each_seed_and_their_mean(tmp_path):
    seeds = [[(10, 1.0), (20, 0.5)], [(10, 3.0), (20, 1.5), (30, 1.0)]]
    figure = draw_convergence({"eps": {"model.skip=none": seeds}})
    first, second, mean = figure.axes[0].lines
    assert (len(first.get_xdata()), len(second.get_xdata())) == (2, 3)
    assert mean.get_xydata().tolist() == [[10, 2.0], [20, 1.0]]
    save(tmp_path / "convergence.png", figure)
    assert (tmp_path / "convergence.png").stat().st_size > 10_000


# --- best, marks and formats -----------------------------------------------------------------------------------

BEST = row("best", [1.0, 1.1, 1.2], 0.1)
FAR = row("far", [2.0, 2.15, 2.2], 0.2)  # 1.05 away in the mean, with a spread of 0.029
NEAR = row("near", [1.3, 1.0, 1.4])
ONCE = row("once", [3.0], seeded=False)
TABLE = Comparison([FAR, BEST, NEAR, ONCE], ["eps"])


def test_the_best_is_the_least_unless_more_is_better():
    assert TABLE.best("eps") is BEST
    assert Comparison(TABLE.rows, ["eps"], {"eps": True}).best("eps") is ONCE
    assert Comparison(TABLE.rows, ["eps"], {"eps": None}).best("eps") is None
    assert Comparison([BEST, row("absent", [])], ["eps"]).best("eps") is None, "there is nothing to choose from"


def test_a_printed_order_where_more_is_better():
    assert verdict([GOOD, BAD], "eps", higher=True) == REVERSED.replace("not ", "")
    assert verdict([GOOD, row("other", [2.0, 2.2], 0.05)], "eps", higher=True) == REVERSED


def test_markdown_marks_what_differs_and_says_how():
    lines = {line.split("|")[1].strip(): line.split("|")[3].strip() for line in markdown(TABLE).splitlines()}
    assert lines["best"] == "**1.1 ± 1e-1**"
    assert lines["far"] == r"2.12 ± 1e-1 \*\*"
    assert lines["near"] == "1.23 ± 2e-1"
    assert lines["once"] == r"3 \*\*"
    assert TABLE.legend().startswith("* p < 0.05, ** p < 0.01: differs from the best of its column")
    few = Comparison([GOOD, BAD], ["eps"])
    assert few.legend().startswith("No significance is marked: no row has 3 seeds in common")
    assert "*" not in markdown(few).replace("**", ""), "no mark below three pairs"


def test_against_another_row():
    table = Comparison(TABLE.rows, ["eps"], against="model.skip=near")
    assert table.reference("eps") is NEAR
    assert "differs from model.skip=near" in table.legend()
    assert set(table.differences("eps")) == {"model.skip=best", "model.skip=far", "model.skip=once"}


def test_csv_has_all_digits():
    lines = list(csv.DictReader(io.StringIO(as_csv(TABLE))))
    assert [line["row"] for line in lines] == [one.name for one in TABLE.rows]
    far = lines[0]
    assert (far["seeds"], far["printed"], far["compared_with"], far["pairs"]) == ("3", "0.2", "model.skip=best", "3")
    assert float(far["mean"]) == pytest.approx(np.mean([2.0, 2.15, 2.2]), rel=1e-15)
    assert float(far["difference"]) == pytest.approx(np.mean([1.0, 1.05, 1.0]), rel=1e-12)
    assert lines[1]["compared_with"] == lines[1]["p"] == ""


def test_latex_is_whole_and_its_formulas_can_be_set():
    rows = [row("a_b & 5 %", [1.0e-5, 1.1e-5, 1.2e-5], 2e-5), FAR, row("absent", [], 0.3)]
    text = latex(Comparison(rows, ["eps", "eps_q"]), title="Which skips_1?", notes=["* p < 0.05", "100 % more"])
    lines = text.splitlines()
    begun, ended = (re.findall(rf"\\{word}{{(\w+)}}", text) for word in ("begin", "end"))
    assert begun == ended[::-1] == ["table", "tabular"]
    table = [line.removesuffix(r" \\") for line in lines if line.endswith(r" \\")]
    columns = re.search(r"{(lr+)}", text)[1]
    assert {len(re.split(r"(?<!\\)&", line)) for line in table} == {len(columns)}
    assert len(table) == 5, "heading, rows and printed order"
    assert r"a\_b \& 5 \%" in table[1]
    assert r"$\mathbf{1.10\cdot10^{-5} \pm 1\cdot10^{-6}}$" in table[1]
    assert r"\caption{Which skips\_1? * p $<$ 0.05}" in lines
    assert "% 100 % more" in lines
    parser = MathTextParser("agg")
    for formula in re.findall(r"\$[^$]+\$", "".join(table)):
        parser.parse(formula)


def test_a_title_is_printed_as_it_is(capsys):
    print_table(TABLE, "Runs with scores=[eps]")
    assert capsys.readouterr().out.startswith("Runs with scores=[eps]")
