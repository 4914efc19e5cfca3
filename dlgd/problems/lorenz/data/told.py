"""What networks are told of the stochastic system, as input channels; and the graph that is exported with a network."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
import xarray as xr
from torch import Tensor

from dlgd.core.contract import Batch, GraphField
from dlgd.physics.stochastic_lorenz import PARAMETERS, USUAL
from dlgd.problems.lorenz.data.graph import SequenceGraph
from dlgd.problems.lorenz.data.stream import Make

VARYING = 3  # the first parameters differ from window to window; the others would be channels without news
FORCING_SCALE, PARAMETER_SCALE = 3.0, 0.1  # of a channel: in units of W, and of a parameter over its usual value
TOLD = {"forcing": ("sample", "time"), "parameters": ("sample", "parameter")}
ABOUT = {"forcing": "W of the equations", "parameters": ", ".join(PARAMETERS)}


def channels(forcing: Tensor, parameters: Tensor) -> Tensor:
    """Return scaled channels (B, 1 + VARYING, T, 1) of W (B, T) and parameters (B, 5)."""
    several = zip(
        parameters.unbind(1)[:VARYING], USUAL[:VARYING], strict=True
    )  # whose number is fixed in exported graphs
    relative = [(own / usual - 1)[:, None].expand_as(forcing) / PARAMETER_SCALE for own, usual in several]
    return torch.stack([forcing / FORCING_SCALE, *relative], dim=1)[..., None]


def appended(batch: Batch, forcing: Tensor, parameters: Tensor) -> Batch:
    """Return the batch with these channels behind its own."""
    return replace(batch, input=torch.cat([batch.input, channels(forcing, parameters)], dim=1))


def with_channels(
    numbers: Tensor, values: Tensor, generator: torch.Generator, *, make: Make, forcing: Tensor, parameters: Tensor
) -> Batch:
    """Return the batch that `make` makes, with what networks are told of its windows, of all windows."""
    return appended(make(numbers, values, generator), forcing[numbers], parameters[numbers])


class ToldGraph(SequenceGraph):
    """The graph of other sequences, with what is told as two more fields behind the others."""

    def __init__(self, *given: Any, **options: Any) -> None:
        super().__init__(*given, **options)
        self.inputs = (
            *self.inputs,
            *(GraphField(name=name, dims=TOLD[name], units="1", about=ABOUT[name]) for name in TOLD),
        )
        self.facts = {**self.facts, "parameters": list(PARAMETERS)}

    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """Those of other sequences, and what is told, float32."""
        told = (torch.tensor(samples[name].values, dtype=torch.float32) for name in TOLD)
        return (*super().tensors(samples), *told)

    def encode(self, *fields: Tensor) -> Tensor:
        """The input channels."""
        *known, forcing, parameters = fields
        return torch.cat([super().encode(*known), channels(forcing, parameters)], dim=1)
