"""Files of SABER's block `diffusion`: length scales are read, exact norms are written.

NetCDF, in one of two layouts, or a set PATH_NNNNNN-RRRRRR.nc of the first one, a file for each of NNNNNN tasks
(`one file per task`), in which nodes of the halo may stand in several files:

    NodeColumns (soca)     lon, lat (nb_nodes), degrees; hzScales, hzNorm, vtScales, vtNorm (nb_nodes, nz)
    StructuredColumns      lon, lat (ny, nx); the others (nz, ny, nx); rows from the south

hzScales are in m, and one level serves all; vtScales are in levels. SABER multiplies by hzNorm after horizontal and by
vtNorm after vertical diffusion is known to each alone; its total is their product. So hzNorm = the exact horizontal
coefficients, and vtNorm = gamma / hzNorm with the exact gamma of both together, serve it unchanged. The operator is
rebuilt from the scales, so that these are kept as they are.
"""

from __future__ import annotations

import glob
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import xarray as xr
from scipy.spatial import KDTree

from dlgd.core import checks, netcdf
from dlgd.core.errors import Refusal
from dlgd.physics import explicit
from dlgd.physics.explicit import Mesh
from dlgd.physics.grids import great_circle_m, unit_vectors
from dlgd.physics.split_diffusion import SplitDiffusion
from dlgd.problems.normalization.files import netcdf_copy
from dlgd.problems.normalization.files.opened import Field, Opened, Sides, refuse_no_fold

NEAR = 1e-6  # radians, 6 m: nodes of a file are points of the grid
TASKS = re.compile(r"_(\d{6})-(\d{6})(\.nc)?$")
ITERATIONS = 4  # unless typed
SCALES = ("hzScales", "vtScales")
NORMS = {"hzNorm": "hzScales", "vtNorm": "vtScales"}


@dataclass(frozen=True, kw_only=True)
class Options:
    """vertical: "explicit" or "implicit", `method` of the block's part `vertical`.
    iterations: M of the implicit scheme, `iterations` of that part; even.
    """

    vertical: str = "explicit"
    iterations: int = ITERATIONS

    def __post_init__(self) -> None:
        checks.choice("saber.vertical", self.vertical, ("explicit", "implicit"))
        checks.even_number("saber.iterations", self.iterations, least=2)
        if self.vertical == "explicit" and self.iterations != ITERATIONS:
            raise Refusal(f"saber.iterations={self.iterations} has no effect without saber.vertical=implicit")


def recognized(path: Path, variables: Collection[str]) -> bool:
    """Return whether there is a set of files, or length scales as SABER calls them."""
    return bool(set(SCALES) & set(variables)) or len(_set(path)) > 0


@dataclass(frozen=True)
class SaberFiles:
    """What was read. places: for each file, the node of the grid at which each of its values stands, in order."""

    fields: Sequence[Field]
    inputs: Sequence[Path]
    files: Sequence[Path]
    places: Sequence[np.ndarray]
    structured: bool
    operator: SplitDiffusion
    levels: Mapping[str, int]
    said: Sequence[str] = field(default=())

    def outputs(self, output: Path) -> list[Path]:
        """As many files as were read, with the numbers of their tasks."""
        if len(self.files) == 1:
            return [output]
        stem = output.with_suffix("") if output.suffix == ".nc" else output
        numbers = [TASKS.search(path.name) for path in self.files]
        return [stem.with_name(f"{stem.name}_{one[1]}-{one[2]}.nc") for one in numbers if one]

    def write(self, gamma: Mapping[str, np.ndarray], output: Path) -> None:
        """hzNorm, and vtNorm where there are vertical scales."""
        total = gamma["hzNorm x vtNorm"]
        horizontal = self.operator.horizontal_energy**-0.5
        norms = {"hzNorm": horizontal[: self.levels["hzScales"]]}
        if "vtScales" in self.levels:
            norms["vtNorm"] = total / horizontal
        for source, place, written in zip(self.files, self.places, self.outputs(output), strict=True):
            own = {name: norm[:, place] if self.structured else norm[:, place].T for name, norm in norms.items()}
            netcdf_copy.copy(source, written, own, NORMS)


