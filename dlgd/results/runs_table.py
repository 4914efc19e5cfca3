"""A table of any runs in MLflow, networks and classical methods: runs that differ in their seed alone are one row."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.core.errors import Refusal
from dlgd.results import comparability, tables
from dlgd.results.command_line import PRINTED, command, listed, question, training_overrides
from dlgd.results.comparison import in_words
from dlgd.results.finished import Finished, Selection
from dlgd.results.grouping import groups
from dlgd.results.known_scores import directions
from dlgd.results.ranking_figure import draw_ranking
from dlgd.results.selection import select_runs
from dlgd.tracking.parents import PARENT_TAG


def compare_runs(config: DictConfig) -> tables.Table:
    """Return the table of the runs that `runs` selects, with its figure."""
    conditions, split, header = selection(config.runs), config.split, config.get("table")
    scores = listed(config.scores) or listed((header or {}).get("scores"))
    selected = select_runs(
        Finished(config.tracking.uri), conditions, split=split, scores=scores, any_data=config.any_data
    )
    found, left_out = groups(selected.runs)
    methods, scores = listed(config.methods), selected.scores
    rows, sources = tables.rows_of_groups(found, scores, split=split, methods=methods, experiment=header)
    higher, unsaid = directions(scores, runs=selected.runs, higher=config.higher, neither=config.neither)
    comparison = tables.compared(rows, scores, higher=higher, against=config.against, best_first=True)
    notes = [
        comparability.budget(selected.runs),
        *comparability.warnings(selected.runs),
        *selected.notes,
        *unsaid,
        *in_words(comparison),
        *tables.seconds_of_methods(rows, scores),
    ]
    if left_out:
        notes.insert(0, f"All rows have, unless their names say otherwise: {left_out}.")
    replaced = sum(group.replaced for group in found)
    if replaced:
        notes.append(f"Left out: {replaced} that were repeated later with the same settings and seed.")
    if sources:
        notes.append(f"Printed: {'; '.join(sources)}{PRINTED}")
    overrides = list(HydraConfig.get().overrides.task)
    source = sources[0] if len(sources) == 1 else None
    return tables.Table(
        comparison=comparison,
        title=f"Runs with {' '.join(overrides)}" if header is None else question(entry.choices()["experiment"]),
        command=command(*overrides, name="compare"),
        notes=notes,
        runs={group.name: group.runs for group in found},
        split=split,
        figures={"comparison.png": lambda: draw_ranking(comparison, source=source)},
    )


def selection(runs: DictConfig) -> Selection:
    """Return the conditions in the option `runs`. Refusal where an option was typed that only a training has."""
    for override in training_overrides():
        if override.partition("=")[0].split(".")[0] not in ("experiment", "tracking"):
            raise Refusal(
                f"{override} is an option of a training and selects no runs: type it as a filter, such as "
                '"runs.filter=\'params.model = \\"unet\\"\'", or leave it out'
            )
    tags = {} if runs.parent is None else {PARENT_TAG: str(runs.parent)}
    if runs.tag is not None:
        key, colon, value = str(runs.tag).partition(":")
        if not colon:
            raise Refusal(f"runs.tag={runs.tag} must be a tag and its value, such as runs.tag=campaign:winter")
        tags[key.strip()] = value.strip()
    return Selection(runs.experiment, tags, tuple(listed(runs.ids) or ()), runs.filter)
