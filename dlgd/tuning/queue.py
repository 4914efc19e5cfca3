"""The queue of a study's trials: all are enqueued at the beginning, and each is taken by one worker.

Each trial that is wanted has a slot, a number from 0. If the process of a trial dies, the trial is marked as failed and
run again once: as a new trial of Optuna with the same slot and values.
"""

from __future__ import annotations

import contextlib
import datetime
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dlgd.tuning.study import alone

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import BaseStorage
    from optuna.trial import FrozenTrial

ATTEMPTS = 2  # to run a trial whose process dies; interruptions by a person are not counted
UNOWNED_S = 5.0  # after which a trial that was taken and has no owner is lost: its process died in between


def ask(study: Study, count: int, values: Sequence[Mapping[str, Any]] | None = None) -> int:
    """Enqueue trials until there are `count`, with these values where they are given. Returns how many there are."""
    count = count if values is None else min(count, len(values))
    asked = {trial.user_attrs.get("slot") for trial in study.get_trials(deepcopy=False)}
    for slot in range(count):
        if slot not in asked:
            study.enqueue_trial({} if values is None else dict(values[slot]), user_attrs={"slot": slot})
    return count


def take(study: Study, storage: BaseStorage, count: int, owner: str) -> Trial | None:
    """Take a waiting trial in a slot below `count` for this owner alone; None where none is left."""
    with alone(storage):
        return _take(study, storage, count, owner)


def _take(study: Study, storage: BaseStorage, count: int, owner: str) -> Trial | None:
    import optuna
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    study_id = storage.get_study_id_from_name(study.study_name)
    for waiting in storage.get_all_trials(study_id, deepcopy=False, states=(TrialState.WAITING,)):
        if waiting.user_attrs.get("slot", count) >= count:
            continue
        with contextlib.suppress(UpdateFinishedTrialError):
            # The storage answers True to one process only.
            if not storage.set_trial_state_values(waiting._trial_id, state=TrialState.RUNNING):
                continue
            # Raises if the trial was marked as lost meanwhile.
            storage.set_trial_user_attr(waiting._trial_id, "owner", owner)
            if _is_duplicate(study, waiting):
                storage.set_trial_user_attr(waiting._trial_id, "double", True)
                storage.set_trial_state_values(waiting._trial_id, state=TrialState.FAIL)
                continue
            return optuna.Trial(study, waiting._trial_id)
    return None


def _is_duplicate(study: Study, trial: FrozenTrial) -> bool:
    """Return whether two machines enqueued the same trial at the same moment, and this is the later one."""

    def identity(one: FrozenTrial) -> tuple[Any, Any]:
        return one.user_attrs.get("slot"), one.user_attrs.get("again")

    own = identity(trial)
    return any(one.number < trial.number and identity(one) == own for one in study.get_trials(deepcopy=False))


def recover(
    study: Study, storage: BaseStorage, is_alive: Callable[[str], bool], *, interrupted: bool = False
) -> list[int]:
    """Mark trials whose process has ended as failed, and enqueue them again. Returns the numbers of the lost trials.

    Several processes may do this at once, and each may die at any moment: the next one completes its work.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    lost = []
    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if _is_lost(trial, is_alive):
            how = "interrupted" if interrupted else "its process ended"
            with contextlib.suppress(UpdateFinishedTrialError):
                storage.set_trial_user_attr(trial._trial_id, "lost", how)
                storage.set_trial_state_values(trial._trial_id, state=TrialState.FAIL)
                lost.append(trial.number)
    trials = study.get_trials(deepcopy=False)
    repeated = {trial.user_attrs.get("again") for trial in trials}
    for trial in trials:
        if is_to_be_repeated(trial) and trial.number not in repeated:
            attempt = trial.user_attrs.get("attempt", 1) + (trial.user_attrs["lost"] != "interrupted")
            same = {key: value for key, value in trial.user_attrs.items() if key in ("slot", "values", "of")}
            study.enqueue_trial(trial.params, user_attrs=same | {"again": trial.number, "attempt": attempt})
    return lost


def recover_interrupted(study: Study, storage: BaseStorage, is_alive: Callable[[str], bool]) -> None:
    """Enqueue again the trials that a person has interrupted.

    A trial without an owner may just be beginning on another machine: it counts as interrupted after UNOWNED_S only.
    """
    recover(study, storage, is_alive, interrupted=True)
    while has_unowned(study):
        time.sleep(0.1)
        recover(study, storage, is_alive, interrupted=True)


def _is_lost(trial: FrozenTrial, is_alive: Callable[[str], bool]) -> bool:
    owner = trial.user_attrs.get("owner")
    if owner is not None:
        return not is_alive(owner)
    begun = trial.datetime_start
    return begun is not None and (datetime.datetime.now() - begun).total_seconds() > UNOWNED_S


def has_unowned(study: Study) -> bool:
    """Return whether a trial was taken and has no owner: a process is just taking it, or died while it did."""
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return any("owner" not in trial.user_attrs for trial in running)


def is_to_be_repeated(trial: FrozenTrial) -> bool:
    """Return whether a trial was lost for the first time, or interrupted by a person."""
    from optuna.trial import TrialState

    how = trial.user_attrs.get("lost")
    if trial.state != TrialState.FAIL or how is None:
        return False
    return how == "interrupted" or trial.user_attrs.get("attempt", 1) < ATTEMPTS


@dataclass(frozen=True)
class Standing:
    """The numbers of the wanted trials by their state."""

    finished: int  # complete, pruned or failed for good
    pruned: int
    failed: int
    running: tuple[int, ...]  # their numbers
    waiting: int


def standing(study: Study, count: int) -> Standing:
    """Return the standing of the slots below `count`."""
    from optuna.trial import TrialState

    trials = [one for one in study.get_trials(deepcopy=False) if one.user_attrs.get("slot", count) < count]
    done = [one for one in trials if one.state.is_finished() and is_result(one)]
    return Standing(
        finished=len(done),
        pruned=sum(one.state == TrialState.PRUNED for one in done),
        failed=sum(one.state == TrialState.FAIL for one in done),
        running=tuple(one.number for one in trials if one.state == TrialState.RUNNING),
        waiting=sum(one.state == TrialState.WAITING for one in trials),
    )


def begun(study: Study) -> int:
    """Return how many trials were ever taken, in any state."""
    from optuna.trial import TrialState

    return sum(one.state != TrialState.WAITING for one in study.get_trials(deepcopy=False))


def is_result(trial: FrozenTrial) -> bool:
    """Return whether a finished trial is the result of its slot: it is neither run again nor a duplicate."""
    return not is_to_be_repeated(trial) and not trial.user_attrs.get("double", False)
