"""Training batches of sea surface height: pieces of maps, observed anew, with days hidden, by seed and step."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.problems.ssh.data.seas_at_hand import COUNTS, HALF, channels, encoded, scaled, small


def drawn(stream, step):
    """Days, other days, rows and columns of a batch: drawn again in the same order."""
    seen = {}
    usual = stream.windows.batch

    def spy(day, top, left, **others):
        seen.update(day=day, top=top, left=left, **others)
        return usual(day, top, left, **others)

    stream.windows.batch = spy
    batch = stream.batch(step)
    stream.windows.batch = usual
    return batch, seen


@pytest.mark.parametrize("halo", [0, 5])
@pytest.mark.parametrize("predict", ["all", "centre"])
@pytest.mark.parametrize("coordinates", [False, True])
def test_patches_are_pieces_of_whole_maps(halo, predict, coordinates):
    source = small(predict=predict, coordinates=coordinates)
    whole = encoded(source, source.samples("train"), halo)
    stream = source.stream(halo=halo, batch_size=6, seed=3, device="cpu")
    for step in range(3):
        batch, chosen = drawn(stream, step)
        for number, (day, top, left) in enumerate(zip(chosen["day"], chosen["top"], chosen["left"], strict=True)):
            for key, size in (("input", 12 + 2 * halo), ("target", 12), ("mask", 12), ("observed", 12)):
                piece = getattr(whole, key)[day, :, top : top + size, left : left + size]
                assert piece.shape[-2:] == (size, size)
                torch.testing.assert_close(getattr(batch, key)[number], piece, atol=1e-5, rtol=0)


def test_whole_maps_for_training():
    source = small(patch=None)
    whole = encoded(source, source.samples("train"), 2)
    batch, chosen = drawn(source.stream(halo=2, batch_size=3, seed=0, device="cpu"), 0)
    torch.testing.assert_close(batch.input, whole.input[chosen["day"]], atol=1e-5, rtol=0)
    torch.testing.assert_close(batch.target, whole.target[chosen["day"]])


def test_another_days_tracks_and_errors():
    """The observation of cell and day is the truth there, and what another day's observation was wrong by."""
    source = small(resample_observations=True)
    samples = source.samples("train")
    truth, maps = scaled(samples.ssh.values, source), scaled(samples.observations.values[: COUNTS["train"]], source)
    batch, chosen = drawn(source.stream(halo=2, batch_size=8, seed=0, device="cpu"), 1)
    _, given, flags, _ = channels(batch)
    days, others = chosen["day"].tolist(), chosen["errors_of"].tolist()
    assert days != others
    seen = 0
    for number, (day, other) in enumerate(zip(days, others, strict=True)):
        top, left = int(chosen["top"][number]), int(chosen["left"][number])
        for t in range(-HALF, HALF + 1):
            again = truth[day + t] + (maps[other + t] - truth[other + t])
            again = np.pad(again, 2, constant_values=np.nan)[top : top + 16, left : left + 16]
            np.testing.assert_allclose(given[number, t + HALF], np.nan_to_num(again), atol=1e-5)
            np.testing.assert_array_equal(flags[number, t + HALF], np.isfinite(again))
            target = truth[day + t, top : top + 12, left : left + 12]
            np.testing.assert_allclose(batch.target[number, t + HALF], np.nan_to_num(target), atol=1e-5)
            seen += np.isfinite(again).sum()
    assert seen > 50


def test_hidden_days_come_as_often_as_they_should():
    source = small(dropped=0.4)
    usual, stream = (one.stream(halo=0, batch_size=200, seed=0, device="cpu") for one in (small(), source))
    shown, hidden = usual.batch(0), stream.batch(0)
    there, kept = shown.observed.flatten(2).any(2), hidden.observed.flatten(2).any(2)
    assert not (kept & ~there).any()
    share = 1 - kept[there].float().mean().item()
    assert share == pytest.approx(0.4, abs=4 * np.sqrt(0.24 / int(there.sum())))
    days = kept[:, :, None, None].expand_as(shown.observed)
    assert torch.equal(hidden.observed, shown.observed & days), "all of a day or nothing of it"
    assert torch.equal(hidden.target, shown.target)
    guess, guess_of_less = channels(shown)[0], channels(hidden)[0]
    assert not torch.allclose(guess, guess_of_less), "first guesses do not know what is hidden"


@pytest.mark.parametrize("again", [False, True])
def test_a_batch_depends_on_seed_and_step_alone(again):
    def batch(seed, step, before=()):
        stream = small(resample_observations=again, dropped=0.2).stream(halo=1, batch_size=4, seed=seed, device="cpu")
        for other in before:
            stream.batch(other)
        return stream.batch(step)

    usual = batch(0, 5)
    torch.rand(3)
    same = batch(0, 5, before=(9, 2))
    for key in ("input", "target", "mask", "observed"):
        assert torch.equal(getattr(usual, key), getattr(same, key))
    assert not torch.equal(usual.input, batch(0, 6).input)
    assert not torch.equal(usual.input, batch(1, 5).input)


@pytest.mark.gpu
def test_a_batch_is_the_same_on_a_gpu():
    source = small(resample_observations=True, dropped=0.2, coordinates=True)
    here, there = (source.stream(halo=2, batch_size=4, seed=0, device=device).batch(3) for device in ("cpu", "cuda"))
    assert there.input.is_cuda
    torch.testing.assert_close(there.input.cpu(), here.input, atol=1e-4, rtol=0)
    for key in ("target", "mask", "observed"):
        torch.testing.assert_close(getattr(there, key).cpu(), getattr(here, key), atol=1e-6, rtol=0)


def test_patches_lie_everywhere_and_hold_sea():
    source = small(patch=4)
    stream = source.stream(halo=0, batch_size=3000, seed=0, device="cpu")
    batch, chosen = drawn(stream, 0)
    share = batch.mask[:, HALF].float().mean((1, 2))
    assert share.min() >= 0.2
    assert share.min() < 0.3, "coasts are trained on too"
    count = np.zeros((20, 24))
    for top, left in zip(chosen["top"], chosen["left"], strict=True):
        count[top : top + 4, left : left + 4] += 1
    sea = source.samples("train").sea.values
    assert count[sea].min() > 0.3 * np.median(count), "corners of the grid are seen too"
    assert sorted(set(chosen["day"].tolist())) == list(range(HALF, COUNTS["train"] - HALF))


def test_an_epoch_is_about_all_cells_once():
    assert small().stream(halo=0, batch_size=2, seed=0, device="cpu").steps_per_epoch == round(26 * 480 / (144 * 2))