def read(source: Path, grid: Path | None, sides: Sides, options: Options) -> Opened:
    """Read a file or a set.

    grid: NetCDF with lat, lon (degrees) and area (m2), (ny, nx), of all points of the structured grid; dimensions of
    length 1 do not count. Its mesh has a cell between any four neighbouring points. StructuredColumns need none.
    Raises Refusal where files do not fit together.
    """
    files = _set(source) or [source]
    datasets = [netcdf.read(path) for path in files]
    for path, dataset in zip(files, datasets, strict=True):
        missing = [name for name in ("lon", "lat", "hzScales") if name not in dataset]
        if missing:
            raise Refusal(f"{path} lacks {', '.join(missing)}: is it a file of SABER's diffusion?")
    structured = datasets[0].lat.ndim == 2 and datasets[0].lat.shape[0] > 1
    if structured:
        if len(files) > 1:
            raise Refusal(f"{files[0]} is one of a set, and must hold nodes, not rows of a grid")
        mesh, places = _structured(datasets[0], files[0], sides), [np.arange(datasets[0].lat.size)]
    else:
        if grid is None:
            raise Refusal("grid must be given for a file of nodes: a NetCDF file with lat, lon and area of all points")
        mesh, places = _nodes(datasets, files, grid, sides)
    scales = _joined(datasets, files, places, mesh.area.size, structured=structured)
    vertical = scales.get("vtScales")
    implicit = options.vertical == "implicit"
    if implicit and vertical is None:
        raise Refusal(f"saber.vertical=implicit has no effect: {source} has no vtScales")
    operator = explicit.diffusion(
        scales["hzScales"], vertical, mesh, iterations=options.iterations if implicit else None
    )
    horizontal = np.broadcast_to(scales["hzScales"], operator.thickness.shape)
    cells = np.argwhere((horizontal > 0) | ((vertical > 0) if vertical is not None else False))
    inputs = [*files] if structured or grid is None else [*files, grid]
    levels = {name: len(values) for name, values in scales.items()}
    fields = [Field("hzNorm x vtNorm", operator, cells)]
    return SaberFiles(fields, inputs, files, places, structured, operator, levels)


def _set(path: Path) -> list[Path]:
    """The files of the set to which a path belongs, or whose common beginning it is; none where it is a file alone."""
    typed = TASKS.search(path.name)
    stem = path.name[: typed.start()] if typed else path.name.removesuffix(".nc")
    if path.is_file() and not typed:
        return []
    found = {one: TASKS.search(one.name) for one in sorted(path.parent.glob(f"{glob.escape(stem)}_*.nc"))}
    members = {one: match for one, match in found.items() if match and one.name[: match.start()] == stem}
    if not members:
        return []
    counts = {int(match[1]) for match in members.values()}
    if len(counts) > 1:
        raise Refusal(f"{path.parent / stem}_*.nc are files of runs on {sorted(counts)} tasks: keep those of one")
    count = counts.pop()
    if len(members) != count:
        raise Refusal(f"{path.parent / stem}_*.nc are {len(members)} files, but their names say {count} tasks")
    return list(members)


def _structured(dataset: xr.Dataset, path: Path, sides: Sides) -> Mesh:
    """The mesh of StructuredColumns, whose sides are those of the globe.

    oops::Diffusion asks atlas for the points (i +- 1, j) and (i, j +- 1) of each point (i, j). Beyond a row's end atlas
    keeps points of a halo whose place depends on the number of tasks, and beyond the sides of a region none.
    """
    sides.refuse(f"{path} holds StructuredColumns, which go around the globe and across its poles")
    lat, lon = dataset.lat.values, dataset.lon.values
    if lat.shape != lon.shape or lat.ndim != 2:
        raise Refusal(f"lat and lon in {path} must have one shape (y, x), not {lat.shape} and {lon.shape}")
    short = np.isfinite(lat).sum(axis=1)
    if (short != lat.shape[1]).any() or not np.isfinite(lon).all():
        raise Refusal(
            f"the rows of {path} have {short.min()} to {short.max()} points, and on such a reduced grid oops takes the "
            "point of the same number in the next row for a neighbour, which lies elsewhere on the globe or beyond the "
            "end of a short row, so that the operator is not defined: StructuredColumns need a regular grid"
        )
    points = unit_vectors(lat, lon)
    around = np.median(great_circle_m(points[:, -1], points[:, 0])) < 2 * np.median(
        great_circle_m(points[:, 1:], points[:, :-1])
    )
    gap = 90 - np.abs(lat[[0, -1], 0])
    if not around or (gap > 1.5 * np.abs(np.diff(lat[:, 0])).max()).any():
        raise Refusal(
            f"the grid of {path} is regional, and there oops looks for neighbours beyond the sides, where atlas has no "
            "points, so that the operator is not defined: StructuredColumns must go around the globe and come within a "
            "row of both poles"
        )
    if lat.shape[1] % 2 or (gap <= 0).any():
        raise Refusal(f"the grid of {path} must have an even number of columns, and no points on the poles")
    return explicit.structured_columns(lat, lon)


