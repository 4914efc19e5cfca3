"""Files of MITgcm's package smooth (ECCO): length scales or diffusivities are read, exact norms are written.

Pairs .data, .meta of one number 001 ... 010 in one folder; see `mds`:

    smooth3DscalesH001, smooth3DscalesZ001    Lx, Ly; Lz, m, (nz, ny, nx): smooth3DsizeH = smooth3DsizeZ = 3
    smooth3Doperator001                       ten records, m2 a step: Kwx Kwy Kwz Kux Kvy Kuz Kvz Kuy Kvx kappaR
    smooth2Dscales001, smooth2Doperator001    Lx, Ly, m; Kux, Kvy, m2 a step, (ny, nx)

and the norms smooth3Dnorm001 (nz, ny, nx), smooth2Dnorm001 (ny, nx), float32, 0 where there is no water. Diffusivities
are K = L^2 / (2 nbt), rounded to float32 as the file with which MITgcm works; they stand on the west (Kux), south (Kvy)
and top (kappaR) face of a cell. The grid is a folder with MITgcm's RAC, DXC, DYC, DXG, DYG, hFacC and, in three
dimensions, hFacW, hFacS, DRF and DRC. Served are smooth3DtypeH = 1, without slanted diffusivities, and maskC.

A grid of 13 nx rows is the llc grid; any other is periodic in both directions, as MITgcm is: walls are dry cells.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.physics import edges
from dlgd.physics.edges import Edges
from dlgd.physics.halo import Topology
from dlgd.physics.smoothing import AB_EPS, Smoothing
from dlgd.problems.normalization.files import mds
from dlgd.problems.normalization.files.opened import Field, Opened, Sides

NAME = re.compile(r"smooth([23])D(scalesH|scales|operator)(\d{3})(\.data|\.meta)?$")
NAMES = {"rA": "RAC", "dxC": "DXC", "dyC": "DYC", "dxG": "DXG", "dyG": "DYG", "drF": "DRF", "drC": "DRC"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """steps: smooth3Dnbt or smooth2Dnbt of data.smooth, even.
    Lz0: smooth3D_Lz0 of data.smooth, m, where there is no file smooth3DscalesZ; diffusivities are then at most those of
        one layer, as in MITgcm.
    abEps: of MITgcm's file data.
    """

    steps: int | None = None
    Lz0: float | None = None
    abEps: float = AB_EPS

    def __post_init__(self) -> None:
        if self.steps is not None:
            checks.even_number("mitgcm.steps", self.steps, least=2)
        checks.number("mitgcm.Lz0", self.Lz0, least=0, null=True)
        checks.number("mitgcm.abEps", self.abEps, least=0, most=0.5)


def recognized(path: Path, variables: Collection[str]) -> bool:
    """Return whether it is a pair with such a name."""
    return bool(NAME.search(path.name)) and mds.exists(path)


@dataclass(frozen=True)
class SmoothFiles:
    """What was read, and the shape (nz, ny, nx) or (ny, nx) of the norms."""

    fields: Sequence[Field]
    inputs: Sequence[Path]
    shape: tuple[int, ...]
    said: Sequence[str] = field(default=())

    def outputs(self, output: Path) -> list[Path]:
        """.data and .meta."""
        return list(mds.pair(output))

    def write(self, gamma: Mapping[str, np.ndarray], output: Path) -> None:
        """The norms, 0 where there are none."""
        (norm,) = gamma.values()
        mds.write(output, np.nan_to_num(norm).reshape(self.shape))


def read(source: Path, grid: Path | None, sides: Sides, options: Options) -> Opened:
    """Read scales or diffusivities, and the grid in the folder `grid`. Raises Refusal where files do not fit."""
    kind = NAME.search(source.name)
    if not kind:
        raise Refusal(f"{source} must be called smooth3DscalesH001, smooth3Doperator001, smooth2Dscales001 or the like")
    if options.steps is None:
        raise Refusal("mitgcm.steps must be given: smooth3Dnbt or smooth2Dnbt of data.smooth")
    if grid is None or not grid.is_dir():
        raise Refusal("grid must be given: a folder with MITgcm's files RAC, DXC, DYC, DXG, DYG, hFacC ...")
    sides.refuse("MITgcm's grids are periodic, or llc, and their walls are dry cells")
    three = kind[1] == "3"
    found = _Grid(grid, three=three)
    k, read_files = _diffusivities(source, kind, found, options)
    columns = found.shape[-2:]
    around = edges.of_llc(columns[1]) if columns[0] == edges.LLC_FACES * columns[1] else edges.of_grid(
        (columns[0], columns[1]), Topology("periodic", "periodic")
    )  # fmt: skip
    operator = (_three if three else _two)(k, found, around, options)
    inputs = [one for path in (*read_files, *found.files) for one in mds.pair(path)]
    wet = np.argwhere(operator.volume > 0)
    name = f"smooth{kind[1]}Dnorm{kind[3]}"
    return SmoothFiles([Field(name, operator, wet)], inputs, found.shape if three else columns)


class _Grid:
    """The files of a grid; fields (ny, nx) or (nz, ny, nx), levels (nz,)."""

    def __init__(self, folder: Path, *, three: bool) -> None:
        self._folder = folder
        self.files: list[Path] = []
        self.rA, self.dxC, self.dyC, self.dxG, self.dyG = (  # names as in MITgcm
            self._plane(name) for name in ("rA", "dxC", "dyC", "dxG", "dyG")
        )
        self.hFacC = self._read("hFacC")
        if self.hFacC.ndim == 2:
            self.hFacC = self.hFacC[None]
        self.shape = self.hFacC.shape
        for name in ("rA", "dxC", "dyC", "dxG", "dyG"):
            one = getattr(self, name)
            if one.shape != self.shape[1:]:
                raise Refusal(f"{name} in {folder} has {one.shape} cells, but hFacC {self.shape[1:]}")
        if (self.rA[self.hFacC.any(axis=0)] <= 0).any():
            raise Refusal(f"rA in {folder} must be above 0 where there is water")
        if not three:
            return
        self.hFacW, self.hFacS = (self._read(name).reshape(-1, *self.shape[1:]) for name in ("hFacW", "hFacS"))
        if not self.hFacW.shape == self.hFacS.shape == self.shape:
            raise Refusal(f"hFacC, hFacW and hFacS in {folder} must have one shape")
        self.drF, self.drC = (self._read(name).ravel() for name in ("drF", "drC"))
        if len(self.drF) != self.shape[0] or len(self.drC) not in (self.shape[0], self.shape[0] + 1):
            raise Refusal(
                f"drF and drC in {folder} have {len(self.drF)} and {len(self.drC)} levels, hFacC {self.shape[0]}"
            )
        if (self.drF <= 0).any() or (self.drC[: self.shape[0]] <= 0).any():
            raise Refusal(f"drF and drC in {folder} must be above 0")

    def _plane(self, name: str) -> np.ndarray:
        plane = self._read(name)
        return plane.reshape(plane.shape[-2:])

    def _read(self, name: str) -> np.ndarray:
        """The only record of a file, by MITgcm's name for the file or the variable."""
        names = (NAMES.get(name, name), name)
        path = next((self._folder / one for one in names if mds.exists(self._folder / one)), None)
        if path is None:
            raise Refusal(f"{self._folder} lacks {names[0]}.data and {names[0]}.meta, {name} of the grid")
        self.files.append(path)
        records = mds.read(path)
        if len(records) != 1:
            raise Refusal(f"{path} has {len(records)} records, and must have one")
        return records[0]


