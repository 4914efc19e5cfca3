"""data=swell: pictures of waves with noise. Which way do their crests run?

Samples are Datasets with

    intensity (sample, y, x) 1    heights over their standard deviation
    label (sample,)               number of the class, in CLASSES

and the names of the classes as an attribute, from which `dlgd`'s scores and classical methods know them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import cache, checks
from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch, DataSource, Spec, Stream
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords

CLASSES = ("north-south", "northeast", "east-west", "northwest")  # each turned by 45 degrees
SHORTEST, LONGEST = 4.0, 12.0  # pixels, of the waves


@dataclass(frozen=True, kw_only=True)
class SwellOptions:
    """pixels: along each side, 8 or more. noise: standard deviation, over that of the waves; 0 or more.

    samples: how many each split has. seed: of all draws.
    """

    name: str
    pixels: int
    noise: float
    samples: Mapping[str, int]
    seed: int


@from_keywords(SwellOptions)
class Swell(DataSource):
    """Plane waves of random length, phase and direction, the latter within 15 degrees of that of a class."""

    truth = ("label",)
    inputs = ("intensity",)

    def __init__(self, options: SwellOptions) -> None:
        self.options = options

    @property
    def spec(self) -> Spec:
        """A class from a picture."""
        size = (self.options.pixels, self.options.pixels)
        return Spec(
            name=self.options.name, kind="label", input_channels=("intensity",), output_channels=CLASSES, grid=size,
            whole=True,
        )  # fmt: skip

    def check(self) -> None:
        """Refuse, in one sentence each, what cannot work."""
        checks.whole_number("data.pixels", self.options.pixels, least=8)
        checks.number("data.noise", self.options.noise, least=0)
        if set(self.options.samples) != set(SPLITS) or min(self.options.samples.values()) < 1:
            raise Refusal(f"data.samples must give a positive number for each of {', '.join(SPLITS)}")

    def tiny(self) -> DataSource:
        """For tests."""
        return Swell(**asdict(self.options) | {"pixels": 16, "samples": dict.fromkeys(SPLITS, 8)})

    def prepare(self) -> None:
        """Nothing: pictures are drawn in milliseconds. What takes long is kept by `dlgd.core.cache`."""

    def samples(self, split: str) -> xr.Dataset:
        """The same at each call."""
        known = self.options
        rng, count = np.random.default_rng((known.seed, SPLITS.index(split))), known.samples[split]
        labels = np.arange(count) % len(CLASSES)
        angle = np.radians(45 * labels + rng.uniform(-15, 15, count))[:, None, None]
        wavenumber = 2 * np.pi / rng.uniform(SHORTEST, LONGEST, (count, 1, 1))
        y, x = np.mgrid[: known.pixels, : known.pixels]
        phase = wavenumber * (x * np.cos(angle) + y * np.sin(angle)) + rng.uniform(0, 2 * np.pi, (count, 1, 1))
        heights = np.sqrt(2) * np.cos(phase) + known.noise * rng.standard_normal(phase.shape)
        return xr.Dataset(
            {
                "intensity": (("sample", "y", "x"), heights.astype(np.float32), {"units": "1"}),
                "label": ("sample", labels),
            },
            attrs={"classes": ",".join(CLASSES), "name": known.name},
        )

    def checksum(self) -> str:
        """Over all splits."""
        digests = "".join(cache.digest(self.samples(split)) for split in SPLITS)
        return hashlib.sha256(digests.encode()).hexdigest()[:12]

    def read(self, path: Path) -> xr.Dataset:
        """See the head of this file; without `label` there is nothing to be scored with."""
        samples = xr.load_dataset(path)
        if "intensity" not in samples or samples.intensity.dims != ("sample", "y", "x"):
            raise Refusal(f"{path} must hold intensity (sample, y, x), heights over their standard deviation")
        return samples.assign_attrs(classes=",".join(CLASSES), name=self.options.name)

    @property
    def statistics(self) -> dict[str, float]:
        """Nothing is learned from the training samples."""
        return {}

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """There are none."""

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """All at once: they are few. What lies beyond the border is 0."""
        count = samples.sizes["sample"]
        input = torch.tensor(samples.intensity.values[:, None])
        labels = torch.tensor(samples.label.values) if "label" in samples else torch.zeros(count, dtype=torch.int64)
        around = torch.nn.functional.pad(input, (halo,) * 4)
        yield Batch(input=around, target=labels, mask=torch.ones(count, dtype=torch.bool)).to(device)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Training samples, which stay on the device."""
        if batch_size > (count := self.options.samples["train"]):
            raise Refusal(f"training.batch_size={batch_size} is more than data.samples.train={count}")
        (train,) = self.encode(self.samples("train"), halo=halo, device=device)
        return SwellStream(train, batch_size=batch_size, seed=seed)

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """Probabilities (sample, class)."""
        return prediction.float().softmax(dim=1).numpy()


class SwellStream(Stream):
    """Samples drawn at random. What a step gets depends on the seed and the step alone."""

    def __init__(self, train: Batch, *, batch_size: int, seed: int) -> None:
        self.train, self.batch_size, self.seed = train, batch_size, seed
        self.steps_per_epoch = len(train) // batch_size

    def batch(self, step: int) -> Batch:
        """Of step 0, 1, 2, ..."""
        rng = np.random.default_rng((self.seed, step))
        chosen = torch.as_tensor(rng.choice(len(self.train), self.batch_size, replace=False))
        chosen = chosen.to(self.train.input.device)
        return Batch(input=self.train.input[chosen], target=self.train.target[chosen], mask=self.train.mask[chosen])
