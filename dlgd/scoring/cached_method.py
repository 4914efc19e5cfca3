"""A classical method whose answers are computed once and kept."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from dlgd.core import cache
from dlgd.core.contract import Coder, Method
from dlgd.core.paths import cache_folder


class CachedMethod(Method):
    """A method whose answers for the same samples are computed once and kept, with the seconds they took."""

    def __init__(self, inner: Method, config: Mapping[str, Any]) -> None:
        self.inner, self.name, self.learns = inner, inner.name, inner.learns
        self.scores_given = inner.scores_given
        self._config = json.dumps(config, sort_keys=True)
        self._learnt = ""

    def fit(self, train: xr.Dataset) -> None:
        """Pass on."""
        self.inner.fit(train)
        self._learnt = cache.digest(train) if self.inner.learns else ""

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Of the method."""
        return self.inner.scores(samples)

    def coder(self) -> Coder | None:
        """Of the method."""
        return self.inner.coder()

    def ranks(self, samples: xr.Dataset) -> np.ndarray | None:
        """Of the method; not kept."""
        return self.inner.ranks(samples)

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """Of the method, or what it answered before; that it has none is found anew each time."""
        if type(self.inner).error_std is Method.error_std:  # no need to look at the samples
            return None
        folder, key = self._place(samples)
        kept = cache.read(folder / f"{key}-error.nc")
        if kept is None:
            std = self.inner.error_std(samples)
            if std is None:
                return None
            kept = cache.get(folder / f"{key}-error.nc", lambda: _as_dataset(std, method=self._config))
        return kept.answer.values

    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Of the method, or what it answered before."""

        def make() -> xr.Dataset:
            start = time.perf_counter()
            answer = self.inner.predict(samples)
            seconds = self.inner.seconds_per_sample
            if seconds is None:
                seconds = (time.perf_counter() - start) / samples.sizes["sample"]
            return _as_dataset(answer, seconds_per_sample=seconds, method=self._config)

        folder, key = self._place(samples)
        kept = cache.get(folder / f"{key}.nc", make)
        self.seconds_per_sample = float(kept.attrs["seconds_per_sample"])
        return kept.answer.values

    def _place(self, samples: xr.Dataset) -> tuple[Path, str]:
        """The folder of answers, and the name of those for these samples."""
        attributes = sorted(map(str, samples.attrs.items()))  # a grid's topology is among them
        given = samples.drop_vars([name for name, field in samples.items() if field.attrs.get("derived")])
        text = f"{self._config}{self._learnt}{attributes}{cache.digest(given)}"
        return cache.folder_for(cache_folder(), "answers", {"format": 1}), hashlib.sha256(text.encode()).hexdigest()[
            :16
        ]


def _as_dataset(answer: np.ndarray, **attributes: Any) -> xr.Dataset:
    """An answer to be kept, of any shape."""
    dims = [f"axis_{number}" for number in range(answer.ndim)]
    return xr.Dataset({"answer": (dims, answer)}, attrs=attributes)
