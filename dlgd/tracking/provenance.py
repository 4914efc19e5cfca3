"""Which code, libraries and machine made a run, and its configuration as a flat mapping."""

from __future__ import annotations

import contextlib
import getpass
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

import dlgd
from dlgd.core.paths import ROOT
from dlgd.core.threads import cores

LIBRARIES = ("torch", "numpy", "mlflow")


def tags(*, device: str, root: Path = ROOT) -> dict[str, str]:
    """Return the tags of a run: git_hash, git_dirty, python, dlgd, torch, numpy, mlflow, host, machine,
    device, threads (of PyTorch on the CPU).

    Outside of git, git_hash and git_dirty are "unknown". A file that git neither tracks nor ignores makes
    the working tree dirty, because a network that was not committed may be what ran.
    """
    import torch

    versions = {name: _version(name) for name in LIBRARIES}
    return {
        **_git(root),
        "python": platform.python_version(),
        "dlgd": dlgd.__version__,
        **versions,
        "host": platform.node(),
        "machine": machine(device),
        "device": device,
        "threads": str(torch.get_num_threads()),
    }


def mlflow_tags(tags: Mapping[str, str]) -> dict[str, str]:
    """Return the tags of MLflow's own columns: user, source and commit.

    tags: those of `tags`, or none of them.
    """
    program = Path(sys.argv[0])
    found = {
        "mlflow.source.name": f"{program.parent.name}.{program.stem}"
        if program.parent.name == "dlgd"
        else program.name,
        "mlflow.source.type": "LOCAL",
    }
    with contextlib.suppress(OSError, KeyError, ImportError):  # a user without a name, as in some containers
        found["mlflow.user"] = getpass.getuser()
    commit = tags.get("git_hash", "unknown")
    return found if commit == "unknown" else found | {"mlflow.source.git.commit": commit}


def machine(device: str) -> str:
    """Return what speeds depend on: "2 cores of AMD EPYC 7B13", on a GPU with "NVIDIA H200 and " before it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:  # no Linux
        lines = []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    processor = models[0] if models else platform.processor() or platform.machine()
    graphics = ""
    if device.startswith("cuda"):
        import torch

        graphics = f"{torch.cuda.get_device_name(device)} and "
    return f"{graphics}{cores()} {'core' if cores() == 1 else 'cores'} of {processor}"


def experiment_name(data: Mapping[str, Any]) -> str:
    """Return MLflow's experiment for runs with these data: "nemovar", or with the task "mnist_5k-denoise"."""
    return "-".join(data[key] for key in ("name", "task") if data.get(key))


def flatten(config: Mapping[str, Any]) -> dict[str, Any]:
    """{"training": {"minutes": 5}} -> {"training.minutes": 5}. Lists are written whole, as text."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            flat |= {f"{key}.{inner}": scalar for inner, scalar in flatten(value).items()}
        elif value is None or isinstance(value, bool | int | float | str):
            flat[str(key)] = value
        else:
            flat[str(key)] = str(value)
    return flat


def _git(root: Path) -> dict[str, str]:
    head = _ask_git(root, "rev-parse", "--show-toplevel", "HEAD")
    if head is None or Path(head.splitlines()[0]).resolve() != root.resolve():  # installed inside someone's repository
        return {"git_hash": "unknown", "git_dirty": "unknown"}
    changes = _ask_git(root, "status", "--porcelain")
    dirty = "unknown" if changes is None else str(bool(changes)).lower()
    return {"git_hash": head.splitlines()[1], "git_dirty": dirty}


def _ask_git(root: Path, *command: str) -> str | None:
    """Return git's answer, or None where there is no git, no repository or no commit yet."""
    # Without optional locks, runs that start together do not wait for one another.
    command = ("git", "--no-optional-locks", "-C", str(root), *command)
    try:
        answer = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "unknown"
