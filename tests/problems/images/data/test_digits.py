"""Pictures of digits and clothes: their splits, what each task makes of them, and back to probabilities and
pictures.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest
import torch
import xarray as xr
from scipy.special import softmax

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords
from dlgd.problems.images.data import digit_splits, idx
from dlgd.problems.images.data.digits import FullSet
from dlgd.problems.images.data.options import FullSetOptions
from dlgd.problems.images.data.tasks import Task
from tests.problems.images.data.small_digits import TASKS, encoded, make, read, tiny

SETS = ("mnist_5k", "mnist", "fashion_mnist")


def picture(samples: xr.Dataset, name: str) -> torch.Tensor:
    """(B, 1, Y, X)."""
    return torch.tensor(samples[name].values)[:, None]


# --- splits -------------------------------------------------------------------------------------------------


def test_mnist_5k_holds_real_digits():
    source = make()
    source.prepare()
    sizes = {"train": 4000, "valid": 500, "test": 500}
    seen = set()
    for split in SPLITS:
        samples = source.samples(split)
        assert samples.sizes == {"sample": sizes[split], "y": 28, "x": 28}
        assert (np.bincount(samples.label.values) == sizes[split] / 10).all(), "as many of each digit"
        assert samples.intensity.dtype == np.float32
        assert samples.intensity.values.min() == 0
        assert samples.intensity.values.max() == 1
        seen |= {picture.tobytes() for picture in samples.intensity.values}
    assert len(seen) == 5000, "no picture in two splits"
    train, test = source.samples("train"), source.samples("test")
    means = np.stack([train.intensity.values[train.label.values == digit].mean(axis=0) for digit in range(10)])
    distance = ((test.intensity.values[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distance.argmin(axis=1) == test.label.values).mean() > 0.75, "pictures and labels belong together"


def test_sizes_of_mnist_5k():
    source = make(samples={"train": 95, "valid": 10, "test": 20})
    for split, size in source.options.samples.items():
        samples = source.samples(split)
        assert samples.sizes["sample"] == size
        assert set(np.bincount(samples.label.values)) <= {size // 10 - 1, size // 10, size // 10 + 1}


def test_the_seed_draws_the_parts():
    def labels(seed: int) -> list[int]:
        return make(seed=seed).samples("valid").label.values.tolist()

    assert labels(0) == labels(0) != labels(1)


@pytest.mark.parametrize("counts", [[50] * 10, [5, 80, 200, 13]])
def test_stratified(counts):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(counts)), counts))
    total = len(labels)
    splits = digit_splits.stratified(labels, (total // 2, total // 4), seed=0)
    assert [len(split) for split in splits] == [total // 2, total // 4]
    assert len(np.unique(np.concatenate(splits))) == total // 2 + total // 4
    for split in splits:
        expected = np.array(counts) * len(split) / total
        assert np.abs(np.bincount(labels[split], minlength=len(counts)) - expected).max() <= 1.01
    assert not np.array_equal(np.sort(splits[0]), np.sort(digit_splits.stratified(labels, (total // 2,), seed=1)[0]))


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[type[FullSet], Path]:
    """A data set as large as MNIST in files, with random labels; the first three pixels of each picture number it."""
    folder, rng = tmp_path_factory.mktemp("whole"), np.random.default_rng(0)
    digests = {}
    for split, count in (("train", 60_000), ("test", 10_000)):
        images = np.zeros((count, 28, 28), np.uint8)
        images[:, 0, :3] = np.arange(count)[:, None] // [65536, 256, 1] % 256
        for name, array in zip(idx.FILES[split], (images, rng.integers(10, size=count, dtype=np.uint8)), strict=True):
            content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
            (folder / name).write_bytes(content)
            digests[name] = hashlib.sha256(content).hexdigest()

    @from_keywords(FullSetOptions)
    class Numbered(FullSet):
        collection = idx.Collection(
            name="numbered", classes=tuple("0123456789"), counts=idx.MNIST.counts, contents=digests, archives={}
        )

    return Numbered, folder


@pytest.mark.parametrize(
    ("split", "train", "valid"),
    [
        ("honest", 55_000, 5_000),
        ("courses_6000", 6_000, 12_000),
        ("courses_48000", 48_000, 12_000),
        ("courses_9600", 9_600, 2_400),
    ],
)
def test_splits_of_a_whole_set(split, train, valid, whole):
    kind, folder = whole
    _, options = read("mnist")
    source = kind(**(options | {"name": "numbered", "path": str(folder), "split": split}))
    source.prepare()
    assert [len(source._splits[split].labels) for split in SPLITS] == [train, valid, 10_000]

    def numbers(split: str) -> np.ndarray:
        return source._splits[split].images[:, 0, :3] @ np.array([65536, 256, 1])

    assert len(set(numbers("train")) | set(numbers("valid"))) == train + valid
    assert np.array_equal(numbers("test"), np.arange(10_000)), "the official test split, in its order"


# --- what is known before any work -------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
def test_specs(name):
    """Without a file, and the same of the small version."""
    classes = make(name).classes
    assert len(classes) == 10
    assert classes[0] == ("T-shirt/top" if name == "fashion_mnist" else "0")
    expected = {
        "classify": ("label", ("intensity",), classes),
        "reconstruct": ("field", ("intensity",), ("intensity",)),
        "denoise": ("field", ("given",), ("intensity",)),
        "inpaint": ("field", ("given", "observed"), ("intensity",)),
        "generate": ("generated", classes, ("intensity",)),
    }
    for task in TASKS:
        spec = make(name, task=task).spec
        assert (spec.kind, spec.input_channels, spec.output_channels) == expected[task]
        assert spec.name == name
        assert spec.grid == (28, 28)
        assert spec.whole
        assert spec.bounds == (None if task == "classify" else (0, 1))
        assert tiny(name, task=task).spec == spec
        make(name, task=task).check()


@pytest.mark.parametrize(
    ("name", "changes", "words"),
    [
        ("mnist_5k", {"task": "guess"}, "data.task=guess is unknown: choose one of classify, reconstruct, denoise, in"),
        ("mnist_5k", {"hidden": "disc"}, "data.hidden=disc is unknown: choose one of square, pixels"),
        ("mnist_5k", {"hidden_share": 0.0}, "data.hidden_share=0.0 must be a number above 0 and below 1"),
        ("mnist_5k", {"hidden_share": 1.0}, "data.hidden_share=1.0 must be a number above 0 and below 1"),
        ("mnist_5k", {"noise": 0.0}, "data.noise=0.0 must be a number above 0"),
        ("mnist_5k", {"binarize": "half"}, "data.binarize=half is unknown: choose one of none, threshold"),
        (
            "mnist_5k",
            {"binarize": "threshold"},
            "data.binarize=threshold is for data.task=reconstruct or generate",
        ),
        ("mnist_5k", {"task": "denoise", "binarize": "stochastic"}, "not denoise: type data.binarize=none"),
        ("mnist_5k", {"seed": -1}, "data.seed=-1 must be a whole number of at least 0"),
        ("mnist_5k", {"samples": {"train": 10, "valid": 10}}, "data.samples must give a positive number for each of"),
        ("mnist_5k", {"samples": {"train": 10, "valid": 0, "test": 1}}, "data.samples must give a positive number"),
        ("mnist_5k", {"samples": {"train": 5000, "valid": 1, "test": 1}}, "asks for 5002 samples in all.*5000"),
        ("mnist", {"split": "fair"}, "data.split=fair is unknown: choose one of honest, courses_6000, courses_48000"),
        ("mnist", {"url": "here"}, "data.url=here must begin with http:// or https://"),
        ("mnist", {"path": "nowhere"}, "data.path=nowhere is not a folder: put .* or type data=mnist_5k"),
    ],
)
def test_refusals(name, changes, words):
    with pytest.raises(Refusal, match=words) as caught:
        make(name, **changes).prepare()
    assert "\n" not in str(caught.value)


# --- samples -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("task", TASKS)
def test_samples(name, task):
    source = tiny(name, task=task)
    for split, size in (("train", 60), ("valid", 20), ("test", 20)):
        samples = source.samples(split)
        wanted = {"intensity", "label", "given", "observed"} & {"intensity", "label", *source.task.input}
        known = {"train_intensity"} if (task, split) == ("generate", "test") else set()
        assert set(samples) == wanted | known
        assert samples.intensity.sizes == {"sample": size, "y": 28, "x": 28}
        assert samples.attrs == {"classes": ",".join(source.classes), "task": task, "name": name}
        assert samples.label.dtype == np.int64
        assert samples.intensity.dtype == np.float32
        assert samples.intensity.values.min() >= 0
        assert samples.intensity.values.max() <= 1
        xr.testing.assert_identical(samples, source.samples(split))
        xr.testing.assert_identical(samples, make(name, task=task).tiny().samples(split))


def test_checksums():
    first = tiny().checksum()
    assert first == make().tiny().checksum()
    others = [tiny(seed=1), tiny(task="denoise"), tiny(task="denoise", noise=0.5), tiny(task="inpaint")]
    assert len({first, *(other.checksum() for other in others)}) == 5


def test_noise():
    samples = make(task="denoise", noise=0.4).samples("test")
    noise = (samples.given - samples.intensity).values
    assert noise.std() == pytest.approx(0.4, rel=0.01)
    assert abs(noise.mean()) < 0.005
    assert abs(np.corrcoef(noise[0].ravel(), noise[1].ravel())[0, 1]) < 0.15


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("hidden", ["square", "pixels"])
def test_hidden_pixels(hidden, share):
    samples = make(task="inpaint", hidden=hidden, hidden_share=share).samples("test")
    lost = ~samples.observed.values
    assert lost.mean() == pytest.approx(share, rel=0.06)
    np.testing.assert_array_equal(samples.given.values, np.where(lost, 0, samples.intensity.values))
    assert not np.array_equal(lost[0], lost[1])
    if hidden == "square":
        side = round(28 * share**0.5)
        corners = set()
        for one in lost:
            rows, columns = one.any(axis=1).nonzero()[0], one.any(axis=0).nonzero()[0]
            corners.add((rows[0], columns[0]))
            assert len(rows) == len(columns) == side
            assert one[rows[0] : rows[0] + side, columns[0] : columns[0] + side].all()
        for axis in range(2):
            assert {corner[axis] for corner in corners} == set(range(28 - side + 1)), "it may lie anywhere"
    else:
        assert lost.mean(axis=0).std() == pytest.approx(np.sqrt(share * (1 - share) / 500), rel=0.1)


@pytest.mark.parametrize("task", ["reconstruct", "generate"])
def test_black_and_white(task):
    grey = make(task=task).samples("test").intensity.values
    sharp = make(task=task, binarize="threshold").samples("test").intensity.values
    np.testing.assert_array_equal(sharp, grey >= 0.5)
    drawn = make(task=task, binarize="stochastic").samples("test").intensity.values
    assert set(np.unique(drawn)) == {0, 1}
    assert (drawn[grey == 0] == 0).all()
    assert (drawn[grey == 1] == 1).all()
    for low in (0.2, 0.5, 0.8):
        some = (grey > low) & (grey < low + 0.1)
        assert drawn[some].mean() == pytest.approx(grey[some].mean(), abs=0.02)


def test_parts_have_noise_of_their_own():
    source = tiny(task="denoise")
    noises = [(source.samples(split).given - source.samples(split).intensity).values[:20] for split in SPLITS]
    assert not np.allclose(noises[0], noises[1])
    assert not np.allclose(noises[1], noises[2])


# --- tensors -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("halo", [0, 2])
@pytest.mark.parametrize("task", TASKS)
def test_encoded(task, halo):
    source = tiny(task=task)
    samples = source.samples("test")
    batch = encoded(source, samples, halo)
    assert batch.mask.all()
    assert batch.mask.shape == batch.target.shape
    assert batch.input.dtype == torch.float32
    if task == "classify":
        assert torch.equal(batch.target, torch.tensor(samples.label.values))
    else:
        assert torch.equal(batch.target, picture(samples, "intensity"))
    if task == "generate":
        assert torch.equal(batch.input, torch.eye(10)[samples.label.values])
        return
    inner = batch.input[..., halo : 28 + halo, halo : 28 + halo]
    assert batch.input.shape == (20, len(source.spec.input_channels), 28 + 2 * halo, 28 + 2 * halo)
    if task == "classify":
        pixels = source.samples("train").intensity.values.astype(float)
        expected = (picture(samples, "intensity").double() - pixels.mean()) / pixels.std()
        torch.testing.assert_close(inner.double(), expected, rtol=0, atol=1e-5)
        assert batch.input.min() == pytest.approx(-pixels.mean() / pixels.std(), rel=1e-5)
        around = float(inner.min())
    else:
        expected = torch.cat([picture(samples, name).float() for name in source.spec.input_channels], dim=1)
        assert torch.equal(inner, expected)
        around = 0.0
    assert float(batch.input.double().sum()) == pytest.approx(
        float(inner.double().sum()) + around * (batch.input.numel() - inner.numel()), rel=1e-4
    )
    if task == "inpaint":
        assert batch.observed.dtype == torch.bool
        assert torch.equal(batch.observed.float(), batch.input[:, 1:])
    else:
        assert batch.observed is None


def test_many_samples_come_in_several_batches_in_order():
    source = make()
    samples = source.samples("train")
    batches = list(source.encode(samples, halo=0, device="cpu"))
    assert len(batches) == 8
    assert torch.equal(torch.cat([batch.target for batch in batches]), torch.tensor(samples.label.values))


@pytest.mark.parametrize("task", TASKS)
def test_without_a_truth_the_target_is_zero(task):
    source = tiny(task=task)
    samples = source.samples("test")[list(source.task.input)]
    batch = encoded(source, samples)
    whole = encoded(source, source.samples("test"))
    assert torch.equal(batch.input, whole.input)
    if task != "reconstruct":
        assert (batch.target == 0).all()
    assert batch.target.shape == whole.target.shape


def test_statistics():
    source = make()
    source.prepare()
    pixels = source.samples("train").intensity.values.astype(float)
    assert source.statistics == pytest.approx({"mean": pixels.mean(), "std": pixels.std()}, rel=1e-6)
    assert tiny(task="reconstruct").statistics == {}
    other = tiny()
    fresh = make().tiny()
    fresh.use_statistics({"mean": 0.5, "std": 2.0})
    samples = other.samples("test")
    torch.testing.assert_close(encoded(fresh, samples).input, (picture(samples, "intensity") - 0.5) / 2)
    fresh.prepare()
    assert fresh.statistics == {"mean": 0.5, "std": 2.0}, "those of the checkpoint stay"
    with pytest.raises(Refusal, match="not trained to classify"):
        fresh.use_statistics({})


def test_back_to_chances_and_pictures():
    logits = torch.randn(7, 10, generator=torch.Generator().manual_seed(0))
    np.testing.assert_allclose(tiny().to_physical(logits, None), softmax(logits.double().numpy(), axis=1), rtol=1e-12)
    fields = 2 * torch.randn(7, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    for task in TASKS[1:]:
        answer = tiny(task=task).to_physical(fields, None)
        np.testing.assert_array_equal(answer, fields[:, 0].numpy())


@pytest.mark.parametrize("task", TASKS[1:4])
def test_a_perfect_prediction_is_the_truth(task):
    source = tiny(task=task)
    samples = source.samples("test")
    np.testing.assert_array_equal(source.to_physical(encoded(source, samples).target, samples), samples.intensity)


# --- the small version -------------------------------------------------------------------------------------


def test_drawn_digits_differ():
    """By the nearest mean picture of the training split, though they are moved, turned and thick or thin."""
    source = tiny()
    train, test = source.samples("train"), source.samples("test")
    means = np.stack([train.intensity.values[train.label.values == digit].mean(axis=0) for digit in range(10)])
    distance = ((test.intensity.values[:, None] - means) ** 2).sum(axis=(2, 3))
    assert (distance.argmin(axis=1) == test.label.values).mean() > 0.6
    everything = np.concatenate([source.samples(split).intensity.values for split in SPLITS])
    assert len(np.unique(everything.reshape(100, -1), axis=0)) == 100
    assert (everything.max(axis=(1, 2)) == 1).all()
    assert everything[:, [0, -1]].max() == everything[..., [0, -1]].max() == 0, "nothing touches the edge"


def test_a_task_draws_only_where_it_must():
    never, always = [("classify", "none"), ("generate", "threshold")], [("inpaint", "none"), ("generate", "stochastic")]
    for name, binarize in never + always:
        task = Task(name=name, noise=0.1, hidden="square", hidden_share=0.2, binarize=binarize)
        generator = torch.Generator().manual_seed(3)
        before = generator.get_state()
        task.changed(torch.rand(2, 1, 28, 28), generator)
        assert task.draws == ((name, binarize) in always) == (not torch.equal(before, generator.get_state()))
