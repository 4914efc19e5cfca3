"""A person's own pictures: IDX files, one .npz file, or a folder of PNG and JPEG with a folder for each class.

Nothing in them is executed: an array of Python objects is refused. Pillow's limit against decompression bombs holds.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.problems.images.data import idx, image_files, own_arrays
from dlgd.problems.images.data.pictures import COLOURS

ALL = "all"  # the part of files that tell no training pictures from test pictures
PARTS = {"train": ("train",), "valid": ("valid", "val", "validation"), "test": ("test", "t10k")}  # names in files
EDGE = "edge"  # a statistic of training pictures: the mean brightness of their outermost pixels
SHOWN = 20  # names of classes in a line
REVERSED = 0.5  # of the full brightness, between the edges of pictures on black and of others on white
IDX_NAME = re.compile(r"(?P<part>.*?)[-_.]?(?P<what>images|labels)[-.]idx\d-ubyte(\.gz)?")
LAYOUTS = (
    "IDX files such as train-images-idx3-ubyte.gz and train-labels-idx1-ubyte.gz, one .npz file with x_train and "
    "y_train, or a folder of PNG or JPEG for each class"
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Part:
    """Pictures that belong together, such as those for training.

    path: where they lie. sources: of each picture, its file or array. opened: returns the picture of a source, in mode
    "L" or "RGB". labels: the class of each, in words; None if nothing tells. names: those of the files, if they are
    files.
    """

    path: Path
    sources: Sequence[Any]
    opened: Callable[[Any], Image.Image]
    labels: Sequence[str] | None
    names: Sequence[str] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Rows and columns of the first picture."""
        columns, rows = self.opened(self.sources[0]).size
        return rows, columns

    def images(self, *, size: tuple[int, int], coloured: bool, stretch: bool = True) -> np.ndarray:
        """Return all pictures, uint8 (sample, y, x), or (sample, y, x, colour).

        size: rows and columns. stretch: whether pictures of other sizes are stretched to it; else they are refused.
        """
        rows, columns = size
        found = np.empty((len(self.sources), rows, columns, *([len(COLOURS)] if coloured else [])), np.uint8)
        stretched = 0
        for number, source in enumerate(progress(self.sources, f"pictures of {self.path.name}")):
            image = self.opened(source)
            if image.size != (columns, rows) and not stretch:
                which = self.path if self.names is None else self.path / self.names[number]
                raise Refusal(
                    f"pictures differ in size ({which} has {image.height} x {image.width} pixels, the first "
                    f"{rows} x {columns}): type data.size=[{rows},{columns}], and all are stretched to it"
                )
            image = image.convert("RGB" if coloured else "L")
            if image.size != (columns, rows):
                image, stretched = image.resize((columns, rows), Image.Resampling.BILINEAR), stretched + 1
            found[number] = np.asarray(image)
        if stretched:
            log.info("%s: %d pictures of other sizes are stretched to %d x %d pixels", self.path, stretched, *size)
        return found


def are_pictures(path: Path) -> bool:
    """Return whether a path is what `find` reads, and not a NetCDF file."""
    return path.is_dir() or path.suffix.lower() in (".npz", *image_files.ENDINGS)


def find(path: Path, *, labelled: bool) -> dict[str, Part]:
    """Return the pictures of a file or folder: those of "train", "test" and perhaps "valid", or `ALL`.

    labelled: whether the class of each must be known. Refusal where the files are none of LAYOUTS, or damaged.
    """
    if not path.exists():
        raise Refusal(f"{path} is not there: give {LAYOUTS}")
    if path.is_file() and path.suffix.lower() == ".npz":
        return _npz(path, labelled=labelled)
    if path.is_file() and path.suffix.lower() in image_files.ENDINGS and not labelled:
        return {ALL: _files(path.parent, [path], None)}
    if not path.is_dir():
        raise Refusal(f"{path} is no set of pictures: give {LAYOUTS}")
    inside = sorted(one for one in path.iterdir() if not one.name.startswith("."))
    archives = [one for one in inside if one.suffix.lower() == ".npz"]
    if any(IDX_NAME.fullmatch(one.name) for one in inside):
        return _idx(path, [one for one in inside if IDX_NAME.fullmatch(one.name)], labelled=labelled)
    if len(archives) > 1:
        raise Refusal(f"{path} holds several .npz files: give the path of one")
    if archives:
        return _npz(archives[0], labelled=labelled)
    return _folders(path, labelled=labelled)


