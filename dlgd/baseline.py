"""python -m dlgd.baseline baseline=randomization data=nemovar: score a classical method as networks are scored."""

from __future__ import annotations

import logging

from omegaconf import DictConfig, open_dict

from dlgd.cli import entry, run_log, runs

log = logging.getLogger(__name__)


@entry.command("baseline")
def main(config: DictConfig) -> None:
    """Build the method, prepare the data, score the method, and record the run."""
    from dlgd import build
    from dlgd.cli.multirun_summary import name_in_multirun
    from dlgd.core.files import make_writable
    from dlgd.scoring import descriptions
    from dlgd.scoring.report import report

    folder = entry.output_folder()
    with open_dict(config):
        config.choices = entry.choices()
    config = entry.with_evaluation(config)
    evaluation, method, data = build.evaluation(config), build.method(config.baseline), build.data(config)
    tracker = build.tracker(config, folder)
    make_writable(folder)
    runs.write_config(config, folder)
    data.prepare()
    used = ["train", config.split] if method.learns and config.split != "train" else [config.split]
    scores = descriptions.of_report(evaluation, [method])
    params, tags = build.params_and_tags(
        config, config.choices, device_name="cpu", source=data, splits=used, scores=scores
    )
    name = name_in_multirun(folder) or f"{method.name}-{config.data.name}"
    tracker.start(name=name, params=params, tags=tags, run_id=runs.run_id(folder))
    with tracker.recorded(), run_log.recorded(tracker):
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
