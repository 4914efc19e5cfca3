"""The contracts between the rooms: read this file first.

Shape letters: B batch, C channels, Y south-north, X west-east, T time. Sequences are (B, C, T, X): X is the ring of a
system whose variables stand on a circle (Lorenz-96: C = 1, X = 40); elsewhere the variables are channels and X = 1
(Lorenz-63: C = 3). Either way `permute(0, 2, 1, 3).flatten(2)` are its states (B, T, size). In names letters stand
last: `input_BCYX`. Samples in physical units are xarray Datasets with a leading dimension `sample`; tensors are what a
network sees, scaled and without units. Only a data set knows both.

The file is long, so that all contracts can be read in one place.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from dlgd.core.errors import Refusal

if TYPE_CHECKING:
    import numpy as np
    import xarray as xr

    from dlgd.core.repair import Check, Repaired
    from dlgd.core.score import Score

# The task of a network: fields from fields; series from series; the class of a sample; or, from the class alone,
# one-hot (B, classes), a new sample like those of the training split, which are the targets.
KINDS = ("field", "sequence", "label", "generated")


@dataclass(frozen=True)
class Batch:
    """The input and the target of a network; each tensor has a leading batch axis.

    The `input` of fields may have more cells than the `target`: `halo` cells of context on each side.
    """

    input: Tensor
    target: Tensor  # labels are numbers, int64, (B,)
    mask: Tensor  # bool, the shape of target: where the target counts
    observed: Tensor | None = None  # bool, where the input was observed (inverse problems only)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch on another device; nothing is copied if it is there already."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in moved.items() if v is not None})

    def __len__(self) -> int:
        return self.input.shape[0]


@dataclass(frozen=True)
class Scaling:
    """The scaling from a physical target to the number that a network learns: (f(physical) - mean) / std.

    f is the identity; with `log` it is the natural logarithm, for instance of the ratio of target to first guess.
    """

    mean: float = 0.0
    std: float = 1.0
    log: bool = False

    def ratio(self, *, prediction: Tensor, target: Tensor) -> Tensor:
        """Return physical prediction over physical target, from their scaled values of any shape."""
        if self.log:
            return torch.exp(self.std * (prediction - target))
        return (self.std * prediction + self.mean) / (self.std * target + self.mean)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """The description of a data set for networks and losses, known before the samples exist.

    Some data sets have a description with more facts, see `specs.py`. Input channels are in named groups, such as the
    "observations" of all days; `input_slice` finds the channels of a group. Without `groups`, each channel is a group
    of its own.
    """

    name: str  # as typed in data=...
    kind: str  # one of KINDS
    input_channels: tuple[str, ...]
    output_channels: tuple[str, ...]  # for labels: the names of the classes
    grid: tuple[int, ...]  # sizes of the spatial or time axes of a whole sample, without halo; three are of a volume
    groups: tuple[tuple[str, int], ...] = ()  # of input channels, in order: (name, number of channels)
    whole: bool = False  # whether training batches hold whole samples, not pieces of them
    bounds: tuple[float, float] | None = None  # of all scaled targets
    units: str = "1"  # of the physical target
    scaling: Scaling = field(default_factory=Scaling)

    def __post_init__(self) -> None:
        counts = dict(self.groups)
        if self.groups and (len(counts) < len(self.groups) or sum(counts.values()) != len(self.input_channels)):
            raise ValueError(f"the groups {self.groups} do not divide the channels {', '.join(self.input_channels)}")

    @property
    def input_groups(self) -> dict[str, slice]:
        """Return the input channels of each group, in their order."""
        found, first = {}, 0
        for name, count in self.groups or [(name, 1) for name in self.input_channels]:
            found[name] = slice(first, first + count)
            first += count
        return found

    def input_slice(self, group: str) -> slice:
        """Return the input channels of a group. Refusal where the data have no such group."""
        groups = self.input_groups
        if group not in groups:
            raise Refusal(f"data={self.name} has no input channels {group}: it has {', '.join(groups)}")
        return groups[group]


@dataclass(frozen=True)
class Output:
    """The prediction of a network, and loss terms of its own (a VAE's KL)."""

    prediction: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


class Loss(ABC, nn.Module):
    """A loss: the distance of a prediction from its target, where the mask is true."""

    @abstractmethod
    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the scalar to minimize, a mean over the cells of the mask, and its named terms, detached."""


class Network(ABC, nn.Module):
    """A network. `halo` is the number of cells of context that it consumes on each side. `local` tells whether what it
    predicts for a cell follows from the cells within `halo` alone, so that large fields can be predicted in tiles."""

    halo: int = 0
    local: bool = False
    scores_given: Sequence[Score] = ()  # those of `scores`; of a class, all that its networks may give

    @abstractmethod
    def forward(self, input: Tensor) -> Output:
        """Return the prediction for an input.

        Fields: (B, C_in, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X); volumes have an axis Z before Y, without halo.
        Labels: -> (B, classes), the logarithms of their probabilities up to a constant. Sequences: (B, C_in, T, X) ->
        (B, C_out, T - context_steps, X), for any T.
        """

    def use_scaling(self, scaling: Scaling) -> None:
        """Store the scaling of the target, once the data are ready; it is part of the checkpoints."""

    def check(self, loss: Loss) -> None:
        """Refuse, before any long work, a loss with which the network cannot be trained."""

    def features(self, input: Tensor) -> Tensor:
        """Return the input of the last layer of a network for labels, (B, n)."""
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def scores(self, batch: Batch, loss: Loss) -> dict[str, Tensor]:
        """Return the network's own scores (a VAE's bounds of the likelihood), means over the batch."""
        return {}

    def error_std(self, input: Tensor) -> Tensor | None:
        """Return the standard deviations that the network expects its errors to have, scaled, in the shape of its
        prediction; None for most networks."""
        return None

    def coder(self) -> Coder | None:
        """Return the network itself if it encodes samples as a few numbers; None for most networks."""
        return None

    def players(self) -> dict[str, nn.Module]:
        """Return the parts of the network that have an optimizer of their own; a GAN has two."""
        return {"network": self}

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """Yield (player, scalar to minimize, its named terms): once for most networks, once per player for a GAN.

        The code after a `yield` runs after that player's step.
        """
        output = self(batch.input)
        total, terms = loss(prediction=output.prediction, target=batch.target, mask=batch.mask)
        for name, term in output.terms.items():
            total = total + term
            terms[name] = term.detach()
        yield "network", total, terms


class Coder(ABC):
    """Encodes samples as codes of a few numbers, and decodes them. A network's coder works on scaled tensors, a
    method's coder on arrays in physical units."""

    size: int  # numbers in a code
    explained: np.ndarray | None = None  # (size,), share of the training samples' variance, where each number has one

    @abstractmethod
    def encode(self, samples: Any) -> Any:
        """Return codes (B, size) for a tensor (B, C_in, Y, X), or for a Dataset of samples."""

    @abstractmethod
    def decode(self, codes: Any) -> Any:
        """Return the prediction for each code (B, size), as its network or method gives it."""


