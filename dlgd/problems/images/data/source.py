"""What all sets of pictures share, whatever they show and wherever they come from.

data.task says what is asked, and so what kind of data they are; see `tasks.py`. Samples are described at
the head of `samples.py`.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch, DataSource, Stream
from dlgd.core.errors import Refusal
from dlgd.core.options import make_from
from dlgd.core.specs import ImageSpec
from dlgd.problems.images.data import digit_splits, drawn_digits, idx, own_files
from dlgd.problems.images.data.graph import PictureGraph
from dlgd.problems.images.data.options import DigitOptions
from dlgd.problems.images.data.pictures import COLOURS, SIZE, Pictures, Shown
from dlgd.problems.images.data.samples import as_array, as_tensor, dataset, read
from dlgd.problems.images.data.stream import ImageStream
from dlgd.problems.images.data.tasks import Task

MAX_BATCH_ELEMENTS = 500  # samples that are encoded as one batch
TRUTH = ("intensity", "label")


class Digits(DataSource):
    """What all these sets share; `_load` of each gives its pictures. See `DigitOptions` for the options."""

    def __init__(self, options: DigitOptions) -> None:
        self.options = options
        self.task = make_from(Task, options, name=options.task)
        self._splits: dict[str, Pictures] = {}
        self._statistics: dict[str, float] = {}

    @abstractmethod
    def _load(self) -> dict[str, Pictures]:
        """Return the pictures of each split."""

    # --- what is known before any work -----------------------------------------------------------------------

    @property
    def spec(self) -> ImageSpec:
        """Labels, fields or generated pictures, depending on the task."""
        return self.task.spec(name=self.options.name, shown=self.shown)

    @property
    def truth(self) -> Sequence[str]:
        """The names of the class or of the picture."""
        return self.task.truth

    @property
    def inputs(self) -> Sequence[str]:
        """The fields of which the input is made; of generated pictures, the class."""
        return self.task.input

    @property
    def shown(self) -> Shown:
        """What the pictures show, and how."""
        return idx.MNIST

    @property
    def turn_round(self) -> str:
        """What to do with pictures that are the reverse of these."""
        return "turn them round, 255 minus each value"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the classes."""
        return self.shown.classes

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        self.task.check()
        self.options.check()

    def tiny(self) -> DataSource:
        """A hundred drawn digits with the same task."""
        return Drawn(self.options, self.shown)

    # --- samples ---------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Read the files; download them where there are none."""
        self.check()
        if not self._splits:
            self._splits = self._load()
            self._statistics = self._statistics or self._measured(self._splits["train"])

    def _measured(self, train: Pictures) -> dict[str, float]:
        """Return the statistics of the training pictures."""
        return _moments(train.images) if self.task.name == "classify" else {}

    def checksum(self) -> str:
        """A digest of all splits and of what is done to them."""
        self.prepare()
        total = hashlib.sha256(f"{self.task}{self.options.seed}".encode())
        for split in SPLITS:
            for values in (self._splits[split].images, self._splits[split].labels):
                total.update(np.ascontiguousarray(values).data)
        return total.hexdigest()[:12]

    @property
    def statistics(self) -> dict[str, float]:
        """Mean and standard deviation of the pixels, by which pictures to be classified are standardized."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Standardize with the statistics of the training pictures."""
        if self.task.name == "classify" and not {"mean", "std"} <= set(statistics):
            raise Refusal(
                "the network was not trained to classify pictures: type the data.task that it was trained with"
            )
        self._statistics = dict(statistics) if self.task.name == "classify" else {}

    def samples(self, split: str) -> xr.Dataset:
        """The split; noise, hidden pixels and stochastic binarization are the same each time."""
        self.prepare()
        pictures = self._splits[split]
        number = np.random.SeedSequence((self.options.seed, SPLITS.index(split))).generate_state(1, np.uint64)[0]
        fields = self.task.changed(_intensity(pictures.images), torch.Generator().manual_seed(int(number)))
        samples = self._dataset(fields | {"label": torch.tensor(pictures.labels)})
        if self.task.name == "generate" and split == "test":  # to see whether a network copies them
            samples["train_intensity"] = (("train_sample", "y", "x"), self.samples("train").intensity.values)
        return samples

    def _dataset(self, fields: Mapping[str, Tensor]) -> xr.Dataset:
        return dataset(fields, classes=self.classes, task=self.task.name, name=self.options.name)

    def read(self, path: Path) -> xr.Dataset:
        """A user's own pictures: NetCDF as the head of `samples.py` says, or what `own_files.find` finds."""
        if own_files.are_pictures(path):
            return self._own(path)
        found = read(path, needed=self.task.input, shown=self.shown)
        return found.assign_attrs(classes=",".join(self.classes), task=self.task.name, name=self.options.name)

    def _own(self, path: Path) -> xr.Dataset:
        """Pictures as samples, with the names of their files; of denoise, they are what is given."""
        (field, *others) = self.task.input
        if others or field == "label":
            raise Refusal(f"{path} holds pictures, and data.task={self.task.name} needs more: give a NetCDF file")
        part = own_files.to_predict(own_files.find(path, labelled=False))
        images = self._oriented(part.images(size=self.shown.size, coloured=self.shown.coloured))
        own_files.tell_reversed(path, images, edge=self._statistics.get(own_files.EDGE, 0.0), hint=self.turn_round)
        fields = {field: _intensity(images)}
        if part.labels is not None and field == "intensity":
            fields["label"] = torch.tensor(own_files.numbers(path, part.labels, self.classes))
        samples = self._dataset(fields)
        return samples if part.names is None else samples.assign_coords(file=("sample", list(part.names)))

    def _oriented(self, images: np.ndarray) -> np.ndarray:
        """Return pictures (sample, y, x, ...) of files as the data set has them."""
        return images

    # --- tensors ---------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """At most MAX_BATCH_ELEMENTS samples at a time."""
        names = dict.fromkeys((*self.task.input, *TRUTH))
        for first in range(0, samples.sizes["sample"], MAX_BATCH_ELEMENTS):
            some = samples.isel(sample=slice(first, first + MAX_BATCH_ELEMENTS))
            count = some.sizes["sample"]
            channels = len(COLOURS) if self.shown.coloured else 1
            fields = {
                "intensity": torch.zeros(count, channels, *self.shown.size),
                "label": torch.zeros(count, dtype=torch.int64),
            }
            for name in names:
                if name in some:
                    values = some[name].values.copy()
                    fields[name] = torch.from_numpy(values) if name == "label" else as_tensor(values)
            fields["intensity"] = self._scaled(fields["intensity"])
            yield self._batch({name: field.to(device) for name, field in fields.items()}, halo=halo)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Every training picture once in an epoch."""
        self.prepare()
        train = self._splits["train"]
        return ImageStream(
            images=self._scaled(_intensity(train.images)).to(device),
            labels=torch.tensor(train.labels).to(device),
            make=partial(self._make, halo=halo),
            draws=self.task.draws,
            batch_size=batch_size,
            seed=seed,
        )

    def _make(self, images: Tensor, labels: Tensor, generator: torch.Generator, *, halo: int) -> Batch:
        return self._batch(self.task.changed(images, generator) | {"label": labels}, halo=halo)

    def _batch(self, fields: Mapping[str, Tensor], *, halo: int) -> Batch:
        return self.task.batch(fields, halo=halo, classes=len(self.classes), background=self._background)

    def _scaled(self, intensity: Tensor) -> Tensor:
        """Standardize pictures that are to be classified."""
        if self.task.name != "classify":
            return intensity
        return (intensity - self._statistics["mean"]).div_(self._statistics["std"])

    @property
    def _background(self) -> float:
        """The value of black pixels as a network sees them."""
        return -self._statistics["mean"] / self._statistics["std"] if "mean" in self._statistics else 0.0

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """Probabilities (sample, class), or pictures (sample, y, x)."""
        prediction = prediction.detach().cpu()
        if self.task.name == "classify":
            return prediction.double().softmax(dim=1).numpy()
        return as_array(prediction.float())

    def physical_graph(self, *, halo: int, samples: xr.Dataset | None) -> PictureGraph | None:
        """The graph of `graph.py`; None for generated pictures."""
        if self.task.name == "generate":
            return None
        return PictureGraph(self.task, shown=self.shown, halo=halo, background=self._background, scaled=self._scaled)


class Drawn(Digits):
    """Digits drawn by strokes, ten for each class: six for training, two for validation, two for test.

    shown: classes and size. The classes look like the ten digits, and more of them like these once more.
    """

    def __init__(self, options: DigitOptions, shown: Shown = idx.MNIST) -> None:
        super().__init__(options)
        self._like = shown

    @property
    def shown(self) -> Shown:
        """As it was given."""
        return self._like

    def _load(self) -> dict[str, Pictures]:
        count = len(self.classes)
        labels = np.tile(np.arange(count), 10)
        images = drawn_digits.draw(labels % len(drawn_digits.STROKES), self.options.seed)
        if self.shown.shape != SIZE:
            images = own_files.of_arrays(images, None).images(size=self.shown.size, coloured=self.shown.coloured)
        pictures = Pictures(images, labels)
        places = digit_splits.stratified(labels, (6 * count, 2 * count, 2 * count), self.options.seed)
        return {split: pictures.take(place) for split, place in zip(SPLITS, places, strict=True)}


def _intensity(images: np.ndarray) -> Tensor:
    """(N, 1, Y, X) or (N, colour, Y, X) in [0, 1]."""
    return as_tensor(images).float().div_(255)


def _moments(images: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of the intensity, exactly: sums of whole numbers."""
    mean = images.sum(dtype=np.int64) / images.size
    square = np.square(images, dtype=np.uint16).sum(dtype=np.int64) / images.size
    return {"mean": float(mean / 255), "std": float(np.sqrt(square - mean**2) / 255)}
