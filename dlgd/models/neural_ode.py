"""Networks that are the right-hand side of a differential equation, which an integrator steps forward (Chen et al.
2018; for Lorenz's systems Fablet et al. 2018).

Time is that of the data, states are scaled. With an integrator of order 4 training finds equations; with one of order 1
it finds a right-hand side that corrects the integrator's own error.
"""

from __future__ import annotations

import logging
from dataclasses import fields, is_dataclass, replace

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Scaling, Spec
from dlgd.core.errors import Refusal
from dlgd.core.specs import SequenceSpec
from dlgd.models import convolutions
from dlgd.models.forecasts import CHANGE, Forecaster, around, dense_layers
from dlgd.physics.integrators import SCHEMES, Dynamics, say_substeps, substeps_of, trajectory

log = logging.getLogger(__name__)


class ODENetwork(Forecaster):
    """Steps `dynamics`, in scaled units, forward from the last known state.

    scheme: one of `dlgd.physics.integrators.SCHEMES`, "euler" (order 1) or "rk4" (order 4).
    substeps: steps of the scheme for each step of the data, 1 or more.
    """

    dynamics: Dynamics

    def __init__(self, *, name: str, spec: Spec, scheme: str, substeps: int) -> None:
        super().__init__(name=name, spec=spec)
        checks.choice("model.scheme", scheme, SCHEMES)
        checks.whole_number("model.substeps", substeps, least=1)
        if self.dt <= 0:
            raise Refusal(f"model={name} needs a time step, which data={spec.name} does not tell: try model=gru")
        self.scheme, self.substeps = SCHEMES[scheme], substeps
        if isinstance(spec, SequenceSpec) and spec.dynamics is not None and scheme == "rk4":
            self._fine_enough(spec.dynamics, name)

    def _fine_enough(self, dynamics: Dynamics, name: str) -> None:
        """Say where the steps are longer than the equations behind the data allow."""
        needed = substeps_of(dynamics, self.dt)
        if self.substeps < needed:
            log.info(
                "model=%s: a step of %g time units is long for the equations of the data: try model.substeps=%d",
                name,
                self.dt,
                needed,
            )

    def continued(self, known: Tensor, steps: int) -> Tensor:
        """See `Forecaster`."""
        states = trajectory(
            self.dynamics,
            known[:, -1].flatten(1),
            self.dt / self.substeps,
            steps * self.substeps,
            every=self.substeps,
            scheme=self.scheme,
        )
        return states[1:].unflatten(-1, (self.variables, self.ring)).transpose(0, 1)


class Learned(nn.Module, Dynamics):
    """A right-hand side (..., size) of states (..., size), size = C X.

    `cells` maps the neighbours of each place on the ring, (..., X, C kernel), to its tendencies (..., X, C), in units
    of `CHANGE` per step of the data.
    """

    def __init__(self, cells: nn.Module, *, shape: tuple[int, int], dt: float, kernel: int) -> None:
        super().__init__()
        self.cells, self.shape, self.kernel = cells, shape, kernel
        self.size, self.rate = shape[0] * shape[1], CHANGE / dt

    def tendency(self, state: Tensor) -> Tensor:
        """Per unit of time."""
        neighbours = around(state.unflatten(-1, self.shape), self.kernel)
        return self.rate * self.cells(neighbours).transpose(-2, -1).flatten(-2)


class NeuralODE(ODENetwork):
    """The right-hand side is a perceptron.

    hidden: numbers in each hidden layer, 1 or more.
    layers: hidden layers, 1 or more.
    kernel: on a ring, the nearest variables that each one reads, odd; without a ring each reads all.
    activation: of the hidden layers, one of `basic_layers.ACTIVATIONS`.
    scheme, substeps: the integrator and its steps, see `ODENetwork`.
    """

    def __init__(
        self, *, spec: Spec, hidden: int, layers: int, kernel: int, activation: str, scheme: str, substeps: int
    ) -> None:
        super().__init__(name="neural_ode", spec=spec, scheme=scheme, substeps=substeps)
        width = min(convolutions.odd_kernel(kernel), self.ring)
        cells = dense_layers(width * self.variables, hidden, layers, self.variables, activation=activation)
        self.dynamics = Learned(cells, shape=(self.variables, self.ring), dt=self.dt, kernel=width)


