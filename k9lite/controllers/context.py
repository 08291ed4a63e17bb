"""What controllers share: the registry they write through, the informers they read, and their tasks."""

from __future__ import annotations

from dataclasses import dataclass, field

from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.clock import Clock, rfc3339
from k9lite.controllers.informers import Informer, Informers
from k9lite.controllers.runtime import Reconcile, Tasks, Workers
from k9lite.registry.events import EventRecorder
from k9lite.registry.registry import Registry


@dataclass(slots=True)
class Context:
    registry: Registry
    informers: Informers
    tasks: Tasks
    _recorders: dict[str, EventRecorder] = field(default_factory=dict)
    _workers: list[Workers] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return self.registry.clock

    def now(self) -> str:
        """The time as objects say it."""
        return rfc3339(self.clock.time())

    def of(self, resource: Resource) -> Informer:
        return self.informers.of(resource)

    def workers(self, name: str, reconcile: Reconcile, *, count: int = 4, interval: float = 0.0) -> Workers:
        """The workers of a controller; they start when all informers know what there is."""
        made = Workers(
            name,
            reconcile,
            clock=self.clock,
            tasks=self.tasks,
            before=self.informers.catch_up,
            count=count,
            interval=interval,
        )
        self._workers.append(made)
        return made

    def event(self, component: str, obj: Obj, kind: str, reason: str, message: str) -> None:
        """Record an Event; `kind` is Normal or Warning."""
        recorder = self._recorders.get(component)
        if recorder is None:
            recorder = self._recorders[component] = EventRecorder(self.registry, component)
        recorder.event(obj, kind, reason, message)

    @property
    def idle(self) -> bool:
        """Whether no controller has work to do now."""
        self.informers.catch_up()
        return all(workers.queue.idle for workers in self._workers)

    def start(self) -> None:
        self.informers.start()
        self.tasks.start("informers", self.informers.run())
        for workers in self._workers:
            workers.start()

    async def stop(self) -> None:
        await self.tasks.stop()
        self.informers.stop()
        for recorder in self._recorders.values():
            await recorder.close()
        self._recorders.clear()
