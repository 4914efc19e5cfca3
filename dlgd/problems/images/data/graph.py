"""From pictures to the probabilities of classes or to pictures: the graph that is exported with a network."""

from __future__ import annotations

from collections.abc import Callable

import torch
import xarray as xr
from torch import Tensor

from dlgd.core.contract import GraphField, PhysicalGraph
from dlgd.problems.images.data.pictures import Shown
from dlgd.problems.images.data.samples import LONG_NAMES
from dlgd.problems.images.data.tasks import Task

ABOUT = {"intensity": ", from 0 to 1", "given": ", 0 where it is hidden", "observed": ": 1, and 0 where it is hidden"}


class PictureGraph(PhysicalGraph):
    """Pictures (sample, y, x), or (sample, y, x, colour) -> probabilities (sample, class) or pictures, all float32.

    shown: the classes, and how pictures look. halo: black cells put around the pictures for the network.
    background: their value, scaled.
    scaled: what the data set does to the intensity of pictures that are to be classified.
    """

    def __init__(
        self,
        task: Task,
        *,
        shown: Shown,
        halo: int,
        background: float,
        scaled: Callable[[Tensor], Tensor],
    ) -> None:
        super().__init__()
        self.task, self.halo, self.background, self.scaled = task, halo, background, scaled
        self.inputs = tuple(
            GraphField(name=name, dims=shown.dims, units="1", about=LONG_NAMES[name] + ABOUT[name])
            for name in task.input
        )
        if task.name == "classify":
            about = "probability of each class"
            self.output = GraphField(name="probability", dims=("sample", "class"), units="1", about=about)
            self.facts = {"classes": list(shown.classes)}
        else:
            self.output = GraphField(name="predicted", dims=shown.dims, units="1", about="predicted brightness")

    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """The pictures."""
        return tuple(torch.tensor(samples[one.name].values, dtype=torch.float32) for one in self.inputs)

    def encode(self, *fields: Tensor) -> Tensor:
        """The input channels of the task."""
        found = {
            one.name: field.movedim(3, 1) if field.ndim == 4 else field[:, None]
            for one, field in zip(self.inputs, fields, strict=True)
        }
        if "intensity" in found:
            found["intensity"] = self.scaled(found["intensity"])
        return self.task.seen(found, halo=self.halo, background=self.background)

    def decode(self, prediction: Tensor, *fields: Tensor) -> Tensor:
        """Probabilities or pictures."""
        return prediction.softmax(dim=1) if self.task.name == "classify" else prediction[:, 0]
