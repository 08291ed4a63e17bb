"""What the parts of the node share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from k9lite.api.objects import Obj
from k9lite.api.resources import Resource
from k9lite.clock import Clock
from k9lite.node.backoff import Backoff
from k9lite.node.images import Images
from k9lite.node.link import EngineLink
from k9lite.registry.events import EventRecorder
from k9lite.registry.registry import Registry
from k9lite.settings import Settings

log = logging.getLogger("k9lite.node")


class Drainer(Protocol):
    """Who carries the traffic to pods: the proxy."""

    async def drain(self, addresses: Sequence[tuple[str, int]], seconds: float) -> None:
        """Give these addresses no more work; returns when they have none, or after `seconds`."""


@dataclass(slots=True)
class Context:
    """One for each node agent."""

    registry: Registry
    links: dict[str, EngineLink]
    default_engine: str
    node_name: str
    settings: Settings
    drainer: Drainer
    clock: Clock
    recorder: EventRecorder
    images: Images
    backoff: Backoff = field(default_factory=Backoff)

    def read(self, resource: Resource, namespace: str, name: str) -> Obj | None:
        """The object, None where there is none; never to be changed."""
        stored = self.registry.store.get(resource.key, namespace, name)
        return stored.obj if stored else None


class Alarm:
    """Wakes a worker: at once, or after a time that a later `set_in` replaces."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._event = asyncio.Event()
        self._timer: asyncio.Task[None] | None = None

    def ring(self, *_: Any) -> None:
        self._event.set()

    def set_in(self, seconds: float | None) -> None:
        """Ring in that many seconds, or not by itself."""
        self.cancel()
        if seconds is not None:
            self._timer = asyncio.create_task(self._ring_after(seconds))

    async def _ring_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._event.set()

    async def wait(self) -> None:
        await self._event.wait()
        self._event.clear()

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
