"""Every network of conf/model that predicts fields from patches: shapes, an honest halo, gradients, its choices and its
refusals."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn

from dlgd.core.contract import Network, Spec
from dlgd.models import basic_layers, convolutions
from dlgd.models.resnet import AdditiveBlock, ConcatenationBlock
from tests.models import made
from tests.models.made import PATCHES as SPEC
from tests.models.made import seeded

PADDED = {"unet"}  # their halo is context that helps, not all that a prediction depends on
FIELD = made.fitting(SPEC)
EXACT = [name for name in FIELD if name not in PADDED]


def make(name: str, spec: Spec = SPEC, **changes) -> Network:
    """For fields, unless said otherwise."""
    return made.make(name, spec, **changes)


def noise(network: Network, rows: int, columns: int, batch: int = 1) -> torch.Tensor:
    """Input for a prediction of rows x columns."""
    halo = 2 * network.halo
    return torch.randn(batch, len(SPEC.input_channels), rows + halo, columns + halo, generator=seeded())


def test_the_field_networks_are_found():
    assert {"cnn", "finite_volume", "resnet", "unet", "vgg"} <= set(FIELD)


# --- for every network of fields ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", FIELD)
@pytest.mark.parametrize("outputs", [("gamma",), ("u", "v", "w")])
def test_shapes(name, outputs):
    spec = Spec(name="x", kind="field", input_channels=SPEC.input_channels, output_channels=outputs, grid=(40, 48))
    network = make(name, spec, width=8)
    assert network.halo >= 0
    output = network(noise(network, 9, 14, batch=2))
    assert output.prediction.shape == (2, len(outputs), 9, 14)
    assert output.prediction.dtype == torch.float32
    assert torch.isfinite(output.prediction).all()


@pytest.mark.parametrize("name", FIELD)
def test_channels_of_the_data_are_used(name):
    """YAML holds no channel count: the data set says how many."""
    spec = Spec(name="x", kind="field", input_channels=("one",), output_channels=("gamma",), grid=(40, 48))
    network = make(name, spec, width=8)
    assert network(noise(network, 8, 8)[:, :1]).prediction.shape == (1, 1, 8, 8)
    with pytest.raises(RuntimeError):
        network(noise(network, 8, 8))


@pytest.mark.parametrize("name", FIELD)
def test_every_parameter_gets_a_gradient(name):
    network = make(name, width=8).eval()  # in training, batch normalization takes the biases away
    network(noise(network, 8, 8)).prediction.square().sum().backward()
    for parameter_name, parameter in network.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert torch.isfinite(parameter.grad).all(), parameter_name
        assert parameter.grad.abs().sum() > 0, parameter_name


@pytest.mark.parametrize("name", FIELD)
def test_every_activation_and_normalization(name):
    """All choices build, differ from one another, and stay finite in training."""
    answers = []
    for activation in basic_layers.ACTIVATIONS:
        for normalization in basic_layers.NORMALIZATIONS:
            network = make(name, width=8, activation=activation, normalization=normalization)
            network.train()
            answers.append(network(noise(network, 8, 8)).prediction.detach())
    assert all(torch.isfinite(answer).all() for answer in answers)
    for number, one in enumerate(answers):
        for other in answers[:number]:
            assert not torch.allclose(one, other)


@pytest.mark.parametrize("name", FIELD)
@pytest.mark.parametrize("bounds", [(0.0, 1.0), (-3.0, 2.0)])
def test_predictions_keep_within_the_bounds_of_the_data(name, bounds):
    free, bounded = (make(name, replace(SPEC, bounds=b), width=8).eval() for b in (None, bounds))
    assert list(free.state_dict()) == list(bounded.state_dict())
    input = 30 * noise(free, 9, 8)
    with torch.no_grad():
        inner = free(input).prediction
        expected = bounds[0] + (bounds[1] - bounds[0]) / (1 + torch.exp(-inner))
        torch.testing.assert_close(bounded(input).prediction, expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("name", FIELD)
def test_one_player_and_one_objective(name):
    assert set(make(name, width=8).players()) == {"network"}


# --- the halo ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", EXACT)
def test_a_cropped_input_gives_the_cropped_prediction(name):
    network = make(name, width=8).double().eval()
    whole = noise(network, 14, 17).double()
    with torch.no_grad():
        expected = network(whole).prediction[..., 2:11, 3:13]
        part = whole[..., 2 : 11 + 2 * network.halo, 3 : 13 + 2 * network.halo]
        torch.testing.assert_close(network(part).prediction, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["cnn", "resnet"])
@pytest.mark.parametrize(("kernel", "halo"), [(1, 0), (5, 8), (7, 12)])
def test_a_larger_kernel_has_a_larger_halo(name, kernel, halo):
    network = make(name, width=8, layers=4, kernel=kernel)
    assert network.halo == halo
    assert network(noise(network, 5, 7)).prediction.shape == (1, 1, 5, 7)


@pytest.mark.parametrize("name", EXACT)
@pytest.mark.parametrize("layers", [4, 10])
def test_a_prediction_sees_all_of_its_halo_and_nothing_beyond(name, layers):
    network = make(name, width=8, layers=layers).double().eval()
    halo = network.halo
    seen = noise(network, 5, 7).double().requires_grad_()
    network(seen).prediction[0, 0, 2, 3].backward()
    touched = seen.grad[0].abs().sum(dim=0) > 0
    rows, columns = touched.any(dim=1).nonzero()[:, 0], touched.any(dim=0).nonzero()[:, 0]
    assert (rows.min(), rows.max()) == (2, 2 + 2 * halo)
    assert (columns.min(), columns.max()) == (3, 3 + 2 * halo)


def test_a_unet_sees_its_halo():
    network = make("unet", width=8).double().eval()
    seen = noise(network, 8, 8).double().requires_grad_()
    network(seen).prediction[0, 0, 4, 4].backward()
    ring = seen.grad[0].abs().sum(dim=0)
    reach = network.halo // 2
    centre = 4 + network.halo
    assert ring[centre - reach, centre] > 0
    assert ring[centre, centre + reach] > 0


@pytest.mark.parametrize("halo", [0, 3, 16])
@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (1, 1), (7, 21), (22, 13), (40, 48)])
def test_a_unet_takes_any_size(rows, columns, halo):
    network = make("unet", width=4, halo=halo).eval()
    assert network(noise(network, rows, columns)).prediction.shape == (1, 1, rows, columns)


def test_a_unet_predicts_the_cells_inside_its_halo():
    """The same input, once with and once without a halo to be cut away."""
    wide, bare = make("unet", width=4, halo=5).eval(), make("unet", width=4, halo=0).eval()
    field = noise(wide, 11, 13)
    expected = bare(field).prediction[..., 5:-5, 5:-5]
    torch.testing.assert_close(wide(field).prediction, expected)


# --- blocks ------------------------------------------------------------------------------------------------


def test_an_additive_block_adds_its_input():
    block = AdditiveBlock(width=3, activation="relu", normalization="none")
    x = torch.randn(1, 3, 8, 9, generator=seeded())
    nn.init.zeros_(block.second[0].weight)
    nn.init.zeros_(block.second[0].bias)
    torch.testing.assert_close(block(x), torch.relu(x[..., 2:-2, 2:-2]))


def test_a_concatenation_block_keeps_what_was_new():
    block = ConcatenationBlock(inputs=6, width=3, activation="relu", normalization="none")
    x = torch.randn(1, 6, 8, 9, generator=seeded())
    out = block(x)
    torch.testing.assert_close(out[:, :3], block.layers(x))
    torch.testing.assert_close(out[:, 3:], x[:, :3, 2:-2, 2:-2])


def test_crop():
    field = torch.arange(30.0).reshape(1, 1, 5, 6)
    assert convolutions.crop(field, 2).tolist() == [[[[14.0, 15.0]]]]
    assert convolutions.crop(field, 0) is field


def test_group_normalization_has_groups_of_eight_channels():
    assert basic_layers.normalization("group", 64).num_groups == 8
    assert basic_layers.normalization("group", 4).num_groups == 1


# --- the report's networks ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("skip", "layers", "published"),
    [
        ("addition", 10, 2.99e5),
        ("none", 10, 2.99e5),
        ("concatenation", 10, 4.12e5),
        ("concatenation", 16, 7.45e5),
    ],
)
def test_number_of_parameters_of_the_report(skip, layers, published):
    """Coulaud 2022, section 4: four input channels, width 64."""
    network = make("resnet", skip=skip, layers=layers, width=64)
    assert network.halo == layers
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(published, rel=0.01)


def test_the_plain_network_of_the_report():
    network = make("cnn", layers=10, width=64)
    assert network.halo == 10
    assert sum(p.numel() for p in network.parameters()) == pytest.approx(2.99e5, rel=0.01)


def test_dropout_is_before_the_last_layer():
    """Of a cnn of fields: with its weights at 1 / cells and all else equal, what the last layer is given, dropped."""
    plain, dropping = (make("cnn", layers=3, width=8, dropout=share) for share in (0.0, 0.25))
    dropping.load_state_dict(plain.state_dict())
    field = noise(plain, 40, 40)
    with torch.no_grad():
        expected = plain.eval()(field).prediction
        torch.testing.assert_close(dropping.eval()(field).prediction, expected)
        plain.train(), dropping.train()
        before = torch.nn.Sequential(*dropping.layers[:-1])(field)
    assert (before == 0).float().mean().item() == pytest.approx(0.25, abs=0.01)


# --- refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (made.LABELS, "data=digits gives labels: try model=cnn"),
        (made.FORECAST["lorenz96"], "data=lorenz96 asks for forecasts: try model=neural_ode"),
        (made.ASSIMILATION["lorenz63"], "data=lorenz63 asks for the assimilation .*: try model=dilated_resnet"),
        (made.NEW, "data=new_digits asks for new samples: try model=gan"),
    ],
)
@pytest.mark.parametrize("name", FIELD)
def test_data_of_another_kind(name, spec, words):
    if name in made.fitting(spec):
        return
    called = name.replace("vgg", "cnn")  # one class
    with pytest.raises(ValueError, match=f"model={called} predicts fields( or [a-z ]*)? but {words}"):
        make(name, spec)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("resnet", {"layers": 9}, "model.layers=9.*even"),
        ("resnet", {"layers": 2}, "model.layers=2 must be an even number of at least 4"),
        ("resnet", {"skip": "jump"}, "model.skip=jump is unknown: choose one of addition, concatenation, none"),
        ("cnn", {"layers": 1}, "model.layers=1.*at least 2"),
        ("unet", {"levels": 0}, "model.levels=0"),
        ("unet", {"halo": -1}, "model.halo=-1"),
        ("cnn", {"dropout": 1.0}, "model.dropout=1.0 must be a number of at least 0 and below 1"),
        ("cnn", {"kernel": 4}, "model.kernel=4 must be an odd number of at least 1"),
        ("resnet", {"kernel": 0}, "model.kernel=0 must be an odd number of at least 1"),
        ("unet", {"predict_std": True}, "predict_std=true.*data=waves does not ask for: try model.predict_std=false"),
    ],
)
def test_impossible_options(name, change, words):
    with pytest.raises(ValueError, match=words):
        make(name, **change)


@pytest.mark.parametrize("name", FIELD)
@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"activation": "rely"}, "activation=rely.*relu.*elu"),
        ({"normalization": "batsh"}, "normalization=batsh.*batch, group, none"),
        ({"normalization": "group", "width": 20}, "normalization=group wants a multiple of 8.*not 20.*model.width"),
        ({"width": 0}, "model.width=0 must be a whole number of at least 1"),
    ],
)
def test_unknown_choices(name, change, words):
    with pytest.raises(ValueError, match=words):
        make(name, **change)
