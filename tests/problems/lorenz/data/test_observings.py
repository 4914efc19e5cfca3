"""data.more_observings: training windows are observed in several ways, in turn."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from dlgd.core.errors import Refusal
from dlgd.problems.lorenz.methods.interpolation import Interpolation
from tests.problems.lorenz.data.lorenz_data import encoded, make, small

FEW = {"train": 30, "valid": 6, "test": 9}
MORE = {
    "exact": {"components": "all", "every": 4, "noise_variance": 0.0, "hidden_edges": 0},
    "noisy": {"components": ["z"], "noise_variance": 50.0, "phase": "free"},
}


class Answers:
    """What a training batch shows of each window, in physical units."""

    def __init__(self, source):
        made = source.stream(halo=0, batch_size=30, seed=3, device="cpu").batch(0)
        scale = source.statistics
        truth = made.target[..., 0] * scale["std"] + scale["mean"]
        train = torch.from_numpy(source.samples("train").state.values).transpose(1, 2).to(truth)
        distance = (truth[:, None] - train[None]).abs().amax(dim=(2, 3))
        self.numbers = distance.argmin(dim=1)  # of the windows of the batch
        assert len(self.numbers.unique()) == 30
        group = {name: made.input[:, source.spec.input_slice(name), :, 0] for name in source.spec.input_groups}
        self.seen = group["observed"] == 1
        self.values = group["observations"] * scale["std"] + scale["mean"]
        self.error = self.values - truth
        self.guess = group["first_guess"] * scale["std"] + scale["mean"]
        self.kind = self.numbers % 3


def check_turns(shown):
    for kind, seen, error in zip(shown.kind, shown.seen, shown.error, strict=True):
        times = torch.nonzero(seen.any(dim=0))[:, 0]
        if kind == 0:  # data.observations: x at every 8th step, without the edges
            assert seen[0].any()
            assert not seen[1:].any()
            assert times.tolist() == list(range(16, 190, 8))
        if kind == 1:
            assert seen.all(dim=0).nonzero()[:, 0].tolist() == list(range(0, 200, 4))
            assert error[seen].abs().max() < 1e-3
        if kind == 2:
            assert not seen[:2].any()
            assert set(np.diff(times)) == {8}
    std = {kind: float(shown.error[shown.kind == kind][shown.seen[shown.kind == kind]].std()) for kind in (0, 2)}
    assert std[0] == pytest.approx(2**0.5, rel=0.2)
    assert std[2] == pytest.approx(50**0.5, rel=0.2)
    assert len({int(seen.any(dim=0).nonzero()[0]) for seen in shown.seen[shown.kind == 2]}) > 3  # free phases


def test_windows_are_observed_in_turn():
    check_turns(Answers(small(more_observings=MORE)))


def test_validation_and_test_have_the_usual_observations():
    source, usual = small(more_observings=MORE), small()
    for split in ("valid", "test"):
        assert torch.equal(encoded(source, split).input, encoded(usual, split).input)
    assert source.checksum() != usual.checksum()


def test_one_observing_gives_the_numbers_that_it_gave_before_there_were_several():
    """From the generator of a step: first what is seen, then the noise of all values."""
    source = small()
    stream = source.stream(halo=0, batch_size=30, seed=3, device="cpu")
    made, scale = stream.batch(0), source.statistics
    generator = torch.Generator().manual_seed(stream._number(1, 0))
    truth = made.target[..., 0].transpose(1, 2) * scale["std"] + scale["mean"]
    noise = torch.randn(truth.shape, generator=generator)
    shown = made.input[:, source.spec.input_slice("observations"), :, 0].transpose(1, 2) * scale["std"] + scale["mean"]
    seen = made.input[:, source.spec.input_slice("observed"), :, 0].transpose(1, 2) == 1
    torch.testing.assert_close(shown[seen], (truth + 2**0.5 * noise)[seen], rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("draws", [1, 2])
def test_a_method_answers_with_the_variance_of_each_window(draws):
    asked = []

    class Watched(Interpolation):
        """Linear interpolation that keeps in mind what it was asked."""

        def predict(self, samples):
            asked.append((samples.attrs["noise_variance"], samples.sizes["sample"]))
            return super().predict(samples)

    guess = {"method": Watched(kind="linear"), "observation_draws": draws}
    source = make(more_observings=MORE, first_guess=guess, samples=FEW)
    source.prepare()
    shown = Answers(source)
    assert sorted(asked) == sorted(draws * [(0.0, 10), (2.0, 10), (50.0, 10)])
    check_turns(shown)
    torch.testing.assert_close(shown.guess[shown.seen], shown.values[shown.seen])  # it goes through all values


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"more_observings": {"a": 3}}, "data.more_observings.a may give components, every"),
        ({"more_observings": {"a": {"evry": 3}}}, "data.more_observings.a may give components, every"),
        ({"more_observings": [3]}, "must give options of data.observations for each name"),
        ({"more_observings": {"a": {"every": 500}}}, "data.more_observings.a: data.observations.every=500"),
        ({"more_observings": {"a": {"every": 4}}, "task": "forecast"}, "is for data.task=assimilate, not forecast"),
        ({"more_observings": {"a": {"every": 4}}, "resample_observations": False}, "observes training windows anew"),
    ],
)
def test_what_cannot_work_is_refused(changes, message):
    with pytest.raises(Refusal, match=message):
        make(**changes).check()
