"""Pictures as samples: xarray Datasets with

    intensity (sample, y, x) 1   the truth, in [0, 1]
    label (sample)               number of the class
    given (sample, y, x) 1       what is seen of the truth, where that is something else: noisy, or 0 where hidden
    observed (sample, y, x)      1 where the truth is seen, 0 where it is hidden

and attributes: `classes`, their names with commas between them, `task`, `name`. A user's own file holds those of the
first four that its task needs. Coloured pictures have a last dimension `colour`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.problems.images.data.pictures import Shown

PICTURE = ("sample", "y", "x", "colour")  # the last one of coloured pictures alone
LONG_NAMES = {
    "intensity": "brightness",
    "given": "brightness as it is given",
    "observed": "where the brightness is given",
    "label": "number of the class",
}


def as_tensor(images: np.ndarray) -> Tensor:
    """Pictures (N, Y, X) or (N, Y, X, colour) as networks take them, (N, 1, Y, X) or (N, colour, Y, X)."""
    pixels = torch.from_numpy(images)
    return pixels[:, None] if pixels.ndim == 3 else pixels.movedim(3, 1)


def as_array(pixels: Tensor) -> np.ndarray:
    """The other way round."""
    return (pixels[:, 0] if pixels.shape[1] == 1 else pixels.movedim(1, 3)).cpu().numpy()


def dataset(fields: Mapping[str, Tensor], *, classes: tuple[str, ...], task: str, name: str) -> xr.Dataset:
    """Return the samples of tensors (N, 1, Y, X) or (N, colour, Y, X), and label (N,)."""
    variables = {}
    for key, field in fields.items():
        attributes = {"long_name": LONG_NAMES[key]} | ({} if key in ("label", "observed") else {"units": "1"})
        values = field.cpu().numpy() if key == "label" else as_array(field)
        variables[key] = (PICTURE[: values.ndim], values, attributes)
    samples = xr.Dataset(variables)
    coordinates = {dim: np.arange(size) for dim, size in samples.sizes.items()}
    return samples.assign_coords(coordinates).assign_attrs(classes=",".join(classes), task=task, name=name)


def read(path: Path, *, needed: tuple[str, ...], shown: Shown) -> xr.Dataset:
    """A user's own pictures; Refusal where variables are missing, of another size, or out of their ranges."""
    found = netcdf.read(path)
    missing = [name for name in needed if name not in found]
    if missing:
        has = ", ".join(map(str, found.data_vars)) or "no variable"
        raise Refusal(f"{path} lacks {', '.join(missing)}: it has {has}")
    samples = found[[name for name in LONG_NAMES if name in found]]
    for name, variable in samples.items():
        dims = ("sample",) if name == "label" else shown.dims
        if variable.dims != dims or variable.shape[1:] != (shown.shape if name != "label" else ()):
            wanted = " x ".join(map(str, shown.size))
            raise Refusal(f"{name} in {path} has {_shape(variable)}: {', '.join(dims)} with {wanted} pixels is needed")
    if samples.sizes["sample"] == 0:
        raise Refusal(f"{path} holds no sample")
    return _checked(samples, path, len(shown.classes))


def _checked(samples: xr.Dataset, path: Path, classes: int) -> xr.Dataset:
    """Return the samples with the types that networks need; Refusal where values are out of their ranges."""
    kinds = {"intensity": np.float32, "given": np.float32, "observed": bool, "label": np.int64}
    ranges = {
        "intensity": lambda values: (values >= 0) & (values <= 1),
        "given": np.isfinite,
        "observed": lambda values: np.isin(values, (0, 1)),
        "label": lambda values: np.isin(values, np.arange(classes)),
    }
    words = {
        "intensity": "must lie between 0 and 1: divide bytes by 255",
        "given": "must be finite",
        "observed": "must be 1 where a pixel is given and 0 where it is hidden",
        "label": f"must be whole numbers from 0 to {classes - 1}",
    }
    for name in map(str, samples):
        if not netcdf.has_numbers(samples[name]):
            raise Refusal(f"{name} in {path} must hold numbers, not {samples[name].dtype}")
        if not ranges[name](samples[name].values).all():
            raise Refusal(f"{name} in {path} {words[name]}")
    samples = samples.assign({name: samples[name].astype(kinds[name]) for name in map(str, samples)})
    if {"given", "observed"} <= set(samples):
        samples["given"] = samples.given.where(samples.observed, np.float32(0))
    return samples


def _shape(variable: xr.DataArray) -> str:
    return ", ".join(f"{dim}={size}" for dim, size in variable.sizes.items()) or "no dimension"
