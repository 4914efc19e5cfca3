"""Optuna's sampler cmaes, which keeps its state in the study as a pickle: here one that can run nothing."""

from __future__ import annotations

import io
import pickle
from collections.abc import Sequence
from typing import Any

from optuna.samplers import CmaEsSampler
from optuna.trial import FrozenTrial

from dlgd.core.errors import Refusal
from dlgd.core.trust import shown

# All that such a state consists of, besides numbers and containers.
NEEDED = {
    ("cmaes._cma", "CMA"),
    ("numpy", "dtype"),
    ("numpy", "ndarray"),
    ("numpy._core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "scalar"),
    ("numpy._core.numeric", "_frombuffer"),
}


class StateUnpickler(pickle.Unpickler):
    """Reads the state of the sampler. Refusal where it names anything else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in NEEDED:
            raise Refusal(
                f"the state of sweep.sampler=cmaes in this study names {shown(f'{module}.{name}')}, which it does not "
                "need, and was not read: begin a study of your own, study=<another name>"
            )
        return super().find_class(module, name)


class OwnCmaEsSampler(CmaEsSampler):
    """Optuna's CmaEsSampler, which reads the state of an earlier trial without running anything else from the study."""

    def _restore_optimizer(self, completed_trials: Sequence[FrozenTrial]) -> Any:
        for trial in reversed(completed_trials):
            pieces = {key: text for key, text in trial.system_attrs.items() if key.startswith(self._attr_key_optimizer)}
            if pieces:
                state = bytes.fromhex(self._concat_optimizer_attrs(pieces))
                return StateUnpickler(io.BytesIO(state)).load()
        return None
