"""CPU time and memory of Docker's containers: from their cgroups where this machine can read them, else asked for.

A container's cgroup is found once, through its first process; reading it costs two small files. The stats API costs
the daemon some milliseconds for each container, and is for engines on another machine or in a virtual one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from k9lite.engines.base import EngineError, EngineUnavailable, Usage

if TYPE_CHECKING:
    import docker

ROOT = Path("/sys/fs/cgroup")


class Call(Protocol):
    """Runs a blocking call of the SDK in the engine's pool of threads."""

    def __call__(self, function: Callable[[docker.APIClient], Any]) -> Awaitable[Any]: ...


@dataclass(frozen=True, slots=True)
class Cgroup:
    """The files to read: version 2 has CPU time in microseconds, version 1 in nanoseconds."""

    cpu: Path
    memory: Path
    details: Path
    inactive: str
    unified: bool

    def usage(self) -> Usage:
        """Raises OSError when the container is gone, ValueError for what is no number."""
        if self.unified:
            cpu = int(_entry(self.cpu.read_text(), "usage_usec")) / 1e6
        else:
            cpu = int(self.cpu.read_text()) / 1e9
        used = int(self.memory.read_text()) - int(_entry(self.details.read_text(), self.inactive))
        return Usage(cpu, max(0, used))


class Meter:
    """Measures containers by id."""

    def __init__(self, call: Call) -> None:
        self._call = call
        self._cgroups: dict[str, Cgroup | None] = {}
        """None: only the engine can tell."""

    async def stats(self, containers: Sequence[str]) -> dict[str, Usage]:
        """Raises EngineUnavailable."""
        self._cgroups = {name: self._cgroups[name] for name in containers if name in self._cgroups}
        new = [name for name in containers if name not in self._cgroups]
        for name, cgroup in zip(new, await asyncio.gather(*map(self._find, new)), strict=True):
            self._cgroups[name] = cgroup
        found = await asyncio.to_thread(self._read)
        asked = [name for name, cgroup in self._cgroups.items() if cgroup is None]
        answers = await asyncio.gather(*map(self._ask, asked))
        return found | {name: usage for name, usage in zip(asked, answers, strict=True) if usage is not None}

    def _read(self) -> dict[str, Usage]:
        found: dict[str, Usage] = {}
        for name, cgroup in self._cgroups.items():
            if cgroup is not None:
                try:
                    found[name] = cgroup.usage()
                except (OSError, ValueError):
                    continue  # it has ended
        return found

    async def _find(self, container: str) -> Cgroup | None:
        try:
            inspected = await self._call(lambda client: client.inspect_container(container))
        except EngineUnavailable:
            raise
        except EngineError:
            return None
        pid = int((inspected.get("State") or {}).get("Pid") or 0)
        cgroup = cgroup_of(pid) if pid else None
        return cgroup if cgroup is not None and container in str(cgroup.memory) else None

    async def _ask(self, container: str) -> Usage | None:
        try:
            answer = await self._call(lambda client: client.stats(container, stream=False, one_shot=True))
        except EngineUnavailable:
            raise
        except EngineError:
            return None
        return usage_in(answer)


def cgroup_of(pid: int, root: Path = ROOT, proc: Path = Path("/proc")) -> Cgroup | None:
    """The cgroup of a process, version 2 or 1; None where it cannot be read."""
    try:
        lines = (proc / str(pid) / "cgroup").read_text().splitlines()
    except OSError:
        return None
    paths: dict[str, str] = {}
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for controller in controllers.split(","):
            paths[controller] = path.lstrip("/")
    unified = root / paths.get("", "")
    if (unified / "memory.current").exists():
        return Cgroup(unified / "cpu.stat", unified / "memory.current", unified / "memory.stat", "inactive_file", True)
    memory = root / "memory" / paths.get("memory", "")
    for name in ("cpuacct", "cpu,cpuacct"):
        cpu = root / name / paths.get("cpuacct", "") / "cpuacct.usage"
        if cpu.exists() and (memory / "memory.usage_in_bytes").exists():
            details = memory / "memory.stat"
            return Cgroup(cpu, memory / "memory.usage_in_bytes", details, "total_inactive_file", False)
    return None


def usage_in(answer: dict[str, Any]) -> Usage | None:
    """From an answer of the stats API; None for a container that does not run."""
    memory = answer.get("memory_stats") or {}
    if "usage" not in memory:
        return None
    details = memory.get("stats") or {}
    inactive = details.get("inactive_file", details.get("total_inactive_file", 0))
    cpu = ((answer.get("cpu_stats") or {}).get("cpu_usage") or {}).get("total_usage", 0)
    return Usage(cpu / 1e9, max(0, int(memory["usage"]) - int(inactive)))


def _entry(text: str, key: str) -> str:
    """The number after a key, one pair a line. Raises ValueError."""
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name == key:
            return value
    raise ValueError(f"{key} is not there")