def _diffusivities(
    source: Path, kind: re.Match[str], grid: _Grid, options: Options
) -> tuple[dict[str, np.ndarray], list[Path]]:
    """Kux, Kvy and, in three dimensions, kappaR, (nz, ny, nx), m2 a step, of float32; and the files that were read."""
    three = kind[1] == "3"
    shape = grid.shape if three else (1, *grid.shape[1:])
    records = _records(source, (10 if three else 2) if kind[2] == "operator" else 2, shape)
    if kind[2] == "operator":
        if options.Lz0 is not None:
            raise Refusal(f"mitgcm.Lz0 has no effect: {source} has the diffusivities")
        if not three:
            return {"Kux": records[0], "Kvy": records[1]}, [source]
        if records[[0, 1, 2, 5, 6, 7, 8]].any():
            raise Refusal(f"{source} has slanted diffusivities, as smooth3DtypeH above 1 makes them: only 1 is served")
        return {"Kux": records[3], "Kvy": records[4], "kappaR": records[9]}, [source]
    assert options.steps is not None
    squared = {"Kux": records[0] ** 2, "Kvy": records[1] ** 2}
    files = [source]
    vertical = source.with_name(f"smooth3DscalesZ{kind[3]}")
    if three and mds.exists(vertical):
        if options.Lz0 is not None:
            raise Refusal(f"mitgcm.Lz0 has no effect: {vertical} has the length scales")
        squared["kappaR"] = _records(vertical, 1, shape)[0] ** 2
        files.append(vertical)
    elif three:
        if options.Lz0 is None:
            raise Refusal(f"{vertical} is not there: put it beside {source.name}, or type mitgcm.Lz0=..., in m")
        least = np.minimum(options.Lz0, grid.drC[: shape[0], None, None])
        squared["kappaR"] = np.broadcast_to(least, shape) ** 2
    rounded = {name: (one / options.steps / 2).astype(np.float32) for name, one in squared.items()}
    return {name: one.astype(np.float64) for name, one in rounded.items()}, files


