"""The report's own files: data=nemovar_files path=<folder>. `folders.py` describes what a folder may hold.

The folder has a folder for each split, train, valid and test, or all samples together; then data.samples says how many
go to each split. Where the files have no gamma, exact coefficients are computed once and kept in the cache.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import xarray as xr

from dlgd.core import cache, checks
from dlgd.core.constants import SPLITS
from dlgd.core.contract import Stream
from dlgd.core.errors import Refusal
from dlgd.core.options import from_keywords, make_from
from dlgd.core.paths import cache_folder
from dlgd.core.progress import progress
from dlgd.physics import normalization
from dlgd.problems.normalization.data import fields
from dlgd.problems.normalization.data.folders import Folder, assemble, open_folder
from dlgd.problems.normalization.data.operator_source import OperatorOptions, OperatorSource
from dlgd.problems.normalization.data.simulated import TINY, NormalizationCoefficients, NormalizationOptions

log = logging.getLogger(__name__)

STANDS_IN = {"train": ("valid", "test"), "valid": ("test", "train"), "test": ("valid", "train")}


@dataclass(frozen=True, kw_only=True)
class NemovarFilesOptions(OperatorOptions):
    """Options besides those of all data sets of operators:

    path: the folder of the report's files; predictions do not need it.
    samples: how many samples each split has, drawn at random. None takes all of a split's own folder. Where all samples
        stand together, one split may be None and takes what the others leave; without any number, all are test samples.
    seed: of the draw of the samples, where `samples` has numbers.
    tolerance: largest relative error of gamma^2, from 1e-8 to 1e-2, where it is computed because the files lack it.
    """

    samples: Mapping[str, int | None]
    seed: int
    tolerance: float
    path: str | None = None

    def check(self) -> None:
        """Refuse options that cannot work, in one sentence each."""
        super().check()
        if set(self.samples) != set(SPLITS):
            raise Refusal(f"data.samples must give a number or null for each of {', '.join(SPLITS)}")
        for split, count in self.samples.items():
            checks.whole_number(f"data.samples.{split}", count, least=1, null=True)
        checks.whole_number("data.seed", self.seed, least=0)
        checks.number("data.tolerance", self.tolerance, least=1e-8, most=1e-2)


@from_keywords(NemovarFilesOptions)
class NemovarFiles(OperatorSource):
    """See conf/data/nemovar_files.yaml, and `NemovarFilesOptions`."""

    options: NemovarFilesOptions

    def __init__(self, options: NemovarFilesOptions) -> None:
        super().__init__(options)
        self._trained_and_scored: set[str] = set()  # names of samples of the training split and of another one

    @property
    def shape(self) -> tuple[int, ...]:
        """(ny, nx) of the grid; empty before the files are read."""
        return self._samples["train"].mask.shape if self._samples else ()

    @property
    def _steps_of_files(self) -> int | None:
        """M of the options."""
        return self.options.steps

    def check(self) -> None:
        """Refuse options that cannot work. Only `prepare` looks at the folder, which predictions do not need."""
        self.options.check()
        self._check_patches()

    def tiny(self) -> NormalizationCoefficients:
        """Simulated operators on 40 x 48 cells, with the same features."""
        region = (
            {"lat": [30.0, 46.0], "lon": [-6.0, 37.0], "stretching": 0.0} if self.options.grid == "regional" else None
        )
        diffusivity = {"scale_min": 0.25, "scale_max": 1.6, "anisotropy": 0.7, "smoothness": 20.0}
        small = make_from(
            NormalizationOptions, self.options, region=region, diffusivity=diffusivity, steps=self.steps, **TINY
        )
        return NormalizationCoefficients(**vars(small))

    # --- samples -------------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Read all samples, and compute coefficients that are missing, once (each takes seconds on all cores)."""
        if self._samples:
            return
        self.check()
        splits = self._splits()
        places = list(dict.fromkeys(place for split in SPLITS for place in splits[split]))
        title = f"data={self.options.name}: reading"
        stored = [folder.read(name) for folder, name in progress(places, title)]
        whole = assemble(stored, self.options, steps=self.options.steps, otherwise=self.steps)
        whole = self._with_exact(whole)
        number = {place: n for n, place in enumerate(places)}
        self._keep_samples({split: whole.isel(sample=[number[place] for place in splits[split]]) for split in SPLITS})
        self._trained_and_scored = {name for _, name in set(splits["train"]) & {*splits["valid"], *splits["test"]}}

    def _splits(self) -> dict[str, list[tuple[Folder, str]]]:
        """The samples of each split: the folder and the name of each."""
        options = self.options
        if options.path is None:
            raise Refusal(f"data={options.name} needs a folder: type path=<folder of the report's files>")
        path = Path(str(options.path)).expanduser()
        if not path.is_dir():
            raise Refusal(f"path={options.path}: there is no such folder")
        own = {split: open_folder(path / split, self.options) for split in SPLITS if (path / split).is_dir()}
        if own:
            splits = {split: _places(folder, self._drawn(folder, split)) for split, folder in own.items()}
        else:
            folder = open_folder(path, self.options)
            splits = {split: _places(folder, names) for split, names in self._dealt(folder).items()}
        for split in [split for split in SPLITS if split not in splits]:
            stand_in = next(other for other in STANDS_IN[split] if other in splits)
            log.warning("%s has no %s samples of its own: those of %s stand in", path, split, stand_in)
            splits[split] = splits[stand_in]
        return splits

    def _drawn(self, folder: Folder, split: str) -> list[str]:
        """The names of as many samples of a split's own folder as data.samples asks for."""
        options, names = self.options, folder.names
        count = options.samples[split]
        if count is None:
            return list(names)
        if count > len(names):
            raise Refusal(
                f"data.samples.{split}={count} asks for more than the {len(names)} samples of {options.path}/{split}"
            )
        order: list[int] = np.random.default_rng([options.seed, SPLITS.index(split)]).permutation(len(names)).tolist()
        return [names[n] for n in sorted(order[:count])]

    def _dealt(self, folder: Folder) -> dict[str, list[str]]:
        """The names of each split's samples where all stand together; without numbers, all go to the test split."""
        names, counts = folder.names, dict(self.options.samples)
        free = [split for split in SPLITS if counts[split] is None]
        if len(free) == len(SPLITS):
            return {"test": list(names)}
        left = len(names) - sum(count or 0 for count in counts.values())
        if len(free) > 1 or left < len(free):
            raise Refusal(
                f"{self.options.path} has {len(names)} samples and no folders train, valid and test: data.samples must "
                "say how many go to each split, at least one, and may leave the rest to one that is null"
            )
        counts |= {split: left for split in free}
        order: list[int] = np.random.default_rng(self.options.seed).permutation(len(names)).tolist()
        dealt = {}
        for split in ("test", "valid", "train"):  # in this order, more training samples do not change the others
            taken, order = order[: counts[split]], order[counts[split] :]
            dealt[split] = [names[n] for n in sorted(taken)]
        return dealt

    def _with_exact(self, samples: xr.Dataset) -> xr.Dataset:
        """The samples with exact gamma where the files have none."""
        if "gamma" not in samples:
            unknown = np.full(samples.alpha_j.shape, np.nan)
            samples = samples.assign(gamma=(("sample", "y", "x"), unknown, {"units": "m"}))
        missing = [n for n, gamma in enumerate(samples.gamma.values) if np.isnan(gamma).all()]
        if not missing:
            return samples
        name, tolerance = self.options.name, self.options.tolerance
        folder = cache.folder_for(cache_folder(), name, {"tolerance": tolerance, "format": 1})
        gamma = samples.gamma.values.copy()
        guard = cache.lock(folder)
        try:
            for number in progress(missing, f"data={name}: exact coefficients"):
                one = samples.isel(sample=[number]).drop_vars(["gamma", "sample", "file"])
                kept = folder / f"{samples.file.values[number]}-{cache.digest(one)[:12]}.nc"
                gamma[number] = cache.get(kept, lambda one=one: self._exact(one)).gamma.values[0]
        finally:
            guard.release()
        log.info("the files have no gamma of %d samples: exact coefficients are in %s", len(missing), folder)
        return samples.assign(gamma=(samples.gamma.dims, gamma, samples.gamma.attrs))

    def _exact(self, one: xr.Dataset) -> xr.Dataset:
        """A sample with gamma, in the format of a user's file, which `evaluate` and `predict` can read."""
        (operator,) = fields.operators(one)
        tolerance = self.options.tolerance
        gamma = normalization.exact(operator, tolerance)
        return one.assign(gamma=(one.alpha_j.dims, gamma[None], {"units": "m"})).assign_attrs(tolerance=tolerance)

    def stream(self, *, halo: int, batch_size: int, seed: int, device: torch.device | str) -> Stream:
        """Random patches. Refusal where the network would be scored on samples that it was trained on."""
        self.prepare()
        self._check_patches()  # the grid is known now
        if self._trained_and_scored:
            raise Refusal(
                f"{min(self._trained_and_scored)} is in the training split and in another one: make folders train, "
                f"valid and test in {self.options.path}, or give data.samples.train, data.samples.valid and "
                "data.samples.test"
            )
        return super().stream(halo=halo, batch_size=batch_size, seed=seed, device=device)


def _places(folder: Folder, names: list[str]) -> list[tuple[Folder, str]]:
    return [(folder, name) for name in names]
