"""What data=nemovar_files cannot read is refused in one sentence that names the file, or the option."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from dlgd.problems.normalization.data.processed_npz import read_statistics
from tests.problems.normalization.report_files import (
    refused,
    simulated,
    source,
    write_processed,
)

X, Y = Path("train/X/id0.npz"), Path("train/Y/id0_norm_coeffs.npz")


# --- options -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"grid": "cubed"}, "data.grid=cubed is unknown: choose one of latlon, mercator, regional, tripolar"),
        ({"faces": "upper"}, "data.faces=upper is unknown: choose one of auto, south_west, north_east"),
        (
            {"padding": {"rows": -1, "columns": None}},
            "data.padding.rows=-1 must be a whole number of at least 0, or null",
        ),
        ({"padding": {"rows": 1.5, "columns": None}}, "data.padding.rows=1.5 must be"),
        ({"padding": {"row": 1}}, "data.padding must give rows and columns"),
        ({"files": {"coordinate": "a.nc"}}, "data.files must give coordinates, diffusivities, coefficients"),
        (
            {"files": {"coordinates": "a.txt", "diffusivities": "b.nc", "coefficients": "c.nc"}},
            "data.files.coordinates=a.txt must be the name of NetCDF files",
        ),
        ({"samples": {"train": 0, "valid": None, "test": None}}, "data.samples.train=0 must be a whole number"),
        ({"samples": {"train": "many", "valid": None, "test": None}}, "data.samples.train=many"),
        ({"samples": {"train": 1}}, "data.samples must give a number or null for each of train, valid, test"),
        ({"seed": -1}, "data.seed=-1"),
        ({"tolerance": 0.1}, "data.tolerance=0.1 must be a number from 1e-08 to 0.01"),
        ({"patch": 0}, "data.patch=0 must be a whole number of at least 1"),
        ({"coast_weight": -1.0}, "data.coast_weight=-1.0"),
    ],
)
def test_options_without_a_look_at_the_folder(change, words):
    with pytest.raises(Refusal, match=words):
        source(None, **change).check()


def test_no_folder(tmp_path):
    source(None).check()  # a network trained elsewhere can be used without the files
    refused(None, r"data=nemovar_files needs a folder: type path=")
    refused(tmp_path / "nowhere", "path=.*nowhere: there is no such folder")
    refused(tmp_path, "has neither a folder X nor a folder with Bmod_dif")


def test_numbers_of_samples(nemo):
    refused(nemo, "has 3 samples and no folders train", samples={"train": 2, "valid": 1, "test": 1})
    refused(nemo, "has 3 samples and no folders train", samples={"train": 2, "valid": 1, "test": None})
    refused(nemo, "has 3 samples and no folders train", samples={"train": 1, "valid": None, "test": None})


def test_more_samples_than_the_folder_of_a_part_has(processed):
    refused(processed, "data.samples.train=2 asks for more than the 1 samples", samples=dict(train=2, valid=1, test=1))


def test_a_patch_larger_than_the_grid(processed):
    data = source(processed, grid="mercator", patch=41)
    data.prepare()  # enough for a classical method
    with pytest.raises(Refusal, match=r"data\.patch=41 does not fit the grid of 40 x 48 cells: choose at most 40"):
        data.stream(halo=1, batch_size=1, seed=0, device="cpu")


# --- processed archives ------------------------------------------------------------------------------------


def load(path: Path) -> np.ndarray:
    return np.load(path)["arr_0"]


def with_nan(path: Path) -> None:
    values = load(path)
    values.flat[7] = np.nan
    np.savez(path, values)


class Malicious:
    """What runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable, tuple]:
        return os.mkdir, ("unpickled",)


@pytest.mark.parametrize("file", [X, Y])
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]), "cannot read {file}"),
        (lambda path: path.write_bytes(b""), "cannot read {file}"),
        (lambda path: path.write_text("alpha"), "cannot read {file}"),
        (lambda path: np.savez(path, alpha=load(path)), "{file} has no array arr_0: it has alpha"),
        (lambda path: np.savez(path, load(path)[..., 1:, :]), "does not fit X|of padding on each side"),
        (lambda path: np.savez(path, load(path)[..., 1:]), "does not fit X|of padding on each side"),
        (lambda path: np.savez(path, load(path)[..., 0]), r"shape \("),
        (lambda path: np.savez(path, load(path).astype(str)), "arr_0 in {file} must hold numbers"),
        (with_nan, "arr_0 in {file} has 1 NaN"),
    ],
)
def test_damaged_archives(processed, file, damage, words):
    damage(processed / file)
    refused(processed, words.format(file=re.escape(str(processed / file))))


@pytest.mark.parametrize("file", [X, Y])
def test_pickled_objects_are_never_loaded(processed, file, monkeypatch):
    monkeypatch.chdir(processed)
    np.savez(processed / file, np.array([Malicious()], dtype=object))
    refused(processed, "id0.*: it holds pickled objects")
    assert not (processed / "unpickled").exists()


