"""Samples of diffusion operators as xarray Datasets: made, completed by derived fields, or read from a user's file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.core.timing import timed
from dlgd.physics import coastline
from dlgd.physics.diffusion import Diffusion, open_faces
from dlgd.physics.halo import Topology
from dlgd.problems.normalization.data.closed_forms import GUESS, ClosedForm

LARGEST_SCALE = 100  # cells, of a user's fields: longer ones are probably a mistake of units


# Of `lat` and `lon` where latitude and longitude are not known, see `places`.
UNKNOWN = {
    "lat": {"units": "1", "long_name": "row of the cell"},
    "lon": {"units": "1", "long_name": "column of the cell"},
}


def base(
    lat: np.ndarray, lon: np.ndarray, w: np.ndarray, sea: np.ndarray, topology: Topology, *, located: bool = True
) -> xr.Dataset:
    """The variables that all samples share, from arrays (y, x). located: whether they have latitudes, not `places`."""
    plane = ("y", "x")
    return xr.Dataset(
        {
            "w": (plane, w, {"units": "m2", "long_name": "cell area", "standard_name": "cell_area"}),
            "mask": (plane, sea, {"long_name": "sea", "flag_values": "0, 1", "flag_meanings": "land sea"}),
        },
        coords={
            "lat": (plane, lat, {"units": "degrees_north", "standard_name": "latitude"} if located else UNKNOWN["lat"]),
            "lon": (plane, lon, {"units": "degrees_east", "standard_name": "longitude"} if located else UNKNOWN["lon"]),
        },
        attrs={"west_east": topology.west_east, "south_north": topology.south_north},
    )


def places(shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """The row and the column of each cell's centre, (y, x) each, where latitude and longitude are not known."""
    rows, columns = np.meshgrid(np.arange(shape[0]) + 0.5, np.arange(shape[1]) + 0.5, indexing="ij")
    return rows, columns


def sample(operator: Diffusion, gamma: np.ndarray) -> xr.Dataset:
    """The variables of one sample: an operator and its coefficients."""
    return xr.Dataset(
        {
            "alpha_i": (
                ("y_face", "x"),
                operator.alpha_i,
                {"units": "m2", "long_name": "scaled diffusivity on south faces"},
            ),
            "alpha_j": (("y", "x"), operator.alpha_j, {"units": "m2", "long_name": "scaled diffusivity on west faces"}),
            "gamma": (("y", "x"), gamma, {"units": "m", "long_name": "normalization coefficient"}),
        },
        attrs={"steps": operator.steps},
    )


def topology(samples: xr.Dataset) -> Topology:
    """The topology that the attributes give."""
    return Topology(samples.attrs["west_east"], samples.attrs["south_north"])


def operators(samples: xr.Dataset) -> Iterator[Diffusion]:
    """The diffusion operator of each sample."""
    for alpha_i, alpha_j in zip(samples.alpha_i.values, samples.alpha_j.values, strict=True):
        yield Diffusion(alpha_i, alpha_j, samples.w.values, samples.mask.values, topology(samples))


def complete(samples: xr.Dataset, distance_metric: str, closed_form: ClosedForm | None) -> xr.Dataset:
    """Add fields derived from the samples: the signed distance to the coast (cells), and those of the closed form.

    Derived fields have the attribute `derived`, 1. The attribute `seconds` of GUESS is the time that the closed form
    took for a sample.
    """
    distance = coastline.signed_distance(samples.mask.values, topology(samples), distance_metric)
    attributes = {"units": "1", "long_name": f"signed {distance_metric} distance to coast in cells", "derived": 1}
    samples = samples.assign(distance=(("y", "x"), distance, attributes))
    if closed_form is None:
        return samples
    found, seconds = [], []
    for operator in operators(samples):
        answer, took = timed(partial(closed_form, operator))
        found.append(answer)
        seconds.append(took)
    fields = {
        name: (("sample", "y", "x"), np.stack([one[name] for one in found]), {"derived": 1})
        for name in (GUESS, *closed_form.channels)
    }
    samples = samples.assign(fields)
    samples[GUESS].attrs["seconds"] = float(np.median(seconds))  # the first one may include compilation
    return samples


def as_cells(samples: xr.Dataset) -> dict[str, np.ndarray]:
    """alpha_i, alpha_j (of each cell's south and west face), w and gamma as (sample, y, x)."""
    shape = samples.alpha_j.shape
    return {
        "alpha_i": samples.alpha_i.values[..., :-1, :],
        "alpha_j": samples.alpha_j.values,
        "w": np.broadcast_to(np.where(samples.mask.values, samples.w.values, 0.0), shape),
        "gamma": samples.gamma.values,
    }


