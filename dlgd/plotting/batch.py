"""A few samples as a network sees them: inputs and targets, scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from dlgd.core.contract import Batch, Spec

MOST = 4  # panels of inputs


@matplotlib.rc_context(STYLE)
def draw_batch(batch: Batch, spec: Spec) -> Figure:
    """Draw the first sample of a batch without halo: its first input channels, and the first channel of its target.

    Fields (Y, X) are maps; series (T, X) are lines, or maps where there are many variables; a class is a word.
    """
    inputs, targets = batch.input[0].numpy(), batch.target[0].numpy()
    shown = list(zip(spec.input_channels, inputs, strict=False))[:MOST] if inputs.ndim == 3 else []
    goal = spec.output_channels[int(targets)] if spec.kind == "label" else None
    panels = shown if goal is not None else [*shown, (f"target: {spec.output_channels[0]}", targets[0])]
    figure = Figure(figsize=(2.8 * len(panels), 2.6), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, values, sequence=spec.kind == "sequence")
        axes.set_title(title if goal is None else f"{title}: {goal}", fontsize=9)
    return figure


def _panel(axes: Axes, values: np.ndarray, *, sequence: bool) -> None:
    if sequence and values.shape[-1] == 1:
        axes.plot(values[:, 0], linewidth=1)
        axes.set_xlabel("step", fontsize=8)
        return
    axes.imshow(values, origin="upper" if not sequence else "lower", aspect="auto" if sequence else "equal")
    axes.set(xticks=[], yticks=[])
