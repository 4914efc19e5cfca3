"""What a layer sees, by gradients and by the closed formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from dlgd.scoring import receptive_field
from dlgd.scoring.receptive_field import Window
from tests.models.made import PATCHES, make, seeded

CHAINS = {
    "convolutions": [nn.Conv2d(1, 3, 3), nn.ReLU(), nn.Conv2d(3, 2, 5)],
    "pooling": [nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 4, 3, padding=1)],
    "strides": [nn.Conv2d(1, 2, 3, stride=2), nn.Conv2d(2, 2, 3, stride=2), nn.Conv2d(2, 2, (1, 3))],
    "dilations": [nn.Conv2d(1, 2, 3), nn.Conv2d(2, 2, 3, dilation=2), nn.Conv2d(2, 2, 3, dilation=4)],
    "means": [nn.AvgPool2d(3, stride=2), nn.Conv2d(1, 2, 1)],
}


def seen(layers, channels: int = 1, size: int = 41) -> np.ndarray:
    return receptive_field.by_gradients(layers, torch.randn(60, channels, size, size, generator=seeded()))


@pytest.mark.parametrize("name", CHAINS)
def test_gradients_agree_with_the_formula(name):
    torch.manual_seed(0)
    chain = nn.Sequential(*CHAINS[name])
    formula = receptive_field.closed_form(receptive_field.windows(chain))
    assert receptive_field.extent(seen(chain))[1] == formula


def test_the_formula_by_hand():
    chain = [Window(3), Window(2, stride=2), Window(3), Window(3, dilation=2)]
    assert receptive_field.closed_form(chain) == 1 + 2 + 1 + 2 * 2 + 2 * 2 * 2
    assert receptive_field.closed_form([]) == 1
    torch.manual_seed(0)
    assert receptive_field.windows(nn.Sequential(*CHAINS["pooling"])) == [Window(3), Window(2, stride=2), Window(3)]


@pytest.mark.parametrize("layers", [2, 4])
def test_the_halo_of_a_network_is_what_it_sees_around_a_cell(layers):
    network = make("cnn", PATCHES, layers=layers, width=8, normalization="none")
    found = seen(lambda input: network(input).prediction, channels=4, size=21)
    assert receptive_field.extent(found) == (2 * network.halo + 1,) * 2
    assert receptive_field.closed_form(receptive_field.windows(network)) == 2 * network.halo + 1


def test_spread_and_extent_of_known_fields():
    field = np.zeros((9, 9))
    assert receptive_field.extent(field) == (0, 0)
    field[2, 4] = field[6, 4] = 3.0
    assert receptive_field.extent(field) == (5, 1)
    assert receptive_field.spread(field) == pytest.approx(np.sqrt((4 + 0) / 2))


@pytest.mark.parametrize(
    "layer", [nn.Upsample(scale_factor=2), nn.AdaptiveAvgPool2d(3), nn.ConvTranspose2d(1, 1, 2), nn.Conv1d(1, 1, 3)]
)
def test_layers_whose_window_is_unknown_are_refused(layer):
    with pytest.raises(ValueError, match=f"{type(layer).__name__} sees is not known"):
        receptive_field.windows(nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU(), layer))


def test_nothing_seen_has_no_spread():
    with pytest.raises(ValueError, match="no cell is seen"):
        receptive_field.spread(np.zeros((3, 3)))
