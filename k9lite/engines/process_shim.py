"""Starting host processes so that they outlive us and their exit status is never lost.

Each container is a process group in a session of its own. Its leader is a tiny `sh` that

    writes `run`    its own line of /proc/PID/stat (pid and start time) and the machine's boot id,
    runs the command, which gets every signal sent to the group while the shell itself waits on,
    writes `exit`   the exit status as a shell has it: 128 + n for a process that signal n ended,
    ends what the command has left behind in the group.

No `exit` and no living leader means that the whole group was killed: 137.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from k9lite.engines.base import CreateError

SHELL = "/bin/sh"
KILLED = 128 + signal.SIGKILL
LOST_AT_BOOT = 255
"""As Docker says of containers that a reboot ended."""

_SHIM = r"""
trap : TERM INT HUP QUIT USR1 USR2
exec 3>&2 2>/dev/null
d=$1 w=$2
shift 2
read -r s < /proc/$$/stat
read -r b < /proc/sys/kernel/random/boot_id
echo "${s:-$$}
$b" > "$d/run" || exit 125
cd "$w" || exit 125
unset OLDPWD
(exec 2>&3 3>&-; exec "$@")
c=$?
echo $c > "$d/exit"
kill -9 -$$
exit $c
"""
_DEFAULT_SIGNALS = [
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGPIPE,
    signal.SIGXFSZ,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCHLD,
]
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Leader:
    """The shell that leads a container's process group. `start` is in clock ticks since boot, 0 where unknown."""

    pid: int
    start: int
    boot: str

    def lives(self) -> bool:
        """Whether it is still this very process, not another with its number."""
        if self.boot and self.boot != boot_id():
            return False
        found = stat_of(self.pid)
        if found is None:
            return not self.start and _answers(self.pid)
        state, start = found
        return state not in "ZX" and start == self.start


@lru_cache(maxsize=1)
def boot_id() -> str:
    """What tells this run of the machine from others; empty where the system does not say."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def parse_stat(line: str) -> tuple[int, str, int]:
    """Pid, state and start time of a line of /proc/PID/stat. Raises ValueError. Source: proc(5)."""
    head, parenthesis, tail = line.rpartition(")")
    if not parenthesis:
        return int(line.split()[0]), "?", 0
    fields = tail.split()
    return int(head.split(None, 1)[0]), fields[0], int(fields[19])


def stat_of(pid: int) -> tuple[str, int] | None:
    """State letter and start time of a process; None if there is none, or no /proc."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            return parse_stat(file.read())[1:]
    except (OSError, ValueError, IndexError):
        return None


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def leader_of(directory: Path) -> Leader | None:
    """What the shim has written of itself; None if it never came to it."""
    try:
        line, _, boot = (directory / "run").read_text(errors="replace").partition("\n")
        pid, _, start = parse_stat(line)
    except (OSError, ValueError, IndexError):
        return None
    return Leader(pid, start, boot.strip())


async def leader_soon(directory: Path) -> Leader | None:
    """The record of a leader that is just writing it; None if it was ended before it could."""
    for _ in range(200):
        leader = leader_of(directory)
        if leader is not None:
            return leader
        await asyncio.sleep(0.005)
    return None


def exit_code_of(directory: Path) -> int | None:
    """The status that the shim has written; None if it did not."""
    try:
        text = (directory / "exit").read_text()
    except OSError:
        return None
    return int(text) if text.endswith("\n") and text.strip().isdigit() else None


def program(word: str, working_dir: str, path: str) -> str:
    """Where the command is. Raises CreateError in the words of runc."""
    if "/" in word:
        place = os.path.join(working_dir, word)
        found = place if os.path.isfile(place) and os.access(place, os.X_OK) else None
    else:
        found = shutil.which(word, path=path)
    if found is None:
        raise CreateError(
            f'exec: "{word}": executable file not found in $PATH of this machine; install it, or give its full path',
            "RunContainerError",
        )
    return found


def spawn(
    directory: Path, argv: Sequence[str], env: Mapping[str, str], working_dir: str, listeners: Sequence[int]
) -> int:
    """Start `argv` (its first word a path) under the shim; returns the leader's pid. Raises OSError.

    `listeners` are descriptors from 10 upwards that the command inherits under the same numbers.
    """
    # Shells drop variables whose names they could not have themselves; env(1) does not.
    odd = [f"{name}={value}" for name, value in env.items() if not _PLAIN_NAME.fullmatch(name)]
    words = ["/usr/bin/env", *odd, *argv] if odd else list(argv)
    log = str(directory / "log")
    for number in listeners:
        os.set_inheritable(number, True)
    try:
        return os.posix_spawn(
            SHELL,
            [SHELL, "-c", _SHIM, "k9lite", str(directory), working_dir, *words],
            dict(env),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
            setsigmask=[],
            setsigdef=_DEFAULT_SIGNALS,
        )
    finally:
        for number in listeners:
            os.set_inheritable(number, False)


def command_runs(leader: Leader) -> bool:
    """Whether the shell has come so far that the command itself, not the shell, will get a signal.

    A signal that arrives just before would only be noted by the shell. True where the system cannot tell.
    """
    try:
        children = Path(f"/proc/{leader.pid}/task/{leader.pid}/children").read_text().split()
        own = Path(f"/proc/{leader.pid}/cmdline").read_bytes()
        if not own.startswith(SHELL.encode()):
            return True
        return any(Path(f"/proc/{child}/cmdline").read_bytes() != own for child in children)
    except OSError:
        return True


def signal_group(leader: Leader, number: signal.Signals) -> None:
    """Send a signal to the whole group, if it is still the one that the leader began."""
    found = stat_of(leader.pid)
    if found is not None and leader.start and found[1] != leader.start:
        return
    try:
        os.killpg(leader.pid, number)
    except (ProcessLookupError, PermissionError):
        return
