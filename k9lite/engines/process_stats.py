"""CPU time and memory of host processes: everything that descends from a container's leader.

On Linux one look at /proc finds the sessions of the leaders, and from each of their processes the children, so that a
process that made a session of its own still counts. CPU time includes children that ended; it is what the kernel
charged. Memory is resident memory, pages that processes share counted in each.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping

from k9lite.engines.base import Usage

_TICK, _PAGE = os.sysconf("SC_CLK_TCK"), os.sysconf("SC_PAGE_SIZE")


def usage_of(leaders: Mapping[str, int]) -> dict[str, Usage]:
    """What the process trees of the leaders (name -> pid) use; blocks for some milliseconds."""
    if sys.platform != "linux":
        return _portable(leaders)
    names = {pid: name for name, pid in leaders.items()}
    totals: dict[str, list[int]] = {}
    for pid, leader in _members(set(names)).items():
        found = _read(pid)
        if found is not None:
            total = totals.setdefault(names[leader], [0, 0])
            total[0] += found[0]
            total[1] += found[1]
    return {name: Usage(ticks / _TICK, pages * _PAGE) for name, (ticks, pages) in totals.items()}


def _members(sessions: set[int]) -> dict[int, int]:
    """pid -> leader, of every process of the sessions and of their descendants."""
    members: dict[int, int] = {}
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                session = os.getsid(int(entry))
                if session in sessions:
                    members[int(entry)] = session
    frontier = list(members.items())
    while frontier:
        found = [(child, leader) for pid, leader in frontier for child in _children(pid) if child not in members]
        members.update(found)
        frontier = found
    return members


def _children(pid: int) -> Iterable[int]:
    return map(int, _content(f"/proc/{pid}/task/{pid}/children").split())


def _read(pid: int) -> tuple[int, int] | None:
    """(clock ticks of it and its ended children, resident pages)."""
    fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    if len(fields) < 22:
        return None
    return sum(map(int, fields[11:15])), int(fields[21])


def _content(path: str) -> bytes:
    """A small file of /proc; empty when the process is gone."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        return b""
    try:
        return os.read(handle, 65536)
    except OSError:
        return b""
    finally:
        os.close(handle)


def _portable(leaders: Mapping[str, int]) -> dict[str, Usage]:
    import psutil

    found: dict[str, Usage] = {}
    for name, pid in leaders.items():
        with contextlib.suppress(psutil.Error):
            leader = psutil.Process(pid)
            cpu, memory = 0.0, 0
            for process in (leader, *leader.children(recursive=True)):
                with contextlib.suppress(psutil.Error):
                    times = process.cpu_times()
                    cpu += times.user + times.system + times.children_user + times.children_system
                    memory += process.memory_info().rss
            found[name] = Usage(cpu, memory)
    return found
