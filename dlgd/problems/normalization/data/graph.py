"""From the fields of diffusion operators to gamma, in physical units: the graph that is exported with a network.

The fields of the closed form are inputs: they are no operations of a network, and an ocean model may have them already.
"""

from __future__ import annotations

import torch
import xarray as xr
from torch import Tensor

from dlgd.core.contract import GraphField, PhysicalGraph
from dlgd.physics.halo import Topology, pad_cells, pad_south_faces, pad_west_faces
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.closed_forms import GUESS
from dlgd.problems.normalization.data.features import Features, Padded

SAMPLES, GRID = ("sample", "y", "x"), ("y", "x")


class OperatorGraph(PhysicalGraph):
    """Fields padded by halo + 1 cells -> gamma (sample, y, x), all float64.

    Inputs have 2 (halo + 1) more rows and columns than gamma, alpha_i one more row and alpha_j one more column still.
    halo: cells that the network consumes on each side. topology: of the grid, with which they are padded. steps: M, of
    the operators and of the closed form.
    """

    def __init__(self, features: Features, *, halo: int, topology: Topology, steps: int) -> None:
        super().__init__()
        self.features, self.halo, self.padding = features, halo, halo + 1
        form = features.closed_form
        self.known = () if form is None else (GUESS, *form.channels)
        inputs = [
            GraphField(name="alpha_i", dims=("sample", "y_face", "x"), units="m2", about="on south faces, 0 if closed"),
            GraphField(name="alpha_j", dims=("sample", "y", "x_face"), units="m2", about="on west faces, 0 if closed"),
            GraphField(name="w", dims=GRID, units="m2", about="cell area, on land too; the nearest one outside"),
            GraphField(name="mask", dims=GRID, units="1", about="1 at sea, 0 on land and outside"),
        ]
        if features.uses_distance:
            about = f"signed {features.distance_metric} distance to the coast in cells, the nearest one outside"
            inputs.append(GraphField(name="distance", dims=GRID, units="1", about=about))
        for name in self.known:
            units = "m" if name == GUESS else "1"
            inputs.append(GraphField(name=name, dims=SAMPLES, units=units, about="of the closed form, at sea"))
        self.inputs = tuple(inputs)
        self.output = GraphField(name="gamma", dims=SAMPLES, units="m", about="normalization coefficient, NaN on land")
        sides = {"west_east": topology.west_east, "south_north": topology.south_north}
        self.facts = {"topology": sides, "steps": steps}

    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """The fields, padded with the topology of the samples."""
        size, sides = self.padding, fields.topology(samples)
        samples = fields.with_closed_form(samples, self.features.closed_form)
        found = {
            "alpha_i": pad_south_faces(samples.alpha_i.values, size, sides),
            "alpha_j": pad_west_faces(samples.alpha_j.values, size, sides),
            "w": pad_cells(samples.w.values, size, sides, "nearest"),
            "mask": pad_cells(samples.mask.values, size, sides),
            "distance": pad_cells(samples.distance.values, size, sides, "nearest"),
            **{name: pad_cells(samples[name].values, size, sides) for name in self.known},
        }
        return tuple(torch.tensor(found[one.name], dtype=torch.float64) for one in self.inputs)

    def encode(self, *fields: Tensor) -> Tensor:
        """The input channels."""
        found = self._by_name(fields)
        count = found["alpha_i"].shape[0]
        of_grid = {one.name for one in self.inputs if one.dims == GRID}
        found = {name: field.expand(count, -1, -1) if name in of_grid else field for name, field in found.items()}
        padded = Padded(
            alpha_i=found["alpha_i"],
            alpha_j=found["alpha_j"],
            w=found["w"],
            sea=found["mask"] > 0.5,
            distance=found.get("distance"),
            known={name: found[name] for name in self.known},
        )
        return torch.stack([field.float() for field in self.features.fields(padded, torch)], dim=1)

    def decode(self, prediction: Tensor, *fields: Tensor) -> Tensor:
        """gamma, from its ratio to the closed form or by itself."""
        found, scaling = self._by_name(fields), self.features.scaling
        inner = self._without_padding
        gamma = prediction[:, 0].double() * scaling.std + scaling.mean
        if scaling.log:
            gamma = inner(found[GUESS]) * gamma.exp()
        return torch.where(inner(found["mask"]) > 0.5, gamma, torch.nan)

    def _by_name(self, fields: tuple[Tensor, ...]) -> dict[str, Tensor]:
        return {one.name: field for one, field in zip(self.inputs, fields, strict=True)}

    def _without_padding(self, field: Tensor) -> Tensor:
        size = self.padding
        return field[..., size : field.shape[-2] - size, size : field.shape[-1] - size]
