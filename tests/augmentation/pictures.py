"""Pictures, batches of them and augmentations for the tests of augmented pictures."""

from __future__ import annotations

import numpy as np
import torch

from dlgd.augmentation.images import ImageChanges, affine
from dlgd.core.contract import Batch
from dlgd.core.specs import ImageSpec

SIZE = (28, 28)
NOTHING = {
    "translation": 0.0,
    "rotation": 0.0,
    "scaling": 0.0,
    "shear": 0.0,
    "elastic": 0.0,
    "elastic_scale": 4.0,
    "noise": 0.0,
    "erasing": 0.0,
    "erased_share": 0.4,
    "flip": False,
}
EVERYTHING = {"translation": 2.0, "rotation": 10.0, "scaling": 0.1, "shear": 5.0, "elastic": 1.0, "flip": True}
CHANNELS = {"reconstruct": ("intensity",), "denoise": ("given",), "inpaint": ("given", "observed")}


def spec(task: str = "classify", size: tuple[int, ...] = SIZE, **changes) -> ImageSpec:
    if task == "classify":
        channels = {"kind": "label", "input_channels": ("intensity",), "output_channels": ("a", "b")}
        return ImageSpec(name="clothes", grid=size, shown="intensity", **channels | changes)
    return ImageSpec(
        name="clothes",
        kind="generated" if task == "generate" else "field",
        input_channels=CHANNELS.get(task, ("a", "b")),
        output_channels=("intensity",),
        grid=size,
        bounds=(0.0, 1.0),
        shown=CHANNELS[task][0] if task in CHANNELS else None,
        **changes,
    )


def make(task: str = "classify", **changes) -> ImageChanges:
    return ImageChanges(spec=spec(task), **(NOTHING | changes))


def pictures(count: int = 4, size: tuple[int, ...] = SIZE, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 1, *size, generator=torch.Generator().manual_seed(seed))


def labelled(images: torch.Tensor) -> Batch:
    labels = torch.zeros(len(images), dtype=torch.int64)
    return Batch(input=images, target=labels, mask=labels == 0)


def field(task: str, count: int = 4, halo: int = 0) -> Batch:
    """Pictures, and what is given of them, with zeros around."""
    target, noise = pictures(count), 0.3 * torch.randn(count, 1, *SIZE, generator=torch.Generator().manual_seed(1))
    around = (halo,) * 4
    observed = None
    if task == "inpaint":
        observed = pictures(count, seed=2) > 0.3
        given = torch.cat([target * observed, observed.float()], dim=1)
        observed = torch.nn.functional.pad(observed, around)
    else:
        given = target + noise if task == "denoise" else target
    given = torch.nn.functional.pad(given, around)
    return Batch(input=given, target=target, mask=torch.ones_like(target, dtype=bool), observed=observed)


def pull(**changes: float) -> torch.Tensor:
    """The matrix (1, 2, 3) of one picture."""
    shift = np.array([changes.pop("shift", (0.0, 0.0))])
    values = {"turn": 0.0, "slant": 0.0, "factor": 1.0, "mirrored": 1.0} | changes
    return torch.as_tensor(affine(**{key: np.array([value]) for key, value in values.items()}, shift=shift))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)
