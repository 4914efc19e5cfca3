"""4DVarNet (Fablet et al. 2021): a variational cost whose prior is learned, and a learned way down its gradient.

Of sequences the state is (B, C, T, X), C the variables; of maps (B, days, Y, X).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.checkpoint import checkpoint

from dlgd.core import checks
from dlgd.core.contract import Batch, Loss, Network, Output, Scaling, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import INVERSE, SST, SST_KNOWN, MapSpec
from dlgd.models import convolutions, kinds, priors

Memory = tuple[Tensor, Tensor] | None
F = TypeVar("F", bound=Callable[..., Any])


def uncompiled(function: F) -> F:
    """Leave a function out of torch.compile. The annotations of PyTorch's own decorator would lose its signature."""
    return cast("F", torch.compiler.disable(function))


class Solver(nn.Module):
    """A convolutional LSTM (Shi et al. 2015), 3 x 3, that reads gradients; from its memory a convolution of 1 x 1 makes
    the change of the state.

    channels, ring: of the state; ring 0 for maps.
    hidden: numbers that it remembers at each place.
    dropout: probability that a number of the gradient is set to zero, in training.
    cells: of maps, it reads means over `cells` x `cells` cells; its change is then interpolated between them.
    """

    def __init__(self, *, channels: int, ring: int, hidden: int, dropout: float, cells: int) -> None:
        super().__init__()
        checks.number("model.dropout", dropout, least=0, below=1)
        checks.whole_number("model.hidden", hidden, least=1)
        self.hidden, self.dropout, self.cells = hidden, nn.Dropout(dropout), cells
        self.gates = convolutions.same_conv(channels + hidden, 4 * hidden, 3, ring)
        self.last = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """(B, C, T, X) and the memory, twice (B, hidden, T, X) or None at first -> the change, and the next memory."""
        rows, columns = gradient.shape[2:]
        if self.cells > 1:
            gradient = functional.avg_pool2d(gradient, self.cells, ceil_mode=True)
        if memory is None:
            nothing = gradient.new_zeros(len(gradient), self.hidden, *gradient.shape[2:])
            memory = nothing, nothing
        output, cell = memory
        gates = self.gates(torch.cat([self.dropout(gradient), output], dim=1))
        enter, forget, leave, new = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        output = torch.sigmoid(leave) * torch.tanh(cell)
        change = self.last(output)
        if self.cells > 1:
            change = functional.interpolate(change, scale_factor=self.cells, mode="bilinear")[..., :rows, :columns]
        return change, (output, cell)


