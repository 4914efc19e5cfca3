"""Pieces of which networks are made. All of them use "valid" convolutions: context comes from the data's halo."""

from __future__ import annotations

from torch import Tensor, nn

ACTIVATIONS: dict[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "prelu": nn.PReLU,
    "leaky_relu": nn.LeakyReLU,
    "elu": nn.ELU,
    "softplus": nn.Softplus,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
}
NORMALIZATIONS = ("batch", "group", "none")


def activation(name: str) -> nn.Module:
    """By name; see ACTIVATIONS."""
    if name not in ACTIVATIONS:
        raise ValueError(f"activation={name} is unknown: choose one of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]()


def normalization(name: str, channels: int) -> nn.Module:
    """Of `channels` feature maps: "batch", "group" (8 channels each; one group if there are fewer) or "none"."""
    if name == "batch":
        return nn.BatchNorm2d(channels)
    if name == "group":
        if channels > 8 and channels % 8:
            raise ValueError(f"normalization=group wants a multiple of 8 channels, not model.width={channels}")
        return nn.GroupNorm(max(channels // 8, 1), channels)
    if name == "none":
        return nn.Identity()
    raise ValueError(f"normalization={name} is unknown: choose one of {', '.join(NORMALIZATIONS)}")


def conv(inputs: int, outputs: int, *, norm: str, act: str | None, kernel: int = 3) -> nn.Sequential:
    """Valid convolution, normalization, activation (none for act=None)."""
    if outputs < 1:
        raise ValueError(f"model.width={outputs}: at least one channel is needed")
    layers = [nn.Conv2d(inputs, outputs, kernel), normalization(norm, outputs)]
    return nn.Sequential(*layers, *([] if act is None else [activation(act)]))


def crop(field_BCYX: Tensor, cells: int) -> Tensor:
    """Without `cells` cells on each side."""
    return field_BCYX[..., cells:-cells, cells:-cells] if cells else field_BCYX


def check_field(name: str, kind: str, data: str, hint: str) -> None:
    """ValueError when a network that predicts fields meets data that are none."""
    if kind != "field":
        raise ValueError(f"model={name} predicts fields but data={data} gives {kind}s: try model={hint}")
