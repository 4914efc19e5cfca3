"""The style of all figures, and the one place where they are saved.

A figure is drawn under `matplotlib.rc_context(STYLE)`. Its size in inches says how large its letters look.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
from matplotlib.figure import Figure

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

DPI = 150
STYLE: dict[RcKeyType, Any] = {"font.size": 11, "axes.titlesize": 12, "legend.fontsize": 10}
# of methods: Okabe and Ito 2008, Color universal design
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
# of classes: P. Tol 2021, Colour schemes, "muted"
CLASS_COLOURS = (
    "#332288 #88CCEE #44AA99 #117733 #999933 #DDCC77 #CC6677 #882255 #AA4499 #AAAAAA".split()  # noqa: SIM905
)
MARKERS = "osD^vP*X"


def save(path: Path, figure: Figure) -> None:
    """Write a PNG, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with matplotlib.rc_context(STYLE):
        figure.savefig(path, dpi=DPI, bbox_inches="tight", pad_inches=0.1)


def file_name(text: str) -> str:
    """A method's or a class's name without what neither files nor trackers take."""
    return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in text)
