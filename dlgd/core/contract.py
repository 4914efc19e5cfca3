"""The contracts between the rooms: read this file first.

Shape letters: B batch, C channels, Y south-north, X west-east, T time. Sequences are (B, C, T, X): X is the ring of a
system whose variables stand on a circle (Lorenz-96: C = 1, X = 40); elsewhere the variables are channels and X = 1
(Lorenz-63: C = 3). Either way `permute(0, 2, 1, 3).flatten(2)` are its states (B, T, size). In names letters stand
last: `input_BCYX`. Samples in physical units travel as xarray Datasets with a leading dimension `sample`;
tensors hold what a network sees, scaled and without units. A data set is the only one that knows both.
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

    from dlgd.core.score import Score

SPLITS = ("train", "valid", "test")
# What a network is asked for: fields from fields, series from series, the class of a sample, or, from the class
# alone, one-hot (B, classes), a new sample like those of the training split (which are the targets).
KINDS = ("field", "sequence", "label", "generated")


@dataclass(frozen=True)
class Batch:
    """What a network is given and what it should answer; every tensor has a leading batch axis.

    A field's `input` may carry more cells than its `target`: `halo` cells of context on each side.
    """

    input: Tensor
    target: Tensor  # of labels: their numbers, int64, (B,)
    mask: Tensor  # bool, the shape of target: where the target counts
    observed: Tensor | None = None  # bool, where the input was observed (inverse problems only)

    def to(self, device: torch.device | str) -> Batch:
        """The same batch on another device; nothing is copied where it is there already."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        return replace(self, **{k: v.to(device) for k, v in moved.items() if v is not None})

    def __len__(self) -> int:
        return self.input.shape[0]


@dataclass(frozen=True)
class Scaling:
    """How a physical target became the number a network learns: (f(physical) - mean) / std.

    f is the identity, or the natural logarithm (of the target over a first guess, for instance) when
    `log` is set.
    """

    mean: float = 0.0
    std: float = 1.0
    log: bool = False

    def ratio(self, *, prediction: Tensor, target: Tensor) -> Tensor:
        """Physical prediction over physical target, from their scaled values; any shape."""
        if self.log:
            return torch.exp(self.std * (prediction - target))
        return (self.std * prediction + self.mean) / (self.std * target + self.mean)


@dataclass(frozen=True, kw_only=True)
class Spec:
    """What a data set tells a network and a loss before a single sample exists; some tell more, see `specs.py`.

    Input channels stand in named groups, such as the "observations" of all days: whoever needs some of the channels
    asks `input_slice` where they are. Without `groups`, each channel is a group of its own.
    """

    name: str  # as typed in data=...
    kind: str  # one of KINDS
    input_channels: tuple[str, ...]
    output_channels: tuple[str, ...]  # of labels: the names of the classes
    grid: tuple[int, ...]  # sizes of the spatial or time axes of a whole sample, without halo
    groups: tuple[tuple[str, int], ...] = ()  # of input channels, in order: the name, and how many channels it has
    whole: bool = False  # whether training batches hold whole samples, not pieces of them
    bounds: tuple[float, float] | None = None  # within which every scaled target lies
    units: str = "1"  # of the physical target
    scaling: Scaling = field(default_factory=Scaling)

    def __post_init__(self) -> None:
        counts = dict(self.groups)
        if self.groups and (len(counts) < len(self.groups) or sum(counts.values()) != len(self.input_channels)):
            raise ValueError(f"the groups {self.groups} do not divide the channels {', '.join(self.input_channels)}")

    @property
    def input_groups(self) -> dict[str, slice]:
        """The input channels of each group, in the order in which they stand."""
        found, first = {}, 0
        for name, count in self.groups or [(name, 1) for name in self.input_channels]:
            found[name] = slice(first, first + count)
            first += count
        return found

    def input_slice(self, group: str) -> slice:
        """The input channels of a group. Refusal where the data have no such group."""
        groups = self.input_groups
        if group not in groups:
            raise Refusal(f"data={self.name} has no input channels {group}: it has {', '.join(groups)}")
        return groups[group]


@dataclass(frozen=True)
class Output:
    """A network's answer, and the loss terms that only this network understands (a VAE's KL)."""

    prediction: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)


