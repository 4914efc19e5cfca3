"""A data set by its name, with options as keywords: `dlgd.data("ssh", days=15)`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig, OmegaConf, open_dict

from dlgd.cli import data_options, entry
from dlgd.core import trust
from dlgd.core.config import plain
from dlgd.core.constants import SPLITS
from dlgd.core.errors import Refusal
from dlgd.interface import words
from dlgd.interface.composing import composed, in_sentences

if TYPE_CHECKING:
    import xarray as xr

    from dlgd.core.contract import DataSource, Spec
    from dlgd.interface.samples import Given

TAG = "dlgd_data"  # the attribute of samples that says of which data set of this process they are
PARTS = ("seed", "loss", "evaluation", "data", "choices")  # of a configuration, that concern data and their scores

# The data sets that samples of this process may name: their configurations, and what they gave. What stands in an
# attribute of a file is looked up here, and nothing is ever built from it.
_known: dict[str, tuple[DictConfig, trust.Allowed, Given]] = {}


class Data:
    """A data set: samples in physical units of its three splits.

    >>> import dlgd
    >>> data = dlgd.data("mnist_5k", task="denoise", samples={"train": 100, "valid": 20, "test": 20})
    >>> data
    <Data mnist_5k, task denoise: 1 input and 1 output channel, grid 28 x 28, not prepared>
    >>> samples = data.samples("test")
    >>> dict(samples.sizes)
    {'sample': 20, 'y': 28, 'x': 28}

    config: its configuration, the part `data` with the evaluation that belongs to it.
    """

    def __init__(
        self, config: DictConfig, *, source: DataSource | None = None, allowed: trust.Allowed | None = None
    ) -> None:
        from dlgd import build

        self.config = config
        self.allowed = trust.now_allowed() if allowed is None else allowed
        self.source = build.data(config) if source is None else source  # a `DataSource`, see dlgd/core/contract.py
        self.prepared = False
        self._given: set[str] = set()  # the splits that were asked for
        text = json.dumps(plain(config.data), sort_keys=True, default=str)
        self.tag = f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"

    @property
    def name(self) -> str:
        """The name, as it is typed in data=..."""
        return str(self.config.data.name)

    @property
    def spec(self) -> Spec:
        """The description for networks: channels, grid, units. The scaling is known once the data are prepared."""
        return self.source.spec

    def prepare(self) -> Data:
        """Compute the samples or read them from the cache, with a progress bar; the first time may take long."""
        with in_sentences("simulate"):
            self.source.prepare()
        self.prepared = True
        return self

    def samples(self, split: str = "test") -> xr.Dataset:
        """Return the split "train", "valid" or "test" in physical units, `sample` first. Prepares the data."""
        if split not in SPLITS:
            raise Refusal(f"split={split} is unknown: choose one of {', '.join(SPLITS)}")
        self.prepare()
        with in_sentences("simulate"):
            samples = self.source.samples(split)
        self._note(split, samples)
        return samples.assign_attrs({TAG: self.tag})

    def _note(self, split: str, samples: xr.Dataset) -> None:
        """Note the samples of a split once, before anybody can change their values."""
        from dlgd.interface.samples import Given

        given = _known[self.tag][2] if self.tag in _known else Given()
        if split not in self._given:
            given.add(samples)
            self._given.add(split)
        _known[self.tag] = self.config, self.allowed, given

    def __repr__(self) -> str:
        task = self.config.data.get("task")
        counts = ", ".join(f"{_count(self, split)} {split}" for split in SPLITS) if self.prepared else "not prepared"
        ins, outs = len(self.spec.input_channels), len(self.spec.output_channels)
        grid = " x ".join(map(str, self.spec.grid))
        named = f"{self.name}, task {task}" if task else self.name
        return f"<Data {named}: {ins} input and {outs} output channel{'s' if outs > 1 else ''}, grid {grid}, {counts}>"

    def _repr_html_(self) -> str:
        from dlgd.interface import pages

        return pages.of_data(self)


def data(name: str, /, *typed: str, **options: Any) -> Data:
    """Return a data set of conf/data, checked; it is prepared when samples are asked for.

    name: a file in conf/data, such as "ssh".
    typed: further words as at a command, such as "evaluation.published=all".
    options: those of the data set, such as days=15; a dict has the options of an option, samples={"test": 190}.

    Raises Refusal where a name is wrong, with the command's sentence:

    >>> import dlgd
    >>> dlgd.data("nemovar", patches=16)
    Traceback (most recent call last):
    dlgd.core.errors.Refusal: data.patches is no option: ... (did you mean data.patch?)
    """
    with composed("simulate", words.overrides({"data": (name, options)}, typed)) as config:
        return Data(for_data(config))


def for_data(config: DictConfig) -> DictConfig:
    """Return what concerns the data in the configuration of a command, which is in force, or in that of a run."""
    with open_dict(config):
        if "choices" not in config:
            config.choices = entry.choices()
    whole = plain(entry.with_evaluation(config))  # resolved, because options may refer to others outside of these parts
    return OmegaConf.create({name: whole[name] for name in PARTS if name in whole})


def other(trained: DictConfig, data: Data | Mapping[str, Any] | None) -> DictConfig | None:
    """Return the configuration of another data set, or that of a training with some options of its data changed.

    data: a data set, options by name, or, of a command, the whole configuration; None for that of the training.
    """
    if isinstance(data, DictConfig):
        return data
    if isinstance(data, Mapping):
        return data_options.changed(trained, data) if data else None
    refuse_no_data(data)
    return None if data is None else data_options.seeing_alike(data.config, trained)


def refuse_no_data(data: object) -> None:
    """Refuse what stands in the place of a data set and is none."""
    if data is None or isinstance(data, Data):
        return
    hint = f"dlgd.data({data!r})" if isinstance(data, str) else 'such as dlgd.data("mnist_5k")'
    raise Refusal(f"data={data!r} must be a data set: give {hint}")


def refuse_no_dataset(samples: object) -> None:
    """Refuse what a method cannot take for samples, such as the path of a file."""
    import xarray as xr

    if not isinstance(samples, xr.Dataset):
        kind = type(samples).__name__
        raise Refusal(f"samples must be an xarray Dataset, not {kind}: open a file by xarray.open_dataset")


def apart(samples: xr.Dataset) -> tuple[xr.Dataset, str | None]:
    """Return samples without the tag, which is no part of them, and the tag."""
    tag = getattr(samples, "attrs", {}).get(TAG)  # what is no Dataset is refused elsewhere
    if tag is None:
        return samples, None
    bare = samples.copy(deep=False)
    bare.attrs = {key: value for key, value in samples.attrs.items() if key != TAG}
    return bare, str(tag)


def of_tag(tag: str | None) -> Data | None:
    """Return the data set of samples, made anew; None where this process has made none with this tag."""
    if tag is None or tag not in _known:
        return None
    config, allowed, _ = _known[tag]
    with trust.only(allowed):
        return Data(config)


def is_given(bare: xr.Dataset, tag: str | None) -> bool:
    """Return whether these are samples of the data set with this tag just as it gave them, all or some of them."""
    return tag is not None and tag in _known and _known[tag][2].has(bare)


def in_order(bare: xr.Dataset, tag: str | None) -> xr.Dataset:
    """Return samples that were changed, with the dimensions in the order of the data set with this tag."""
    return bare if tag is None or tag not in _known else _known[tag][2].in_order(bare)


def _count(data: Data, split: str) -> int:
    return data.source.samples(split).sizes["sample"]