def _records(path: Path, count: int, shape: tuple[int, ...]) -> np.ndarray:
    """The records (count, nz, ny, nx) of a file, which must be of that shape and not below 0."""
    records = mds.read(path)
    if len(records) != count:
        raise Refusal(f"{path} has {len(records)} records, and must have {count}")
    if records.size != count * np.prod(shape) or records.shape[-2:] != shape[-2:]:
        raise Refusal(f"{path} has {records.shape[1:]} cells, but the grid {shape}")
    if (records < 0).any():
        raise Refusal(f"{path} must hold numbers of 0 or above")
    return records.reshape(count, *shape)


def _three(k: Mapping[str, np.ndarray], grid: _Grid, around: Edges, options: Options) -> Smoothing:
    """The operator in three dimensions."""
    nz, columns = grid.shape[0], grid.rA.size
    thickness = grid.drF[:, None, None]
    west = _over(k["Kux"] * grid.dyG * thickness * grid.hFacW, grid.dxC)
    south = _over(k["Kvy"] * grid.dxG * thickness * grid.hFacS, grid.dyC)
    exchange = k["kappaR"][1:] * grid.rA / grid.drC[1:nz, None, None]
    closed = np.zeros((nz, 1, grid.shape[2]))
    return _smoothing(
        around.take(np.concatenate([south, closed], axis=1), west),
        exchange.reshape(nz - 1, columns),
        (grid.hFacC * grid.rA * thickness).reshape(nz, columns),
        _over(np.ones(1), grid.rA * thickness).reshape(nz, columns),
        around,
        grid,
        options,
    )


def _two(k: Mapping[str, np.ndarray], grid: _Grid, around: Edges, options: Options) -> Smoothing:
    """The operator in two dimensions, between wet cells of the first level, without regard to hFac."""
    wet = (grid.hFacC[0] > 0).ravel()
    west, south = _over(k["Kux"] * grid.dyG, grid.dxC), _over(k["Kvy"] * grid.dxG, grid.dyC)
    conductance = around.take(np.concatenate([south, np.zeros((1, 1, grid.shape[2]))], axis=1), west)
    volume = np.where(wet, grid.rA.ravel(), 0.0)[None]
    return _smoothing(
        conductance * (wet[around.one] & wet[around.other]),
        np.zeros((0, wet.size)),
        volume,
        _over(np.ones(1), grid.rA.ravel())[None],
        around,
        grid,
        options,
    )


def _smoothing(
    conductance: np.ndarray,
    exchange: np.ndarray,
    volume: np.ndarray,
    variance: np.ndarray,
    around: Edges,
    grid: _Grid,
    options: Options,
) -> Smoothing:
    assert options.steps is not None
    return Smoothing(
        one=around.one,
        other=around.other,
        conductance=conductance,
        exchange=exchange,
        volume=volume,
        variance=variance,
        steps=options.steps // 2,
        shape=grid.rA.shape,  # pyright: ignore[reportArgumentType]
        ab_eps=options.abEps,
    )


def _over(value: np.ndarray, divisor: np.ndarray) -> np.ndarray:
    """Quotients, 0 where the divisor is 0, as MITgcm's reciprocals are: on faces that do not exist."""
    value, divisor = np.broadcast_arrays(value, divisor)
    return np.divide(value, divisor, out=np.zeros(value.shape), where=divisor != 0)
