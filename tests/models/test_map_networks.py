"""Every network of conf/model that interpolates maps: shapes, first guesses, predicted standard deviations and their
calibration, refusals, mirrored seas. See test_dincae.py and test_maps_fourdvarnet.py for these networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.distributions import Normal

from dlgd.core.contract import Batch, Spec
from dlgd.core.specs import COORDINATES, FIRST_GUESS, OBSERVATIONS, SST, SST_KNOWN
from dlgd.losses.pointwise import mse
from dlgd.models import estimators
from tests.models.made import ALL, MAPS, batch_of, fitting, make, narrow, seeded, with_sst

DAYS, CENTRE = MAPS["all"], MAPS["centre"]
NAMES = fitting(CENTRE)
GUESSING = ["cnn", "corrector", "resnet", "unet", "vgg"]  # from the first guess on
WHICH = pytest.mark.parametrize("which", MAPS)
EACH = pytest.mark.parametrize("name", NAMES)
GUESSERS = pytest.mark.parametrize("name", GUESSING)


def sized(spec: Spec, rows: int, columns: int) -> Spec:
    return replace(spec, grid=(rows, columns))


# --- for all -----------------------------------------------------------------------------------------------


def test_they_are_found():
    assert set(NAMES) == {*GUESSING, "dincae"}
    assert set(fitting(DAYS)) == {*NAMES, "fourdvarnet"}


@WHICH
@pytest.mark.parametrize(("rows", "columns"), [(11, 14), (1, 1), (17, 8)])
def test_shapes(which, rows, columns):
    spec = sized(MAPS[which], rows, columns)
    for name in fitting(MAPS[which]):
        network = narrow(name, spec).eval()
        batch = batch_of(spec, count=2, halo=network.halo)
        prediction = network(batch.input).prediction
        assert prediction.shape == batch.target.shape == (2, len(spec.output_channels), rows, columns), name
        assert prediction.dtype == torch.float32
        assert torch.isfinite(prediction).all()


@WHICH
def test_every_parameter_gets_a_gradient(which):
    spec = MAPS[which]
    for name in fitting(spec):
        network = narrow(name, spec).eval()  # in training, normalization takes the biases away
        ((player, total, terms),) = network.objectives(batch_of(spec, halo=network.halo), mse(spec=spec))
        assert player == "network"
        assert "mse" in terms
        total.backward()
        for parameter_name, parameter in network.named_parameters():
            assert torch.isfinite(parameter.grad).all(), (name, parameter_name)
            assert parameter.grad.abs().sum() > 0, (name, parameter_name)


@pytest.mark.parametrize("name", fitting(DAYS))
def test_the_same_answer_whoever_asks(name):
    """With gradients, without, and in PyTorch's inference mode; and alone as in a batch."""
    network = narrow(name, DAYS).eval()
    input = batch_of(DAYS, count=3, halo=network.halo).input
    expected = network(input).prediction
    with torch.no_grad():
        torch.testing.assert_close(network(input).prediction, expected)
    with torch.inference_mode():
        torch.testing.assert_close(network(input * 1.0).prediction, expected)
    torch.testing.assert_close(network(input[:1]).prediction, expected[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", sorted(set(ALL) - set(fitting(DAYS))))
def test_the_others_say_what_to_type(name):
    with pytest.raises(ValueError, match="data=sea asks for the interpolation of maps: try model=unet"):
        make(name, DAYS)


# --- first guesses -----------------------------------------------------------------------------------------


def silence(network: nn.Module) -> None:
    """The body gives zeros."""
    last = network.layers[-1] if hasattr(network, "layers") else network.last
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


@GUESSERS
@WHICH
@pytest.mark.parametrize("predict_std", [False, True])
def test_they_correct_the_first_guess(name, which, predict_std):
    """Of their own days: all, or the one in the middle."""
    spec = MAPS[which]
    network = narrow(name, spec, predict_std=predict_std).eval()
    input = batch_of(spec, halo=network.halo).input
    h = network.halo
    guess = input[:, :3, h : h + 11, h : h + 14]
    guess = guess if which == "all" else guess[:, 1:2]
    assert not torch.allclose(network(input).prediction, guess)
    silence(network)
    assert torch.equal(network(input).prediction, guess)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
@WHICH
def test_the_halo_is_all_that_a_prediction_sees(name, which):
    network = narrow(name, MAPS[which]).double().eval()
    whole = batch_of(sized(MAPS[which], 14, 17), count=1, halo=network.halo).input.double()
    with torch.no_grad():
        expected = network(whole).prediction[..., 2:11, 3:13]
        part = whole[..., 2 : 11 + 2 * network.halo, 3 : 13 + 2 * network.halo]
        torch.testing.assert_close(network(part).prediction, expected, rtol=0, atol=1e-12)


# --- standard deviations -----------------------------------------------------------------------------------


def with_std(name: str, spec: Spec, **changes):
    return narrow(name, spec, **changes | ({} if name == "dincae" else {"predict_std": True})).eval()


@EACH
@WHICH
def test_the_likelihood_of_the_target(name, which):
    """Of what the mask says. The score is that of the day in the middle."""
    spec = MAPS[which]
    network = with_std(name, spec)
    batch = batch_of(spec, halo=network.halo)
    mean, log_std = (part.detach() for part in network.with_std(batch.input))
    assert torch.equal(mean, network(batch.input).prediction.detach())
    nats = -Normal(mean, log_std.exp()).log_prob(batch.target.nan_to_num())
    ((_, total, terms),) = network.objectives(batch, mse(spec=spec))
    torch.testing.assert_close(total.detach(), nats[batch.mask].mean())
    assert set(terms) == {"mse", "negative_log_likelihood"}
    assert not any(part.requires_grad for part in terms.values())
    torch.testing.assert_close(terms["mse"], (mean - batch.target)[batch.mask].square().mean())
    middle = len(spec.output_channels) // 2
    found = network.scores(batch, mse(spec=spec))
    assert set(found) == {score.name for score in network.scores_given}
    torch.testing.assert_close(found["negative_log_likelihood"], nats[:, middle][batch.mask[:, middle]].mean())


@EACH
@WHICH
def test_the_share_within_one_standard_deviation(name, which):
    """Counted cell by cell, in each sample; one of them has no sea."""
    spec = MAPS[which]
    network = with_std(name, spec)
    batch = batch_of(spec, count=3, halo=network.halo)
    batch = replace(batch, mask=batch.mask & torch.tensor([True, False, True])[:, None, None, None])
    mean, log_std = (part.detach() for part in network.with_std(batch.input))
    middle, shares = len(spec.output_channels) // 2, []
    for n in (0, 2):
        within = [
            abs(float(batch.target[n, middle, y, x] - mean[n, middle, y, x])) <= float(log_std[n, middle, y, x].exp())
            for y, x in batch.mask[n, middle].nonzero()
        ]
        shares.append(sum(within) / len(within))
    found = network.scores(batch, mse(spec=spec))
    assert found["share_within_std"].item() == pytest.approx(sum(shares) / 2)
    assert found["miscalibration"].item() == pytest.approx(
        sum(abs(share - 0.6826895) for share in shares) / 2, abs=1e-6
    )


@pytest.mark.parametrize(("claimed", "expected"), [(1.0, 0.6827), (2.0, 0.9545), (0.5, 0.3829)])
def test_the_calibration_of_normal_errors(claimed, expected):
    """Errors of standard deviation 1, said to be `claimed`."""
    target = torch.randn(4, 1, 200, 200, generator=seeded())
    batch = Batch(input=target, target=target, mask=torch.ones_like(target, dtype=torch.bool))
    found = estimators.calibration(torch.zeros_like(target), torch.full_like(target, claimed).log(), batch)
    assert found["share_within_std"].item() == pytest.approx(expected, abs=0.005)
    assert found["miscalibration"].item() == pytest.approx(abs(expected - 0.6827), abs=0.005)
    nothing = estimators.calibration(target, target, replace(batch, mask=torch.zeros_like(batch.mask)))
    assert all(value == 0 for value in nothing.values())


@GUESSERS
def test_no_standard_deviation_unless_asked_for(name):
    network = narrow(name, DAYS).eval()
    assert network.scores_given == ()
    assert network.scores(batch_of(DAYS, halo=network.halo), mse(spec=DAYS)) == {}


# --- a second input ------------------------------------------------------------------------------------------


@WHICH
def test_every_network_sees_a_temperature_where_it_is_known(which):
    spec = with_sst(MAPS[which])
    for name in fitting(spec):
        network = narrow(name, spec).eval()
        batch = batch_of(spec, count=2, halo=network.halo)
        ((_, total, _),) = network.objectives(batch, mse(spec=spec))
        total.backward()
        for given, parameter in network.named_parameters():
            assert parameter.grad is not None, f"{name}: {given}"
        warmer = batch.input.clone()
        warmer[:, spec.input_groups[SST]] += 0.5 * warmer[:, spec.input_groups[SST_KNOWN]]
        with torch.no_grad():
            answers = network(batch.input).prediction, network(warmer).prediction
        assert not torch.allclose(*answers), name


def test_a_mirrored_corrector_with_a_temperature_is_mirrored_south_north_alone():
    spec = with_sst(sized(DAYS, 16, 32))
    network = narrow("corrector", spec, mirrored=True, halo=0).eval().double()
    input, groups = batch_of(spec, count=2).input.double(), spec.input_groups
    signs = torch.ones(input.shape[1], 1, 1).double()
    for name in (FIRST_GUESS, OBSERVATIONS, SST):
        signs[groups[name]] = -1
    west = torch.cat([input[:, channels].flip(1, -1) for channels in groups.values()], dim=1)
    with torch.no_grad():
        answer = network(input).prediction
        torch.testing.assert_close(network((signs * input).flip(-2)).prediction, -answer.flip(-2))
        assert not torch.allclose(network(west).prediction, answer.flip(1, -1))


# --- mirrored seas -----------------------------------------------------------------------------------------


@WHICH
@pytest.mark.parametrize("predict_std", [False, True])
def test_a_mirrored_corrector_answers_a_mirrored_sea_with_a_mirrored_map(which, predict_std):
    spec = sized(MAPS[which], 16, 32)  # nothing to complete on one side only
    network = narrow("corrector", spec, mirrored=True, predict_std=predict_std, halo=0).eval().double()
    input = batch_of(spec, count=2).input.double()
    signs = torch.cat([-torch.ones(6), torch.ones(4)]).double()[:, None, None]
    backward = [2, 1, 0, 5, 4, 3, 8, 7, 6, 9]  # days of guesses, observations and flags; the sea
    with torch.no_grad():
        answer, std = network(input).prediction, network.error_std(input)
        north = (signs * input).flip(-2)
        torch.testing.assert_close(network(north).prediction, -answer.flip(-2))
        west = input[:, backward].flip(-1)
        torch.testing.assert_close(network(west).prediction, answer.flip(1, -1))
        assert (std is None) != predict_std
        if predict_std:
            torch.testing.assert_close(network.error_std(north), std.flip(-2))
        plain = narrow("corrector", spec, predict_std=predict_std, halo=0).eval().double()
        assert not torch.allclose(plain(north).prediction, -plain(input).prediction.flip(-2))


def test_a_corrector_with_coordinates_is_not_mirrored():
    spec = replace(DAYS, input_channels=(*DAYS.input_channels, "x"), groups=(*DAYS.groups, (COORDINATES, 1)))
    with pytest.raises(ValueError, match=r"no place for coordinates: type data\.coordinates=false"):
        make("corrector", spec, mirrored=True)
