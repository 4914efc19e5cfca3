"""Every augmentation of conf/augmentation keeps the shapes of a batch and answers to its generator alone."""

from __future__ import annotations

from dataclasses import fields

import hydra
import numpy as np
import pytest
import torch
from omegaconf import OmegaConf

from dlgd.contract import Augmentation, Batch
from dlgd.settings import CONF

ALL = sorted(path.stem for path in (CONF / "augmentation").glob("*.yaml"))


def make(name: str) -> Augmentation:
    return hydra.utils.instantiate(OmegaConf.load(CONF / "augmentation" / f"{name}.yaml"), _convert_="all")


@pytest.fixture
def batch() -> Batch:
    generator = torch.Generator().manual_seed(0)
    target = torch.randn(3, 1, 8, 8, generator=generator)
    return Batch(input=torch.randn(3, 4, 12, 12, generator=generator), target=target, mask=target > 0)


def tensors(batch: Batch) -> dict[str, torch.Tensor]:
    return {f.name: getattr(batch, f.name) for f in fields(batch) if getattr(batch, f.name) is not None}


def test_none_is_found():
    assert "none" in ALL


@pytest.mark.parametrize("name", ALL)
def test_shapes_and_seeds(name, batch):
    before = {key: tensor.clone() for key, tensor in tensors(batch).items()}
    one, two = (tensors(make(name)(batch, np.random.default_rng(5))) for _ in range(2))
    assert one.keys() == before.keys()
    for key, tensor in one.items():
        assert (tensor.shape, tensor.dtype) == (before[key].shape, before[key].dtype)
        assert torch.equal(tensor, two[key]), "the same generator, the same change"
        assert torch.equal(tensors(batch)[key], before[key]), "the batch given is left alone"


def test_none_changes_nothing(batch):
    for key, tensor in tensors(make("none")(batch, np.random.default_rng(0))).items():
        assert torch.equal(tensor, tensors(batch)[key])
