"""What containers use: real processes, a written cgroup tree, a real engine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from k9lite.engines import process_stats
from k9lite.engines.base import Usage
from k9lite.engines.docker_stats import cgroup_of, usage_in

HOLD = "import sys; held = bytearray(64 << 20); held[::4096] = b'x' * len(held[::4096]); print(flush=True); sys.stdin.read()"


@contextmanager
def holding(*wrap: str) -> Iterator[int]:
    """A process that leads a session and holds 64 MiB, itself or in what it started."""
    process = subprocess.Popen(
        [*wrap, sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
    finally:
        process.communicate()


@pytest.mark.parametrize(
    "wrap",
    [(), ("sh", "-c", '"$@"; :', "sh"), ("sh", "-c", 'setsid -w "$@"; :', "sh")],
    ids=["leader", "child", "setsid"],
)
@pytest.mark.parametrize("measure", [process_stats.usage_of, process_stats._portable])
def test_memory_of_the_leader_and_all_that_it_started(wrap: tuple[str, ...], measure: object) -> None:
    assert callable(measure)
    with holding(*wrap) as pid:
        used = measure({"mine": pid, "gone": 2**22 + 1})
    assert used.keys() == {"mine"}
    assert 64 << 20 < used["mine"].memory_bytes < 200 << 20


def test_cpu_time_counts_children_that_have_ended() -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    script = (
        f"import subprocess, sys; subprocess.run([sys.executable, '-c', {burn!r}]); print(flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    )
    try:
        assert process.stdout is not None
        process.stdout.readline()
        used = process_stats.usage_of({"mine": process.pid})["mine"]
    finally:
        process.communicate()
    assert used.cpu_seconds >= 0.3


# Docker ----------------------------------------------------------------------------------------------
def write(root: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def test_cgroups_of_version_2(tmp_path: Path) -> None:
    write(tmp_path / "proc", {"7/cgroup": "0::/system.slice/docker-abc.scope\n"})
    at = "system.slice/docker-abc.scope"
    write(
        tmp_path / "cg",
        {
            f"{at}/cpu.stat": "usage_usec 2500000\nuser_usec 1\n",
            f"{at}/memory.current": "1000\n",
            f"{at}/memory.stat": "anon 5\ninactive_file 300\n",
        },
    )
    found = cgroup_of(7, tmp_path / "cg", tmp_path / "proc")
    assert found is not None
    assert found.usage() == Usage(2.5, 700)


@pytest.mark.parametrize("controller", ["cpuacct", "cpu,cpuacct"])
def test_cgroups_of_version_1(tmp_path: Path, controller: str) -> None:
    write(tmp_path / "proc", {"7/cgroup": "9:name=systemd:/\n5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n0::/\n"})
    write(
        tmp_path / "cg",
        {
            f"{controller}/docker/abc/cpuacct.usage": "2500000000\n",
            "memory/docker/abc/memory.usage_in_bytes": "1000\n",
            "memory/docker/abc/memory.stat": "cache 1\ntotal_inactive_file 1300\n",
        },
    )
    found = cgroup_of(7, tmp_path / "cg", tmp_path / "proc")
    assert found is not None
    assert found.usage() == Usage(2.5, 0)


def test_no_cgroup_to_read(tmp_path: Path) -> None:
    assert cgroup_of(7, tmp_path, tmp_path) is None
    write(tmp_path, {"7/cgroup": "0::/elsewhere\n"})
    assert cgroup_of(7, tmp_path, tmp_path) is None


def test_answers_of_the_stats_api() -> None:
    assert usage_in({"memory_stats": {}}) is None
    answer = {
        "cpu_stats": {"cpu_usage": {"total_usage": 10**9}},
        "memory_stats": {"usage": 50, "stats": {"inactive_file": 20}},
    }
    assert usage_in(answer) == Usage(1.0, 30)
