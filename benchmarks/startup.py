"""How long people wait: from the command to the first painted table and to its rows, and for the control plane.

The app runs on a pseudo-terminal and is read as a terminal would be. Where other programs keep the cores busy, the
wall clock says little; so the time for which the app's process was on a core is told beside it.
"""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import ssl
import statistics
import struct
import subprocess
import sys
import tempfile
import termios
import time
import urllib.request
from pathlib import Path

from benchmarks.cluster import Cluster, running, wait
from benchmarks.report import Figure, show

PODS = 100
RUNS = 9
STARTS = 5
QUIET = 2.0
"""Seconds after the start in which memory settles."""
BARE_APP = """
from textual.app import App
from textual.widgets import Static
class Bare(App):
    def compose(self):
        yield Static("bare-app")
Bare().run()
"""
"""What Textual itself costs: no app of it can be faster."""
ESCAPES = re.compile(rb"\x1b(?:\[[0-9;?>=<$]*[A-Za-z~]|\][^\x07]*\x07|[=>])")


def on_core(pid: int) -> float:
    """Seconds for which the process's threads have run. Source: the kernel's scheduler statistics, in ns."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def painted(arguments: list[str], environment: dict[str, str], *patterns: bytes) -> tuple[list[float], float]:
    """Seconds until each text was painted by a Python program, and the seconds on a core until the last was."""
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        terminal_kind = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
        os.execve(sys.executable, [sys.executable, *arguments], environment | terminal_kind)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    seen, times = b"", list[float]()
    try:
        while time.perf_counter() - started < 60:
            if not select.select([terminal], [], [], 1.0)[0]:
                continue
            seen += os.read(terminal, 1 << 16)
            text = ESCAPES.sub(b"", seen)
            while re.search(patterns[len(times)], text):
                times.append(time.perf_counter() - started)
                if len(times) == len(patterns):
                    return times, on_core(pid)
        raise TimeoutError(f"not painted: {patterns[len(times)]!r}; the screen: {ESCAPES.sub(b'', seen)[-2000:]!r}")
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def first_look(made: Cluster) -> tuple[float, float, float, float]:
    """Milliseconds to the header of the pods table, to a pod in it, on a core until then; and to a bare app's text."""
    (header, rows), cpu = painted(["-m", "k9lite"], made.environment, rb"RESTARTS", rb"web-[0-9a-z]+-[0-9a-z]+")
    (bare,), _ = painted(["-c", BARE_APP], made.environment, rb"bare-app")
    return header * 1000, rows * 1000, cpu * 1000, bare * 1000


def app() -> list[Figure]:
    with running() as made:
        made.command("create", "deployment", "web", "--image=k9lite/whoami", f"--replicas={PODS}")
        wait(lambda: made.ready_pods() == PODS)
        first_look(made)
        looks = [first_look(made) for _ in range(RUNS)]
    header, rows, cpu, bare = (statistics.median(column) for column in zip(*looks, strict=True))
    best, best_rows, _, best_bare = (min(column) for column in zip(*looks, strict=True))
    floor = f"an app with nothing but a text: {bare:.0f}, best {best_bare:.0f}"
    return [
        Figure("process start to first painted table", header, "ms", 300, note=f"best {best:.0f}; {floor}"),
        Figure("process start to rows", rows, "ms", 700, note=f"best {best_rows:.0f}; {cpu:.0f} ms on a core"),
    ]


def is_ready(port: int) -> bool:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"https://127.0.0.1:{port}/readyz", timeout=5, context=context) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def control_plane() -> tuple[float, float, float]:
    """Seconds to /readyz of a first start, the seconds on a core for it, and MB resident soon after."""
    with tempfile.TemporaryDirectory(prefix="k9lite-bench-", ignore_cleanup_errors=True) as directory:
        started = time.perf_counter()
        made = Cluster(Path(directory) / "home", "process")
        try:
            found = wait(made.announced)
            wait(lambda: is_ready(found["port"]))
            took, cpu = time.perf_counter() - started, on_core(made.process.pid)
            time.sleep(QUIET)
            status = Path(f"/proc/{made.process.pid}/status").read_text()
        finally:
            made.process.terminate()
            made.process.wait(60)
            subprocess.run(
                [sys.executable, "-m", "k9lite", "serve", "--reset"], env=made.environment, check=True, timeout=60
            )
    resident = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert resident is not None
    return took, cpu, int(resident[1]) * 1024 / 1e6


def main() -> list[Figure]:
    """Measure and print the table."""
    figures = app()
    starts = [control_plane() for _ in range(STARTS)]
    took, cpu, memory = (statistics.median(column) for column in zip(*starts, strict=True))
    best = min(start[0] for start in starts)
    note = f"median of {STARTS} first starts, best {best * 1000:.0f}; {cpu * 1000:.0f} ms on a core"
    figures.append(Figure("control plane start to /readyz", took * 1000, "ms", 1000, note=note))
    figures.append(Figure("control plane, resident memory", memory, "MB", 90, note=f"{QUIET:.0f} s after the start"))
    return show(figures)


if __name__ == "__main__":
    main()
