"""Every network of conf/model that tells the class of a sample: shapes, features, its choices, and that it learns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from torch.nn import functional

from dlgd.models import basic_layers
from tests.models.made import LABELS, PATCHES, batch_of, fitting, make, narrow, seeded

NAMES = fitting(LABELS)
POOLED = [name for name in NAMES if name != "mlp"]


def weights(network) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def test_they_are_found():
    assert {"cnn", "mlp", "resnet", "vgg"} <= set(NAMES)


# --- for all -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("grid", [(28, 28), (9, 14), (1, 1)])
def test_shapes(name, grid):
    spec = replace(LABELS, grid=grid, input_channels=("red", "green"), output_channels=("a", "b", "c"))
    network = narrow(name, spec)
    assert network.halo == 0
    prediction = network(batch_of(spec).input).prediction
    assert prediction.shape == (6, 3)
    assert torch.isfinite(prediction).all()


@pytest.mark.parametrize("name", NAMES)
def test_the_answer_is_linear_in_the_features(name):
    network = narrow(name, LABELS).eval()
    input = batch_of(LABELS).input
    features = network.features(input)
    assert features.ndim == 2
    torch.testing.assert_close(
        network(input).prediction, functional.linear(features, network.last.weight, network.last.bias)
    )


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_gets_a_gradient(name):
    network = narrow(name, LABELS, activation="elu").eval()
    network(batch_of(LABELS).input).prediction.square().sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad.abs().sum() > 0, parameter_name


def stripes(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """32 noisy pictures of 16 x 16 cells, striped one way, the other way, both ways or not at all, and which."""
    labels = torch.randint(4, (32,), generator=generator)
    wave = torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(4)
    kinds = torch.stack([wave[:, None].expand(16, 16), wave.expand(16, 16), wave[:, None] * wave, torch.zeros(16, 16)])
    return (kinds[labels] + 0.5 * torch.randn(32, 16, 16, generator=generator))[:, None], labels


@pytest.mark.parametrize("name", NAMES)
def test_it_learns_to_tell_stripes(name):
    """In thirty steps, on pictures that are never the same."""
    spec = replace(LABELS, grid=(16, 16), output_channels=("rows", "columns", "checks", "none"))
    network, generator = narrow(name, spec), seeded()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-2)
    for _ in range(30):
        input, labels = stripes(generator)
        optimizer.zero_grad()
        functional.cross_entropy(network(input).prediction, labels).backward()
        optimizer.step()
    input, labels = stripes(generator)
    assert (network.eval()(input).prediction.argmax(dim=1) == labels).float().mean() > 0.9


# --- numbers of weights ------------------------------------------------------------------------------------


def test_the_perceptron_of_the_courses():
    """784-512-256-10: 535,818 weights, as the DLOA 2023 notebooks print."""
    assert weights(make("mlp", LABELS, sizes=[512, 256], normalization="none")) == 535_818


def test_a_cnn_by_hand():
    """Channels 1-2-2, pool, 4-4, pool, 8-8; then 8 to 10."""
    channels = [1, 2, 2, 4, 4, 8, 8]
    expected = sum(9 * a * b + b for a, b in zip(channels[:-1], channels[1:], strict=True)) + 8 * 10 + 10
    network = make("cnn", LABELS, layers=7, width=8, normalization="none")
    assert weights(network) == expected
    assert network.layers[:-2](torch.zeros(1, 1, 28, 28)).shape == (1, 8, 7, 7)


@pytest.mark.parametrize(("layers", "expected"), [(4, [0, 0, 0]), (10, [1, 1, 1]), (12, [1, 1, 2]), (14, [1, 2, 2])])
def test_blocks_of_a_resnet_are_shared_among_the_resolutions(layers, expected):
    network = make("resnet", LABELS, layers=layers, width=16)
    found = [0]
    for module in network.layers:
        if isinstance(module, nn.MaxPool2d):
            found.append(0)
        found[-1] += type(module).__name__ == "AdditiveBlock"
    assert found == expected
    convolutions = [module for module in network.modules() if isinstance(module, nn.Conv2d)]
    assert len(convolutions) + 1 == layers


@pytest.mark.parametrize("name", POOLED)
def test_below_a_million(name):
    assert weights(make(name, LABELS)) < 1_000_000


# --- choices -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_and_normalization(name):
    answers = []
    for activation in basic_layers.ACTIVATIONS:
        for normalization in basic_layers.NORMALIZATIONS:
            options = {"sizes": [16, 16]} if name == "mlp" else {"width": 16}
            network = make(name, LABELS, activation=activation, normalization=normalization, **options).train()
            answers.append(network(batch_of(LABELS).input).prediction.detach())
    assert all(torch.isfinite(answer).all() for answer in answers)
    for number, one in enumerate(answers):
        for other in answers[:number]:
            assert not torch.allclose(one, other)


@pytest.mark.parametrize("skip", ["addition", "concatenation", "none"])
def test_skips_of_a_resnet(skip):
    network = make("resnet", LABELS, width=16, skip=skip)
    assert network.features(batch_of(LABELS).input).shape == (6, 32 if skip == "concatenation" else 16)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
def test_a_larger_kernel_keeps_the_sizes(name):
    one, five = (make(name, LABELS, width=16, kernel=kernel) for kernel in (1, 5))
    assert five.features(batch_of(LABELS).input).shape == one.features(batch_of(LABELS).input).shape
    assert weights(five) > 5 * weights(one)


@pytest.mark.parametrize("name", ["cnn", "mlp"])
def test_dropout_in_training_alone(name):
    network, input = narrow(name, LABELS, dropout=0.5), batch_of(LABELS).input
    assert not torch.equal(network(input).prediction, network(input).prediction)
    share = (network.features(input) == 0).float().mean() if name == "cnn" else 0.5
    assert share == pytest.approx(0.5, abs=0.2)
    network.eval()
    assert torch.equal(network(input).prediction, network(input).prediction)


def test_a_perceptron_of_fields():
    """Whole ones, of any number of channels."""
    spec = replace(PATCHES, whole=True, output_channels=("u", "v"))
    network = make("mlp", spec, sizes=[7])
    assert network(batch_of(spec).input).prediction.shape == (6, 2, 40, 48)
    assert weights(network) == 4 * 40 * 48 * 7 + 7 + 7 * 2 * 40 * 48 + 2 * 40 * 48
    bounded = make("mlp", replace(spec, bounds=(0.0, 1.0)), sizes=[7])
    prediction = bounded(100 * batch_of(spec).input).prediction
    assert 0 <= prediction.min() < 0.1 < 0.9 < prediction.max() <= 1


def test_a_perceptron_without_hidden_layers_is_linear():
    network, input = make("mlp", LABELS, sizes=[]), batch_of(LABELS).input
    assert weights(network) == 28 * 28 * 10 + 10
    double = network(2 * input).prediction - network(input).prediction
    torch.testing.assert_close(double, network(input).prediction - network.last.bias)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "spec", "change", "words"),
    [
        ("mlp", PATCHES, {}, "model=mlp needs whole samples but data=waves trains on patches: try model=resnet"),
        ("mlp", LABELS, {"sizes": [1.5]}, r"model.sizes=\[1.5\] must be a list of whole numbers"),
        ("mlp", LABELS, {"sizes": [5, 0]}, r"model.sizes=\[5, 0\]"),
        ("mlp", LABELS, {"sizes": "many"}, "model.sizes=many"),
        ("mlp", LABELS, {"dropout": -0.1}, "model.dropout=-0.1"),
        ("cnn", LABELS, {"layers": 1}, "model.layers=1"),
        ("cnn", LABELS, {"width": 0}, "model.width=0 must be a whole number of at least 1"),
        ("cnn", LABELS, {"width": 48, "normalization": "group"}, "multiple of 8 channels in each layer, not 12"),
        ("resnet", LABELS, {"layers": 5}, "model.layers=5.*even"),
        ("resnet", LABELS, {"skip": "jump"}, "model.skip=jump"),
        ("resnet", LABELS, {"predict_std": True}, "predict_std=true is for the assimilation.*data=digits does not"),
    ],
)
def test_impossible_options(name, spec, change, words):
    with pytest.raises(ValueError, match=words):
        make(name, spec, **change)
