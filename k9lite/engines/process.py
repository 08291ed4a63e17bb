"""Containers as plain host processes: no isolation, nothing to install.

    image host             runs the pod's command on this machine
    image k9lite/whoami    a small web server that says who answered, built in
    any other              ErrImagePull, with what to do

Every process shares the host's network at 127.0.0.1, so each containerPort gets a host port of its own; the command is
told in PORT (the first), PORT_<containerPort>, and `$(PORT)` in its words. Files and the life of a process are told in
`process_records` and `process_shim`; the end of a process is seen through a pidfd where the system has them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from pathlib import Path
from typing import Any

from k9lite.api.sessions import Command, Session
from k9lite.engines import process_logs, process_records, process_shim
from k9lite.engines.base import (
    BUILT_IN,
    HOST,
    WHOAMI,
    ContainerSpec,
    ContainerState,
    CreateError,
    EngineInfo,
    ImageError,
    NoSuchContainer,
    Progress,
    Usage,
    built_in_id,
)
from k9lite.engines.expansion import expand_all, expand_env
from k9lite.engines.process_container import Container
from k9lite.engines.process_environment import base_environment, end_strays
from k9lite.engines.process_nursery import Nursery, command
from k9lite.engines.process_ports import PodPorts, listen
from k9lite.engines.process_shim import Leader
from k9lite.engines.process_stats import usage_of
from k9lite.settings import Settings

WHOAMI_PORT = 80
"""Where `k9lite/whoami` is reached if the pod declares no port, as an image's EXPOSE."""
TRIM_SECONDS = 2.0
POLL_SECONDS = 0.1
"""How soon an exit is seen where there are no pidfds."""
YOUNG_SECONDS = 2.0
"""A shell that has not started its command by then is stuck, and may be ended itself."""


