"""The style of all figures, and the function that saves them.

Figures are drawn under `matplotlib.rc_context(STYLE)`. The letters look larger in a figure of fewer inches.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

DPI = 150
DPI_OF_PAGES = 90
STYLE: dict[RcKeyType, Any] = {"font.size": 11, "axes.titlesize": 12, "legend.fontsize": 10}
# Of methods: Okabe and Ito 2008, Color universal design.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# Of classes: P. Tol 2021, Colour schemes, "muted".
CLASS_COLOURS = (
    "#332288 #88CCEE #44AA99 #117733 #999933 #DDCC77 #CC6677 #882255 #AA4499 #AAAAAA".split()  # noqa: SIM905
)
MARKERS = "osD^vP*X"


def save(path: Path, figure: Figure) -> None:
    """Write a PNG, and make its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=DPI, bbox_inches="tight", pad_inches=0.1)


def png(figure: Figure) -> bytes:
    """Return a PNG for a page, of fewer dots than one that is saved."""
    content = io.BytesIO()
    with matplotlib.rc_context(STYLE):
        figure.savefig(content, format="png", dpi=DPI_OF_PAGES)
    return content.getvalue()


def file_name(text: str) -> str:
    """Return the name of a method or class as a part of a file name that all file systems and trackers accept."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in text)
