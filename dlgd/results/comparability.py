"""What finished runs have in common, and differences between them that a table would not show."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dlgd.core.constants import SPLITS
from dlgd.results.finished import FinishedRun

BUDGET = ("training.steps", "training.epochs", "training.minutes", "training.batch_size", "data.patch")
TAGS = (("device", "kinds of device"), ("machine", "machines"), ("git_hash", "versions of the program"))
NO_SCORE = "seconds_per_sample"  # differs from run to run, whatever the data
COMMON = (0.0, 1.0, 100.0)  # values that scores have on any samples, and that therefore identify none
SHOWN = 3  # settings, or values of a setting, that a sentence names


def budget(runs: Sequence[FinishedRun]) -> str:
    """A sentence on the training budget that all networks share, the machines, and the minutes of a run."""
    networks = [run for run in runs if "model" in run.params]  # classical methods have no budget
    budgets = [{key: run.params[key] for key in BUDGET if run.params.get(key, "None") != "None"} for run in networks]
    first = budgets[0] if budgets else {}
    common = [f"{key}={value}" for key, value in first.items() if all(one.get(key) == value for one in budgets)]
    machines = Counter(f"{run.tags.get('device')} ({run.tags.get('machine', run.tags.get('host'))})" for run in runs)
    where = ", ".join(f"{count} on {name}" for name, count in sorted(machines.items(), key=lambda one: (-one[1], one)))
    minutes = statistics.median(run.minutes for run in runs)
    words = f"Budget: {', '.join(common) if common else 'not the same for all'}. " if networks else ""
    return f"{words}Runs: {where}; {minutes:.1f} min each in the median, data and scores included."


def warnings(runs: Iterable[FinishedRun]) -> list[str]:
    """Return a sentence for each of machines, devices and versions that is not the same for all runs."""
    runs, found = list(runs), []
    for tag, what in TAGS:
        values = sorted({run.tags.get(tag, "unknown") for run in runs})
        if len(values) > 1:
            named = ", ".join(values[:SHOWN]) + (", ..." if len(values) > SHOWN else "")
            found.append(f"Beware: {len(values)} {what}: {named}.")
    return found + _resumed_with_others(runs)


def _resumed_with_others(runs: Sequence[FinishedRun]) -> list[str]:
    """Return a sentence if some runs were resumed with other options than they had in their first steps."""
    resumed = [run for run in runs if run.earlier]
    if not resumed:
        return []
    options = sorted({key for run in resumed for key in run.earlier})
    named = ", ".join(options[:SHOWN]) + (", ..." if len(options) > SHOWN else "")
    return [f"Beware: {len(resumed)} resumed with other options than in their first steps: {named}."]


def data_changed(runs: Iterable[FinishedRun]) -> bool:
    """Return whether runs with the same settings of the data had different data."""
    checksums = defaultdict(set)
    for run in runs:
        checksums[tuple(sorted(_data(run).items()))].add(run.tags.get("data_checksum", "unknown"))
    return any(len(values) > 1 for values in checksums.values())


# --- were they scored on the same samples? ---------------------------------------------------------------------


def by_data(runs: Sequence[FinishedRun], split: str) -> list[list[FinishedRun]]:
    """Return the runs in groups; those of one group were scored on the same samples. The largest group comes first.

    Two runs share their samples if they have the data set, the task and the checksum of the data in common; or if a
    classical method, in a run of `baseline` or beside a network, has two identical scores in both. Settings of the
    data may differ as long as they change no sample.
    """
    groups: list[tuple[set, list[FinishedRun]]] = []
    for run in runs:
        traces, members = _traces(run, split), [run]
        others = []
        for other_traces, other_members in groups:
            if other_traces.isdisjoint(traces):
                others.append((other_traces, other_members))
            else:
                traces |= other_traces
                members = other_members + members
        groups = [*others, (traces, members)]
    return sorted((members for _, members in groups), key=lambda one: (-len(one), one[0].run_id))


def _traces(run: FinishedRun, split: str) -> set:
    """Return facts of a run that two runs share only if they were scored on the same samples."""
    data = run.params.get("data.name", ""), run.params.get("data.task", "")
    checksum = run.tags.get("data_checksum", "unknown")
    digests = checksum.split("-")
    traces = {(*data, "samples", digests[SPLITS.index(split)] if len(digests) == len(SPLITS) else checksum)}
    if split == "test":  # the only split on which classical methods are scored beside networks
        answers = defaultdict(list)
        for key, value in sorted(run.metrics.items()):
            method, _, score = key.rpartition("/")
            classical = method.startswith("comparison/") or (method == "test" and "baseline" in run.params)
            if classical and score != NO_SCORE and value not in COMMON and math.isfinite(value):
                answers[method].append((score, value))
        traces |= {(*data, *two) for scores in answers.values() for two in itertools.combinations(scores, 2)}
    return traces


def in_words(groups: Sequence[Sequence[FinishedRun]]) -> list[str]:
    """Return each group as text, with the settings of its data that tell it from others: "data.rows=40 (6 runs)"."""
    firsts = [_data(members[0]) for members in groups]
    keys = sorted({key for one in firsts for key in one}, key=lambda key: (key != "data.name", key))
    keys = [key for key in keys if len({one.get(key) for one in firsts}) > 1]
    if "data.name" in keys:
        keys = ["data.name"]
    named = []
    for members, data in zip(groups, firsts, strict=True):
        words = " ".join(f"{key}={data[key]}" for key in keys[:SHOWN] if key in data)
        count = f"{len(members)} {'run' if len(members) == 1 else 'runs'}"
        named.append(f"{words or 'data_checksum=' + members[0].tags.get('data_checksum', 'unknown')} ({count})")
    return named


def _data(run: FinishedRun) -> Mapping[str, str]:
    return {key: value for key, value in run.params.items() if key.startswith("data.") and not key.endswith("_target_")}
