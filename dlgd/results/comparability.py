"""What finished runs have in common, and in what they differ although a table would not show it."""

from __future__ import annotations

import itertools
import math
import statistics
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from dlgd.results.finished import FinishedRun

SPLITS = ("train", "valid", "test")  # in the order of a checksum that has one for each
BUDGET = ("training.steps", "training.epochs", "training.minutes", "training.batch_size", "data.patch")
TAGS = (("device", "kinds of device"), ("machine", "machines"), ("git_hash", "versions of the program"))
NO_SCORE = "seconds_per_sample"  # differs from run to run, whatever the data
COMMON = (0.0, 1.0, 100.0)  # scores that say nothing about the samples
SHOWN = 3  # differing settings, or values of one


def budget(runs: Sequence[FinishedRun]) -> str:
    """What all networks were given and where: settings, machines, and minutes of a run."""
    trained = [run for run in runs if "model" in run.params]
    given = [{key: run.params[key] for key in BUDGET if run.params.get(key, "None") != "None"} for run in trained]
    first = given[0] if given else {}  # of networks; classical methods have no budget
    common = [f"{key}={value}" for key, value in first.items() if all(one.get(key) == value for one in given)]
    machines = Counter(f"{run.tags.get('device')} ({run.tags.get('machine', run.tags.get('host'))})" for run in runs)
    where = ", ".join(f"{count} on {name}" for name, count in sorted(machines.items(), key=lambda one: (-one[1], one)))
    minutes = statistics.median(run.minutes for run in runs)
    words = f"Budget: {', '.join(common) if common else 'not the same for all'}. " if trained else ""
    return f"{words}Runs: {where}; {minutes:.1f} min each in the median, data and scores included."


def warnings(runs: Iterable[FinishedRun]) -> list[str]:
    """Sentences on machines and versions that are not the same."""
    runs, found = list(runs), []
    for tag, what in TAGS:
        values = sorted({run.tags.get(tag, "unknown") for run in runs})
        if len(values) > 1:
            named = ", ".join(values[:SHOWN]) + (", ..." if len(values) > SHOWN else "")
            found.append(f"Beware: {len(values)} {what}: {named}.")
    return found


def data_changed(runs: Iterable[FinishedRun]) -> bool:
    """Whether runs with the same settings of their data had other data."""
    checksums = defaultdict(set)
    for run in runs:
        checksums[tuple(sorted(_data(run).items()))].add(run.tags.get("data_checksum", "unknown"))
    return any(len(values) > 1 for values in checksums.values())


# --- were they scored on the same samples? ---------------------------------------------------------------------


def by_data(runs: Sequence[FinishedRun], split: str) -> list[list[FinishedRun]]:
    """The runs, apart where nothing shows that their scores are of the same samples; the largest group first.

    The same are: samples of one data set and task with one checksum; and samples for which a method, of a run of
    `baseline` or beside a network, has two very same scores. Settings may differ that change no sample.
    """
    groups: list[tuple[set, list[FinishedRun]]] = []
    for run in runs:
        traces, together = _traces(run, split), [run]
        apart = []
        for known, members in groups:
            if known.isdisjoint(traces):
                apart.append((known, members))
            else:
                traces |= known
                together = members + together
        groups = [*apart, (traces, together)]
    return sorted((members for _, members in groups), key=lambda one: (-len(one), one[0].run_id))


def _traces(run: FinishedRun, split: str) -> set:
    """What two runs share only if they were scored on the same samples."""
    data = run.params.get("data.name", ""), run.params.get("data.task", "")
    checksum = run.tags.get("data_checksum", "unknown")
    digests = checksum.split("-")
    traces = {(*data, "samples", digests[SPLITS.index(split)] if len(digests) == len(SPLITS) else checksum)}
    if split == "test":  # networks are compared with methods there only
        answers = defaultdict(list)
        for key, value in sorted(run.metrics.items()):
            method, _, score = key.rpartition("/")
            classical = method.startswith("comparison/") or (method == "test" and "baseline" in run.params)
            if classical and score != NO_SCORE and value not in COMMON and math.isfinite(value):
                answers[method].append((score, value))
        traces |= {(*data, *two) for scores in answers.values() for two in itertools.combinations(scores, 2)}
    return traces


def in_words(groups: Sequence[Sequence[FinishedRun]]) -> list[str]:
    """Each group of runs by the settings of its data that tell it from others: "data.rows=40 (6 runs)"."""
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
