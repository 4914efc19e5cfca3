"""Whether the file of a graph answers as the network does for fields of other sizes than those of the trace.

torch.export follows one path through Python code. It writes down as guards what it has assumed of the sizes on the way:
a branch of the network, but far more often a layout in memory, or a size that is not 1, which does not matter. ONNX
files hold no guards, and nothing says which ones matter. So each guard is broken by sizes of its own, and the answer of
the file, held to no guard, is compared with that of the network there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor
from torch.export import ExportedProgram
from torch.fx.experimental.symbolic_shapes import SYMPY_INTERP
from torch.utils._sympy.numbers import int_oo
from torch.utils._sympy.value_ranges import ValueRanges

from dlgd.core.contract import PhysicalGraph
from dlgd.scoring.exported import Exported, difference, spread

NEAR = 1e-3  # of the spread of the answers: up to this difference a file holds for fields of another size
SHORTER, LONGER = 7, (5, 12)  # places; odd, since networks halve sizes; two, since networks may ask for squares
SIDE = 24  # sizes up to this one, and as far from that of the trace, are tried where a guard asks for them
LARGEST = 65536  # numbers in guards up to this one are tried as sizes, too
TIMES, VALUES = 8, 200_000  # a trial has at most so many times the values of the trace, or so many
TRIES = 4  # sizes that break a guard, until the network takes some

Sizes = dict[str, int]  # by the name of a dimension
Answer = Callable[[Sequence[Tensor]], np.ndarray]


def group(dimension: str) -> str:
    """Return the dimension with which another one grows: there are as many faces as cells, or one more."""
    return dimension.removesuffix("_face")


def free(graph: PhysicalGraph, shapes: Sequence[Sequence[int | None]]) -> list[str]:
    """Return the dimensions of the inputs that may have any size. shapes: of the inputs, None along such axes."""
    axes = [zip(one.dims, shape, strict=True) for one, shape in zip(graph.inputs, shapes, strict=False)]
    return list(dict.fromkeys(group(name) for axis in axes for name, size in axis if size is None))


def sizes_of(graph: PhysicalGraph, fields: Sequence[Tensor], names: Sequence[str]) -> Sizes:
    """Return the sizes of these dimensions."""
    found: Sizes = {}
    for one, field in zip(graph.inputs, fields, strict=True):
        for name, size in zip(one.dims, field.shape, strict=True):
            if group(name) in names and (name == group(name) or group(name) not in found):
                found[group(name)] = size
    return found


def resized(graph: PhysicalGraph, fields: Sequence[Tensor], own: Sizes, wanted: Sizes) -> list[Tensor]:
    """Return fields of the wanted sizes: cut, or begun again where they end. own: sizes of the fields."""
    found = []
    for one, field in zip(graph.inputs, fields, strict=True):
        for axis, name in enumerate(one.dims):
            change = wanted.get(group(name), 0) - own.get(group(name), 0)
            if change:
                size = field.shape[axis]
                field = field.index_select(axis, torch.arange(size + change) % size)
        found.append(field)
    return found


def taken_guards(program: ExportedProgram) -> list[str]:
    """Take from a program all that it is held to, and return it: the guards and the limits of sizes, as expressions."""
    guards, limits = list(program._guards_code), program.range_constraints
    values = {node.name: node.meta.get("val") for node in program.graph.nodes}
    for place, name in enumerate(program.graph_signature.user_inputs):
        for axis, size in enumerate(values[str(name)].shape):
            limit = None if isinstance(size, int) else limits.get(size.node.expr)
            if limit is not None and limit.lower < limit.upper:
                text = f"L['fields'][{place}].size()[{axis}]"
                guards += [f"{text} >= {limit.lower}"] if limit.lower > 2 else []  # it takes 2 for any size
                guards += [f"{text} <= {limit.upper}"] if limit.upper < int_oo else []
    for expression, limit in limits.items():
        if limit.lower < limit.upper:
            limits[expression] = ValueRanges(2, int_oo)
    program._guards_code = []
    return guards


class Guards:
    """What torch.export has assumed of the sizes of the fields, as Python expressions."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)
        self._known = {**SYMPY_INTERP, "math": math, "inf": math.inf}
        self._code = {text: compile(text.strip(), "guard", "eval") for text in texts}

    def broken(self, text: str, fields: Sequence[Tensor]) -> bool:
        """Whether fields do not fulfil a guard."""
        try:
            return not eval(self._code[text], self._known, {"L": {"fields": fields}})
        except ZeroDivisionError:
            return True

    def numbers(self) -> list[int]:
        """Return the numbers in the guards: branches of a network lie at them."""
        found = {int(number) for text in self.texts for number in re.findall(r"(?<!\w)\d+(?!\w)", text)}
        return sorted(number for number in found if number <= LARGEST)


