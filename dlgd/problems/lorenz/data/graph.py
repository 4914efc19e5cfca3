"""From observations or known steps to states, in physical units: the graph that is exported with a network."""

from __future__ import annotations

import torch
import xarray as xr
from torch import Tensor

from dlgd.core.contract import GraphField, PhysicalGraph
from dlgd.problems.lorenz.data import files
from dlgd.problems.lorenz.data.tensors import SequenceTensors

ABOUT = {
    "observations": "observed values, NaN where nothing is observed",
    "given": "known values of the steps before the forecast",
}


class SequenceGraph(PhysicalGraph):
    """Trajectories (sample, time, variable) from their observations, or the `leads` steps that follow known ones.

    leads: steps of a forecast; None for assimilation, whose windows may have any number of steps.
    variables: their names. dt: time units of a step.
    """

    def __init__(self, tensors: SequenceTensors, *, leads: int | None, variables: tuple[str, ...], dt: float) -> None:
        super().__init__()
        self.change, self.leads = tensors, leads
        forecast = leads is not None
        self.known = "given" if forecast else "observations"

        def field(name: str, about: str) -> GraphField:
            return GraphField(name=name, dims=files.dimensions(name, forecast=forecast), units="1", about=about)

        self.inputs = (field(self.known, ABOUT[self.known]),)
        self.output = field("state", "predicted values")
        self.facts = {"variables": list(variables), "dt": dt}

    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """The known values, float32."""
        return (torch.tensor(samples[self.known].values, dtype=torch.float32),)

    def encode(self, *fields: Tensor) -> Tensor:
        """The input channels of the task."""
        (known,) = fields
        if self.leads is None:
            return self.change.of_observations(known, ~known.isnan())
        return self.change.of_known_steps(known, self.leads)

    def decode(self, prediction: Tensor, *fields: Tensor) -> Tensor:
        """States, float32."""
        return self.change.physical(prediction).float()
