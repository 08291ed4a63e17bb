"""Ending a pod so that no request is lost: it leaves the proxy, its open requests end, only then it gets SIGTERM."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

from k9lite.api.addresses import backend_address, pod_address
from k9lite.api.catalog import ENDPOINTSLICES, PODS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, is_deleting
from k9lite.clock import parse_rfc3339
from k9lite.node.podspec import containers_of, declared_ports, grace_of

if TYPE_CHECKING:
    from k9lite.node.pod import PodWorker

log = logging.getLogger("k9lite.node")

KILL_AGAIN_SECONDS = 2.0
STOPPED = ("Stopped", "stopped with k9lite; runs again at its next start")


class Ending:
    """The end of one pod: by deletion, or because k9lite stops with its pods. Steps like the worker it belongs to."""

    def __init__(self, worker: PodWorker) -> None:
        self._worker = worker
        self._context = worker.context
        self._began = self._context.clock.time()
        self._drain: asyncio.Task[None] | None = None
        self._announced = False
        self._terminated: set[str] = set()
        self.finished = False

    def cancel(self) -> None:
        if self._drain is not None:
            self._drain.cancel()

    def _deadline(self) -> tuple[float, float]:
        """When the grace period ends, and its length, in seconds."""
        pod = self._worker.pod
        if not is_deleting(pod):
            grace = float(grace_of(pod))
            return self._began + grace, grace
        grace = float(dig(pod, "metadata", "deletionGracePeriodSeconds", default=0))
        # The object's times are whole seconds: the grace period counts from when this node saw the deletion.
        stated = parse_rfc3339(pod["metadata"]["deletionTimestamp"])
        return max(stated, min(self._began + grace, stated + 1)), grace

    async def step(self) -> float | None:
        """Returns in how many seconds the next step is due."""
        worker = self._worker
        engine = worker.engine
        running = list(worker.known.running())
        if engine is None or not running:
            await self._complete()
            return None
        now = self._context.clock.time()
        deadline, grace = self._deadline()
        if not self._announced:
            self._announced = True
            for state in running:
                self._context.recorder.event(worker.pod, "Normal", "Killing", f"Stopping container {state.name}")
        if now >= deadline:
            for state in running:
                await engine.kill(state.id)
            return KILL_AGAIN_SECONDS
        seconds = min(self._context.settings.drain_seconds, grace / 2)
        if self._drain is None:
            self._drain = asyncio.create_task(self._drained(seconds), name=f"drain-{worker.key[1]}")
            self._drain.add_done_callback(worker.alarm.ring)
        drained_by = self._began + seconds
        if not self._drain.done() and now < drained_by:
            return drained_by - now
        for state in running:
            if state.id not in self._terminated:
                self._terminated.add(state.id)
                await engine.terminate(state.id)
        return deadline - now

    async def _drained(self, seconds: float) -> None:
        addresses = addresses_of(self._worker.pod, self._slices())
        if not addresses:
            return
        try:
            await self._context.drainer.drain(addresses, seconds)
        except Exception as error:  # a proxy that fails must not keep a pod alive
            log.warning("draining %s/%s: %s", *self._worker.key, error)

    def _slices(self) -> list[Obj]:
        return [stored.obj for stored in self._context.registry.store.list(ENDPOINTSLICES.key, self._worker.key[0])]

    async def _complete(self) -> None:
        """Everything has ended."""
        worker = self._worker
        self.cancel()
        if is_deleting(worker.pod):
            self.finished = await self.finalize(worker)
            if not self.finished:
                await worker.write_ended_status()
                return
            await self._remove(list(worker.known.by_id))
        else:
            await self._stopped()
            self.finished = True

    async def _stopped(self) -> None:
        """Forget what we have ended ourselves: it counts as neither an exit nor a restart."""
        worker = self._worker
        ended = self._terminated | {state.id for state in worker.known.by_id.values() if state.phase != "exited"}
        for view in worker.known.by_name.values():
            if view.current is not None and view.current.id in ended:
                view.current, view.waiting = None, STOPPED
        await self._remove(sorted(ended))
        await worker.write_ended_status()

    async def _remove(self, containers: list[str]) -> None:
        worker = self._worker
        for container in containers:
            worker.known.by_id.pop(container, None)
            if worker.engine is not None:
                await worker.engine.remove(container)

    @staticmethod
    async def finalize(worker: PodWorker) -> bool:
        """Remove the object. False while finalizers hold it."""
        options = DeleteOptions(grace_seconds=0, uid=worker.uid)
        try:
            return (await worker.context.registry.delete(PODS, *worker.key, options)).removed
        except ApiError as error:
            if error.reason in ("NotFound", "Conflict"):
                return True
            raise


def addresses_of(pod: Obj, slices: list[Obj]) -> list[tuple[str, int]]:
    """Where requests reach the pod: its declared ports, and what Services send to it beyond those."""
    found = {pod_address(pod, port) for port in declared_ports(containers_of(pod))}
    uid = pod["metadata"]["uid"]
    for item in slices:
        for endpoint in item.get("endpoints") or ():
            if dig(endpoint, "targetRef", "uid") == uid:
                found.update(backend_address(item, endpoint, int(port["port"])) for port in item.get("ports") or ())
    return sorted(address for address in found if address[0])
