"""What a notebook shows of a run, a data set or a method: what it is, its scores, and figures within the page."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from omegaconf import DictConfig

from dlgd.core.checks import as_typed
from dlgd.core.config import plain
from dlgd.core.constants import PARTIAL, SPLITS, TARGET
from dlgd.core.errors import Refusal
from dlgd.tracking.provenance import flatten

if TYPE_CHECKING:
    import pandas as pd

    from dlgd.interface.data import Data
    from dlgd.interface.method import Method
    from dlgd.interface.run import Run

FIRST = ("data", "model", "baseline", "training")  # of the choices of a run
SHOWN = ("overview", "learning_curves")  # figures of a run that are shown first
MOST_FIGURES = 3
MOST_BYTES = 1_000_000  # of a figure: a notebook holds all that it has shown
MOST_COLUMNS = 8
LONG = 240  # letters of a fact that is folded
NO_OPTIONS = (TARGET, PARTIAL, "name")
# Colours are those of the notebook, light or dark.
STYLE = "border: 1px solid rgba(128, 128, 128, 0.4); border-radius: 6px; padding: 0.6em 1em; max-width: 70em"
# Figures have dark letters, also on a dark page.
FIGURE = (
    "display: block; box-sizing: border-box; max-width: min(100%, 44em); max-height: 26em; margin-top: 0.5em; "
    "padding: 0.5em; border-radius: 4px; background: white"
)


def of_run(run: Run) -> str:
    """Return the page of a run."""
    config = run.config
    choices = {name: str(choice) for name, choice in config.choices.items() if choice not in (None, "None")}
    order = [*(name for name in FIRST if name in choices), *(name for name in choices if name not in FIRST)]
    facts = {"choices": ", ".join(f"{name}={choices[name]}" for name in order), "folder": run.shown_path}
    table = None
    try:
        table = run.table if run.scores else None
        history = run.history
        if len(history):
            facts["trained"] = f"{history.index[-1]} steps" + ("" if run.scores else ", not to its end")
    except Refusal as damage:  # what shows a run does not fail
        facts["damaged"] = str(damage)
    order = [*(name for name in SHOWN if name in run.figures), *(name for name in run.figures if name not in SHOWN)]
    files = [(name, run.figures[name].read_bytes()) for name in order]
    figures = {f"{name.replace('_', ' ')} of {run.name}": content for name, content in files}
    return page(f"Run: {run.name}", facts, table, figures)


def of_data(data: Data) -> str:
    """Return the page of a data set; with a figure of its first training sample once it is prepared."""
    spec, config = data.spec, data.config.data
    facts = {
        "kind": spec.kind,
        "inputs": in_short(spec.input_channels),
        "targets": f"{in_short(spec.output_channels)} ({spec.units})",
        "grid": " x ".join(map(str, spec.grid)),
        "options": _options(config),
    }
    if not data.prepared:
        return page(f"Data: {data.name}", facts | {"samples": "not prepared: ask for samples"}, None, {})
    counts = {split: data.source.samples(split).sizes["sample"] for split in SPLITS}
    facts["samples"] = ", ".join(f"{count} {split}" for split, count in counts.items())
    alt = f"the first training sample of {data.name}, scaled, as a network sees it"
    return page(f"Data: {data.name}", facts, None, {alt: _first_sample(data)})


def of_method(method: Method, table: pd.DataFrame | None) -> str:
    """Return the page of a method, with the scores that it was last given."""
    facts = {"is": method.summary, "options": _options(method.options)}
    if method.data is not None:
        facts["for"] = f"data={method.data.name}"
    return page(f"Method: {method.name}", facts, table, {})


def page(title: str, facts: Mapping[str, str], table: pd.DataFrame | None, figures: Mapping[str, bytes]) -> str:
    """Return HTML with a title, facts by name, a table of scores, and PNG figures by what they show, in words."""
    lines = [f"<div style='{STYLE}'><strong>{html.escape(title)}</strong>"]
    lines += [_fact(html.escape(name), html.escape(fact)) for name, fact in facts.items()]
    if table is not None:
        names = [
            name for name in table if name.partition("_of_")[0] not in set(table) - {name}
        ]  # not of single classes
        shown = table[names[:MOST_COLUMNS]].rename_axis(None)
        cells = shown.to_html(float_format=lambda value: f"{value:.4g}", na_rep="-", border=0)
        lines.append(f"<div style='overflow-x: auto'>{cells}</div>")
    small = [(alt, content) for alt, content in figures.items() if len(content) <= MOST_BYTES][:MOST_FIGURES]
    for alt, content in small:
        source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
        lines.append(f"<img alt='{html.escape(alt, quote=True)}' style='{FIGURE}' src='{source}'>")
    return "\n".join([*lines, "</div>"])


def _fact(name: str, fact: str) -> str:
    """Return a line with a fact, folded where it is long. Both are escaped."""
    if name and len(fact) > LONG:
        return f"<details><summary><b>{name}</b> (click to see them)</summary>{fact}</details>"
    return f"<div>{f'<b>{name}</b> {fact}'.strip() if name else fact}</div>"


def in_short(names: Sequence[str], most: int = 6) -> str:
    """Return names in a line, the first ones where there are many."""
    return ", ".join(names[:most]) + (f", ... ({len(names)})" if len(names) > most else "")


def _options(options: Mapping[Any, Any]) -> str:
    values = plain(options) if isinstance(options, DictConfig) else options
    named = {key: value for key, value in flatten(values).items() if key.rpartition(".")[2] not in NO_OPTIONS}
    return ", ".join(f"{key}={as_typed(value)}" for key, value in named.items()) or "none"


def _first_sample(data: Data) -> bytes:
    from dlgd.plotting.batch import draw_batch
    from dlgd.plotting.style import png

    one = data.source.samples("train").isel(sample=[0])
    batch = next(iter(data.source.encode(one, halo=0, device="cpu")))
    return png(draw_batch(batch, data.spec))
