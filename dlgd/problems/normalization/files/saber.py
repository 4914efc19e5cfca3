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
from scipy.spatial import KDTree

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole
from dlgd.physics import explicit
from dlgd.physics.grids import unit_vectors
from dlgd.physics.halo import Topology

NEAR = 1e-6  # radians, 6 m: nodes of a file are points of the grid


@dataclass(frozen=True)
class Checked:
    """What was written, and how far it is from brute force."""

    nodes: int
    levels: int
    worst: float  # relative error of gamma^2 at the cells that were checked


def normalize(source: Path, grid: Path, output: Path, *, topology: Topology, check: int, seed: int) -> Checked:
    """Write a copy of a file with exact norms. All else in it is kept bit for bit.

    grid: NetCDF with lat, lon (degrees) and area (m2), (ny, nx), of all points of the structured grid; dimensions of
    length 1 do not count. Its mesh has a cell between any four neighbouring points.
    check: how many cells are compared with brute force. Raises Refusal where files do not fit together.
    """
    lat, lon, area = _grid(grid)
    nodes = netcdf.read(source)
    missing = [name for name in ("lon", "lat", "hzScales") if name not in nodes]
    if missing:
        raise Refusal(f"{source} lacks {', '.join(missing)}: is it a file of SABER's diffusion on nodes?")
    place = _places(nodes.lat.values.ravel(), nodes.lon.values.ravel(), lat, lon, source)
    mesh = explicit.mesh(lat, lon, area, topology)
    horizontal = _on_grid(nodes.hzScales.values, place, lat.shape)
    variance = explicit.horizontal_variances(horizontal, mesh)
    norms = {"hzNorm": _on_nodes(variance**-0.5, place)}
    vertical = np.zeros_like(horizontal)
    gamma = variance**-0.5
    if "vtScales" in nodes:
        vertical = _on_grid(nodes.vtScales.values, place, lat.shape)
        if len(horizontal) not in (1, len(vertical)):
            raise Refusal(f"{source} has {len(horizontal)} levels of hzScales and {len(vertical)} of vtScales")
        full = np.broadcast_to(variance, vertical.shape)
        gamma = explicit.column_sums(vertical, full) ** -0.5
        norms["vtNorm"] = _on_nodes(gamma * np.sqrt(full), place)
        horizontal = np.broadcast_to(horizontal, vertical.shape)
    _write(source, output, norms)
    at_sea = np.argwhere(horizontal > 0)
    some = np.random.default_rng(seed).permutation(len(at_sea))[:check]
    reference = explicit.brute_force(horizontal, vertical, mesh, at_sea[some])
    worst = np.abs((gamma[tuple(at_sea[some].T)] / reference) ** 2 - 1).max(initial=0.0)
    return Checked(nodes=len(place), levels=len(horizontal), worst=float(worst))


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
    if not (np.isfinite(area).all() and (area > 0).all()):
        raise Refusal(f"area in {path} must be positive everywhere")
    return lat, lon, area


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
    field[:, place] = np.nan_to_num(values.T)
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
                if dataset[name].shape != values.shape:
                    raise Refusal(f"{name} in {source} has the shape {dataset[name].shape}, its scales {values.shape}")
                dataset[name][:] = values
