"""Files of graphs: ONNX, which ONNX Runtime runs, and PyTorch's own exported programs (.pt2).

Both hold the facts about the graph as one JSON text: ONNX files in their metadata under `dlgd`, exported programs in
their extra file `dlgd.json`.
"""

from __future__ import annotations

import io
import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram

from dlgd.core.contract import GraphField
from dlgd.core.errors import Refusal
from dlgd.scoring.exported import Exported, refused
from dlgd.scoring.quiet import quiet

KEY, EXTRA = "dlgd", "dlgd.json"
DOUBLINGS = 16  # of a cumulative maximum: of axes of up to 2^16 places


class GraphFile(ABC):
    """A kind of file."""

    @abstractmethod
    def made(self, exported: Exported, program: ExportedProgram) -> Any:
        """Return what `content` writes. Refusal where this kind of file cannot hold the network."""

    @abstractmethod
    def content(self, made: Any, facts: Mapping[str, Any]) -> bytes:
        """Return the bytes of a file that holds these facts, plain values by name."""

    @abstractmethod
    def opened(self, content: bytes) -> Callable[[Sequence[Tensor]], np.ndarray]:
        """Return a function of fields: the answer of a file as whoever is given the file gets it."""

    def run(self, content: bytes, fields: Sequence[Tensor]) -> np.ndarray:
        """Return the answer of a file for fields."""
        return self.opened(content)(fields)

    @abstractmethod
    def facts(self, content: bytes) -> dict[str, Any]:
        """Return the facts in a file."""


class Program(GraphFile):
    """PyTorch's exported programs: `torch.export.load(path).module()(*fields)`."""

    def made(self, exported: Exported, program: ExportedProgram) -> ExportedProgram:
        """The program itself."""
        return program

    def content(self, made: ExportedProgram, facts: Mapping[str, Any]) -> bytes:
        """The archive, with the facts as a file in it."""
        with quiet(), io.BytesIO() as file:
            torch.export.save(made, file, extra_files={EXTRA: json.dumps(facts, allow_nan=False)})
            return file.getvalue()

    def opened(self, content: bytes) -> Callable[[Sequence[Tensor]], np.ndarray]:
        """The answers of the loaded program."""
        with quiet():
            loaded = torch.export.load(io.BytesIO(content)).module()

        def answer(fields: Sequence[Tensor]) -> np.ndarray:
            with torch.no_grad():
                return loaded(*fields).numpy()

        return answer

    def facts(self, content: bytes) -> dict[str, Any]:
        """The facts in the extra file."""
        found = {EXTRA: ""}
        with quiet():
            torch.export.load(io.BytesIO(content), extra_files=found)
        return json.loads(found[EXTRA])


class Onnx(GraphFile):
    """ONNX files, made and run by the packages of the extra `export`."""

    def __init__(self) -> None:
        try:
            import onnx  # noqa: F401
            import onnxruntime  # noqa: F401
            import onnxscript  # noqa: F401
        except ImportError as error:
            raise Refusal(
                f"ONNX files need {error.name}, which is not installed: type pip install onnx onnxruntime onnxscript, "
                "or give output a name that ends in .pt2"
            ) from error

    def made(self, exported: Exported, program: ExportedProgram) -> Any:
        """The model, whose inputs, output and free axes have the names of the fields and their dimensions."""
        inputs, output = exported.graph.inputs, exported.graph.output
        try:
            with quiet(), torch.no_grad():
                found = torch.onnx.export(
                    program.run_decompositions(cumulative()),
                    input_names=[one.name for one in inputs],
                    output_names=[output.name],
                    dynamo=True,
                    verbose=False,
                )
        except Exception as error:  # PyTorch raises many kinds of errors
            raise refused(exported.network, "torch.onnx", error) from error
        assert found is not None
        model = found.model_proto
        name_axes(model, inputs)
        return model

    def content(self, made: Any, facts: Mapping[str, Any]) -> bytes:
        """The model, with the facts in its metadata."""
        del made.metadata_props[:]
        made.metadata_props.add(key=KEY, value=json.dumps(facts, allow_nan=False))
        return made.SerializeToString()

    def opened(self, content: bytes) -> Callable[[Sequence[Tensor]], np.ndarray]:
        """The answers of ONNX Runtime on the CPU."""
        session = self._session(content)
        names = [one.name for one in session.get_inputs()]

        def answer(fields: Sequence[Tensor]) -> np.ndarray:
            (found,) = session.run(None, {name: field.numpy() for name, field in zip(names, fields, strict=True)})
            return np.asarray(found)

        return answer

    def facts(self, content: bytes) -> dict[str, Any]:
        """The facts in the metadata."""
        return json.loads(self._session(content).get_modelmeta().custom_metadata_map[KEY])

    def _session(self, content: bytes) -> Any:
        import onnxruntime

        return onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])


KINDS: dict[str, type[GraphFile]] = {".onnx": Onnx, ".pt2": Program}


def of_name(path: Path) -> GraphFile:
    """Return the kind of file that a name asks for. Refusal of other names, and where packages are missing."""
    if path.suffix not in KINDS:
        raise Refusal(f"output={path} must end in {' or '.join(KINDS)}, which says what is written")
    return KINDS[path.suffix]()


def name_axes(model: Any, inputs: Sequence[GraphField]) -> None:
    """Call the free axes of a model as the fields call their dimensions: "y", and "y - 8" where a network uses up 8."""
    names: dict[str, str] = {}
    for value, field in zip(model.graph.input, inputs, strict=True):
        for axis, name in zip(value.type.tensor_type.shape.dim, field.dims, strict=True):
            if axis.dim_param and name not in names.values():
                names.setdefault(axis.dim_param, name)
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        for axis in value.type.tensor_type.shape.dim:
            if axis.dim_param:
                axis.dim_param = re.sub(r"\w+", lambda found: names.get(found[0], found[0]), axis.dim_param)


# --- what ONNX lacks -------------------------------------------------------------------------------------------------


def cumulative() -> dict[Any, Any]:
    """Return the operations that ONNX lacks in terms of those that it has."""
    aten = torch.ops.aten
    return {
        aten.cummax.default: lambda values, dim: _cumulative(torch.maximum, values, dim),
        aten.cummin.default: lambda values, dim: _cumulative(torch.minimum, values, dim),
    }


def _cumulative(extreme: Any, values: Tensor, dim: int) -> tuple[Tensor, Tensor]:
    """Return the cumulative extremes along an axis of up to 2^DOUBLINGS places; their places are not computed, 0.

    After k doublings each value is the extreme of 2^k values up to its own place: what lies before the first place is
    the first value, which belongs to all of them.
    """
    place = torch.arange(values.shape[dim])
    for doubling in range(DOUBLINGS):
        values = extreme(values, values.index_select(dim, (place - 2**doubling).clamp(min=0)))
    return values, torch.zeros_like(values, dtype=torch.int64)
