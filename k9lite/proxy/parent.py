"""The proxy's parent process: holds the ports, keeps the workers alive, speaks with the control plane.

    control plane <- unix socket -> parent <- socket pair -> worker 1..N

The control plane may come and go; the table it gave last is also kept in the run directory, so a proxy that starts
while the control plane is away serves that. A dead worker is replaced and given the table. There is one parent per
run directory.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import random
import signal
import socket
import sys
from pathlib import Path
from time import monotonic
from typing import Any

import orjson

from k9lite import __version__
from k9lite.proxy import wire
from k9lite.proxy.claims import Claims, Place
from k9lite.proxy.table import CURSORS, Listener, Table, checked

log = logging.getLogger(__name__)

TABLE_FILE = "proxy-table.json"
LOCK_FILE = "proxy.lock"
RETRY_SECONDS = 1.0
FIRST_RECONNECT = 0.05
LAST_RECONNECT = 0.5
SHORT_LIFE = 1.0
"""A worker that lived shorter is not replaced at once but after as long."""


class AlreadyRunning(Exception):
    """Another proxy has the run directory."""


def lock(run: Path) -> int:
    """Hold the run directory for this process; its pid is in the file. Raises AlreadyRunning."""
    descriptor = os.open(run / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = os.pread(descriptor, 32, 0).decode().strip()
        os.close(descriptor)
        raise AlreadyRunning(f"a proxy with pid {pid} already serves {run}") from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, str(os.getpid()).encode(), 0)
    return descriptor


def running_pid(run: Path) -> int | None:
    """The pid of the proxy that has the run directory, None if there is none."""
    try:
        descriptor = os.open(run / LOCK_FILE, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        text = os.pread(descriptor, 32, 0).decode().strip()
        return int(text) if text.isdigit() else None
    finally:
        os.close(descriptor)
    return None


class WorkerHandle:
    """One running worker as the parent sees it."""

    def __init__(self, pid: int, writer: asyncio.StreamWriter) -> None:
        self.pid = pid
        self.version = -1
        self.drains: set[int] = set()
        self.services: dict[str, dict[str, list[Any]]] = {}
        self.errors: dict[str, str] = {}
        self._writer = writer

    def send(self, message: wire.Message) -> None:
        self._writer.write(wire.encode(message))

    def drain(self, message: wire.Message) -> None:
        self.drains.add(message["id"])
        self.send(message)


class Parent:
    """Everything the parent holds. `run` ends when `stopping` is set."""

    def __init__(self, run: Path, control: Path, workers: int) -> None:
        self._run = run
        self._control_path = control
        self._count = workers
        self._claims = Claims()
        self._listeners: Table = {}
        self._version = 0  # as the control plane counts
        self._sequence = 0  # as workers hear it: control planes come and go, and each begins anew
        self._acked = 0
        self._workers: dict[int, WorkerHandle] = {}
        self._control: asyncio.StreamWriter | None = None
        self._drains: dict[int, wire.Message] = {}
        self._told_errors: dict[str, str] = {}
        self._past: dict[str, dict[str, list[Any]]] = {}
        self._told_counters: Any = None
        self._cursors = self._shared_memory()
        self.stopping = asyncio.Event()

    @staticmethod
    def _shared_memory() -> int:
        """The workers' cursors, so that turns go on across workers."""
        descriptor = os.memfd_create("k9lite-proxy")
        os.truncate(descriptor, CURSORS * 4)
        return descriptor

    async def run(self) -> None:
        self._load()
        self._claim()
        tasks = [asyncio.create_task(self._keep_worker(), name=f"worker-{number}") for number in range(self._count)]
        tasks.append(asyncio.create_task(self._keep_control(), name="control"))
        tasks.append(asyncio.create_task(self._keep_telling(), name="counters"))
        tasks.append(asyncio.create_task(self._keep_claiming(), name="claims"))
        await self.stopping.wait()
        for task in tasks:
            task.cancel()
        for ended in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(ended, Exception):
                log.error("a task ended with an error", exc_info=ended)
        self._claims.close()
        os.close(self._cursors)

    # The table ------------------------------------------------------------------------------------------
    def _load(self) -> None:
        try:
            content = orjson.loads((self._run / TABLE_FILE).read_bytes())
            self._listeners = checked(content["listeners"])
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s cannot be used: %s; waiting for the control plane", self._run / TABLE_FILE, error)

    def _save(self) -> None:
        path = self._run / TABLE_FILE
        new = path.with_name(TABLE_FILE + ".new")
        try:
            with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
                file.write(orjson.dumps({"listeners": self._listeners}))
            new.replace(path)
        except OSError as error:  # traffic goes on; only a proxy restarted without control plane would miss it
            log.warning("%s cannot be written: %s", path, error)

    def _claim(self) -> None:
        """Hold the ports of the table and tell the control plane which cannot be had."""
        self._claims.want({place for listener in self._listeners.values() for place in places_of(listener)})
        self._tell_errors()

    def _tell_errors(self) -> None:
        errors = {key: text for worker in self._workers.values() for key, text in worker.errors.items()}
        for key, listener in self._listeners.items():
            failed = [self._claims.failed[place] for place in places_of(listener) if place in self._claims.failed]
            if failed:
                errors[key] = failed[0]
        if errors != self._told_errors:
            self._told_errors = errors
            self._tell({"op": "errors", "errors": errors})

    def _claimed(self, keys: list[str]) -> Table:
        """These listeners with the addresses that are ours."""
        table: Table = {}
        for key in keys:
            listener = self._listeners[key]
            port = listener["nodePort"]
            ours = [address for address in listener["addresses"] if self._claims.holds((address, port))]
            table[key] = {**listener, "addresses": ours}
        return table

    def _whole(self) -> wire.Message:
        return {"op": "table", "version": self._sequence, "listeners": self._claimed(list(self._listeners))}

    async def _keep_claiming(self) -> None:
        """Try again to get what could not be had, and end with the cluster's directory."""
        while True:
            await asyncio.sleep(RETRY_SECONDS)
            if not (self._run / LOCK_FILE).exists():
                log.warning("%s was removed; ending", self._run)
                self.stopping.set()
            broken = [worker for worker in self._workers.values() if worker.errors]
            if not self._claims.failed and not broken:
                continue
            before = set(self._claims.failed)
            for worker in broken:
                worker.errors = {}
            self._claim()
            if broken or before != set(self._claims.failed):
                for worker in self._workers.values():
                    worker.send(self._whole())

    # The control plane ----------------------------------------------------------------------------------
    async def _keep_control(self) -> None:
        wait = FIRST_RECONNECT
        while True:
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._control_path), limit=wire.MAX_LINE)
            except OSError:
                await asyncio.sleep(wait * random.uniform(0.5, 1.0))
                wait = min(wait * 2, LAST_RECONNECT)
                continue
            wait = FIRST_RECONNECT
            self._control = writer
            self._told_counters = None
            self._tell({"op": "hello", "pid": os.getpid(), "version": __version__})
            self._tell({"op": "errors", "errors": self._told_errors})
            self._tell_counters()
            try:
                async for message in wire.messages(reader):
                    self._obey(message)
            finally:
                self._control = None
                writer.close()
            await asyncio.sleep(FIRST_RECONNECT)

    def _tell(self, message: wire.Message) -> None:
        if self._control is not None:
            self._control.write(wire.encode(message))

    def _obey(self, message: wire.Message) -> None:
        op = message.get("op")
        if op == "drain":
            self._drain(message)
        elif op in ("table", "change"):
            self._version = message["version"]
            self._sequence += 1
            if op == "table":
                self._listeners = message["listeners"]
            else:
                self._listeners.update(message["set"])
                for key in message["remove"]:
                    self._listeners.pop(key, None)
            self._save()
            self._claim()
            for worker in self._workers.values():
                worker.errors = {}
                if op == "table":
                    worker.send(self._whole())
                else:
                    worker.send({**message, "version": self._sequence, "set": self._claimed(list(message["set"]))})
            self._answer()

    def _drain(self, message: wire.Message) -> None:
        self._drains[message["id"]] = message
        for worker in self._workers.values():
            worker.drain(message)
        self._answer()

    def _answer(self) -> None:
        """Tell the control plane what all workers have done."""
        workers = self._workers.values()
        if workers and self._acked != self._sequence and all(worker.version == self._sequence for worker in workers):
            self._acked = self._sequence
            self._tell({"op": "ack", "version": self._version})
        for number in [one for one in self._drains if not any(one in worker.drains for worker in workers)]:
            del self._drains[number]
            self._tell({"op": "drained", "id": number})

    async def _keep_telling(self) -> None:
        while True:
            await asyncio.sleep(1.0)
            self._tell_counters()

    def _tell_counters(self) -> None:
        """Say which workers there are and what they have counted, if that changed."""
        services: dict[str, dict[str, list[Any]]] = {}
        for source in (self._past, *(worker.services for worker in self._workers.values())):
            add_counters(services, source)
        working = [pid for pid, worker in self._workers.items() if worker.version >= 0]
        if self._control is not None and (working, services) != self._told_counters:
            self._told_counters = (working, services)
            self._tell({"op": "counters", "workers": working, "services": services})

    # Workers --------------------------------------------------------------------------------------------
    async def _keep_worker(self) -> None:
        while True:
            started = monotonic()
            await self._work()
            if monotonic() - started < SHORT_LIFE:
                await asyncio.sleep(SHORT_LIFE)

    async def _work(self) -> None:
        """One worker's life."""
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        arguments = ["--worker", str(theirs.fileno()), str(self._cursors)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "k9lite.proxy", *arguments),
            pass_fds=(theirs.fileno(), self._cursors),
            stdin=asyncio.subprocess.DEVNULL,
        )
        theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=wire.MAX_LINE)
        worker = WorkerHandle(process.pid, writer)
        self._workers[process.pid] = worker
        try:
            worker.send(self._whole())
            for drain in self._drains.values():
                worker.drain(drain)
            async for message in wire.messages(reader):
                self._hear(worker, message)
        finally:
            del self._workers[process.pid]
            self._remember(worker)
            writer.close()
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            code = await asyncio.shield(process.wait())
            self._answer()
            if not self.stopping.is_set():
                log.warning("worker %d ended with %d; starting another", process.pid, code)

    def _hear(self, worker: WorkerHandle, message: wire.Message) -> None:
        op = message["op"]
        if op == "ack":
            started, worker.version = worker.version < 0, message["version"]
            self._answer()
            if started:
                self._tell_counters()
        elif op == "drained":
            worker.drains.discard(message["id"])
            self._answer()
        elif op == "counters":
            worker.services = message["services"]
        elif op == "errors":
            worker.errors = message["errors"]
            self._tell_errors()

    def _remember(self, worker: WorkerHandle) -> None:
        """Keep a dead worker's totals for what is still in the table; it holds no connection any more."""
        self._past = {key: counts for key, counts in self._past.items() if key in self._listeners}
        for counts in worker.services.values():
            for count in counts.values():
                count[2] = 0
        add_counters(self._past, {k: v for k, v in worker.services.items() if k in self._listeners})


def add_counters(total: dict[str, dict[str, list[Any]]], more: dict[str, dict[str, list[Any]]]) -> None:
    """Add counters by service and endpoint: [pod name, number, ...]."""
    for key, endpoints in more.items():
        into = total.setdefault(key, {})
        for address, counts in endpoints.items():
            known = into.get(address)
            if known is None:
                into[address] = list(counts)
            else:
                into[address] = [counts[0], *(a + b for a, b in zip(known[1:], counts[1:], strict=True))]


def places_of(listener: Listener) -> list[Place]:
    return [(address, listener["nodePort"]) for address in listener["addresses"]]


async def serve(run: Path, control: Path, workers: int) -> None:
    """Be the proxy of this run directory until SIGTERM or SIGINT. Raises AlreadyRunning."""
    held = lock(run)
    try:
        parent = Parent(run, control, workers)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, parent.stopping.set)
        await parent.run()
    finally:
        os.close(held)
