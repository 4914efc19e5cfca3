"""The training loop. Read `fit`, then `one_step`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from dlgd.core.contract import Augmentation, Batch, Loss, Network, Stream, Tracker, Validate
from dlgd.core.interruption import Interruption
from dlgd.core.progress import duration
from dlgd.core.score import Score
from dlgd.training.adversarial import fast_gradient_sign
from dlgd.training.checkpoint import Checkpoint
from dlgd.training.device import describe
from dlgd.training.options import Options
from dlgd.training.progress import Display
from dlgd.training.run import Run
from dlgd.training.running_loss import RunningLoss
from dlgd.training.schedulers import Scheduler
from dlgd.training.seeding import seed_step, step_rng

log = logging.getLogger(__name__)

STOPPING = b"\nStopping after this step, with a checkpoint. Ctrl-C once more to stop at once, without.\n"
PlayerLoss = tuple[str, Tensor, dict[str, Tensor]]  # what Network.objectives yields: player, total, terms


@dataclass(frozen=True, kw_only=True)
class Result:
    """How a training ended. The network then holds its last weights; the best ones are on disk."""

    status: str  # "FINISHED" or "KILLED", as Tracker.finish takes it
    step: int
    seconds: float  # of all sessions together
    best: dict[str, float]  # best score, by criterion
    history: list[dict[str, float]]  # records in order: "step", "epoch", "seconds", and train/... or valid/...


def fit(
    *,
    network: Network,
    loss: Loss,
    stream: Stream,
    augmentation: Augmentation | None,
    optimizers: Mapping[str, Optimizer],
    scheduler: Scheduler,
    validate: Validate,
    tracker: Tracker,
    folder: Path,
    options: Options,
    criteria: Sequence[Score],
    patterns: Sequence[Score] = (),
    device: torch.device,
    seed: int,
    config: Mapping[str, Any],
    resume: Checkpoint | None = None,
    should_stop: Callable[[Mapping[str, float], bool], bool] | None = None,
) -> Result:
    """Train a network until its budget is spent, its patience is out, or a signal asks to stop.

    It is longer than other functions, so that the whole training can be read here from top to bottom.

    optimizers: one for each of `network.players()`, by name.
    criteria: the scores that `options.criteria` names; `patience` counts for the first one.
    patterns: descriptions of several scores each, such as one for each class, which the log leaves out.
    config: plain values, kept in the checkpoints.
    resume: a checkpoint to continue from.
    should_stop: called after each validation with its scores and with whether the first criterion is better than ever
    before. Where it returns true the training stops with the status "KILLED".

    Writes checkpoints/last.pt and, for each criterion, checkpoints/best_<criterion>.pt in the folder. On a CPU, a
    resumed training gives bit for bit the weights of an uninterrupted one, unless the learning rate follows a budget in
    minutes.

    Raises NonFinite at a loss, weight or criterion that is not finite, and Refusal where the folder cannot
    be written, the checkpoint is another network's, or a criterion is none of the validation's scores.
    """
    assert optimizers.keys() == network.players().keys(), "one optimizer per player"
    network.to(device).train()
    loss.to(device)
    run = Run(
        network=network,
        optimizers=optimizers,
        budget=options.budget(steps_per_epoch=stream.steps_per_epoch / options.accumulate),
        tracker=tracker,
        folder=folder,
        options=options,
        criteria=criteria,
        patterns=patterns,
        config=config,
        device=device,
    )
    if resume is not None:
        run.resume(resume)
    if options.compile:
        for player in network.players().values():
            player.compile()  # in place: the names of the weights stay as they are
    precision = ", in bfloat16" if options.in_bfloat16(device) else ""
    log.info("Training from step %d on %s%s", run.state.step, describe(device), precision)

    stopped = False
    with Interruption(STOPPING) as interruption, Display() as display:
        while not interruption.requested:
            moment = run.moment()
            over = moment.progress >= 1
            if moment.step > run.state.validated and (over or moment.step % options.validate_every == 0):
                seed_step(seed, moment.step)  # a validation that draws numbers draws the same ones in every run
                with display.aside():
                    scores = run.validate(validate, moment=moment)
                    stopped = should_stop is not None and should_stop(scores, run.state.stale == 0)
            if stopped or over or run.out_of_patience():
                break

            seed_step(seed, moment.step)
            first = moment.step * options.accumulate
            batches = [stream.batch(number) for number in range(first, first + options.accumulate)]
            if augmentation is not None:
                rng = step_rng(seed, moment.step)
                batches = [augmentation(batch, rng) for batch in batches]
            set_learning_rates(optimizers, scheduler.factor(moment))
            one_step(
                network=network,
                loss=loss,
                batches=batches,
                optimizers=optimizers,
                options=options,
                losses=run.losses,
                first=first,
            )
            run.step_done(samples=sum(map(len, batches)))

            if run.state.step % options.log_every == 0:
                run.report(display)
            run.save_line_timer(display)
        if not interruption.requested:  # else the record waits for the steps that a resumed training will make
            run.report(display)
        run.save_last()

    status = "KILLED" if interruption.requested or stopped else "FINISHED"
    state = run.state
    how = "finished" if status == "FINISHED" else "stopped"
    log.info("Training %s after %d steps, %s", how, state.step, duration(state.seconds))
    return Result(status=status, step=state.step, seconds=state.seconds, best=state.best, history=state.history)


def one_step(
    *,
    network: Network,
    loss: Loss,
    batches: Sequence[Batch],
    optimizers: Mapping[str, Optimizer],
    options: Options,
    losses: RunningLoss,
    first: int,
) -> None:
    """Make one step of each player's optimizer, with the mean gradient of the batches, numbered from `first`.

    In adversarial training each batch counts twice: as it is, and changed against the network.
    """
    device = batches[0].input.device
    autocast = partial(torch.autocast, device.type, torch.bfloat16, enabled=options.in_bfloat16(device))
    if options.adversarial > 0:
        with autocast():
            changed = [fast_gradient_sign(network, batch, loss, size=options.adversarial) for batch in batches]
        batches = [*batches, *changed]
    rounds = [computed(network.objectives(batch, loss), autocast) for batch in batches]
    for player, player_losses in player_by_player(rounds):
        network.zero_grad(set_to_none=True)  # of all players: the loss of one leaves gradients in the others too
        for place, (_, total, terms) in enumerate(player_losses):
            losses.add(player=player, total=total, terms=terms, batch=first + place % options.accumulate)
            (total / len(batches)).backward()
        if options.l1 > 0 or options.clip_norm is not None:  # making the list takes time
            weights = [weight for weight in network.players()[player].parameters() if weight.grad is not None]
            add_l1_gradient(weights, options.l1)
            if options.clip_norm is not None:
                nn.utils.clip_grad_norm_(weights, options.clip_norm)
        optimizers[player].step()


def computed(objectives: Iterator[PlayerLoss], autocast: Callable[[], torch.autocast]) -> Iterator[PlayerLoss]:
    """Yield the same, with autocast on while the network computes and off while the loop goes backward."""
    while True:
        with autocast():
            player_loss = next(objectives, None)
        if player_loss is None:
            return
        yield player_loss


def player_by_player(rounds: Sequence[Iterator[PlayerLoss]]) -> Iterator[tuple[str, Iterator[PlayerLoss]]]:
    """Yield each player's name and its losses on every batch, one player after the other.

    Each loss is computed when it is asked for, so that one graph at a time is in memory.
    """
    leader, *others = rounds
    for player_loss in leader:
        yield player_loss[0], chain([player_loss], (next(other) for other in others))
    for other in others:
        next(other, None)  # runs what follows a network's last yield, as for the leader


def add_l1_gradient(weights: Sequence[Tensor], l1: float) -> None:
    """Add the gradient of l1 * sum |w| to the gradients that the weights have."""
    if l1 > 0:
        for weight in weights:
            assert weight.grad is not None, "all weights given here have a gradient"
            weight.grad.add_(weight.detach().sign(), alpha=l1)


def set_learning_rates(optimizers: Mapping[str, Optimizer], factor: float) -> None:
    """Set the learning rates to the factor times those that the optimizers were made with."""
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])
