"""data=several_grids: training samples of several grids, validation and test samples of the first one."""

from __future__ import annotations

import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.problems.normalization.data.several_grids import SeveralGrids
from tests.problems.normalization.data.small_data import CPU, make

MERCATOR = {"mercator": {"grid": "mercator", "samples": 1}}


def several(more=MERCATOR, **changes) -> SeveralGrids:
    return SeveralGrids(**(vars(make("latlon", **changes).options) | {"name": "several_grids", "more_grids": more}))


def test_validation_and_test_samples_are_of_the_first_grid():
    source, first = several(), make("latlon")
    for split in ("train", "valid", "test"):
        assert source.samples(split).equals(first.samples(split))


def test_training_patches_are_of_all_grids():
    """Input and target of each patch stand in a sample of one of the grids."""
    source, alone = several(), [make("latlon"), make("mercator", diffusivity=several().options.diffusivity)]
    batch = source.stream(halo=0, batch_size=24, seed=0, device=CPU).batch(0)
    targets = []
    for data in alone:
        whole = torch.cat([one.target for one in data.encode(data.samples("train"), halo=0, device=CPU)])
        unrolled = torch.cat([whole, whole[..., :16]], dim=-1)[:, 0].numpy()
        targets.append({bytes(row[x : x + 16]) for one in unrolled for row in one for x in range(48)})
    found = [[bytes(row) in rows for row in patch[0].numpy()] for patch in batch.target for rows in targets]
    of_first, of_second = found[::2], found[1::2]
    assert all(all(one) or all(other) for one, other in zip(of_first, of_second, strict=True))
    assert any(all(one) and not all(other) for one, other in zip(of_first, of_second, strict=True))
    assert any(all(other) and not all(one) for one, other in zip(of_first, of_second, strict=True))


def test_further_grids_count_in_the_checksum():
    checksum = several().checksum()
    assert several().checksum() == checksum
    assert several({"mercator": {"grid": "mercator", "samples": 1, "seed": 1}}).checksum() != checksum


def test_the_small_one_is_several_grids_too():
    small = several().tiny()
    small.check()
    assert list(small.others) == ["mercator"]
    assert small.shape == (40, 48)


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"a": {"grid": "cubed", "samples": 1}}, "data.more_grids.a: data.grid=cubed is unknown"),
        ({"a": {"grid": "mercator"}}, "data.more_grids.a must give samples"),
        ({"a": {"samples": 1, "depth": 3}}, "data.more_grids.a must give samples"),
        ({"a": {"samples": 0}}, "data.more_grids.a.samples=0 must be"),
        ({"a": {"samples": 1, "rows": 8}}, "data.more_grids.a: data.patch=16 does not fit the grid of 8 x 48"),
        ([1], "data.more_grids="),
    ],
)
def test_what_is_refused(more, sentence):
    with pytest.raises(Refusal, match=sentence.replace(".", r"\.")):
        several(more).check()