class Augmentation(ABC):
    """A change of a batch that keeps its physics true. `halo` is the number of cells of context that it consumes on
    each side of a field, besides those of the network."""

    halo: int = 0

    @abstractmethod
    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """Return a batch on the same device, its input `halo` cells smaller on each side, other shapes unchanged."""


class Stream(ABC):
    """An endless series of training batches. The batch of a step depends only on the seed and the step. So a resumed
    run equals one without interruption."""

    steps_per_epoch: int

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """Return the batch of step 0, 1, 2, ..., on the device."""


@dataclass(frozen=True, kw_only=True)
class GraphField:
    """An array that a graph takes or gives. `dims` begins with "sample" where it differs from sample to sample."""

    name: str
    dims: tuple[str, ...]
    units: str
    about: str  # what it is, and what its NaN mean if it may have some


class PhysicalGraph(ABC, nn.Module):
    """What a data set does before and after a network, as torch operations: `dlgd.export` writes them and the network
    as one graph. It does what `encode` and `to_physical` of the data set do.

    Fields are tensors in the order of `inputs`. They have `padding` cells of context on each side of a field, for
    which `facts`, plain values by name, says what a caller must know, such as the topology of the grid.
    """

    inputs: Sequence[GraphField]
    output: GraphField
    padding: int = 0
    facts: Mapping[str, Any] = {}

    @abstractmethod
    def tensors(self, samples: xr.Dataset) -> tuple[Tensor, ...]:
        """Return the fields of samples, as a caller of the graph would give them."""

    @abstractmethod
    def encode(self, *fields: Tensor) -> Tensor:
        """Return the input of the network, scaled."""

    @abstractmethod
    def decode(self, prediction: Tensor, *fields: Tensor) -> Tensor:
        """Return the network's prediction in physical units."""