def to_predict(parts: Mapping[str, Part]) -> Part:
    """Return the part for which answers are asked: all, or what is there for test."""
    return next(parts[name] for name in (ALL, "test", "valid", "train") if name in parts)


def of_arrays(images: np.ndarray, labels: Sequence[str] | None, path: Path = Path("pictures")) -> Part:
    """Return the part of pictures uint8 (sample, y, x) or (sample, y, x, 3)."""
    return Part(path=path, sources=images, opened=Image.fromarray, labels=labels)  # type: ignore[arg-type]


def classes_of(parts: Mapping[str, Part]) -> tuple[str, ...]:
    """Return the names of the classes: whole numbers in their order, others in that of the alphabet."""
    names = {label for part in parts.values() for label in part.labels or ()}
    return tuple(sorted(names, key=(lambda name: int(name)) if all(map(str.isdecimal, names)) else None))


def numbers(path: Path, labels: Sequence[str], classes: Sequence[str]) -> np.ndarray:
    """Return the number of the class of each label, int64. Labels are names of classes, or else their numbers."""
    places = {name: number for number, name in enumerate(classes)}
    found = set(labels)
    if not found <= set(classes) and all(map(str.isdecimal, found)):
        places = {str(number): number for number in range(len(classes))}
    unknown = sorted(found - set(places))
    if unknown:
        raise Refusal(f"{path} has pictures of the class {unknown[0]}, which is none of {listed(classes)}")
    return np.array([places[label] for label in labels], np.int64)


def listed(classes: Sequence[str]) -> str:
    """Return the names of classes for a line of text, the first of them if they are many."""
    return ", ".join([*classes[:SHOWN], *(["..."] if len(classes) > SHOWN else [])])


def edge_brightness(images: np.ndarray) -> float:
    """Return the mean brightness of the outermost pixels of pictures uint8 (sample, y, x, ...), from 0 to 1."""
    edges = (images[:, 0], images[:, -1], images[:, :, 0], images[:, :, -1])
    return float(np.mean([edge.mean() for edge in edges]) / 255)


def tell_reversed(path: Path, images: np.ndarray, *, edge: float, hint: str) -> None:
    """Log a line where pictures are dark on white and those of the training white on black, or the other way round.

    edge: of the pictures of the training, their `edge_brightness`. hint: what to do about it.
    """
    own = edge_brightness(images)
    if abs(own - edge) > REVERSED:
        log.warning(
            "%s: these pictures seem to be the reverse of those of the training, as dark on white is of white on black "
            "(brightness of their edges %.2f, in training %.2f): %s",
            path, own, edge, hint,
        )  # fmt: skip


# --- layouts -----------------------------------------------------------------------------------------------


def _idx(folder: Path, files: Sequence[Path], *, labelled: bool) -> dict[str, Part]:
    found: dict[str, dict[str, Path]] = {}
    for file in files:
        match = IDX_NAME.fullmatch(file.name)
        assert match is not None
        found.setdefault(match["part"], {})[match["what"]] = file
    parts, sets = {}, set()
    for name, pair in found.items():
        start, _, end = name.rpartition("-")
        split = next((split for split, names in PARTS.items() if end in names), None)
        sets.add(start if split else name)
        if "images" not in pair:
            raise Refusal(f"{folder} has {pair['labels'].name} and no pictures for it: put its file of images there")
        parts[split or ALL] = _idx_part(pair["images"], pair.get("labels"), labelled=labelled)
    if len(sets) > 1:
        raise Refusal(f"{folder} holds several sets ({', '.join(sorted(sets))}): put the files of one into a folder")
    return _checked(folder, parts)


