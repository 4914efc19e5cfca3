"""Options of the sets of pictures; conf/data/mnist_5k.yaml and conf/data/mnist.yaml give their usual values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from dlgd.core import checks
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.problems.images.data import digit_splits


@dataclass(frozen=True, kw_only=True)
class DigitOptions:
    """name: as typed in data=... task: what is asked. noise, hidden, hidden_share, binarize: see `tasks.Task`.

    seed: of the draw of the splits, and of the noise, hiding and stochastic binarization of `samples`; that of training
    batches is drawn anew at each step.
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
    """samples: how many each split has, of 5,000."""

    samples: Mapping[str, int]

    def check(self) -> None:
        """The numbers of samples too."""
        super().check()
        if set(self.samples) != set(SPLITS) or min(self.samples.values()) < 1:
            raise Refusal(f"data.samples must give a positive number for each of {', '.join(SPLITS)}")
        if sum(self.samples.values()) > 5000:
            raise Refusal(f"data.samples asks for {sum(self.samples.values())} samples in all, but there are 5000")


@dataclass(frozen=True, kw_only=True)
class FullSetOptions(DigitOptions):
    """path: the folder of the files, or None: see `idx.load`. url: where to download them from. split: one of
    `digit_splits.PRESETS`.
    """

    path: str | None
    url: str
    split: str

    def check(self) -> None:
        """The split and the address too; files are looked for when the data are prepared."""
        super().check()
        checks.choice("data.split", self.split, digit_splits.PRESETS)
        if not self.url.startswith(("http://", "https://")):
            raise Refusal(f"data.url={self.url} must begin with http:// or https://")
