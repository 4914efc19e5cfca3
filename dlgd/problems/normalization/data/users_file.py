"""Samples of diffusion operators in a NetCDF file of a person: alpha_i, alpha_j, w, mask and perhaps gamma."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.physics.diffusion import STEPS
from dlgd.physics.halo import Topology
from dlgd.problems.normalization.data import physics_check, sides, suspicions
from dlgd.problems.normalization.data.fields import UNKNOWN, places, with_closed_land, with_steps
from dlgd.problems.normalization.data.layout import LARGEST_STEPS, Layout
from dlgd.problems.normalization.data.suspicions import Held


def read(path: Path, layout: Layout, *, steps: int | None = None, otherwise: int = STEPS) -> xr.Dataset:
    """The samples of a NetCDF file with alpha_i, alpha_j, w, mask and optionally gamma. Refusal where it does not fit.

    layout: what the options say of the file; see `sides` for what lies beyond its sides.
    steps: M, if the options say it. otherwise: M where nothing tells it.
    """
    return of_dataset(netcdf.read(path), path, layout, steps=steps, otherwise=otherwise)


def of_dataset(
    dataset: xr.Dataset, path: Path, layout: Layout, *, steps: int | None = None, otherwise: int = STEPS
) -> xr.Dataset:
    """The same of what the file holds."""
    if "alpha_k" in dataset:
        raise Refusal(f"{path} has alpha_k, as fields with levels have it: read it with data=ocean")
    missing = [name for name in ("alpha_i", "alpha_j", "w", "mask") if name not in dataset]
    if missing:
        raise Refusal(
            f"{path} lacks {', '.join(missing)}: it has {', '.join(map(str, dataset.data_vars)) or 'no variable'}; "
            "alpha_i, alpha_j, w and mask are needed"
        )
    _check_units(dataset, path)
    said = _steps(dataset, path) if steps is None else steps
    dataset = _with_sample_dimension(dataset, path)
    sea = dataset.mask.values
    if not np.isin(sea, (0, 1)).all():
        raise Refusal(f"mask in {path} must be 1 at sea and 0 on land and nothing else")
    located = dataset.lat.attrs != UNKNOWN["lat"]
    beyond = sides.of_file(dataset, layout, path, located=located)
    whole = _with_north_side(dataset, beyond)
    clean = with_closed_land(whole, sea.astype(bool), beyond, str(path))
    _check_north_side(clean.alpha_i.values, beyond, path)
    clean = clean.assign_attrs(west_east=beyond.west_east, south_north=beyond.south_north)
    if not layout.check_physics:
        return with_steps(clean, otherwise if said is None else said)
    place = (whole.lat.values, whole.lon.values, whole.w.values)
    ratio = partial(suspicions.ratio_of, *place) if located else None
    held = [Held(alpha, ratio) for alpha in zip(whole.alpha_i.values, whole.alpha_j.values, strict=True)]
    names = [str(path)] if len(held) == 1 else [f"sample {n} of {path}" for n in range(len(held))]
    return physics_check.checked(clean, held, names, said, otherwise=otherwise)


def _steps(dataset: xr.Dataset, path: Path) -> int | None:
    """M of the attribute or the variable `steps`; None where the file has none."""
    if "steps" not in dataset.variables and "steps" not in dataset.attrs:
        return None
    given = dataset["steps"].values if "steps" in dataset.variables else np.asarray(dataset.attrs["steps"])
    if (
        given.size != 1
        or given.dtype.kind not in "iuf"
        or float(given.reshape(())) not in range(2, LARGEST_STEPS + 1, 2)
    ):
        raise Refusal(
            f"steps in {path} must be an even number from 2 to {LARGEST_STEPS}, the number M of diffusion steps"
        )
    return int(given.reshape(()))


def _check_units(dataset: xr.Dataset, path: Path) -> None:
    accepted = {"m2": ("m2", "m^2", "m**2", "m 2", "meter2", "metre2"), "m": ("m", "meter", "metre")}
    for name, unit in (("alpha_i", "m2"), ("alpha_j", "m2"), ("w", "m2"), ("gamma", "m")):
        given = dataset[name].attrs.get("units", unit) if name in dataset else unit
        if given not in accepted[unit]:
            raise Refusal(f"{name} in {path} is in {given!r}: convert it to {unit}")


def _with_sample_dimension(dataset: xr.Dataset, path: Path) -> xr.Dataset:
    """The file's variables with named dimensions: alpha_i (sample, y_face, x), or (sample, y_south, x) without the
    north side; alpha_j and gamma (sample, y, x); w and mask (y, x). A single sample may lack the first dimension."""
    ny, nx = dataset.w.shape if dataset.w.ndim == 2 else (0, 0)
    arrays = {}
    for name in ("w", "mask", "alpha_i", "alpha_j", "gamma"):
        if name not in dataset:
            continue
        values = dataset[name].values
        if values.dtype.kind not in "biuf":
            raise Refusal(f"{name} in {path} must hold numbers, not {values.dtype}")
        many = name in ("alpha_i", "alpha_j", "gamma")
        if many and values.ndim == 2:
            values = values[None]
        fits = values.shape[-2:] == (ny, nx) or (name == "alpha_i" and values.shape[-2:] == (ny + 1, nx))
        if values.ndim != (3 if many else 2) or not fits:
            raise Refusal(
                f"{name} in {path} has the shape {dataset[name].shape}, which does not fit: w and mask must be (y, x), "
                "alpha_j (sample, y, x), alpha_i (sample, y, x) or (sample, y + 1, x)"
            )
        rows = ("y_face" if values.shape[-2] > ny else "y_south") if name == "alpha_i" else "y"
        dims = ("sample", rows, "x") if many else ("y", "x")
        arrays[name] = (
            dims,
            values.astype(bool if name == "mask" and np.isin(values, (0, 1)).all() else float, copy=False),
        )
    if len({arrays[name][1].shape[0] for name in ("alpha_i", "alpha_j", "gamma") if name in arrays}) > 1:
        raise Refusal(f"alpha_i, alpha_j and gamma in {path} have different numbers of samples")
    if not len(arrays["alpha_i"][1]):
        raise Refusal(f"{path} holds no sample: give at least one")
    coordinates = {
        name: (("y", "x"), dataset[name].values)
        for name in ("lat", "lon")
        if name in dataset and dataset[name].shape == (ny, nx)
    }
    if len(coordinates) < 2:
        found = zip(UNKNOWN, places((ny, nx)), strict=True)
        coordinates = {name: (("y", "x"), place, UNKNOWN[name]) for name, place in found}
    return xr.Dataset(
        arrays, coordinates, {k: v for k, v in dataset.attrs.items() if k in ("west_east", "south_north")}
    )


def _with_north_side(dataset: xr.Dataset, beyond: Topology) -> xr.Dataset:
    """alpha_i (sample, y_face, x). A north side that the file does not have is closed; on a periodic grid it is the
    south side."""
    if "y_south" not in dataset.alpha_i.dims:
        return dataset
    south = dataset.alpha_i.values
    north = south[:, :1] if beyond.south_north == "periodic" else np.zeros_like(south[:, :1])
    whole = np.concatenate([south, north], axis=1)
    return dataset.drop_vars("alpha_i").assign(alpha_i=(("sample", "y_face", "x"), whole))


def _check_north_side(alpha_i: np.ndarray, beyond: Topology, path: Path) -> None:
    """Refuse two diffusivities for one face: two cells share it on a periodic or folded north side."""
    north = alpha_i[:, -1]
    for kind, twin, wanted in (
        ("fold", north[:, ::-1], "symmetric about its middle"),
        ("periodic", alpha_i[:, 0], "its first row"),
    ):
        if beyond.south_north == kind and not np.allclose(north, twin):
            raise Refusal(f"alpha_i in {path} does not fit south_north={kind}: its last row must be {wanted}")
