"""A training of a second or less, with all that makes resuming hard; as a script, one to be killed."""

from __future__ import annotations

import sys
import time
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dlgd.core.contract import Augmentation, Batch, Loss, Network, Output, Stream, Tracker
from dlgd.core.score import Score
from dlgd.training import checkpoint
from dlgd.training.loop import Result, fit
from dlgd.training.options import Options
from dlgd.training.schedulers import Constant
from dlgd.training.seeding import seed_everything

OPTIONS = Options(
    steps=12,
    epochs=None,
    minutes=None,
    batch_size=4,
    accumulate=1,
    clip_norm=None,
    l1=0.0,
    ema_decay=None,
    patience=None,
    validate_every=4,
    log_every=3,
    criteria=["loss"],
    checkpoint_minutes=60.0,
    amp=False,
    compile=False,
)
ADAM = {"kind": torch.optim.Adam, "lr": 1e-2}


class Convolutions(Network):
    """Batch norm and dropout: buffers that training changes, and random numbers that it draws."""

    def __init__(self, *, width: int = 4, norm: bool = True) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(1, width, 3, padding=1),
            nn.BatchNorm2d(width) if norm else nn.Identity(),
            nn.ReLU(),
            nn.Dropout(0.2 if norm else 0.0),
            nn.Conv2d(width, 1, 3, padding=1),
        )

    def forward(self, input):
        return Output(prediction=self.layers(input))


class Adversaries(Network):
    """Two players; `turns` notes what follows each yield."""

    def __init__(self) -> None:
        super().__init__()
        self.generator = Convolutions()
        self.discriminator = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 1, 3))
        self.turns = []

    def forward(self, input):
        return self.generator(input)

    def players(self):
        return {"discriminator": self.discriminator, "generator": self.generator}

    def objectives(self, batch, loss):
        made = self(batch.input).prediction
        penalty = nn.functional.softplus
        scores = self.discriminator(batch.target), self.discriminator(made.detach())
        yield "discriminator", penalty(-scores[0]).mean() + penalty(scores[1]).mean(), {}
        self.turns.append(("discriminator", [p.detach().clone() for p in self.discriminator.parameters()]))
        total, terms = loss(prediction=made, target=batch.target, mask=batch.mask)
        fooled = penalty(-self.discriminator(made)).mean()
        yield "generator", total + 0.1 * fooled, {**terms, "fooled": fooled.detach()}
        self.turns.append(("generator", []))


class SquaredError(Loss):
    def forward(self, *, prediction, target, mask):
        total = (prediction - target)[mask].square().mean()
        return total, {"mse": total.detach()}


class Fields(Stream):
    """Batches of smooth noise; `before` is called with the number of each batch."""

    steps_per_epoch = 5

    def __init__(self, *, seed: int = 0, size: int = 4, before=lambda step: None, scale: float = 1.0) -> None:
        self.seed, self.size, self.before, self.scale = seed, size, before, scale

    def batch(self, step):
        self.before(step)
        rng = np.random.default_rng((self.seed, step))
        input = torch.from_numpy(rng.standard_normal((self.size, 1, 8, 8), dtype=np.float32))
        target = self.scale * nn.functional.avg_pool2d(input, 3, 1, 1)
        return Batch(input=input, target=target, mask=torch.ones_like(target, dtype=torch.bool))


class Mirror(Augmentation):
    def __call__(self, batch, rng):
        if rng.random() < 0.5:
            return batch
        return replace(batch, input=batch.input.flip(-1), target=batch.target.flip(-1), mask=batch.mask.flip(-1))


class Memory(Tracker):
    run_id = None

    def __init__(self) -> None:
        self.rows = []

    def start(self, *, name, params, tags, run_id=None):
        pass

    def log(self, metrics, step):
        self.rows.append((step, dict(metrics)))

    def artifact(self, path, folder=""):
        pass

    def finish(self, status):
        pass


def held_out_loss(network):
    """The loss on a batch that is not trained on; draws random numbers, as an unkind validation might."""
    assert not network.training
    assert not torch.is_grad_enabled()
    torch.rand(3)
    batch = Fields(seed=99).batch(0)
    return {"loss": float((network(batch.input).prediction - batch.target).square().mean())}


def train(
    folder: Path,
    *,
    network: Network | None = None,
    stream: Stream | None = None,
    augmentation=None,
    optimizer=ADAM,
    scheduler=None,
    validate=held_out_loss,
    tracker: Tracker | None = None,
    seed: int = 0,
    resume: bool = False,
    device: str = "cpu",
    higher: Collection[str] = (),
    **changes,
) -> tuple[Result, Network]:
    """`fit` on a tiny problem; `changes` are of the options. With resume, from the folder's last checkpoint.

    higher: scores of which a higher one is better.
    """
    seed_everything(seed)
    options = replace(OPTIONS, **changes)
    network = Convolutions() if network is None else network
    network.to(device)
    arguments = {key: value for key, value in optimizer.items() if key != "kind"}
    optimizers = {name: optimizer["kind"](part.parameters(), **arguments) for name, part in network.players().items()}
    result = fit(
        network=network,
        loss=SquaredError(),
        stream=Fields() if stream is None else stream,
        augmentation=augmentation,
        optimizers=optimizers,
        scheduler=Constant() if scheduler is None else scheduler,
        validate=validate,
        tracker=Memory() if tracker is None else tracker,
        folder=folder,
        options=options,
        criteria=[Score(name, name, higher_is_better=name in higher) for name in options.criteria],
        patterns=[Score("of_*", "of a class", higher_is_better=False, in_table=False)],
        device=torch.device(device),
        seed=seed,
        config={"seed": seed},
        resume=checkpoint.load(checkpoint.last_path(folder)) if resume else None,
    )
    return result, network


def assert_same_weights(left: Network, right: Network) -> None:
    """Bit for bit, buffers included."""
    for (name, a), b in zip(left.state_dict().items(), right.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


LONG = {"steps": 60, "ema_decay": 0.9, "accumulate": 2, "checkpoint_minutes": 1e-9, "validate_every": 7}

if __name__ == "__main__":  # tiny_training.py FOLDER: a training slow enough to be killed at any moment
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    train(
        folder,
        stream=Fields(before=lambda step: time.sleep(0.005)),
        augmentation=Mirror(),
        resume=checkpoint.last_path(folder).exists(),
        **LONG,
    )
