"""What users see of running containers: logs, programs beside them, their streams, their ports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from k9lite.api.addresses import pod_address
from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError, bad_request, internal, not_found, unavailable
from k9lite.api.objects import Obj, dig, uid_of
from k9lite.api.sessions import Command, Session
from k9lite.engines.base import CreateError, Engine, EngineError, EngineUnavailable
from k9lite.node.pod import PodWorker
from k9lite.registry.registry import Registry

CONNECT_SECONDS = 10.0


class PodAccess:
    """`workers`: those of the agent, by the uid of their pod."""

    def __init__(self, registry: Registry, workers: Mapping[str, PodWorker]) -> None:
        self._registry = registry
        self._workers = workers

    def logs(
        self,
        namespace: str,
        pod: str,
        container: str | None = None,
        *,
        follow: bool = False,
        tail_lines: int | None = None,
        previous: bool = False,
        timestamps: bool = False,
        since: float | None = None,
    ) -> AsyncIterator[bytes]:
        """Whole lines of one container's log; `since` is in seconds since the epoch. Raises ApiError at once."""
        stored = self._registry.get(PODS, namespace, pod)
        names = [
            item["name"]
            for field in ("containers", "initContainers")
            for item in dig(stored.obj, "spec", field, default=[])
        ]
        name = container or names[0]
        if name not in names:
            raise bad_request(f"container {name} is not valid for pod {pod}")
        worker = self._workers.get(uid_of(stored.obj))
        found = worker.known.container_id(name, previous=previous) if worker else None
        if worker is None or found is None:
            if previous:
                raise bad_request(f'previous terminated container "{name}" in pod "{pod}" not found')
            raise bad_request(f'container "{name}" in pod "{pod}" is waiting to start: {_waiting(stored.obj, name)}')
        engine = worker.engine
        assert engine is not None
        try:
            return engine.logs(found, follow=follow, tail=tail_lines, timestamps=timestamps, since=since)
        except EngineError as error:
            raise _told(error, pod) from error

    async def exec(self, namespace: str, pod: str, container: str, command: Command) -> Session:
        """Run a program in a running container. Raises ApiError."""
        engine, found = self._running(namespace, pod, container)
        try:
            return await engine.exec(found, command)
        except EngineError as error:
            raise _told(error, pod) from error

    async def attach(self, namespace: str, pod: str, container: str, *, stdin: bool) -> Session:
        """The streams of a running container's own program. Raises ApiError."""
        engine, found = self._running(namespace, pod, container)
        try:
            return await engine.attach(found, stdin=stdin)
        except EngineError as error:
            raise _told(error, pod) from error

    def dialer(
        self, namespace: str, pod: str
    ) -> Callable[[int], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
        """How to connect to a port of the pod. Raises ApiError if it does not run."""
        obj = self._registry.get(PODS, namespace, pod).obj
        phase = dig(obj, "status", "phase", default="Pending")
        if phase != "Running" or not dig(obj, "status", "podIP"):
            raise bad_request(f"unable to forward port because pod is not running. Current status={phase}")

        async def dial(port: int) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
            address = pod_address(self._registry.get(PODS, namespace, pod).obj, port)
            async with asyncio.timeout(CONNECT_SECONDS):
                return await asyncio.open_connection(*address)

        return dial

    def _running(self, namespace: str, pod: str, container: str) -> tuple[Engine, str]:
        stored = self._registry.get(PODS, namespace, pod)
        worker = self._workers.get(uid_of(stored.obj))
        found = worker.known.running_id(container) if worker else None
        if worker is None or found is None or worker.engine is None:
            phase = dig(stored.obj, "status", "phase", default="Pending")
            raise internal(f'container not found ("{container}"): it does not run; pod {pod} is {phase}')
        return worker.engine, found


def _told(error: EngineError, pod: str) -> ApiError:
    if isinstance(error, EngineUnavailable):
        return unavailable(str(error))
    if isinstance(error, CreateError):
        return internal(f"error executing command in container: {error}")
    return not_found(PODS.key, pod)


def _waiting(pod: Obj, container: str) -> str:
    """Why a container has no log yet."""
    statuses: list[Obj] = [
        item
        for field in ("containerStatuses", "initContainerStatuses")
        for item in dig(pod, "status", field, default=[])
    ]
    reasons = (dig(item, "state", "waiting", "reason") for item in statuses if item["name"] == container)
    return next((str(reason) for reason in reasons if reason), "ContainerCreating")
