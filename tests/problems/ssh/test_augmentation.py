"""Mirror images of seas: the quasi-geostrophic model says which are possible, and the augmentation makes those."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from dlgd.core import specs
from dlgd.core.contract import Batch, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import INVERSE, MapSpec
from dlgd.physics.qg import TwoLayerFlow
from dlgd.physics.tracer import PassiveTracer
from dlgd.problems.ssh.augmentation import MirroredSeas

T = 3
SEA = MapSpec(
    name="sea",
    input_channels=(*(f"{group}{day}" for group in INVERSE for day in range(T)), "sea"),
    groups=(*((group, T) for group in INVERSE), (specs.SEA, 1)),
    output_channels=("a", "b", "c"),
    grid=(6, 8),
    days=T,
)


def film(flow: TwoLayerFlow, first: torch.Tensor) -> torch.Tensor:
    """Five moments of potential vorticity (5, 2, n, n), from maps."""
    states = [flow.spectrum(first)]
    for _ in range(4):
        states.append(flow.advance(states[-1], 3600.0, 1))
    return torch.stack([flow.maps(state) for state in states])


def mirrored(maps: torch.Tensor, axis: int) -> torch.Tensor:
    """About the first row or column, which stays in its place on a periodic grid."""
    return maps.flip(axis).roll(1, axis)


@pytest.mark.parametrize("dissipation", [0.0, 1e-5])
def test_the_model_cannot_tell_a_mirrored_sea(dissipation):
    options = {"size": 1e6, "cells": 32, "deformation_radius": 4e4, "depth_ratio": 0.25, "beta": 1.8e-11}
    flow = TwoLayerFlow(**options, mean_flow=(0.2, 0.0), dissipation=dissipation, dtype=torch.float64)
    first = flow.maps(flow.random_state(speed=0.5, seed=1, wavelength=2.5e5))
    forward = film(flow, first)
    change = (forward[-1] - forward[0]).abs().max()
    other = film(flow, -mirrored(first, -2))
    assert (other + mirrored(forward, -2)).abs().max() < 1e-9 * change
    back = film(flow, mirrored(forward[-1], -1))
    gap = (back - mirrored(forward, -1).flip(0)).abs().max() / change
    assert gap < 1e-4 if dissipation == 0 else gap > 1e-3, "what is dissipated does not come back"


def heat(flow: TwoLayerFlow, first: torch.Tensor, theta: torch.Tensor, **options: float) -> torch.Tensor:
    """The temperature's departure (n, n) after a day in a gradient."""
    settings = {"gradient": -8e-6, "restoring": 0.0, "dissipation": 0.0} | options
    tracer, state, theta = PassiveTracer(flow, **settings), flow.spectrum(first), flow.spectrum(theta)
    for _ in range(24):
        before = flow.velocity(state)[[0, 2]]
        state = flow.advance(state, 3600.0, 1)
        theta = tracer.advance(theta, before, flow.velocity(state)[[0, 2]], 3600.0)
    return flow.maps(theta)


def test_a_temperature_goes_with_one_mirror_image_and_not_with_the_other():
    """South-north it changes its sign, and the gradient stays. West-east, with time running backward, it would have to
    leave its mean state again, and to become smooth by what mixes it."""
    options = {"size": 1e6, "cells": 32, "deformation_radius": 4e4, "depth_ratio": 0.25, "beta": 1.8e-11}
    flow = TwoLayerFlow(**options, dtype=torch.float64)
    first = flow.maps(flow.random_state(speed=0.5, seed=1, wavelength=2.5e5))
    start = flow.maps(flow.random_state(speed=0.5, seed=2, wavelength=2.5e5))[0]
    start = start / start.std()
    last = flow.maps(flow.advance(flow.spectrum(first), 86400.0, 24))
    for lost in ({}, {"restoring": 1 / 864000, "dissipation": 1e-5}):
        end = heat(flow, first, start, **lost)
        change = (end - start).std()
        other = heat(flow, -mirrored(first, -2), -mirrored(start, -2), **lost)
        assert (other + mirrored(end, -2)).abs().max() < 1e-9 * change
        # the gradient would have to be the opposite one, if the temperature changed its sign: it keeps it
        back = heat(flow, mirrored(last, -1), mirrored(end, -1), **lost)
        gap = (back - mirrored(start, -1)).std() / change
        assert gap < 1e-3 if not lost else gap > 0.05


