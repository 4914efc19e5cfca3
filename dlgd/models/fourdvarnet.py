"""4DVarNet (Fablet et al. 2021): a variational cost of which the prior, and the way down, are learned.

Written for (B, C, Y or T, X): C are variables of a sequence, or days of a field.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from dlgd.contract import Batch, Misfit, Network, Output, Scaling, Spec
from dlgd.models import blocks, priors

Memory = tuple[Tensor, Tensor] | None


class Solver(nn.Module):
    """A convolutional LSTM (Shi et al. 2015), 3 x 3, that reads gradients and remembers `hidden` numbers, from which a
    convolution of 1 x 1 makes the change of the state. dropout: of the gradient."""

    def __init__(self, *, channels: int, ring: int, hidden: int, dropout: float) -> None:
        super().__init__()
        blocks.check_share("dropout", dropout)
        if hidden < 1:
            raise ValueError(f"model.hidden={hidden}: at least one is needed")
        self.hidden, self.dropout = hidden, nn.Dropout(dropout)
        self.gates = blocks.SequenceConv(channels + hidden, 4 * hidden, 3, ring)
        self.last = nn.Conv2d(hidden, channels, 1, bias=False)

    def forward(self, gradient: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """(B, C, T, X) and what was remembered (B, hidden, T, X), None at first -> the same."""
        if memory is None:
            nothing = gradient.new_zeros(len(gradient), self.hidden, *gradient.shape[2:])
            memory = nothing, nothing
        output, cell = memory
        gates = self.gates(torch.cat([self.dropout(gradient), output], dim=1))
        enter, forget, leave, new = gates.chunk(4, dim=1)
        cell = torch.sigmoid(forget) * cell + torch.sigmoid(enter) * torch.tanh(new)
        output = torch.sigmoid(leave) * torch.tanh(cell)
        return self.last(output), (output, cell)


class FourDVarNet(Network):
    """From the first guess, `steps` times x <- x - Solver(gradient of the cost / its first size) / steps.

    The cost is sum_c a_c^2 |m (x - y)|^2 + b_c^2 |x - Phi(x)|^2 over the channels c, a and b learned. The size is the
    root mean square, of each sample.

    prior: Phi, "unet" (`priors.TwoScale`) or "cnn", with `width` and `kernel`, or "ode", the true equations.
    repeats: of all steps; each starts where the one before it ended, and has a loss of its own, but they are trained
    as if they knew nothing of one another. prior_weight: of what Phi changes in the answer and in the truth, added to
    the loss in training.
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
    ) -> None:
        super().__init__()
        blocks.check_kind("fourdvarnet", spec, ["assimilation"])
        if steps < 1 or repeats < 1 or prior_weight < 0:
            raise ValueError(
                f"model.steps={steps}, model.repeats={repeats}, model.prior_weight={prior_weight}: at least one step "
                "and one repeat, and no negative weight"
            )
        channels = len(spec.output_channels)
        self.prior = priors.prior(prior, spec=spec, width=width, kernel=kernel, choices=("unet", "cnn", "ode"))
        self.observation_weight, self.prior_weights = (nn.Parameter(torch.ones(channels, 1, 1)) for _ in range(2))
        self.solver = Solver(channels=channels, ring=spec.grid[-1], hidden=hidden, dropout=dropout)
        self.steps, self.repeats, self.prior_weight = steps, repeats, prior_weight

    def use_scaling(self, scaling: Scaling) -> None:
        """That of the data, which they know once they are prepared."""
        if isinstance(self.prior, priors.Equations):
            self.prior.use_scaling(scaling)

    def forward(self, input: Tensor) -> Output:
        """First guesses, observations and flags (B, 3 C, T, X) -> (B, C, T, X), any T."""
        return Output(self.estimates(input)[-1])

    def objectives(self, batch: Batch, misfit: Misfit) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """The misfit of each repeat and the cost of the prior."""
        yield "network", *priors.objective(self.prior, self.estimates(batch.input), batch, misfit, self.prior_weight)

    def cost(self, x: Tensor, observations: Tensor, flags: Tensor) -> Tensor:
        """The variational cost of each sample, (B,); all arguments (B, C, T, X)."""
        departure = self.observation_weight * flags * (x - observations)
        residual = self.prior_weights * (x - self.prior(x))
        return (departure.square() + residual.square()).sum(dim=(1, 2, 3))

    def gradient(self, x: Tensor, observations: Tensor, flags: Tensor, *, differentiable: bool) -> Tensor:
        """Of the cost with respect to x, (B, C, T, X). Wants autograd to be on; differentiable: itself by autograd."""
        x = x if x.requires_grad else x.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(self.cost(x, observations, flags).sum(), x, create_graph=differentiable)
        return gradient

    @torch.compiler.disable
    def estimates(self, input: Tensor) -> list[Tensor]:
        """(B, 3 C, T, X) -> (B, C, T, X) after each of the repeats."""
        learning = torch.is_grad_enabled()
        # The cost's gradient is needed even where nobody asks for that of the answer; then no graph is kept.
        with torch.inference_mode(False), torch.enable_grad():
            x, observations, flags = input.clone().chunk(3, dim=1)
            memory: Memory = None
            size: Tensor | None = None
            found = []
            for repeat in range(self.repeats):
                if repeat > 0:
                    x, size, memory = x.detach(), size.detach(), tuple(part.detach() for part in memory)
                for _ in range(self.steps):
                    gradient = self.gradient(x, observations, flags, differentiable=learning)
                    with torch.set_grad_enabled(learning):
                        size = root_mean_square(gradient) if size is None else size
                        change, memory = self.solver(gradient / size, memory)
                        x = x - change / self.steps
                found.append(x)
        return found


def root_mean_square(x: Tensor) -> Tensor:
    """Of each sample, (B, C, T, X) -> (B, 1, 1, 1); never zero."""
    return (x.square().mean(dim=(1, 2, 3), keepdim=True) + 1e-20).sqrt()
