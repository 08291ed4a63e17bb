"""One pod: what is wanted (the Pod object) against what is there (its containers), step by step.

    containers in order: init ones one after the other, then all others
        none ──────────> image, create, start ──> running ──> exited
        exited ─────────> again, by restart policy and back-off; otherwise done
    deletionTimestamp: drain ──> SIGTERM ──> SIGKILL at the deadline ──> the object is removed
    object gone: SIGKILL, containers removed

Each step starts from the present state and may be repeated at any time; what takes long runs beside it and wakes the
next step. The status is written when a step has changed it, and not while a start is under way that takes no time.
"""

from __future__ import annotations

import asyncio
import logging

import orjson

from k9lite.api.addresses import PORTS_ANNOTATION
from k9lite.api.catalog import PODS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, dig, is_deleting, name_of, namespace_of, uid_of
from k9lite.engines.base import ContainerState, CreateError, Engine, EngineUnavailable, ImageError
from k9lite.node import status as pod_status
from k9lite.node.backoff import as_go
from k9lite.node.container_spec import container_spec
from k9lite.node.containers import PodContainers
from k9lite.node.context import Alarm, Context
from k9lite.node.ending import Ending
from k9lite.node.podspec import engine_of
from k9lite.node.status import View

log = logging.getLogger("k9lite.node")

QUIET_SECONDS = 0.25
"""A start that is over by then is told in one status write, not in two."""
PROGRESS_SECONDS = 2.0
ERROR_SHOWN_SECONDS = 2.0
"""How long ErrImagePull shows before it becomes ImagePullBackOff."""
MAX_RETRY_SECONDS = 30.0


