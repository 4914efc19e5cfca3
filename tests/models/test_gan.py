"""The two players of a GAN: their objectives by hand, penalties and norms against closed forms, classes, refusals."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from dlgd.core.contract import Batch
from dlgd.losses.pointwise import mse
from dlgd.models.discriminators import Discriminator, unit_slope_penalty, zero_slope_penalty
from dlgd.models.gan import OBJECTIVES
from tests.models.made import LABELS, NEW, PICTURES, batch_of, make, narrow, seeded

MISFIT = mse(spec=NEW)  # left out by a GAN


def turns(network, batch=None) -> list[tuple[str, torch.Tensor, dict[str, torch.Tensor]]]:
    """Without a step in between; the same draws each time."""
    torch.manual_seed(4)
    return list(network.objectives(batch_of(NEW) if batch is None else batch, MISFIT))


# --- turns -------------------------------------------------------------------------------------------------


def test_two_players_who_share_no_weight():
    network = narrow("gan", NEW)
    assert set(network.players()) == {"discriminator", "generator"}
    ids = [{id(weight) for weight in player.parameters()} for player in network.players().values()]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == {id(weight) for weight in network.parameters()}


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_turns_in_order(critic_steps):
    players = [player for player, _, _ in turns(narrow("gan", NEW, critic_steps=critic_steps))]
    assert players == ["discriminator"] * critic_steps + ["generator"]


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_objectives_by_hand(objective):
    network = narrow("gan", NEW, objective=objective, gradient_penalty=10.0, normalization="none")
    batch = batch_of(NEW)
    (_, total, terms), (_, generator, _) = turns(network, batch)
    torch.manual_seed(4)
    real = network.discriminator(batch.target, batch.input)
    made = network.discriminator(network(batch.input).prediction, batch.input)
    if objective == "wasserstein":
        torch.rand(6, 1, 1, 1)
    again = network.discriminator(network(batch.input).prediction, batch.input)
    if objective == "non_saturating":
        odds = functional.binary_cross_entropy_with_logits
        expected = odds(real, torch.ones(6)) + odds(made, torch.zeros(6))
        fooled = odds(again, torch.ones(6))
        assert terms["d_real"].item() == pytest.approx(real.sigmoid().mean().item(), rel=1e-5)
        assert terms["d_fake"].item() == pytest.approx(made.sigmoid().mean().item(), rel=1e-5)
    else:
        hinged = objective == "hinge"
        expected = (1 - real).clamp(min=0).mean() + (1 + made).clamp(min=0).mean() if hinged else (made - real).mean()
        fooled = -again.mean()
        assert terms["d_real"].item() == pytest.approx(real.mean().item(), rel=1e-5)
        assert terms["d_fake"].item() == pytest.approx(made.mean().item(), rel=1e-5)
    torch.testing.assert_close(total, expected + 10 * terms["penalty"])
    torch.testing.assert_close(generator, fooled)


def test_the_generator_meets_the_discriminator_after_its_step():
    network, batch = narrow("gan", NEW), batch_of(NEW)
    unstepped = turns(network, batch)[-1][1]
    torch.manual_seed(4)
    for player, total, _ in network.objectives(batch, MISFIT):
        if player == "discriminator":
            total.backward()
            torch.optim.SGD(network.discriminator.parameters(), lr=1.0).step()
    assert not torch.isclose(total, unstepped)


def test_gradients_reach_the_player_whose_turn_it_is():
    network = narrow("gan", NEW)
    (_, discriminator, _), (_, generator, _) = turns(network)
    discriminator.backward(retain_graph=True)
    assert all(weight.grad is None for weight in network.generator.parameters())
    assert all(weight.grad.abs().sum() > 0 for name, weight in network.discriminator.named_parameters())
    network.zero_grad(set_to_none=True)
    generator.backward()
    assert all(weight.grad is not None for weight in network.generator.parameters())


def test_the_misfit_and_the_penalty_are_left_out():
    network = narrow("gan", NEW, gradient_penalty=0.0)
    assert set(turns(network)[0][2]) == {"d_real", "d_fake"}
    network.objectives(batch_of(NEW), None)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_it_learns_where_bright_cells_are(objective):
    """The two classes are bright in the upper and in the lower half."""
    spec = replace(NEW, grid=(8, 8), input_channels=("upper", "lower"))
    weight = {"non_saturating": 1.0, "wasserstein": 10.0, "hinge": 1.0}[objective]
    network = narrow("gan", spec, objective=objective, gradient_penalty=weight, latent=4)
    optimizers = {
        name: torch.optim.Adam(player.parameters(), lr=3e-3, betas=(0.5, 0.99))
        for name, player in network.players().items()
    }
    generator = seeded()
    classes = functional.one_hot(torch.arange(32) % 2, 2).float()
    halves = torch.zeros(2, 1, 8, 8)
    halves[0, :, :4], halves[1, :, 4:] = 1.0, 1.0
    for _ in range(150):
        target = halves[torch.arange(32) % 2] * (0.5 + 0.5 * torch.rand(32, 1, 1, 1, generator=generator))
        batch = Batch(input=classes, target=target, mask=torch.ones_like(target, dtype=torch.bool))
        for player, total, _ in network.objectives(batch, MISFIT):
            network.zero_grad()
            total.backward()
            optimizers[player].step()
    with torch.no_grad():
        upper, lower = network.eval()(torch.eye(2).repeat(20, 1)).prediction.unflatten(0, (20, 2)).mean(0)
    assert upper[:, :4].mean() - upper[:, 4:].mean() > 0.3
    assert lower[:, 4:].mean() - lower[:, :4].mean() > 0.3


# --- penalties and norms -----------------------------------------------------------------------------------


class Linear(nn.Module):
    """<w, x>: the slope is |w| everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, 3, 4, generator=seeded(), dtype=torch.float64))

    def forward(self, samples, classes):
        return (samples * self.weight).flatten(1).sum(dim=1)