class Trials:
    """Comparisons of a file with its network.

    answer: of the file, held to no guard. fields: of the sizes of the trace. names: dimensions that may have any size.
    """

    def __init__(
        self, whole: Exported, answer: Answer, fields: Sequence[Tensor], names: Sequence[str], guards: Guards
    ) -> None:
        self.whole, self.answer, self.fields, self.names, self.guards = whole, answer, fields, names, guards
        self.own = sizes_of(whole.graph, fields, names)
        self.right: list[Sizes] = []  # the file answers as the network does
        self._shown: dict[tuple[int, ...], list[Tensor]] = {}
        self._most = max(VALUES, TIMES * sum(field.numel() for field in fields))
        with torch.no_grad():
            self._near = NEAR * spread(whole(*fields).numpy())

    def hold(self) -> bool:
        """Whether the file answers as the network does wherever that was tried.

        False, too, where the network takes no other grid, and where fields that break a guard are too large to try.
        """
        grid = [name for name in self.names if name != "sample"]
        usual = [self._compared(sizes) for sizes in self._usual(grid)]
        if False in usual or (grid and all(sizes[name] == self.own[name] for sizes in self.right for name in grid)):
            return False
        candidates = list(self._candidates(grid))
        return all(self._holds_without(guard, candidates) for guard in self.guards.texts)

    def kept(self) -> list[str]:
        """Return the guards that may matter: all but those that were broken where the file is right."""
        return [text for text in self.guards.texts if not self._breaking(text, self.right)]

    def _holds_without(self, guard: str, candidates: Sequence[Sizes]) -> bool:
        if self._breaking(guard, self.right):
            return True
        breaking = self._breaking(guard, candidates)
        small = [sizes for sizes in breaking if self._values(sizes) <= self._most]
        answers = (self._compared(sizes) for sizes in small[:TRIES])
        return next((right for right in answers if right is not None), len(small) == len(breaking))

    def _compared(self, sizes: Sizes) -> bool | None:
        """Whether the file is right for fields of these sizes; None where the network predicts nothing from such."""
        try:
            fields = resized(self.whole.graph, self.fields, self.own, sizes)
            with torch.no_grad():
                wanted = self.whole(*fields).numpy()
        except Exception:  # noqa: BLE001  # networks and PyTorch refuse sizes in many ways
            return None
        if wanted.size == 0:  # fields that are no larger than their padding
            return None
        try:
            right = difference(self.answer(fields), wanted).largest <= self._near
        except Exception:  # noqa: BLE001  # so do PyTorch and ONNX Runtime
            right = False
        if right:
            self.right.append(sizes)
        return right

    def _usual(self, grid: Sequence[str]) -> Iterator[Sizes]:
        """Return sizes that are tried whatever the guards are: one sample, more of them, and other grids."""
        yield self.own | {"sample": 1}
        yield self.own | {"sample": 9}
        if grid:
            yield self.own | {name: self.own[name] - SHORTER for name in grid} | {"sample": 1}
            longer = {name: self.own[name] + LONGER[place % 2] for place, name in enumerate(grid)}
            yield self.own | longer
            for name in grid:
                yield self.own | {name: 1}  # which PyTorch assumes never to be
            if len(grid) > 1:
                yield self.own | dict.fromkeys(grid, max(longer.values()))

    def _candidates(self, grid: Sequence[str]) -> Iterator[Sizes]:
        """Return sizes that may break a guard, the nearest ones first."""
        near = {size + step for size in self.own.values() for step in range(-SIDE, SIDE + 1)}
        at_numbers = {number + step for number in self.guards.numbers() for step in (-1, 0, 1)}
        doubled = {2 * size for size in self.own.values()}
        sizes = {size for size in {*near, *range(SIDE + 1), *at_numbers, *doubled} if size > 0}
        found = [{name: size} for name in self.names for size in sizes]
        found += [dict.fromkeys(grid, size) for size in sizes]
        found += [one | {"sample": 1} for one in found]
        yield from sorted((self.own | one for one in found), key=self._distance)

    def _distance(self, sizes: Sizes) -> int:
        return sum(abs(size - self.own[name]) for name, size in sizes.items())

    def _breaking(self, guard: str, candidates: Iterable[Sizes]) -> list[Sizes]:
        return [sizes for sizes in candidates if self.guards.broken(guard, self._shapes(sizes))]

    def _values(self, sizes: Sizes) -> int:
        return sum(field.numel() for field in self._shapes(sizes))

    def _shapes(self, sizes: Sizes) -> list[Tensor]:
        """Return fields of these sizes without values."""
        key = tuple(sizes[name] for name in self.names)
        if key not in self._shown:
            shapes = [
                [
                    size + sizes.get(group(name), 0) - self.own.get(group(name), 0)
                    for name, size in zip(one.dims, field.shape, strict=True)
                ]
                for one, field in zip(self.whole.graph.inputs, self.fields, strict=True)
            ]
            self._shown[key] = [torch.empty(shape, device="meta") for shape in shapes]
        return self._shown[key]
