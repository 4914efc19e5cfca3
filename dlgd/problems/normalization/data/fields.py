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


def complete(samples: xr.Dataset, distance_metric: str, closed_form: ClosedForm | None) -> xr.Dataset:
    """Add fields derived from the samples: the signed distance to the coast (cells), and those of the closed form.

    Derived fields have the attribute `derived`, 1.
    """
    distance = coastline.signed_distance(samples.mask.values, topology(samples), distance_metric)
    attributes = {"units": "1", "long_name": f"signed {distance_metric} distance to coast in cells", "derived": 1}
    samples = samples.assign(distance=(("y", "x"), distance, attributes))
    return samples if closed_form is None else with_closed_form(samples, closed_form, operators(samples))


def with_closed_form(
    samples: xr.Dataset, closed_form: ClosedForm, operators: Iterable[Diffusion | Diffusion3D]
) -> xr.Dataset:
    """Add the fields of a closed form, from the operator of each sample, in the dimensions of the mask.

    They have the attribute `derived`, 1. The attribute `seconds` of GUESS is the time that a sample took.
    """
    found, seconds = [], []
    for operator in operators:
        answer, took = timed(partial(closed_form, operator))
        found.append(answer)
        seconds.append(took)
    fields = {
        name: (("sample", *samples.mask.dims), np.stack([one[name] for one in found]), {"derived": 1})
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
        dataset = dataset.assign(gamma=dataset.gamma.where(sea))
    return dataset.assign(
        w=(("y", "x"), np.where(sea, w, np.median(w[sea]))),  # land does not count, but its logarithm is computed
        mask=(("y", "x"), sea),
        alpha_i=(("sample", "y_face", "x"), np.where(open_i, dataset.alpha_i.values, 0.0)),
        alpha_j=(("sample", "y", "x"), np.where(open_j, dataset.alpha_j.values, 0.0)),
    )


def named_cells(wrong: np.ndarray, most: int = 3) -> str:
    """The places of cells, bool (sample, y, x), in words."""
    found = np.argwhere(wrong)
    named = ", ".join(f"row {y} column {x} of sample {n}" for n, y, x in found[:most])
    more = len(found) - most
    return named if more <= 0 else f"{named} and {more} other cells"
