"""Large fields are predicted in tiles, as if whole, by networks that see no further than their halo."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from dlgd.core.contract import Batch, Network, Spec
from dlgd.models.cnn import CNN
from dlgd.models.finite_volume import FiniteVolume
from dlgd.models.resnet import ResNet
from dlgd.models.unet import UNet
from dlgd.scoring import trained

SPEC = Spec(name="waves", kind="field", input_channels=("a", "b"), output_channels=("c",), grid=(40, 48))
STYLE = {"spec": SPEC, "width": 8, "activation": "elu"}
NETWORKS = {
    "cnn": lambda norm: CNN(layers=4, dropout=0.0, normalization=norm, **STYLE),
    "resnet": lambda norm: ResNet(layers=4, skip="addition", normalization=norm, **STYLE),
    "finite_volume": lambda norm: FiniteVolume(layers=2, messages=3, normalization=norm, **STYLE),
}


@pytest.fixture
def shapes(monkeypatch) -> list[tuple[int, ...]]:
    """Sizes (Y, X) of what is predicted at once."""
    monkeypatch.setattr(trained, "TILE", 16)
    return []


def predicted(network: Network, shapes: list[tuple[int, ...]], rows: int, columns: int) -> tuple[Tensor, Tensor]:
    """The prediction of a field of two samples by `predict`, and that of the network alone."""
    torch.manual_seed(0)
    network.eval()
    input = torch.randn(2, 2, rows + 2 * network.halo, columns + 2 * network.halo)
    with torch.inference_mode():
        for module in network.modules():  # statistics of the batch normalization that are not zero and one
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2)
        whole = network(input).prediction
    network.register_forward_hook(lambda *found: shapes.append(tuple(found[2].prediction.shape[-2:])))
    batch = Batch(input=input, target=torch.zeros(2, 1, rows, columns), mask=torch.ones(2, 1, rows, columns).bool())
    return trained.predict(network, [batch]), whole


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize(("rows", "columns"), [(16, 33), (35, 16), (37, 40)])
def test_tiles_are_those_of_the_whole_field(name, rows, columns, shapes):
    network = NETWORKS[name]("batch")
    assert network.local
    found, whole = predicted(network, shapes, rows, columns)
    torch.testing.assert_close(found, whole, rtol=1e-5, atol=1e-5)
    assert len(shapes) == -(-rows // 16) * -(-columns // 16)
    assert max(max(shape) for shape in shapes) == 16


def test_a_small_field_is_predicted_at_once(shapes):
    found, whole = predicted(NETWORKS["cnn"]("batch"), shapes, 16, 12)
    assert torch.equal(found, whole)
    assert shapes == [(16, 12)]


@pytest.mark.parametrize("name", NETWORKS)
def test_statistics_of_the_whole_field_need_the_whole_field(name, shapes):
    network = NETWORKS[name]("group")
    assert not network.local
    found, whole = predicted(network, shapes, 35, 40)
    assert torch.equal(found, whole)
    assert shapes == [(35, 40)]


def test_a_network_of_several_resolutions_is_not_cut(shapes):
    """What stands where in its coarse grids depends on where a field begins."""
    network = UNet(levels=2, halo=8, normalization="batch", **STYLE)
    found, whole = predicted(network, shapes, 35, 40)
    assert torch.equal(found, whole)
    assert shapes == [(35, 40)]
