"""From observations or known steps to states, in physical units: the graph that is exported with a network."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core.contract import GraphField, PhysicalGraph
from dlgd.problems.lorenz.data import files
from dlgd.problems.lorenz.data.tensors import SequenceTensors

ABOUT = {
    "observations": "observed values, NaN where nothing is observed",
    "given": "known values of the steps before the forecast",
    "first_guess": "trajectories by the method from which the network starts",
}


class SequenceGraph(PhysicalGraph):
    """Trajectories (sample, time, variable) from their observations, or the `leads` steps that follow known ones.

    leads: steps of a forecast; None for assimilation, whose windows may have any number of steps.
    variables: their names. dt: time units of a step.
    guess: of assimilation, the trajectories of samples by the method from which a network starts; None if it starts
        from interpolated observations.
    """

    def __init__(
        self,
        tensors: SequenceTensors,
        *,
        leads: int | None,
        variables: tuple[str, ...],
        dt: float,
        guess: Callable[[xr.Dataset], np.ndarray | None] | None,
    ) -> None:
        super().__init__()
        self.change, self.leads, self.guess = tensors, leads, guess
        forecast = leads is not None
        self.known = "given" if forecast else "observations"

        def field(name: str, about: str) -> GraphField:
            return GraphField(name=name, dims=files.dimensions(name, forecast=forecast), units="1", about=about)

        self.inputs = (field(self.known, ABOUT[self.known]),)
        if guess is not None:
            dims = files.dimensions(self.known, forecast=forecast)
            self.inputs += (GraphField(name="first_guess", dims=dims, units="1", about=ABOUT["first_guess"]),)
        self.output = field("state", "predicted values")
        self.facts = {"variables": list(variables), "dt": dt}

    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """The known values and the first guess of a method, float32."""
        found = [samples[self.known].values, None if self.guess is None else self.guess(samples)]
        return tuple(torch.tensor(values, dtype=torch.float32) for values in found if values is not None)

    def encode(self, *fields: Tensor) -> Tensor:
        """The input channels of the task."""
        known, *guess = fields
        if self.leads is None:
            return self.change.of_observations(known, *guess)
        return self.change.of_known_steps(known, self.leads)

    def decode(self, prediction: Tensor, *fields: Tensor) -> Tensor:
        """States, float32."""
        return self.change.physical(prediction).float()
