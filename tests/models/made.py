"""Networks of conf/model for small data of every kind, and batches for them."""

from __future__ import annotations

import functools
from dataclasses import replace

import hydra
import torch
from omegaconf import OmegaConf
from torch.nn import functional

from dlgd.core.contract import Batch, Network, Scaling, Spec
from dlgd.core.paths import CONF
from dlgd.core.specs import INVERSE, SEA, SST, SST_KNOWN, ImageSpec, MapSpec, SequenceSpec
from dlgd.physics.lorenz import Lorenz63, Lorenz96

ALL = sorted(path.stem for path in (CONF / "model").glob("*.yaml"))
DIGITS = tuple("0123456789")
PATCHES = Spec(
    name="waves", kind="field", input_channels=("a", "b", "c", "d"), output_channels=("gamma",), grid=(40, 48)
)
LABELS = ImageSpec(
    name="digits", kind="label", input_channels=("grey",), output_channels=DIGITS, grid=(28, 28), shown="grey"
)
PICTURES = ImageSpec(
    name="pictures",
    kind="field",
    input_channels=("given", "observed"),
    output_channels=("grey",),
    grid=(11, 14),
    bounds=(0.0, 1.0),
    shown="given",
)
NEW = ImageSpec(
    name="new_digits",
    kind="generated",
    input_channels=DIGITS,
    output_channels=("grey",),
    grid=(11, 14),
    bounds=(0.0, 1.0),
    shown=None,
)

WINDOW = 37
DAYS = ("before", "today", "after")


def maps(*outputs: str) -> MapSpec:
    """To be interpolated: three days, and beside them where the sea is."""
    return MapSpec(
        name="sea",
        input_channels=(*(f"{group}_{day}" for group in INVERSE for day in DAYS), "sea"),
        groups=(*((group, len(DAYS)) for group in INVERSE), (SEA, 1)),
        output_channels=outputs,
        grid=(11, 14),
        days=len(DAYS),
    )


def with_sst(spec: MapSpec) -> MapSpec:
    """The same maps with a temperature of each day, and where it is known."""
    channels = tuple(f"{group}_{day}" for group in (SST, SST_KNOWN) for day in DAYS)
    groups = (*spec.groups, (SST, len(DAYS)), (SST_KNOWN, len(DAYS)))
    return replace(spec, input_channels=(*spec.input_channels, *channels), groups=groups)


MAPS = {"all": maps(*DAYS), "centre": maps("today")}


def series(system: str, known: int) -> SequenceSpec:
    """Of lorenz63, variables are channels; of lorenz96 they stand on a ring of 8. To be continued after `known` steps,
    or, where none are, to be assimilated."""
    ring = system == "lorenz96"
    outputs = ("x",) if ring else ("x", "y", "z")
    return SequenceSpec(
        name=system,
        input_channels=outputs if known else tuple(f"{group}_{output}" for group in INVERSE for output in outputs),
        groups=() if known else tuple((group, len(outputs)) for group in INVERSE),
        output_channels=outputs,
        grid=(known + 6 if known else WINDOW, 8 if ring else 1),
        whole=True,
        scaling=Scaling(mean=2.25, std=3.75) if ring else Scaling(mean=8.5, std=13.75),  # exact in binary
        context_steps=known,
        dt=0.05 if ring else 0.01,
        dynamics=Lorenz96(size=8) if ring else Lorenz63(),
    )


FORECAST = {system: series(system, 1) for system in ("lorenz63", "lorenz96")}
ASSIMILATION = {system: series(system, 0) for system in ("lorenz63", "lorenz96")}


def make(name: str, spec: Spec, **changes) -> Network:
    """The network of conf/model/<name>.yaml with some options changed, weights from seed 0."""
    torch.manual_seed(0)
    config = OmegaConf.load(CONF / "model" / f"{name}.yaml")
    return hydra.utils.instantiate(config, _partial_=True, _convert_="all")(spec=spec, **changes)


