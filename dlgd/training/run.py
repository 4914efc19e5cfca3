"""What surrounds the steps of a training: validation, records and checkpoints."""

from __future__ import annotations

import copy
import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch.optim import Optimizer

from dlgd.core.contract import Network, Tracker, Validate
from dlgd.core.errors import Refusal
from dlgd.core.files import make_writable
from dlgd.core.score import Score
from dlgd.training import checkpoint
from dlgd.training.average import MovingAverage
from dlgd.training.budget import Budget, TrainingProgress
from dlgd.training.checkpoint import Checkpoint, State, best_path, last_path
from dlgd.training.options import Options
from dlgd.training.progress import Display, in_words
from dlgd.training.running_loss import NonFinite, RunningLoss

log = logging.getLogger(__name__)


class Run:
    """A training's state, and what is done with it between two steps."""

    def __init__(
        self,
        *,
        network: Network,
        optimizers: Mapping[str, Optimizer],
        budget: Budget,
        tracker: Tracker,
        folder: Path,
        options: Options,
        criteria: Sequence[Score],
        config: Mapping[str, Any],
        device: torch.device,
        patterns: Sequence[Score] = (),
    ) -> None:
        make_writable(folder / "checkpoints")
        self.network = network
        self.optimizers = optimizers
        self.budget = budget
        self.tracker = tracker
        self.folder = folder
        self.options = options
        self.criteria = criteria
        self.patterns = patterns
        self.config = config
        self.state = State()
        self.losses = RunningLoss(device=device, batches_per_step=options.accumulate)
        self.threads = torch.get_num_threads() if device.type == "cpu" else 0
        self.average = None if options.ema_decay is None else MovingAverage(network, options.ema_decay)
        self.samples = 0  # since the last report
        self._begin()

    def _begin(self) -> None:
        """Start the clocks from the present state."""
        self.first_step, self.first_seconds = self.state.step, self.state.seconds
        self.started = self.saved_at = time.monotonic()

    def clock(self) -> float:
        """Seconds of training, those of former sessions included."""
        return self.first_seconds + time.monotonic() - self.started

    def moment(self) -> TrainingProgress:
        """Return where the training stands now."""
        return self.budget.moment(step=self.state.step, seconds=self.clock())

    def step_done(self, *, samples: int) -> None:
        """Count a step of the network, learnt from so many samples."""
        if self.average is not None:
            self.average.update(self.network, step=self.state.step)
        self.state.step += 1
        self.samples += samples

    def resume(self, source: Checkpoint) -> None:
        """Continue the training of a checkpoint, with the options of this run."""
        checkpoint.restore(self.network, source, averaged=False)
        checkpoint.restore_optimizers(self.optimizers, source)
        self.state = copy.deepcopy(source.state)
        self.losses.restore(self.state.unread)
        if self.threads and self.state.threads not in (0, self.threads):
            log.warning(
                "The training goes on with %d threads after %d: its weights will differ from those of one without an "
                "interruption; OMP_NUM_THREADS=%d gives the same",
                self.threads, self.state.threads, self.state.threads,
            )  # fmt: skip
        if self.average is not None:
            checkpoint.restore(self.average.network, source)
        lost = [name for name in self.state.best if not best_path(self.folder, name).exists()]
        for name in lost:
            log.warning("%s is missing: the search for the best %s begins anew", best_path(self.folder, name), name)
            del self.state.best[name]
        if self.criteria[0].name not in self.state.best:
            self.state.stale = 0
        self._begin()

    def validate(self, scores_of: Validate, *, moment: TrainingProgress) -> dict[str, float]:
        """Score the weights (their moving average where there is one), and save them where a score is best so far."""
        self.losses.check()  # a loss that went wrong has its own message
        scored = self.network if self.average is None else self.average.network
        scored.eval()
        with torch.no_grad():
            scores = {name: float(value) for name, value in scores_of(scored).items()}
        self.network.train()
        improved = self._compare(scores)
        row = {f"valid/{name}": value for name, value in scores.items()}
        self._record(row, moment)
        best = f" (best {', '.join(improved)})" if improved else ""
        log.info("Step %d, validation: %s%s", moment.step, in_words(self._brief(scores)), best)
        # The best first: should the program die between two files, the last one leads back here.
        self._save(*[best_path(self.folder, name) for name in improved], last_path(self.folder))
        return scores

    def _brief(self, scores: Mapping[str, float]) -> dict[str, float]:
        """Return the scores without those of single classes and the like, unless they are criteria."""
        criteria = {score.name for score in self.criteria}
        many = {name for name in scores if any(pattern.describes(name) for pattern in self.patterns)}
        return {name: value for name, value in scores.items() if name not in many - criteria}

    def _compare(self, scores: Mapping[str, float]) -> list[str]:
        """Update the state, and return the names of the criteria that are better than ever before."""
        names, state = [score.name for score in self.criteria], self.state
        for name in names:
            if name not in scores:
                self.save_last()
                raise Refusal(
                    f"training.criteria asks for {name}, but the validation gives {', '.join(scores)}: choose among "
                    "these and resume."
                )
            if not math.isfinite(scores[name]):
                raise NonFinite(
                    f"The validation's {name} is {scores[name]} at step {state.step}: training stopped, and the "
                    "checkpoints written before are kept; try a smaller optimizer.lr."
                )
        improved = [one.name for one in self.criteria if one.improves(scores[one.name], state.best.get(one.name))]
        state.best |= {name: scores[name] for name in improved}
        state.stale = 0 if names[0] in improved else state.stale + 1
        state.validated = state.step
        return improved

    def out_of_patience(self) -> bool:
        """Return whether the first criterion has not improved for as many validations as allowed."""
        return self.options.patience is not None and self.state.stale >= self.options.patience

    def report(self, display: Display) -> None:
        """Read the losses since the last report, if any; show and record them. Waits for the device."""
        losses = self.losses.read()
        if not losses:
            return
        moment, seconds = self.moment(), self.clock()
        left = self.budget.seconds_left(
            step=moment.step,
            seconds=seconds,
            seconds_per_step=(seconds - self.first_seconds) / (moment.step - self.first_step),
        )
        pace = display.pace(self.samples)
        self.samples = 0
        display.show(moment=moment, losses=losses, pace=pace, seconds_left=left)
        rates = {
            "train/lr" if player == "network" else f"train/{player}/lr": optimizer.param_groups[0]["lr"]
            for player, optimizer in self.optimizers.items()
        }
        self._record({**losses, **rates, "train/samples_per_second": pace}, moment)

    def _record(self, row: Mapping[str, float], moment: TrainingProgress) -> None:
        self.tracker.log(row, moment.step)
        self.state.history.append({"step": moment.step, "epoch": moment.epoch, "seconds": self.clock(), **row})

    def save_line_timer(self, display: Display) -> None:
        """Write last.pt if it was written more than `checkpoint_minutes` ago."""
        if time.monotonic() - self.saved_at >= 60 * self.options.checkpoint_minutes:
            with display.aside():
                self.save_last()

    def save_last(self) -> None:
        """Write last.pt."""
        self._save(last_path(self.folder))

    def _save(self, *paths: Path) -> None:
        """Write the training as it stands. Raises NonFinite where a loss or a weight is not finite."""
        self.losses.check()
        self.state.threads = self.threads
        self.state.seconds, self.state.unread = self.clock(), self.losses.unread()
        now = checkpoint.capture(
            network=self.network,
            average=None if self.average is None else self.average.network,
            optimizers=self.optimizers,
            state=self.state,
            config=self.config,
        )
        for name, weight in self.network.named_parameters():
            if not torch.isfinite(weight).all():
                raise NonFinite(
                    f"The weights {name} are not finite after step {self.state.step}: training stopped, and the "
                    "checkpoints written before are kept; try a smaller optimizer.lr or a training.clip_norm."
                )
        for path in paths:
            checkpoint.save(now, path)
        self.saved_at = time.monotonic()
