"""Files of SABER's block `diffusion` on nodes (soca): length scales are read, exact norms are written.

NetCDF with the dimension nb_nodes, and one for the levels of each variable:

    lon, lat (nb_nodes)            degrees
    hzScales, hzNorm (nb_nodes, nz)   m; one level serves all
    vtScales, vtNorm (nb_nodes, nz)   levels

SABER multiplies by hzNorm after horizontal and by vtNorm after vertical diffusion is known to each alone; its total is
their product. So hzNorm = the exact horizontal coefficients, and vtNorm = gamma / hzNorm with the exact gamma of both
together, serve it unchanged. The operator is rebuilt from the scales, so that these are kept as they are.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

import netCDF4
import numpy as np
import xarray as xr
from scipy.spatial import KDTree

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole
from dlgd.physics import explicit
from dlgd.physics.grids import unit_vectors
from dlgd.physics.halo import Topology

GOOD = 1e-6  # of gamma^2, relative: the exact norms and those of brute force are the same
NEAR = 1e-6  # radians, 6 m: nodes of a file are points of the grid


@dataclass(frozen=True)
class Checked:
    """What was written, and how far it is from brute force."""

    nodes: int
    levels: int
    cells: int  # that were checked
    worst: float  # relative error of gamma^2 at these cells


def normalize(source: Path, grid: Path, output: Path, *, topology: Topology, check: int, seed: int) -> Checked:
    """Write a copy of a file with exact norms. All else in it is kept bit for bit.

    grid: NetCDF with lat, lon (degrees) and area (m2), (ny, nx), of all points of the structured grid; dimensions of
    length 1 do not count. Its mesh has a cell between any four neighbouring points.
    check: how many cells are compared with brute force. Raises Refusal where files do not fit together, and where the
    norms are not those of brute force.
    """
    lat, lon, area = _grid(grid)
    nodes = netcdf.read(source)
    place = _places(*_positions(nodes, source), lat, lon, source)
    mesh = explicit.mesh(lat, lon, area, topology)
    on_nodes = _scales(nodes, source)
    horizontal = _on_grid(on_nodes["hzScales"], place, lat.shape)
    variance = explicit.horizontal_variances(horizontal, mesh)
    norms = {"hzNorm": _on_nodes(variance**-0.5, place)}
    vertical = np.zeros_like(horizontal)
    gamma = variance**-0.5
    if "vtScales" in on_nodes:
        vertical = _on_grid(on_nodes["vtScales"], place, lat.shape)
        full = np.broadcast_to(variance, vertical.shape)
        gamma = explicit.column_sums(vertical, full) ** -0.5
        norms["vtNorm"] = _on_nodes(gamma * np.sqrt(full), place)
        horizontal = np.broadcast_to(horizontal, vertical.shape)
    at_sea = np.argwhere((horizontal > 0) | (vertical > 0))
    some = np.random.default_rng(seed).permutation(len(at_sea))[:check]
    reference = explicit.brute_force(horizontal, vertical, mesh, at_sea[some])
    worst = float(np.abs((gamma[tuple(at_sea[some].T)] / reference) ** 2 - 1).max(initial=0.0))
    if not (worst < GOOD and all(np.isfinite(values).all() for values in norms.values())):
        raise Refusal(f"gamma^2 of {source} differs from brute force by {worst:.1e}: nothing is written")
    _write(source, output, norms)
    return Checked(nodes=len(place), levels=len(horizontal), cells=len(some), worst=worst)


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
    missing = [name for name in ("lon", "lat", "hzScales") if name not in nodes]
    if missing:
        raise Refusal(f"{path} lacks {', '.join(missing)}: is it a file of SABER's diffusion on nodes?")
    lat, lon = nodes.lat.values.ravel(), nodes.lon.values.ravel()
    if len(lat) != len(lon) or not len(lat) or not np.isfinite([lat, lon]).all():
        raise Refusal(f"lat and lon in {path} must be finite and of one shape, for one node at least")
    return lat, lon


def _scales(nodes: xr.Dataset, path: Path) -> dict[str, np.ndarray]:
    """hzScales and perhaps vtScales (node, level), 0 where they are missing values."""
    found = {}
    for name in ("hzScales", "vtScales"):
        if name not in nodes:
            continue
        values = nodes[name].values
        if values.ndim != 2 or len(values) != nodes.lat.size or not values.shape[1]:
            raise Refusal(f"{name} in {path} must be (node, level) for {nodes.lat.size} nodes, not {values.shape}")
        if not netcdf.has_numbers(nodes[name]) or np.isinf(values).any() or (values < 0).any():
            raise Refusal(f"{name} in {path} must hold finite numbers, 0 or above")
        found[name] = values
    levels = {name: values.shape[1] for name, values in found.items()}
    if levels["hzScales"] not in (1, levels.get("vtScales", 1)) and "vtScales" in levels:
        raise Refusal(f"{path} has {levels['hzScales']} levels of hzScales and {levels['vtScales']} of vtScales")
    for name, other in (("hzScales", "vtScales"), ("vtScales", "hzScales")):
        lost = np.isnan(found[name]) & (found[other] > 0) if len(found) == 2 else np.zeros(1)
        if lost.any():
            raise Refusal(
                f"{name} in {path} has {int(lost.sum())} of {lost.size} values missing where {other} is above 0"
            )
    return {name: np.nan_to_num(values) for name, values in found.items()}


def _places(lat: np.ndarray, lon: np.ndarray, grid_lat: np.ndarray, grid_lon: np.ndarray, path: Path) -> np.ndarray:
    """The point of the grid, row by row, at which each node stands."""
    tree = KDTree(unit_vectors(grid_lat, grid_lon).reshape(-1, 3))
    distance, place = map(np.asarray, tree.query(unit_vectors(lat, lon)))
    if (distance > NEAR).any():
        raise Refusal(f"{int((distance > NEAR).sum())} nodes of {path} are no points of the grid")
    if len(np.unique(place)) < len(place):
        raise Refusal(f"{path} has nodes at one place")
    return place


def _on_grid(values: np.ndarray, place: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """(node, level) -> (level, ny, nx), 0 where no node stands."""
    field = np.zeros((values.shape[1], int(np.prod(shape))))
    field[:, place] = values.T
    return field.reshape(-1, *shape)


def _on_nodes(field: np.ndarray, place: np.ndarray) -> np.ndarray:
    """(level, ny, nx) -> (node, level)."""
    return field.reshape(len(field), -1)[:, place].T


def _write(source: Path, output: Path, norms: dict[str, np.ndarray]) -> None:
    """Copy the file, and replace the norms, or add them on the dimensions of their scales."""
    with written_whole(output, shared=True) as partial:
        shutil.copyfile(source, partial)
        with netCDF4.Dataset(partial, "r+") as dataset:
            for name, values in norms.items():
                if name not in dataset.variables:
                    dimensions = dataset[name.replace("Norm", "Scales")].dimensions
                    dataset.createVariable(name, "f8", dimensions)
                if dataset[name].dtype.kind != "f":
                    raise Refusal(f"{name} in {source} must be of floating-point numbers, not {dataset[name].dtype}")
                if dataset[name].shape != values.shape:
                    raise Refusal(f"{name} in {source} has the shape {dataset[name].shape}, its scales {values.shape}")
                dataset[name][:] = values
