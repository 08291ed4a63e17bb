"""Events about objects: written in the background, counted instead of repeated, bounded.

    event() -> waiting, by what is said -> a batch written together, many in one commit

The same thing said again while it waits is only counted, so that a crash loop costs one write however often it turns.
Source of the aggregation: k8s.io/client-go/tools/record/events_cache.go.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from k9lite.api.catalog import EVENTS
from k9lite.api.errors import ApiError
from k9lite.api.objects import Obj, name_of, namespace_of, reference_to
from k9lite.registry.registry import Registry

MAX_WAITING = 1000
"""Different events not yet written; beyond that the newest is dropped, as upstream's broadcaster does."""
MAX_REMEMBERED = 4096
MAX_BATCH = 128
MAX_MESSAGE = 1024
"""Characters, as upstream's recorder cuts notes."""
CLOSE_SECONDS = 2.0

Key = tuple[str, str, str, str]
"""(uid or name of the object, type, reason, message)"""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Said:
    about: Obj
    times: int
    first: str
    last: str


class EventRecorder:
    """Records events of one component. `event` never blocks and never fails."""

    def __init__(self, registry: Registry, component: str, host: str = "") -> None:
        self._registry = registry
        self._source = {"component": component} | ({"host": host} if host else {})
        self._waiting: dict[Key, _Said] = {}
        self._something = asyncio.Event()
        self._closing = False
        self._seen: OrderedDict[Key, tuple[str, str]] = OrderedDict()
        self._task = asyncio.create_task(self._write(), name=f"events-{component}")

    def event(self, obj: Obj, type: str, reason: str, message: str) -> None:
        """Say that something happened to `obj`; `type` is Normal or Warning."""
        about = reference_to(obj)
        if len(message) > MAX_MESSAGE:
            message = message[: MAX_MESSAGE - 3] + "..."
        key = (str(about.get("uid") or about.get("name")), type, reason, message)
        now = self._registry.now()
        said = self._waiting.get(key)
        if said is not None:
            said.times, said.last = said.times + 1, now
        elif len(self._waiting) < MAX_WAITING and not self._closing:
            self._waiting[key] = _Said(about, 1, now, now)
            self._something.set()

    async def _write(self) -> None:
        """Until closed and nothing waits."""
        while self._waiting or not self._closing:
            await self._something.wait()
            batch = [(key, self._waiting.pop(key)) for key in list(self._waiting)[:MAX_BATCH]]
            if not self._waiting and not self._closing:
                self._something.clear()
            await asyncio.gather(*(self._record_guarded(key, said) for key, said in batch))

    async def _record_guarded(self, key: Key, said: _Said) -> None:
        """One event that cannot be written takes no other with it."""
        try:
            await self._record(key, said)
        except ApiError as error:  # a namespace that ends takes no more events
            _log.debug("event %s about %s was not written: %s", key[2], said.about.get("name"), error)
        except Exception:
            _log.exception("event %s about %s was not written", key[2], said.about.get("name"))

    async def _record(self, key: Key, said: _Said) -> None:
        known = self._seen.get(key)
        if known is not None:

            def count(event: Obj) -> Obj:
                return {**event, "count": int(event.get("count") or 1) + said.times, "lastTimestamp": said.last}

            if await self._registry.mutate(EVENTS, *known, count) is not None:
                self._seen.move_to_end(key)
                return
        space = said.about.get("namespace") or "default"
        made = await self._registry.create(EVENTS, space, self._event(key, said, space))
        self._seen[key] = (namespace_of(made.obj), name_of(made.obj))
        while len(self._seen) > MAX_REMEMBERED:
            self._seen.popitem(last=False)

    def _event(self, key: Key, said: _Said, space: str) -> Obj:
        _, kind, reason, message = key
        return {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{said.about['name'][:230]}.{secrets.token_hex(8)}", "namespace": space},
            "involvedObject": said.about,
            "reason": reason,
            "message": message,
            "type": kind,
            "source": self._source,
            "reportingComponent": self._source["component"],
            "reportingInstance": self._source.get("host", ""),
            "firstTimestamp": said.first,
            "lastTimestamp": said.last,
            "count": said.times,
        }

    async def close(self) -> None:
        """Write what waits, for two seconds at most, then end."""
        self._closing = True
        self._something.set()
        done, _ = await asyncio.wait([self._task], timeout=CLOSE_SECONDS)
        if not done:
            self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task
