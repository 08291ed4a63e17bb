"""Starting `k9lite/whoami`, the fast way: forks of one Python that is up already.

The nursery belongs to the engine that started it and ends with it; the servers it forked lead sessions of their own
and live on. Linux only; elsewhere, and whenever the nursery fails, each server is a Python of its own.
"""

from __future__ import annotations

import array
import asyncio
import os
import signal
import socket
import sys
from collections.abc import Sequence
from pathlib import Path

SCRIPT = Path(__file__).with_name("process_whoami.py")
ANSWER_SECONDS = 10.0


def python() -> str:
    """The interpreter itself, not a virtual environment's link to it: it starts faster."""
    return str(getattr(sys, "_base_executable", None) or sys.executable)


def command(mode: str, *words: str) -> list[str]:
    """The words that run the script."""
    return [python(), "-I", "-S", str(SCRIPT), mode, *words]


class Nursery:
    """At most one child process, started when it is first needed."""

    def __init__(self) -> None:
        self._socket: socket.socket | None = None
        self._pid = 0
        self._turn = asyncio.Lock()

    async def fork(self, directory: Path, words: Sequence[str], listeners: Sequence[int]) -> int:
        """Start a server for the container in `directory`; `words` are pod, namespace and image. Returns its pid.

        Raises OSError if there is no nursery to be had.
        """
        if sys.platform != "linux":
            raise OSError("no nursery on this system")
        async with self._turn:
            loop = asyncio.get_running_loop()
            try:
                line = self._socket or self._start()
                attached = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", listeners))]
                line.sendmsg(["\0".join([str(directory), *words]).encode()], attached)
                answer = await asyncio.wait_for(loop.sock_recv(line, 64), ANSWER_SECONDS)
            except (OSError, TimeoutError) as error:
                await self.close()
                raise OSError(f"the nursery does not answer: {error}") from error
            if not answer:
                await self.close()
                raise OSError("the nursery has ended")
            return int(answer)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        with theirs:
            theirs.set_inheritable(True)
            words = command("nursery", str(theirs.fileno()))
            self._pid = os.posix_spawn(
                words[0],
                words,
                {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8"},
                file_actions=[
                    (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
                    (os.POSIX_SPAWN_OPEN, 2, os.devnull, os.O_WRONLY, 0),
                ],
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGTERM, signal.SIGINT, signal.SIGPIPE],
            )
        self._socket = ours
        return ours

    async def close(self) -> None:
        """End the nursery; its servers live on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None
        if self._pid:
            pid, self._pid = self._pid, 0
            try:
                os.kill(pid, signal.SIGKILL)
                await asyncio.to_thread(os.waitpid, pid, 0)
            except (ProcessLookupError, ChildProcessError):
                return
