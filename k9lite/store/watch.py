"""Watching the log: first what was missed, from memory or disk, then what happens, bounded for each watcher."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

import orjson

from k9lite.api.errors import expired
from k9lite.api.objects import Obj


class Stored:
    """An object as it is stored: the dict (shared, read-only), its bytes, its resourceVersion."""

    __slots__ = ("body", "obj", "rv")

    def __init__(self, obj: Obj, body: bytes, rv: int) -> None:
        self.obj = obj
        self.body = body
        self.rv = rv

    def copy(self) -> Obj:
        """A copy that may be changed."""
        copied: Obj = orjson.loads(self.body)
        return copied

    def __repr__(self) -> str:
        return f"Stored(rv={self.rv}, {self.obj.get('kind')} {self.obj.get('metadata', {}).get('name')})"


class Event:
    """One change, in the order of the log. `old` is what was there before it."""

    __slots__ = ("name", "namespace", "old", "resource", "rv", "stored", "verb")

    def __init__(
        self, rv: int, verb: str, resource: str, namespace: str, name: str, stored: Stored, old: Stored | None
    ) -> None:
        self.rv = rv
        self.verb = verb
        self.resource = resource
        self.namespace = namespace
        self.name = name
        self.stored = stored
        self.old = old

    def __repr__(self) -> str:
        return f"Event({self.rv} {self.verb} {self.resource} {self.namespace}/{self.name})"


Replay = Callable[[int, int], Awaitable[list[Event]]]
"""(after, upto) -> some of the events between, in order; empty when there are no more."""


class Watch:
    """An async iterator of events. Ends with `close`; raises ApiError 410 when its reader was too slow."""

    def __init__(
        self,
        wants: Callable[[str, str], bool],
        *,
        max_pending: int,
        on_close: Callable[[Watch], Any],
        replay: tuple[Replay, int, int] | None = None,
    ) -> None:
        self._wants = wants
        self._max_pending = max_pending
        self._missed: deque[Event] = deque()
        self._pending: deque[Event] = deque()
        self._on_close = on_close
        self._replay = replay
        self._wake = asyncio.Event()
        self._overflown = False
        self._closed = False

    def offer(self, event: Event) -> None:
        """Called by the store for each event, in order."""
        if self._overflown or not self._wants(event.resource, event.namespace):
            return
        if len(self._pending) >= self._max_pending:
            self._overflown = True
            self._pending.clear()
        else:
            self._pending.append(event)
        self._wake.set()

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> Event:
        while True:
            if self._missed:
                return self._missed.popleft()
            if self._overflown:
                raise expired("the watch was too slow and has lost events; list again and watch from there")
            if self._closed:
                raise StopAsyncIteration
            if self._replay:
                await self._load()
            elif self._pending:
                return self._pending.popleft()
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _load(self) -> None:
        """Read the next missed events; they come before those that happened since."""
        assert self._replay is not None
        read, after, upto = self._replay
        missed = await read(after, upto)
        self._replay = (read, missed[-1].rv, upto) if missed else None
        self._missed.extend(event for event in missed if self._wants(event.resource, event.namespace))

    def ready(self) -> list[Event]:
        """What can be had at once, taken from the watch."""
        source = self._missed or (None if self._replay or self._overflown else self._pending)
        if not source:
            return []
        taken = list(source)
        source.clear()
        return taken

    @property
    def is_caught_up(self) -> bool:
        """Whether its reader has had every event so far."""
        return not (self._missed or self._pending or self._replay or self._overflown)

    def close(self) -> None:
        self._closed = True
        self._wake.set()
        self._on_close(self)

    async def __aenter__(self) -> Watch:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
