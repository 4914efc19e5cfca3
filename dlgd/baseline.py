"""python -m dlgd.baseline baseline=randomization data=nemovar: a classical method, scored as networks are."""

from __future__ import annotations

import logging

from omegaconf import DictConfig, open_dict

from dlgd.cli import entry, runs
from dlgd.core import checks

log = logging.getLogger(__name__)


@entry.command("baseline")
def main(config: DictConfig) -> None:
    """Build, prepare the data, answer, score, record."""
    from dlgd import build
    from dlgd.core.contract import SPLITS
    from dlgd.core.files import make_writable
    from dlgd.scoring.report import report

    checks.choice("split", config.split, SPLITS)
    folder = entry.output_folder()
    with open_dict(config):
        config.choices = entry.choices()
    config = entry.with_evaluation(config)
    evaluation, method, data = build.evaluation(config), build.method(config.baseline), build.data(config)
    tracker = build.tracker(config, folder)
    make_writable(folder)
    runs.write_config(config, folder)
    data.prepare()
    params, tags = build.record(config, config.choices, "cpu", data.checksum())
    tracker.start(name=f"{method.name}-{config.data.name}", params=params, tags=tags)
    with tracker.recorded():
        report(
            methods=build.fitted([method], data),
            samples=data.samples(config.split),
            evaluation=evaluation,
            folder=folder,
            tracker=tracker,
            title=f"{config.data.name}, {config.split} split",
            split=config.split,
        )
    log.info("everything is in %s", folder)


if __name__ == "__main__":
    main()
