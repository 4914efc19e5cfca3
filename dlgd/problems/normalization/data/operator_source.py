"""From samples of diffusion operators to tensors and back: what all data sets of normalization coefficients share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr
from torch import Tensor

from dlgd.core import cache, checks
from dlgd.core.constants import SPLITS
from dlgd.core.contract import Batch, DataSource, Stream
from dlgd.core.errors import Refusal
from dlgd.core.progress import progress
from dlgd.core.repair import Check, Repaired
from dlgd.core.specs import StaggeredGridSpec
from dlgd.physics.diffusion import STEPS, WINDOW
from dlgd.physics.halo import pad_cells, pad_south_faces, pad_west_faces, windows
from dlgd.problems.normalization import repair
from dlgd.problems.normalization.data import features, fields, folders, graph, patches, users_file
from dlgd.problems.normalization.data.closed_forms import GUESS
from dlgd.problems.normalization.data.features import AREA_STEP
from dlgd.problems.normalization.data.layout import Layout


@dataclass(frozen=True, kw_only=True)
class OperatorOptions(Layout):
    """name: the name of the data set, as typed in data=...
    features: what networks see. "dimensionless" couplings with the logarithm of gamma over a closed form as the target,
        which hold for other grids and length scales, too; or the report's "standardized" fields.
    closed_form: bridge, separable or homogeneous, of dimensionless features; see `closed_forms`.
    area_step: logarithm of the ratio of neighbouring areas that counts as 1 in dimensionless features, above 0. Ratios
        beyond the fourth power of its exponential look alike, so levels with cut cells want some 0.3.
    standardize_over: the "sea" or the whole "image", over which standardized features have mean 0.
    distance: manhattan or euclidean, the distance to the coast among standardized features; none: without it.
    patch: cells on each side of a training patch.
    coast_weight: coastal cells are drawn (1 + coast_weight) times as often as those of the open sea; 0 or more.
    """

    name: str
    features: str
    closed_form: str
    standardize_over: str
    distance: str
    patch: int
    coast_weight: float
    area_step: float = AREA_STEP  # which older run folders do not give

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        checks.whole_number("data.patch", self.patch, least=1)
        checks.number("data.coast_weight", self.coast_weight, least=0)
        checks.number("data.area_step", self.area_step, above=0)


class OperatorSource(DataSource):
    """A data set of diffusion operators. The `prepare` of a subclass makes or finds the samples of each split, which
    the head of `simulated.py` describes, and passes them to `_keep_samples`.

    Its options are also the layout of the files of a person that it reads, with operators of other grids perhaps.
    """

    units = "m"  # of gamma
    of_the_input = ("features", "closed_form", "area_step", "standardize_over", "distance")
    knows_exact = True

    def __init__(self, options: OperatorOptions) -> None:
        self.options = options
        self.features = features.choose(
            options.features,
            closed_form=options.closed_form,
            area_step=options.area_step,
            standardize_over=options.standardize_over,
            distance=options.distance,
        )
        self._samples: dict[str, xr.Dataset] = {}
        self._trained_steps: int | None = None  # M of the network that this data set serves

    # --- what is known before any work ---------------------------------------------------------------------

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """(ny, nx) of the grid; empty before `prepare` where only the files tell it."""

    @property
    def spec(self) -> StaggeredGridSpec:
        """Fields of gamma."""
        return StaggeredGridSpec(
            name=self.options.name,
            input_channels=self.features.channels,
            output_channels=("gamma",),
            grid=self.shape,
            units=self.units,
            scaling=self.features.scaling,
            staggered=self.features.staggered,
            directional=self.features.directional,
            zeroed_on_land=self.features.zeroed_on_land,
        )

    @property
    def steps(self) -> int:
        """M, the number of diffusion steps: that of a trained network, of the options, or that of the samples."""
        known = self._trained_steps or self.options.steps
        return known or (fields.steps(self._samples["train"]) if self._samples else STEPS)

    @property
    def _steps_of_files(self) -> int | None:
        """M of files that are read; None where they tell it."""
        return None

    @property
    def inputs(self) -> Sequence[str]:
        """The diffusivities: all else of a sample follows from them and from the grid."""
        return ("alpha_i", "alpha_j")

    def _check_patches(self) -> None:
        """Refuse patches that are larger than the grid, where its size is known."""
        patch, shape = self.options.patch, self.shape
        if shape and patch > min(shape):
            ny, nx = shape
            raise Refusal(f"data.patch={patch} does not fit the grid of {ny} x {nx} cells: choose at most {min(shape)}")

    # --- samples -------------------------------------------------------------------------------------------

    def _keep_samples(self, splits: Mapping[str, xr.Dataset]) -> None:
        """Add derived fields to the samples. Compute the statistics of the training split unless a checkpoint has given
        them."""
        complete = {split: self._complete(splits[split]) for split in SPLITS}
        if not self.features.statistics:
            train = complete["train"]
            self.features.learn(fields.as_cells(train), train.mask.values)
        self._samples = complete

    def _complete(self, samples: xr.Dataset) -> xr.Dataset:
        return fields.complete(samples, self.features.distance_metric, self.features.closed_form)

    def checksum(self) -> str:
        """A digest of all splits."""
        return "-".join(cache.digest(self.samples(split))[:12] for split in SPLITS)

    @property
    def statistics(self) -> dict[str, float]:
        """Means and standard deviations of standardized features, none for others; and M, unless it is 10."""
        return self.features.statistics | ({} if self.steps == STEPS else {"steps": float(self.steps)})

    def use_statistics(self, statistics: Mapping[str, float]) -> None:
        """Scale by the statistics of the training split, as at training time. Refusal of data of another M."""
        trained = int(statistics.get("steps", STEPS))
        if self.options.steps not in (None, trained):
            raise Refusal(
                f"data.steps={self.options.steps} is not M = {trained}, the number of diffusion steps with which the "
                "network was trained and for which alone it answers: train another one, or choose other data"
            )
        self._trained_steps = trained
        self.features.use_statistics({name: value for name, value in statistics.items() if name != "steps"})

    def samples(self, split: str) -> xr.Dataset:
        """Samples as the head of `simulated.py` describes them, with `distance` (cells) and the closed form."""
        self.prepare()
        return self._samples[split]

    def read(self, path: Path) -> xr.Dataset:
        """The samples of a user's file, or of a folder of the report's files. The topology is this data set's unless
        the file has attributes that give another one."""
        read = folders.read if path.is_dir() else users_file.read
        return self._complete(read(path, self.options, steps=self._steps_of_files, otherwise=self.steps))

    # --- tensors ---------------------------------------------------------------------------------------------

    def encode(self, samples: xr.Dataset, *, halo: int, device: torch.device | str) -> Iterator[Batch]:
        """Whole grids, one at a time. Refusal of samples of another M than that of the trained network."""
        self._refuse_other_steps(samples)
        samples = fields.with_closed_form(samples, self.features.closed_form)
        topology = fields.topology(samples)
        sea = samples.mask.values
        around = {
            "w": pad_cells(samples.w.values, halo + 1, topology, "nearest"),
            "sea": pad_cells(sea, halo + 1, topology),
            "distance": pad_cells(samples.distance.values, halo + 1, topology, "nearest"),
        }
        for number in range(samples.sizes["sample"]):
            one = samples.isel(sample=number)
            padded = features.Padded(
                alpha_i=pad_south_faces(one.alpha_i.values, halo + 1, topology),
                alpha_j=pad_west_faces(one.alpha_j.values, halo + 1, topology),
                known={name: pad_cells(field, halo + 1, topology) for name, field in self._known(one).items()},
                alpha_k=pad_cells(one.alpha_k.values, halo + 1, topology) if one.mask.ndim == 3 else None,
                **around,
            )
            if "gamma" in one:
                target = self.features.target(one.gamma.values, self._known(one))
            else:
                target = np.zeros(sea.shape, np.float32)
            tensors = (self.features.input(padded), target[None], sea[None])
            yield Batch(*(torch.as_tensor(a)[None].to(device) for a in tensors))

    def _refuse_other_steps(self, samples: xr.Dataset) -> None:
        if self._trained_steps not in (None, fields.steps(samples)):
            raise Refusal(
                f"these samples are of operators of M = {fields.steps(samples)} diffusion steps, and the network was "
                f"trained with M = {self._trained_steps}, for which alone it answers: choose another network"
            )

    def in_parts(
        self, samples: xr.Dataset, network: Callable[[Tensor], Tensor], *, halo: int, device: torch.device | str
    ) -> np.ndarray | None:
        """gamma (sample, y, x) of large grids, a window after the other: with its closed form and the context that the
        network needs, it is the same as that of the whole grid."""
        if "level" in samples.sizes or not fields.is_large(samples):
            return None
        self._refuse_other_steps(samples)
        return self._in_windows(samples, lambda part: self._of_part(part, network, halo=halo, device=device), halo + 1)

    def _of_part(
        self, part: xr.Dataset, network: Callable[[Tensor], Tensor], *, halo: int, device: torch.device | str
    ) -> np.ndarray:
        """gamma (1, y, x) of a part without its rim of halo + 1 cells, of which encoding uses up one."""
        (batch,) = self.encode(part, halo=0, device=device)
        return self.to_physical(network(batch.input[..., 1:-1, 1:-1]), fields.without_rim(part, halo + 1))

    def _in_windows(self, samples: xr.Dataset, answer: Callable[[xr.Dataset], np.ndarray], rim: int) -> np.ndarray:
        """(sample, y, x): what `answer` gives for each part of the grid, which has its closed form and a rim of so many
        cells around; the answer has none."""
        form = self.features.closed_form
        found, sea = np.full(samples.alpha_j.shape, np.nan), samples.mask.values
        for number, operator in enumerate(fields.operators(samples)):
            reach = 0 if form is None else form.reach(operator)
            for window in progress([*windows(sea.shape, WINDOW)], "parts of the grid"):
                south, north, west, east = window
                if not sea[south:north, west:east].any():
                    continue
                part = fields.with_closed_form(fields.part(samples, number, window, rim + reach), form, reach=reach)
                found[number, south:north, west:east] = answer(fields.without_rim(part, reach))[0]
        return found

    def _known(self, one: xr.Dataset) -> dict[str, np.ndarray]:
        """The closed form's fields (y, x) of one sample."""
        form = self.features.closed_form
        return {} if form is None else {name: one[name].values for name in (GUESS, *form.channels)}

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Random patches; with `coast_weight`, more of them lie at the coast."""
        return self.patch_stream(halo=halo, batch_size=batch_size, seed=seed, device=device)

    def patch_stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> patches.PatchStream:
        """Return the patches of this grid."""
        train = self.samples("train")
        batches = list(self.encode(train, halo=halo, device=device))
        near_coast = np.exp(-np.maximum(train.distance.values - 1, 0) / 3.0)  # errors are large within some 3 cells
        weight = np.where(train.mask.values, 1 + self.options.coast_weight * near_coast, 0.0)
        return patches.PatchStream(
            input_NCYX=torch.cat([b.input for b in batches]),
            target_NCYX=torch.cat([b.target for b in batches]),
            mask_NCYX=torch.cat([b.mask for b in batches]),
            weight_LYX=self._of_fields(weight),
            halo=halo,
            patch=self.options.patch,
            batch_size=batch_size,
            periodic=fields.topology(train).west_east == "periodic",
            seed=seed,
        )

    def _of_fields(self, weight: np.ndarray) -> np.ndarray:
        """The weights of cells as `PatchStream` takes them, (1, y, x)."""
        return weight[None]

    def to_physical(self, prediction: Tensor, samples: xr.Dataset | None) -> np.ndarray:
        """(sample, 1, y, x) -> gamma (sample, y, x) in m, NaN on land."""
        assert samples is not None, "gamma is relative to a closed form, and land is masked: both are of the samples"
        samples = fields.with_closed_form(samples, self.features.closed_form)
        scaled = prediction.detach().float().cpu().numpy()[:, 0]
        gamma = np.stack(
            [
                self.features.gamma(prediction, self._known(samples.isel(sample=number)))
                for number, prediction in enumerate(scaled)
            ]
        )
        return np.where(samples.mask.values, gamma, np.nan)

    def repaired(self, samples: xr.Dataset, prediction: np.ndarray, check: Check) -> Repaired:
        """See `problems.normalization.repair`. The variable `exact` is 1 where gamma was computed exactly."""
        form = self.features.closed_form
        if form is not None and GUESS not in samples:
            guess = self._in_windows(samples, lambda part: part[GUESS].values, 0)
            samples = samples.assign({GUESS: (("sample", "y", "x"), guess, {"derived": 1})})
        return repair.all_samples(samples, prediction, check)

    def physical_graph(self, *, halo: int, samples: xr.Dataset | None) -> graph.OperatorGraph | None:
        """The graph of `graph.py`. Without samples, its topology is that of this data set's layout."""
        topology = self.options.topology if samples is None else fields.topology(samples)
        return graph.OperatorGraph(self.features, halo=halo, topology=topology, steps=self.steps)
