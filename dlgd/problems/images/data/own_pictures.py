"""A person's own pictures to train on: data=pictures path=<folder or file>. `own_files.py` says what may lie there."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from dlgd.core.constants import SPLITS
from dlgd.core.contract import DataSource
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.problems.images.data import digit_splits, idx, own_files
from dlgd.problems.images.data.options import OwnPicturesOptions
from dlgd.problems.images.data.own_files import ALL, EDGE, Part
from dlgd.problems.images.data.pictures import Pictures, Shown
from dlgd.problems.images.data.source import Digits, Drawn

log = logging.getLogger(__name__)


@from_keywords(OwnPicturesOptions)
class OwnPictures(Digits):
    """Pictures of any size and number of classes. See `OwnPicturesOptions` for the options."""

    options: OwnPicturesOptions

    @property
    def turn_round(self) -> str:
        """The option."""
        return f"type data.invert={str(not self.options.invert).lower()}"

    @property
    def shown(self) -> Shown:
        """What the options say of the pictures, and else the files."""
        return self._shown

    @cached_property
    def _shown(self) -> Shown:
        options = self.options
        size = options.size or self._first.size
        return Shown(
            classes=tuple(options.classes or own_files.classes_of(self._parts)),
            size=(size[0], size[1]),
            coloured=options.coloured,
            mirror_symmetric=options.mirror_symmetric,
        )

    @property
    def found_options(self) -> Mapping[str, Any]:
        """Classes and size, as they were typed or found: runs open without the files, and labels keep their numbers."""
        self.check()
        return {"classes": list(self.classes), "size": list(self.shown.size)}

    @cached_property
    def _parts(self) -> dict[str, Part]:
        if self.options.path is None:
            raise Refusal(f"data={self.options.name} needs a path: type path=<folder or file>, {own_files.LAYOUTS}")
        path = Path(self.options.path).expanduser()
        if not path.exists():
            raise Refusal(f"path={self.options.path} is not there: type data.path=<folder or file> of the pictures")
        parts = own_files.find(path, labelled=True)
        for name in own_files.classes_of(parts):
            if "," in name:
                raise Refusal(f"the class {name} in {self.options.path} has a comma in its name: give it another one")
        return parts

    @property
    def _first(self) -> Part:
        return self._parts.get(ALL) or self._parts.get("train") or next(iter(self._parts.values()))

    def tiny(self) -> DataSource:
        """Drawn digits of the same size and as many classes; without a path, those of mnist_5k."""
        known = self.options.path is not None or (self.options.size and self.options.classes)
        usual = Shown(classes=idx.MNIST.classes, coloured=self.options.coloured)
        return Drawn(self.options, self.shown if known else usual)

    def _load(self) -> dict[str, Pictures]:
        parts = {name: self._read(part) for name, part in self._parts.items()}
        whole = parts.pop(ALL) if ALL in parts else parts.get("train")
        if whole is None:
            raise Refusal(f"path={self.options.path} has no pictures to train on: name one part of them train")
        drawn = [split for split in SPLITS if split == "train" or split not in parts]
        parts |= self._drawn(whole, drawn)
        lacking = sorted(set(range(len(self.classes))) - set(parts["train"].labels.tolist()))
        if lacking and not self._statistics:
            name = self.classes[lacking[0]]
            raise Refusal(f"no training picture is of the class {name}: add some, or leave it out")
        self._tell(parts["train"])
        return parts

    def _read(self, part: Part) -> Pictures:
        stretch = self.options.size is not None
        images = self._oriented(part.images(size=self.shown.size, coloured=self.shown.coloured, stretch=stretch))
        return Pictures(images, own_files.numbers(part.path, part.labels or (), self.classes))

    def _oriented(self, images: np.ndarray) -> np.ndarray:
        """Transposed and inverted, if that is asked for."""
        turned = images.swapaxes(1, 2) if self.options.transpose else images
        return np.ascontiguousarray(255 - turned if self.options.invert else turned)

    def _drawn(self, whole: Pictures, splits: list[str]) -> dict[str, Pictures]:
        """Return these splits, as many of the pictures as `shares` says, drawn by the seed."""
        shares = np.array([self.options.shares[split] for split in splits])
        sizes = np.round(len(whole.labels) * shares / shares.sum()).astype(int)
        sizes[0] = len(whole.labels) - sizes[1:].sum()
        for split, size in zip(splits, sizes, strict=True):
            if size < 1:
                raise Refusal(
                    f"data.shares gives {split} none of the {len(whole.labels)} pictures: add pictures, or change them"
                )
        ordered = whole.take(_order(whole))
        places = digit_splits.stratified(ordered.labels, sizes.tolist(), self.options.seed)
        return {split: ordered.take(place) for split, place in zip(splits, places, strict=True)}

    def _measured(self, train: Pictures) -> dict[str, float]:
        return {**super()._measured(train), EDGE: own_files.edge_brightness(train.images)}

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale with the statistics of the training pictures, and compare with the brightness of their edges."""
        super().use_statistics(statistics)
        self._statistics |= {EDGE: statistics.get(EDGE, 0.0)}

    def _tell(self, train: Pictures) -> None:
        """Log what the pictures are, and a line where they are dark on white, or the reverse of those of the run."""
        path, edge = Path(str(self.options.path)), own_files.edge_brightness(train.images)
        log.info(
            "%s: pictures of %d x %d pixels in %d classes: %s",
            path, *self.shown.size, len(self.classes), own_files.listed(self.classes),
        )  # fmt: skip
        if self._statistics:
            own_files.tell_reversed(path, train.images, edge=self._statistics[EDGE], hint=self.turn_round)
        elif edge > own_files.REVERSED:
            log.warning(
                "%s: these pictures are dark on white (brightness of their edges %.2f); digits of data=mnist are white "
                "on black, and networks see black around a picture: data.invert=true turns them round",
                path, edge,
            )  # fmt: skip


def _order(pictures: Pictures) -> np.ndarray:
    """Return an order of the pictures that depends on them alone, so that any layout of files gives the same splits."""
    digests = [hashlib.sha256(image.data).digest() for image in np.ascontiguousarray(pictures.images)]
    return np.array(sorted(range(len(digests)), key=lambda one: (pictures.labels[one], digests[one])))
