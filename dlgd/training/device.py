"""Where networks are trained, and classical methods computed."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.threads import cores


def choose(name: str = "auto") -> torch.device:
    """ "auto" is the GPU where there is one, else the CPU; otherwise a device as PyTorch names it.

    Raises Refusal where the device is unknown or absent.
    """
    if name == "auto":
        return torch.device("cuda", torch.cuda.current_device()) if torch.cuda.is_available() else torch.device("cpu")
    try:
        device = torch.device(name)
    except (RuntimeError, TypeError):
        device = None
    if device is None or device.type not in ("cpu", "cuda"):
        raise Refusal(f"device={name} is unknown: choose auto, cpu, cuda or cuda:1, for instance.")
    if device.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= found:
            raise Refusal(f"device={name} was asked for, but PyTorch sees {found} GPU(s) here: try device=auto.")
    return device


def check_method_device(device: str) -> None:
    """Refuse, in the constructor of a classical method, a `baseline.device` that is not there."""
    checks.choice("baseline.device", device, ("cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise Refusal("baseline.device=cuda was asked for, but PyTorch sees no GPU here: choose cpu")


def describe(device: torch.device) -> str:
    """The device and its model, in words for the log."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{device}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    return f"{device}: {_processor()}, {cores()} cores, {torch.get_num_threads()} threads"


def _processor() -> str:
    """The CPU's model as Linux tells it, else what Python knows of it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
