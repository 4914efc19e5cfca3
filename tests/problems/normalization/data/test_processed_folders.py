"""Processed archives: scaled to [0, 1], without coefficients, and with files that do not come in pairs."""

from __future__ import annotations

import ast
import logging
from pathlib import Path

import numpy as np
import pytest

from dlgd.core.errors import Refusal
from tests.problems.normalization.data.small_data import make
from tests.problems.normalization.report_files import NAMES, refused, simulated, source, write_nemo, write_processed


def to_min_max(folder: Path) -> None:
    """Scale the archives of a folder, whose zeros stayed zero, to [0, 1], as their authors do: zeros stay again."""
    statistics = folder / "dict_std_mean.txt"
    std, mean = (ast.literal_eval(f"{{{piece}}}") for piece in statistics.read_text()[1:-1].split("}\n{"))
    statistics.unlink()
    physical = {}
    for file in sorted(folder.glob("*/*/*.npz")):
        scaled = np.load(file)["arr_0"]
        names = NAMES[:3] if scaled.ndim == 3 else NAMES[3:]
        fields = scaled if scaled.ndim == 3 else scaled[None]
        physical[file] = {n: np.where(f == 0, 0.0, f * std[n] + mean[n]) for n, f in zip(names, fields, strict=True)}
    ends = [
        {n: float(f(np.concatenate([v[n][v[n] != 0] for v in physical.values() if n in v]))) for n in NAMES}
        for f in (np.min, np.max)
    ]
    (folder / "dict_min_max.txt").write_text(f"{ends[0]}\n{ends[1]}")
    least, largest = ends
    for file, fields in physical.items():
        scaled = [np.where(f == 0, 0.0, (f - least[n]) / (largest[n] - least[n])) for n, f in fields.items()]
        np.savez(file, np.stack(scaled) if len(scaled) > 1 else scaled[0])


def test_scaled_to_least_and_largest_values(folder):
    """The least values are zeros, at sea, too: there they are no land and no closed faces."""
    samples = simulated("mercator")
    write_processed(folder, samples, over="sea")
    to_min_max(folder)
    data = source(folder, grid="mercator")
    for number, split in enumerate(("train", "valid", "test")):
        found, expected = data.samples(split).isel(sample=0), samples.isel(sample=number)
        np.testing.assert_array_equal(found.mask, expected.mask)
        for name in ("alpha_i", "alpha_j", "gamma"):
            np.testing.assert_allclose(found[name], expected[name], rtol=1e-9, err_msg=name)
        np.testing.assert_allclose(found.w.values[found.mask], expected.w.values[found.mask], rtol=1e-9)


def test_least_values_that_are_not_the_least(folder):
    write_processed(folder, simulated("mercator"), over="sea")
    to_min_max(folder)
    file = folder / "dict_min_max.txt"
    file.write_text("\n".join(file.read_text().split("\n")[::-1]))
    refused(folder, "alpha_i_minus: .* is not above .*, its least value")


def test_no_statistics_of_either_kind(processed):
    (processed / "dict_std_mean.txt").unlink()
    refused(processed, "dict_std_mean.txt or dict_min_max.txt is missing: it must stand in")


@pytest.mark.parametrize("padding", [(0, 8), (0, 0), (6, 8)])
def test_padding_without_coefficients_must_be_said(folder, padding):
    grid = "tripolar" if padding[0] else "mercator"
    write_processed(folder, simulated(grid), over="sea", gamma=False, padding=padding)
    with pytest.raises(Refusal, match=r"nothing says which of the .* cells .* are padding.*type data.padding.rows="):
        source(None, grid=grid).read(folder / "valid")
    said = dict(zip(("rows", "columns"), padding, strict=True))
    found = source(None, grid=grid, padding=said).read(folder / "valid")
    np.testing.assert_allclose(found.alpha_j[0], simulated(grid).alpha_j[1], rtol=1e-9)


def test_padding_is_known_from_another_sample(folder):
    write_processed(folder, simulated("mercator"), over="sea", splits={"train": [0], "valid": [1, 2]})
    next((folder / "valid" / "Y").glob("id1*")).unlink()
    found = source(folder, grid="mercator").samples("valid")
    np.testing.assert_allclose(found.gamma, simulated("mercator").gamma[1:], rtol=1e-5)


def test_files_that_are_left_out_are_named(folder, caplog):
    write_processed(folder / "npz", simulated("mercator"), over="sea", splits={"train": [0], "valid": [1, 2]})
    (folder / "npz" / "valid" / "X" / "id1.npz").unlink()
    assert make("mercator").read(folder / "npz" / "valid").sizes["sample"] == 1
    assert "valid has no X of id1, which are left out" in caplog.text
    write_nemo(folder / "nemo", simulated("mercator"))
    next((folder / "nemo" / "PERTEN1").glob("Bmod_dif*")).unlink()
    with caplog.at_level(logging.WARNING):
        assert make("mercator").read(folder / "nemo").sizes["sample"] == 2
    assert "nemo: PERTEN1 have no Bmod_dif*.nc, and are left out" in caplog.text
