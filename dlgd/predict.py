"""python -m dlgd.predict run=<run> input=my_fields.nc output=gamma.nc: apply a trained network to new fields."""

from __future__ import annotations

from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.cli.output_file import output_file
from dlgd.core import checks
from dlgd.interface import loading


@entry.command("predict")
def main(config: DictConfig) -> None:
    """Predict from the samples of a file. The output is written whole or not at all."""
    from dlgd import build
    from dlgd.core import netcdf

    run = loading.found(config.run, config, criterion=config.criterion, device=config.device)
    input = checks.path("input", config.input)
    output = output_file(config.output, input)
    other = None if config.get("data") is None else build.other_data(config, run.built[1])
    samples = run.read(input, other)
    dataset = run.answer(samples, other)
    netcdf.write(dataset, output)
    count = samples.sizes["sample"]
    print(f"{output}: {', '.join(map(str, dataset.data_vars))} for {count} sample{'' if count == 1 else 's'}")


if __name__ == "__main__":
    main()
