"""Options of the sets of pictures; conf/data/mnist_5k.yaml and conf/data/mnist.yaml give their usual values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dlgd.core import checks
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.problems.images.data import digit_splits


@dataclass(frozen=True, kw_only=True)
class DigitOptions:
    """Options of every set of pictures.

    name: of the data set, as typed in data=...
    task: classify, reconstruct, denoise, inpaint or generate; see `tasks.py`.
    noise: of denoise, the standard deviation of the Gaussian noise; intensities lie between 0 and 1.
    hidden: of inpaint, `square` (anywhere in each picture) or `pixels` (each one drawn on its own).
    hidden_share: of inpaint, the share of the pixels that are hidden, between 0 and 1.
    binarize: of reconstruct and generate, `none`, `threshold` (white from 0.5 on), or `stochastic` (white with the
        probability of the intensity).
    seed: of the draw of the splits, and of the noise, hiding and stochastic binarization of `samples`. Training
        batches draw theirs anew at each step.
    """

    name: str
    task: str
    noise: float
    hidden: str
    hidden_share: float
    binarize: str
    seed: int

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        checks.whole_number("data.seed", self.seed, least=0)


@dataclass(frozen=True, kw_only=True)
class Mnist5kOptions(DigitOptions):
    """samples: number of pictures of each split; 5,000 in all at most."""

    samples: Mapping[str, int]

    def check(self) -> None:
        """Refuse numbers of samples that cannot be drawn, too."""
        super().check()
        if set(self.samples) != set(SPLITS) or min(self.samples.values()) < 1:
            raise Refusal(f"data.samples must give a positive number for each of {', '.join(SPLITS)}")
        if sum(self.samples.values()) > 5000:
            raise Refusal(f"data.samples asks for {sum(self.samples.values())} samples in all, but there are 5000")


@dataclass(frozen=True, kw_only=True)
class FullSetOptions(DigitOptions):
    """Options of sets that are read from IDX files.

    path: folder of the four files. None looks in the places where they may lie, and else downloads them.
    url: address of the folder from which they are downloaded.
    split: a name of `digit_splits.PRESETS`, which gives the sizes of the training and the validation split.
    """

    path: str | None
    url: str
    split: str

    def check(self) -> None:
        """Refuse an unknown split and a wrong address, too; the files are looked for when the data are prepared."""
        super().check()
        checks.choice("data.split", self.split, digit_splits.PRESETS)
        if not self.url.startswith(("http://", "https://")):
            raise Refusal(f"data.url={self.url} must begin with http:// or https://")


@dataclass(frozen=True, kw_only=True)
class OwnPicturesOptions(DigitOptions):
    """Options of a person's own pictures.

    path: of the folder or the .npz file; predictions do not need it.
    classes: names of the classes, in the order of their numbers; None for all that the files have.
    size: rows and columns, to which pictures of other sizes are stretched; None for that of the files, which must all
        have one.
    shares: of the pictures, for each split that has no files of its own. What files name test stays test.
    coloured: whether pictures have red, green and blue; only to be classified. Else all are grey.
    invert: whether dark becomes bright, for pictures that are dark on white.
    transpose: whether rows become columns, as the files of EMNIST need.
    mirror_symmetric: whether mirror images show such things too, so that an augmentation may flip them.
    """

    path: str | None
    classes: Sequence[str] | None
    size: Sequence[int] | None
    shares: Mapping[str, float]
    coloured: bool
    invert: bool
    transpose: bool
    mirror_symmetric: bool

    def check(self) -> None:
        """Refuse options that cannot work, too; the files are looked at when their classes are asked for."""
        super().check()
        if self.path is not None:
            checks.path("path", self.path)
        if self.classes is not None:
            checks.names("data.classes", self.classes, example="[cat,dog]")
            if len(set(self.classes)) < len(self.classes) or any("," in name for name in self.classes):
                raise Refusal("data.classes must be different names without commas, such as [cat,dog]")
        if self.size is not None:
            checks.whole_numbers("data.size", self.size, least=1, example="[28,28]")
            if len(self.size) != 2:
                raise Refusal(f"data.size has {len(self.size)} numbers: type rows and columns, such as [28,28]")
        if set(self.shares) != set(SPLITS):
            raise Refusal(f"data.shares must give a number for each of {', '.join(SPLITS)}")
        for split, share in self.shares.items():
            checks.number(f"data.shares.{split}", share, above=0)
        for name in ("coloured", "invert", "transpose", "mirror_symmetric"):
            checks.of_kind(f"data.{name}", getattr(self, name), bool)
        if self.coloured and self.task != "classify":
            raise Refusal(f"data.coloured=true is for data.task=classify, not {self.task}: type data.coloured=false")
