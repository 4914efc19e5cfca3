"""A trained network as a file for other programs: its graph, checked on samples, with the facts about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
import xarray as xr
from omegaconf import DictConfig
from torch import Tensor
from torch.export import ExportedProgram

from dlgd import __version__
from dlgd.cli import runs
from dlgd.cli.output_file import output_file
from dlgd.core import cache, checks
from dlgd.core.contract import DataSource, Network
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole
from dlgd.scoring import exported, graph_files, other_sizes
from dlgd.scoring.exported import Difference, Exported
from dlgd.scoring.graph_files import GraphFile
from dlgd.scoring.other_sizes import Guards, Trials

if TYPE_CHECKING:
    from dlgd.interface.run import Run


@dataclass(frozen=True, kw_only=True)
class Made:
    """A graph that has been compared with its run.

    graph: what its kind of file writes. samples: how many; where: those of what. facts: see `Exported.facts`.
    """

    network: Exported
    kind: GraphFile
    graph: Any
    difference: Difference
    samples: int
    where: str
    facts: Mapping[str, Any]

    def words(self) -> str:
        """Return the difference in words, with its units."""
        units = self.network.graph.output.units
        size = f"{self.difference.largest:.2g}{'' if units == '1' else f' {units}'}"
        return f"{size}, {self.difference.relative:.2g} of their spread, in {self.samples} samples of {self.where}"

    def signature(self) -> str:
        """Return the inputs and the output with their dimensions: a(sample, y) -> b(sample)."""
        fields = (*self.network.graph.inputs, self.network.graph.output)
        *inputs, output = (f"{one.name}({', '.join(one.dims)})" for one in fields)
        return f"{', '.join(inputs)} -> {output}"

    def content(self, origin: Mapping[str, Any]) -> bytes:
        """Return the bytes of the file. origin: facts about the run."""
        checked = {
            "largest_difference": self.difference.largest,
            "relative_difference": self.difference.relative,
            "samples": self.samples,
            "of": self.where,
        }
        return self.kind.content(self.graph, {**origin, **self.facts, "checked": checked})


def write(run: Run, output: object, *, input: object, tolerance: float, data: DictConfig | None = None) -> Made:
    """Write the file of a run, whole or not at all, and return what is in it; see `Run.export`.

    data: the configuration with other data; None for those of the training.
    """
    samples = None if input is None else checks.path("input", input)
    path = output_file(output, run.path, *([] if samples is None else [samples]))
    checks.number("tolerance", tolerance, above=0)
    kind = graph_files.of_name(path)
    made = make(run.network, run.source(data), kind, input=samples)
    if not made.difference.relative <= tolerance:  # NaN is no small difference
        raise Refusal(
            f"{path} is not written: its answers differ from those of the run by up to {made.words()}, which is more "
            f"than tolerance={tolerance:g}"
        )
    content = made.content(origin(run))
    with written_whole(path) as partial:
        partial.write_bytes(content)
    return made


def make(network: Network, data: DataSource, kind: GraphFile, *, input: Path | None) -> Made:
    """Return the graph of a network as a file of this kind has it, compared with the network on samples.

    input: a file with the samples; None for the test split, if it can be had at once, else those of the small version
    of the data.
    """
    own, where = at_hand(data, input)
    whole = Exported(network, data, own)
    samples = own if own is not None else data.tiny().samples("test")
    samples = samples.isel(sample=slice(exported.MOST))
    with torch.no_grad():
        fields = whole.graph.tensors(samples)
    whole.refuse_random(fields)
    whole.refuse_unknown(fields, where)
    graph, program = holding(whole, kind, fields)
    found = kind.run(kind.content(graph, {}), fields)
    return Made(
        network=whole,
        kind=kind,
        graph=graph,
        difference=exported.difference(found, whole.answer(samples)),
        samples=samples.sizes["sample"],
        where=where,
        facts=whole.facts(fields, program),
    )


def holding(whole: Exported, kind: GraphFile, fields: Sequence[Tensor]) -> tuple[Any, ExportedProgram]:
    """Return what a kind of file writes, and its program, with as many free axes as the file answers rightly for.

    Refusal where it does not even for other numbers of samples.
    """
    for any_grid in (True, False):
        program = whole.program(fields, any_grid=any_grid)
        guards = Guards(other_sizes.taken_guards(program))
        graph = kind.made(whole, program)
        answer = kind.opened(kind.content(graph, {}))
        names = other_sizes.free(whole.graph, exported.sizes(program)[:-1])
        trials = Trials(whole, answer, fields, names, guards)
        if trials.hold():
            program._guards_code = trials.kept()
            return graph, program
    raise exported.depends_on_samples(whole.network)


def at_hand(data: DataSource, input: Path | None) -> tuple[xr.Dataset | None, str]:
    """Return samples of the data that need no long work, None if there are none, and what the check is made on."""
    if input is not None:
        return data.read(input), str(input)
    try:
        with cache.only_found():
            return data.samples("test"), "the test split"
    except Refusal:  # not in the cache, or files that are not here
        return None, "the small version of the data"


def origin(run: Run) -> dict[str, Any]:
    """Return where a network comes from: the versions, the run and its choices."""
    config = run.built[0]
    return {
        "dlgd": __version__,
        "torch": torch.__version__,
        "run": run.path.name,
        "run_id": None if run.folder is None else runs.run_id(run.folder),
        "data": str(config.data.name),
        "task": config.data.get("task"),
        "model": run.method_name,
    }
