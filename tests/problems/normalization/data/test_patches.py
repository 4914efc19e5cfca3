"""Training patches: what they hold, how often, and that a step's batch depends on seed and step alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.core.contract import Batch
from dlgd.problems.normalization.data.patches import MixedStream, PatchStream
from tests.problems.normalization.data.small_data import SMALL, make, ready

CPU = torch.device("cpu")


@pytest.fixture(scope="module", params=["nemovar", "mercator"])
def source(request):
    return ready(request.param)


def same(one: Batch, other: Batch) -> bool:
    return all(torch.equal(getattr(one, key), getattr(other, key)) for key in ("input", "target", "mask"))


def numbered(count: int = 2, ny: int = 6, nx: int = 9, halo: int = 0, **changes) -> PatchStream:
    """A stream over fields whose values tell where they stand: sample, row and column as channels."""
    n, y, x = np.meshgrid(np.arange(count), np.arange(ny), np.arange(nx), indexing="ij")
    target = torch.as_tensor(np.stack([n, y, x], axis=1))
    around = np.pad(target, ((0, 0), (0, 0), (halo, halo), (0, 0)), constant_values=-1)
    padded = torch.as_tensor(np.pad(around, ((0, 0), (0, 0), (0, 0), (halo, halo)), mode="wrap"))
    options = {"weight_LYX": np.ones((1, ny, nx)), "patch": 1, "batch_size": 4, "periodic": True, "seed": 0} | changes
    mask = torch.ones_like(target[:, :1], dtype=bool)
    return PatchStream(input_NCYX=padded, target_NCYX=target, mask_NCYX=mask, halo=halo, **options)


# --- seed and step -----------------------------------------------------------------------------------------


def test_a_batch_depends_on_seed_and_step_alone(source):
    stream = source.stream(halo=3, batch_size=4, seed=0, device=CPU)
    third = stream.batch(3)
    assert same(stream.batch(3), third), "asked for twice"
    for step in (0, 7, 2):
        stream.batch(step)
    assert same(stream.batch(3), third), "whatever was asked for before"
    again = source.stream(halo=3, batch_size=4, seed=0, device=CPU)
    assert same(again.batch(3), third), "in another process, too"
    assert not same(stream.batch(4), third)
    assert not same(source.stream(halo=3, batch_size=4, seed=1, device=CPU).batch(3), third)


def test_numpy_and_torch_seeds_do_not_matter(source):
    stream = source.stream(halo=0, batch_size=2, seed=0, device=CPU)
    torch.manual_seed(1)
    first = stream.batch(0)
    torch.manual_seed(2)
    assert same(stream.batch(0), first)


# --- what a patch holds ------------------------------------------------------------------------------------


def corner(patch_YX: torch.Tensor, field_YX: torch.Tensor) -> tuple[int, int] | None:
    """Row and column at which the patch stands in the field."""
    cuts = field_YX.unfold(0, patch_YX.shape[0], 1).unfold(1, patch_YX.shape[1], 1)
    places = (cuts == patch_YX).flatten(2).all(dim=2).nonzero().tolist()
    return tuple(places[0]) if places else None


@pytest.mark.parametrize("halo", [0, 1, 4])
def test_patches_are_cuts_of_the_whole_field(source, halo):
    """Also those that lie across the east side, for which the whole field is unrolled a bit further."""
    whole = list(source.encode(source.samples("train"), halo=halo, device=CPU))
    columns = np.arange(48 + 16) % 48
    around = np.arange(-halo, 48 + 16 + halo) % 48 + halo
    batch = source.stream(halo=halo, batch_size=12, seed=2, device=CPU).batch(0)
    assert batch.input.shape[-2:] == (16 + 2 * halo, 16 + 2 * halo)
    assert batch.target.shape == batch.mask.shape == (12, 1, 16, 16)
    crossing = 0
    for input, target, mask in zip(batch.input, batch.target, batch.mask, strict=True):
        places = [(one, corner(target[0], one.target[0, 0][:, columns])) for one in whole]
        ((one, (y, x)),) = [(one, place) for one, place in places if place is not None]
        assert torch.equal(one.mask[0][..., columns][..., y : y + 16, x : x + 16], mask)
        outer = np.s_[..., y : y + 16 + 2 * halo, x : x + 16 + 2 * halo]
        assert torch.equal(one.input[0][..., around][outer], input)
        crossing += x > 48 - 16
    assert crossing > 1, "some lie across the east side"


def test_input_and_target_belong_together():
    """The middle of the input is the target's place, on every side of the grid."""
    stream = numbered(halo=2, patch=3, batch_size=64)
    batch = stream.batch(0)
    assert torch.equal(batch.input[:, :, 2:-2, 2:-2], batch.target)
    columns = batch.input[:, 2, 2:-2]  # one column follows another, round the grid
    assert ((columns[..., 1:] - columns[..., :-1]) % 9 == 1).all()
    assert set(batch.target[:, 0, 0, 0].tolist()) == {0, 1}, "all samples"
    assert set(batch.target[:, 2, 0, 0].tolist()) == set(range(9)), "all columns"
    assert set(batch.target[:, 1, 0, 0].tolist()) == set(range(4)), "all rows at which a patch fits"


@pytest.mark.parametrize("periodic", [True, False])
def test_a_patch_of_the_grids_own_size(periodic):
    batch = numbered(ny=6, nx=6, patch=6, batch_size=32, periodic=periodic).batch(0)
    assert (batch.target[:, 1, :, 0] == torch.arange(6)).all()
    assert batch.target.shape == (32, 3, 6, 6)
    if not periodic:
        assert (batch.target[:, 2, 0] == torch.arange(6)).all()