def narrow(name: str, spec: Spec, **changes) -> Network:
    """With a width of 8, where it has one."""
    config = OmegaConf.load(CONF / "model" / f"{name}.yaml")
    return make(name, spec, **({"width": 8} if "width" in config else {}) | changes)


@functools.cache
def fitting(spec: Spec) -> tuple[str, ...]:
    """The networks that take data of this spec."""
    found = []
    for name in ALL:
        try:
            make(name, spec)
        except ValueError:
            continue
        found.append(name)
    return tuple(found)


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(1)


def batch_of(spec: Spec, count: int = 6, halo: int = 0) -> Batch:
    """Random numbers, pictures in black and white; targets all of which count."""
    generator = seeded()
    if isinstance(spec, SequenceSpec):
        return _sequences(spec, count, generator)
    if isinstance(spec, MapSpec):
        return _maps(spec, count, halo, generator)
    shape = (count, len(spec.input_channels), *(size + 2 * halo for size in spec.grid))
    input = torch.rand(shape, generator=generator)
    if spec.kind == "label":
        target = torch.randint(len(spec.output_channels), (count,), generator=generator)
    else:
        target = (torch.rand(count, len(spec.output_channels), *spec.grid, generator=generator) > 0.7).float()
    if spec.kind == "generated":
        classes = torch.arange(count) % len(spec.input_channels)
        input = functional.one_hot(classes, len(spec.input_channels)).float()
    return Batch(input=input, target=target, mask=torch.ones_like(target, dtype=torch.bool))


def forecast(network, windows: torch.Tensor, given: int = 1) -> torch.Tensor:
    """Return the prediction from the first `given` steps of windows; the others are hidden."""
    input = windows.clone()
    input[:, :, given:] = 0.0
    return network(input).prediction


def _maps(spec: MapSpec, count: int, halo: int, generator: torch.Generator) -> Batch:
    """White noise, of which a third is observed, and noise for first guesses; a tenth of the cells is land."""
    shape = (count, spec.days, *(size + 2 * halo for size in spec.grid))
    truth, guess = (torch.randn(shape, generator=generator) for _ in range(2))
    sea = (torch.rand(count, 1, *shape[2:], generator=generator) > 0.1).float()
    flags = sea * (torch.rand(shape, generator=generator) < 1 / 3)
    channels = [sea * guess, flags * truth, flags, sea]
    if SST in spec.input_groups:  # half of it is hidden
        known = sea * (torch.rand(shape, generator=generator) < 0.5)
        channels += [known * torch.randn(shape, generator=generator), known]
    input = torch.cat(channels, dim=1)
    inner = slice(halo, halo + spec.grid[0]), slice(halo, halo + spec.grid[1])
    target = truth[(slice(None), spec.predicted_days, *inner)]
    mask = (sea[(..., *inner)] > 0).expand(target.shape)
    return Batch(input=input, target=torch.where(mask, target, torch.nan), mask=mask)


def _sequences(spec: SequenceSpec, count: int, generator: torch.Generator) -> Batch:
    """Smooth in time: known steps and zeros; or first guesses, observations of a third of all values, and flags."""
    steps, ring = spec.grid
    truth = torch.randn(count, len(spec.output_channels), steps, ring, generator=generator).cumsum(dim=2) / steps**0.5
    if spec.context_steps:
        input, target = truth.clone(), truth[:, :, spec.context_steps :]
        input[:, :, spec.context_steps :] = 0.0
    else:
        noisy = truth + 0.1 * torch.randn(truth.shape, generator=generator)
        flags = (torch.rand(truth.shape, generator=generator) < 1 / 3).float()
        input, target = torch.cat([flags * noisy, flags * noisy, flags], dim=1), truth
    return Batch(input=input, target=target, mask=torch.ones_like(target, dtype=torch.bool))
