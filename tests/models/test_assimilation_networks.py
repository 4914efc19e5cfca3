"""Every network of conf/model that assimilates observations: shapes, the ring, gradients, first guesses, predicted
standard deviations; the fixed point; numbers of weights; refusals. See test_fourdvarnet.py for that one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from dlgd.core.contract import Batch
from dlgd.core.specs import FIRST_GUESS
from dlgd.losses.pointwise import mse
from dlgd.models import convolutions, estimators, priors
from tests.models.made import ASSIMILATION, FORECAST, batch_of, fitting, make, narrow, seeded

L63, L96 = ASSIMILATION["lorenz63"], ASSIMILATION["lorenz96"]
NAMES = fitting(L63)
# from the first guess on, with standard deviations if asked for
GUESSING = ["bilstm", "cnn", "dilated_resnet", "resnet", "overlapping_segments", "unet", "vgg"]
SYSTEMS = pytest.mark.parametrize("system", ASSIMILATION)
EACH = pytest.mark.parametrize("name", NAMES)
GUESSERS = pytest.mark.parametrize("name", GUESSING)


def weights(network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


# --- for all -----------------------------------------------------------------------------------------------


def test_they_are_found():
    assert set(NAMES) == {*GUESSING, "fixed_point", "fourdvarnet"}
    assert fitting(L96) == NAMES


@EACH
@SYSTEMS
@pytest.mark.parametrize("steps", [1, 8, 37])
def test_shapes_for_any_number_of_steps(name, system, steps):
    spec = ASSIMILATION[system]
    network = narrow(name, spec).eval()
    assert network.halo == 0
    batch = batch_of(replace(spec, grid=(steps, spec.grid[1])), count=2)
    prediction = network(batch.input).prediction
    assert prediction.shape == batch.target.shape
    assert prediction.dtype == torch.float32
    assert torch.isfinite(prediction).all()


@EACH
def test_the_ring_has_no_first_variable(name):
    network, input = narrow(name, L96).eval(), batch_of(L96, count=2).input
    turned = network(input.roll(3, dims=-1)).prediction
    torch.testing.assert_close(turned, network(input).prediction.roll(3, dims=-1), rtol=1e-4, atol=1e-5)


@EACH
@SYSTEMS
def test_every_parameter_gets_a_gradient(name, system):
    spec = ASSIMILATION[system]
    network, batch = narrow(name, spec).eval(), batch_of(spec)  # in training, normalization takes the biases away
    ((player, total, _),) = network.objectives(batch, mse(spec=spec))
    assert player == "network"
    total.backward()
    for parameter_name, parameter in network.named_parameters():
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@EACH
def test_the_same_answer_whoever_asks(name):
    """With gradients, without, and in PyTorch's inference mode, where tensors have no place for any; and alone as in a
    batch."""
    network, input = narrow(name, L63).eval(), batch_of(L63).input
    expected = network(input).prediction
    with torch.no_grad():
        without = network(input).prediction
    with torch.inference_mode():
        inferred = network(input * 1.0).prediction
    assert not without.requires_grad
    torch.testing.assert_close(without, expected)
    torch.testing.assert_close(inferred, expected)
    torch.testing.assert_close(network(input[:1]).prediction, expected[:1], rtol=1e-4, atol=1e-5)


# --- convolutions of sequences -----------------------------------------------------------------------------


@pytest.mark.parametrize("dilation", [1, 2])
@pytest.mark.parametrize(("kernel", "ring"), [(5, 8), (3, 1), (7, 4), (5, 5), (1, 3)])
def test_a_convolution_of_sequences_by_hand(kernel, ring, dilation):
    """Zeros before the first and after the last step; around the ring as often as it takes."""
    convolution = convolutions.SequenceConv(2, 3, kernel, ring, dilation=dilation).double()
    x = torch.randn(2, 6, ring, generator=seeded(), dtype=torch.float64)
    width = convolution.weight.shape[-1]
    assert width == min(kernel, ring)
    expected = convolution.bias.detach()[:, None, None].repeat(1, 6, ring)
    for t, place, i, j in np.ndindex(6, ring, kernel, width):
        step = t + dilation * (i - kernel // 2)
        if 0 <= step < 6:
            seen = x[:, step, (place + j - width // 2) % ring]
            expected[:, t, place] += convolution.weight.detach()[:, :, i, j] @ seen
    torch.testing.assert_close(convolution(x[None])[0], expected)


def test_a_unet_adds_zeros_to_what_cannot_be_halved():
    network = narrow("unet", L63, normalization="none").eval()
    input = batch_of(L63).input
    longer = nn.functional.pad(input, (0, 0, 0, 40 - 37))
    torch.testing.assert_close(network(input).prediction, network(longer).prediction[:, :, :37])


# --- first guesses and standard deviations -----------------------------------------------------------------


def silence(network) -> None:
    """The body gives zeros."""
    last = (
        network.layers[-1] if hasattr(network, "layers") and isinstance(network.layers, nn.Sequential) else network.last
    )
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


@GUESSERS
@pytest.mark.parametrize("predict_std", [False, True])
def test_they_correct_the_first_guess(name, predict_std):
    network, input = narrow(name, L63, predict_std=predict_std).eval(), batch_of(L63).input
    assert not torch.equal(network(input).prediction, input[:, :3])
    silence(network)
    assert torch.equal(network(input).prediction, input[:, :3])


@GUESSERS
@SYSTEMS
def test_the_likelihood_of_the_target(name, system):
    """Against SciPy; of what the mask says."""
    spec = ASSIMILATION[system]
    network, batch = narrow(name, spec, predict_std=True).eval(), batch_of(spec)
    hidden = torch.rand(batch.mask.shape, generator=seeded()) < 0.3
    batch = Batch(input=batch.input, target=torch.where(hidden, torch.nan, batch.target), mask=~hidden)
    mean, log_std = (part.detach() for part in network.with_std(batch.input))
    torch.testing.assert_close(mean, network(batch.input).prediction)
    exact = stats.norm(mean, log_std.exp()).logpdf(batch.target)[batch.mask.numpy()].mean()
    ((_, total, terms),) = network.objectives(batch, mse(spec=spec))
    assert total.item() == pytest.approx(-exact, rel=1e-5)
    assert set(terms) == {"mse", "negative_log_likelihood"}
    assert not any(part.requires_grad for part in terms.values())
    assert [score.name for score in network.scores_given] == [
        "negative_log_likelihood",
        "share_within_std",
        "miscalibration",
    ]
    assert network.scores(batch, mse(spec=spec))["negative_log_likelihood"].item() == pytest.approx(-exact, rel=1e-5)
    total.backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad.abs().sum() > 0, parameter_name


@GUESSERS
def test_no_standard_deviation_unless_asked_for(name):
    network, batch = narrow(name, L63).eval(), batch_of(L63)
    assert network.scores_given == ()
    assert network.scores(batch, mse(spec=L63)) == {}
    ((_, total, terms),) = network.objectives(batch, mse(spec=L63))
    assert set(terms) == {"mse"}
    torch.testing.assert_close(total, (network(batch.input).prediction - batch.target).square().mean())


@pytest.mark.parametrize("std", [0.05, 2.0])
def test_the_standard_deviation_of_noise_is_learned(std):
    """The target is the first guess and white noise, of which nothing can be known but its size."""
    network, generator = narrow("cnn", L63, layers=3, predict_std=True, normalization="none"), seeded()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for step in range(300):
        optimizer.param_groups[0]["lr"] = 1e-2 * (1 - step / 300)
        input = torch.randn(4, 9, 50, 1, generator=generator)
        target = input[:, :3] + std * torch.randn(4, 3, 50, 1, generator=generator)
        batch = Batch(input=input, target=target, mask=torch.ones_like(target, dtype=torch.bool))
        optimizer.zero_grad()
        next(network.objectives(batch, mse(spec=L63)))[1].backward()
        optimizer.step()
    _, log_std = network.with_std(batch.input)
    assert log_std.exp().mean().item() == pytest.approx(std, rel=0.2)


def test_standard_deviations_stay_within_reason():
    network = narrow("cnn", L63, predict_std=True).eval()
    _, log_std = network.with_std(1e6 * batch_of(L63).input)
    assert 0 < log_std.abs().max() <= estimators.LARGEST_LOG_STD


# --- the fixed point ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("iterations", [1, 5])
def test_iterations_of_the_fixed_point(iterations):
    """With a Phi that halves: by hand; it is asked once more for the answer."""
    network, input = make("fixed_point", L63, iterations=iterations), batch_of(L63).input
    asked = []

    class Half(nn.Module):
        def forward(self, x):
            asked.append(x)
            return x / 2

    network.prior = Half()
    found = network(input).prediction
    assert len(asked) == iterations + 1
    guess, observations, flags = input.chunk(3, dim=1)
    expected = torch.where(flags == 1, observations, guess / 2**iterations) / 2
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("weight", [0.0, 0.7])
def test_the_objective_of_the_fixed_point(weight):
    network, batch = make("fixed_point", L63, prior_weight=weight), batch_of(L63)
    ((_, total, terms),) = network.objectives(batch, mse(spec=L63))
    phi, answer = network.prior, network(batch.input).prediction
    costs = [(phi(x) - x).square().mean() for x in (answer, batch.target)]
    error = (answer - batch.target).square().mean()
    torch.testing.assert_close(total, error + weight * 0.5 * (costs[0] + costs[1]))
    assert set(terms) == {"mse", "prior"}
    torch.testing.assert_close(terms["prior"], (total - error).detach())


# --- the courses' networks ---------------------------------------------------------------------------------


def test_the_direct_network_of_the_courses():
    """7 x 1, 3-30-60-120, and 1 x 1: printed as 64.0 K, without the biases."""
    three = replace(L63, input_channels=("x", "y", "z"), groups=((FIRST_GUESS, 3),))
    network = make("cnn", three, layers=4, width=120, kernel=7, activation="relu", normalization="none")
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert sum(convolution.weight.numel() for convolution in convolutions) == 63_990
    assert weights(network) == 63_990 + 30 + 60 + 120 + 3


def test_the_prior_of_the_courses():
    """Printed as 15.3 K."""
    assert weights(make("fixed_point", L63, prior="unet", width=30, kernel=11)) == 15_300


def test_the_prior_at_two_scales():
    """With the fine scale silenced, it sees means over four steps alone: of the last ones, those that are there."""
    phi = priors.TwoScale(channels=3, ring=1, width=4, kernel=5)
    nn.init.zeros_(phi.last.weight)
    x = torch.randn(2, 3, 10, 1, generator=seeded())
    means = torch.stack([x[:, :, i : i + 4].mean(dim=2) for i in (0, 4, 8)], dim=2)
    flat = means.repeat_interleave(4, dim=2)[:, :, :10]
    assert phi(x).abs().sum() > 0
    torch.testing.assert_close(phi(x), phi(flat))


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("fixed_point", {"prior": "ode"}, "model.prior=ode is unknown: choose one of unet, cnn"),
        ("fixed_point", {"iterations": 0}, "model.iterations=0"),
        ("fixed_point", {"prior_weight": -1.0}, "model.prior_weight=-1.0 must be a number of at least 0"),
        ("fixed_point", {"width": 0}, "model.width=0 must be a whole number of at least 1"),
        ("fixed_point", {"kernel": 10}, "model.kernel=10 must be an odd number of at least 1"),
        ("bilstm", {"hidden": 0}, "model.hidden=0"),
        ("bilstm", {"layers": 0}, "model.layers=0"),
        ("bilstm", {"kernel": 2}, "model.kernel=2 must be an odd number of at least 1"),
        ("cnn", {"kernel": 2}, "model.kernel=2 must be an odd number of at least 1"),
    ],
)
def test_impossible_options(name, change, words):
    with pytest.raises(ValueError, match=words):
        make(name, L63, **change)


@EACH
def test_forecasts_are_not_for_them(name):
    words = "assimilates observations but data=lorenz63 asks for forecasts: try model=neural_ode"
    with pytest.raises(ValueError, match=words):
        make(name, FORECAST["lorenz63"])
