"""The film of a window: it moves, shows each observation from its time on, and has as many frames as it should."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from dlgd.problems.lorenz.figures import animation as film
from dlgd.problems.lorenz.figures.animation import FRAMES, animation


def waves(count, steps, variables):
    phase = np.arange(count)[:, None, None] + np.arange(variables) / 3
    return np.sin(np.linspace(0, 7, steps)[:, None] + phase)


@pytest.mark.parametrize("variables", [2, 3, 12])
@pytest.mark.parametrize("observed", [False, True])
def test_a_film(variables, observed, tmp_path):
    truth = waves(3, 30, variables)
    seen = np.where(np.arange(30)[:, None] % 5 == 0, truth, np.nan) if observed else None
    names = [f"x{number}" for number in range(variables)]
    path = tmp_path / "made" / "animation.gif"
    estimates = {"good": truth + 0.01, "bad": truth + 0.3}
    animation(path, 0.1 * np.arange(30), truth=truth, estimates=estimates, names=names, observations=seen)
    with Image.open(path) as moving:
        assert moving.n_frames == 30
        first = np.asarray(moving.convert("L")).copy()
        moving.seek(25)
        assert (np.asarray(moving.convert("L")) != first).any()


def test_long_windows_have_few_frames(tmp_path):
    truth = waves(1, 400, 3)
    animation(tmp_path / "a.gif", np.arange(400), truth=truth, estimates={"a": truth}, names=["x", "y", "z"])
    with Image.open(tmp_path / "a.gif") as moving:
        assert moving.n_frames == FRAMES


def test_what_is_drawn_at_a_time():
    truth = waves(1, 20, 3)[0]
    seen = np.where(np.arange(20)[:, None] % 4 == 0, truth, np.nan)
    figure, redraw = film._curves(film.Window(np.arange(20.0), truth, {"a": truth + 1}, seen, ["x", "y", "z"]))
    redraw(7)
    *_, row = figure.axes
    true, estimate, dots = row.get_lines()
    np.testing.assert_array_equal(true.get_data(), [np.arange(8), truth[:8, 2]])
    np.testing.assert_array_equal(estimate.get_ydata(), truth[:8, 2] + 1)
    np.testing.assert_array_equal(np.flatnonzero(np.isfinite(dots.get_ydata())), [0, 4])
