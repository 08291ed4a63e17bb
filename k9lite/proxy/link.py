"""The control plane's end of the proxy: starts it, tells it the table, asks it to drain, hears its counters.

    no proxy --spawn--> starting --connects--> connected --dies--> no proxy (spawned again at once)

A proxy that runs already is adopted: it connects by itself as soon as there is a socket to connect to.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import os
import signal
import stat
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from k9lite.clock import Clock
from k9lite.proxy import wire
from k9lite.proxy.parent import running_pid
from k9lite.proxy.table import Listener
from k9lite.settings import Settings

log = logging.getLogger(__name__)

SAMPLES = 60
"""Seconds of history for the sparklines."""
CHECK_SECONDS = 0.1
START_SECONDS = 10.0
"""A proxy that runs but does not connect for so long hangs; it is replaced."""
LAST_RESTART = 10.0
"""Longest wait before a proxy that ends without ever connecting is started again."""
ACK_SECONDS = 5.0
LOG_BYTES = 10 * 1024 * 1024
COUNTS = ("connections", "active", "bytesIn", "bytesOut", "connectFailures")


class ProxyLink:
    """One per control plane. `on_listen_errors` gets {service key: message} whenever it changes."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock
        self._path = settings.proxy_socket
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._connected = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._children: set[int] = set()
        self._table: dict[str, Listener] | None = None
        self._version = 0
        self._acks: dict[int, asyncio.Future[None]] = {}
        self._drains: dict[int, asyncio.Future[None]] = {}
        self._numbers = itertools.count(1)
        self._samples: dict[str, deque[int]] = {}
        self._totals: dict[str, int] = {}
        self._counters: dict[str, Any] = {}
        self._sampler: asyncio.Task[None] | None = None
        self.pid = 0
        self.workers: list[int] = []
        self.errors: dict[str, str] = {}
        self.on_listen_errors: Callable[[Mapping[str, str]], None] | None = None

    @property
    def connected(self) -> bool:
        return self._writer is not None

    async def start(self, spawn: bool = True) -> None:
        """Listen for the proxy, and start one unless one runs. Raises OSError if the socket cannot be made."""
        private_directory(self._path.parent)
        self._path.unlink(missing_ok=True)
        self._server = await asyncio.start_unix_server(self._serve, str(self._path), limit=wire.MAX_LINE)
        self._path.chmod(0o600)
        if spawn:
            self._settings.run.mkdir(parents=True, exist_ok=True, mode=0o700)
            if running_pid(self._settings.run) is None:
                self._spawn()
            self._keeper = asyncio.create_task(self._keep(), name="proxy-keeper")
        self._sampler = asyncio.create_task(self._sample(), name="proxy-samples")

    async def stop(self, kill: bool = False) -> None:
        """Let the proxy go on by itself, or end it with all its workers."""
        for task in (self._keeper, self._sampler):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        if kill:
            await self._kill()
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.close()
        for serving in list(self._serving):
            serving.cancel()
        await asyncio.gather(*self._serving, return_exceptions=True)
        self._path.unlink(missing_ok=True)
        self._reap()

    # The table ------------------------------------------------------------------------------------------
    async def set_table(self, table: Mapping[str, Listener]) -> None:
        """Balance by this table from now on; returns when all workers do (or none is there to do it)."""
        before, after = self._table, dict(table)
        self._table = after
        if before == after:
            return
        self._version += 1
        if self._writer is None:
            return  # it gets the whole table when it connects
        if before is None:
            self._send({"op": "table", "version": self._version, "listeners": after})
        else:
            changed = {key: listener for key, listener in after.items() if before.get(key) != listener}
            gone = [key for key in before if key not in after]
            self._send({"op": "change", "version": self._version, "set": changed, "remove": gone})
        await self._answer(self._acks, self._version, ACK_SECONDS)

    async def drain(self, addresses: Sequence[tuple[str, int]], seconds: float) -> None:
        """No new connection to the addresses; returns when none has an open request, or after `seconds`."""
        if not addresses:
            return
        if self._writer is None:
            if running_pid(self._settings.run) is None:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(1.0, seconds)):
                    await self._connected.wait()
        if self._writer is None:
            return
        number = next(self._numbers)
        self._send({"op": "drain", "id": number, "addresses": [list(one) for one in addresses], "seconds": seconds})
        await self._answer(self._drains, number, seconds + 1.0)

    async def _answer(self, waiting: dict[int, asyncio.Future[None]], number: int, seconds: float) -> None:
        """Wait for the proxy's answer with this number; its death is an answer too."""
        future = waiting[number] = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(
                seconds
            ):  # wait_for of Python 3.11 loses a cancellation that comes with the answer
                await future
        except TimeoutError:
            log.warning("the proxy has not answered within %.1f s", seconds)
        finally:
            waiting.pop(number, None)

    def counters(self) -> dict[str, Any]:
        """{"pid", "connected", "workers", "errors", "services": {"namespace/name:port": counts}}.

        Counts are connections, active, bytesIn, bytesOut, connectFailures, `backends` with the same by `host:port`,
        and `rate`: new connections in each of the last 60 seconds.
        """
        return {
            "pid": self.pid,
            "connected": self.connected,
            "workers": self.workers,
            "errors": dict(self.errors),
            "services": {
                key: {**counts, "rate": list(self._samples.get(key, ()))} for key, counts in self._counters.items()
            },
        }

    # The connection -------------------------------------------------------------------------------------
    def _send(self, message: wire.Message) -> None:
        if self._writer is not None:
            self._writer.write(wire.encode(message))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        self._connected.set()
        if self._table is not None:
            self._send({"op": "table", "version": self._version, "listeners": self._table})
        try:
            async for message in wire.messages(reader):
                self._hear(message)
        except asyncio.CancelledError:
            pass  # the link stops
        finally:
            self._serving.discard(task)
            writer.close()
            if self._writer is writer:
                self._writer = None
                self._connected.clear()
                for future in (*self._acks.values(), *self._drains.values()):
                    if not future.done():
                        future.set_result(None)

    def _hear(self, message: wire.Message) -> None:
        op = message.get("op")
        if op == "hello":
            self.pid = message["pid"]
            log.info("proxy %d is connected", self.pid)
        elif op == "ack":
            for version, future in self._acks.items():
                if version <= message["version"] and not future.done():
                    future.set_result(None)
        elif op == "drained":
            drained = self._drains.get(message["id"])
            if drained is not None and not drained.done():
                drained.set_result(None)
        elif op == "errors":
            self.errors = message["errors"]
            if self.on_listen_errors is not None:
                self.on_listen_errors(self.errors)
        elif op == "counters":
            self.workers = message["workers"]
            self._counters = {key: summed(backends) for key, backends in message["services"].items()}

    async def _sample(self) -> None:
        while True:
            await self._clock.sleep(1.0)
            for key in self._samples.keys() - self._counters.keys():
                del self._samples[key], self._totals[key]
            for key, counts in self._counters.items():
                total = counts["connections"]
                samples = self._samples.setdefault(key, deque(maxlen=SAMPLES))
                samples.append(max(0, total - self._totals.get(key, total)))
                self._totals[key] = total

    # The process ----------------------------------------------------------------------------------------
    async def _keep(self) -> None:
        """Start a new proxy as soon as the old one is gone."""
        alone, wait = 0.0, 0.0
        while True:
            await self._clock.sleep(CHECK_SECONDS)
            self._reap()
            if self._writer is not None:
                alone = wait = 0.0
                continue
            alone += CHECK_SECONDS
            pid = running_pid(self._settings.run)
            if pid is None and not self._children and alone >= wait:
                log.warning("the proxy is gone; starting another")
                self._spawn()
                alone, wait = 0.0, min(wait * 2 + CHECK_SECONDS, LAST_RESTART)
            elif pid is not None and alone >= START_SECONDS:
                log.error("proxy %d does not answer; ending it", pid)
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                alone = 0.0

    def _spawn(self) -> None:
        settings = self._settings
        settings.logs.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = settings.logs / "proxy.log"
        if path.exists() and path.stat().st_size > LOG_BYTES:
            path.replace(path.with_name("proxy.log.1"))
        write = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-m", "k9lite.proxy"],
            os.environ | settings.environment(),
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(path), write, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        self._children.add(pid)

    def _reap(self) -> None:
        for pid in list(self._children):
            try:
                ended = os.waitpid(pid, os.WNOHANG)[0] == pid
            except ChildProcessError:
                ended = True
            if ended:
                self._children.discard(pid)

    async def _kill(self) -> None:
        """End the proxy, kindly for two seconds."""
        for number, seconds in ((signal.SIGTERM, 2.0), (signal.SIGKILL, 2.0)):
            for pid in {running_pid(self._settings.run), *self._children} - {None}:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid or 0), number)
            end = self._clock.monotonic() + seconds
            while self._clock.monotonic() < end:
                self._reap()
                if running_pid(self._settings.run) is None and not self._children:
                    return
                await self._clock.sleep(0.01)


def summed(backends: dict[str, list[Any]]) -> dict[str, Any]:
    """Counts of a service from those of its endpoints ([pod name, number, ...] by `host:port`)."""
    told = {
        address: {"pod": counts[0], **dict(zip(COUNTS, counts[1:], strict=True))}
        for address, counts in backends.items()
    }
    return {name: sum(one[name] for one in told.values()) for name in COUNTS} | {"backends": told}


def private_directory(path: Path) -> None:
    """Make a directory only we may enter. OSError if someone else has put something in its place."""
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = path.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{path} is not a directory of this user; remove it")
    if status.st_mode & 0o077:
        path.chmod(0o700)
