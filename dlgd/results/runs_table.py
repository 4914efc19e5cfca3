"""A table of any runs in MLflow, networks and classical methods: those that differ in their seed alone are one row."""

from __future__ import annotations

from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from dlgd.cli import entry
from dlgd.core.errors import Refusal
from dlgd.plotting.style import save
from dlgd.results import comparability, tables
from dlgd.results.comparison import in_words
from dlgd.results.finished import PARENT_TAG, Finished, Selection
from dlgd.results.grouping import groups
from dlgd.results.known_scores import directions
from dlgd.results.ranking_figure import ranking
from dlgd.results.selection import choose
from dlgd.results.typed import PRINTED, command, listed, question, typed


def compare_runs(config: DictConfig) -> None:
    """Rows are what the runs make of themselves: those that differ in their seed alone are one."""

    wanted, split, header = selection(config.runs), config.split, config.get("table")
    scores = listed(config.scores) or listed((header or {}).get("scores"))
    chosen = choose(Finished(config.tracking.uri), wanted, split=split, scores=scores, any_data=config.any_data)
    found, left_out = groups(chosen.runs)
    methods, scores = listed(config.methods), chosen.scores
    rows, sources = tables.rows_of(found, scores, split=split, methods=methods, experiment=header)
    higher, unsaid = directions(scores, chosen.runs, higher=config.higher, neither=config.neither)
    comparison = tables.compared(rows, scores, higher=higher, against=config.against, best_first=True)
    notes = [
        comparability.budget(chosen.runs),
        *comparability.warnings(chosen.runs),
        *chosen.notes,
        *unsaid,
        *in_words(comparison),
    ]
    if left_out:
        notes.insert(0, f"Where a row does not say otherwise: {left_out}.")
    replaced = sum(group.replaced for group in found)
    if replaced:
        notes.append(f"Left out: {replaced} repeated later with the same settings and seed.")
    if sources:
        notes.append(f"Printed: {'; '.join(sources)}{PRINTED}")
    folder, words = entry.output_folder(), HydraConfig.get().overrides.task
    save(folder / "comparison.png", ranking(comparison, source=sources[0] if len(sources) == 1 else None))
    title = f"Runs with {' '.join(words)}" if header is None else question(entry.choices()["experiment"])
    runs = {group.name: group.runs for group in found}
    tables.write(folder, comparison, title, command(*words, name="compare"), notes, runs, split=split)


def selection(runs: DictConfig) -> Selection:
    """What is typed after `runs`; Refusal where something beside it is no option of the table."""

    for word in typed(options=False):
        if word.partition("=")[0].split(".")[0] not in ("experiment", "tracking"):
            raise Refusal(
                f"{word} says how to train and chooses no run: type it as a filter, such as "
                '"runs.filter=\'params.model = \\"unet\\"\'", or leave it out'
            )
    tags = {} if runs.parent is None else {PARENT_TAG: str(runs.parent)}
    if runs.tag is not None:
        key, colon, value = str(runs.tag).partition(":")
        if not colon:
            raise Refusal(f"runs.tag={runs.tag} must be a tag and its value, such as runs.tag=campaign:winter")
        tags[key.strip()] = value.strip()
    return Selection(runs.experiment, tags, tuple(listed(runs.ids) or ()), runs.filter)
