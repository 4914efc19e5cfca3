"""The report's files, written from samples of our own: NetCDF of NEMO and NEMOVAR, and processed archives."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.physics.grids import Grid, mercator, tripolar
from dlgd.physics.halo import pad_cells, pad_south_faces, pad_west_faces
from dlgd.physics.length_scales import LengthScales, random_diffusion
from dlgd.physics.normalization import exact
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.nemovar_files import NemovarFiles

DIFFUSIVITIES, COEFFICIENTS = "Bmod_dif_per_mod1_wri_ssh.nc", "Bmod_cor_nor_per_mod1_wri_ssh.nc"
NAMES = ("alpha_i_minus", "alpha_j_minus", "w", "norm_coeffs")


def grid_of(name: str) -> Grid:
    return {"tripolar": tripolar, "mercator": mercator}[name](40, 48)


@functools.cache
def simulated(grid: str, count: int = 3) -> xr.Dataset:
    """Samples with exact gamma; on the tripolar grid with sea on both sides of the fold."""
    cells = grid_of(grid)
    sea = np.random.default_rng(2).random(cells.shape) > 0.1
    sea[:3] = False
    if grid == "tripolar":
        sea[-10:, [0, -1, 23, 24]] = False  # the two poles of the cap, round which faces have no length
    else:
        sea[-3:] = False

    def one(number: int) -> xr.Dataset:
        operator = random_diffusion(cells, sea, np.random.default_rng(number), LengthScales(scale_max=0.8))
        return fields.sample(operator, exact(operator, 1e-8))

    base = fields.base(cells.lat, cells.lon, cells.area, sea, cells.topology)
    return base.merge(xr.concat([one(number) for number in range(count)], dim="sample"))


def source(path: Path | None, **changes: Any) -> NemovarFiles:
    """The data set of conf/data/nemovar_files.yaml on a folder, with some options changed."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / "nemovar_files.yaml"))["data"]
    options = {key: value for key, value in config.items() if key != "_target_"}
    return NemovarFiles(**(options | {"path": None if path is None else str(path), "patch": 16} | changes))


# --- NetCDF --------------------------------------------------------------------------------------------------


def write_nemo(
    folder: Path, samples: xr.Dataset, *, faces: str = "south_west", gamma: bool = True, names: list[str] | None = None
) -> None:
    """coordinates.nc and a folder per sample, with NEMO's halo: a column on each side and, on the tripolar grid, a
    row beyond the fold."""
    folder.mkdir(parents=True, exist_ok=True)
    folded = samples.attrs["south_north"] == "fold"

    def with_halo(field: np.ndarray, beyond: np.ndarray | None = None) -> np.ndarray:
        """(ny, nx) -> (ny + 1, nx + 2) on the tripolar grid, else (ny, nx + 2)."""
        top = field[-1:, ::-1] if beyond is None else beyond[None]
        whole = np.concatenate([field, top]) if folded else field
        return np.pad(whole, ((0, 0), (1, 1)), mode="wrap")

    rng = np.random.default_rng(0)
    metric = {name: with_halo(rng.uniform(5e4, 1e5, samples.w.shape)) for name in ("e1t", "e2t", "e1f", "e2f", "e1u")}
    metric["e2v"] = with_halo(samples.w.values) / metric["e1u"]
    if folded:  # the formula mixes places: make its faces on the fold alike from both sides, as the physics is
        metric["e1f"][-2:], metric["e2t"][-2:] = 8e4, 6e4
    place = {"glamt": with_halo(samples.lon.values), "gphit": with_halo(samples.lat.values)}
    coordinates = {name: (("time", "y", "x"), field[None]) for name, field in (metric | place).items()}
    xr.Dataset(coordinates).to_netcdf(folder / "coordinates.nc")

    for number, name in enumerate(names or [f"PERTEN{n}" for n in range(samples.sizes["sample"])]):
        one = samples.isel(sample=number)
        south, west = one.alpha_i.values, one.alpha_j.values
        if faces == "south_west":
            alpha_i, alpha_j = with_halo(south[:-1], south[-1]), with_halo(west)
        else:
            alpha_i, alpha_j = with_halo(south[1:], np.zeros(west.shape[1])), with_halo(np.roll(west, -1, axis=1))
        k22, k11 = alpha_i * metric["e2t"] / metric["e1f"], alpha_j * metric["e1t"] / metric["e2f"]
        sea = with_halo(samples.mask.values)
        (folder / name).mkdir()
        k = {"K11": (("t", "y", "x"), k11[None]), "K22": (("t", "y", "x"), k22[None])}
        xr.Dataset(k).to_netcdf(folder / name / DIFFUSIVITIES)
        if gamma:
            masked = np.where(sea, with_halo(one.gamma.values), np.nan)
            filled = {"sqtnorfac": {"_FillValue": 1e20, "dtype": "f8"}}
            dataset = xr.Dataset({"sqtnorfac": (("t", "y", "x"), masked[None])})
            dataset.to_netcdf(folder / name / COEFFICIENTS, encoding=filled)


