"""The figure of a table of any number of rows."""

import numpy as np

from dlgd.plotting.style import save
from dlgd.results.comparison import Comparison, Row
from dlgd.results.ranking_figure import MOST, draw_ranking

FIRST = Row("model=a", {"eps": {"0": 0.1, "1": 0.12, "2": 0.11}}, {"eps": 0.02})
SECOND = Row("model=b", {"eps": {"0": 0.3, "1": 0.31, "2": 0.35}})
ONCE = Row("kriging", {"eps": {"": 0.9}, "mu": {"": 0.5}}, seeded=False)
ABSENT = Row("model=c", {"eps": {}})


def lines_of(axes):
    return {line.get_label(): np.asarray(line.get_xydata()) for line in axes.lines if line.get_label()[0] != "_"}


def test_rows_are_drawn_at_their_names(tmp_path):
    figure = draw_ranking(
        Comparison([FIRST, SECOND, ONCE, ABSENT], ["eps", "mu"], {"mu": True}), source="Somebody 2022"
    )
    left, right = figure.axes
    places = left.get_yticks()
    assert [label.get_text() for label in left.get_yticklabels()] == ["model=a", "model=b", "kriging", "model=c"]
    drawn = lines_of(left)
    assert drawn["each seed"].tolist() == [
        *([x, places[0]] for x in (0.1, 0.12, 0.11)),
        *([x, places[1]] for x in (0.3, 0.31, 0.35)),
    ]
    assert drawn["classical method"].tolist() == [[0.9, places[2]]]
    assert drawn["printed"].tolist() == [[0.02, places[0]]]
    np.testing.assert_allclose(drawn["best here"], [[0.11, places[0]]])
    starred = drawn["one star p < 0.05, two p < 0.01"][:, 1]
    assert set(starred) == {places[1], places[2]}
    assert (left.get_xscale(), left.get_xlabel(), right.get_xlabel()) == ("log", "less is better", "more is better")
    assert lines_of(right)["classical method"].tolist() == [[0.5, places[2]]]
    assert "printed (Somebody 2022)" in {text.get_text() for text in figure.legends[0].texts}
    save(tmp_path / "ranking.png", figure)
    assert (tmp_path / "ranking.png").stat().st_size > 10_000


def test_too_many_rows_are_said_to_be_left_out_and_long_names_are_folded():
    long = "model=resnet " + " ".join(f"data.option_{n}=value" for n in range(8))
    rows = [Row(f"{long} seed_of_data={n}", {"eps": {"0": 1.0 + n}}) for n in range(MOST + 2)]
    figure = draw_ranking(Comparison(rows, ["eps"]), source=None)
    assert len(figure.axes[0].get_yticks()) == MOST
    assert f"{MOST} of {MOST + 2} rows" in [text.get_text() for text in figure.texts]
    name = figure.axes[0].get_yticklabels()[0].get_text()
    assert name.replace("\n", " ") == rows[0].name
    assert max(map(len, name.splitlines())) < 60
