"""Exported networks of one's own: what a file would answer wrongly is fixed or refused, and faults stay faults."""

from __future__ import annotations

import dataclasses
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from dlgd.core.contract import Network, Output
from dlgd.core.errors import Refusal
from dlgd.interface import exporting
from dlgd.problems.ssh.data import graph
from dlgd.problems.ssh.methods.maps import MeanMap
from dlgd.scoring import exported, graph_files
from tests.commands.test_export import answers, assert_near, made, shapes, tiny


class Plain(Network):
    """A convolution, times what a function makes of the pictures."""

    halo = 0

    def __init__(self, factor) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer, self.factor = nn.Conv2d(1, 1, 3, padding=1), factor

    def forward(self, input: Tensor) -> Output:
        return Output(prediction=self.layer(input) * self.factor(input))


@pytest.fixture(scope="module")
def pictures():
    return tiny("mnist_5k", "data.task=denoise")


def own(factor, data, end: str = ".pt2") -> exporting.Made:
    """The graph of a network of one's own."""
    return exporting.make(Plain(factor), data, graph_files.KINDS[end](), input=None)


# --- answers that are no numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("factor", [np.nan, np.inf])
def test_answers_that_are_not_finite(pictures, factor):
    with pytest.raises(Refusal, match=r"Plain cannot be exported: \d+ of its \d+ answers for the test split are NaN"):
        own(lambda input: factor, pictures)


def test_differences_are_never_nan():
    """Beside a NaN, no comparison is true: a file would always be near enough."""
    number, none = np.ones(3), np.full(3, np.nan)
    assert exported.difference(none, none).relative == 0
    assert exported.difference(number * np.inf, number * np.inf).relative == 0
    for found, wanted in [(none, number), (number, none), (number * np.inf, number), (number, number * np.inf)]:
        assert exported.difference(found, wanted).relative == np.inf


def test_facts_are_json():
    """JSON has no NaN, though Python writes it."""
    with pytest.raises(ValueError, match="not JSON compliant"):
        graph_files.Program().content(torch.export.export(nn.ReLU(), (torch.zeros(2),)), {"nothing": np.nan})


# --- networks that ask for sizes -------------------------------------------------------------------------------------

BRANCHES = {
    "large pictures": lambda input: 2 if input.shape[-1] >= 40 else 1,
    "small pictures": lambda input: 2 if input.shape[-1] <= 12 else 1,
    "squares": lambda input: 1 if input.shape[-1] == input.shape[-2] else 3,
    "one sample": lambda input: 1 if input.shape[0] > 1 else 5,
    "many samples": lambda input: 1 if input.shape[0] < 8 else 5,
    "five samples": lambda input: 5 if input.shape[0] == 5 else 1,
}


@pytest.mark.parametrize(
    ("branch", "end"),
    [("large pictures", ".pt2"), ("small pictures", ".pt2"), ("squares", ".onnx")],
)
def test_sizes_of_the_grid_are_fixed(pictures, branch, end):
    """Where a network branches on them, the file holds for that of the data alone, and says so."""
    one = own(BRANCHES[branch], pictures, end)
    assert shapes(one) == [[None, 28, 28], [None, 28, 28]]
    with pytest.raises(Exception, match=r"Guard failed|invalid dimensions"):
        answers(one, torch.rand(2, 40, 44))


@pytest.mark.parametrize(
    ("branch", "end"),
    [("one sample", ".onnx"), ("one sample", ".pt2"), ("many samples", ".pt2"), ("five samples", ".pt2")],
)
def test_branches_on_the_number_of_samples(pictures, branch, end):
    with pytest.raises(Refusal, match="its operations depend on the number of samples"):
        own(BRANCHES[branch], pictures, end)


def test_harmless_guards_are_dropped(pictures):
    """The traces of U-Nets hold to layouts in memory; of other sizes the answers are right, too."""
    one = made("unet", pictures, ".pt2", levels=1)
    assert shapes(one)[0] == [None, None, None]
    for size in [(1, 40, 44), (2, 16, 17), (2, 8, 8), (1, 1, 1)]:
        assert_near(one, torch.rand(*size))


# --- faults that are no refusals -------------------------------------------------------------------------------------


def fault(input: Tensor) -> int:
    if torch.compiler.is_exporting():
        raise ValueError("a fault of my own")
    return 1


def test_faults_of_ones_own_code(pictures):
    """They are shown where they happen, and are not said to be PyTorch's."""
    with pytest.raises(ValueError, match=r"^a fault of my own$"):
        own(fault, pictures)


def test_refusals_of_pytorch(pictures, capfd):
    with pytest.raises(Refusal, match=r"cannot be exported: torch.export says: Could not guard on data-dependent"):
        own(lambda input: 2 if input.mean() > 0.5 else 1, pictures)
    assert capfd.readouterr() == ("", "")


# --- first guesses that learn ----------------------------------------------------------------------------------------


def test_first_guesses_that_learn():
    """They are fitted to the training split, as in training."""
    data = tiny("ssh")
    first_guess = {**data.options.first_guess, "method": MeanMap()}
    options = dataclasses.replace(data.options, first_guess=first_guess)
    samples = data.samples("test").isel(sample=slice(2))
    maps = data.physical_graph(halo=0, samples=samples)
    whole = graph.MapGraph(
        options,
        {"mean": maps.mean, "std": maps.std},
        maps.lengths,
        halo=0,
        ring=False,
        train=partial(data.samples, "train"),
    )
    *_, found = whole.tensors(samples)
    wanted = data.samples("train").ssh.mean("sample").values
    np.testing.assert_allclose(found[:, options.half], np.stack([wanted] * 2), rtol=1e-5)
