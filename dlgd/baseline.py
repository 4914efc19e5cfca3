"""python -m dlgd.baseline baseline=randomization data=nemovar: a classical method, scored as networks are."""

from __future__ import annotations

import logging

from omegaconf import DictConfig, open_dict

from dlgd.cli import entry as door
from dlgd.core.errors import Refusal

log = logging.getLogger(__name__)


@door.door("baseline")
def main(config: DictConfig) -> None:
    """Build, prepare the data, answer, score, record."""
    from dlgd import build
    from dlgd.core.contract import PARTS
    from dlgd.scoring.report import report
    from dlgd.training.checkpoint import make_writable

    if config.part not in PARTS:
        raise Refusal(f"part={config.part} is unknown: choose one of {', '.join(PARTS)}")
    folder = door.output_folder()
    with open_dict(config):
        config.choices = door.choices()
    config = door.settled(config)
    evaluation, method, data = build.evaluation(config), build.method(config.baseline), build.data(config)
    tracker = build.tracker(config, folder)
    make_writable(folder)
    door.write_config(config, folder)
    data.prepare()
    params, tags = build.record(config, config.choices, "cpu", data.checksum())
    tracker.start(name=f"{method.name}-{config.data.name}", params=params, tags=tags)
    with tracker.recorded():
        report(
            methods=build.fitted([method], data),
            samples=data.samples(config.part),
            evaluation=evaluation,
            folder=folder,
            tracker=tracker,
            title=f"{config.data.name}, {config.part} part",
            part=config.part,
        )
    log.info("everything is in %s", folder)


if __name__ == "__main__":
    main()
