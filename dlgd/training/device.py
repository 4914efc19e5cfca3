"""The device on which networks are trained and classical methods computed."""

from __future__ import annotations

import platform
from pathlib import Path

import torch

from dlgd.core import checks
from dlgd.core.errors import Refusal
from dlgd.core.threads import cores


def choose(name: str = "auto") -> torch.device:
    """Return the device of a name: "auto" is the GPU where there is one, else the CPU; others are PyTorch's names.

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


def has_bfloat16(device: torch.device) -> bool:
    """Return whether the device itself computes in bfloat16, as GPUs since Ampere and CPUs with AVX512-BF16 do."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    known = torch.cpu.get_capabilities()
    return any(known.get(name, False) for name in ("avx512_bf16", "amx_bf16"))


def check_method_device(device: str) -> None:
    """Refuse, in the constructor of a classical method, a `baseline.device` that is not there."""
    checks.choice("baseline.device", device, ("cpu", "cuda"))
    if device == "cuda" and not torch.cuda.is_available():
        raise Refusal("baseline.device=cuda was asked for, but PyTorch sees no GPU here: choose cpu")


def describe(device: torch.device) -> str:
    """Return the device and its model, in words for the log."""
    if device.type == "cuda":
        properties = torch.cuda.get_device_properties(device)
        return f"{device}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    threads = torch.get_num_threads()
    return f"{device}: {_processor()}, {cores()} cores, {threads} thread{'' if threads == 1 else 's'}"


def _processor() -> str:
    """Return the CPU's model as Linux gives it, else as Python knows it."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
