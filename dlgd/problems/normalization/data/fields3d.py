"""Samples of three-dimensional operators as xarray Datasets; each level of them is a two-dimensional sample."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import xarray as xr

from dlgd.core import netcdf
from dlgd.core.errors import Refusal
from dlgd.physics.diffusion import STEPS
from dlgd.physics.diffusion3d import Diffusion3D
from dlgd.problems.normalization.data import fields, users_file
from dlgd.problems.normalization.data.closed_forms import ClosedForm
from dlgd.problems.normalization.data.layout import Layout

FORM = "vertical_outermost"  # of `physics.diffusion3d`, of samples that name no other one
HORIZONTAL = "gamma_horizontal"  # m^(3/2); of the horizontal operator of each level: what networks predict


def form(samples: xr.Dataset) -> str:
    """The form of `physics.diffusion3d` that the attributes name."""
    return str(samples.attrs.get("form", FORM))


def sample(operator: Diffusion3D, gamma: np.ndarray, horizontal: np.ndarray | None) -> xr.Dataset:
    """The variables of one sample: an operator, its coefficients, and those of its horizontal operators if they are
    given."""
    volume = ("level", "y", "x")
    made = xr.Dataset(
        {
            "alpha_i": (
                ("level", "y_face", "x"),
                operator.alpha_i,
                {"units": "m3", "long_name": "scaled diffusivity on south faces"},
            ),
            "alpha_j": (volume, operator.alpha_j, {"units": "m3", "long_name": "scaled diffusivity on west faces"}),
            "alpha_k": (
                ("level_face", "y", "x"),
                operator.alpha_k,
                {"units": "m3", "long_name": "scaled diffusivity on top faces"},
            ),
            "gamma": (volume, gamma, {"units": "m1.5", "long_name": "normalization coefficient"}),
        },
        attrs={"steps": operator.steps},
    )
    if horizontal is None:
        return made
    attributes = {"units": "m1.5", "long_name": "the same of each level alone"}
    return made.assign({HORIZONTAL: (volume, horizontal, attributes)})


def operators(samples: xr.Dataset) -> Iterator[Diffusion3D]:
    """The operator of each sample. Refuses samples without vertical diffusivities."""
    if "alpha_k" not in samples:
        raise Refusal("samples with levels need the variable alpha_k, which these lack")
    faces = (samples[name].values for name in ("alpha_i", "alpha_j", "alpha_k"))
    for alpha_i, alpha_j, alpha_k in zip(*faces, strict=True):
        topology, steps = fields.topology(samples), fields.steps(samples)
        yield Diffusion3D(alpha_i, alpha_j, alpha_k, samples.w.values, samples.mask.values, topology, steps=steps)


def level(samples: xr.Dataset, k: int) -> xr.Dataset:
    """One level as two-dimensional samples, whose gamma is that of the horizontal operator, if it is known."""
    one = samples.isel(level=k)
    if HORIZONTAL in one:
        return one.assign(gamma=one[HORIZONTAL])
    return one.drop_vars("gamma", errors="ignore")


def complete(samples: xr.Dataset, distance_metric: str, closed_form: ClosedForm | None) -> xr.Dataset:
    """As `fields.complete`, level by level."""
    found = [fields.complete(level(samples, k), distance_metric, closed_form) for k in range(samples.sizes["level"])]
    derived = [name for name, field in found[0].items() if field.attrs.get("derived")]
    for name in derived:
        stacked = xr.concat([one[name] for one in found], dim="level")
        attributes = dict(found[0][name].attrs)
        if "seconds" in attributes:  # of all levels of a sample
            attributes["seconds"] = sum(one[name].attrs["seconds"] for one in found)
        samples = samples.assign({name: stacked.transpose("sample", "level", "y", "x", missing_dims="ignore")})
        samples[name].attrs = attributes
    return samples


def complete_volumes(samples: xr.Dataset, distance_metric: str, closed_form: ClosedForm) -> xr.Dataset:
    """As `complete`, with a closed form of operators of three dimensions."""
    return fields.with_closed_form(complete(samples, distance_metric, None), closed_form, operators(samples))


def read(
    path: Path, layout: Layout, *, form: str = FORM, steps: int | None = None, otherwise: int = STEPS
) -> xr.Dataset:
    """The samples of a NetCDF file with alpha_i (sample, level, y_face, x), alpha_j (sample, level, y, x), alpha_k
    (sample, level_face, y, x), w and mask (level, y, x), and optionally gamma (sample, level, y, x), in m3 and m^(3/2).

    The names of the dimensions do not matter but for `level`. A coordinate `depth` (level) is kept; without it, it is
    the number of the level. Refusal where something does not fit. Whether gamma is that of the operator is not checked.
    form: of `physics.diffusion3d`; a file whose attribute `form` is another one is refused.
    layout, steps, otherwise: as of `users_file.read`; what lies beyond the sides is what the first level shows.
    """
    dataset = netcdf.read(path)
    if "level" not in dataset.sizes or "alpha_k" not in dataset:
        raise Refusal(
            f"{path} lacks the dimension `level` or the variable alpha_k: see Fields with levels in "
            "docs/problems/normalization.md"
        )
    _check_variables(dataset, path)
    if (found := dataset.attrs.get("form", form)) != form:
        data = "ocean" if found == FORM else "ocean_full"
        raise Refusal(f"{path} is of the form {found!r}, which is another model: read it with data={data}")
    alpha_k = np.asarray(dataset.alpha_k.values, float)
    plain = dataset.drop_vars(["alpha_k", HORIZONTAL], errors="ignore")
    for name in plain.variables:
        plain[name].attrs.pop("units", None)  # m3 and m^(3/2) here
    wet = _with_sea(dataset, path)
    layout, levels = replace(layout, check_physics=False), []
    for k in wet:
        one = users_file.of_dataset(plain.isel(level=k), path, layout, steps=steps, otherwise=otherwise)
        layout = replace(layout, west_east=one.attrs["west_east"], south_north=one.attrs["south_north"])
        levels.append(one)
    samples = _joined(levels).assign_attrs(form=form)
    depth = ("level", np.arange(len(wet)), {"units": "1", "long_name": "number of the level"})
    samples = samples.assign_coords(depth=dataset.depth[: len(wet)] if _is_depth(dataset) else depth)
    sea = samples.mask.values
    shape = samples.sizes["sample"], len(sea) + 1, *sea.shape[1:]
    alpha_k = alpha_k if alpha_k.ndim == 4 else alpha_k[None]
    alpha_k = alpha_k[:, : len(sea) + 1]
    if alpha_k.shape != shape:
        raise Refusal(f"alpha_k in {path} must be (sample, level + 1, y, x), not {dataset.alpha_k.shape}")
    is_open = np.pad(sea[:-1] & sea[1:], ((1, 1), (0, 0), (0, 0)))
    if not (np.isfinite(alpha_k[:, is_open]).all() and (alpha_k[:, is_open] >= 0).all()):
        raise Refusal(f"alpha_k in {path} must be finite and not negative between sea cells")
    scale = np.sqrt(alpha_k[:, is_open].max(initial=0.0) / np.median(samples.w.values[sea]))
    if scale > fields.LARGEST_SCALE:
        raise Refusal(
            f"alpha_k in {path} stands for length scales of {scale:.0f} levels, which are too many: give alpha_k and w "
            "in the same unit, m3"
        )
    return samples.assign(alpha_k=(("sample", "level_face", "y", "x"), np.where(is_open, alpha_k, 0.0)))


def _check_variables(dataset: xr.Dataset, path: Path) -> None:
    """Refuse variables without levels or numbers, and other units than m3 and m^(3/2)."""
    volume, root = ("m3", "m^3", "m**3", "m 3", "meter3", "metre3"), ("m1.5", "m^1.5", "m**1.5", "m^(3/2)", "m3/2")
    for name in ("alpha_i", "alpha_j", "alpha_k", "w", "mask", "gamma"):
        if name not in dataset:
            continue
        variable, units = dataset[name], {"gamma": root, "mask": None}.get(name, volume)
        if not netcdf.has_numbers(variable):
            raise Refusal(f"{name} in {path} must hold numbers, not {variable.dtype}")
        if name != "alpha_k" and "level" not in variable.dims:
            found = ", ".join(map(str, variable.dims))
            raise Refusal(f"{name} in {path} must have the dimension `level`, and has {found}")
        if units and variable.attrs.get("units", units[0]) not in units:
            raise Refusal(f"{name} in {path} is in {variable.attrs['units']!r}: convert it to {units[0]}")


def _is_depth(dataset: xr.Dataset) -> bool:
    return "depth" in dataset and dataset.depth.dims == ("level",)


def _with_sea(dataset: xr.Dataset, path: Path) -> range:
    """The levels down to the deepest sea."""
    if "mask" not in dataset or dataset.mask.ndim != 3:
        raise Refusal(f"mask in {path} must be (level, y, x)")
    wet = np.flatnonzero(dataset.mask.transpose("level", ...).values.any(axis=(1, 2)))
    if not len(wet):
        raise Refusal(f"mask in {path} has no sea cell")
    if wet[-1] >= len(wet):
        dry = np.setdiff1d(np.arange(wet[-1]), wet)[0]
        raise Refusal(f"mask in {path} has no sea cell in level {dry} (from 0), but below it: leave such levels out")
    return range(int(wet[-1]) + 1)


def _joined(levels: Sequence[xr.Dataset]) -> xr.Dataset:
    """Two-dimensional samples as one Dataset with the dimension `level`."""
    whole = xr.concat(levels, dim="level", data_vars="all", coords="minimal", compat="override", join="override")
    order = {name: ("sample", "level", *whole[name].dims[-2:]) for name in whole.data_vars}
    return whole.assign({name: whole[name].transpose(*dims, missing_dims="ignore") for name, dims in order.items()})
