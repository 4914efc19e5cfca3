"""Samples of the report as its networks got them: standardized, in compressed NumPy archives.

    X/<sample>.npz                 arr_0 (3, rows, columns): alpha_i, alpha_j, w of the grid and its padding
    Y/<sample>_norm_coeffs.npz     arr_0 (ny, nx), or (rows, columns): gamma, exactly 0 on land; may be missing
    dict_std_mean.txt              two dictionaries, one after the other: standard deviations, then means
    dict_min_max.txt               or least and largest values, of fields that were scaled to [0, 1]

Fields were standardized over values other than zero, and zeros stayed zero (Partial_std in the report); or over the
whole image (Full_std). The files show which: only the former have exact zeros, on land and on closed faces.
"""

from __future__ import annotations

import ast
import logging
import re
import zipfile
import zlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.problems.normalization.data.stored import Edges, Stored, find_above, inner

log = logging.getLogger(__name__)

STATISTICS = "dict_std_mean.txt"
MIN_MAX = "dict_min_max.txt"
KINDS = {STATISTICS: ("standard deviations", "means"), MIN_MAX: ("least values", "largest values")}
FIELDS = ("alpha_i_minus", "alpha_j_minus", "w")
TARGET = "norm_coeffs"
KEY = "arr_0"  # np.savez's name of the first array
EXACT_ZEROS = 1e-3  # a larger share of exact zeros in a field is no coincidence
ROUNDING = 1e-6  # of the mean and the standard deviation: in single precision a zero may become so much


class ProcessedFolder:
    """A folder with X and Y.

    padding: rows and columns on each side, as in `layout.Layout`.
    """

    def __init__(self, path: Path, padding: Mapping[str, int | None]) -> None:
        self.path, self._padding = path, padding
        self.names = sorted(file.stem for file in (path / "X").glob("*.npz"))
        if not self.names:
            raise Refusal(f"{path / 'X'} has no .npz file")
        coefficients = [file.stem.removesuffix(f"_{TARGET}") for file in sorted((path / "Y").glob("*.npz"))]
        lost = [name for name in coefficients if name not in self.names]
        if lost:
            log.warning("%s has no X of %s, which are left out", path, ", ".join(lost))

    @cached_property
    def _scaled_to(self) -> Path:
        """The file with the statistics of the fields."""
        return find_above(self.path, STATISTICS, MIN_MAX)

    @cached_property
    def _statistics(self) -> tuple[dict[str, float], dict[str, float]]:
        """Factors and summands of the fields, by name: standard deviations and means, or ranges and least values."""
        first, second = read_statistics(self._scaled_to)
        if self._scaled_to.name == STATISTICS:
            return first, second
        for name, least in first.items():
            if second[name] <= least:
                raise Refusal(f"{name}: {second[name]!r} in {self._scaled_to} is not above {least!r}, its least value")
        return {name: second[name] - least for name, least in first.items()}, first

    @cached_property
    def _shape_of_y(self) -> tuple[int, ...] | None:
        """The shape of the first Y that there is; all samples have one grid."""
        file = next(iter(sorted((self.path / "Y").glob(f"*_{TARGET}.npz"))), None)
        return None if file is None else _array(file).shape

    def read(self, name: str) -> Stored:
        """The sample of that name. Refusal where its files do not fit."""
        file_x, file_y = self.path / "X" / f"{name}.npz", self.path / "Y" / f"{name}_{TARGET}.npz"
        x = _array(file_x)
        y = _array(file_y) if file_y.exists() else None
        if x.ndim != 3 or x.shape[0] != len(FIELDS):
            raise Refusal(f"{KEY} in {file_x} has the shape {x.shape}: (3, rows, columns) is needed")
        edges = self._edges(x, self._shape_of_y if y is None else y.shape, file_x)
        if y is not None:
            y = y if y.shape == inner(x[0], edges).shape else inner(y, edges)
        std, mean = self._statistics
        alpha_i, alpha_j, w = (_physical(x[n], std[f], mean[f]) for n, f in enumerate(FIELDS))
        if y is not None and self._scaled_to.name == MIN_MAX:
            y = _with_least(y, inner(x, edges), [inner(field, edges) for field in (alpha_i, alpha_j, w)], mean)
        gamma = None if y is None else _physical(y, std[TARGET], mean[TARGET], zeros_count=True)
        if gamma is not None and (gamma < 0).any():
            raise Refusal(f"gamma of {file_y} is negative: it was not standardized with {self._scaled_to.name}")
        return Stored(name, alpha_i, alpha_j, w, gamma, edges)

    def _edges(self, x: np.ndarray, target: tuple[int, ...] | None, file: Path) -> Edges:
        """The padding: what the options give; else rows and columns that X has and Y has not, or columns that repeat
        those of the other side. target: the shape of Y, None where the folder has none."""
        whole = x.shape[1:]
        rows, columns = self._padding.get("rows"), self._padding.get("columns")
        if target is not None and (len(target) != 2 or any(t > size for t, size in zip(target, whole, strict=True))):
            raise Refusal(f"Y of {file} has the shape {target}, which does not fit X, {whole}")
        if target is None and (rows is None or columns is None):
            seen = _repeated_columns(x)
            repeat = f" ({seen} columns on each side repeat those of the other side)" if seen else ""
            raise Refusal(
                f"nothing says which of the {whole[0]} x {whole[1]} cells of {file} are padding, as it has no Y: "
                f"type data.padding.rows=... and data.padding.columns=..., be it 0{repeat}"
            )
        if columns is None:
            more = 0 if target is None else whole[1] - target[1]
            columns = more // 2 or _repeated_columns(x)
        if rows is None:
            rows = 0 if target is None else (whole[0] - target[0]) // 2
            if columns and target == whole:
                raise Refusal(f"X and Y of {file} are both padded: type data.padding.rows=..., be it 0")
        grid = whole[0] - 2 * rows, whole[1] - 2 * columns
        if min(grid) < 1 or target not in (None, grid, whole):
            raise Refusal(
                f"Y of {file} has the shape {target} and X {whole}: with {rows} rows and {columns} columns of padding "
                "on each side they do not fit; type data.padding.rows=... and data.padding.columns=..."
            )
        return Edges(rows, rows, columns, columns)


