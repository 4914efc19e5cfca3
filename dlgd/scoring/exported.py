"""A trained network as one graph from physical fields to a physical prediction, and how far it is from its run."""

from __future__ import annotations

import hashlib
import math
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import xarray as xr
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from dlgd.core.contract import DataSource, GraphField, Network, PhysicalGraph
from dlgd.core.errors import Refusal
from dlgd.scoring.quiet import quiet
from dlgd.scoring.trained import Trained, predict

MOST = 3  # samples on which a graph is compared with its run
TRACED = 2  # samples with which it is traced: PyTorch takes 1 for a size that is fixed


class ChannelGraph(PhysicalGraph):
    """The graph of data that have no other: the encoded input channels in, the scaling of the target undone."""

    def __init__(self, data: DataSource, network: Network) -> None:
        super().__init__()
        self.data, self.halo, self.scaling = data, network.halo, data.spec.scaling
        self.padding = network.halo
        spec = data.spec
        axes = AXES[spec.kind]
        self.inputs = (
            GraphField(
                name="input",
                dims=("sample", "channel", *axes),
                units="1",
                about="input channels as DataSource.encode makes them, scaled",
            ),
        )
        log = self.scaling.log
        self.output = GraphField(
            name="prediction",
            dims=("sample", "channel", *(axes if spec.kind != "label" else ())),
            units="1" if log else spec.units,
            about=f"{', '.join(spec.output_channels)}{': ratio to the first guess of the data' if log else ''}",
        )
        self.facts = {"input_channels": list(spec.input_channels), "output_channels": list(spec.output_channels)}

    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """The input channels."""
        return (torch.cat([batch.input for batch in self.data.encode(samples, halo=self.halo, device="cpu")]),)

    def encode(self, *fields: Tensor) -> Tensor:
        """The input channels as they are."""
        return fields[0]

    def decode(self, prediction: Tensor, *fields: Tensor) -> Tensor:
        """The scaling undone."""
        unscaled = prediction * self.scaling.std + self.scaling.mean
        return unscaled.exp() if self.scaling.log else unscaled


AXES = {"field": ("y", "x"), "sequence": ("time", "x"), "label": ("y", "x"), "generated": ()}


class Exported(nn.Module):
    """A network between the encoding and the decoding of its data, on the CPU.

    samples: those of the grid for which it is exported, None if there are none at hand.
    """

    def __init__(self, network: Network, data: DataSource, samples: xr.Dataset | None) -> None:
        super().__init__()
        own = data.physical_graph(halo=network.halo, samples=samples)
        self.physical = own is not None
        self.network, self.graph = network, own if own is not None else ChannelGraph(data, network)
        self.data = data
        self.cpu().eval()

    def forward(self, *fields: Tensor) -> Tensor:
        """Return the prediction for fields in the order of `graph.inputs`, in physical units."""
        return self.graph.decode(self.network(self.graph.encode(*fields)).prediction, *fields)

    def refuse_unknown(self, fields: Sequence[Tensor], where: str) -> None:
        """Refuse a network whose answers are not finite where the data do not ask for NaN. where: what the fields are.

        Differences from such answers are not finite either: they would say nothing about the file.
        """
        with torch.no_grad():
            prediction = self.network(self.graph.encode(*fields)).prediction
            answer = self.graph.decode(prediction, *fields)
            asked = ~self.graph.decode(torch.zeros_like(prediction), *fields).isnan()
        if not asked.any():
            raise Refusal(f"nothing is to be predicted in {where}: a file cannot be compared with its run there")
        lacking = int((~answer.isfinite() & asked).sum())
        if lacking:
            raise Refusal(
                f"{type(self.network).__name__} cannot be exported: {lacking} of its {int(asked.sum())} answers for "
                f"{where} are NaN or infinite"
            )

    def refuse_random(self, fields: Sequence[Tensor]) -> None:
        """Refuse a network that answers differently when it is asked again."""
        with torch.no_grad():
            answers = [self(*fields) for _ in range(2)]
        if not torch.allclose(*answers, rtol=0, atol=0, equal_nan=True):
            raise Refusal(
                f"{type(self.network).__name__} draws random numbers when it predicts, but a file answers the same "
                "each time: export another network"
            )

    def program(self, fields: Sequence[Tensor], *, any_grid: bool) -> ExportedProgram:
        """Return the traced graph, which takes any number of samples. Refusal where PyTorch cannot trace the network.

        any_grid: whether the other axes are left free, too, as far as the network takes any size.
        """
        traced = tuple(several(self.graph, fields, TRACED))
        free = tuple(
            {
                axis: Dim.AUTO
                for axis, (name, size) in enumerate(zip(one.dims, field.shape, strict=True))
                if size > 1 and (any_grid or name == "sample")
            }
            for one, field in zip(self.graph.inputs, traced, strict=True)
        )
        with torch.no_grad():
            self(*traced)  # a fault of the network's own code is none of PyTorch's: it is shown as it is
        try:
            with quiet(), torch.no_grad():
                program = torch.export.export(self, traced, dynamic_shapes=(free,))
        except Exception as error:  # PyTorch raises many kinds of errors
            if not of_torch(error):
                raise
            raise refused(self.network, "torch.export", error) from error
        if any(one.dims[0] == "sample" and shape[0] is not None for one, shape in self._inputs(program)):
            raise depends_on_samples(self.network)
        return program

    def _inputs(self, program: ExportedProgram) -> Iterator[tuple[GraphField, list[int | None]]]:
        return zip(self.graph.inputs, sizes(program)[:-1], strict=True)

    def facts(self, fields: Sequence[Tensor], program: ExportedProgram) -> dict[str, Any]:
        """Return what a caller of the graph must know, as plain values by name."""
        shapes = sizes(program)
        inputs = [
            described(one, field, shape)
            for one, field, shape in zip(self.graph.inputs, fields, shapes[:-1], strict=True)
        ]
        with torch.no_grad():
            output = described(self.graph.output, self(*fields), shapes[-1])
        return {
            "inputs": inputs,
            "output": output,
            "physical_inputs": self.physical,
            "halo": self.network.halo,
            "padding": self.graph.padding,
            **self.graph.facts,
            "weights_sha256": weights_digest(self.network),
        }

    def answer(self, samples: xr.Dataset) -> np.ndarray:
        """Return what the run predicts for samples, in the units of the graph."""
        if self.physical:
            return Trained(name="run", network=self.network, data=self.data, device=torch.device("cpu")).predict(
                samples
            )
        batches = list(self.data.encode(samples, halo=self.network.halo, device="cpu"))
        return self.graph.decode(predict(self.network, batches)).numpy()