def test_a_plain_array_in_place_of_an_archive(processed):
    with (processed / X).open("wb") as opened:
        np.save(opened, np.ones((3, 40, 64)))
    refused(processed, "cannot read .*id0.npz as an archive of NumPy arrays")


def test_no_archive_at_all(processed):
    (processed / X).unlink()
    refused(processed, "X has no .npz file")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must hold two dictionaries"),
        ("{'w': 1.0}", "must hold two dictionaries"),
        ("{'w': 1.0}{'w': 1.0}{'w': 1.0}", "must hold two dictionaries"),
        ("{good}\n{good}\nprint()", "must hold two dictionaries"),
        ("{good}\n{'w': 1.0}", "the means in .* lack alpha_i_minus, alpha_j_minus, norm_coeffs"),
        ("{1, 2}\n{good}", "the standard deviations in .* lack alpha_i_minus"),
        ("{good}\n{'w': }", "the means in .* are no dictionary of plain numbers"),
        ("{good}\n{bad}", "w: 'wide' among the means in .* is impossible"),
        ("{zero}\n{good}", "w: 0.0 among the standard deviations in .* is impossible"),
        ("{good}\n{infinite}", "w: inf among the means"),
        ("{good}\n{malicious}", "the means in .* are no dictionary of plain numbers"),
    ],
)
def test_statistics(tmp_path, monkeypatch, text, words):
    monkeypatch.chdir(tmp_path)
    good = {"alpha_i_minus": 1.0, "alpha_j_minus": 2.0, "w": 3.0, "norm_coeffs": 4.0}
    pieces = {
        "{good}": str(good),
        "{bad}": str(good | {"w": "wide"}),
        "{zero}": str(good | {"w": 0.0}),
        "{infinite}": str(good).replace("3.0", "1e999"),
        "{malicious}": str(good).replace("3.0", "__import__('os').mkdir('evaluated')"),
    }
    for key, piece in pieces.items():
        text = text.replace(key, piece)
    file = tmp_path / "dict_std_mean.txt"
    file.write_text(text)
    with pytest.raises(Refusal, match=words) as caught:
        read_statistics(file)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "evaluated").exists()


def test_statistics_that_are_missing_or_no_text(processed):
    file = processed / "dict_std_mean.txt"
    file.write_bytes(b"\xff\xfe{")
    refused(processed, "cannot read .*dict_std_mean.txt")
    file.unlink()
    refused(processed, "dict_std_mean.txt or dict_min_max.txt is missing: it must stand in .* or above")


def test_statistics_of_other_files(processed):
    file = processed / "dict_std_mean.txt"
    std, _ = file.read_text().splitlines()
    numbers = {name: -1e5 if name == "norm_coeffs" else value for name, value in read_statistics(file)[1].items()}
    file.write_text(f"{std}\n{numbers}")
    refused(processed, "gamma of .*id0_norm_coeffs.npz is negative")


def test_padding_of_y_that_is_not_stated(folder):
    write_processed(folder, simulated("tripolar"), over="sea", padding=(6, 8), padded_gamma=True)
    refused(folder, "X and Y of .*id0.npz are both padded: type data.padding.rows=", grid="tripolar")
    refused(folder, "do not fit", grid="tripolar", padding={"rows": 30, "columns": 8})
    wrong = {"grid": "tripolar", "padding": {"rows": 4, "columns": 8}}
    refused(folder, "differs between the two sides of the fold", **wrong)


# --- samples that do not fit one another -------------------------------------------------------------------


def test_another_coast(processed):
    y = load(processed / Y)
    y[20, 20] = 0.0 if y[20, 20] else 1.0
    np.savez(processed / Y, y)
    refused(processed, "the coast of id1 differs from that of id0 in 1 cells")


def test_another_grid(processed):
    x = load(processed / X)
    x[2] *= 1.1
    np.savez(processed / X, x)
    refused(processed, "w of id1 differs from that of id0: all samples must have one grid")


def test_another_size(processed):
    for file in (X, Y):
        np.savez(processed / file, load(processed / file)[..., 1:, :])
    refused(processed, r"id1 has \(40, 48\) cells, but id0 has \(39, 48\)")


def test_gamma_and_diffusivities_of_different_places(processed):
    for file in processed.glob("*/Y/*.npz"):
        np.savez(file, np.roll(load(file), 5, axis=-1))
    refused(
        processed,
        "faces between sea cells of gamma have no diffusivity; other places of the same numbers do not explain it",
    )


def test_gamma_that_lacks_a_sea(processed):
    for file in processed.glob("*/Y/*.npz"):
        y = load(file)
        y[10:16, 10:16] = 0.0
        np.savez(file, y)
    refused(processed, "cells have diffusivities on all faces but no gamma.*are alpha_i and alpha_j above 0 on land")
