"""A classical method whose answers are computed once and cached."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import cache
from dlgd.core.contract import Coder, DataSource, Method
from dlgd.core.paths import cache_folder
from dlgd.core.timing import timed
from dlgd.tracking import provenance

UNKNOWN = "on an unknown day and machine"  # in the cache of an earlier version


class CachedMethod(Method):
    """A method whose answers for the same samples are computed once and cached, with the seconds that they took, when
    and on which machine.

    inner: the method itself, whose answers are not cached.
    config: its options, a part of the name of the cached files.
    """

    def __init__(self, inner: Method, config: Mapping[str, Any]) -> None:
        self.inner, self.name, self.learns = inner, inner.name, inner.learns
        self.scores_given = inner.scores_given
        self._config = json.dumps(config, sort_keys=True)
        self._learnt = ""

    def check(self, data: DataSource) -> None:
        """Refuse what the method refuses."""
        self.inner.check(data)

    def fit(self, train: xr.Dataset) -> None:
        """Fit the method."""
        self.inner.fit(train)
        self._learnt = cache.digest(train) if self.inner.learns else ""

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return the method's own scores."""
        return self.inner.scores(samples)

    def coder(self) -> Coder | None:
        """Return the method's coder."""
        return self.inner.coder()

    def ranks(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the method's ranks, which are not cached."""
        return self.inner.ranks(samples)

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the cached standard deviations, or compute them. That a method has none is not cached."""
        return self._kept_std(samples, self.inner.error_std, "error")

    def error_maps(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the cached standard deviations of all samples, or compute them."""
        if type(self.inner).error_maps is Method.error_maps:  # they are the same
            return self.error_std(samples)
        return self._kept_std(samples, self.inner.error_maps, "error-maps")

    def _kept_std(
        self, samples: xr.Dataset, make: Callable[[xr.Dataset], np.ndarray | None], name: str
    ) -> np.ndarray | None:
        if type(self.inner).error_std is Method.error_std:  # no need to look at the samples
            return None
        folder, key = self._place(samples)
        cached = cache.read(folder / f"{key}-{name}.nc")
        if cached is None:
            std = make(samples)
            if std is None:
                return None
            cached = cache.get(folder / f"{key}-{name}.nc", lambda: _as_dataset(std, {"method": self._config}))
        return cached.answer.values

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return the cached answer, or compute it."""
        now: list[str] = []  # when and where the answer was computed, if this call does it

        def make() -> xr.Dataset:
            now.append(f"{datetime.now():%Y-%m-%d %H:%M} on {provenance.machine('cpu')}")
            answer, took = timed(lambda: self.inner.predict(samples))
            own = self.inner.seconds_per_sample
            seconds = took / samples.sizes["sample"] if own is None else own
            attributes = {"seconds_per_sample": seconds, "seconds_measured": now[0], "method": self._config}
            return _as_dataset(answer, attributes)

        folder, key = self._place(samples)
        cached = cache.get(folder / f"{key}.nc", make)
        self.seconds_per_sample = float(cached.attrs["seconds_per_sample"])
        # Where nothing was computed now, an earlier run has done it, perhaps on another machine.
        self.seconds_measured = None if now else cached.attrs.get("seconds_measured", UNKNOWN)
        return cached.answer.values

    def _place(self, samples: xr.Dataset) -> tuple[Path, str]:
        """Return the folder of the cached answers, and the name of those for these samples."""
        attributes = sorted(map(str, samples.attrs.items()))  # the topology of a grid is among them
        own = samples.drop_vars([name for name, field in samples.items() if field.attrs.get("derived")])
        text = f"{self._config}{self._learnt}{attributes}{cache.digest(own)}"
        key = hashlib.sha256(text.encode()).hexdigest()[:16]
        return cache.folder_for(cache_folder(), "answers", {"format": 1}), key


def _as_dataset(answer: np.ndarray, attributes: Mapping[str, Any]) -> xr.Dataset:
    """Return an answer of any shape as a Dataset."""
    dims = [f"axis_{number}" for number in range(answer.ndim)]
    return xr.Dataset({"answer": (dims, answer)}, attrs=attributes)