class PodWorker:
    """The task of one pod. `observe` and `wake` may be called at any time."""

    def __init__(self, context: Context, pod: Obj) -> None:
        self.context = context
        self.pod = pod
        self.uid = uid_of(pod)
        self.key = (namespace_of(pod), name_of(pod))
        self.engine_name = engine_of(pod, context.default_engine)
        self.alarm = Alarm(context.clock)
        self.stop_asked = False
        self.finished = False
        self.known = PodContainers(pod, self.engine_name, context.clock)
        self._containers_by_name = {
            item["name"]: item
            for item in (*(dig(pod, "spec", "initContainers", default=[])), *dig(pod, "spec", "containers", default=[]))
        }
        self._creating: set[str] = set()
        self._starts: dict[str, asyncio.Task[ContainerState]] = {}
        self._started_at: dict[str, float] = {}
        self._failed: dict[str, tuple[str, str, float]] = {}
        self._told: set[tuple[str, int]] = set()
        self._progress_told = 0.0
        self._seen = False
        self._ending: Ending | None = None
        self._busy_since = 0.0
        self._failures = 0

    # What is there -----------------------------------------------------------------------------------
    @property
    def engine(self) -> Engine | None:
        link = self.context.links.get(self.engine_name)
        return link.engine if link else None

    def wake(self) -> None:
        self.alarm.ring()

    def observe(self, states: list[ContainerState], asked_at: float) -> None:
        """The engine's list of this pod's containers, as of monotonic time `asked_at`."""
        found = {state.id for state in states}
        for state in states:
            self.known.update(state)
        for container in [key for key in self.known.by_id if key not in found]:
            if self._started_at.get(container, 0.0) < asked_at:
                self.container_gone(container)
        if not self._seen:
            self._seen = True
            self.known.recall()
        self.wake()

    def container_changed(self, state: ContainerState) -> None:
        self.known.update(state)
        self.wake()

    def container_gone(self, container: str) -> None:
        """It was removed, and not by us."""
        self.known.gone(container, by_us=self._ending is not None)
        self.wake()

    # The task ----------------------------------------------------------------------------------------
    async def run(self) -> None:
        """Until the pod is gone, or was stopped."""
        try:
            while not self.finished:
                self.alarm.set_in(await self._guarded_step())
                if not self.finished:
                    await self.alarm.wait()
        finally:
            self.alarm.cancel()
            for task in self._starts.values():
                task.cancel()
            await asyncio.gather(*self._starts.values(), return_exceptions=True)
            if self._ending:
                self._ending.cancel()

    async def _guarded_step(self) -> float | None:
        """One step. Returns in how many seconds the next is due at the latest."""
        try:
            delay = await self._step()
            self._failures = 0
            return delay
        except EngineUnavailable as error:
            self.context.links[self.engine_name].lost(error)
            return None
        except Exception as error:
            self._failures += 1
            wait = min(2.0 ** (self._failures - 1), MAX_RETRY_SECONDS)
            log.warning("pod %s/%s: trying again in %.0f s: %s", *self.key, wait, error, exc_info=error)
            return wait

    async def _step(self) -> float | None:
        stored = self.context.registry.store.get(PODS.key, *self.key)
        link = self.context.links.get(self.engine_name)
        if stored is None or uid_of(stored.obj) != self.uid:
            if link is not None and not link.available:
                return None
            await self._remove_containers()
            self.finished = True
            return None
        self.pod = stored.obj
        if link is None:
            return await self._without_engine()
        if not link.available or not self._seen:
            return None
        if is_deleting(self.pod) or self.stop_asked:
            return await self._end()
        if dig(self.pod, "status", "phase") in ("Succeeded", "Failed"):
            return None
        self._collect_starts()
        delay = self._drive()
        await self._prune()
        return await self._tell(delay)

    async def _without_engine(self) -> float | None:
        if is_deleting(self.pod):
            await Ending.finalize(self)
            return None
        message = (
            f"the {self.engine_name} engine is not on this machine; install it and start k9lite again, "
            "or leave runtimeClassName out"
        )
        self._event("Warning", "FailedCreatePodSandBox", message)
        for view in self.known.main:
            view.waiting = (pod_status.CREATING, message)
        await self._write_status()
        return None

    # Running -----------------------------------------------------------------------------------------
    def _drive(self) -> float | None:
        """Begin what is to be begun. Returns when to look again."""
        delays: list[float | None] = []
        for view in self.known.init:
            if pod_status.init_done(view):
                continue
            delays.append(self._drive_one(view))
            return min((delay for delay in delays if delay is not None), default=None)
        delays = [self._drive_one(view) for view in self.known.main]
        return min((delay for delay in delays if delay is not None), default=None)

    def _drive_one(self, view: View) -> float | None:
        if view.name in self._starts or view.running:
            return None
        now = self.context.clock.time()
        if view.exited:
            return self._restart(view, now) if self.known.restarts(view) else None
        failure = self._failed.get(view.name)
        if failure is not None:
            left = self._wait_after_failure(view, failure, now)
            if left > 0:
                return left
        key = self._backoff_key("start", view)
        self.context.backoff.next(key, now, now)
        self._begin(view)
        return None

    def _restart(self, view: View, now: float) -> float | None:
        assert view.current is not None
        backoff, key, since = self.context.backoff, self._backoff_key("restart", view), view.current.finished_at or now
        left = backoff.remaining(key, since, now)
        if left > 0:
            wait = as_go(backoff.wait_of(key))
            pod = f"{self.key[1]}_{self.key[0]}({self.uid})"
            view.waiting = (
                "CrashLoopBackOff",
                f"back-off {wait} restarting failed container={view.name} pod={pod}",
            )
            if (view.name, view.current.attempt) not in self._told:
                self._told.add((view.name, view.current.attempt))
                message = f"Back-off restarting failed container {view.name} in pod {pod}"
                self._event("Warning", "BackOff", message)
            return left
        backoff.next(key, since, now)
        view.attempt = view.current.attempt + 1
        self._begin(view)
        return None

    def _wait_after_failure(self, view: View, failure: tuple[str, str, float], now: float) -> float:
        """Seconds until a failed start is tried again, with the reason that shows meanwhile."""
        reason, message, at = failure
        backoff, key = self.context.backoff, self._backoff_key("start", view)
        left = backoff.remaining(key, at, now)
        view.waiting = (reason, message)
        if reason != "ErrImagePull" or left <= 0:
            return left
        if now - at < ERROR_SHOWN_SECONDS:
            return min(left, ERROR_SHOWN_SECONDS)
        view.waiting = ("ImagePullBackOff", f'Back-off pulling image "{view.image}": {reason}: {message}')
        if ("image", round(at)) not in self._told:
            self._told.add(("image", round(at)))
            self._event("Normal", "BackOff", f'Back-off pulling image "{view.image}"', view)
            self._event("Warning", "Failed", "Error: ImagePullBackOff", view)
        return left

    def _begin(self, view: View) -> None:
        task = asyncio.create_task(self._start(view), name=f"start-{self.key[1]}-{view.name}")
        task.add_done_callback(self.alarm.ring)
        self._starts[view.name] = task
        self._busy_since = self._busy_since or self.context.clock.monotonic()

    async def _start(self, view: View) -> ContainerState:
        """Image, create, start. Raises EngineError."""
        engine = self.engine
        assert engine is not None
        container = self._containers_by_name[view.name]
        view.image_id = await self.context.images.ensure(
            engine,
            view.image,
            container.get("imagePullPolicy", "IfNotPresent"),
            event=lambda kind, reason, message: self._event(kind, reason, message, view),
            progress=lambda line: self._progress(view, line),
        )
        self._creating.add(view.name)
        address = pod_status.HOST_IP if self.engine_name == "process" else self.known.address
        read = self.context.read
        made = await engine.create(container_spec(self.pod, container, view.attempt, address, read))
        self._event("Normal", "Created", f"Created container: {view.name}", view)
        self._started_at[made] = self.context.clock.monotonic()
        self.known.update(
            ContainerState(made, self.key[0], self.key[1], self.uid, view.name, view.attempt, phase="created")
        )
        state = await engine.start(made)
        self._event("Normal", "Started", f"Started container {view.name}", view)
        self._started_at[made] = self.context.clock.monotonic()
        return state

    def _collect_starts(self) -> None:
        """Take over the results of starts that are done."""
        for name in [name for name, task in self._starts.items() if task.done()]:
            task, view = self._starts.pop(name), self.known.by_name[name]
            self._creating.discard(name)
            error = task.exception()
            if error is None:
                if view.exited:
                    assert view.current is not None
                    view.last = pod_status.terminated(view.current, self.engine_name)
                self.known.update(task.result())
                self._failed.pop(name, None)
                view.waiting = None
            elif isinstance(error, ImageError | CreateError):
                now = self.context.clock.time()
                self._failed[name] = (error.reason, str(error), now)
                if isinstance(error, CreateError):
                    self._event("Warning", "Failed", f"Error: {error}", view)
                view.waiting = (error.reason, str(error))
                if view.exited:
                    assert view.current is not None
                    view.last = pod_status.terminated(view.current, self.engine_name)
                    view.current = None
            else:
                raise error
        if not self._starts:
            self._busy_since = 0.0

    async def _prune(self) -> None:
        """Keep the present container and the one before it; older ones are of no use to anyone."""
        for state in list(self.known.by_id.values()):
            view = self.known.by_name.get(state.name)
            attempt = view.attempt if view else state.attempt + 2
            if state.attempt < attempt - 1 and state.phase == "exited" and self.engine is not None:
                self.known.by_id.pop(state.id)
                await self.engine.remove(state.id)

    # Ending ------------------------------------------------------------------------------------------
    async def _end(self) -> float | None:
        """Drain and stop what runs; then the pod is gone, or waits for the next start."""
        if self._ending is None:
            await self._settle_starts()
            self._ending = Ending(self)
        delay = await self._ending.step()
        self.finished = self._ending.finished
        return delay

    async def _settle_starts(self) -> None:
        """Give up what waits for an image; what is being created is waited for, so that no container is left behind."""
        for name, task in self._starts.items():
            if name not in self._creating:
                task.cancel()
        await asyncio.gather(*self._starts.values(), return_exceptions=True)
        for task in self._starts.values():
            if not task.cancelled() and task.exception() is None:
                self.known.update(task.result())
        self._starts.clear()
        self._creating.clear()

    async def _remove_containers(self) -> None:
        """Nobody wants this pod any more: end it at once."""
        await self._settle_starts()
        engine = self.engine
        if engine is None:
            return
        for state in self.known.running():
            self._event("Normal", "Killing", f"Stopping container {state.name}")
            await engine.kill(state.id)
        for container in list(self.known.by_id):
            await engine.remove(container)
            self.known.by_id.pop(container, None)

    # Telling -----------------------------------------------------------------------------------------
    async def _tell(self, delay: float | None) -> float | None:
        """Write the status, unless a start is under way that may be over in no time."""
        if self._busy_since:
            left = self._busy_since + QUIET_SECONDS - self.context.clock.monotonic()
            if left > 0:
                return left if delay is None else min(left, delay)
        await self._write_status()
        return delay

    async def _write_status(self) -> None:
        """Status and, for host processes, the ports annotation, in one write; again if the pod changed meanwhile."""
        store = self.context.registry.store
        for _ in range(10):
            current = store.get(PODS.key, *self.key)
            if current is None or uid_of(current.obj) != self.uid:
                return
            pod = dict(current.obj)
            pod["status"] = pod_status.pod_status(
                current.obj, self.known.init, self.known.main, self.known.address, self.context.clock.time()
            )
            self._annotate(pod)
            if pod == current.obj:
                return
            try:
                await store.update(PODS.key, *self.key, pod, rv=current.rv)
                return
            except ApiError as error:
                if error.reason == "NotFound":
                    return
                if error.reason != "Conflict":
                    raise

    async def write_ended_status(self) -> None:
        """The last status of a pod whose object stays."""
        await self._write_status()

    def _annotate(self, pod: Obj) -> None:
        metadata = pod["metadata"] = dict(pod["metadata"])
        if self.known.host_ports:
            text = orjson.dumps({str(key): value for key, value in sorted(self.known.host_ports.items())}).decode()
            metadata["annotations"] = {**(metadata.get("annotations") or {}), PORTS_ANNOTATION: text}

    def _progress(self, view: View, line: str) -> None:
        now = self.context.clock.monotonic()
        if now - self._progress_told >= PROGRESS_SECONDS:
            self._progress_told = now
            view.waiting = (pod_status.CREATING, line)
            self._event("Normal", "Pulling", line, view)
            self.wake()

    def _event(self, kind: str, reason: str, message: str, view: View | None = None) -> None:
        self.context.recorder.event(self.pod, kind, reason, message)

    def _backoff_key(self, what: str, view: View) -> str:
        return f"{what}:{self.uid}:{view.name}"
