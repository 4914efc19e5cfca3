"""The load of the machine, under the names that MLflow's page of system metrics knows."""

from __future__ import annotations

import psutil
import torch


def sample() -> dict[str, float]:
    """Return the use of CPU (%, since the last call) and memory (MB) of the machine, this process and its GPU."""
    memory = psutil.virtual_memory()
    metrics = {
        "system/cpu_utilization_percentage": psutil.cpu_percent(),
        "system/system_memory_usage_megabytes": memory.used / 1e6,
        "system/system_memory_usage_percentage": memory.percent,
        "system/process_memory_usage_megabytes": psutil.Process().memory_info().rss / 1e6,
    }
    if torch.cuda.is_initialized():
        free, total = torch.cuda.mem_get_info()
        metrics["system/gpu_0_memory_usage_megabytes"] = (total - free) / 1e6
        metrics["system/gpu_0_memory_usage_percentage"] = 100 * (total - free) / total
    return metrics