# --- processed archives ----------------------------------------------------------------------------------------


def write_processed(
    folder: Path,
    samples: xr.Dataset,
    *,
    over: str,
    padding: tuple[int, int] = (0, 8),
    padded_gamma: bool = False,
    dtype: type = np.float64,
    splits: dict[str, list[int]] | None = None,
    gamma: bool = True,
) -> None:
    """X, Y and dict_std_mean.txt; `over` "sea" standardizes what is not zero and leaves zeros, "image" everything
    but the land of gamma."""
    topology = fields.topology(samples)
    sea = samples.mask.values
    rows, columns = padding
    cut = np.s_[max(columns, rows) - rows : None, max(columns, rows) - columns : None]
    halo = max(padding)

    def trimmed(field: np.ndarray) -> np.ndarray:
        """Padded by halo everywhere -> by rows and columns."""
        ny, nx = sea.shape
        return field[cut][: ny + 2 * rows, : nx + 2 * columns]

    def physical(number: int) -> dict[str, np.ndarray]:
        one = samples.isel(sample=number)
        return {
            "alpha_i_minus": trimmed(pad_south_faces(one.alpha_i.values, halo, topology)),
            "alpha_j_minus": trimmed(pad_west_faces(one.alpha_j.values, halo, topology)),
            "w": trimmed(pad_cells(samples.w.values * sea, halo, topology)),
            "norm_coeffs": trimmed(pad_cells(np.nan_to_num(one.gamma.values), halo, topology)),
        }

    everything = [physical(number) for number in range(samples.sizes["sample"])]
    joined = {name: np.concatenate([one[name].ravel() for one in everything]) for name in NAMES}
    chosen = {name: values[values != 0] if over == "sea" else values for name, values in joined.items()}
    std, mean = ({name: float(f(values)) for name, values in chosen.items()} for f in (np.std, np.mean))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "dict_std_mean.txt").write_text(f"{std}\n{mean}")

    def scaled(name: str, field: np.ndarray) -> np.ndarray:
        values = (field - mean[name]) / std[name]
        keep_zeros = over == "sea" or name == "norm_coeffs"
        return (np.where(field == 0, 0.0, values) if keep_zeros else values).astype(dtype)

    for split, numbers in (splits or {"train": [0], "valid": [1], "test": [2]}).items():
        for kind in ("X", "Y"):
            (folder / split / kind).mkdir(parents=True)
        for number in numbers:
            one = everything[number]
            np.savez_compressed(
                folder / split / "X" / f"id{number}.npz", np.stack([scaled(n, one[n]) for n in NAMES[:3]])
            )
            target = scaled("norm_coeffs", one["norm_coeffs"])
            if not padded_gamma:
                target = target[rows : rows + sea.shape[0], columns : columns + sea.shape[1]]
            if gamma:
                np.savez_compressed(folder / split / "Y" / f"id{number}_norm_coeffs.npz", target)


def refused(path: Path | None, words: str, **changes: object) -> None:
    """By `check` or by `prepare`, in one line."""
    with pytest.raises(Refusal, match=words) as caught:
        source(path, **({"grid": "mercator"} | changes)).prepare()
    assert "\n" not in str(caught.value)
