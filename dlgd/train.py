"""python -m dlgd.train model=resnet data=nemovar: train a network, and score it beside classical methods."""

from __future__ import annotations

import sys

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from dlgd.cli import entry, runs
from dlgd.core.interruption import STOPPED, say


@entry.command("config")
def main(config: DictConfig) -> None:
    """Train with the configuration of a new run, or with that of the run to be resumed."""
    from dlgd.cli.training import train
    from dlgd.training.checkpoint import last_path

    folder, resumed = entry.output_folder(), config.resume is not None
    if resumed:
        config = runs.resumed_config(folder, list(HydraConfig.get().overrides.task))
    else:
        with open_dict(config):
            config.choices = entry.choices()
        config = entry.with_evaluation(config)
    try:
        status = train(config, folder, resumed=resumed)
    except KeyboardInterrupt:  # before or after the training itself
        status = "KILLED"
    if status == "KILLED":
        if not last_path(folder).exists():  # the same command begins anew
            raise KeyboardInterrupt
        say(f"dlgd: stopped; go on with: python -m dlgd.train resume={folder}{runs.typed_again(config)}\n")
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()