def _idx_part(images: Path, labels: Path | None, *, labelled: bool) -> Part:
    axes = 4 if "idx4" in images.name else 3
    pixels = own_arrays.as_bytes(images, "the array", idx.values(images, axes=axes))
    if labels is None and labelled:
        name = images.name.replace("images", "labels").replace(f"idx{axes}", "idx1")
        raise Refusal(f"{images} has no labels beside it: put {name} there")
    found = (
        None if labels is None else own_arrays.as_words(labels, "the array", idx.values(labels, axes=1), len(pixels))
    )
    return of_arrays(pixels, found, images)


def _npz(path: Path, *, labelled: bool) -> dict[str, Part]:
    arrays = own_arrays.load(path)
    names = {ALL: [("images", "labels"), ("x", "y")]}
    for split, aliases in PARTS.items():
        names[split] = [(f"x_{one}", f"y_{one}") for one in aliases]
        names[split] += [(f"{one}_images", f"{one}_labels") for one in aliases]
    parts = {}
    for split, pairs in names.items():
        for images, labels in pairs:
            if images in arrays:
                pixels = own_arrays.as_bytes(path, images, arrays[images])
                if labelled and labels not in arrays:
                    raise Refusal(f"{path} has {images} and no {labels}: add the class of each picture")
                found = own_arrays.as_words(path, labels, arrays[labels], len(pixels)) if labels in arrays else None
                parts[split] = of_arrays(pixels, found, path)
    if not parts:
        has = ", ".join(arrays) or "nothing"
        raise Refusal(f"{path} has {has}: name its arrays x_train and y_train, x_test and y_test, or images and labels")
    return _checked(path, parts)


def _folders(path: Path, *, labelled: bool) -> dict[str, Part]:
    own, inside = image_files.files_in(path), image_files.folders_in(path)
    if not inside and own and not labelled:
        return {ALL: _files(path, own, None)}
    if not inside or own:
        what = f"has pictures beside its folders ({own[0].name})" if inside else "has no folders of pictures"
        raise Refusal(f"{path} {what}: give {LAYOUTS}")
    splits = {next((split for split, names in PARTS.items() if one.name.lower() in names), None): one for one in inside}
    if "train" not in splits and "test" not in splits:
        return {ALL: _classes(path, inside)}
    if None in splits:
        raise Refusal(f"{path} has a folder {splits[None].name} beside train or test: move it into one of them")
    return _checked(path, {str(split): _classes(one, image_files.folders_in(one)) for split, one in splits.items()})


def _classes(path: Path, folders: Sequence[Path]) -> Part:
    files, labels = [], []
    for folder in folders:
        found = image_files.files_in(folder)
        if not found:
            raise Refusal(f"{folder} holds no PNG or JPEG: put pictures of the class {folder.name} there, or remove it")
        files += found
        labels += [folder.name] * len(found)
    if not files:
        raise Refusal(f"{path} has no folders of pictures: make one for each class, with its PNG or JPEG files")
    return _files(path, files, labels)


def _files(path: Path, files: Sequence[Path], labels: Sequence[str] | None) -> Part:
    names = [str(file.relative_to(path)) for file in files]
    return Part(path=path, sources=files, opened=image_files.opened, labels=labels, names=names)


# --- checks ------------------------------------------------------------------------------------------------


def _checked(path: Path, parts: dict[str, Part]) -> dict[str, Part]:
    if ALL in parts and len(parts) > 1:
        raise Refusal(f"{path} has pictures for {', '.join(SPLITS)} and others beside them: leave one of them out")
    for part in parts.values():
        if len(part.sources) == 0:
            raise Refusal(f"{part.path} holds no picture: put some there")
    return parts
