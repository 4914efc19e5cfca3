"""python -m dlgd.predict run=<run> input=my_fields.nc output=gamma.nc: apply a trained network to new fields."""

from __future__ import annotations

import os

from omegaconf import DictConfig

from dlgd.cli import entry, runs
from dlgd.core import checks
from dlgd.core.errors import Refusal


@entry.command("predict")
def main(config: DictConfig) -> None:
    """Predict from the samples of a file. The output is written whole or not at all."""
    from dlgd import build
    from dlgd.core import netcdf
    from dlgd.scoring.trained import Trained

    run, former = runs.find_trained(config.run, config)
    input, output = checks.path("input", config.input), checks.path("output", config.output)
    if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise Refusal(f"output={output} cannot be written: {output.parent} is not a folder to which you may write")
    if output.exists() and not output.is_file():
        raise Refusal(f"output={output} is no regular file, and would be replaced by one: type another path")
    if output.exists() and input.exists() and output.samefile(input):
        raise Refusal(f"output={output} is the input, which would be lost: type another path")
    former, data, network, _ = build.trained(run, former, config.criterion)
    samples = data.read(input)
    method = Trained(name=former.choices.model, network=network, data=data, device=build.run_device(config))
    dataset = build.evaluation(former).dataset(samples, method.predict(samples))
    netcdf.write(dataset.assign_attrs(source=f"dlgd run {run.name}"), output)
    count = samples.sizes["sample"]
    print(f"{output}: {', '.join(map(str, dataset.data_vars))} for {count} sample{'' if count == 1 else 's'}")


if __name__ == "__main__":
    main()
