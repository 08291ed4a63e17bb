"""Events about objects: written in the background, counted instead of repeated, bounded.

Source of the aggregation: k8s.io/client-go/tools/record/events_cache.go.
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import OrderedDict

from k9lite.api.catalog import EVENTS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of, namespace_of, reference_to
from k9lite.registry.registry import Registry

MAX_WAITING = 1000
"""Events not yet written; beyond that the newest is dropped, as upstream's broadcaster does."""
MAX_REMEMBERED = 4096

Key = tuple[str, str, str, str]


class EventRecorder:
    """Records events of one component. `event` never blocks and never fails."""

    def __init__(self, registry: Registry, component: str, host: str = "") -> None:
        self._registry = registry
        self._source = {"component": component} | ({"host": host} if host else {})
        self._waiting: asyncio.Queue[tuple[Obj, str, str, str]] = asyncio.Queue(MAX_WAITING)
        self._seen: OrderedDict[Key, tuple[str, str]] = OrderedDict()
        self._task = asyncio.create_task(self._write(), name=f"events-{component}")

    def event(self, obj: Obj, type: str, reason: str, message: str) -> None:
        """Say that something happened to `obj`; `type` is Normal or Warning."""
        with contextlib.suppress(asyncio.QueueFull):
            self._waiting.put_nowait((reference_to(obj), type, reason, message))

    async def _write(self) -> None:
        while True:
            about, kind, reason, message = await self._waiting.get()
            with contextlib.suppress(ApiError):  # a namespace that ends takes no more events
                await self._record(about, kind, reason, message)
            self._waiting.task_done()

    async def _record(self, about: Obj, kind: str, reason: str, message: str) -> None:
        key = (str(about.get("uid") or about["name"]), kind, reason, message)
        now = self._registry.now()
        known = self._seen.get(key)
        if known is not None:

            def count(event: Obj) -> Obj:
                return {**event, "count": int(event.get("count", 1)) + 1, "lastTimestamp": now}

            if await self._registry.mutate(EVENTS, *known, count) is not None:
                self._seen.move_to_end(key)
                return
        space = about.get("namespace") or "default"
        made = await self._registry.create(EVENTS, space, self._event(about, space, kind, reason, message, now))
        self._seen[key] = (namespace_of(made.obj), name_of(made.obj))
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)

    def _event(self, about: Obj, space: str, kind: str, reason: str, message: str, now: str) -> Obj:
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{about['name'][:230]}.{secrets.token_hex(8)}", "namespace": space},
            "involvedObject": about,
            "reason": reason,
            "message": message,
            "type": kind,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }

    async def close(self) -> None:
        """Write what waits, then end."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._waiting.join(), 2)
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