def _nodes(
    datasets: Sequence[xr.Dataset], files: Sequence[Path], grid: Path, sides: Sides
) -> tuple[Mesh, list[np.ndarray]]:
    """The mesh of the grid file, and for each file the places of its nodes."""
    lat, lon, area = _grid(grid)
    tree = KDTree(unit_vectors(lat, lon).reshape(-1, 3))
    places = [_places(*_positions(one, path), tree, path) for one, path in zip(datasets, files, strict=True)]
    topology = sides.topology("periodic", "closed")
    if topology.south_north == "fold":
        refuse_no_fold(lat, lon, grid)
    return explicit.mesh(lat, lon, area, topology), places


def _grid(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    dataset = netcdf.read(path)
    missing = [name for name in ("lat", "lon", "area") if name not in dataset]
    if missing:
        raise Refusal(f"{path} lacks {', '.join(missing)}: the grid needs lat, lon (degrees) and area (m2)")
    lat, lon, area = (np.squeeze(dataset[name].values).astype(float) for name in ("lat", "lon", "area"))
    if lat.ndim != 2 or not lat.shape == lon.shape == area.shape:
        raise Refusal(
            f"lat, lon and area in {path} must have one shape (y, x), not {lat.shape}, {lon.shape}, {area.shape}"
        )
    if not np.isfinite([lat, lon]).all():
        raise Refusal(f"lat and lon in {path} must be finite at all points of the grid, on land, too")
    if not (np.isfinite(area).all() and (area > 0).all()):
        raise Refusal(f"area in {path} must be positive everywhere")
    return lat, lon, area


def _positions(nodes: xr.Dataset, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """lat and lon of the nodes, in degrees."""
    lat, lon = nodes.lat.values.ravel(), nodes.lon.values.ravel()
    if len(lat) != len(lon) or not len(lat) or not np.isfinite([lat, lon]).all():
        raise Refusal(f"lat and lon in {path} must be finite and of one shape, for one node at least")
    return lat, lon


def _places(lat: np.ndarray, lon: np.ndarray, tree: KDTree, path: Path) -> np.ndarray:
    """The point of the grid, row by row, at which each node stands."""
    distance, place = map(np.asarray, tree.query(unit_vectors(lat, lon)))
    if (distance > NEAR).any():
        raise Refusal(f"{int((distance > NEAR).sum())} nodes of {path} are no points of the grid")
    if len(np.unique(place)) < len(place):
        raise Refusal(f"{path} has nodes at one place")
    return place


def _joined(
    datasets: Sequence[xr.Dataset], files: Sequence[Path], places: Sequence[np.ndarray], nodes: int, *, structured: bool
) -> dict[str, np.ndarray]:
    """hzScales and perhaps vtScales (level, node of the grid), 0 where no node stands."""
    owns = [_scales(one, path, structured=structured) for one, path in zip(datasets, files, strict=True)]
    levels = {name: len(values) for name, values in owns[0].items()}
    joined = {name: np.full((count, nodes), np.nan) for name, count in levels.items()}
    for own, path, place in zip(owns, files, places, strict=True):
        if {name: len(values) for name, values in own.items()} != levels:
            raise Refusal(f"{path} has other levels or variables than {files[0]}: they must be of one run")
        for name, values in own.items():
            before = joined[name][:, place]
            if (np.isfinite(before) & (before != values)).any():
                raise Refusal(f"{name} of {path} differs at nodes that another file of its set has, too")
            joined[name][:, place] = values
    return {name: np.nan_to_num(values) for name, values in joined.items()}


def _scales(dataset: xr.Dataset, path: Path, *, structured: bool) -> dict[str, np.ndarray]:
    """hzScales and perhaps vtScales of a file (level, node), 0 where they are missing values."""
    size, found = dataset.lat.size, {}
    order = "(level, row, column)" if structured else "(node, level)"
    for name in SCALES:
        if name not in dataset:
            continue
        values = dataset[name].values
        fits = values.shape[1:] == dataset.lat.shape if structured else values.ndim == 2 and len(values) == size
        if not fits or not values.size:
            raise Refusal(f"{name} in {path} must be {order} for {size} nodes, not {values.shape}")
        if not netcdf.has_numbers(dataset[name]) or np.isinf(values).any() or (values < 0).any():
            raise Refusal(f"{name} in {path} must hold finite numbers, 0 or above")
        found[name] = values.reshape(len(values), size) if structured else values.T
    levels = {name: len(values) for name, values in found.items()}
    if levels["hzScales"] not in (1, levels.get("vtScales", 1)) and "vtScales" in levels:
        raise Refusal(f"{path} has {levels['hzScales']} levels of hzScales and {levels['vtScales']} of vtScales")
    for name, other in (SCALES, SCALES[::-1]):
        lost = np.isnan(found[name]) & (found[other] > 0) if len(found) == 2 else np.zeros(1)
        if lost.any():
            raise Refusal(
                f"{name} in {path} has {int(lost.sum())} of {lost.size} values missing where {other} is above 0"
            )
    return {name: np.nan_to_num(values) for name, values in found.items()}
