"""The trials of a study: all are asked for beforehand, taken by one worker each, and tried again once if it dies.

A trial that is asked for has a number of its own, its slot, from 0 to the number of trials wanted; one that is tried
again is a new trial of Optuna with the slot and values of the one that was lost, which is marked as failed.
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

ATTEMPTS = 2  # of a trial whose process dies; interruptions by a person are not counted
UNOWNED_S = 5.0  # after which a trial that nobody has put a name to is lost: who took it cannot begin any more


def ask(study: Study, count: int, values: Sequence[Mapping[str, Any]] | None = None) -> int:
    """Ask for trials until there are `count`, with these values where they are given. Returns how many there are."""
    count = count if values is None else min(count, len(values))
    asked = {trial.user_attrs.get("slot") for trial in study.get_trials(deepcopy=False)}
    for slot in range(count):
        if slot not in asked:
            study.enqueue_trial({} if values is None else dict(values[slot]), user_attrs={"slot": slot})
    return count


def take(study: Study, storage: BaseStorage, count: int, owner: str) -> Trial | None:
    """A trial that waits in a slot below `count`, now this owner's alone; None where none is left."""
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
            # Of all who try, the storage says True to one.
            if not storage.set_trial_state_values(waiting._trial_id, state=TrialState.RUNNING):
                continue
            storage.set_trial_user_attr(waiting._trial_id, "owner", owner)  # raises if it was given up meanwhile
            if _is_double(study, waiting):
                storage.set_trial_user_attr(waiting._trial_id, "double", True)
                storage.set_trial_state_values(waiting._trial_id, state=TrialState.FAIL)
                continue
            return optuna.Trial(study, waiting._trial_id)
    return None


def _is_double(study: Study, trial: FrozenTrial) -> bool:
    """Whether two machines asked for the same trial at the same moment, and this is the later one."""

    def task(one: FrozenTrial) -> tuple[Any, Any]:
        return one.user_attrs.get("slot"), one.user_attrs.get("again")

    return any(one.number < trial.number and task(one) == task(trial) for one in study.get_trials(deepcopy=False))


def recover(
    study: Study, storage: BaseStorage, is_alive: Callable[[str], bool], *, interrupted: bool = False
) -> list[int]:
    """Mark trials whose process has ended as failed, and ask for them again; the numbers of those that were lost.

    May end at any moment and be run by several processes at once: what one of them leaves undone the next one does.
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
            kept = {key: value for key, value in trial.user_attrs.items() if key in ("slot", "values", "of")}
            study.enqueue_trial(trial.params, user_attrs=kept | {"again": trial.number, "attempt": attempt})
    return lost


def recover_interrupted(study: Study, storage: BaseStorage, is_alive: Callable[[str], bool]) -> None:
    """Ask again for what a person has interrupted, also for a trial whose worker ended before it put a name to it:
    that one is lost after UNOWNED_S, as another machine may be about to begin it."""
    recover(study, storage, is_alive, interrupted=True)
    while has_unowned(study):
        time.sleep(0.1)
        recover(study, storage, is_alive, interrupted=True)


def _is_lost(trial: FrozenTrial, is_alive: Callable[[str], bool]) -> bool:
    owner = trial.user_attrs.get("owner")
    if owner is not None:
        return not is_alive(owner)
    return (datetime.datetime.now() - trial.datetime_start).total_seconds() > UNOWNED_S


def has_unowned(study: Study) -> bool:
    """Whether a trial was taken and has no owner, for a moment or because the process died in that moment."""
    from optuna.trial import TrialState

    running = study.get_trials(deepcopy=False, states=(TrialState.RUNNING,))
    return any("owner" not in trial.user_attrs for trial in running)


def is_to_be_repeated(trial: FrozenTrial) -> bool:
    """Whether a trial was lost, for the first time or by a person's interruption."""
    from optuna.trial import TrialState

    how = trial.user_attrs.get("lost")
    if trial.state != TrialState.FAIL or how is None:
        return False
    return how == "interrupted" or trial.user_attrs.get("attempt", 1) < ATTEMPTS


@dataclass(frozen=True)
class Standing:
    """How many of the trials wanted are where."""

    finished: int  # complete, pruned or failed for good
    pruned: int
    failed: int
    running: tuple[int, ...]  # their numbers
    waiting: int


def standing(study: Study, count: int) -> Standing:
    """Of the slots below `count`."""
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
    """How many trials were ever taken, whatever became of them."""
    from optuna.trial import TrialState

    return sum(one.state != TrialState.WAITING for one in study.get_trials(deepcopy=False))


def is_result(trial: FrozenTrial) -> bool:
    """Whether a finished trial stands for its slot: it is neither tried again nor a double."""
    return not is_to_be_repeated(trial) and not trial.user_attrs.get("double", False)