def _repeated_columns(x: np.ndarray) -> int:
    """The number of columns on each side that repeat those of the other side; 0 where they are fewer than 4."""
    columns = x.shape[-1]
    for number in range(4, columns // 4):
        west, east = x[..., : 2 * number], x[..., columns - 2 * number :]
        if np.ptp(west, axis=-1).any() and np.array_equal(west, east):
            return number
    return 0


def _with_least(y: np.ndarray, x: np.ndarray, fields: list[np.ndarray], least: Mapping[str, float]) -> np.ndarray:
    """Y without zeros at sea: scaled to [0, 1], the least values of the fields are 0 there as land is.

    x (3, ny, nx) and y (ny, nx): scaled. fields: the physical ones of x, in which the least values are put in place.
    """
    sea = (y != 0) | (x[:2] != 0).any(axis=0)  # no face of land is open
    south, west = sea & np.roll(sea, 1, axis=0), sea & np.roll(sea, 1, axis=1)
    for name, field, scaled, at_sea in zip(FIELDS, fields, x, (south, west, sea), strict=True):
        field[at_sea & (scaled == 0)] = least[name]
    return np.where(sea & (y == 0), np.finfo(np.float64).tiny, y)


def _array(path: Path) -> np.ndarray:
    """Read the array of an archive, float64; pickled objects are never loaded."""
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as archive:
            if KEY not in archive:
                raise Refusal(f"{path} has no array {KEY}: it has {', '.join(archive) or 'nothing'}")
            values = archive[KEY]
    except Refusal:
        raise
    except (OSError, ValueError, EOFError, TypeError, AttributeError, zipfile.BadZipFile, zlib.error) as error:
        why = "it holds pickled objects" if "allow_pickle" in str(error) else str(error).splitlines()[0]
        raise Refusal(f"cannot read {path} as an archive of NumPy arrays: {why}") from error
    if values.dtype.kind not in "iuf":
        raise Refusal(f"{KEY} in {path} must hold numbers, not {values.dtype}")
    if not np.isfinite(values).all():
        raise Refusal(f"{KEY} in {path} has {int((~np.isfinite(values)).sum())} NaN or infinite values")
    return values.astype(np.float64)


def _physical(scaled: np.ndarray, std: float, mean: float, *, zeros_count: bool = False) -> np.ndarray:
    """Undo the standardization. Zeros are zeros of the field itself with `zeros_count`, or where there are many."""
    values = std * scaled + mean
    zero = scaled == 0
    if zeros_count or zero.mean() > EXACT_ZEROS:
        values[zero] = 0.0
    values[np.abs(values) <= ROUNDING * (abs(mean) + std)] = 0.0
    return values


def read_statistics(path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Read the two numbers of each field; the text is parsed as literals and never evaluated."""
    kinds = KINDS.get(path.name, KINDS[STATISTICS])
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Refusal(f"cannot read {path}: {error}") from error
    text = re.sub(r"np\.float\d+\(([^()]*)\)", r"\1", text)  # how NumPy 2 writes its numbers
    pieces = re.findall(r"\{[^{}]*\}", text)
    if len(pieces) != 2 or re.sub(r"\{[^{}]*\}", "", text).strip():
        raise Refusal(f"{path} must hold two dictionaries, {kinds[0]} and then {kinds[1]}, and nothing else")
    tables = []
    for piece, kind in zip(pieces, kinds, strict=True):
        try:
            table = ast.literal_eval(piece)
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError) as error:
            raise Refusal(f"the {kind} in {path} are no dictionary of plain numbers") from error
        tables.append(_numbers(table, kind, path))
    return tables[0], tables[1]


def _numbers(table: object, kind: str, path: Path) -> dict[str, float]:
    """The numbers of the four fields. Refusal where one is missing or impossible.

    kind: of the numbers, for messages.
    """
    wanted = (*FIELDS, TARGET)
    numbers = table if isinstance(table, dict) else {}
    missing = [name for name in wanted if name not in numbers]
    if missing:
        raise Refusal(f"the {kind} in {path} lack {', '.join(missing)}")
    for name in wanted:
        value = numbers[name]
        if not checks.fits(value, float) or (kind == "standard deviations" and value <= 0):
            raise Refusal(f"{name}: {value!r} among the {kind} in {path} is impossible")
    return {name: float(numbers[name]) for name in wanted}