class Loss(ABC, nn.Module):
    """The loss group: how far a prediction is from its target, where the mask says the target counts."""

    @abstractmethod
    def forward(self, *, prediction: Tensor, target: Tensor, mask: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Scalar to minimize (a mean over the cells of the mask) and its named terms, detached."""


class Network(ABC, nn.Module):
    """Any network. `halo` is the number of cells of context that it consumes on each side."""

    halo: int = 0
    scores_given: Sequence[Score] = ()  # what `scores` gives; of a class, all that its networks may give

    @abstractmethod
    def forward(self, input: Tensor) -> Output:
        """From the input to the prediction.

        Fields: (B, C_in, Y + 2 halo, X + 2 halo) -> (B, C_out, Y, X). Labels: -> (B, classes), the logarithms of their
        probabilities up to a constant. Sequences: (B, C_in, T, X) -> (B, C_out, T - context_steps, X), for any T.
        """

    def use_scaling(self, scaling: Scaling) -> None:
        """Take note of the scaling of what it predicts, once the data are ready; it goes into the checkpoints."""

    def check(self, loss: Loss) -> None:
        """Refuse, before any long work, a loss that the network cannot be trained with."""

    def features(self, input: Tensor) -> Tensor:
        """(B, n): what the last layer of a network for labels sees."""
        raise NotImplementedError(f"{type(self).__name__} has no features")

    def scores(self, batch: Batch, loss: Loss) -> dict[str, Tensor]:
        """Scores that only this network understands (a VAE's bounds of the likelihood), means over the batch."""
        return {}

    def error_std(self, input: Tensor) -> Tensor | None:
        """The standard deviations that it expects its errors to have, scaled, of the shape of its prediction; None for
        most networks."""
        return None

    def coder(self) -> Coder | None:
        """Itself, where it goes through a code of a few numbers that one may look at."""
        return None

    def players(self) -> dict[str, nn.Module]:
        """The parts that have an optimizer of their own; a GAN has two."""
        return {"network": self}

    def objectives(self, batch: Batch, loss: Loss) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
        """(player, scalar to minimize, its named terms): once for most networks, once per player for a GAN.

        A generator: what follows a `yield` runs after that player's step.
        """
        output = self(batch.input)
        total, terms = loss(prediction=output.prediction, target=batch.target, mask=batch.mask)
        for name, term in output.terms.items():
            total = total + term
            terms[name] = term.detach()
        yield "network", total, terms


class Coder(ABC):
    """The way from samples to codes of a few numbers, and back: of a network in tensors scaled as it sees them, of a
    method in arrays in physical units."""

    size: int  # numbers in a code
    explained: np.ndarray | None = None  # (size,), share of the training samples' variance, where each number has one

    @abstractmethod
    def encode(self, samples: Any) -> Any:
        """(B, C_in, Y, X) tensor, or a Dataset of samples -> (B, size)."""

    @abstractmethod
    def decode(self, codes: Any) -> Any:
        """(B, size) -> the prediction for each, as its network or method gives it."""


class Augmentation(ABC):
    """A change of a batch that leaves its physics true. `halo` is the number of cells of context that it
    consumes on each side of a field, besides those of the network."""

    halo: int = 0

    @abstractmethod
    def __call__(self, batch: Batch, rng: np.random.Generator) -> Batch:
        """A batch on the same device, its input `halo` cells smaller on each side; all else of the same shapes."""


class Stream(ABC):
    """An endless series of training batches. The batch of a step depends on the seed and the step alone,
    which is all that makes an interrupted run equal to one that was never interrupted."""

    steps_per_epoch: int

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """The batch of step 0, 1, 2, ..., on the device."""


class DataSource(ABC):
    """A data set: physical samples in files on one side, scaled tensors on the other."""

    @property
    @abstractmethod
    def spec(self) -> Spec:
        """Known before `prepare`, but for its scalings, which may need the training samples."""

    @property
    def truth(self) -> Sequence[str]:
        """The variables of samples that predictions are compared with; usually named as the output channels."""
        return self.spec.output_channels

    @abstractmethod
    def check(self) -> None:
        """Refuse, before any long work, options that cannot work."""

    @abstractmethod
    def read(self, path: Path) -> xr.Dataset:
        """A user's own samples from a NetCDF file, as `samples` gives them; refuses what does not fit."""

    @abstractmethod
    def prepare(self) -> None:
        """Make or find every sample, with a progress bar; the only long work, done once and cached."""

    @abstractmethod
    def checksum(self) -> str:
        """A digest of the data that were prepared, for the record of a run."""

    @property
    @abstractmethod
    def statistics(self) -> dict[str, float]:
        """What was learned from the training samples in order to scale; kept in checkpoints. Empty if nothing."""

    @abstractmethod
    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale as at training time, so that new fields can be encoded without the training samples."""

    @abstractmethod
    def samples(self, split: str) -> xr.Dataset:
        """The split "train", "valid" or "test" in physical units, with coordinates; dimension `sample` first."""

    @abstractmethod
    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterable[Batch]:
        """Whole samples in batches, in order, padded by halo with the data's own topology.

        Where `samples` lack the target (new fields), `batch.target` is zero.
        """

    @abstractmethod
    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Training batches."""

    @abstractmethod
    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """Scaled network outputs (one row per sample) back in units of `spec.units`, NaN where undefined; of labels,
        the probabilities of the classes. What a coder decodes belongs to no samples: then `samples` is None."""

    @abstractmethod
    def tiny(self) -> DataSource:
        """A small synthetic version of itself that needs no file and is ready in about a second."""


class Method(ABC):
    """Anything that answers for whole samples in physical units: a classical method or a trained network."""

    name: str  # the row's name in a table of scores
    seconds_per_sample: float | None = None  # set by methods that know better than who waits for the answer
    learns: bool = False  # whether its answers depend on the training split
    scores_given: Sequence[Score] = ()  # what `scores` gives and the evaluation of its problem does not describe

    @abstractmethod
    def fit(self, train: xr.Dataset) -> None:
        """Learn from the training split; most classical methods do nothing here."""

    @abstractmethod
    def predict(self, samples: xr.Dataset) -> np.ndarray:
        """The physical target of each sample, shape (sample, ...); of labels, the probabilities (sample, class)."""

    def scores(self, samples: xr.Dataset) -> dict[str, float]:
        """Scores that only this method understands; none for most."""
        return {}

    def error_std(self, samples: xr.Dataset) -> np.ndarray | None:
        """The standard deviations that it expects its errors to have, of the shape and in the units of what it
        predicts, NaN for samples that it left out because they take long; None for most."""
        return None

    def ranks(self, samples: xr.Dataset) -> np.ndarray | None:
        """(N + 1,), of ensembles of N: how often so many members lay below the truth; None for most."""
        return None

    def coder(self) -> Coder | None:
        """Between samples and codes, where the method goes through such."""
        return None


class Evaluation(ABC):
    """The scores and figures of a kind of problem, in physical units."""

    all_scores: Sequence[Score]  # in the order of its table: its own, those of `further`, those of classical methods
    published: Sequence[Mapping[str, Any]]  # rows of figures printed elsewhere

    @abstractmethod
    def scores(self, samples: xr.Dataset, prediction: np.ndarray) -> dict[str, float]:
        """Named scores, averaged over samples; every one is finite or this raises Refusal."""

    @abstractmethod
    def figures(self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray]) -> None:
        """PNG figures of the predictions, by method; the first one is the one to look at closely."""

    def further(self, samples: xr.Dataset) -> tuple[Evaluation, xr.Dataset] | None:
        """Another evaluation of the same methods on other samples, when they are compared; None for most problems.

        Its scores join those of the first, or replace those of the same name; its figures join the figures.
        """
        return None

    def error_std_figures(  # noqa: B027
        self, folder: Path, samples: xr.Dataset, predictions: Mapping[str, np.ndarray], stds: Mapping[str, np.ndarray]
    ) -> None:
        """PNG figures of the standard deviations that methods expect their errors to have; none for most problems."""

    def coder_figures(self, folder: Path, samples: xr.Dataset, coders: Mapping[str, Coder]) -> None:  # noqa: B027
        """PNG figures of the codes that methods go through; none for most problems."""

    def snapshot(self, samples: xr.Dataset, prediction: np.ndarray) -> np.ndarray | None:
        """The few answers of a validation of which `progress` will make a figure; None for most problems."""
        return None

    def progress(self, folder: Path, snapshots: Sequence[np.ndarray]) -> None:  # noqa: B027
        """PNG figure of the snapshots of all validations, in order."""

    @abstractmethod
    def dataset(self, samples: xr.Dataset, prediction: np.ndarray) -> xr.Dataset:
        """Prediction beside truth, with coordinates and units, to be written as predictions.nc."""


class Tracker(ABC):
    """Where a run is recorded. Never stops a training: what cannot be sent is kept locally, and said."""

    run_id: str | None

    @abstractmethod
    def start(
        self, *, name: str, params: Mapping[str, Any], tags: Mapping[str, str], run_id: str | None = None
    ) -> None:
        """Open a run, or continue `run_id`; params are a flat mapping."""

    @abstractmethod
    def log(self, metrics: Mapping[str, float], step: int) -> None:
        """Record scalars. Buffered: returns at once."""

    @abstractmethod
    def artifact(self, path: Path, folder: str = "") -> None:
        """Record a file or a folder."""

    @abstractmethod
    def finish(self, status: str) -> None:
        """Close the run: "FINISHED", "FAILED" or "KILLED"."""

    @contextmanager
    def recorded(self) -> Iterator[None]:
        """Around the work of a run that was started: closes it as the work ends; "KILLED" is what Ctrl-C ended."""
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
