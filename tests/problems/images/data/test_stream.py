"""Training batches of pictures: every picture once in an epoch, a step's batch from seed and step alone."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
import torch

from dlgd.core.contract import Batch, Stream
from dlgd.core.errors import Refusal
from dlgd.problems.images.data.stream import ImageStream
from tests.problems.images.data.small_digits import TASKS, encoded, tiny


def stream(task: str = "classify", *, batch_size: int = 8, seed: int = 0, halo: int = 0, **changes) -> Stream:
    return tiny(task=task, **changes).stream(halo=halo, batch_size=batch_size, seed=seed, device="cpu")


def numbered(count: int, batch_size: int, seed: int = 0) -> ImageStream:
    """Of pictures that hold their own number, as their labels do."""
    numbers = torch.arange(count)
    return ImageStream(
        images=numbers.float()[:, None, None, None].expand(count, 1, 2, 2),
        labels=numbers,
        make=lambda images, labels, generator: Batch(input=images, target=labels, mask=labels >= 0),
        draws=False,
        batch_size=batch_size,
        seed=seed,
    )


def same(one: Batch, other: Batch) -> bool:
    return all(
        tensor is None or torch.equal(tensor, other_tensor)
        for tensor, other_tensor in zip(vars(one).values(), vars(other).values(), strict=True)
    )


# --- order -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("count", "batch_size", "steps"), [(20, 5, 4), (23, 5, 4), (5, 5, 1), (7, 1, 7)])
def test_every_picture_once_in_an_epoch(count, batch_size, steps):
    """But for those that are left over at its end, which are others in each."""
    given = numbered(count, batch_size)
    assert given.steps_per_epoch == steps
    orders = []
    for epoch in range(6):
        batches = [given.batch(epoch * steps + place) for place in range(steps)]
        assert all(len(batch) == batch_size for batch in batches)
        assert all((batch.input == batch.target[:, None, None, None]).all() for batch in batches)
        order = torch.cat([batch.target for batch in batches]).tolist()
        assert len(set(order)) == steps * batch_size
        orders.append(order)
    assert all(one != other for one, other in pairwise(orders))
    assert set().union(*map(set, orders)) == set(range(count))


def test_orders_are_uniform():
    """Each picture comes first equally often."""
    first = [int(numbered(4, 4, seed).batch(0).target[0]) for seed in range(800)]
    counts = torch.bincount(torch.tensor(first), minlength=4)
    assert ((counts - 200).abs() < 50).all()  # four standard deviations


@pytest.mark.parametrize("task", TASKS)
def test_a_batch_depends_on_seed_and_step_alone(task):
    given = stream(task)
    torch.manual_seed(0)
    ninth = given.batch(9)
    for step in (0, 30, 8):
        given.batch(step)
    torch.manual_seed(1)
    assert same(given.batch(9), ninth), "whatever was asked for before, whatever torch's seed"
    assert same(stream(task).batch(9), ninth), "in another process, too"
    assert not same(stream(task, seed=1).batch(9), ninth)
    assert not same(given.batch(10), ninth)


def test_a_batch_larger_than_the_training_part():
    with pytest.raises(Refusal, match=r"training\.batch_size=61 is more than the 60 training samples"):
        stream(batch_size=61)
    assert len(stream(batch_size=60).batch(0)) == 60


# --- what a batch holds ------------------------------------------------------------------------------------


def whole(task: str, halo: int, **changes) -> Batch:
    source = tiny(task=task, **changes)
    return encoded(source, source.samples("train"), halo)


@pytest.mark.parametrize("halo", [0, 3])
@pytest.mark.parametrize(
    ("task", "binarize"),
    [("classify", "none"), ("reconstruct", "none"), ("reconstruct", "threshold"), ("generate", "none")],
)
def test_training_pictures_are_those_of_the_samples(task, binarize, halo):
    """Scaled and padded to the last bit as `encode` does."""
    everything = whole(task, halo, binarize=binarize)
    batch = stream(task, batch_size=60, halo=halo, binarize=binarize).batch(0)
    assert pairs(batch) == pairs(everything)
    assert len({given for given, _ in pairs(batch)}) == (10 if task == "generate" else 60)
    assert batch.mask.all()
    assert batch.mask.shape == batch.target.shape


def pairs(batch: Batch) -> set[tuple[bytes, bytes]]:
    """What is given and what should be answered, bit by bit."""
    return {(x.numpy().tobytes(), y.numpy().tobytes()) for x, y in zip(batch.input, batch.target, strict=True)}


def by_picture(batch: Batch, channel: int = 0) -> dict[bytes, torch.Tensor]:
    """What was given of each picture."""
    return {target.numpy().tobytes(): given[channel] for target, given in zip(batch.target, batch.input, strict=True)}


def test_noise_is_fresh_at_each_step():
    given = stream("denoise", batch_size=60, noise=0.2)
    one, two = given.batch(0), given.batch(1)
    first, second = by_picture(one), by_picture(two)
    assert first.keys() == second.keys() == by_picture(whole("denoise", 0)).keys()
    change = torch.stack([first[key] - second[key] for key in first])
    assert float(change.std()) == pytest.approx(0.2 * 2**0.5, rel=0.02)
    assert float((one.input - one.target).std()) == pytest.approx(0.2, rel=0.02)


@pytest.mark.parametrize("hidden", ["square", "pixels"])
def test_other_pixels_are_hidden_at_each_step(hidden):
    given = stream("inpaint", batch_size=60, halo=2, hidden=hidden)
    one, two = given.batch(0), given.batch(1)
    first, second = by_picture(one, channel=1), by_picture(two, channel=1)
    assert sum(torch.equal(first[key], second[key]) for key in first) < 10
    inner = one.input[..., 2:-2, 2:-2]
    assert torch.equal(inner[:, :1], one.target * inner[:, 1:])
    assert torch.equal(one.observed.float(), one.input[:, 1:])
    assert float(1 - inner[:, 1].mean()) == pytest.approx(0.25, abs=0.02)


@pytest.mark.parametrize("task", ["reconstruct", "generate"])
def test_black_and_white_is_drawn_anew_at_each_step(task):
    """The mean over many steps is the grey picture."""
    source = tiny(task=task)
    given = stream(task, batch_size=60, binarize="stochastic")
    total = torch.zeros(28, 28)
    for step in range(60):
        batch = given.batch(step)
        assert set(batch.target.unique().tolist()) == {0.0, 1.0}
        if task == "reconstruct":
            assert torch.equal(batch.input, batch.target)
        total += batch.target.mean(dim=(0, 1))
    grey = source.samples("train").intensity.values.mean(axis=0)
    assert abs(total.numpy() / 60 - grey).max() < 0.04
    assert not torch.allclose(given.batch(0).target.mean(dim=0), given.batch(1).target.mean(dim=0), atol=0.01)


# --- speed -------------------------------------------------------------------------------------------------


@pytest.mark.bench
def test_an_epoch_is_many_times_as_fast_as_a_data_loader():
    """torch's DataLoader with its default settings over the same tensors."""
    count, batch_size = 20_000, 64
    images, labels = torch.rand(count, 1, 28, 28), torch.randint(10, (count,))
    source = tiny()
    given = ImageStream(
        images=images,
        labels=labels,
        make=lambda x, y, generator: source.task.batch({"intensity": x, "label": y}, halo=0, classes=10),
        draws=False,
        batch_size=batch_size,
        seed=0,
    )
    loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(images, labels), batch_size, shuffle=True)

    def seconds(batches) -> float:
        start = time.perf_counter()
        for _ in batches:
            pass
        return time.perf_counter() - start

    ours = min(seconds(map(given.batch, range(given.steps_per_epoch))) for _ in range(3))
    theirs = min(seconds(loader) for _ in range(3))
    print(f"{count / ours:.0f} pictures per second, {theirs / ours:.1f} times as fast as a DataLoader")
    assert theirs > 5 * ours
