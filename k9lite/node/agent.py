"""The node agent, the kubelet's work: what is bound to this node runs on its engines.

    watch of pods ──> one PodWorker for each pod <── lists and exits of the engines (EngineLink)

At the start the pods come from the store and the containers from the engines: what runs is adopted by its identity,
what belongs to no pod is removed, and nothing is started before the engine has said what is there.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import defaultdict
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig, name_of, uid_of
from k9lite.clock import Clock
from k9lite.engines.base import ContainerState, Engine, EngineError, EngineUnavailable
from k9lite.node.access import PodAccess
from k9lite.node.context import Context, Drainer
from k9lite.node.heartbeat import Heartbeat
from k9lite.node.images import Images
from k9lite.node.link import EngineLink
from k9lite.node.metrics import Metrics
from k9lite.node.pod import PodWorker
from k9lite.registry.events import EventRecorder
from k9lite.registry.registry import Registry
from k9lite.settings import Settings
from k9lite.store.watch import Watch

log = logging.getLogger("k9lite.node")

FIRST_ANSWER_SECONDS = 2.0
"""How long the start waits for the default engine, so that the node is Ready from the beginning."""
STOP_SECONDS = 60.0


class NodeAgent:
    """One node: this machine."""

    def __init__(
        self,
        registry: Registry,
        engines: Mapping[str, Engine],
        *,
        default_engine: str,
        cluster_id: str,
        node_name: str,
        settings: Settings,
        drainer: Drainer,
        clock: Clock,
        recorder: EventRecorder,
    ) -> None:
        self.cluster_id = cluster_id
        self.node_name = node_name
        self._registry = registry
        self._clock = clock
        self._default_engine = default_engine
        self._links = {
            name: EngineLink(
                engine, clock, on_list=self._listed, on_exit=self._exited, on_state=self._engine_state_changed
            )
            for name, engine in engines.items()
        }
        self._context = Context(
            registry, self._links, default_engine, node_name, settings, drainer, clock, recorder, Images()
        )
        self._heartbeat = Heartbeat(registry, clock, node_name)
        self.metrics = Metrics(registry.store, self._links, clock, node_name)
        self._workers: dict[str, PodWorker] = {}
        self.access = PodAccess(registry, self._workers)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._background: list[asyncio.Task[None]] = []
        self._watch: Watch | None = None

    # Start and stop ----------------------------------------------------------------------------------
    async def start(self) -> None:
        """Adopt what runs, register the node, and work. Raises ApiError if the node cannot be registered."""
        self._watch = self._registry.store.watch(PODS.key)
        self._list_pods()
        self._spawn(self._follow(), "node-pods")
        for name, link in self._links.items():
            self._spawn(link.run(), f"node-engine-{name}")
        default = self._links.get(self._default_engine)
        if default is None:
            self._heartbeat.set_runtime(f"there is no {self._default_engine} engine on this machine", "")
        else:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(default.asked.wait(), FIRST_ANSWER_SECONDS)
            self._engine_state_changed()
        await self._heartbeat.register()
        self._spawn(self._heartbeat.run(), "node-heartbeat")
        self._spawn(self.metrics.run(), "node-metrics")

    async def stop(self, *, pods: bool = False) -> None:
        """Let go of everything; containers run on. With `pods` they are drained and stopped until the next start."""
        if pods:
            for worker in self._workers.values():
                worker.stop_asked = True
                worker.wake()
            if self._tasks:
                await asyncio.wait(set(self._tasks.values()), timeout=self._longest_grace() + STOP_SECONDS)
        if self._watch is not None:
            self._watch.close()
        tasks = [*self._background, *self._tasks.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._context.images.close()
        for link in self._links.values():
            await link.engine.close()
        self._workers.clear()
        self._tasks.clear()
        self._background.clear()

    def _longest_grace(self) -> float:
        graces = (
            dig(worker.pod, "spec", "terminationGracePeriodSeconds", default=30) for worker in self._workers.values()
        )
        return float(max(graces, default=0))

    async def remove_all(self) -> None:
        """Remove every container of this cluster."""
        for link in self._links.values():
            await link.engine.remove_all()

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        task.add_done_callback(_report)
        self._background.append(task)

    # Pods --------------------------------------------------------------------------------------------
    def _list_pods(self) -> None:
        seen = set()
        for stored in self._registry.store.list(PODS.key):
            seen.add(uid_of(stored.obj))
            self._pod_changed(stored.obj)
        for uid, worker in self._workers.items():
            if uid not in seen:
                worker.wake()

    async def _follow(self) -> None:
        while True:
            assert self._watch is not None
            try:
                async for event in self._watch:
                    if event.verb != "DELETED":
                        self._pod_changed(event.stored.obj)
                    elif worker := self._workers.get(uid_of(event.stored.obj)):
                        worker.wake()
                return
            except ApiError as error:
                if error.reason != "Expired":
                    raise
                self._watch.close()
                self._watch = self._registry.store.watch(PODS.key)
                self._list_pods()

    def _pod_changed(self, pod: Obj) -> None:
        if dig(pod, "spec", "nodeName") != self.node_name:
            return
        uid = uid_of(pod)
        worker = self._workers.get(uid)
        if worker is not None:
            worker.wake()
            return
        worker = self._workers[uid] = PodWorker(self._context, pod)
        link = self._links.get(worker.engine_name)
        if link is not None and link.available:
            worker.observe([], 0.0)
        task = asyncio.create_task(worker.run(), name=f"pod-{name_of(pod)}")
        task.add_done_callback(_report)
        task.add_done_callback(lambda _: self._worker_ended(uid))
        self._tasks[uid] = task

    def _worker_ended(self, uid: str) -> None:
        self._workers.pop(uid, None)
        self._tasks.pop(uid, None)

    # Engines -----------------------------------------------------------------------------------------
    def _engine_state_changed(self) -> None:
        link = self._links.get(self._default_engine)
        if link is not None:
            self._heartbeat.set_runtime("" if link.available else link.error, link.version)
        for worker in self._workers.values():
            worker.wake()

    async def _listed(self, link: EngineLink, states: list[ContainerState], asked_at: float) -> None:
        by_pod: dict[str, list[ContainerState]] = defaultdict(list)
        for state in states:
            by_pod[state.pod_uid].append(state)
        for uid, worker in list(self._workers.items()):
            if worker.engine_name == link.engine.name:
                worker.observe(by_pod.pop(uid, []), asked_at)
        for orphans in by_pod.values():
            await self._remove_orphans(link, orphans)

    async def _remove_orphans(self, link: EngineLink, states: Iterable[ContainerState]) -> None:
        for state in states:
            log.info("removing container %s of pod %s/%s, which is gone", state.name, state.namespace, state.pod)
            try:
                await link.engine.kill(state.id)
                await link.engine.remove(state.id)
            except EngineUnavailable:
                raise
            except EngineError as error:
                log.warning("container %s cannot be removed: %s", state.id, error)

    def _exited(self, container: str, state: ContainerState | None) -> None:
        if state is not None:
            worker = self._workers.get(state.pod_uid)
            if worker is not None:
                worker.container_changed(state)
            return
        for worker in self._workers.values():
            if container in worker.known.by_id:
                worker.container_gone(container)


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("%s ended: %s", task.get_name(), error, exc_info=error)


async def remove_all(engines: Mapping[str, Engine]) -> None:
    """Remove every container of a cluster whose control plane does not run. Raises EngineError."""
    for engine in engines.values():
        try:
            await engine.remove_all()
        finally:
            await engine.close()
