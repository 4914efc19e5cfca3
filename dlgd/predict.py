"""python -m dlgd.predict run=<run> input=my_fields.nc output=gamma.nc: apply a trained network to new fields; or, with
baseline=<method> data=<data set> in place of run, a classical method."""

from __future__ import annotations

import sys

from omegaconf import DictConfig

from dlgd.cli import data_options, entry
from dlgd.cli.output_file import files_named, output_file
from dlgd.core import checks, repair
from dlgd.core.config import plain
from dlgd.core.errors import Refusal
from dlgd.interface import loading
from dlgd.interface.classical import Classical
from dlgd.interface.predicting import CHECK_PASSED
from dlgd.interface.run import Run

CHECK_FAILED = 1  # the exit code where predictions are written that a check found above the tolerance


@entry.command("predict")
def main(config: DictConfig) -> None:
    """Predict from the samples of a file. The output is written whole or not at all, also if a check fails."""
    from dlgd.core import netcdf

    asked = _asked(config)
    input = checks.path("input", config.input)
    output = output_file(config.output, *files_named([input, plain(config).get("data")]))
    check = repair.asked(config.check, tolerance=config.tolerance, seconds=config.seconds)
    source = asked.source(data_options.of_command(config, asked.config)) if isinstance(asked, Run) else asked.data
    samples = asked.read(input, source)
    dataset = asked.answer(samples, source, check=check)
    netcdf.write(dataset, output)
    count = samples.sizes["sample"]
    print(f"{output}: {', '.join(map(str, dataset.data_vars))} for {count} sample{'' if count == 1 else 's'}")
    if dataset.attrs.get(CHECK_PASSED) == 0:
        sys.exit(CHECK_FAILED)


def _asked(config: DictConfig) -> Run | Classical:
    """Return what is to answer: a run or a classical method."""
    if (config.run is None) == (config.get("baseline") is None):
        raise Refusal("one of run and baseline must be given: type run=<run>, or baseline=<method> data=<data set>")
    if config.run is None:
        return Classical(config)
    return loading.found(config.run, config, criterion=config.criterion, device=config.device)


if __name__ == "__main__":
    main()
