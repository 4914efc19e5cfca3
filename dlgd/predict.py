"""python -m dlgd.predict run=<run> input=my_fields.nc output=gamma.nc: apply a trained network to new fields."""

from __future__ import annotations

import os

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.interface import run as interface


@entry.command("predict")
def main(config: DictConfig) -> None:
    """Predict from the samples of a file. The output is written whole or not at all."""
    from dlgd.core import netcdf

    run = interface.found(config.run, config, criterion=config.criterion, device=config.device)
    input, output = checks.path("input", config.input), checks.path("output", config.output)
    if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise Refusal(f"output={output} cannot be written: {output.parent} is not a folder to which you may write")
    if output.exists() and not output.is_file():
        raise Refusal(f"output={output} is no regular file, and would be replaced by one: type another path")
    if output.exists() and input.exists() and output.samefile(input):
        raise Refusal(f"output={output} is the input, which would be lost: type another path")
    samples = run.read(input)
    dataset = run.answer(samples)
    netcdf.write(dataset, output)
    count = samples.sizes["sample"]
    print(f"{output}: {', '.join(map(str, dataset.data_vars))} for {count} sample{'' if count == 1 else 's'}")


if __name__ == "__main__":
    main()
