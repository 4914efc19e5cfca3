"""python -m dlgd.export run=<run> output=model.onnx: a trained network as one file for other programs."""

from __future__ import annotations

from omegaconf import DictConfig

from dlgd.cli import data_options, entry
from dlgd.interface import loading


@entry.command("export")
def main(config: DictConfig) -> None:
    """Write the graph of a network, if it answers as its run does. The file is written whole or not at all."""
    run = loading.found(config.run, config, criterion=config.criterion, device="cpu")
    data = data_options.of_command(config, run.config)
    done = run.export(config.output, input=config.input, tolerance=config.tolerance, data=data)
    print(f"{config.output}: {done}")


if __name__ == "__main__":
    main()
