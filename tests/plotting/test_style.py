"""One style and one way to save for all figures."""

from __future__ import annotations

import re

import matplotlib
import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure

from dlgd.core.paths import ROOT
from dlgd.plotting.style import DPI, STYLE, file_name, save

SAVED_ELSEWHERE = re.compile(r"\bsavefig\b|\bimsave\b")
ANOTHER_STYLE = re.compile(r"rc_context\((?!STYLE\))|rcParams|style\.use")


@pytest.mark.parametrize("pattern", [SAVED_ELSEWHERE, ANOTHER_STYLE], ids=["saved", "style"])
def test_figures_are_styled_and_saved_in_one_place(pattern):
    modules = {path: path.read_text() for path in (ROOT / "dlgd").rglob("*.py") if path.name != "style.py"}
    assert [str(path) for path, text in modules.items() if pattern.search(text)] == []


@pytest.mark.parametrize(
    ("pattern", "line"),
    [
        (SAVED_ELSEWHERE, "figure.savefig(path, dpi=150)"),
        (ANOTHER_STYLE, '@matplotlib.rc_context({"font.size": 12})'),
        (ANOTHER_STYLE, 'plt.style.use("ggplot")'),
    ],
)
def test_another_style_is_found(pattern, line):
    assert pattern.search(line)


def test_a_figure_is_saved_with_its_folder_and_without_white_around_it(tmp_path):
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(6, 6))
        axes = figure.add_axes((0.3, 0.3, 0.4, 0.4))
        axes.set_axis_off()
        axes.imshow(np.zeros((2, 2)))
    save(tmp_path / "figures" / "one.png", figure)
    height, width, _ = image.imread(tmp_path / "figures" / "one.png").shape
    assert width == height == pytest.approx(DPI * (0.4 * 6 + 0.2), abs=2)


def test_a_name_becomes_one_that_files_take():
    assert file_name("randomization 100, L=2/3") == "randomization_100__L_2_3"