class BilinearODE(ODENetwork):
    """The right-hand side is D (A x + a + B x * C x), the bilinear network of Fablet et al. 2018: polynomials of degree
    two, among them those of Lorenz's systems.

    hidden: number of products, the rows of A, B and C, 1 or more.
    kernel: on a ring, the nearest variables that each one reads, odd; without a ring each reads all.
    scheme, substeps: the integrator and its steps, see `ODENetwork`.
    """

    def __init__(self, *, spec: Spec, hidden: int, kernel: int, scheme: str, substeps: int) -> None:
        super().__init__(name="bilinear_ode", spec=spec, scheme=scheme, substeps=substeps)
        width = min(convolutions.odd_kernel(kernel), self.ring)
        cells = Bilinear(width * self.variables, hidden, self.variables)
        self.dynamics = Learned(cells, shape=(self.variables, self.ring), dt=self.dt, kernel=width)


class Bilinear(nn.Module):
    """D (A x + a + B x * C x) on the last axis."""

    def __init__(self, inputs: int, hidden: int, outputs: int) -> None:
        super().__init__()
        checks.whole_number("model.hidden", hidden, least=1)
        self.linear = nn.Linear(inputs, hidden)
        self.left, self.right = (nn.Linear(inputs, hidden, bias=False) for _ in range(2))
        self.last = nn.Linear(hidden, outputs, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        return self.last(self.linear(x) + self.left(x) * self.right(x))


class LorenzODE(ODENetwork):
    """The right-hand side is the true one, with parameters that are learned.

    factor: the parameters start at this multiple of the truth; not 1, so that there is something to find.
    scheme, substeps: the integrator and its steps, see `ODENetwork`; rk4 takes more where a step of the data is long.
    """

    def __init__(self, *, spec: Spec, factor: float, scheme: str, substeps: int) -> None:
        super().__init__(name="lorenz_ode", spec=spec, scheme=scheme, substeps=substeps)
        dynamics, _ = known_dynamics("model=lorenz_ode", spec, "model=neural_ode")
        self.dynamics = Scaled(dynamics, spec.scaling, factor)

    def _fine_enough(self, dynamics: Dynamics, name: str) -> None:
        """Take as many steps as the equations need, which the network knows."""
        say_substeps(f"model={name}", dynamics, self.dt / self.substeps)
        self.substeps *= substeps_of(dynamics, self.dt / self.substeps)

    def use_scaling(self, scaling: Scaling) -> None:
        """Take the scaling of the data, which is known once they are prepared."""
        assert isinstance(self.dynamics, Scaled)
        self.dynamics.use_scaling(scaling)


def known_dynamics(who: str, spec: Spec, instead: str) -> tuple[Dynamics, float]:
    """Return the equations behind the data and their time step. Refuse data that have none."""
    if not isinstance(spec, SequenceSpec) or spec.dynamics is None or spec.dt <= 0:
        raise Refusal(f"{who} needs equations and a time step, which data={spec.name} does not tell: try {instead}")
    return spec.dynamics, spec.dt


class Scaled(nn.Module, Dynamics):
    """Equations for physical states x as those of scaled states u: du/dt = f(mean + std u) / std.

    With a `factor`, each parameter (a field of the dataclass) is multiplied by a number to be learned, which starts
    there.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, dynamics: Dynamics, scaling: Scaling, factor: float | None = None) -> None:
        super().__init__()
        self.physical, self.size, self.one_step = dynamics, dynamics.size, dynamics.one_step
        # in the checkpoint: the network may be made before the data are
        self.register_buffer("mean", torch.tensor(scaling.mean))
        self.register_buffer("std", torch.tensor(scaling.std))
        factors: dict[str, nn.Parameter] = {}
        if factor is not None:
            assert is_dataclass(dynamics), "the parameters of equations are the fields of a dataclass"
            names = [field.name for field in fields(dynamics) if field.name != "size"]
            factors = {name: nn.Parameter(torch.tensor(float(factor))) for name in names}
        self.factors = nn.ParameterDict(factors)

    def use_scaling(self, scaling: Scaling) -> None:
        """Take another mean and standard deviation."""
        self.mean.fill_(scaling.mean)
        self.std.fill_(scaling.std)

    def equations(self) -> Dynamics:
        """Return the equations with the parameters as they are now."""
        learned = {name: factor * getattr(self.physical, name) for name, factor in self.factors.items()}
        if not learned:
            return self.physical
        assert is_dataclass(self.physical)
        return replace(self.physical, **learned)

    def tendency(self, state: Tensor) -> Tensor:
        """(..., size), per unit of time."""
        return self.equations().tendency(self.mean + self.std * state) / self.std
