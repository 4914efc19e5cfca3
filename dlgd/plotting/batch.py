"""A few samples as a network sees them: inputs and targets, scaled."""

from __future__ import annotations

from typing import TYPE_CHECKING

import matplotlib
import torch
from matplotlib.figure import Figure

from dlgd.plotting.style import STYLE

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes

    from dlgd.core.contract import Batch, Spec

MOST = 4  # panels of inputs


@matplotlib.rc_context(STYLE)
def draw_batch(batch: Batch, spec: Spec) -> Figure:
    """Draw the first sample of a batch without halo: a channel of each of its first input groups and of its target.

    Of a group with a channel for each day, and of a target of as many, it is that of the middle day, the day of the
    sample: of the others, some may be unknown. Fields (Y, X) are maps; series (T, X) are lines, or maps where there are
    many variables; of volumes (Z, Y, X), the first level is drawn; a class is a word.
    """
    inputs = batch.input[0].numpy()
    if len(spec.grid) == 3:
        inputs = inputs[:, 0]
    middle = [(slice_.start + slice_.stop) // 2 for slice_ in spec.input_groups.values()][:MOST]
    panels = [(spec.input_channels[at], inputs[at]) for at in middle] if inputs.ndim == 3 else []
    goal = spec.output_channels[int(batch.target[0])] if spec.kind == "label" else None
    if goal is None:
        panels.append(_target(batch, spec))
    figure = Figure(figsize=(2.8 * len(panels), 2.6), layout="constrained")
    for axes, (title, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, values, sequence=spec.kind == "sequence")
        axes.set_title(title if goal is None else f"{title}: {goal}", fontsize=9)
    return figure


def _target(batch: Batch, spec: Spec) -> tuple[str, np.ndarray]:
    """Return a channel of the target with its title; NaN where it does not count."""
    days = len(spec.output_channels) in dict(spec.groups).values()
    at = len(spec.output_channels) // 2 if days else 0
    values = batch.target[0, at].where(batch.mask[0, at], torch.nan)
    return f"target: {spec.output_channels[at]}", (values[0] if len(spec.grid) == 3 else values).numpy()


def _panel(axes: Axes, values: np.ndarray, *, sequence: bool) -> None:
    if sequence and values.shape[-1] == 1:
        axes.plot(values[:, 0], linewidth=1)
        axes.set_xlabel("step", fontsize=8)
        return
    axes.imshow(values, origin="upper" if not sequence else "lower", aspect="auto" if sequence else "equal")
    axes.set(xticks=[], yticks=[])