def refused(network: Network, what: str, error: Exception) -> Refusal:
    """Return the refusal of a network that a library cannot export: one sentence with the first words of its error."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    words = (lines[0] if lines else type(error).__name__).partition(". ")[0][:160].rstrip(".:")
    return Refusal(f"{type(network).__name__} cannot be exported: {what} says: {words}")


def of_torch(error: Exception) -> bool:
    """Whether PyTorch has raised an error, and not the code of a network: that is a fault, and is shown whole."""
    *_, last = traceback.walk_tb(error.__traceback__)
    return Path(torch.__file__).parent in Path(last[0].f_code.co_filename).parents


def depends_on_samples(network: Network) -> Refusal:
    """Return the refusal of a network whose graph does not hold for any number of samples."""
    return Refusal(
        f"{type(network).__name__} cannot be exported: its operations depend on the number of samples (in code of your "
        "own, write input.shape[0] and not len(input), and do not branch on it)"
    )


def several(graph: PhysicalGraph, fields: Sequence[Tensor], count: int) -> list[Tensor]:
    """Return the fields with `count` samples, the first ones, again from the beginning where there are fewer."""
    found = []
    for one, field in zip(graph.inputs, fields, strict=True):
        of_samples = one.dims[0] == "sample"
        found.append(field[torch.arange(count) % len(field)] if of_samples else field)
    return found


def sizes(program: ExportedProgram) -> list[list[int | None]]:
    """Return the shape of each input, and of the output at the end; None along axes of any size."""
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    names = [*program.graph_signature.user_inputs, *program.graph_signature.user_outputs]
    limits = program.range_constraints

    def fixed(size: Any) -> int | None:
        if isinstance(size, int) or size.node.expr.is_number:  # the network has fixed some of those that were free
            return int(size)
        limit = limits.get(size.node.expr)
        return int(limit.lower) if limit is not None and limit.lower == limit.upper else None

    return [[fixed(size) for size in values[name].shape] for name in map(str, names)]


def described(field: GraphField, values: Tensor, shape: Sequence[int | None]) -> dict[str, Any]:
    """Return a field with its type and its sizes, None along axes of any size."""
    return asdict(field) | {"dtype": str(values.dtype).removeprefix("torch."), "shape": list(shape)}


def weights_digest(network: Network) -> str:
    """Return the SHA-256 of the names and values of all weights."""
    total = hashlib.sha256()
    for name, values in sorted(network.state_dict().items()):
        total.update(name.encode())
        total.update(values.detach().cpu().contiguous().numpy().tobytes())
    return total.hexdigest()


@dataclass(frozen=True)
class Difference:
    """The largest difference of two answers, in their units and over the standard deviation of the second one."""

    largest: float
    relative: float


def difference(found: np.ndarray, wanted: np.ndarray) -> Difference:
    """Compare a graph with its run; infinite where what is not finite is not the same in both."""
    known = np.isfinite(wanted)
    if found.shape != wanted.shape or not np.array_equal(found[~known], wanted[~known], equal_nan=True):
        return Difference(np.inf, np.inf)
    largest = float(np.abs(found[known] - wanted[known]).max(initial=0.0))
    if not math.isfinite(largest):
        return Difference(np.inf, np.inf)
    return Difference(largest, largest / spread(wanted))


def spread(answers: np.ndarray) -> float:
    """Return the standard deviation of the finite ones; their size, or 1, where they are all the same."""
    known = answers[np.isfinite(answers)].astype(np.float64)
    if known.size == 0:
        return 1.0
    return float(known.std()) or float(np.abs(known).max()) or 1.0
