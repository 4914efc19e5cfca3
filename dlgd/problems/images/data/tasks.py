"""What may be asked about pictures: their class, the pictures themselves (whole, noisy or partly hidden), new ones.

Fields of pictures travel by name as tensors (B, 1, Y, X), of coloured ones (B, 3, Y, X): `intensity`, the truth;
`given`, what a network sees of it, where that is not the truth; `observed`, bool, where pixels are not hidden. With
them goes `label` (B,), int64.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from dlgd.core import checks
from dlgd.core.contract import Batch
from dlgd.core.errors import Refusal
from dlgd.core.specs import ImageSpec
from dlgd.problems.images.data.pictures import COLOURS, Shown

# by task: the kind of its spec, and what its input is made of
TASKS: dict[str, tuple[str, tuple[str, ...]]] = {
    "classify": ("label", ("intensity",)),
    "reconstruct": ("field", ("intensity",)),
    "denoise": ("field", ("given",)),
    "inpaint": ("field", ("given", "observed")),
    "generate": ("generated", ("label",)),
}
HIDDEN = ("square", "pixels")
BINARIZE = ("none", "threshold", "stochastic")
BINARIZED = ("reconstruct", "generate")  # tasks that may ask for black and white


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task with its options, which `DigitOptions` explains."""

    name: str
    noise: float
    hidden: str
    hidden_share: float
    binarize: str

    def check(self) -> None:
        """Refuse what cannot be asked."""
        for option, value, known in (
            ("task", self.name, TASKS),
            ("hidden", self.hidden, HIDDEN),
            ("binarize", self.binarize, BINARIZE),
        ):
            checks.choice(f"data.{option}", value, known)
        checks.number("data.noise", self.noise, above=0, hint="it is the standard deviation of the noise")
        checks.number("data.hidden_share", self.hidden_share, above=0, below=1)
        if self.binarize != "none" and self.name not in BINARIZED:
            raise Refusal(
                f"data.binarize={self.binarize} is for data.task={' or '.join(BINARIZED)}, not {self.name}: "
                "type data.binarize=none"
            )

    @property
    def input(self) -> tuple[str, ...]:
        """Names of the fields of which the input is made."""
        return TASKS[self.name][1]

    @property
    def draws(self) -> bool:
        """Whether `changed` draws numbers."""
        return self.name in ("denoise", "inpaint") or self.binarize == "stochastic"

    @property
    def truth(self) -> tuple[str, ...]:
        """The variables of samples that answers are compared with."""
        return ("label",) if self.name == "classify" else ("intensity",)

    def spec(self, *, name: str, shown: Shown) -> ImageSpec:
        """Return what networks need to know of the data called `name`."""
        kind, fields = TASKS[self.name]
        inputs = shown.classes if kind == "generated" else COLOURS if shown.coloured else fields
        return ImageSpec(
            name=name,
            kind=kind,
            input_channels=inputs,
            groups=((fields[0], len(COLOURS)),) if shown.coloured else (),
            output_channels=shown.classes if kind == "label" else ("intensity",),
            grid=shown.size,
            bounds=None if kind == "label" else (0.0, 1.0),
            shown=None if kind == "generated" else fields[0],
            content=shown.content,
            mirror_symmetric=shown.mirror_symmetric,
        )

    # --- from the truth to what is given of it ---------------------------------------------------------------

    def changed(self, intensity: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
        """Return the fields of true pictures (B, 1, Y, X) in [0, 1]; stochastic binarization is drawn anew as well."""
        if self.binarize == "threshold":
            intensity = (intensity >= 0.5).to(intensity.dtype)
        elif self.binarize == "stochastic":
            intensity = torch.bernoulli(intensity, generator=generator)
        if self.name == "denoise":
            noise = torch.randn(intensity.shape, generator=generator, device=intensity.device)
            return {"intensity": intensity, "given": intensity.add(noise, alpha=self.noise)}
        if self.name == "inpaint":
            observed = ~self._hidden(intensity, generator)
            return {"intensity": intensity, "given": intensity * observed, "observed": observed}
        return {"intensity": intensity}

    def _hidden(self, like: Tensor, generator: torch.Generator) -> Tensor:
        """Bool (B, 1, Y, X): a square anywhere in each picture, or pixels here and there."""
        count, _, rows, columns = like.shape
        if self.hidden == "pixels":
            return torch.rand(like.shape, generator=generator, device=like.device) < self.hidden_share
        side = max(1, round((self.hidden_share * rows * columns) ** 0.5))

        def stretch(length: int) -> Tensor:
            """(B, length): where the square lies along an axis."""
            first = torch.randint(length - side + 1, (count, 1), generator=generator, device=like.device)
            behind = torch.arange(length, device=like.device) - first
            return (behind >= 0) & (behind < side)

        return (stretch(rows)[:, :, None] & stretch(columns)[:, None, :])[:, None]

    # --- from fields to a batch ------------------------------------------------------------------------------

    def batch(self, fields: Mapping[str, Tensor], *, halo: int, classes: int, background: float = 0.0) -> Batch:
        """What a network sees, and what it should answer: `intensity` as it is given here, scaled or not."""
        if self.name == "generate":
            input = functional.one_hot(fields["label"], classes).to(fields["intensity"].dtype)
        else:
            input = self.seen(fields, halo=halo, background=background)
        target = fields["label" if self.name == "classify" else "intensity"]
        return Batch(
            input=input,
            target=target,
            mask=torch.ones(target.shape, dtype=torch.bool, device=target.device),
            observed=padded(fields["observed"], halo, 0.0) if "observed" in self.input else None,
        )

    def seen(self, fields: Mapping[str, Tensor], *, halo: int, background: float) -> Tensor:
        """The pictures that a network sees, with `halo` cells of `background` around them, which `observed` marks as
        hidden."""
        several = len(self.input) > 1
        seen = torch.cat([fields[name] for name in self.input], dim=1) if several else fields[self.input[0]]
        return padded(seen, halo, background)


def padded(field: Tensor, halo: int, value: float) -> Tensor:
    """With `halo` cells of a value on each side."""
    return functional.pad(field, (halo,) * 4, value=value) if halo > 0 else field
