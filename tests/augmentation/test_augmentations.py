"""Every augmentation of conf/augmentation keeps a batch's shapes, but for its own context, and answers to its
generator alone."""

from __future__ import annotations

from dataclasses import fields

import hydra
import numpy as np
import pytest
import torch
from omegaconf import DictConfig, OmegaConf

from dlgd.core.contract import Augmentation, Batch
from dlgd.core.errors import Refusal
from dlgd.core.paths import CONF
from dlgd.core.specs import INVERSE, SEA, ImageSpec, MapSpec, SequenceSpec, Staggered, StaggeredGridSpec
from dlgd.physics.lorenz import Lorenz63

ALL = sorted(path.stem for path in (CONF / "augmentation").glob("*.yaml"))
SPECS = {
    "currents": StaggeredGridSpec(
        name="currents",
        input_channels=("v", "u", "depth", "height"),
        output_channels=("height",),
        grid=(8, 8),
        staggered=(Staggered("v", "u"),),
    ),
    "noisy pictures": ImageSpec(
        name="clothes",
        kind="field",
        input_channels=("given",),
        output_channels=("intensity",),
        grid=(8, 8),
        bounds=(0.0, 1.0),
        shown="given",
    ),
    "classes": ImageSpec(
        name="clothes",
        kind="label",
        input_channels=("intensity",),
        output_channels=("shirt", "coat"),
        grid=(8, 8),
        shown="intensity",
    ),
    "seas": MapSpec(
        name="sea",
        input_channels=(*INVERSE, SEA),
        output_channels=("ssh",),
        grid=(8, 8),
        days=1,
    ),
    "trajectories": SequenceSpec(
        name="lorenz63",
        input_channels=("x", "y", "z"),
        groups=(("state", 3),),
        output_channels=("x", "y", "z"),
        grid=(12, 1),
        context_steps=4,
        dt=0.01,
        dynamics=Lorenz63(),
    ),
}


def read(name: str) -> DictConfig:
    """A choice with what it takes from others of its group."""
    config = OmegaConf.load(CONF / "augmentation" / f"{name}.yaml")
    others = [read(other) for other in config.pop("defaults", []) if other != "_self_"]
    return OmegaConf.merge(*others, config)


def make(name: str, data: str) -> Augmentation:
    return hydra.utils.instantiate(read(name), _partial_=True, _convert_="all")(spec=SPECS[data])


def fits(name: str, data: str) -> bool:
    try:
        make(name, data)
    except Refusal:
        return False
    return True


FITTING = [(name, data) for name in ALL for data in SPECS if fits(name, data)]


@pytest.fixture
def batches() -> dict[str, Batch]:
    """Three samples for each of SPECS, with two cells of context."""
    generator = torch.Generator().manual_seed(0)

    def draw(channels: int, size: int) -> torch.Tensor:
        return torch.rand(3, channels, size, size, generator=generator)

    def steps(count: int) -> torch.Tensor:
        return torch.rand(3, 3, count, 1, generator=generator)

    target = draw(1, 8)
    labels = torch.tensor([0, 1, 1])
    return {
        "currents": Batch(input=draw(4, 12), target=target, mask=target > 0.5),
        "noisy pictures": Batch(input=draw(1, 12), target=target, mask=target > 0.5),
        "classes": Batch(input=draw(1, 12), target=labels, mask=labels >= 0),
        "seas": Batch(input=draw(4, 12), target=target, mask=target > 0.5, observed=target > 0.7),
        "trajectories": Batch(input=steps(12), target=steps(8), mask=steps(8) > 0.5),
    }


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    return {f.name: getattr(batch, f.name) for f in fields(batch) if getattr(batch, f.name) is not None}


def test_they_are_found():
    assert {"none", "horizontal_flips", "flips", "quarter_turns", "flips_and_turns"} <= set(ALL)
    assert {"digits", "clothes", "erasing"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_each_is_for_some_data(name):
    assert any(fits(name, data) for data in SPECS)


@pytest.mark.parametrize(("name", "data"), FITTING)
def test_shapes_and_seeds(name, data, batches):
    batch, augmentation = batches[data], make(name, data)
    before = {key: tensor.clone() for key, tensor in tensors(batch).items()}
    one, two = (tensors(augmentation(batch, np.random.default_rng(5))) for _ in range(2))
    assert one.keys() == before.keys()
    for key, tensor in one.items():
        taken = 2 * augmentation.halo if key == "input" else 0
        cut = [size - taken for size in before[key].shape[2:]]
        assert tensor.shape == (*before[key].shape[:2], *cut)
        assert tensor.dtype == before[key].dtype
        assert tensor.is_contiguous()
        assert torch.equal(tensor, two[key]), "the same generator, the same change"
        assert torch.equal(tensors(batch)[key], before[key]), "the batch given is left alone"


@pytest.mark.parametrize("data", SPECS)
def test_none_changes_nothing(data, batches):
    for key, tensor in tensors(make("none", data)(batches[data], np.random.default_rng(0))).items():
        assert torch.equal(tensor, tensors(batches[data])[key])
