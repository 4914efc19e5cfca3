"""What evaluations of images share: checks of predictions, variables of files, figures of codes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from dlgd.core.contract import Coder
from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import xarray as xr


def classes_of(samples: xr.Dataset) -> list[str]:
    """The names of the classes."""
    return samples.attrs["classes"].split(",")


def checked(samples: xr.Dataset, prediction: np.ndarray, variable: str = "intensity") -> np.ndarray:
    """A prediction of images (sample, y, x), float64, of the shape of the samples' own, if they have some.

    Raises Refusal where it is not.
    """
    count = samples.sizes["sample"]
    if count == 0:
        raise Refusal("There is no sample to score: the dimension `sample` is empty.")
    expected = samples[variable].shape if variable in samples else (count, *np.shape(prediction)[1:])
    if np.shape(prediction) != expected or len(expected) != 3:
        raise Refusal(f"The prediction has shape {np.shape(prediction)} where (sample, y, x) = {expected}.")
    predicted = np.asarray(prediction, np.float64)
    bad = ~np.isfinite(predicted)
    if bad.any():
        number = int(bad.any(axis=(1, 2)).argmax())
        raise Refusal(f"The prediction is not finite in {bad.sum()} pixels, first in sample {number}.")
    return predicted


def image_variable(values: np.ndarray, long_name: str) -> xr.Variable:
    """Return images (sample, y, x) as the variable of a file."""
    import xarray as xr

    attributes = {"units": "1", "long_name": long_name}
    return xr.Variable(("sample", "y", "x"), values.astype(np.float32), attributes, {"zlib": True, "complevel": 1})


def of_all_classes(samples: xr.Dataset, count: int) -> np.ndarray:
    """Return the numbers of `count` samples, one of each class in turn where there are classes."""
    if "label" not in samples:
        return np.arange(min(count, samples.sizes["sample"]))
    labels = samples.label.values
    turn = np.empty(len(labels), int)  # 0 for the first of its class, 1 for the second, ...
    for label in np.unique(labels):
        members = labels == label
        turn[members] = np.arange(members.sum())
    return np.lexsort((labels, turn))[:count]


def draw_codes(folder: Path, samples: xr.Dataset, coders: Mapping[str, Coder]) -> None:
    """Draw codes.png of all methods, and traversal_<method>.png and drawn_<method>.png of each.

    A code of two numbers has a manifold_<method>.png; eofs.png shows methods whose numbers explain known shares of the
    variance.
    """
    from dlgd.plotting.style import file_name, save
    from dlgd.problems.images.figures import codes as draw

    codes = {name: np.asarray(coder.encode(samples), np.float64) for name, coder in coders.items()}
    for name, values in codes.items():
        if not np.isfinite(values).all():
            raise Refusal(f"The codes of {name} are not finite.")
    labels = samples.label.values if "label" in samples else None
    save(folder / "codes.png", draw.scatter(codes, labels, classes_of(samples) if labels is not None else []))
    for name, coder in coders.items():
        file, values = f"{file_name(name)}.png", codes[name]
        save(folder / f"traversal_{file}", draw.traversal(coder, values, method=name))
        save(folder / f"drawn_{file}", draw.drawn(coder, values, method=name))
        if coder.size == 2:
            save(folder / f"manifold_{file}", draw.manifold(coder, values, method=name))
    shares = {name: coder.explained for name, coder in coders.items() if coder.explained is not None}
    if shares:
        save(folder / "eofs.png", draw.explained(shares))