class ProcessEngine:
    """One cluster's host processes."""

    name = "process"

    def __init__(self, settings: Settings, cluster_id: str) -> None:
        self._settings = settings
        self._cluster_id = cluster_id
        self._root = settings.data / "pods"
        self._containers: dict[str, Container] = {}
        self._ports = PodPorts(range(settings.node_port_min, settings.node_port_max + 1))
        self._exits: asyncio.Queue[str] = asyncio.Queue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._loaded: asyncio.Task[None] | None = None
        self._nursery = Nursery()

    async def info(self) -> EngineInfo:
        return EngineInfo("process", sys.platform)

    # Images ------------------------------------------------------------------------------------------
    async def image_id(self, image: str) -> str | None:
        return built_in_id(image)

    async def pull(self, image: str, progress: Progress) -> str:
        found = built_in_id(image)
        if found is None:
            raise ImageError(
                f'image "{image}" needs a container engine, and this pod runs as processes of the host: install Docker '
                f"or Podman and start a cluster with --engine docker (or set runtimeClassName: docker), or use image "
                f'"{HOST}" with a command of this machine, or "{WHOAMI}"',
                "ErrImagePull",
            )
        return found

    # Containers --------------------------------------------------------------------------------------
    async def list(self) -> list[ContainerState]:
        await self._load()
        for container in list(self._containers.values()):
            if not container.directory.is_dir() and container.phase != "running":
                self._forget(container)
        await asyncio.to_thread(end_strays, self._cluster_id, self._may_live)
        return [container.state() for container in self._containers.values()]

    async def create(self, spec: ContainerSpec) -> str:
        await self._load()
        directory = self._root / process_records.identity(spec)
        if directory.name in self._containers:
            return directory.name
        if built_in_id(spec.image) == BUILT_IN + HOST and not (spec.command or spec.args):
            raise CreateError(
                f'image "{HOST}" runs a command of this machine, and container {spec.name} has none; set `command`, '
                f"as in `-- python3 -m http.server '$(PORT)'`",
                "CreateContainerError",
            )
        host_ports = self._allocate(spec)
        try:
            process_records.write(directory, spec, host_ports)
        except OSError as error:
            self._release(spec.pod_uid)
            raise CreateError(f"{directory} cannot be written: {error.strerror}", "CreateContainerError") from error
        self._containers[directory.name] = Container(directory, spec, host_ports)
        return directory.name

    async def start(self, container: str) -> ContainerState:
        item = self._item(container)
        if item.phase == "created":
            # Begun is done to the end, whether or not the caller waits for it: a process that nobody knows must not be.
            item.starting = item.starting or self._spawn_task(self._start(item), f"process-start-{item.id}")
            try:
                await asyncio.shield(item.starting)
            finally:
                if item.starting is not None and item.starting.done():
                    item.starting = None
        return item.state()

    async def _start(self, item: Container) -> None:
        spec = item.spec
        env = self._environment(item)
        working_dir = spec.working_dir or str(item.directory)
        if not os.path.isdir(working_dir):  # noqa: ASYNC240 - one stat
            raise CreateError(f"workingDir {working_dir} is no directory of this machine", "RunContainerError")
        listeners: list[int] = []
        try:
            if built_in_id(spec.image) == BUILT_IN + WHOAMI and not spec.command:
                listeners += [listen(port) for port in dict.fromkeys(item.host_ports.values())]
                pid = await self._start_whoami(item, env, working_dir, listeners)
            else:
                words = expand_all([*spec.command, *spec.args], env)
                argv = [process_shim.program(words[0], working_dir, env.get("PATH", "")), *words[1:]]
                pid = process_shim.spawn(item.directory, argv, env, working_dir, [])
                item.ours = True
        except OSError as error:
            raise CreateError(f"the command cannot be started: {error.strerror}", "RunContainerError") from error
        finally:
            for number in listeners:
                os.close(number)
        found = process_shim.stat_of(pid)
        item.leader = Leader(pid, found[1] if found else 0, process_shim.boot_id())
        item.phase = "running"
        item.started_at = time.time()
        self._watch(item)
        self._keep_trimming()

    async def _start_whoami(
        self, item: Container, env: dict[str, str], working_dir: str, listeners: Sequence[int]
    ) -> int:
        who = (item.spec.pod, item.spec.namespace, item.spec.image)
        try:
            return await self._nursery.fork(item.directory, who, listeners)
        except OSError:
            argv = command("serve", *who, *(str(number) for number in listeners))
            pid = process_shim.spawn(item.directory, argv, env, working_dir, listeners)
            item.ours = True
            return pid

    async def inspect(self, container: str) -> ContainerState:
        return self._item(container).state()

    async def stats(self, containers: Sequence[str]) -> dict[str, Usage]:
        leaders = {
            name: item.leader.pid
            for name in containers
            if (item := self._containers.get(name)) is not None and item.phase == "running" and item.leader is not None
        }
        return await asyncio.to_thread(usage_of, leaders) if leaders else {}

    async def terminate(self, container: str) -> None:
        item = self._containers.get(container)
        while item and item.leader and item.phase == "running" and time.time() - item.started_at < YOUNG_SECONDS:
            if process_shim.command_runs(item.leader):
                break
            await asyncio.sleep(0.005)
        self._signal(container, signal.SIGTERM)

    async def kill(self, container: str) -> None:
        self._signal(container, signal.SIGKILL)

    async def remove(self, container: str) -> None:
        item = self._containers.get(container)
        if item is None:
            return
        if item.starting is not None:
            await asyncio.wait([item.starting])
        if item.phase == "running":
            self._signal(container, signal.SIGKILL)
            await item.ended.wait()
        self._forget(item)
        shutil.rmtree(item.directory, ignore_errors=True)

    def logs(
        self,
        container: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since: float | None = None,
    ) -> AsyncGenerator[bytes, None]:
        item = self._item(container)
        return process_logs.read(
            item.directory / "log", running=lambda: item.phase == "running", follow=follow, tail=tail,
            timestamps=timestamps, now=time.time, since=since,
        )  # fmt: skip

    async def exec(self, container: str, command: Command) -> Session:
        from k9lite.engines import process_exec

        item = self._item(container)
        if item.phase != "running":
            raise NoSuchContainer(f"container {item.spec.name} is not running")
        return await process_exec.run(command, self._environment(item), item.spec.working_dir or str(item.directory))

    async def attach(self, container: str, *, stdin: bool) -> Session:
        from k9lite.engines.process_logs import LogSession

        item = self._item(container)
        if item.phase != "running":
            raise NoSuchContainer(f"container {item.spec.name} is not running")
        return LogSession(self.logs(container, follow=True, tail=0), item.ended, lambda: item.exit_code)

    async def exits(self) -> AsyncIterator[str]:
        while True:
            yield await self._exits.get()

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._nursery.close()
        for item in self._containers.values():
            self._unwatch(item)
        self._containers.clear()
        self._ports.close()
        self._loaded = None

    async def remove_all(self) -> None:
        await self._load()
        items = list(self._containers.values())
        await asyncio.gather(*(self.remove(item.id) for item in items))
        await asyncio.to_thread(end_strays, self._cluster_id, self._may_live)
        shutil.rmtree(self._root, ignore_errors=True)

    def trim_logs(self) -> None:
        """Bring every log back within its limit."""
        each, files = self._settings.log_max_bytes, self._settings.log_max_files
        for item in self._containers.values():
            process_logs.trim(item.directory / "log", each * max(1, files - 1), each)

    # Adoption ----------------------------------------------------------------------------------------
    async def _load(self) -> None:
        """Find what earlier control planes have left running, once."""
        if self._loaded is None:
            self._loaded = asyncio.create_task(self._adopt_all(), name="process-adopt")
        await asyncio.shield(self._loaded)

    async def _adopt_all(self) -> None:
        for directory in list(process_records.directories(self._root)):
            await self._adopt(directory)
        if self._containers:
            self._keep_trimming()

    async def _adopt(self, directory: Path) -> None:
        record = process_records.read(directory)
        leader = process_shim.leader_of(directory)
        if leader is None and (record is None or process_records.discard_unstarted(directory)):
            shutil.rmtree(directory, ignore_errors=True)
            return
        leader = leader or await process_shim.leader_soon(directory)
        if leader is None:
            shutil.rmtree(directory, ignore_errors=True)
            return
        if record is None:
            if leader.lives():
                process_shim.signal_group(leader, signal.SIGKILL)
            shutil.rmtree(directory, ignore_errors=True)
            return
        item = Container(directory, *record)
        item.leader = leader
        item.started_at = process_records.changed_at(directory / "run")
        self._containers[item.id] = item
        self._ports.adopt(item.spec.pod_uid, item.host_ports)
        item.phase = "running"
        self._watch(item)

    # The end of a process ----------------------------------------------------------------------------
    def _watch(self, item: Container) -> None:
        """Call `_ended` when the leader is gone, at once if it is already."""
        assert item.leader is not None
        loop = asyncio.get_running_loop()
        try:
            item.pidfd = os.pidfd_open(item.leader.pid)
        except ProcessLookupError:
            self._ended(item)
            return
        except (AttributeError, OSError):
            self._spawn_task(self._poll(item), f"process-poll-{item.id}")
            return
        if not item.ours and not item.leader.lives():
            self._ended(item)
            return
        loop.add_reader(item.pidfd, self._ended, item)

    async def _poll(self, item: Container) -> None:
        while item.phase == "running":
            assert item.leader is not None
            if item.ours:
                found, status = os.waitpid(item.leader.pid, os.WNOHANG)  # noqa: ASYNC222 - does not wait
                if found:
                    self._ended(item, status)
                    return
            elif not item.leader.lives():
                self._ended(item)
                return
            await asyncio.sleep(POLL_SECONDS)

    def _ended(self, item: Container, status: int | None = None) -> None:
        self._unwatch(item)
        leader = item.leader
        assert leader is not None
        code = process_shim.exit_code_of(item.directory)
        if item.ours and status is None:
            # Not reaped yet: the group's number cannot belong to anyone else.
            process_shim.signal_group(leader, signal.SIGKILL)
            with contextlib.suppress(ChildProcessError):
                _, status = os.waitpid(leader.pid, 0)
        elif not item.ours and process_shim.stat_of(leader.pid) is None and leader.boot == process_shim.boot_id():
            process_shim.signal_group(leader, signal.SIGKILL)
        if code is None and status is not None:
            code = os.waitstatus_to_exitcode(status)
            code = 128 - code if code < 0 else code
        if code is None and leader.boot and leader.boot != process_shim.boot_id():
            code, item.error = process_shim.LOST_AT_BOOT, "the machine was restarted while the process ran"
        item.exit_code = process_shim.KILLED if code is None else code
        item.phase = "exited"
        item.finished_at = time.time() if item.ours else process_records.changed_at(item.directory / "exit")
        item.ended.set()
        self._exits.put_nowait(item.id)

    def _unwatch(self, item: Container) -> None:
        if item.pidfd >= 0:
            asyncio.get_running_loop().remove_reader(item.pidfd)
            os.close(item.pidfd)
            item.pidfd = -1

    def _signal(self, container: str, number: signal.Signals) -> None:
        item = self._containers.get(container)
        if item is not None and item.phase == "running" and item.leader is not None:
            process_shim.signal_group(item.leader, number)

    # Parts -------------------------------------------------------------------------------------------
    def _item(self, container: str) -> Container:
        try:
            return self._containers[container]
        except KeyError:
            raise NoSuchContainer(f"no process container {container}") from None

    def _forget(self, item: Container) -> None:
        self._containers.pop(item.id, None)
        if not any(other.spec.pod_uid == item.spec.pod_uid for other in self._containers.values()):
            self._release(item.spec.pod_uid)

    def _may_live(self, container: str) -> bool:
        """Whether processes of that container are in order; asked from another thread while others start."""
        item = self._containers.get(container)
        return item is not None and item.phase != "exited"

    def _release(self, pod_uid: str) -> None:
        """Give the pod's ports back, unless one of its containers is still there."""
        if any(item.spec.pod_uid == pod_uid for item in self._containers.values()):
            return
        self._ports.release(pod_uid)

    def _allocate(self, spec: ContainerSpec) -> dict[int, int]:
        """A host port for each declared port, the same as the pod had before. Raises CreateError."""
        wanted = {port.container_port: port.host_port for port in spec.ports if port.protocol != "SCTP"}
        if not wanted and built_in_id(spec.image) == BUILT_IN + WHOAMI:
            wanted = {WHOAMI_PORT: 0}
        return self._ports.allocate(spec.pod_uid, wanted)

    def _environment(self, item: Container) -> dict[str, str]:
        known = base_environment(self._cluster_id, item.id, item.spec.pod)
        for index, (container_port, port) in enumerate(item.host_ports.items()):
            if index == 0:
                known["PORT"] = str(port)
            known[f"PORT_{container_port}"] = str(port)
        return {**known, **expand_env(item.spec.env, known)}

    def _keep_trimming(self) -> None:
        if not any(task.get_name() == "process-logs" for task in self._tasks):
            self._spawn_task(self._trim_regularly(), "process-logs")

    async def _trim_regularly(self) -> None:
        while True:
            await asyncio.sleep(TRIM_SECONDS)
            self.trim_logs()

    def _spawn_task(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._task_done)
        return task

    def _task_done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # told to whoever started it, if they still wait