class DataSource(ABC):
    """A data set, which gives samples in physical units as well as scaled tensors."""

    of_the_input: Sequence[str] = ()  # options that say what networks see: a trained one keeps those of its training
    knows_exact: bool = False  # whether `repaired` can compare predictions with exact answers

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """The description of the data. All but its scaling is known before `prepare`."""

    @property
    def truth(self) -> Sequence[str]:
        """The variables of samples with which predictions are compared; usually named as the output channels."""
        return self.spec.output_channels

    @property
    def inputs(self) -> Sequence[str]:
        """The variables of samples that a prediction needs and that change from sample to sample; none if these are all
        variables along `sample` but the truth."""
        return ()

    @property
    def found_options(self) -> Mapping[str, Any]:
        """Options that a person left open, with what the files say, known before `prepare`; none for most data sets.

        They are part of the record of a run, so that it can be opened without the files.
        """
        return {}

    @abstractmethod
    def check(self) -> None:
        """Refuse, before any long work, options that cannot work."""

    @abstractmethod
    def read(self, path: Path) -> xr.Dataset:
        """Return a user's own samples from a NetCDF file, in the form of `samples`. Refuses what does not fit."""

    @abstractmethod
    def prepare(self) -> None:
        """Compute all samples or read them from the cache, with a progress bar. Only this method may take long."""

    @abstractmethod
    def checksum(self) -> str:
        """Return a digest of the prepared data, for the record of a run."""

    @property
    @abstractmethod
    def statistics(self) -> dict[str, float]:
        """The statistics of the training samples that scaling needs; they are part of the checkpoints. May be empty."""

    @abstractmethod
    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale with these statistics, so that new fields can be encoded without the training samples."""

    @abstractmethod
    def samples(self, split: str) -> xr.Dataset:
        """Return the split "train", "valid" or "test" in physical units, with coordinates; dimension `sample` first."""

    @abstractmethod
    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterable[Batch]:
        """Return whole samples in batches, in order, padded by `halo` cells with the data's own topology.

        Where `samples` have no target (new fields), `batch.target` is zero.
        """

    @abstractmethod
    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Return the training batches."""

    @abstractmethod
    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """Return scaled predictions, one row per sample, in `spec.units`, NaN where undefined; for labels, the
        probabilities of the classes. `samples` is None for what a coder has decoded."""

    def in_parts(
        self, samples: xr.Dataset, network: Callable[[Tensor], Tensor], *, halo: int, device: torch.device | str
    ) -> np.ndarray | None:
        """Return what `to_physical` gives of a local network's predictions, of samples that are too large to be encoded
        whole: part by part, the same but for rounding. None, as for most data sets, where samples are encoded whole.

        network: the scaled prediction (B, C, Y, X), on the CPU, of an input with `halo` cells of context on each side.
        """
        return None

    def physical_graph(self, *, halo: int, samples: xr.Dataset | None) -> PhysicalGraph | None:
        """Return what is exported with a network that consumes `halo` cells on each side.

        None, as for most data sets, exports the network alone. samples: those of the grid for which it is exported;
        None if there are none at hand. Raises Refusal if the graph needs them.
        """
        return None

    def repaired(self, samples: xr.Dataset, prediction: np.ndarray, check: Check) -> Repaired:
        """Return a prediction in physical units, compared with exact answers on some cells and repaired where it fails.

        Only where `knows_exact`, unlike most data sets.
        """
        raise NotImplementedError(f"{type(self).__name__} knows no exact answer")

    @abstractmethod
    def tiny(self) -> DataSource:
        """Return a small synthetic version of the data set that needs no file and is ready in about a second."""


