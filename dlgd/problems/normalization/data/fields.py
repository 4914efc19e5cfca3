"""Samples of diffusion operators as xarray Datasets: made, cleaned, and completed by derived fields."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial

import numpy as np
import xarray as xr

from dlgd.core.errors import Refusal
from dlgd.core.timing import timed
from dlgd.physics import coastline
from dlgd.physics.diffusion import STEPS, Diffusion, open_faces
from dlgd.physics.diffusion3d import Diffusion3D
from dlgd.physics.halo import Topology, Window, pad_cells, pad_south_faces, pad_west_faces
from dlgd.problems.normalization.data.closed_forms import GUESS, ClosedForm

KEPT = 1024  # cells on each side of the largest grid whose closed form is kept with its samples
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
    rows, columns = np.ogrid[0.5 : shape[0], 0.5 : shape[1]]
    return np.broadcast_to(rows, shape), np.broadcast_to(columns, shape)


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


def steps(samples: xr.Dataset) -> int:
    """M, the number of diffusion steps of all samples: their coordinate `steps`, without which it is 10."""
    return int(samples.coords["steps"]) if "steps" in samples.coords else STEPS


def with_steps(samples: xr.Dataset, number: int) -> xr.Dataset:
    """The samples with their M. It is a coordinate, so that digests tell it; 10 is left out, as in former files."""
    samples = samples.drop_vars("steps", errors="ignore")
    if number == STEPS:
        return samples
    return samples.assign_coords(steps=((), number, {"units": "1", "long_name": "number of diffusion steps"}))


def operators(samples: xr.Dataset) -> Iterator[Diffusion]:
    """The diffusion operator of each sample."""
    for alpha_i, alpha_j in zip(samples.alpha_i.values, samples.alpha_j.values, strict=True):
        yield Diffusion(
            alpha_i, alpha_j, samples.w.values, samples.mask.values, topology(samples), steps=steps(samples)
        )


def is_large(samples: xr.Dataset) -> bool:
    """Whether the grid is too large for all that follows from it to be kept."""
    return max(samples.sizes["y"], samples.sizes["x"]) > KEPT


def complete(samples: xr.Dataset, distance_metric: str, closed_form: ClosedForm | None) -> xr.Dataset:
    """Add fields derived from the samples: the signed distance to the coast (cells), and those of the closed form.

    What there is of them is computed anew. Derived fields have the attribute `derived`, 1. Large grids get those of the
    closed form where they are needed, see `with_closed_form`.
    """
    distance = coastline.signed_distance(samples.mask.values, topology(samples), distance_metric)
    attributes = {"units": "1", "long_name": f"signed {distance_metric} distance to coast in cells", "derived": 1}
    samples = samples.drop_vars(GUESS, errors="ignore").assign(distance=(("y", "x"), distance, attributes))
    return samples if is_large(samples) else with_closed_form(samples, closed_form)


def with_closed_form(
    samples: xr.Dataset,
    closed_form: ClosedForm | None,
    of: Iterable[Diffusion | Diffusion3D] | None = None,
    *,
    reach: int | None = None,
) -> xr.Dataset:
    """Add the fields of the closed form in the dimensions of the mask, unless they are there.

    They have the attribute `derived`, 1. The attribute `seconds` of GUESS is the time that they took for a sample.

    of: the operator of each sample; None: those of `operators`. reach: of the closed form on the grid whose part the
    samples are; None: their own.
    """
    if closed_form is None or GUESS in samples:
        return samples
    found, seconds = [], []
    for operator in operators(samples) if of is None else of:
        answer, took = timed(partial(closed_form, operator, reach))
        found.append(answer)
        seconds.append(took)
    fields = {
        name: (("sample", *samples.mask.dims), np.stack([one[name] for one in found]), {"derived": 1})
        for name in (GUESS, *closed_form.channels)
    }
    samples = samples.assign(fields)
    samples[GUESS].attrs["seconds"] = float(np.median(seconds))  # the first one may include compilation
    return samples


def part(samples: xr.Dataset, number: int, window: Window, halo: int) -> xr.Dataset:
    """One sample on a window of the grid and `halo` cells around it, which are read with the topology of the samples;
    those that its tensors follow from, with closed sides."""
    one, sides = samples.isel(sample=slice(number, number + 1)), topology(samples)  # a view: a list would copy it
    return (
        one[[]]
        .drop_vars(["lat", "lon"], errors="ignore")
        .assign_attrs(west_east="closed", south_north="closed")
        .assign(
            alpha_i=(("sample", "y_face", "x"), pad_south_faces(one.alpha_i.values, halo, sides, window)),
            alpha_j=(("sample", "y", "x"), pad_west_faces(one.alpha_j.values, halo, sides, window)[..., :-1]),
            w=(("y", "x"), pad_cells(one.w.values, halo, sides, "nearest", window)),
            mask=(("y", "x"), pad_cells(one.mask.values, halo, sides, window=window)),
            distance=(("y", "x"), pad_cells(one.distance.values, halo, sides, "nearest", window)),
        )
    )


def without_rim(samples: xr.Dataset, rim: int) -> xr.Dataset:
    """Samples without so many cells on each side."""
    cells, faces = slice(rim, samples.sizes["y"] - rim), slice(rim, samples.sizes["y_face"] - rim)
    return samples.isel(y=cells, x=slice(rim, samples.sizes["x"] - rim), y_face=faces)


def as_cells(samples: xr.Dataset) -> dict[str, np.ndarray]:
    """alpha_i, alpha_j (of each cell's south and west face), w and gamma as (sample, y, x)."""
    shape = samples.alpha_j.shape
    return {
        "alpha_i": samples.alpha_i.values[..., :-1, :],
        "alpha_j": samples.alpha_j.values,
        "w": np.broadcast_to(np.where(samples.mask.values, samples.w.values, 0.0), shape),
        "gamma": samples.gamma.values,
    }


def with_closed_land(dataset: xr.Dataset, sea: np.ndarray, beyond: Topology, where: str) -> xr.Dataset:
    """Set faces that touch land to zero. Refuse NaN, negative and inconsistent values at sea.

    where: the source of the samples, for messages.
    """
    if not sea.any():
        raise Refusal(f"mask in {where} has no sea cell")
    open_i, open_j = open_faces(sea, beyond)
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
            wrong = sea & ~(np.isfinite(dataset.gamma.values) & (dataset.gamma.values > 0))
            raise Refusal(
                f"gamma in {where} must be finite and positive at sea, and is not in {named_cells(wrong)} (from 0)"
            )
        dataset = dataset.assign(gamma=(dataset.gamma.dims, _where(sea, dataset.gamma.values, np.nan)))
    return dataset.assign(
        w=(("y", "x"), np.where(sea, w, np.median(w[sea]))),  # land does not count, but its logarithm is computed
        mask=(("y", "x"), sea),
        alpha_i=(("sample", "y_face", "x"), _where(open_i, dataset.alpha_i.values, 0.0)),
        alpha_j=(("sample", "y", "x"), _where(open_j, dataset.alpha_j.values, 0.0)),
    )


def _where(counts: np.ndarray, values: np.ndarray, otherwise: float) -> np.ndarray:
    """np.where, without a copy of fields that have these values already: grids may be large."""
    same = np.isnan(values) if np.isnan(otherwise) else values == otherwise
    return values if same[..., ~counts].all() else np.where(counts, values, otherwise)


def named_cells(wrong: np.ndarray, most: int = 3) -> str:
    """The places of cells, bool (sample, y, x), in words."""
    found = np.argwhere(wrong)
    named = ", ".join(f"row {y} column {x} of sample {n}" for n, y, x in found[:most])
    more = len(found) - most
    return named if more <= 0 else f"{named} and {more} other cells"
