"""Error against seconds."""

import matplotlib.figure
import pytest

from dlgd.core.score import Score
from dlgd.plotting.cost import column_of, cost


def method(name, eps, seconds):
    return {"method": name, "eps": eps, "seconds_per_sample": seconds}


ROWS = [
    method("resnet 1", 1e-2, 0.9),
    method("randomization 1000", 3e-2, 5.0),
    method("randomization 100", 1e-1, 0.5),
    method("randomization 50", 2e-1, 0.6),  # slower by chance
    method("exact 1e-06", 0.0, 2.4),
]


@pytest.fixture
def axes(tmp_path, monkeypatch):
    """Those of the figure that was saved."""
    saved = []
    usual = matplotlib.figure.Figure.savefig
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda f, *a, **k: (saved.append(f), usual(f, *a, **k)))
    cost(ROWS, Score("eps", "eps_mean", higher_is_better=False), tmp_path / "cost.png", title="a run")
    assert (tmp_path / "cost.png").stat().st_size > 10_000
    return saved[0].axes[0]


def test_methods_of_a_family_are_joined_in_the_order_of_their_numbers(axes):
    assert [line.get_xydata().tolist() for line in axes.lines] == [
        [[0.9, 1e-2]],
        [[0.6, 2e-1], [0.5, 1e-1], [5.0, 3e-2]],
    ]
    assert [text.get_text() for text in axes.texts] == ["", "50", "100", "1000"]
    assert [text.get_text() for text in axes.figure.legends[0].texts] == ["resnet 1", "randomization"]
    assert axes.get_xscale() == axes.get_yscale() == "log"


def test_a_score_that_few_methods_have_is_not_drawn():
    """Such as that of true coefficients, of data whose equations nobody knows."""
    eps, missing = Score("eps", "eps", higher_is_better=False), Score("terms", "terms", higher_is_better=None)
    assert column_of(ROWS, (missing, eps)) is eps
    assert column_of(ROWS, (missing,)) is None
    assert column_of(ROWS[:2], (eps,)) is None


def test_a_perfect_method_is_named_though_it_has_no_place(axes):
    assert axes.get_ylabel() == "eps_mean"
    assert axes.get_xlabel() == "seconds per sample\n0, and therefore not drawn: exact 1e-06"


def test_more_methods_than_colours_have_other_markers(tmp_path, monkeypatch):
    saved = []
    monkeypatch.setattr(matplotlib.figure.Figure, "savefig", lambda f, *a, **k: saved.append(f))
    rows = [method(f"method {letter}", 1e-2, 0.5) for letter in "abcdefghijklm"] + [method("exact " * 20, 0.0, 1.0)]
    cost(rows, Score("eps", "eps_mean", higher_is_better=False), tmp_path / "cost.png", title="many")
    looks = [(line.get_color(), line.get_marker()) for line in saved[0].axes[0].lines]
    assert len(set(looks)) == 13
    assert max(map(len, saved[0].axes[0].get_xlabel().splitlines())) <= 70
