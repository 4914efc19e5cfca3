"""Networks find groups of channels by name: data whose groups stand in another order get the same answers."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
import torch
from torch import nn

from dlgd.core.contract import Spec
from dlgd.core.specs import COORDINATES, FIRST_GUESS, MapSpec
from tests.models.made import ASSIMILATION, MAPS, batch_of, fitting, narrow

SPECS: dict[str, Spec] = {**{f"maps of {which}": spec for which, spec in MAPS.items()}, **ASSIMILATION}
# the networks all of which are made of groups; of the others, the first layer sees all channels, as they stand
BY_NAME = [("corrector", {"mirrored": True}), ("corrector", {}), ("dincae", {}), ("dincae", {"first_guess": True})]
BY_NAME += [("fixed_point", {}), ("fourdvarnet", {})]


def reordered(spec: Spec, seed: int) -> tuple[Spec, list[int]]:
    """With its groups in another order, and which channel stands at each place then."""
    groups, channels = list(spec.groups), list(range(len(spec.input_channels)))
    random.Random(seed).shuffle(groups)
    places = [place for name, _ in groups for place in channels[spec.input_slice(name)]]
    return replace(spec, groups=tuple(groups), input_channels=tuple(spec.input_channels[n] for n in places)), places


def with_coordinates(spec: MapSpec) -> MapSpec:
    names = ("x", "y", "cos_year", "sin_year")
    return replace(
        spec, input_channels=(*spec.input_channels, *names), groups=(*spec.groups, (COORDINATES, len(names)))
    )


@pytest.mark.parametrize(
    ("name", "changes", "data"),
    [(name, changes, data) for name, changes in BY_NAME for data in SPECS if name in fitting(SPECS[data])],
    ids=str,
)
def test_networks_made_of_groups(name, changes, data):
    spec = SPECS[data]
    network = narrow(name, spec, **changes).eval()
    input = batch_of(spec, count=2, halo=network.halo).input
    expected = network(input).prediction
    for seed in range(3):
        other, places = reordered(spec, seed)
        found = narrow(name, other, **changes).eval()(input[:, places]).prediction
        assert torch.equal(found, expected), other.groups


@pytest.mark.parametrize(("name", "changes"), [("corrector", {}), ("dincae", {}), ("dincae", {"first_guess": True})])
def test_with_coordinates(name, changes):
    spec = with_coordinates(MAPS["all"])
    network = narrow(name, spec, **changes).eval()
    maps = batch_of(MAPS["all"], count=2, halo=network.halo).input
    input = torch.cat([maps, torch.rand(2, 4, *maps.shape[2:], generator=torch.Generator().manual_seed(2))], dim=1)
    expected = network(input).prediction
    other, places = reordered(spec, 1)
    assert torch.equal(narrow(name, other, **changes).eval()(input[:, places]).prediction, expected)


@pytest.mark.parametrize(
    ("name", "data"),
    [(name, data) for data in SPECS for name in fitting(SPECS[data]) if name not in dict(BY_NAME)],
)
def test_what_is_corrected_is_the_first_guess(name, data):
    """Of the days that are asked for, wherever it stands."""
    for seed in range(3):
        spec, _ = reordered(SPECS[data], seed)
        network = narrow(name, spec).eval()
        for parameter in network.parameters():
            nn.init.zeros_(parameter)
        input = batch_of(spec, count=2, halo=network.halo).input
        guess = input[:, spec.input_slice(FIRST_GUESS)]
        if isinstance(spec, MapSpec):
            rows, columns = (slice(network.halo, network.halo + size) for size in spec.grid)
            guess = guess[:, spec.predicted_days, rows, columns]
        assert torch.equal(network(input).prediction, guess)
