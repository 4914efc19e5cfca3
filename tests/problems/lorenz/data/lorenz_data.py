"""Lorenz data sets from conf/data, with some options changed."""

from __future__ import annotations

import functools
import json
from typing import Any

import hydra
from omegaconf import OmegaConf

from dlgd.core.contract import Batch
from dlgd.core.paths import CONF
from dlgd.problems.lorenz.data.lorenz import Lorenz

NAMES, TASKS = ("lorenz63", "lorenz96"), ("assimilate", "forecast", "identify")


def make(name: str = "lorenz63", **changes: Any) -> Lorenz:
    """That of conf/data/<name>.yaml, without a file in the cache; of mappings, what is not changed stays."""
    config = OmegaConf.to_container(OmegaConf.load(CONF / "data" / f"{name}.yaml"))
    options = {key: value for key, value in config.items() if key not in ("defaults", "_target_")}
    changes = {
        key: options[key] | value if isinstance(value, dict) and isinstance(options.get(key), dict) else value
        for key, value in changes.items()
    }
    return hydra.utils.get_class(config["_target_"])(**(options | {"in_memory": True} | changes))


def ready(name: str = "lorenz63", **changes: Any) -> Lorenz:
    """The same, prepared, once for all tests: not to be changed."""
    return _ready(name, json.dumps(changes))


@functools.cache
def _ready(name: str, changes: str) -> Lorenz:
    source = make(name, **json.loads(changes))
    source.prepare()
    return source


def small(name: str = "lorenz63", **changes: Any) -> Lorenz:
    """With few windows."""
    return ready(name, **({"samples": {"train": 30, "valid": 6, "test": 9}} | changes))


def encoded(source: Lorenz, split: str = "test") -> Batch:
    """All samples of a split in one batch."""
    (batch,) = source.encode(source.samples(split), halo=0, device="cpu")
    return batch
