"""Data sets of pictures from conf/data, with some options changed."""

from __future__ import annotations

import functools
from typing import Any

import hydra
import xarray as xr
from omegaconf import OmegaConf

from dlgd.core.contract import Batch
from dlgd.core.paths import CONF
from dlgd.problems.images.data.source import Digits

TASKS = ("classify", "reconstruct", "denoise", "inpaint", "generate")


def make(name: str = "mnist_5k", **changes: Any) -> Digits:
    """That of conf/data/<name>.yaml."""
    kind, options = read(name)
    return kind(**(options | changes))


def read(name: str) -> tuple[type[Digits], dict[str, Any]]:
    """Its class and options."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / f"{name}.yaml"))
    options = {key: value for key, value in config.items() if key not in ("defaults", "_target_")}
    return hydra.utils.get_class(config["_target_"]), options


@functools.cache
def tiny(name: str = "mnist_5k", **changes: Any) -> Digits:
    """Its small version, prepared, once for all tests: not to be changed."""
    source = make(name, **changes).tiny()
    source.prepare()
    return source


def encoded(source: Digits, samples: xr.Dataset, halo: int = 0) -> Batch:
    """All samples in one batch."""
    (batch,) = source.encode(samples, halo=halo, device="cpu")
    return batch
