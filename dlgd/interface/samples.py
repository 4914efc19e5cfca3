"""Samples that a data set gave: whether they still are what it gave, told by their values.

The tag of samples says where they come from. It stays on a Dataset whose values, names or dimensions were changed
since, so that it cannot say that they need no check.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray as xr

SAMPLE = "sample"  # the first dimension of what changes from sample to sample
BYTES = 16  # of a digest


@dataclass
class Given:
    """The samples that a data set gave.

    dims: the dimensions of each variable. digests: of each sample, and of what the samples of a split have in common.
    """

    dims: dict[Hashable, tuple[Hashable, ...]] = field(default_factory=dict)
    digests: set[tuple[bytes, bytes]] = field(default_factory=set)

    def add(self, samples: xr.Dataset) -> None:
        """Note samples that are given now."""
        self.dims.update({name: variable.dims for name, variable in samples.variables.items()})
        self.digests.update(digests(samples))

    def has(self, samples: xr.Dataset) -> bool:
        """Return whether these are some of the samples as they were given, in any order."""
        found = digests(samples)
        return bool(found) and set(found) <= self.digests

    def in_order(self, samples: xr.Dataset) -> xr.Dataset:
        """Return samples, each variable with its dimensions in the order in which they were given."""
        turned = {
            name: variable.transpose(*self.dims[name])
            for name, variable in samples.variables.items()
            if variable.dims != self.dims.get(name) and set(variable.dims) == set(self.dims.get(name, ()))
        }
        return samples.assign({name: one for name, one in turned.items() if name not in samples.coords}).assign_coords(
            {name: one for name, one in turned.items() if name in samples.coords}
        )


def digests(samples: xr.Dataset) -> list[tuple[bytes, bytes]]:
    """Return a digest of what the samples have in common, their names and attributes too, with one of each sample."""
    common, single = hashlib.blake2b(digest_size=BYTES), []
    common.update(_words(samples.attrs))
    for name in sorted(samples.variables, key=str):
        variable = samples.variables[name]
        values = np.ascontiguousarray(variable.values)
        each = variable.dims[:1] == (SAMPLE,)
        shape = values.shape[1:] if each else values.shape
        common.update(repr((name, variable.dims, shape, str(values.dtype))).encode() + _words(variable.attrs))
        if each:
            single.append(values)
        else:
            common.update(_bytes(values))
    shared = common.digest()
    return [(shared, _digest(values[number] for values in single)) for number in range(samples.sizes.get(SAMPLE, 0))]


def _digest(parts: Any) -> bytes:
    whole = hashlib.blake2b(digest_size=BYTES)
    for part in parts:
        whole.update(_bytes(part))
    return whole.digest()


def _bytes(values: Any) -> Any:
    values = np.asarray(values)
    if values.dtype.kind == "O":  # its bytes are addresses
        return repr(values.tolist()).encode()
    return np.ascontiguousarray(values).tobytes() if values.dtype.kind in "mM" else np.ascontiguousarray(values).data


def _words(attributes: Mapping[Any, Any]) -> bytes:
    return repr(sorted(((str(name), repr(value)) for name, value in attributes.items()))).encode()
