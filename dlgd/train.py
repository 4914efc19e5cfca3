"""python -m dlgd.train model=resnet data=nemovar: train a network, and score it beside classical methods."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.core import commands
from dlgd.core.interruption import STOPPED, say
from dlgd.interface.training import run_training


@entry.command("config")
def main(config: DictConfig) -> None:
    """Train with the configuration of a new run, or with that of the run to be resumed."""
    ended = run_training(config, printed=True)
    if ended.status == "KILLED":
        if not ended.resumes:  # the same command begins anew
            raise KeyboardInterrupt
        say(f"dlgd: stopped; go on with: {commands.shown('train')} resume={ended.folder}{ended.again}\n")
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()