class FourDVarNet(Network):
    """It starts at the first guess x and repeats x <- x - Solver(gradient of the cost / its first size) / steps.

    The cost is sum_c a_c^2 |m (x - y)|^2 + b_c^2 |x - Phi(x)|^2 over the channels c, where a and b are learned. The
    size is the root mean square of each sample.

    The state of maps is all days of the window. A temperature of the surface, where the data have one, adds a term
    |g(x) - h(temperature)|^2 to the cost, with learned g and h (`priors.Alike`); the data's other channels (sea,
    coordinates) are not used, and convolutions find zeros beyond the boundary of the input. The authors' code for sea
    surface height (4dvarnet-starter) divides the solver's change in step k by k instead, and passes the answer through
    Phi once more outside of training.

    prior: Phi, "unet" (`priors.TwoScale`), "cnn" (`priors.three_convolutions`) or "ode", the true equations.
    width: channels of the prior, 1 or more; "ode" has none.
    kernel: steps, and on a ring variables, of the prior's convolutions, odd; those of maps have 3 x 3 cells.
    hidden: numbers that the solver remembers at each place, 1 or more.
    dropout: probability that a number of the gradient is set to zero before the solver, in training; from 0 to below 1.
    steps: steps of the solver, 1 or more.
    repeats: how often all steps are repeated, 1 or more. Each repeat starts where the one before ended and has a loss
    of its own; no gradient passes from one to the other.
    prior_weight: weight in the loss, 0 or more, of the mean square of what Phi changes in the answer and in the truth.
    halo: of maps, cells of context around what is predicted, 0 or more.
    descent: rate of a plain descent beside the learned one, 0 or more: step k also subtracts descent k / steps times
    the gradient.
    prior_cells, solver_cells: of maps, the prior and the solver work on means over so many cells each way, 1 or more,
    which are then interpolated; coarser is faster, and the answer has all cells in any case.
    recompute: whether training keeps only the states between steps, and computes the rest again on the way back: the
    same weights from less memory and more time.
    """

    def __init__(
        self,
        *,
        spec: Spec,
        prior: str,
        width: int,
        kernel: int,
        hidden: int,
        dropout: float,
        steps: int,
        repeats: int,
        prior_weight: float,
        halo: int = 0,  # it and what follows have defaults for checkpoints from before they were options
        descent: float = 0.0,
        prior_cells: int = 1,
        solver_cells: int = 1,
        recompute: bool = False,
    ) -> None:
        super().__init__()
        kinds.check_kind("fourdvarnet", spec, ["interpolation", "assimilation"])
        counts = {"steps": steps, "repeats": repeats, "prior_cells": prior_cells, "solver_cells": solver_cells}
        for option, value in counts.items():
            checks.whole_number(f"model.{option}", value, least=1)
        checks.whole_number("model.halo", halo, least=0)
        checks.number("model.prior_weight", prior_weight, least=0)
        checks.number("model.descent", descent, least=0)
        channels, maps = len(spec.output_channels), isinstance(spec, MapSpec)
        if isinstance(spec, MapSpec) and channels != spec.days:
            raise Refusal(
                f"model=fourdvarnet estimates all days of the window but data={spec.name} asks for the one in the "
                "middle: try model=unet, or data.predict=all"
            )
        self.groups = [spec.input_slice(group) for group in INVERSE]
        self.prior = priors.prior(prior, spec=spec, width=width, kernel=kernel, choices=("unet", "cnn", "ode"))
        if maps and prior_cells > 1:
            self.prior = priors.OfMeans(self.prior, prior_cells)
        self.observation_weight, self.prior_weights = (nn.Parameter(torch.ones(channels, 1, 1)) for _ in range(2))
        ring, cells = (0, solver_cells) if maps else (spec.grid[-1], 1)
        second = [spec.input_slice(group) for group in (SST, SST_KNOWN) if group in spec.input_groups]
        if second:
            self.alike = priors.Alike(days=channels, features=width)
        self.groups += second
        self.solver = Solver(channels=channels, ring=ring, hidden=hidden, dropout=dropout, cells=cells)
        self.steps, self.repeats, self.prior_weight = steps, repeats, prior_weight
        self.halo, self.descent, self.recompute = halo if maps else 0, descent, recompute

    def use_scaling(self, scaling: Scaling) -> None:
        """Take the scaling of the data, which is known once they are prepared."""
        if isinstance(self.prior, priors.Equations):
            self.prior.use_scaling(scaling)

    def forward(self, input: Tensor) -> Output:
        """The groups of INVERSE (B, 3 C, T, X) -> (B, C, T, X), any T; of maps (B, C_in, Y + 2 halo, X + 2 halo) ->
        (B, days, Y, X)."""
        return Output(self.estimates(input)[-1])

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Minimize the loss of each repeat and the cost of the prior."""
        yield "network", *priors.objective(self.prior, self.estimates(batch.input), batch, loss, self.prior_weight)

    def cost(self, x: Tensor, observations: Tensor, flags: Tensor, *second: Tensor) -> Tensor:
        """Return the variational cost of each sample, (B,); all arguments have the shape of the state.

        second: the temperature and where it is known, of data that have one.
        """
        departure = self.observation_weight * flags * (x - observations)
        residual = self.prior_weights * (x - self.prior(x))
        cost = (departure.square() + residual.square()).sum(dim=(1, 2, 3))
        return cost + self.alike(x, *second).square().sum(dim=(1, 2, 3)) if second else cost

    def gradient(self, x: Tensor, *seen: Tensor, differentiable: bool) -> Tensor:
        """Return the gradient of the cost with respect to x, in its shape; autograd must be on.

        seen: the other arguments of the cost. differentiable: whether autograd can differentiate the gradient itself.
        """
        x = x if x.requires_grad else x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.cost(x, *seen).sum(), x, create_graph=differentiable)
        return gradient

    @uncompiled
    def estimates(self, input: Tensor) -> list[Tensor]:
        """The input of `forward` -> its answer, after each of the repeats."""
        learning = torch.is_grad_enabled()
        step = partial(checkpoint, self.step, use_reentrant=False) if self.recompute and learning else self.step
        # The gradient of the cost is needed even where that of the answer is not; then no graph is kept.
        with torch.inference_mode(False), torch.enable_grad():
            x, *seen = (input[:, channels].clone() for channels in self.groups)
            memory: Memory = None
            size: Tensor | None = None
            found = []
            for _ in range(self.repeats):
                if size is not None and memory is not None:  # from the second repeat on
                    x, size, memory = x.detach(), size.detach(), (memory[0].detach(), memory[1].detach())
                for number in range(1, self.steps + 1):
                    x, size, memory = step(number, x, size, memory, seen, learning)
                found.append(convolutions.crop(x, self.halo))
        return found

    def step(
        self,
        number: int,
        x: Tensor,
        size: Tensor | None,
        memory: Memory,
        seen: Sequence[Tensor],
        learning: bool,
    ) -> tuple[Tensor, Tensor, Memory]:
        """Return the state after step `number`, the first gradient's size, and the solver's memory.

        seen: the arguments of the cost besides the state.
        """
        gradient = self.gradient(x, *seen, differentiable=learning)
        with torch.set_grad_enabled(learning):
            size = root_mean_square(gradient) if size is None else size
            change, memory = self.solver(gradient / size, memory)
            x = x - change / self.steps
            if self.descent > 0:
                x = x - self.descent * number / self.steps * gradient
        return x, size, memory


def root_mean_square(x: Tensor) -> Tensor:
    """Return that of each sample, (B, ...) of four dimensions -> (B, 1, 1, 1); never zero."""
    return (x.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-20).sqrt()
