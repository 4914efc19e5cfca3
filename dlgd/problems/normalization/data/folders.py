"""Folders of the report's files, and their samples as Datasets like those of other data sets.

G. Coulaud, Report on using CNNs to estimate normalization coefficients for diffusion-based correlation operators,
2022. A folder has one of two formats, which is recognized:

    NetCDF       coordinates.nc of NEMO, and a folder per sample with NEMOVAR's diffusivities and coefficients;
                 see `nemo_netcdf.py`
    processed    X/<sample>.npz, Y/<sample>_norm_coeffs.npz and dict_std_mean.txt; see `processed_npz.py`

The file that all samples share, coordinates.nc or dict_std_mean.txt, is in the folder or in one of the two above it.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np
import xarray as xr

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.physics.diffusion import STEPS, open_faces
from dlgd.problems.normalization.data import fields, physics_check, sides
from dlgd.problems.normalization.data.layout import FILES, Layout
from dlgd.problems.normalization.data.nemo_netcdf import NemoFolder
from dlgd.problems.normalization.data.processed_npz import ProcessedFolder
from dlgd.problems.normalization.data.stored import Stored, south_faces, west_faces
from dlgd.problems.normalization.data.suspicions import Held

log = logging.getLogger(__name__)

LARGEST_MISMATCH = 0.01  # share of faces or cells that may be sea for gamma and land for alpha, or the reverse
LARGEST_ASYMMETRY = 0.5  # relative difference of the two diffusivities that a face of the fold has in the files


class Folder(Protocol):
    """An opened folder of either format."""

    @property
    def names(self) -> Sequence[str]:
        """The names of its samples, in order."""
        ...

    def read(self, name: str) -> Stored:
        """The sample of that name. Refusal where its files do not fit."""
        ...


def open_folder(path: Path, layout: Layout) -> Folder:
    """Open a folder with samples. Refusal where it has none."""
    if (path / "X").is_dir():
        return ProcessedFolder(path, layout.padding)
    folder = NemoFolder(path, FILES | dict(layout.files), layout.padding)
    if not folder.names:
        splits = [split for split in SPLITS if (path / split).is_dir()]
        advice = (
            f"give one of its splits, such as {path / splits[0]}"
            if splits
            else "give a folder of the report's files, or a NetCDF file"
        )
        pattern = layout.files.get("diffusivities", FILES["diffusivities"])
        raise Refusal(f"{path} has neither a folder X nor a folder with {pattern}: {advice}")
    return folder


def read(path: Path, layout: Layout, *, steps: int | None = None, otherwise: int = STEPS) -> xr.Dataset:
    """All samples of a folder; gamma is among them if every sample has it. steps, otherwise: as in `assemble`."""
    folder = open_folder(path, layout)
    stored = [folder.read(name) for name in progress(folder.names, f"reading {path}")]
    samples = assemble(stored, layout, steps=steps, otherwise=otherwise)
    known = "gamma" in samples and bool(samples.gamma.notnull().any(("y", "x")).all())
    return samples if known else samples.drop_vars("gamma", errors="ignore")


# --- from what is stored to samples ------------------------------------------------------------------------


def assemble(
    stored: Sequence[Stored], layout: Layout, *, steps: int | None = None, otherwise: int = STEPS
) -> xr.Dataset:
    """The samples, on one grid with one coast, and their names; gamma is NaN where the files of a sample lack it.

    steps: M, if the options say it; otherwise: M where nothing tells it.
    """
    first = stored[0]
    for one in stored:
        if one.shape != first.shape:
            raise Refusal(f"{one.name} has {one.shape} cells, but {first.name} has {first.shape}")
    sea = _sea(stored, layout)
    faces = _faces(stored, sea, layout)
    alpha_i, alpha_j = (np.stack(each) for each in zip(*(_on_faces(one, faces) for one in stored), strict=True))
    if layout.topology.south_north == "fold":
        alpha_i[:, -1] = _folded(alpha_i[:, -1], open_faces(sea, layout.topology)[0][-1], first.name)
    held = _held(stored, alpha_i, alpha_j, faces)
    for one, its in zip(stored, held, strict=True):
        few = _check_coast(one, its, sea, layout)
        if few and one is first:  # other samples will have about the same
            log.warning("%s: %s", one.name, " and ".join(few))
    located = first.lat is not None and first.lon is not None
    samples = fields.base(*_position(first), _area(stored, sea), sea, layout.topology, located=located).assign(
        alpha_i=(("sample", "y_face", "x"), alpha_i, {"units": "m2"}),
        alpha_j=(("sample", "y", "x"), alpha_j, {"units": "m2"}),
    )
    where = f"the folder of {first.name}"
    sides.refuse_contradicted(samples, layout, where, located=located)
    samples = fields.with_closed_land(samples, sea, layout.topology, where)
    samples = samples.assign_coords(sample=np.arange(len(stored)), file=("sample", [one.name for one in stored]))
    if any(one.gamma is not None for one in stored):
        unknown = np.full(sea.shape, np.nan)
        gamma = [unknown if one.gamma is None else np.where(sea, one.gamma, np.nan) for one in stored]
        samples = samples.assign(gamma=(("sample", "y", "x"), np.stack(gamma), {"units": "m"}))
    if not layout.check_physics:
        return fields.with_steps(samples, otherwise if steps is None else steps)
    return physics_check.checked(samples, held, [one.name for one in stored], steps, otherwise=otherwise)


def _held(stored: Sequence[Stored], alpha_i: np.ndarray, alpha_j: np.ndarray, faces: str) -> list[Held]:
    """What the files hold of each sample, on the faces of the grid."""
    ratio = None
    if stored[0].ratio is not None:
        ratio = _on_faces(replace(stored[0], alpha_i=stored[0].ratio[0], alpha_j=stored[0].ratio[1]), faces)
    find = None if ratio is None else lambda: ratio
    return [Held((south, west), find, one.names) for one, south, west in zip(stored, alpha_i, alpha_j, strict=True)]


def _sea(stored: Sequence[Stored], layout: Layout) -> np.ndarray:
    """The sea, bool (y, x): where gamma is positive; without any gamma, cells with an open face."""
    coasts = [(one.name, one.gamma > 0) for one in stored if one.gamma is not None]
    if not coasts:
        sea = np.zeros(stored[0].shape, bool)
        for one in stored:
            sea |= _cells_of_faces(*_on_faces(one, _default(layout.faces)), any_face=True)
        if sea.all() and layout.check_physics:
            both = " and ".join(sorted(stored[0].names))
            raise Refusal(
                f"{both} of {stored[0].name} are above 0 around all {sea.size} cells, and nothing else tells the "
                f"coast: are they above 0 on land? Set them to 0 there, or give gamma{physics_check.AS_IT_IS}"
            )
        return sea
    first, sea = coasts[0]
    for name, other in coasts[1:]:
        differ = int((other != sea).sum())
        if differ:
            raise Refusal(
                f"the coast of {name} differs from that of {first} in {differ} cells: "
                "all samples of a data set must have one coast"
            )
    return sea


def _cells_of_faces(alpha_i: np.ndarray, alpha_j: np.ndarray, *, any_face: bool) -> np.ndarray:
    """Bool (y, x): whether any of the four faces of a cell is open, or all of them are."""
    west = alpha_j > 0
    four = np.stack([alpha_i[:-1] > 0, alpha_i[1:] > 0, west, np.roll(west, -1, axis=1)])
    return np.asarray(four.any(axis=0) if any_face else four.all(axis=0))


def _default(faces: str) -> str:
    return "south_west" if faces == "auto" else faces


def _on_faces(one: Stored, faces: str) -> tuple[np.ndarray, np.ndarray]:
    """alpha_i (y_face, x) and alpha_j (y, x) on south and west faces; NaN where the files have none."""
    return south_faces(one, north=faces == "north_east"), west_faces(one, east=faces == "north_east")


def _faces(stored: Sequence[Stored], sea: np.ndarray, layout: Layout) -> str:
    """The faces on which the files have diffusivities: those that are open where gamma has sea on both sides."""
    known = next((one for one in stored if one.gamma is not None), None)
    if layout.faces != "auto" or known is None:
        return _default(layout.faces)

    def mismatches(faces: str) -> int:
        pairs = zip(_on_faces(known, faces), open_faces(sea, layout.topology), strict=True)
        return sum(int(((alpha > 0) != is_open)[~np.isnan(alpha)].sum()) for alpha, is_open in pairs)

    south_west, north_east = mismatches("south_west"), mismatches("north_east")
    if 10 * north_east >= south_west:
        return "south_west"
    log.warning("the diffusivities of %s are read as those of north and east faces, which fit its coast", known.name)
    return "north_east"


def _folded(north: np.ndarray, is_open: np.ndarray, name: str) -> np.ndarray:
    """alpha_i of the faces of the fold, (sample, x): the mean of the two values that the files have for each face."""
    if np.isnan(north).all():
        log.warning("%s has no row beyond the fold in the north: the north side counts as closed", name)
        return np.zeros_like(north)
    twin = north[:, ::-1]
    if (np.abs(north - twin) > LARGEST_ASYMMETRY * (north + twin) / 2)[:, is_open].any():
        raise Refusal(
            f"alpha_i of {name} differs between the two sides of the fold in the north: type data.padding.rows=... "
            "and data.faces=... as the files have them, or data.grid=mercator"
        )
    return (north + twin) / 2


def _check_coast(one: Stored, held: Held, sea: np.ndarray, layout: Layout) -> list[str]:
    """Refuse a coast of gamma that differs from that of the diffusivities in more than a few cells; say which few."""
    if one.gamma is None:
        return []
    alpha_i, alpha_j = held.alpha
    open_i, open_j = open_faces(sea, layout.topology)
    if layout.topology.south_north == "fold" and not alpha_i[-1].any():  # it counts as closed
        open_i[-1] = False
    if layout.check_physics:
        physics_check.refuse_other_places(held, (open_i, open_j), one.name)
    closed = int((open_i & ~(alpha_i > 0)).sum() + (open_j & ~(alpha_j > 0)).sum())
    lost = int((_cells_of_faces(alpha_i, alpha_j, any_face=False) & ~sea).sum())
    few = []
    for count, whole, words, question in (
        (
            closed,
            open_i.sum() + open_j.sum(),
            "faces between sea cells of gamma have no diffusivity",
            "other places of the same numbers do not explain it: is gamma another sample's or grid's, or does "
            "data.padding not fit?",
        ),
        (
            lost,
            sea.sum(),
            f"cells have diffusivities on all faces but no gamma, of {int((~sea).sum())} without gamma",
            f"are {held.both} above 0 on land, or is gamma another grid's?",
        ),
    ):
        if count > LARGEST_MISMATCH * whole and layout.check_physics:
            raise Refusal(f"{one.name}: {count} {words}; {question}{physics_check.AS_IT_IS}")
        if count:
            few.append(f"{count} {words}")
    return few


def _area(stored: Sequence[Stored], sea: np.ndarray) -> np.ndarray:
    """w (y, x), which must be the same in all samples."""
    w = stored[0].inner(stored[0].w)
    for one in stored[1:]:
        if not np.allclose(one.inner(one.w)[sea], w[sea], rtol=1e-4):
            raise Refusal(f"w of {one.name} differs from that of {stored[0].name}: all samples must have one grid")
    return w


def _position(one: Stored) -> tuple[np.ndarray, np.ndarray]:
    """Latitude and longitude of the cells, or row and column where they are not known."""
    if one.lat is None or one.lon is None:
        return fields.places(one.shape)
    return one.inner(one.lat), one.inner(one.lon)
