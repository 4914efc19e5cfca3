"""Data sets of conf/data on a grid of 40 x 48 cells, of a second or less."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.paths import CONF
from dlgd.problems.normalization.data.simulated import NormalizationCoefficients

SMALL = {
    "rows": 40,
    "columns": 48,
    "coast": "random",
    "samples": {"train": 2, "valid": 1, "test": 1},
    "tolerance": {"train": 1e-4, "evaluation": 1e-4},
    "patch": 16,
}
CPU = torch.device("cpu")
STANDARDIZED = {"features": "standardized"}
FEATURES = {
    "dimensionless": {"features": "dimensionless"},
    "over sea": STANDARDIZED | {"standardize_over": "sea", "distance": "manhattan"},
    "over image": STANDARDIZED | {"standardize_over": "image", "distance": "none"},
}


def make(name: str = "nemovar", *, in_memory: bool = True, **changes: Any) -> NormalizationCoefficients:
    """The data set of conf/data/<name>.yaml, small, with some options changed."""
    return NormalizationCoefficients(**(options_of(name) | SMALL | {"in_memory": in_memory} | changes))


def options_of(name: str) -> dict[str, Any]:
    """The options in conf/data/<name>.yaml."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / f"{name}.yaml"))
    return {key: value for key, value in config.items() if key not in ("defaults", "_target_")}


@functools.cache
def ready(name: str, **changes: Any) -> NormalizationCoefficients:
    """The same, prepared, once for all tests: not to be changed."""
    source = make(name, **changes)
    source.prepare()
    return source


def read_back(folder: Path, name: str, dataset: xr.Dataset, **options: object) -> xr.Dataset:
    """What the data set of a name reads of a file with this dataset."""
    dataset.to_netcdf(folder / "my_fields.nc")
    return make(name, **options).read(folder / "my_fields.nc")
