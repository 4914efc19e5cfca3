"""The best network of a run as a model of MLflow: `mlflow.pyfunc.load_model("runs:/<run id>/model").predict(fields)`.

`fields` are arrays in physical units by the names of the signature, such as {"alpha_i": ..., "alpha_j": ...}; the first
axis counts samples. So is the answer. What does not change from sample to sample, such as the grid and its coast, is
that of the data with which the network was trained; `python -m dlgd.predict` also takes files with another one.

The folder data/fields of a model has network.pt, a checkpoint without the state of the optimizers, and sample.nc, one
sample with units, dimensions and coordinates. No Python object is pickled: loading imports this module, so dlgd must be
installed, and reads the checkpoint as `checkpoint.load` does.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import xarray as xr
from omegaconf import OmegaConf

from dlgd import __version__, build
from dlgd.core import netcdf
from dlgd.core.contract import DataSource, Evaluation
from dlgd.core.errors import Refusal
from dlgd.scoring.trained import Trained
from dlgd.training import checkpoint

if TYPE_CHECKING:
    from mlflow.types.schema import TensorSpec

NAME = "model"  # in MLflow, and of the folder in that of the run
NETWORK, SAMPLE = "network.pt", "sample.nc"
REQUIRED = ("torch", "numpy", "xarray", "netcdf4", "hydra-core", "omegaconf")
MOST_NUMBERS = 50_000  # of an input example, which is written as text, twice


def write(folder: Path, *, trained: Trained, samples: xr.Dataset, evaluation: Evaluation, best: Path) -> Path:
    """Write the model into the folder of the run. Returns its folder.

    trained: the network with its best weights, which has predicted the samples. best: their checkpoint.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow warns of itself when it is imported
        import mlflow.pyfunc
        from mlflow.models import ModelSignature
        from mlflow.types.schema import Schema

    source = checkpoint.load(best)
    one = samples.isel(sample=[0])
    inputs = names_of_inputs(trained.data, one)
    needed = one.drop_vars([name for name in trained.data.truth if name in one and name not in inputs])
    answer = evaluation.dataset(needed, trained.predict(needed))
    outputs = {name: variable for name, variable in answer.data_vars.items() if name not in needed}
    signature = ModelSignature(
        Schema([_tensor(name, one[name]) for name in inputs]),
        Schema([_tensor(str(name), variable) for name, variable in outputs.items()]),
    )
    example = {name: needed[name].values for name in inputs}
    small: Any = example if sum(values.size for values in example.values()) <= MOST_NUMBERS else None
    units = {name: str(one[name].attrs.get("units", "1")) for name in inputs}
    units |= {str(name): str(variable.attrs.get("units", "1")) for name, variable in outputs.items()}
    target = _free(folder / NAME)
    with tempfile.TemporaryDirectory() as place:
        fields = Path(place, "fields")
        fields.mkdir()
        weights = checkpoint.Checkpoint(
            weights=dict(trained.network.state_dict()), averaged=None, optimizers={}, state=source.state,
            config=source.config,
        )  # fmt: skip
        checkpoint.save(weights, fields / NETWORK)
        needed.to_netcdf(fields / SAMPLE)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*An input example was not provided")  # large samples have none
            mlflow.pyfunc.save_model(
                target, loader_module=__name__, data_path=str(fields), signature=signature,
                input_example=small, pip_requirements=requirements(),
                metadata={"units": units, "dlgd": __version__, "data": trained.data.spec.name, "network": trained.name},
            )  # fmt: skip
    return target


def names_of_inputs(data: DataSource, samples: xr.Dataset) -> list[str]:
    """Return the variables that a prediction needs and that change from sample to sample."""
    along = [str(name) for name, variable in samples.data_vars.items() if "sample" in variable.dims]
    return list(data.inputs) or [name for name in along if name not in data.truth]


def requirements() -> list[str]:
    """Return the versions of the libraries with which the model was made. dlgd itself is not on PyPI."""
    return [f"{name}=={metadata.version(name).partition('+')[0]}" for name in REQUIRED]


def _tensor(name: str, variable: xr.DataArray) -> TensorSpec:
    """Return the type of an array with any number of samples."""
    from mlflow.types.schema import TensorSpec

    first, *others = variable.shape
    free = -1 if variable.dims[0] in ("sample", "time", "day") else first
    return TensorSpec(variable.dtype, (free, *others), name)


def _free(folder: Path) -> Path:
    """Return the folder, or one beside it with a number where it exists: a resumed run has several models."""
    numbered = (folder.with_name(f"{folder.name}_{number}") for number in range(2, 1000))
    return folder if not folder.exists() else next(one for one in numbered if not one.exists())


# --- in the program that loads a model -------------------------------------------------------------------------------


class FieldsModel:
    """A trained network as MLflow's pyfunc.

    folder: data/fields of the model.
    """

    def __init__(self, folder: Path) -> None:
        config, self.data, network, _ = build.trained(folder / NETWORK, None, None)
        self.evaluation = build.evaluation(OmegaConf.create(config))
        self.method = Trained(name=NAME, network=network, data=self.data, device=torch.device("cpu"))
        with xr.open_dataset(folder / SAMPLE) as sample:
            self.sample = sample.load()

    def predict(self, model_input: Mapping[str, Any], params: Mapping[str, Any] | None = None) -> dict[str, np.ndarray]:
        """Return predicted fields by name, in physical units, NaN where they are undefined.

        model_input: arrays of the signature's inputs. params: MLflow's, none is used.
        """
        given = {name: np.asarray(values) for name, values in model_input.items()}
        samples = netcdf.through_file(self._samples(given), self.data.read)
        answer = self.evaluation.dataset(samples, self.method.predict(samples))
        return {str(name): field.values for name, field in answer.data_vars.items() if name not in self.sample}

    def _samples(self, given: Mapping[str, np.ndarray]) -> xr.Dataset:
        """Return samples with these arrays, and with what the data set's samples have in common."""
        needed = names_of_inputs(self.data, self.sample)
        missing = [name for name in needed if name not in given]
        if missing:
            raise Refusal(f"the input has no {', '.join(missing)}: the model needs {', '.join(needed)}")
        for name in needed:
            if given[name].ndim != self.sample[name].ndim:
                raise Refusal(f"{name} has {given[name].ndim} dimensions: it must be {self.sample[name].dims}")
        changing = {dim for name in needed for dim in self.sample[name].dims[:1]}
        fixed = self.sample.drop_vars([name for name in self.sample.variables if _varies(self.sample, name, changing)])
        fields = {name: (self.sample[name].dims, given[name], self.sample[name].attrs) for name in needed}
        coordinates = {name: fields.pop(name) for name in needed if name in self.sample.coords}
        return fixed.assign(fields).assign_coords(coordinates)


def _varies(sample: xr.Dataset, name: Any, changing: set[Any]) -> bool:
    return bool(changing.intersection(sample.variables[name].dims))


def _load_pyfunc(path: str) -> FieldsModel:
    """Return the model of the folder: MLflow calls this."""
    return FieldsModel(Path(path))
