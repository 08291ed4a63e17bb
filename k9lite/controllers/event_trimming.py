"""Deletes Events whose time is over, as upstream's storage does by their lease."""

from __future__ import annotations

from functools import partial

from k9lite.api.catalog import EVENTS
from k9lite.api.errors import ApiError
from k9lite.api.meta import DeleteOptions
from k9lite.api.objects import Obj, dig, name_of, namespace_of, uid_of
from k9lite.clock import parse_rfc3339
from k9lite.controllers.context import Context
from k9lite.controllers.runtime import in_parallel, log

EVERY = 60.0
"""Seconds between two looks."""


def last_seen(event: Obj) -> float:
    """When the event happened last, in seconds since the epoch; 0 if it does not say."""
    for path in (("series", "lastObservedTime"), ("lastTimestamp",), ("eventTime",), ("metadata", "creationTimestamp")):
        text = dig(event, *path)
        try:
            if text:
                return parse_rfc3339(text)
        except ValueError:
            continue
    return 0.0


class EventTrimmer:
    def __init__(self, context: Context, ttl_seconds: int) -> None:
        self._context = context
        self._ttl = ttl_seconds

    def start(self) -> None:
        self._context.tasks.start("event-trimming", self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.trim()
            except ApiError as error:
                log.warning("events could not be trimmed, again in %d s: %s", EVERY, error)
            await self._context.clock.sleep(EVERY)

    async def trim(self) -> int:
        """Delete what is over; returns how many."""
        self._context.informers.catch_up()
        limit = self._context.clock.time() - self._ttl
        over = [event for event in self._context.of(EVENTS).objects.values() if last_seen(event) < limit]
        failed = await in_parallel([partial(self._delete, event) for event in over])
        if failed:
            raise failed[0]
        return len(over)

    async def _delete(self, event: Obj) -> None:
        try:
            options = DeleteOptions(uid=uid_of(event))
            await self._context.registry.delete(EVENTS, namespace_of(event), name_of(event), options)
        except ApiError as error:
            if error.reason not in ("NotFound", "Conflict"):
                raise