def with_closed_land(dataset: xr.Dataset, sea: np.ndarray, sides: Topology, where: str) -> xr.Dataset:
    """Set faces that touch land to zero. Refuse NaN, negative and inconsistent values at sea.

    where: the source of the samples, for messages.
    """
    if not sea.any():
        raise Refusal(f"mask in {where} has no sea cell")
    open_i, open_j = open_faces(sea, sides)
    w = dataset.w.values
    if not (np.isfinite(w[sea]).all() and (w[sea] > 0).all()):
        raise Refusal(f"w in {where} must be finite and positive at sea")
    for name, is_open in (("alpha_i", open_i), ("alpha_j", open_j)):
        values = dataset[name].values[:, is_open]
        if not np.isfinite(values).all():
            raise Refusal(
                f"{name} in {where} has {int((~np.isfinite(values)).sum())} NaN or infinite values between sea cells"
            )
        if (values < 0).any():
            raise Refusal(f"{name} in {where} is negative in {int((values < 0).sum())} places; a diffusivity cannot be")
        scale = np.sqrt(values.max(initial=0.0) / np.median(w[sea]))
        if scale > LARGEST_SCALE:
            raise Refusal(
                f"{name} in {where} stands for length scales of {scale:.0f} cells, which are too many: give alpha_i, "
                "alpha_j and w in the same unit, m2"
            )
    if "gamma" in dataset:
        gamma = dataset.gamma.values[:, sea]
        if not (np.isfinite(gamma).all() and (gamma > 0).all()):
            raise Refusal(f"gamma in {where} must be finite and positive at sea")
        dataset = dataset.assign(gamma=dataset.gamma.where(sea))
    return dataset.assign(
        w=(("y", "x"), np.where(sea, w, np.median(w[sea]))),  # land does not count, but its logarithm is computed
        mask=(("y", "x"), sea),
        alpha_i=(("sample", "y_face", "x"), np.where(open_i, dataset.alpha_i.values, 0.0)),
        alpha_j=(("sample", "y", "x"), np.where(open_j, dataset.alpha_j.values, 0.0)),
    )


# --- a user's file -----------------------------------------------------------------------------------------


def read(path: Path, default: Topology) -> xr.Dataset:
    """The samples of a NetCDF file with alpha_i, alpha_j, w, mask and optionally gamma. Refusal where it does not fit.

    default: the topology of a file without attributes that give one.
    """
    return checked(netcdf.read(path), path, default)


def checked(dataset: xr.Dataset, path: Path, default: Topology) -> xr.Dataset:
    """The same for what was read from a file."""
    missing = [name for name in ("alpha_i", "alpha_j", "w", "mask") if name not in dataset]
    if missing:
        raise Refusal(
            f"{path} lacks {', '.join(missing)}: it has {', '.join(map(str, dataset.data_vars)) or 'no variable'}; "
            "alpha_i, alpha_j, w and mask are needed"
        )
    _check_units(dataset, path)
    dataset = _with_sample_dimension(dataset, path)
    kind = dataset.attrs.get("west_east", default.west_east), dataset.attrs.get("south_north", default.south_north)
    try:
        if not all(isinstance(value, str) for value in kind):
            raise Refusal(f"west_east and south_north must be words, not {kind[0]} and {kind[1]}")
        sides = Topology(*kind)
    except Refusal as error:
        raise Refusal(f"{path} has attributes that do not fit: {error}") from error
    sea = dataset.mask.values
    if not np.isin(sea, (0, 1)).all():
        raise Refusal(f"mask in {path} must be 1 at sea and 0 on land and nothing else")
    clean = with_closed_land(_with_north_side(dataset, sides), sea.astype(bool), sides, str(path))
    _check_north_side(clean.alpha_i.values, sides, path)
    return clean.assign_attrs(west_east=sides.west_east, south_north=sides.south_north)


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
        arrays[name] = (dims, values.astype(bool if name == "mask" and np.isin(values, (0, 1)).all() else float))
    if len({arrays[name][1].shape[0] for name in ("alpha_i", "alpha_j", "gamma") if name in arrays}) > 1:
        raise Refusal(f"alpha_i, alpha_j and gamma in {path} have different numbers of samples")
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


def _with_north_side(dataset: xr.Dataset, sides: Topology) -> xr.Dataset:
    """alpha_i (sample, y_face, x). A north side that the file does not have is closed; on a periodic grid it is the
    south side."""
    if "y_south" not in dataset.alpha_i.dims:
        return dataset
    south = dataset.alpha_i.values
    north = south[:, :1] if sides.south_north == "periodic" else np.zeros_like(south[:, :1])
    whole = np.concatenate([south, north], axis=1)
    return dataset.drop_vars("alpha_i").assign(alpha_i=(("sample", "y_face", "x"), whole))


def _check_north_side(alpha_i: np.ndarray, sides: Topology, path: Path) -> None:
    """Refuse two diffusivities for one face: two cells share it on a periodic or folded north side."""
    north = alpha_i[:, -1]
    for kind, twin, wanted in (
        ("fold", north[:, ::-1], "symmetric about its middle"),
        ("periodic", alpha_i[:, 0], "its first row"),
    ):
        if sides.south_north == kind and not np.allclose(north, twin):
            raise Refusal(f"alpha_i in {path} does not fit south_north={kind}: its last row must be {wanted}")
