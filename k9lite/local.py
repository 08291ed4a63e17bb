"""The local control plane as a process: find it, start it in the background, wait for its end.

It writes `serve.json` into the run directory when it answers and removes it when it stops. A stale file (the process
was killed) is recognised by its pid and its port.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from k9lite.settings import Settings

START_SECONDS = 60.0
"""Longest wait for a start; adopting hundreds of containers takes some seconds, the rest is margin."""
LOG_LINES = 12
PACKAGE_PARENT = Path(__file__).resolve().parents[1]


class LocalError(Exception):
    """The local control plane cannot be started or stopped; says why."""


@dataclass(frozen=True, slots=True)
class Running:
    """A control plane that answers."""

    pid: int
    port: int
    version: str = ""
    started_at: str = ""


def find(settings: Settings) -> Running | None:
    """The running control plane of these settings, None if there is none that answers."""
    running = announced(settings)
    return running if running and is_alive(running.pid) and _answers(running.port) else None


def announced(settings: Settings) -> Running | None:
    """What the run directory says, be it true or stale."""
    try:
        content = json.loads((settings.run / "serve.json").read_text(encoding="utf-8"))
        return Running(
            int(content["pid"]),
            int(content["port"]),
            str(content.get("version", "")),
            str(content.get("startedAt", "")),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_alive(pid: int) -> bool:
    """Whether a process of that id runs; one that only waits to be reaped does not."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return True
    return stat.rpartition(")")[2].split()[:1] != ["Z"]


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2):
            return True
    except OSError:
        return False


def ensure_running(settings: Settings, say: Callable[[str], None]) -> Path:
    """The kubeconfig of the local control plane, which is started in the background if it does not run.

    `say` gets one line when it is. Raises LocalError with the reason (the last lines of its log) if it does not start.
    """
    if find(settings) is None:
        with _only_one_starts(settings):
            if find(settings) is None:
                _start(settings, say)
    return settings.kubeconfig


@contextlib.contextmanager
def _only_one_starts(settings: Settings) -> Iterator[None]:
    """Commands that find nothing at the same moment start one control plane, not several."""
    try:
        settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
        settings.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(settings.run / "start.lock", os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LocalError(f"the control plane cannot be started: {error}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _start(settings: Settings, say: Callable[[str], None]) -> None:
    path = settings.logs / "serve.log"
    with path.open("ab") as log:
        before = log.tell()
        process = subprocess.Popen(
            [sys.executable, "-m", "k9lite", "serve"],
            env=_environment(settings),
            cwd=settings.data,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    say(f"Starting the control plane in the background (pid {process.pid}, log {path})")
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end:
        running = find(settings)
        if running is not None:
            process.returncode = process.returncode or 0  # it is not ours to wait for
            return
        if process.poll() is not None:
            raise LocalError(f"the control plane ended at its start:\n{_last_lines(path, before)}")
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise LocalError(f"the control plane did not answer within {START_SECONDS:.0f} s:\n{_last_lines(path, before)}")


def _environment(settings: Settings) -> dict[str, str]:
    """The same settings, and the same k9lite, for the new process."""
    env = {**os.environ, **settings.environment()}
    if "site-packages" not in PACKAGE_PARENT.parts:
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(PACKAGE_PARENT), env.get("PYTHONPATH", ""))))
    return env


def _last_lines(path: Path, start: int) -> str:
    try:
        with path.open("rb") as log:
            log.seek(start)
            text = log.read().decode(errors="replace").strip()
    except OSError as error:
        text = str(error)
    lines = [line.removeprefix("Error: ") for line in text.splitlines()[-LOG_LINES:]]
    return "\n".join(lines) or f"it said nothing; see {path}"


def reset(settings: Settings) -> None:
    """Remove all that the cluster made, by `serve --reset` in a process of its own. Raises LocalError."""
    done = subprocess.run(
        [sys.executable, "-m", "k9lite", "serve", "--reset"],
        env=_environment(settings),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise LocalError(f"the reset failed:\n{(done.stderr or done.stdout).strip().removeprefix('Error: ')}")


def terminate(running: Running) -> None:
    """SIGTERM: for a control plane that does not answer any more."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(running.pid, signal.SIGTERM)


def wait_until_gone(running: Running, seconds: float) -> None:
    """Until the process has ended. Raises LocalError when it takes longer."""
    end = time.monotonic() + seconds
    while is_alive(running.pid):
        if time.monotonic() >= end:
            raise LocalError(f"the control plane (pid {running.pid}) has not ended within {seconds:.0f} s")
        time.sleep(0.02)
