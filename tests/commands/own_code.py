"""A person's own network, data set, loss, augmentation, method and scores, each with a bug where an option says so.

Copied into a test's folder as mine.py; MINE are the YAML files beside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from omegaconf import OmegaConf
from torch import Tensor, nn

from dlgd.core.contract import Augmentation, Batch, Loss, Method, Network, Output, Spec
from dlgd.core.options import from_keywords
from dlgd.problems.images.data.options import DigitOptions
from dlgd.problems.images.data.source import Drawn
from dlgd.problems.images.scores.classification import ClassificationEvaluation

DIGITS = "{name: mnist_5k, task: classify, noise: 0.3, hidden: square, hidden_share: 0.25, binarize: none, seed: 0}"
MINE = {
    "model/mine": "_target_: mine.Net",
    "loss/mine": "_target_: mine.Squares",
    "augmentation/mine": "_target_: mine.Noise",
    "data/mine": f"_target_: mine.Digits\n{DIGITS[1:-1].replace(', ', chr(10))}",
    "baseline/mine": "_target_: mine.Guess",
    "evaluation/mine": "criteria: [loss]\nscores: {_target_: mine.Scores}\nmethods: {guess: {_target_: mine.Guess}}",
}
KINDS = ("value", "type", "key", "file", "zero", "configuration", "shape")


def bug(kind: str) -> None:
    match kind:
        case "value":
            int("three")
        case "type":
            len(5)
        case "key":
            {}["nothing"]
        case "file":
            open("nowhere/weights.txt")  # noqa: SIM115
        case "zero":
            1 / 0  # noqa: B018
        case "configuration":
            OmegaConf.create({"one": 1}, flags={"struct": True})["two"]
        case "shape":
            torch.ones(2, 3) @ torch.ones(2, 3)


class Buggy:
    def may_fail(self, here: str) -> None:
        if here == self.where:
            bug(self.kind)


class Net(Buggy, Network):
    def __init__(self, *, spec: Spec, where: str = "", kind: str = "value", inner: object = None):
        super().__init__()
        self.where, self.kind = where, kind
        self.may_fail("constructor")
        self.layers = nn.Sequential(nn.Flatten(), nn.LazyLinear(len(spec.output_channels)))
        self.layers(torch.zeros(2, len(spec.input_channels), *spec.grid))

    def forward(self, input: Tensor) -> Output:
        self.may_fail("step" if self.training else "validation")
        return Output(self.layers(input))


class Inner(Buggy):
    def __init__(self, *, where: str = "", kind: str = "value"):
        self.where, self.kind = where, kind
        self.may_fail("constructor")


class Squares(Buggy, Loss):
    def __init__(self, *, spec: Spec, where: str = "", kind: str = "value"):
        super().__init__()
        self.where, self.kind = where, kind
        self.may_fail("constructor")

    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        self.may_fail("step")
        return nn.functional.cross_entropy(prediction, target), {}


class Noise(Buggy, Augmentation):
    def __init__(self, *, spec: Spec, where: str = "", kind: str = "value"):
        self.where, self.kind = where, kind
        self.may_fail("constructor")

    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        self.may_fail("step")
        return batch


@dataclass(frozen=True, kw_only=True)
class Options(DigitOptions):
    where: str = ""
    kind: str = "value"


@from_keywords(Options)
class Digits(Buggy, Drawn):
    def __init__(self, options: Options):
        super().__init__(options)
        self.where, self.kind = options.where, options.kind
        self.may_fail("constructor")

    def prepare(self):
        self.may_fail("prepare")
        super().prepare()


class Guess(Buggy, Method):
    name, learns = "guess", True

    def __init__(self, *, where: str = "", kind: str = "value"):
        self.where, self.kind = where, kind
        self.may_fail("constructor")

    def fit(self, train):
        self.may_fail("fit")

    def predict(self, samples):
        self.may_fail("predict")
        return np.full((samples.sizes["sample"], 10), 0.1)


class Scores(Buggy, ClassificationEvaluation):
    def __init__(self, *, where: str = "", kind: str = "value", **options):
        super().__init__(**options)
        self.where, self.kind = where, kind
        self.may_fail("constructor")

    def scores(self, samples, prediction):
        self.may_fail("scores")
        return super().scores(samples, prediction)

    def figures(self, folder, samples, predictions):
        self.may_fail("figures")