def test_penalties_of_a_linear_critic():
    critic = Linear()
    real, made = torch.rand(2, 5, 1, 3, 4, generator=seeded(), dtype=torch.float64)
    norm = critic.weight.detach().norm()
    penalty = unit_slope_penalty(critic, real, made, None)
    torch.testing.assert_close(penalty.detach(), (norm - 1) ** 2)
    penalty.backward()
    torch.testing.assert_close(critic.weight.grad, 2 * (norm - 1) * critic.weight.detach() / norm)
    critic.weight.grad = None
    penalty = zero_slope_penalty(critic, real, None)
    torch.testing.assert_close(penalty.detach(), norm**2 / 2)
    penalty.backward()
    torch.testing.assert_close(critic.weight.grad, critic.weight.detach())


def test_where_the_slope_is_looked_at():
    """Of D(x) = |x|^2 / 2 the slope is |x|: at real samples, and on the line from real to made ones."""

    def critic(samples, classes):
        return samples.flatten(1).square().sum(dim=1) / 2

    real, made = torch.rand(2, 400, 1, 3, 4, generator=seeded(), dtype=torch.float64)
    torch.testing.assert_close(zero_slope_penalty(critic, real, None), real.square().sum() / 400 / 2)
    made = 3 * real  # then |x| is uniform between |real| and 3 |real|
    expected = torch.stack([((s * real.flatten(1).norm(dim=1)) - 1) ** 2 for s in torch.linspace(1, 3, 2001)]).mean()
    torch.manual_seed(0)
    assert unit_slope_penalty(critic, real, made, None).item() == pytest.approx(expected.item(), rel=0.1)


def test_a_flat_critic_has_a_finite_gradient():
    critic = Linear()
    nn.init.zeros_(critic.weight)
    ones = torch.ones(2, 1, 3, 4, dtype=torch.float64)
    unit_slope_penalty(critic, ones, ones, None).backward()
    assert torch.isfinite(critic.weight.grad).all()


