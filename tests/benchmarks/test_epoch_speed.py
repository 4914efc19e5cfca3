"""An epoch of an MLP on pictures: this loop, a torch DataLoader over the same tensors, and Lightning with that loader.

Same network, batches, optimizer and number of pictures, in one process. Data are random: speed does not look at them.
"""

from __future__ import annotations

import logging
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from dlgd.core.contract import Spec
from dlgd.losses.classification import CrossEntropy
from dlgd.models.mlp import MLP
from dlgd.problems.images.data import idx, source
from dlgd.problems.images.data.options import DigitOptions
from dlgd.scoring.descriptions import LOSS
from dlgd.tracking.off import Off
from dlgd.training.loop import fit
from dlgd.training.options import Options
from dlgd.training.schedulers import Constant

COUNT, RATE = 20_000, 1e-3
SIZES = {"784-512-256-10": [512, 256], "784-32-10": [32]}
CLASSES = tuple("0123456789")
SPEC = Spec(
    name="mnist", kind="label", input_channels=("intensity",), output_channels=CLASSES, grid=(28, 28), whole=True
)


class Noise(source.Digits):
    """As many pictures as wanted."""

    def _load(self) -> dict[str, idx.Pictures]:
        rng = np.random.default_rng(0)
        images, labels = rng.integers(256, size=(COUNT, 28, 28), dtype=np.uint8), rng.integers(10, size=COUNT)
        few = idx.Pictures(images[:20], labels[:20])
        return {"train": idx.Pictures(images, labels), "valid": few, "test": few}


def network(sizes: list[int]) -> MLP:
    torch.manual_seed(0)
    return MLP(spec=SPEC, sizes=sizes, dropout=0.0, activation="relu", normalization="none")


def ours(sizes: list[int], size: int, folder: Path) -> float:
    """Seconds of one epoch of `fit`, records and a checkpoint included."""
    chosen = {"noise": 0.3, "hidden": "square", "hidden_share": 0.1, "binarize": "none"}
    data = Noise(DigitOptions(name="mnist", task="classify", seed=0, **chosen))
    stream = data.stream(halo=0, batch_size=size, seed=0, device="cpu")
    net = network(sizes)
    options = Options(
        steps=COUNT // size, epochs=None, minutes=None, batch_size=size, accumulate=1, clip_norm=None, l1=0.0,
        ema_decay=None, patience=None, validate_every=COUNT, log_every=50, criteria=["loss"], checkpoint_minutes=60.0,
        amp=False, compile=False,
    )  # fmt: skip
    began = time.perf_counter()
    fit(
        network=net, loss=CrossEntropy(spec=SPEC, label_smoothing=0.0), stream=stream, augmentation=None,
        optimizers={"network": torch.optim.Adam(net.parameters(), lr=RATE, fused=True)}, scheduler=Constant(),
        validate=lambda _: {"loss": 0.0}, tracker=Off(experiment="", folder=folder), folder=folder, options=options,
        criteria=[LOSS], device=torch.device("cpu"), seed=0, config={},
    )  # fmt: skip
    return time.perf_counter() - began


def tensors() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return torch.rand(COUNT, 1, 28, 28, generator=generator), torch.randint(10, (COUNT,), generator=generator)


def loader(sizes: list[int], size: int) -> float:
    """Seconds of one epoch of the usual few lines."""
    net = network(sizes)
    optimizer = torch.optim.Adam(net.parameters(), lr=RATE)
    batches = DataLoader(TensorDataset(*tensors()), batch_size=size, shuffle=True)
    began = time.perf_counter()
    for images, labels in batches:
        loss = nn.functional.cross_entropy(net(images).prediction, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return time.perf_counter() - began


def lightning(sizes: list[int], size: int, folder: Path) -> float:
    """Seconds of one epoch of a Trainer with its usual progress bar, log and checkpoint."""
    pl = pytest.importorskip("pytorch_lightning")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)

    class Module(pl.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.net = network(sizes)

        def training_step(self, batch: list[Tensor], _: int) -> Tensor:
            loss = nn.functional.cross_entropy(self.net(batch[0]).prediction, batch[1])
            self.log("loss", loss)
            return loss

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=RATE)

    batches = DataLoader(TensorDataset(*tensors()), batch_size=size, shuffle=True)
    trainer = pl.Trainer(max_epochs=1, accelerator="cpu", default_root_dir=folder, enable_model_summary=False)
    module = Module()
    began = time.perf_counter()
    trainer.fit(module, batches)
    return time.perf_counter() - began


@pytest.mark.bench
@pytest.mark.parametrize("size", [20, 256])  # 20: the courses' batches
@pytest.mark.parametrize("name", SIZES)
def test_an_epoch_of_an_mlp(name, size, tmp_path):
    torch.set_num_threads(1)
    sizes = SIZES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's, of its own doing
        seconds = {"ours": [], "loader": [], "Lightning": []}
        for number in range(3):  # in turns, so that all meet the same machine; the first of each warms up
            seconds["ours"].append(ours(sizes, size, tmp_path / f"ours{number}"))
            seconds["loader"].append(loader(sizes, size))
            seconds["Lightning"].append(lightning(sizes, size, tmp_path / f"lightning{number}"))
    best = {who: min(times[1:]) for who, times in seconds.items()}
    pace = {who: f"{COUNT / one:,.0f} pictures/s" for who, one in best.items()}
    ratios = {who: f"{one / best['ours']:.2f}" for who, one in best.items()}
    print(f"\n{name}, batches of {size}, one core: {pace}; times ours: {ratios}")
    assert best["loader"] / best["ours"] > 0.9
    # Where batches are large and the network wide, arithmetic is nearly all, and it is the same arithmetic.
    assert best["Lightning"] / best["ours"] > (1.0 if (name, size) == ("784-512-256-10", 256) else 1.2)
