"""What this machine uses as a whole: CPU time since its boot, and memory that is not to be had.

Linux says both in two files; elsewhere psutil is asked, whose import is worth some megabytes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from k9lite.engines.base import Usage

_TICK = os.sysconf("SC_CLK_TCK")


def machine_usage(proc: Path = Path("/proc")) -> Usage | None:
    """None where the system does not say."""
    if sys.platform != "linux":
        return _portable()
    try:
        fields = (proc / "stat").read_text().partition("\n")[0].split()
        memory = dict(line.split(":", 1) for line in (proc / "meminfo").read_text().splitlines())
        total, available = (int(memory[key].split()[0]) * 1024 for key in ("MemTotal", "MemAvailable"))
        user, nice, system, _idle, _iowait, *others = map(int, fields[1:])
    except (OSError, ValueError, KeyError):
        return None
    return Usage((user + nice + system + sum(others[:3])) / _TICK, total - available)  # guests are in user and nice


def _portable() -> Usage | None:
    import psutil

    try:
        times, memory = psutil.cpu_times(), psutil.virtual_memory()
    except (OSError, psutil.Error):
        return None
    return Usage(times.user + times.system + getattr(times, "nice", 0.0), memory.total - memory.available)
