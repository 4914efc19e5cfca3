"""Pictures of one's own: the same from any layout of files, and refused in a sentence where they are wrong."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.problems.images.data.own_pictures import OwnPictures
from dlgd.problems.images.methods.classifiers import NearestCentroid
from dlgd.problems.images.scores.classification import ClassificationEvaluation
from tests.configs.config_files import compose
from tests.problems.images.data.own_layouts import as_idx, as_npz, as_png, digits, write_idx
from tests.problems.images.data.small_digits import TASKS, encoded


def own(path: Path | str | None, **changes) -> OwnPictures:
    """That of conf/data/pictures.yaml."""
    from omegaconf import OmegaConf

    options = OmegaConf.to_container(compose("config", "data=pictures").data, resolve=True)
    options.pop("_target_")
    return OwnPictures(**(options | {"path": None if path is None else str(path)} | changes))


@pytest.fixture
def png(tmp_path) -> Path:
    return as_png(tmp_path / "png", *digits())


# --- layouts -----------------------------------------------------------------------------------------------


def written(layout: str, folder: Path, images: np.ndarray, labels: np.ndarray) -> Path:
    shuffled = np.random.default_rng(3).permutation(len(labels))
    match layout:
        case "idx":
            return as_idx(folder, images, labels, part="all")
        case "idx.gz":
            return as_idx(folder, images[shuffled], labels[shuffled], part="kuzushiji", ending=".gz")
        case "npz":
            return as_npz(folder / "mine.npz", images=images[shuffled], labels=labels[shuffled][:, None])
        case "npz of floats":
            return as_npz(folder / "mine.npz", x=images[..., None] / np.float32(255), y=labels.astype(float)).parent
    return as_png(folder, images[shuffled], labels[shuffled])


def score(source: OwnPictures) -> dict[str, float]:
    method = NearestCentroid()
    method.fit(source.samples("train"))
    test = source.samples("test")
    return ClassificationEvaluation().scores(test, method.predict(test))


@pytest.mark.parametrize("layout", ["idx", "idx.gz", "npz", "npz of floats", "png"])
def test_any_layout_gives_the_same_samples_and_scores(tmp_path, layout):
    images, labels = digits()
    reference = own(written("idx", tmp_path / "reference", images, labels))
    source = own(written(layout, tmp_path / "own", images, labels))
    assert source.spec == reference.spec
    assert source.classes == tuple("0123456789")
    assert source.checksum() == reference.checksum()
    assert [source.samples(split).sizes["sample"] for split in SPLITS] == [96, 12, 12]
    for split in SPLITS:
        assert source.samples(split).identical(reference.samples(split))
    assert score(source) == score(reference)
    seen = np.concatenate([source.samples(split).intensity.values for split in SPLITS])
    assert {one.tobytes() for one in np.round(255 * seen).astype(np.uint8)} == {one.tobytes() for one in images}


@pytest.mark.parametrize("layout", ["idx", "npz", "medmnist", "png"])
def test_what_is_named_test_stays_test(tmp_path, layout):
    (images, labels), folder = digits(), tmp_path / "own"
    train, test = (images[:90], labels[:90]), (images[90:], labels[90:])
    match layout:
        case "idx":
            as_idx(folder, *train, part="emnist-digits-train", ending=".gz")
            as_idx(folder, *test, part="emnist-digits-test", ending=".gz")
        case "npz":
            folder = as_npz(folder / "a.npz", x_train=train[0], y_train=train[1], x_test=test[0], y_test=test[1])
        case "medmnist":
            arrays = {"train_images": train[0], "train_labels": train[1][:, None]}
            folder = as_npz(folder / "a.npz", **arrays, test_images=test[0], test_labels=test[1][:, None])
        case "png":
            as_png(folder / "train", *train)
            as_png(folder / "test", *test)
    source = own(folder, shares={"train": 8, "valid": 1, "test": 1})
    assert [source.samples(split).sizes["sample"] for split in SPLITS] == [80, 10, 30]
    found = np.round(255 * source.samples("test").intensity.values).astype(np.uint8)
    assert {one.tobytes() for one in found} == {one.tobytes() for one in images[90:]}


def test_the_splits_are_drawn_by_the_seed(png):
    def train(seed: int) -> np.ndarray:
        return own(png, seed=seed).samples("train").intensity.values

    assert np.array_equal(train(1), train(1))
    assert not np.array_equal(train(0), train(1))
    sizes = own(png, shares={"train": 0.5, "valid": 0.25, "test": 0.25})
    assert [sizes.samples(split).sizes["sample"] for split in SPLITS] == [60, 30, 30]


def test_names_of_classes(tmp_path):
    images, labels = digits()
    letters = np.array(list("zyxwvutsrq"))[labels]
    source = own(as_npz(tmp_path / "a.npz", images=images, labels=letters))
    assert source.classes == tuple("qrstuvwxyz")
    numbered = own(as_idx(tmp_path / "idx", images, labels + 1))
    assert numbered.classes == tuple(map(str, range(1, 11))), "as EMNIST counts its letters, and in order"
    named = own(as_idx(tmp_path / "idx0", images, labels), classes=list("abcdefghij"))
    assert named.classes == tuple("abcdefghij")
    assert np.array_equal(named.samples("test").label, own(tmp_path / "idx0").samples("test").label)


@pytest.mark.parametrize("task", TASKS)
def test_each_task_and_any_size(tmp_path, task):
    images, labels = digits()
    few = labels < 3
    source = own(as_png(tmp_path / "own", images[few][:, 2:26, 4:24], labels[few]), task=task)
    assert source.spec.grid == source.tiny().spec.grid == (24, 20)
    assert source.spec == source.tiny().spec
    batch = encoded(source, source.samples("test"), halo=2 if task in ("denoise", "inpaint") else 0)
    assert len(batch) == source.samples("test").sizes["sample"] > 0
    stream = source.stream(halo=0, batch_size=4, seed=0, device="cpu")
    assert torch.isfinite(stream.batch(0).input).all()


def test_coloured_pictures(tmp_path):
    images, labels = digits()
    rgb = np.stack([images, images // 2, np.zeros_like(images)], axis=-1)
    sources = [
        own(as_png(tmp_path / "png", rgb, labels), coloured=True),
        own(as_npz(tmp_path / "a.npz", images=rgb, labels=labels), coloured=True),
        own(as_idx(tmp_path / "idx", rgb, labels), coloured=True),
    ]
    for source in sources:
        assert source.spec.input_channels == ("red", "green", "blue")
        assert source.spec.input_slice("intensity") == slice(0, 3)
        test = source.samples("test")
        assert test.intensity.dims == ("sample", "y", "x", "colour")
        assert source.checksum() == sources[0].checksum()
    batch = encoded(sources[0], test)
    assert batch.input.shape == (12, 3, 28, 28)
    scaled = (test.intensity.values - source.statistics["mean"]) / source.statistics["std"]
    np.testing.assert_allclose(batch.input[:, 1], scaled[..., 1], rtol=1e-5)
    grey = np.concatenate([own(tmp_path / "a.npz").samples(split).intensity for split in SPLITS])
    shown = np.concatenate([source.samples(split).intensity for split in SPLITS]) @ [0.299, 0.587, 0.114]
    assert sorted(grey.mean(axis=(1, 2))) == pytest.approx(sorted(shown.mean(axis=(1, 2))), abs=0.005)
    with pytest.raises(Refusal, match=r"type data\.coloured=false"):
        own(tmp_path / "a.npz", coloured=True, task="reconstruct").check()


def test_turned_round(tmp_path, caplog):
    images, labels = digits()
    plain = own(as_png(tmp_path / "plain", images, labels))
    with caplog.at_level(logging.INFO):
        plain.prepare()
    assert "28 x 28 pixels in 10 classes: 0, 1, 2" in caplog.text
    assert "dark on white" not in caplog.text
    dark = as_png(tmp_path / "dark", 255 - images.swapaxes(1, 2), labels)
    own(dark).prepare()
    assert "dark on white" in caplog.text
    assert "data.invert=true" in caplog.text
    again = own(dark, invert=True, transpose=True)
    assert {one.tobytes() for one in again.samples("train").intensity.values} | {
        one.tobytes() for one in again.samples("test").intensity.values
    } <= {np.float32(one / np.float32(255)).tobytes() for one in images}
    caplog.clear()
    other = own(dark, classes=list(plain.classes))
    other.use_statistics(plain.statistics)
    other.prepare()
    assert "reverse of those of the training" in caplog.text


def test_other_forms_of_png(tmp_path):
    """16 bits, transparency on white, palettes and one bit are what a viewer shows."""
    values = np.linspace(0, 65535, 16).reshape(4, 4)
    grey = np.round(values / 257).astype(np.uint8)
    ink = np.zeros((4, 4, 2), np.uint8)
    ink[..., 1] = 255 - grey  # black, and the less opaque the brighter
    pictures = {
        "a": Image.fromarray(values.astype(np.uint16)),
        "b": Image.merge("LA", [Image.fromarray(one) for one in np.moveaxis(ink, 2, 0).copy()]),
        "c": Image.fromarray(grey).convert("P"),
    }
    for name, picture in pictures.items():
        (tmp_path / name).mkdir()
        for number in range(3):
            picture.save(tmp_path / name / f"{number}.png")
    seen = own(tmp_path).samples("train").intensity.values
    assert np.abs(seen - grey / 255).max() < 1.5 / 255


# --- runs without the files ----------------------------------------------------------------------------------


def test_a_run_needs_no_files(png, tmp_path):
    source = own(png)
    assert source.found_options == {"classes": list("0123456789"), "size": [28, 28]}
    source.prepare()
    elsewhere = own(tmp_path / "nowhere", **source.found_options)
    elsewhere.use_statistics(source.statistics)
    assert elsewhere.spec == source.spec == elsewhere.tiny().spec
    found = elsewhere.read(png)
    assert found.sizes["sample"] == 120


def test_pictures_to_predict(png, tmp_path, caplog):
    images, labels = digits()
    source = own(png)
    source.prepare()
    (tmp_path / "mine").mkdir()
    Image.fromarray(images[0]).save(tmp_path / "mine" / "one.png")
    Image.fromarray(images[1]).resize((56, 56)).save(tmp_path / "mine" / "two.PNG")
    with caplog.at_level(logging.INFO):
        found = source.read(tmp_path / "mine")
    assert found.file.values.tolist() == ["one.png", "two.PNG"]
    assert "label" not in found
    np.testing.assert_array_equal(found.intensity[0], images[0] / np.float32(255))
    assert "1 pictures of other sizes are stretched to 28 x 28 pixels" in caplog.text
    assert source.read(tmp_path / "mine" / "one.png").sizes["sample"] == 1
    assert source.read(png).label.values.tolist() == sorted(labels.tolist())
    caplog.clear()
    reverse = as_npz(tmp_path / "r.npz", images=255 - images)
    assert "label" not in source.read(reverse)
    assert "reverse of those of the training" in caplog.text
    assert caplog.text.rstrip().endswith("type data.invert=true")
    from tests.problems.images.data.small_digits import tiny

    assert tiny().read(tmp_path / "mine").sizes == {"sample": 2, "y": 28, "x": 28}, "of data=mnist_5k as well"
    assert set(tiny(task="denoise").read(tmp_path / "mine")) == {"given"}
    with pytest.raises(Refusal, match=r"data\.task=inpaint needs more: give a NetCDF file"):
        tiny(task="inpaint").read(tmp_path / "mine")


# --- what is wrong -------------------------------------------------------------------------------------------


def damaged(what: str, folder: Path) -> Path:
    images, labels = digits()
    match what:
        case "nowhere":
            return folder / "nowhere"
        case "text":
            (folder / "a.txt").write_text("text")
            return folder / "a.txt"
        case "empty folder":
            return folder
        case "no labels":
            write_idx(folder / "train-images-idx3-ubyte", images)
        case "no images":
            write_idx(folder / "train-labels-idx1-ubyte", labels)
        case "fewer labels":
            as_idx(folder, images, labels[:-1])
        case "truncated idx":
            path = write_idx(as_idx(folder, images, labels) / "train-images-idx3-ubyte", images)
            path.write_bytes(path.read_bytes()[:-5])
        case "truncated gz":
            path = write_idx(as_idx(folder, images, labels, ending=".gz") / "train-images-idx3-ubyte.gz", images)
            path.write_bytes(path.read_bytes()[:-50])
        case "two sets":
            as_idx(folder, images, labels, part="emnist-letters-train")
            as_idx(folder, images, labels, part="emnist-digits-train")
        case "objects":
            return as_npz(folder / "a.npz", images=np.array([{}, None], object), labels=labels)
        case "npz names":
            return as_npz(folder / "a.npz", pictures=images)
        case "npz labels":
            return as_npz(folder / "a.npz", images=images)
        case "npz range":
            return as_npz(folder / "a.npz", images=images / 16.0, labels=labels)
        case "npz shape":
            return as_npz(folder / "a.npz", images=images.reshape(len(images), -1), labels=labels)
        case "npz text":
            return as_npz(folder / "a.npz", images=images.astype(str), labels=labels)
        case "truncated npz":
            path = as_npz(folder / "a.npz", images=images, labels=labels)
            path.write_bytes(path.read_bytes()[:-500])
            return path
        case "sizes":
            Image.fromarray(images[0][:20]).save(as_png(folder, images, labels) / "3" / "small.png")
        case "truncated png":
            path = next((as_png(folder, images, labels) / "3").iterdir())
            path.write_bytes(path.read_bytes()[:-60])
        case "no png":
            (as_png(folder, images, labels) / "3" / "a.png").write_text("text")
        case "empty class":
            (as_png(folder, images, labels) / "cat").mkdir()
        case "stray":
            Image.fromarray(images[0]).save(as_png(folder, images, labels) / "stray.png")
        case "few":
            as_png(folder, images[:4], labels[:4])
        case "comma":
            as_png(folder, images, np.where(labels == 3, "3,5", labels.astype(str)))
        case "only test":
            as_png(folder / "test", images, labels)
        case "bomb":
            as_png(folder, images, labels)
            Image.new("1", (20_000, 10_000)).save(folder / "0" / "0000.png")
    return folder


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("nowhere", "path=.*nowhere is not there: type data.path=<folder or file>"),
        ("text", "a.txt is no set of pictures: give IDX files"),
        ("empty folder", "has no folders of pictures: give IDX files"),
        ("no labels", "has no labels beside it: put train-labels-idx1-ubyte there"),
        ("no images", "has train-labels-idx1-ubyte and no pictures for it"),
        ("fewer labels", r"has shape \(119,\) for 120 pictures: give one label for each"),
        ("truncated idx", "is truncated: it has"),
        ("truncated gz", "is truncated"),
        ("two sets", "holds several sets .emnist-digits, emnist-letters.: put the files of one into a folder"),
        ("objects", "cannot be read .Object arrays cannot be loaded.*: write arrays of numbers"),
        ("npz names", "a.npz has pictures: name its arrays x_train"),
        ("npz labels", "has images and no labels: add the class of each picture"),
        ("npz range", "must hold whole numbers from 0 to 255, or others from 0 to 1"),
        ("npz shape", r"images in .* has shape \(120, 784\): \(sample, y, x\)"),
        ("npz text", "must hold numbers, not <U"),
        ("truncated npz", "a.npz is damaged or no .npz file"),
        ("sizes", r"small.png has 20 x 28 pixels, the first 28 x 28\): type data.size=\[28,28\]"),
        ("truncated png", "png is truncated or damaged"),
        ("no png", "a.png is no PNG or JPEG, or damaged"),
        ("empty class", "cat holds no PNG or JPEG: put pictures of the class cat there, or remove it"),
        ("stray", r"has pictures beside its folders \(stray.png\)"),
        ("few", "data.shares gives valid none of the 4 pictures"),
        ("comma", "the class 3,5 in .* has a comma"),
        ("only test", "has no pictures to train on: name one part of them train"),
        ("bomb", "0000.png has more pixels than are opened safely: make it smaller"),
    ],
)
def test_what_is_wrong(what, words, tmp_path):
    source = own(damaged(what, tmp_path))
    with pytest.raises(Refusal, match=words) as caught:
        source.prepare()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"path": None}, "data=pictures needs a path: type path=<folder or file>"),
        ({"classes": ["0", "1"]}, "pictures of the class 2, which is none of 0, 1"),
        ({"classes": [*"0123456789", "ten"]}, "no training picture is of the class ten: add some, or leave it out"),
        ({"classes": ["a", "a"]}, "data.classes must be different names"),
        ({"size": [28]}, "data.size has 1 numbers: type rows and columns"),
        ({"size": [0, 28]}, "data.size=.* must be a list of whole numbers of at least 1"),
        ({"shares": {"train": 1}}, "data.shares must give a number for each of train, valid, test"),
        ({"shares": {"train": 1, "valid": 0, "test": 1}}, "data.shares.valid=0 must be a number above 0"),
        ({"invert": "yes"}, "data.invert=yes must be true or false"),
    ],
)
def test_options_that_cannot_work(png, changes, words):
    with pytest.raises(Refusal, match=words):
        own(**({"path": png} | changes)).prepare()
