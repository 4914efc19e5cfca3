"""Every augmentation of conf/augmentation keeps a batch's shapes, but for its own context, and answers to its
generator alone."""

from __future__ import annotations

from dataclasses import fields

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from dlgd.contract import Augmentation, Batch, Spec, Staggered
from dlgd.settings import CONF

ALL = sorted(path.stem for path in (CONF / "augmentation").glob("*.yaml"))
SPEC = Spec(
    name="currents",
    kind="field",
    input_channels=("v", "u", "depth", "height"),
    output_channels=("height",),
    grid=(8, 8),
    staggered=(Staggered("v", "u"),),
)


def make(name: str) -> Augmentation:
    config = OmegaConf.load(CONF / "augmentation" / f"{name}.yaml")
    return hydra.utils.instantiate(config, _partial_=True, _convert_="all")(spec=SPEC)


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(3, 1, 8, 8, generator=generator)
    return Batch(input=torch.randn(3, 4, 12, 12, generator=generator), target=target, mask=target > 0)


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    return {f.name: getattr(batch, f.name) for f in fields(batch) if getattr(batch, f.name) is not None}


def test_they_are_found():
    assert {"none", "horizontal_flips", "flips", "quarter_turns", "flips_and_turns"} <= set(ALL)


@pytest.mark.parametrize("name", ALL)
def test_shapes_and_seeds(name, batch):
    before = {key: tensor.clone() for key, tensor in tensors(batch).items()}
    one, two = (tensors(make(name)(batch, np.random.default_rng(5))) for _ in range(2))
    assert one.keys() == before.keys()
    for key, tensor in one.items():
        height, width = before[key].shape[-2:]
        taken = 2 * make(name).halo if key == "input" else 0
        assert tensor.shape == (*before[key].shape[:2], height - taken, width - taken)
        assert tensor.dtype == before[key].dtype
        assert tensor.is_contiguous()
        assert torch.equal(tensor, two[key]), "the same generator, the same change"
        assert torch.equal(tensors(batch)[key], before[key]), "the batch given is left alone"


def test_none_changes_nothing(batch):
    for key, tensor in tensors(make("none")(batch, np.random.default_rng(0))).items():
        assert torch.equal(tensor, tensors(batch)[key])
