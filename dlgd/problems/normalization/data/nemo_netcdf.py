"""Samples of the report as NEMO and NEMOVAR write them, in NetCDF.

coordinates.nc                 e1t e2t e1f e2f e1u e2v (m), glamt gphit (degrees); (y, x), or (1, y, x) and the like
<sample>/Bmod_dif...nc         K11, K22 (1, y, x) m2: squared diffusion lengths west-east and south-north
<sample>/Bmod_cor_nor...nc     sqtnorfac (1, y, x) m: gamma; may be missing

alpha_i = K22 e1f / e2t, alpha_j = K11 e2f / e1t, w = e1u e2v     all at the same place of the file
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import numpy as np

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.physics.grids import unit_vectors
from dlgd.problems.normalization.data.stored import Edges, Stored, find_above, inner

log = logging.getLogger(__name__)

COORDINATE_VARIABLES = ("e1t", "e2t", "e1f", "e2f", "e1u", "e2v", "glamt", "gphit")
SAME_PLACE = 1e-5  # of unit vectors: 64 m


class NemoFolder:
    """A folder with a folder for each sample, or the folder of a single sample.

    files: names of the files, and padding: rows and columns on each side, as in `layout.Layout`; without a name for
        the coefficients, none are read.
    """

    def __init__(self, path: Path, files: Mapping[str, str], padding: Mapping[str, int | None]) -> None:
        self.path, self._files, self._padding = path, files, padding
        places = [path, *sorted(place for place in path.iterdir() if place.is_dir())]
        self._places = {place.name: place for place in places if any(place.glob(files["diffusivities"]))}
        self.names = list(self._places)
        lost = [place.name for place in places if self._has_coefficients(place) and place.name not in self.names]
        if lost:
            log.warning("%s: %s have no %s, and are left out", path, ", ".join(lost), files["diffusivities"])

    def _has_coefficients(self, place: Path) -> bool:
        return "coefficients" in self._files and any(place.glob(self._files["coefficients"]))

    @cached_property
    def _grid(self) -> dict[str, np.ndarray]:
        return _planes(find_above(self.path, self._files["coordinates"]), COORDINATE_VARIABLES)

    @cached_property
    def _edges(self) -> Edges:
        """The padding: what the options give, or what is recognized.

        Recognized are one column on each side that repeats a column of the other side (NEMO's halo), and a last row
        that repeats the one before in reverse (the halo of a fold through corners of cells).
        """
        place = unit_vectors(self._grid["gphit"], self._grid["glamt"])

        def same(a: np.ndarray, b: np.ndarray) -> bool:
            return np.allclose(a, b, rtol=0, atol=SAME_PLACE)

        rows, columns = self._padding.get("rows"), self._padding.get("columns")
        if columns is None:
            columns = int(same(place[:, 0], place[:, -2]) and same(place[:, -1], place[:, 1]))
        own = place[:, columns : place.shape[1] - columns]
        south, north = (0, int(same(own[-1], own[-2, ::-1]))) if rows is None else (rows, rows)
        if south + north >= place.shape[0] or 2 * columns >= place.shape[1]:
            raise Refusal(
                f"data.padding.rows and data.padding.columns leave nothing of the {place.shape[0]} x {place.shape[1]} "
                f"cells of {self.path}"
            )
        return Edges(south, north, columns, columns)

    def read(self, name: str) -> Stored:
        """The sample of that name. Refusal where its files do not fit."""
        grid, files, place = self._grid, self._files, self._places[name]
        diffusivities = _only(place, files["diffusivities"])
        k = _planes(diffusivities, ("K11", "K22"))
        coefficients = _only(place, files["coefficients"]) if self._has_coefficients(place) else None
        gamma = None if coefficients is None else _planes(coefficients, ("sqtnorfac",))["sqtnorfac"]
        for path, field in ((diffusivities, k["K11"]), (diffusivities, k["K22"]), (coefficients, gamma)):
            if field is not None and field.shape != grid["e1t"].shape:
                raise Refusal(f"{path} has {field.shape} cells, but the coordinates have {grid['e1t'].shape}")
        if gamma is not None:
            gamma = inner(np.nan_to_num(gamma, nan=0.0), self._edges)
            if not (np.isfinite(gamma).all() and (gamma >= 0).all()):
                raise Refusal(
                    f"sqtnorfac in {coefficients} must be finite and positive at sea, and zero or missing on land"
                )
        return Stored(
            name=name,
            alpha_i=k["K22"] * grid["e1f"] / grid["e2t"],
            alpha_j=k["K11"] * grid["e2f"] / grid["e1t"],
            w=grid["e1u"] * grid["e2v"],
            gamma=gamma,
            edges=self._edges,
            lat=grid["gphit"],
            lon=grid["glamt"],
            ratio=(grid["e1f"] / grid["e2t"], grid["e2f"] / grid["e1t"]),
            names=("K22", "K11"),
        )


def _only(place: Path, pattern: str) -> Path:
    """The file that fits a pattern. Refusal unless it is one."""
    found = sorted(place.glob(pattern))
    if len(found) != 1:
        raise Refusal(f"{place} has {len(found)} files {pattern}, of which one is needed: keep one folder per sample")
    return found[0]


def _planes(path: Path, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    """Read variables as (y, x), float64, NaN where masked; leading axes of length one are dropped."""
    dataset = netcdf.read(path, decode_times=False)
    missing = [name for name in names if name not in dataset]
    if missing:
        raise Refusal(
            f"{path} lacks {', '.join(missing)}: it has {', '.join(map(str, dataset.variables)) or 'nothing'}"
        )
    planes = {}
    for name in names:
        values = dataset[name].values
        if values.dtype.kind not in "iuf" or values.ndim < 2 or any(size != 1 for size in values.shape[:-2]):
            raise Refusal(f"{name} in {path} must be numbers (y, x) or (1, y, x), not {values.dtype} {values.shape}")
        planes[name] = values.reshape(values.shape[-2:]).astype(np.float64)
    if len({plane.shape for plane in planes.values()}) > 1:
        shapes = ", ".join(f"{name} {plane.shape}" for name, plane in planes.items())
        raise Refusal(f"variables in {path} have different shapes: {shapes}")
    return planes
