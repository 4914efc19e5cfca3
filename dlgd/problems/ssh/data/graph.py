"""From observations of some days to the map of the middle one, in m: the graph that is exported with a network."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import numpy as np
import torch
import xarray as xr
from torch import Tensor
from torch.nn import functional

from dlgd.core.constants import DAYS_PER_YEAR
from dlgd.core.contract import GraphField, PhysicalGraph
from dlgd.problems.ssh.data import first_guesses, sst
from dlgd.problems.ssh.data.options import MapOptions
from dlgd.problems.ssh.data.stream import Lengths, Maps, Windows
from dlgd.problems.ssh.days import axis, of_year, places

MAP, WINDOW = ("lat", "lon"), ("sample", "day", "lat", "lon")
NO_MAPS = (
    "the size of the cells is part of the graph, and no maps of data={name} are in the cache: make them with "
    "python -m dlgd.simulate, or give maps with input="
)
BACKGROUND = "the graph has no background, from which data={name} counts heights: export without data=..."


class MapGraph(PhysicalGraph):
    """Whole maps of data.days days (sample, day, lat, lon) -> the day in the middle (sample, lat, lon), float32.

    Beyond the sides of the maps nothing is known: the graph itself puts the network's context there.
    options: of the data. statistics: mean and std, m. lengths: of the first guesses made of the observations, in cells.
    ring: whether maps go all around the globe, so that their first column follows the last one.
    train: the training split, for a method of first guesses that learns.
    """

    def __init__(
        self,
        options: MapOptions,
        statistics: Mapping[str, float],
        lengths: Lengths,
        *,
        halo: int,
        ring: bool,
        train: Callable[[], xr.Dataset],
    ) -> None:
        super().__init__()
        self.train_split = train
        self.options, self.lengths, self.halo, self.ring = options, lengths, halo, ring
        self.mean, self.std = statistics["mean"], statistics["std"]
        self.statistics = statistics
        self.method = options.first_guess.get("method")
        seen = "observed sea surface height of the days around the one in the middle, NaN where there is none"
        inputs = [
            GraphField(name="observations", dims=WINDOW, units="m", about=seen),
            GraphField(name="sea", dims=MAP, units="1", about="1 at sea, 0 on land"),
        ]
        if self.method is not None:
            about = "maps of these days by the method from which the network starts, NaN where there are none"
            inputs.append(GraphField(name="first_guess", dims=WINDOW, units="m", about=about))
        if options.sees_sst:
            about = "temperature of the sea's surface on these days, NaN where it is not known"
            inputs.append(GraphField(name=sst.NAME, dims=WINDOW, units="degC", about=about))
        if options.coordinates:
            about = "days from 1 January to the day in the middle"
            inputs.append(GraphField(name="day_of_year", dims=("sample",), units="days", about=about))
        self.inputs = tuple(inputs)
        self.output = GraphField(name="ssh", dims=("sample", *MAP), units="m", about="sea surface height, NaN on land")
        of_method = None if self.method is None else self.method.name
        self.facts = {"days": options.days, "first_guess_method": of_method, "lengths_in_cells": vars(lengths)}
        self.facts["all_around_the_globe"] = ring

    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """The windows around the samples."""
        days, half = axis(samples), self.options.half
        around = places(samples.time.values, days)[:, None] + np.arange(-half, half + 1)
        around = np.where((around >= 0) & (around < len(days)), around, len(days))

        def windows(known: np.ndarray, maps: np.ndarray) -> np.ndarray:
            """The maps of the days `known` around each sample, NaN on other days."""
            record = np.full((len(days) + 1, *samples.sea.shape), np.nan)
            record[places(known, days)] = maps
            return record[around]

        found = {
            "observations": windows(samples.day.values, samples.observations.transpose("day", *MAP).values),
            "sea": samples.sea.values,
            "day_of_year": of_year(samples.time.values.astype("datetime64[D]")),
        }
        if self.options.sees_sst:
            found[sst.NAME] = windows(samples.day.values, samples[sst.NAME].transpose("day", *MAP).values)
        if self.method is not None:
            maps = first_guesses.maps(self.method, samples, half=half, train=self.train_split)
            found["first_guess"] = windows(*maps)
        return tuple(torch.tensor(found[one.name], dtype=torch.float32) for one in self.inputs)

    def encode(self, *fields: Tensor) -> Tensor:
        """The input channels: the windows of all samples are put one behind the other, as the days of one record."""
        found = {one.name: field for one, field in zip(self.inputs, fields, strict=True)}
        observations = self._record(found["observations"], self.mean, self.std)
        count, days, ny, nx = found["observations"].shape
        first = torch.arange(count) * (days + 1)  # a day of NaN follows each window
        year = 2 * math.pi * found["day_of_year"] / DAYS_PER_YEAR if "day_of_year" in found else torch.zeros(count)
        maps = Maps(
            truth=observations,  # of which nothing is used
            observations=observations,
            sea=functional.pad(found["sea"], (0, 1, 0, 1)),
            year=year.repeat_interleave(days + 1),
            guess=None if self.method is None else self._record(found["first_guess"], self.mean, self.std),
            sst=self._temperature(found[sst.NAME], found["sea"]) if self.options.sees_sst else None,
        )
        windows = Windows(
            maps,
            days=days,
            size=(ny, nx),
            halo=self.halo,
            lengths=self.lengths,
            coordinates=self.options.coordinates,
            centre=True,
            ring=self.ring,
        )
        corner = torch.zeros(count, dtype=torch.int64)
        return windows.batch(first + days // 2, corner, corner).input

    def _temperature(self, windows: Tensor, sea: Tensor) -> Tensor:
        """See `_record`; NaN on land."""
        known = torch.where(sea > 0.5, windows, torch.nan)
        return self._record(known, self.statistics[sst.MEAN], self.statistics[sst.STD])

    def _record(self, windows: Tensor, mean: float, std: float) -> Tensor:
        """Return windows (sample, day, y, x) as scaled maps, with NaN at the end of each axis."""
        return functional.pad((windows - mean) / std, (0, 1, 0, 1, 0, 1), value=torch.nan).flatten(0, 1)

    def decode(self, prediction: Tensor, *fields: Tensor) -> Tensor:
        """The day in the middle, m."""
        middle = prediction[:, prediction.shape[1] // 2]
        return torch.where(fields[1] > 0.5, self.mean + self.std * middle, torch.nan)
