"""python -m dlgd.predict run=<run> input=my_fields.nc output=gamma.nc: a trained network on new fields."""

from __future__ import annotations

import os
from pathlib import Path

from omegaconf import DictConfig

from dlgd.cli import entry, runs
from dlgd.core.errors import Refusal
from dlgd.core.files import written_whole


@entry.command("predict")
def main(config: DictConfig) -> None:
    """The input is checked before the network is loaded; the output is written whole or not at all."""
    from dlgd import build
    from dlgd.scoring.trained import Trained

    (run, former), output = runs.find_trained(config.run, config), Path(config.output)
    if not output.parent.is_dir() or not os.access(output.parent, os.W_OK):
        raise Refusal(f"output={output} cannot be written: {output.parent} is not a folder that one may write in")
    former, data, network, _ = build.trained(run, former, config.criterion)
    samples = data.read(Path(config.input))
    method = Trained(name=former.choices.model, network=network, data=data, device=build.run_device(config))
    dataset = build.evaluation(former).dataset(samples, method.predict(samples))
    try:
        with written_whole(output) as partial:
            dataset.assign_attrs(source=f"dlgd run {run.name}").to_netcdf(partial)
    except OSError as error:
        raise Refusal(f"output={output} cannot be written: {error.strerror or error}") from error
    print(f"{output}: {', '.join(map(str, dataset.data_vars))} for {samples.sizes['sample']} sample(s)")


if __name__ == "__main__":
    main()