def test_seas_with_a_temperature_are_mirrored_south_north_alone():
    channels = tuple(f"{group}{day}" for group in (specs.SST, specs.SST_KNOWN) for day in range(T))
    groups = (*SEA.groups, (specs.SST, T), (specs.SST_KNOWN, T))
    spec = replace(SEA, input_channels=(*SEA.input_channels, *channels), groups=groups)
    given = batch(8)
    more = torch.randn(8, 2 * T, 6, 8, generator=torch.Generator().manual_seed(1))
    given = replace(given, input=torch.cat([given.input, more], dim=1))
    signs = torch.cat([-torch.ones(2 * T), torch.ones(T + 1), -torch.ones(T), torch.ones(T)])[:, None, None]
    got = MirroredSeas(spec=spec)(given, np.random.default_rng(0))
    kinds = []
    for number in range(8):
        (kind,) = [
            kind
            for kind, image in enumerate((given.input[number], (signs * given.input[number]).flip(1)))
            if torch.equal(got.input[number], image)
        ]
        kinds.append(kind)
    assert 1 < sum(kinds) < 7


def batch(count: int = 4) -> Batch:
    generator = torch.Generator().manual_seed(0)
    input = torch.randn(count, 3 * T + 1, 6, 8, generator=generator)
    target = torch.randn(count, T, 6, 8, generator=generator)
    return Batch(input=input, target=target, mask=target > 0, observed=target > 1)


def test_what_is_drawn():
    """The four images of a sample come equally often, in each of its tensors the same."""
    augmentation, given = MirroredSeas(spec=SEA), batch(1)
    wanted = {}
    for flip in (False, True):
        for back in (False, True):
            input, target, mask = given.input[0].clone(), given.target[0].clone(), given.mask[0].clone()
            if flip:
                input, target, mask = input.flip(1), -target.flip(1), mask.flip(1)
                input[: 2 * T] *= -1
            if back:
                input, target, mask = input.flip(2), target.flip(0, 2), mask.flip(0, 2)
                input = torch.cat([input[:T].flip(0), input[T : 2 * T].flip(0), input[2 * T : -1].flip(0), input[-1:]])
            wanted[flip, back] = input, target, mask
    rng, counts = np.random.default_rng(0), dict.fromkeys(wanted, 0)
    for _ in range(200):
        got = augmentation(given, rng)
        (image,) = [key for key, (input, *_) in wanted.items() if torch.equal(got.input[0], input)]
        assert torch.equal(got.target[0], wanted[image][1])
        assert torch.equal(got.mask[0], wanted[image][2])
        counts[image] += 1
    assert min(counts.values()) > 30


def test_one_day_is_not_turned_around():
    spec = replace(SEA, output_channels=("b",))
    given = batch(8)
    # the first guess of the day in the middle is asked for
    given = replace(given, target=given.input[:, 1:2], mask=given.mask[:, 1:2])
    got = MirroredSeas(spec=spec)(given, np.random.default_rng(1))
    assert torch.equal(got.target, got.input[:, 1:2])


def test_other_data():
    known = {name: getattr(SEA, name) for name in ("input_channels", "output_channels", "grid")}
    with pytest.raises(Refusal, match="is for maps of the sea surface, which data=waves does not give"):
        MirroredSeas(spec=Spec(name="waves", kind="field", **known))
    places = {"input_channels": (*SEA.input_channels, "x"), "groups": (*SEA.groups, (specs.COORDINATES, 1))}
    with pytest.raises(Refusal, match=r"cannot mirror the channels coordinates: type data\.coordinates=false"):
        MirroredSeas(spec=replace(SEA, **places))


def test_maps_of_the_surface_and_what_is_below_are_mirrored_alike():
    """The model says so: both layers together make a mirrored sea."""
    spec = Spec(
        name="below", kind="field", input_channels=("a", "b", "c"), output_channels=("psi",), grid=(6, 8),
        groups=((specs.SURFACE, 3),),
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    input, target = (torch.randn(1, count, 6, 8, generator=generator) for count in (3, 1))
    given = Batch(input=input, target=target, mask=torch.ones_like(target, dtype=torch.bool))
    possible = [
        (sign * input.flip(axes), sign * target.flip([axis for axis in axes if axis < 0]))
        for sign, axes in ((1, []), (-1, [-2]), (1, [1, -1]), (-1, [1, -1, -2]))
    ]
    augment, found = MirroredSeas(spec=spec), set()
    rng = np.random.default_rng(0)
    for _ in range(40):
        changed = augment(given, rng)
        assert changed.observed is None
        (which,) = [
            number
            for number, (seen, below) in enumerate(possible)
            if torch.equal(changed.input, seen) and torch.equal(changed.target, below)
        ]
        found.add(which)
    assert found == {0, 1, 2, 3}