def test_the_data_set_takes_a_patch_as_large_as_its_grid():
    source = make("nemovar", patch=40)
    batch = source.stream(halo=2, batch_size=2, seed=0, device=CPU).batch(0)
    assert batch.input.shape[-2:] == (44, 44)


def test_patches_of_a_closed_grid_stay_inside():
    batch = numbered(patch=4, batch_size=64, periodic=False).batch(0)
    columns = batch.target[:, 2, 0]
    assert (columns[:, 1:] - columns[:, :-1] == 1).all()


# --- how often ---------------------------------------------------------------------------------------------


def test_cells_are_drawn_by_weight():
    weight = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 4.0]])
    stream = numbered(ny=2, nx=3, weight_LYX=weight[None], batch_size=20000)
    drawn = stream.batch(0).target[:, 1:, 0, 0].numpy()
    counts = np.bincount(3 * drawn[:, 0] + drawn[:, 1], minlength=6).reshape(2, 3)
    np.testing.assert_allclose(counts / 20000, weight / weight.sum(), atol=0.02)
    assert (counts[weight == 0] == 0).all()


def test_a_level_is_drawn_as_often_as_its_cells_and_its_samples_alike():
    weight = np.array([[[2.0, 2.0]], [[0.0, 1.0]], [[0.0, 3.0]]])
    stream = numbered(count=6, ny=1, nx=2, weight_LYX=weight, batch_size=20000)
    number, _, x = stream.batch(0).target[:, :, 0, 0].numpy().T
    level, sample = np.divmod(number, 2)
    np.testing.assert_allclose(np.bincount(level) / 20000, [4 / 8, 1 / 8, 3 / 8], atol=0.02)
    np.testing.assert_allclose(np.bincount(sample) / 20000, [0.5, 0.5], atol=0.02)
    assert (x[level > 0] == 1).all()


def test_patches_hold_the_cell_that_was_drawn():
    weight = np.zeros((6, 9))
    weight[5, 8] = 1
    batch = numbered(weight_LYX=weight[None], patch=4, batch_size=32).batch(0)
    drawn = (batch.target[:, 1] == 5) & (batch.target[:, 2] == 8)
    assert drawn.any(dim=(1, 2)).all()
    places = drawn.nonzero()[:, 2]
    assert set(places.tolist()) == {0, 1, 2, 3}, "at any place along the periodic side"


def share_by_distance(coast_weight: float) -> dict[int, float]:
    """How often a cell at so many cells from the coast is drawn, over the number of such cells."""
    source = make("mercator", patch=1, coast_weight=coast_weight, features="standardized", distance="manhattan")
    batch = source.stream(halo=0, batch_size=20000, seed=0, device=CPU).batch(0)
    assert batch.mask.all(), "no patch round a land cell"
    drawn = (10 * batch.input[:, 3].flatten()).round().int()
    train = source.samples("train")
    cells = train.distance.values[train.mask.values]
    return {d: (drawn == d).float().mean().item() / (cells == d).mean() for d in (1, 2, 8)}


def test_coast_weight():
    even, coastal = share_by_distance(0.0), share_by_distance(4.0)
    assert all(share == pytest.approx(1, abs=0.1) for share in even.values())
    assert coastal[1] / coastal[8] == pytest.approx(5 / (1 + 4 * np.exp(-7 / 3)), rel=0.15)
    assert coastal[1] > coastal[2] > coastal[8]


@pytest.mark.parametrize(
    ("patch", "batch_size", "expected"), [(16, 8, round(2 * 40 * 48 / 16**2 / 8)), (1, 1, 3840), (40, 64, 1)]
)
def test_steps_per_epoch(patch, batch_size, expected):
    """An epoch shows as many cells as there are, and is at least one step."""
    stream = make("nemovar", patch=patch).stream(halo=0, batch_size=batch_size, seed=0, device=CPU)
    assert (SMALL["rows"], SMALL["columns"], SMALL["samples"]["train"]) == (40, 48, 2)
    assert stream.steps_per_epoch == expected


# --- several grids -----------------------------------------------------------------------------------------


def mixed(**changes) -> MixedStream:
    """A mixture of two samples of 6 x 9 cells and of one of 30 x 9, which has more cells."""
    return MixedStream([numbered(**changes), numbered(count=1, ny=30, **changes)])


def test_a_mixed_batch_depends_on_seed_and_step_alone():
    assert same(mixed().batch(5), mixed().batch(5))
    assert not same(mixed().batch(5), mixed().batch(6))
    assert not same(mixed().batch(5), mixed(seed=1).batch(5))


def test_grids_are_drawn_by_their_cells():
    """Rows from 6 on are those of the larger grid, 24 of its 30; it has 270 of the 378 cells."""
    stream = mixed(batch_size=50)
    rows = torch.cat([stream.batch(step).target[:, 1, 0, 0] for step in range(200)])
    assert len(rows) == 10_000
    assert (rows >= 6).float().mean() == pytest.approx(270 / 378 * 24 / 30, abs=0.02)
    assert stream.steps_per_epoch == round(378 / 50)


def test_a_mixture_of_one_grid_is_that_grid():
    only = MixedStream([numbered(patch=3, batch_size=16)])
    batch = only.batch(0)
    assert torch.equal(batch.input, batch.target)
    assert batch.mask.all()