class Method(ABC):
    """A method that predicts whole samples in physical units: a classical method or a trained network."""

    name: str  # of its row in a table of scores
    seconds_per_sample: float | None = None  # set by methods that measure it themselves
    seconds_measured: str | None = None  # when and where, of seconds that an earlier run measured
    learns: bool = False  # whether its predictions depend on the training split
    scores_given: Sequence[Score] = ()  # those of `scores` that the evaluation of its problem does not describe

    def check(self, data: DataSource) -> None:  # noqa: B027 (most methods serve all data of their problem)
        """Refuse, before any long work, a data set whose samples the method cannot serve, if that is known."""

    @abstractmethod
    def fit(self, train: xr.Dataset) -> None:
        """Learn from the training split. Most classical methods do nothing here."""

    @abstractmethod
    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """Return the physical target of each sample, (sample, ...); for labels, the probabilities (sample, class)."""

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Return the method's own scores; none for most methods."""
        return {}

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return the standard deviations that the method expects its errors to have, as predictions; None for most
        methods. Samples that it leaves out, because they take long, are NaN."""
        return None

    def error_maps(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return `error_std` of all samples, for files of predictions; None where there is none."""
        return self.error_std(samples)

    def ranks(self, samples: xr.Dataset) -> np.ndarray | None:
        """Return how often 0, 1, ..., N members of an ensemble were below the truth, (N + 1,); None for most."""
        return None

    def coder(self) -> Coder | None:
        """Return the coder of a method that encodes samples as a few numbers; None for most methods."""
        return None


class Evaluation(ABC):
    """The scores and figures of a problem, in physical units."""

    all_scores: Sequence[Score]  # in the order of the table: its own, those of `further`, those of classical methods
    published: Sequence[Mapping[str, Any]]  # rows of a table, with scores that others have published
    writes_error_std: bool = False  # whether `with_error_std` has a place for them

    @abstractmethod
    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """Named scores, averaged over samples; every one is finite or this raises Refusal."""

    @abstractmethod
    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """Draw PNG figures of the predictions, by method. The first method is shown in most detail."""

    def further(self, samples: xr.Dataset) -> tuple[Evaluation, xr.Dataset] | None:
        """Return another evaluation, with other samples, for reports on the same methods; None for most problems.

        Its scores are added to those of the first, or replace those of the same name; its figures are added.
        """
        return None

    def with_error_std(self, dataset: xr.Dataset, samples: xr.Dataset, std: np.ndarray) -> xr.Dataset:
        """Return what `dataset` gave with the standard deviations that a method expects of its errors."""
        return dataset

    def error_std_figures(  # noqa: B027
        self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray], stds: Mapping[str, np.ndarray]
    ) -> None:
        """Draw PNG figures of the standard deviations that methods expect of their errors; none for most problems."""

    def coder_figures(self, folder: Path, samples: xr.Dataset, coders: Mapping[str, Coder]) -> None:  # noqa: B027
        """Draw PNG figures of the codes of samples; none for most problems."""

    def snapshot(self, samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray | None:
        """Return a few predictions of a validation, for the figure of `progress`; None for most problems."""
        return None

    def progress(self, folder: Path, snapshots: Sequence[np.ndarray]) -> None:  # noqa: B027
        """Draw a PNG figure of the snapshots of all validations, in order."""

    @abstractmethod
    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """Return prediction and truth with coordinates and units, for predictions.nc."""


class Tracker(ABC):
    """The record of a run. It never stops a training: what cannot be sent is stored locally, and the log says so."""

    run_id: str | None
    keeps_models: bool = False  # whether a folder with an MLmodel file, given to `artifact`, is recorded as a model

    @abstractmethod
    def start(
        self, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str], run_id: str | None = None
    ) -> None:
        """Start a run, or continue the one of `run_id`; params are a flat mapping."""

    @abstractmethod
    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record scalars. They are buffered: the call returns at once."""

    def tag(self, tags: Mapping[str, str]) -> None:  # noqa: B027
        """Record short texts by name, such as how a run has ended; nothing where a tracker has no place for them."""

    def describe(self, text: str) -> None:  # noqa: B027
        """Show a text in Markdown on the run's page, in place of the one before."""

    def compare(self, rows: Sequence[Mapping[str, Any]], step: int) -> None:  # noqa: B027
        """Record the scores of the methods beside the one of the run: rows {"method": name, score: number}."""

    @abstractmethod
    def artifact(self, path: Path, folder: str = "") -> None:
        """Record a file or a folder."""

    @abstractmethod
    def finish(self, status: str) -> None:
        """End the run as "FINISHED", "FAILED" or "KILLED"."""

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Return a context for the work of a started run, at whose end the run ends; after Ctrl-C it is "KILLED"."""
        status = "FAILED"
        try:
            yield
            status = "FINISHED"
        except KeyboardInterrupt:
            status = "KILLED"
            raise
        finally:
            self.finish(status)


Validate = Callable[[Network], dict[str, float]]  # scores of the validation split; a Score describes each