def test_spectral_norms_against_singular_values():
    torch.manual_seed(0)
    options = {"channels": 1, "grid": (11, 14), "classes": 10, "width": 8, "activation": "relu"}
    network = Discriminator(spectral_norm=True, **options)
    batch = batch_of(NEW)
    for _ in range(200):  # each one is a step of the power iteration
        network(batch.target, batch.input)
    network.eval()
    layers = [module for module in network.modules() if isinstance(module, nn.Conv2d | nn.Linear)]
    matrices = [layer.weight.detach() for layer in layers]
    assert len(matrices) == 4
    for matrix in matrices:
        largest = torch.linalg.svdvals(matrix.flatten(1))[0].item()
        assert largest == pytest.approx(1.0, abs=1e-3)
    free = Discriminator(spectral_norm=False, **options)
    assert not any("parametrizations" in name for name in free.state_dict())


def test_a_copy_with_spectral_norm_is_the_same():
    """As the moving average and the checkpoints need it."""
    network, batch = narrow("gan", NEW, spectral_norm=True), batch_of(NEW)
    turns(network)
    twin = copy.deepcopy(network)
    other = narrow("gan", NEW, spectral_norm=True, latent=64)
    other.load_state_dict(network.state_dict())
    answers = [one.eval().discriminator(batch.target, batch.input) for one in (network, twin, other)]
    assert torch.equal(answers[0], answers[1])
    assert torch.equal(answers[0], answers[2])


# --- samples and classes -----------------------------------------------------------------------------------


@pytest.mark.parametrize("grid", [(28, 28), (8, 8), (9, 14), (5, 33), (3, 3)])
def test_samples_of_any_size_within_bounds(grid):
    spec = replace(NEW, grid=grid, output_channels=("red", "green"))
    network = narrow("gan", spec)
    samples = network(batch_of(spec).input).prediction
    assert samples.shape == (6, 2, *grid)
    assert ((samples >= 0) & (samples <= 1)).all()
    assert all(torch.isfinite(total) for _, total, _ in turns(network, batch_of(spec)))


@pytest.mark.parametrize("conditional", [False, True])
def test_classes_count_if_asked_to(conditional):
    network, batch = narrow("gan", NEW, conditional=conditional).eval(), batch_of(NEW)

    def answers(classes):
        torch.manual_seed(4)
        made = network(classes).prediction
        return made, network._critic(batch.target, network._classes(classes))

    for one, other in zip(answers(batch.input), answers(batch.input.flip(1)), strict=True):
        assert torch.equal(one, other) != conditional


def test_the_class_is_projected_on_the_features():
    """D(x, y) = <v + e_y, features(x)> + b (Miyato and Koyama 2018, equation 4)."""
    network, batch = narrow("gan", NEW).discriminator, batch_of(NEW)
    features = network.features(batch.target)
    assert features.shape == (6, 16 * math.prod((3, 4)))
    vectors = network.last.weight + network.of_class.weight.T[batch.input.argmax(dim=1)]
    expected = (features * vectors).sum(dim=1) + network.last.bias
    torch.testing.assert_close(network(batch.target, batch.input), expected)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "change", "words"),
    [
        (LABELS, {}, "model=gan makes new samples but data=digits gives labels: try model=cnn"),
        (PICTURES, {}, "model=gan makes new samples but data=pictures gives fields: try model=resnet"),
        (
            NEW,
            {"objective": "polite"},
            "model.objective=polite is unknown: choose one of non_saturating, wasserstein, ",
        ),
        (NEW, {"gradient_penalty": -1.0}, "model.gradient_penalty=-1.0"),
        (NEW, {"objective": "wasserstein", "gradient_penalty": 0.0}, "try model.gradient_penalty=10 or model.spectral"),
        (NEW, {"latent": 0}, "model.latent=0"),
        (NEW, {"critic_steps": 0}, "model.critic_steps=0"),
        (NEW, {"width": 0}, "model.width=0"),
    ],
)
def test_refusals(spec, change, words):
    with pytest.raises(ValueError, match=words):
        make("gan", spec, **change)
