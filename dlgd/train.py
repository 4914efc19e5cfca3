"""python -m dlgd.train model=resnet data=nemovar: train a network, and score it beside classical methods."""

from __future__ import annotations

import sys

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, open_dict

from dlgd.cli import entry, runs


@entry.command("config")
def main(config: DictConfig) -> None:
    """Train with the configuration of a new run, or with that of the run to be resumed."""
    from dlgd.cli.training import train

    folder, resumed = entry.output_folder(), config.resume is not None
    if resumed:
        config = runs.resumed_config(folder, list(HydraConfig.get().overrides.task))
    else:
        with open_dict(config):
            config.choices = entry.choices()
        config = entry.with_evaluation(config)
    if train(config, folder, resumed=resumed) == "KILLED":
        print(f"dlgd: stopped; go on with: python -m dlgd.train resume={folder}", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
