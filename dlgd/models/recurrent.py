"""Networks with a memory: a cell that reads the known states and then its own forecasts, and a network that reads a
window of observations forward and backward."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from dlgd.core import checks
from dlgd.core.contract import Spec
from dlgd.models import convolutions, kinds
from dlgd.models.estimators import Estimator
from dlgd.models.forecasts import CHANGE, Forecaster, around

Memory = Tensor | tuple[Tensor, Tensor] | None


class Recurrent(Forecaster):
    """A cell reads a state and updates its memory, from which a dense layer makes the change to the next state. On a
    ring each place has a memory of its own.

    hidden: numbers in the memory, 1 or more.
    kernel: on a ring, the nearest variables that each cell reads, odd; without a ring a cell reads all.
    """

    def __init__(
        self, *, name: str, cell: type[nn.GRUCell] | type[nn.LSTMCell], spec: Spec, hidden: int, kernel: int
    ) -> None:
        super().__init__(name=name, spec=spec)
        checks.whole_number("model.hidden", hidden, least=1)
        self.kernel = min(convolutions.odd_kernel(kernel), self.ring)
        self.cell = cell(self.kernel * self.variables, hidden)
        self.last = nn.Linear(hidden, self.variables)

    def continued(self, known: Tensor, steps: int) -> Tensor:
        """See `Forecaster`."""
        memory: Memory = None
        for state in known[:, :-1].unbind(1):
            memory = self._remember(state, memory)
        state, following = known[:, -1], []
        for _ in range(steps):
            memory = self._remember(state, memory)
            change = self.last(memory[0] if isinstance(memory, tuple) else memory)  # (B X, C)
            state = state + CHANGE * change.unflatten(0, (-1, self.ring)).transpose(1, 2)
            following.append(state)
        return torch.stack(following, dim=1)

    def _remember(self, state: Tensor, memory: Memory) -> Memory:
        return self.cell(around(state, self.kernel).flatten(0, 1), memory)


class LSTM(Recurrent):
    """The cell has long short-term memory (Hochreiter and Schmidhuber 1997). hidden, kernel: see `Recurrent`."""

    def __init__(self, *, spec: Spec, hidden: int, kernel: int) -> None:
        super().__init__(name="lstm", cell=nn.LSTMCell, spec=spec, hidden=hidden, kernel=kernel)


class GRU(Recurrent):
    """The cell has gated recurrent units (Cho et al. 2014). hidden, kernel: see `Recurrent`."""

    def __init__(self, *, spec: Spec, hidden: int, kernel: int) -> None:
        super().__init__(name="gru", cell=nn.GRUCell, spec=spec, hidden=hidden, kernel=kernel)


class BiLSTM(Estimator):
    """Assimilates a window by layers of two LSTMs, one forward and one backward in time (Graves and Schmidhuber 2005),
    and a dense layer. On a ring each place has a memory of its own.

    hidden: numbers in the memory of each LSTM, 1 or more.
    layers: layers of two LSTMs, 1 or more.
    kernel: on a ring, the nearest places that each one reads, odd; without a ring each reads all.
    predict_std: whether it predicts the standard deviations of its errors too, see `Estimator`.
    """

    def __init__(self, *, spec: Spec, hidden: int, layers: int, kernel: int, predict_std: bool) -> None:
        super().__init__()
        kinds.check_kind("bilstm", spec, ["assimilation"])
        checks.whole_number("model.hidden", hidden, least=1)
        checks.whole_number("model.layers", layers, least=1)
        self.kernel = min(convolutions.odd_kernel(kernel), spec.grid[-1])
        inputs, outputs = self.kernel * len(spec.input_channels), self.channels(spec, predict_std=predict_std)
        self.layers = nn.LSTM(inputs, hidden, layers, batch_first=True, bidirectional=True)
        self.last = nn.Linear(2 * hidden, outputs)

    def body(self, input: Tensor) -> Tensor:
        """(B, C_in, T, X) -> (B, C_out, T, X), any T."""
        places = around(input.transpose(1, 2), self.kernel)  # (B, T, X, C_in kernel)
        remembered, _ = self.layers(places.transpose(1, 2).flatten(0, 1))
        return self.last(remembered).unflatten(0, (input.shape[0], -1)).permute(0, 3, 2, 1)
